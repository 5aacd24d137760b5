"""What every worker works on: a task, its rows as token ids, a start prompt."""

import json
from argparse import ArgumentParser
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer


class Workload:
    """Rows of a JSON Lines file, read with the task's template and verbalizers."""

    def __init__(self, tokenizer: Path, task: Path, data: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(tokenizer))
        fields = json.loads(task.read_text())
        self.template = fields["template"]
        self.names = [label["name"] for label in fields["labels"]]
        self.verbalizers = [self.only_token(label["verbalizer"]) for label in fields["labels"]]
        self.rows = [json.loads(line) for line in data.read_text().splitlines()]

    def only_token(self, verbalizer: str) -> int:
        ids = self.tokenizer.encode(verbalizer).ids
        if len(ids) != 1:
            raise SystemExit(
                f"verbalizer {verbalizer!r} has {len(ids)} tokens, the benchmark takes one"
            )
        return ids[0]

    def ids(self, row: int) -> list[int]:
        """Token ids of a row's text in the template."""
        text = self.template.replace("{text}", self.rows[row]["text"])
        return self.tokenizer.encode(text).ids

    def answer(self, row: int) -> int:
        """Token id of a row's label."""
        return self.verbalizers[self.names.index(self.rows[row]["label"])]


def read_prompt(path: Path, width: int) -> torch.Tensor:
    """A (P, d) float32 prompt: tensor `prompt` of a safetensors file, or raw little-endian."""
    if path.suffix == ".safetensors":
        return load_file(path)["prompt"].float()
    return torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.float32).view(-1, width)


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments that the adaptation and prediction workers share."""
    parser.add_argument("--model", type=Path, required=True, help="float32 Hugging Face folder")
    parser.add_argument("--task", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--prompt-file", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--matmul",
        choices=("highest", "medium"),
        default="highest",
        help="highest: MKL; medium: oneDNN (float32 with AVX-512, but bfloat16 where there is AMX)",
    )
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--serve", action="store_true", help="obey run.py")


def set_up_torch(threads: int, matmul: str) -> None:
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(matmul)
