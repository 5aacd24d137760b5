"""The PyTorch reference for few-shot accuracy: same rows, start, steps, same loss.

    supmer eval ... --dump-splits SPLITS        # what to train on, for each seed
    python quality_torch.py --model FOLDER --splits SPLITS --out RESULTS

Trains a prompt in float32 for every `SPLITS/seed-*`, keeps the best state by
(dev accuracy, then lower dev loss), the start included, and scores the test
rows. Writes `RESULTS/seed-*.json` as it goes and `RESULTS/results.json` at the
end; seeds whose file is there, made from the same splits, are not run again.
"""

import argparse
import hashlib
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from label_tree import LabelTree
from llama_torch import Batch, Cache, Llama, Text
from workload import set_up_torch

# Rows of one evaluation batch, label tree included.
EVALUATION_ROWS = 1200


@dataclass
class Rows:
    """Filled templates as token ids, and each one's label."""

    ids: list[list[int]]
    labels: list[int]


def read_rows(file: Path, names: list[str]) -> Rows:
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return Rows([row["ids"] for row in rows], [names.index(row["label"]) for row in rows])


@dataclass
class Task:
    """What all seeds of a folder share."""

    name: str
    settings: dict
    verbalizers: list[list[int]]
    names: list[str]
    test: Rows

    @classmethod
    def read(cls, splits: Path) -> "Task":
        fields = json.loads((splits / "task.json").read_text())
        names = [label["name"] for label in fields["labels"]]
        settings = json.loads((splits / "settings.json").read_text())
        test = read_rows(splits / "test.jsonl", names)
        return cls(fields["name"], settings, settings["verbalizer_ids"], names, test)


def training_loss(
    model: Llama, prompt: torch.Tensor, ids: list[list[int]], answers: list[list[int]]
) -> torch.Tensor:
    """Whole-vocabulary cross entropy, summed over a verbalizer's tokens, mean over rows."""
    texts = [
        Text(text + answer[:-1], [len(text) - 1 + i for i in range(len(answer))])
        for text, answer in zip(ids, answers, strict=True)
    ]
    batch = Batch(texts, len(prompt), model.dtype)
    logits = model.logits(model.answers(batch, prompt=prompt))
    tokens = torch.tensor([token for answer in answers for token in answer])
    return torch.nn.functional.cross_entropy(logits, tokens, reduction="sum") / len(ids)


def evaluation_batches(rows: Rows, tree: LabelTree) -> list[list[int]]:
    """Row indices in batches of similar length."""
    by_length = sorted(range(len(rows.ids)), key=lambda row: len(rows.ids[row]))
    batches: list[list[int]] = [[]]
    for row in by_length:
        longest = len(rows.ids[row]) + tree.extra_rows
        if batches[-1] and longest * (len(batches[-1]) + 1) > EVALUATION_ROWS:
            batches.append([])
        batches[-1].append(row)
    return batches


@torch.no_grad()
def label_scores(model: Llama, prompt: torch.Tensor, rows: Rows, tree: LabelTree) -> torch.Tensor:
    """Summed token log-probabilities of every label for every row, (rows, labels)."""
    cache: Cache = model.prompt_cache(prompt)
    scores = torch.empty(len(rows.ids), tree.labels)
    for indices in evaluation_batches(rows, tree):
        texts = [tree.behind(rows.ids[row]) for row in indices]
        batch = Batch(texts, len(prompt), model.dtype)
        hidden = model.answers(batch, cache=cache)
        scores[indices] = tree.scores(model, hidden.view(len(indices), -1, model.width))
    return scores


def accuracy_and_loss(scores: torch.Tensor, tree: LabelTree, labels: list[int]):
    """The share of right predictions, and the cross entropy over the labels, in nats."""
    truth = torch.tensor(labels)
    probabilities = tree.probabilities(scores)
    accuracy = (probabilities.argmax(-1) == truth).double().mean().item()
    return accuracy, -probabilities[torch.arange(len(truth)), truth].log().mean().item()


def train(model: Llama, task: Task, folder: Path, tree: LabelTree) -> tuple[torch.Tensor, dict]:
    """The best prompt by the dev rows, and how it came about."""
    settings = task.settings
    rows = read_rows(folder / "train.jsonl", task.names)
    dev = read_rows(folder / "dev.jsonl", task.names)
    batches = json.loads((folder / "batches.json").read_text())
    prompt = torch.nn.Parameter(load_file(folder / "start.safetensors")["prompt"].float())
    steps, every = settings["steps"], settings["eval_every"] or settings["steps"]
    optimizer = torch.optim.AdamW([prompt], lr=settings["learning_rate"], weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: 1 - i / steps)
    losses, best, best_prompt = [], None, None

    def look(step: int) -> None:
        nonlocal best, best_prompt
        scores = label_scores(model, prompt, dev, tree)
        accuracy, dev_loss = accuracy_and_loss(scores, tree, dev.labels)
        if best is None or (accuracy, -dev_loss) > (best["dev_accuracy"], -best["dev_loss"]):
            best = {"best_step": step, "dev_accuracy": accuracy, "dev_loss": dev_loss}
            best_prompt = prompt.detach().clone()

    look(0)
    for step, indices in enumerate(batches[:steps], start=1):
        optimizer.zero_grad()
        answers = [task.verbalizers[rows.labels[row]] for row in indices]
        loss = training_loss(model, prompt, [rows.ids[row] for row in indices], answers)
        loss.backward()
        if settings["clip_norm"]:
            torch.nn.utils.clip_grad_norm_([prompt], settings["clip_norm"])
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % every == 0 or step == steps:
            look(step)
    return best_prompt, {**best, "losses": losses}


def digest(splits: Path, folder: Path) -> str:
    """SHA-256 of all that a seed's result depends on, but for the model."""
    files = [splits / name for name in ("task.json", "settings.json", "test.jsonl")]
    files += sorted(path for path in folder.iterdir() if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def run_seed(model: Llama, task: Task, folder: Path, tree: LabelTree) -> dict:
    start = time.perf_counter()
    prompt, report = train(model, task, folder, tree)
    trained = time.perf_counter()
    scores = label_scores(model, prompt, task.test, tree)
    accuracy, _ = accuracy_and_loss(scores, tree, task.test.labels)
    return {
        "accuracy": accuracy,
        **report,
        "training_seconds": trained - start,
        "test_seconds": time.perf_counter() - trained,
        "predictions": tree.probabilities(scores).argmax(-1).tolist(),
    }


def summary(task: Task, per_seed: dict[str, dict]) -> dict:
    values = [result["accuracy"] for result in per_seed.values()]
    kept = ("accuracy", "dev_accuracy", "dev_loss", "best_step", "training_seconds")
    return {
        "task": task.name,
        "mean": statistics.mean(values),
        "std": statistics.stdev(values) if len(values) > 1 else 0.0,
        "per_seed": {seed: {k: result[k] for k in kept} for seed, result in per_seed.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="float32 Hugging Face folder")
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--matmul", choices=("highest", "medium"), default="highest")
    args = parser.parse_args()

    set_up_torch(args.threads, args.matmul)
    args.out.mkdir(parents=True, exist_ok=True)
    task = Task.read(args.splits)
    tree = LabelTree(task.verbalizers)
    model = Llama(args.model)
    per_seed = {}
    for folder in sorted(args.splits.glob("seed-*")):
        file = args.out / f"{folder.name}.json"
        made_from = digest(args.splits, folder)
        if not file.exists() or json.loads(file.read_text()).get("made_from") != made_from:
            result = {**run_seed(model, task, folder, tree), "made_from": made_from}
            print(f"{task.name} {folder.name}: {result['accuracy']:.4f}", flush=True)
            # Renamed when complete, so that a stopped run leaves no half file.
            part = file.with_suffix(".part")
            part.write_text(json.dumps(result))
            part.rename(file)
        per_seed[folder.name.removeprefix("seed-")] = json.loads(file.read_text())
    report = summary(task, per_seed)
    (args.out / "results.json").write_text(json.dumps(report, indent=1) + "\n")
    print(f"{task.name}: {report['mean']:.4f} ± {report['std']:.4f} over {len(per_seed)} seeds")


if __name__ == "__main__":
    main()
