"""Scores of all labels of a text in one pass, however many tokens they have.

Verbalizers that begin alike share their rows: behind the text come the tokens of
every proper prefix of a verbalizer, each continuing the prefix before it.
"""

import torch
import torch.nn.functional as F  # noqa: N812

from llama_torch import Llama, Text

# Rows whose vocabulary scores are held at once.
NORMALISER_ROWS = 128


class LabelTree:
    """The prefixes of the verbalizers; row 0 is the end of the text itself."""

    def __init__(self, verbalizers: list[list[int]]) -> None:
        prefixes = {tuple(ids[:n]) for ids in verbalizers for n in range(1, len(ids))}
        self.prefixes = sorted(prefixes, key=len)
        row_of = {(): 0} | {prefix: i for i, prefix in enumerate(self.prefixes, start=1)}
        self.parents = [row_of[prefix[:-1]] for prefix in self.prefixes]
        self.labels = len(verbalizers)
        self.lengths = torch.tensor([len(ids) for ids in verbalizers])
        # One entry per token of a verbalizer: whose, behind which row, which token.
        entries = [
            (label, row_of[tuple(ids[:n])], ids[n])
            for label, ids in enumerate(verbalizers)
            for n in range(len(ids))
        ]
        self.label_of, self.row_of, self.token_of = torch.tensor(entries).T

    @property
    def extra_rows(self) -> int:
        return len(self.prefixes)

    def behind(self, ids: list[int]) -> Text:
        """The text with the tree behind it."""
        last = len(ids) - 1
        tokens = [prefix[-1] for prefix in self.prefixes]
        answers = list(range(last, last + 1 + len(tokens)))
        if not tokens:
            return Text(ids, answers)
        parents = [*range(-1, last), *(last + parent for parent in self.parents)]
        return Text(ids + tokens, answers, parents)

    def scores(self, model: Llama, hidden: torch.Tensor) -> torch.Tensor:
        """Summed log-probabilities of every label's tokens; hidden is (texts, rows, width)."""
        chunks = hidden.flatten(0, 1).split(NORMALISER_ROWS)
        normaliser = torch.cat([model.logits(chunk).logsumexp(-1) for chunk in chunks])
        normaliser = normaliser.view(hidden.shape[:2])
        tokens, position = self.token_of.unique(return_inverse=True)
        logits = F.linear(hidden, model.embedding[tokens]).float()
        values = logits[:, self.row_of, position] - normaliser[:, self.row_of]
        return torch.zeros(len(hidden), self.labels).index_add(1, self.label_of, values)

    def probabilities(self, scores: torch.Tensor) -> torch.Tensor:
        """Softmax over labels of the mean token log-probability."""
        return (scores / self.lengths).softmax(-1)
