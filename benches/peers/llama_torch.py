"""A frozen Llama under a shared soft prompt, written by hand for speed.

What it does that the transformers model does not:

- prompt rows come first and attention is causal, so they are the same for every
  example of a batch: they are computed once, and their gradients add up;
- the rows of all texts are packed, so no product sees padding; only attention
  works on a padded layout;
- query, key and value weights are one matrix, gate and up weights another, and
  the scales of the norms and of attention are multiplied into them;
- a rotary angle is one complex product;
- attention folds the query heads of a group into rows instead of copying keys;
- behind the last attention only the rows with an answer go on.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F  # noqa: N812
from safetensors import safe_open

# Keys and values of the prompt in every layer, each (prompt rows, 2 * key heads, width).
Cache = list[torch.Tensor]


@dataclass
class Text:
    """Token ids of one example, and the rows at which an answer is read.

    `parents[i]` is the row that row i continues; without it each row continues
    the one before. A tree lets several endings share one text.
    """

    ids: list[int]
    answers: list[int]
    parents: list[int] | None = None


class Batch:
    """Texts packed row after row, with the way to a padded layout and back."""

    def __init__(self, texts: list[Text], prompt_rows: int, dtype: torch.dtype) -> None:
        lengths = [len(text.ids) for text in texts]
        starts = [sum(lengths[:i]) for i in range(len(texts))]
        self.texts, self.longest, self.lengths = len(texts), max(lengths), lengths
        self.ids = torch.tensor([i for text in texts for i in text.ids])
        self.answers = torch.tensor(
            [start + a for start, text in zip(starts, texts, strict=True) for a in text.answers]
        )
        # Padding repeats a text's first row; nothing reads what comes of it.
        self.to_padded = torch.tensor(
            [
                start + (t if t < length else 0)
                for start, length in zip(starts, lengths, strict=True)
                for t in range(self.longest)
            ]
        )
        self.to_packed = torch.tensor(
            [b * self.longest + t for b, length in enumerate(lengths) for t in range(length)]
        )
        depths = [self.depths(text) for text in texts]
        self.positions = torch.tensor([prompt_rows + d for depth in depths for d in depth])
        self.mask = self.attention_mask(texts, prompt_rows).to(dtype)

    @staticmethod
    def depths(text: Text) -> list[int]:
        if text.parents is None:
            return list(range(len(text.ids)))
        depths: list[int] = []
        for parent in text.parents:
            depths.append(depths[parent] + 1 if parent >= 0 else 0)
        return depths

    def attention_mask(self, texts: list[Text], prompt_rows: int) -> torch.Tensor:
        """0 where a row may look, -inf elsewhere; (texts or 1, rows, prompt + rows)."""
        causal = torch.ones(self.longest, self.longest).tril()
        if all(text.parents is None for text in texts):
            visible = causal[None]
        else:
            visible = torch.stack([self.visible(text, causal) for text in texts])
        mask = torch.zeros_like(visible).masked_fill(visible == 0, -torch.inf)
        return F.pad(mask, (prompt_rows, 0))

    @staticmethod
    def visible(text: Text, causal: torch.Tensor) -> torch.Tensor:
        """1 where a row is an ancestor of another or the row itself."""
        if text.parents is None:
            return causal
        out = torch.eye(len(causal))
        for row, parent in enumerate(text.parents):
            if parent >= 0:
                out[row] += out[parent]
        return out


class Llama:
    """The weights of a Hugging Face folder, frozen, without modules."""

    def __init__(self, folder: Path, dtype: torch.dtype = torch.float32) -> None:
        config = json.loads((folder / "config.json").read_text())
        self.heads = config["num_attention_heads"]
        self.key_heads = config["num_key_value_heads"]
        self.head_width = config["head_dim"]
        self.width = config["hidden_size"]
        self.eps = config["rms_norm_eps"]
        self.dtype = dtype
        file = folder / "model.safetensors"
        with safe_open(file, "pt") as tensors:
            self.embedding = tensors.get_tensor("model.embed_tokens.weight").to(dtype)
            self.final_norm = tensors.get_tensor("model.norm.weight").to(dtype)
        self.layers = [self.layer(file, i) for i in range(config["num_hidden_layers"])]
        self.speeds = config["rope_parameters"]["rope_theta"] ** (
            -torch.arange(0, self.head_width, 2) / self.head_width
        )

    def layer(self, file: Path, index: int) -> SimpleNamespace:
        """One layer's weights; the file is let go after each, to keep the peak low."""
        with safe_open(file, "pt") as tensors:

            def tensor(name: str) -> torch.Tensor:
                return tensors.get_tensor(f"model.layers.{index}.{name}.weight")

            query = self.pairs_from_halves(tensor("self_attn.q_proj")) * self.head_width**-0.5
            key = self.pairs_from_halves(tensor("self_attn.k_proj"))
            value = tensor("self_attn.v_proj")
            gate_up = torch.cat([tensor("mlp.gate_proj"), tensor("mlp.up_proj")])
            return SimpleNamespace(
                qkv=(torch.cat([query, key, value]) * tensor("input_layernorm")).to(self.dtype),
                out=tensor("self_attn.o_proj").to(self.dtype, copy=True),
                gate_up=(gate_up * tensor("post_attention_layernorm")).to(self.dtype),
                down=tensor("mlp.down_proj").to(self.dtype, copy=True),
            )

    def pairs_from_halves(self, weight: torch.Tensor) -> torch.Tensor:
        """Put the two numbers that a rotary angle turns next to each other."""
        by_head = weight.view(-1, 2, self.head_width // 2, weight.shape[1])
        return by_head.transpose(1, 2).reshape(weight.shape)

    def rotation(self, positions: torch.Tensor) -> torch.Tensor:
        """What turns each row's queries and keys, and leaves its values as they are."""
        angles = torch.outer(positions, self.speeds)
        turn = torch.polar(torch.ones_like(angles), angles)[:, None]
        return torch.cat(
            [
                turn.expand(-1, self.heads + self.key_heads, -1),
                torch.ones_like(turn).expand(-1, self.key_heads, -1),
            ],
            1,
        )

    def answers(
        self, batch: Batch, prompt: torch.Tensor | None = None, cache: Cache | None = None
    ) -> torch.Tensor:
        """Final hidden states at the answers of a batch.

        The prompt comes as rows (with gradient) or as `prompt_cache` made it.
        """
        return self.hidden(batch, prompt, cache, answers_only=True)

    def all_rows(self, batch: Batch, prompt: torch.Tensor) -> torch.Tensor:
        """Final hidden states of the prompt's rows, then of every text's."""
        return self.hidden(batch, prompt, None, answers_only=False)

    def hidden(
        self,
        batch: Batch,
        prompt: torch.Tensor | None,
        cache: Cache | None,
        answers_only: bool,
    ) -> torch.Tensor:
        x = F.embedding(batch.ids, self.embedding)
        positions = batch.positions
        rows = 0
        if prompt is not None:
            rows = len(prompt)
            x = torch.cat([prompt.to(self.dtype), x])
            positions = torch.cat([torch.arange(rows), positions])
        rotation = self.rotation(positions)
        causal = causal_mask(rows, self.dtype)
        for index, layer in enumerate(self.layers):
            qkv = self.project(layer, x, rotation)
            q, kv = qkv[:rows].split([self.heads, 2 * self.key_heads], 1)
            mixed = self.attend_texts(batch, qkv[rows:], cache[index] if cache else kv)
            if answers_only and index + 1 == len(self.layers):
                x, mixed = x[rows + batch.answers], mixed[batch.answers]
            elif rows:
                mixed = torch.cat([self.attend(q[None], kv[None], causal)[0], mixed])
            x = self.feed(layer, x + F.linear(mixed, layer.out))
        return F.rms_norm(x, (self.width,), self.final_norm, self.eps)

    def prompt_cache(self, prompt: torch.Tensor) -> Cache:
        """Keys and values of the prompt's rows in every layer."""
        x, cache = prompt.to(self.dtype), []
        rotation = self.rotation(torch.arange(len(prompt)))
        causal = causal_mask(len(prompt), self.dtype)
        for layer in self.layers:
            qkv = self.project(layer, x, rotation)
            q, kv = qkv.split([self.heads, 2 * self.key_heads], 1)
            cache.append(kv)
            mixed = self.attend(q[None], kv[None], causal)[0]
            x = self.feed(layer, x + F.linear(mixed, layer.out))
        return cache

    def logits(self, hidden: torch.Tensor, tokens: torch.Tensor | None = None) -> torch.Tensor:
        """Scores of the whole vocabulary, or of some tokens."""
        rows = self.embedding if tokens is None else self.embedding[tokens]
        return F.linear(hidden, rows).float()

    def project(
        self, layer: SimpleNamespace, x: torch.Tensor, rotation: torch.Tensor
    ) -> torch.Tensor:
        """Queries, keys and values as (rows, heads, width), the first two rotated."""
        qkv = F.linear(self.norm(x), layer.qkv)
        pairs = qkv.float().view(len(x), -1, self.head_width // 2, 2)
        turned = torch.view_as_real(torch.view_as_complex(pairs) * rotation)
        return turned.flatten(2).to(self.dtype)

    def feed(self, layer: SimpleNamespace, x: torch.Tensor) -> torch.Tensor:
        gate, up = F.linear(self.norm(x), layer.gate_up).chunk(2, -1)
        return x + F.linear(F.silu(gate) * up, layer.down)

    def norm(self, x: torch.Tensor) -> torch.Tensor:
        """The norm without its weight, which the next product has taken in."""
        return F.rms_norm(x, (self.width,), None, self.eps)

    def attend_texts(self, batch: Batch, qkv: torch.Tensor, prefix: torch.Tensor) -> torch.Tensor:
        """Every text looks at the prompt and at itself; packed rows in and out."""
        padded = qkv.index_select(0, batch.to_padded)
        padded = padded.view(batch.texts, batch.longest, -1, self.head_width)
        q, kv = padded.split([self.heads, 2 * self.key_heads], 2)
        kv = torch.cat([prefix.expand(batch.texts, *prefix.shape), kv], 1)
        return self.attend(q, kv, batch.mask).flatten(0, 1).index_select(0, batch.to_packed)

    def attend(self, q: torch.Tensor, kv: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Attention of (texts, rows, heads, width); heads of a group share a product."""
        texts, rows, heads, width = q.shape
        groups = self.key_heads
        k, v = kv.split([groups, groups], 2)
        folded = q.unflatten(2, (groups, -1)).permute(0, 2, 3, 1, 4).flatten(2, 3)
        scores = folded @ k.permute(0, 2, 3, 1)
        scores = scores.unflatten(2, (-1, rows)) + mask[:, None, None]
        mixed = scores.softmax(-1).flatten(2, 3) @ v.transpose(1, 2)
        mixed = mixed.unflatten(2, (-1, rows)).permute(0, 3, 1, 2, 4)
        return mixed.reshape(texts, rows, heads * width)


def causal_mask(rows: int, dtype: torch.dtype) -> torch.Tensor:
    """0 where a row may look, -inf elsewhere, (1, rows, rows)."""
    return torch.full((1, rows, rows), -torch.inf, dtype=dtype).triu(1)
