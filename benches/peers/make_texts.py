"""Compose the benchmark's texts from the sentences of `texts/sentences.json`.

    python make_texts.py --tokenizer FOLDER/tokenizer.json

Writes `texts/{train,infer}{25,100}.jsonl`, rows `{"text", "label"}`. A text is a
run of whole sentences about one or two subjects; with the template it has 20 to 30 or 90
to 110 tokens. The files are committed, so this runs only when sentences change.
"""

import argparse
import json
import random
from pathlib import Path

from tokenizers import Tokenizer

TEXTS = Path(__file__).parent / "texts"
LABELS = ("negative", "positive")
# Two subjects must be enough for the longest text.
SENTENCES_PER_SUBJECT = 7
# File name -> (rows, fewest tokens, most tokens).
LISTS = {
    "train25": (32, 20, 30),
    "infer25": (64, 20, 30),
    "train100": (32, 90, 110),
    "infer100": (64, 90, 110),
}


class Composer:
    """Draws texts of a wanted token count, none of them twice."""

    def __init__(self, tokenizer: Tokenizer, seed: int) -> None:
        self.tokenizer = tokenizer
        self.random = random.Random(seed)
        self.sentences = json.loads((TEXTS / "sentences.json").read_text())
        self.template = json.loads((TEXTS / "task.json").read_text())["template"]
        self.used: set[str] = set()

    def tokens(self, text: str) -> int:
        return len(self.tokenizer.encode(self.template.replace("{text}", text)).ids)

    def text(self, label: str, target: int) -> str:
        """Sentences about one subject, then another, that fill exactly `target` tokens."""
        while True:
            subjects = self.random.sample(sorted(self.sentences), 2)
            pool = [s for name in subjects for s in self.some(self.sentences[name][label])]
            text = pool.pop(0)
            while self.tokens(text) < target:
                text = f"{text} {pool.pop(0)}"
            if self.tokens(text) == target and text not in self.used:
                self.used.add(text)
                return text

    def some(self, sentences: list[str]) -> list[str]:
        return self.random.sample(sentences, SENTENCES_PER_SUBJECT)

    def rows(self, count: int, fewest: int, most: int) -> list[dict[str, str]]:
        """Rows with both labels in turn and every length of the range in turn."""
        lengths = range(fewest, most + 1)
        return [
            {
                "text": self.text(LABELS[i % 2], lengths[i * 5 % len(lengths)]),
                "label": LABELS[i % 2],
            }
            for i in range(count)
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", type=Path, required=True)
    args = parser.parse_args()

    composer = Composer(Tokenizer.from_file(str(args.tokenizer)), seed=1)
    for name, (count, fewest, most) in LISTS.items():
        rows = composer.rows(count, fewest, most)
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (TEXTS / f"{name}.jsonl").write_text(lines)
        counts = [composer.tokens(row["text"]) for row in rows]
        mean = sum(counts) / count
        print(f"{name}: {count} rows, {min(counts)} to {max(counts)} tokens, mean {mean:.1f}")


if __name__ == "__main__":
    main()
