"""Measure supmer and its peers in turns, and print Markdown tables.

    $SUPMER_CACHE/peers-venv/bin/python run.py --gguf MODEL.gguf --supmer bench_worker

`make bench-peers` does this after setup.sh. All workers stay loaded and take one
step after the other, so a slow minute of the machine hits all of them alike.
Nothing else should run meanwhile: the report opens with how idle the machine was.
"""

import argparse
import json
import os
import platform
import random
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from lineup import Peer, Places, Work, llamacpp, ours, torch_peers
from session import Record, seconds_to_first_answer, take_turns
from tables import Times, loss_table, probability_table, seconds, startup_table, table

PROMPT_ROWS = 20
TRAIN_ROWS = 32
REFERENCE = "transformers, frozen"
SECTIONS = ("adapt25", "adapt100", "meta25", "predict1", "predict16", "startup")
META_EXAMPLES = 24
META_RATE = 0.0005  # at ten times as much the losses are chaotic, and rounding would decide them
REGULARIZER_RANK = 32


def write_start(places: Places) -> None:
    """A start prompt, the embeddings of some ordinary tokens, and a random psi of two layers."""
    tokens = random.Random(7).sample(range(1000, 20000), PROMPT_ROWS)
    with safe_open(places.hf_folder / "model.safetensors", "np") as tensors:
        embedding = tensors.get_tensor("model.embed_tokens.weight")
    width = embedding.shape[1]
    draw = np.random.default_rng(7)
    layer = [draw.standard_normal(2 * width * REGULARIZER_RANK), np.zeros(width)]
    gate = [draw.uniform(-1, 1, 24 * width + 24) / width**0.5, draw.uniform(-0.2, 0.2, 25)]
    phi = np.concatenate([*layer, *layer, *gate]).astype(np.float32)
    save_file({"prompt": np.ascontiguousarray(embedding[tokens]), "phi": phi}, places.start)


def write_order(places: Places, steps: int, batch: int) -> None:
    """Row indices of every step: the rows in a new random order each pass."""
    shuffle, rows, order = random.Random(7), [], []
    for _ in range(steps):
        if len(rows) < batch:
            rows = shuffle.sample(range(TRAIN_ROWS), TRAIN_ROWS)
        order.append(rows[:batch])
        rows = rows[batch:]
    places.order.write_text(json.dumps(order))


def in_groups(
    places: Places, work: Work, args: argparse.Namespace
) -> tuple[list[list[Record]], list[str]]:
    """Take turns in groups of a few peers, to fit into memory; supmer is in each."""
    base, others = ours(places, work), chosen_peers(places, work, args)
    size = args.at_once
    groups = [
        take_turns([*base, *others[i : i + size]], work.steps, args.threads, args.pause)
        for i in range(0, len(others), size)
    ]
    return groups, [peer.name for peer in [*base, *others]]


def chosen_peers(places: Places, work: Work, args: argparse.Namespace) -> list[Peer]:
    return torch_peers(places, work, args.bfloat16) + llamacpp(places, work)


# What a section gives: its tables, and its lines of the summary.
Section = tuple[str, list[list[str]]]


def adaptation(length: int, places: Places, args: argparse.Namespace) -> Section:
    steps = args.warm_ups + args.rounds
    write_order(places, steps, batch=8)
    work = Work("adapt", f"train{length}", 8, steps, args.threads, args.learning_rate)
    groups, names = in_groups(places, work, args)
    times = Times(groups, args.warm_ups)
    text = (
        f"### Adaptation step, batch 8, about {length} tokens\n\n"
        f"{times.table()}\n\n"
        f"Losses over {steps} steps from the same start over the same batches:\n\n"
        f"{loss_table(groups, names, REFERENCE)}\n"
    )
    return text, times.summary(f"step, {length} tokens")


def meta_step(places: Places, args: argparse.Namespace) -> Section:
    steps = args.warm_ups + args.rounds
    write_order(places, steps, batch=META_EXAMPLES)
    work = Work("meta", "train25", META_EXAMPLES, steps, args.threads, META_RATE)
    groups, names = in_groups(places, work, args)
    times = Times(groups, args.warm_ups)
    text = (
        f"### Meta step, {META_EXAMPLES} examples (8 support, 8 query mixed with 8), "
        f"about 25 tokens\n\n"
        f"{times.table()}\n\n"
        f"Query losses over {steps} steps from the same start over the same examples:\n\n"
        f"{loss_table(groups, names, 'hand-written, AVX-512 path')}\n"
    )
    return text, times.summary("meta step")


def prediction(batch: int, places: Places, args: argparse.Namespace) -> Section:
    steps = args.warm_ups + args.prediction_rounds
    work = Work("predict", "infer25", batch, steps, args.threads, args.learning_rate)
    groups, names = in_groups(places, work, args)
    times = Times(groups, args.warm_ups)
    text = (
        f"### Prediction, batch {batch}, about 25 tokens, prompt cached\n\n"
        f"{times.table()}\n\n"
        f"Probabilities:\n\n{probability_table(groups, names, REFERENCE)}\n"
    )
    return text, times.summary(f"prediction of {batch}")


def startup(places: Places, args: argparse.Namespace) -> Section:
    work = Work("predict", "infer25", 1, 1, args.threads, args.learning_rate)
    peers = ours(places, work) + chosen_peers(places, work, args)
    first_answers = {peer.name: [] for peer in peers}
    for _ in range(args.starts):
        for peer in peers:
            time.sleep(args.pause)
            first_answers[peer.name].append(seconds_to_first_answer(peer, args.threads))
    text = f"### From process start to first prediction\n\n{startup_table(first_answers)}\n"
    medians = [seconds(median(first_answers[peer.name])) for peer in peers if peer.ours]
    return text, [["start to first prediction: median", *medians]]


def machine(threads: int) -> str:
    """One paragraph: the processor, how idle it was, and the versions."""
    names = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    packages = ("torch", "transformers", "peft", "llama-cpp-python")
    versions = ", ".join(f"{name} {installed}" for name in packages if (installed := found(name)))
    return (
        f"{names[0]}, {len(names)} cores, {threads} threads; "
        f"{idle_percent():.0f} % idle before the run. "
        f"Python {platform.python_version()}, {versions}.\n"
    )


def found(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def idle_percent() -> float:
    """How much of three seconds the cores had nothing to do."""

    def ticks() -> tuple[int, int]:
        fields = [int(field) for field in Path("/proc/stat").read_text().split()[1:9]]
        return fields[3] + fields[4], sum(fields)

    idle, total = ticks()
    time.sleep(3)
    idle_after, total_after = ticks()
    return 100 * (idle_after - idle) / max(1, total_after - total)


def parse() -> argparse.Namespace:
    default_cache = Path.home() / ".cache/supmer"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--supmer", type=Path, help="built worker; peers alone without it")
    parser.add_argument(
        "--cache", type=Path, default=Path(os.environ.get("SUPMER_CACHE", default_cache))
    )
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--warm-ups", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=17)
    parser.add_argument("--prediction-rounds", type=int, default=40)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=3, help="peers loaded at the same time")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds between steps")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=0.005)
    parser.add_argument("--bfloat16", action="store_true", help="add a row with bf16 weights")
    parser.add_argument("--amx", action="store_true", help="add supmer's rows with AMX tiles")
    return parser.parse_args()


def main() -> None:
    args = parse()
    work_folder = args.cache / "peers-work"
    work_folder.mkdir(parents=True, exist_ok=True)
    places = Places(
        gguf=args.gguf,
        hf_folder=args.cache / "smollm2-135m-instruct-f32",
        intel_path=args.cache / "libintel_path.so",
        supmer=args.supmer,
        start=work_folder / "start.safetensors",
        order=work_folder / "order.json",
        amx=args.amx,
    )
    write_start(places)
    print(machine(args.threads), flush=True)
    run_section = {
        "adapt25": lambda: adaptation(25, places, args),
        "adapt100": lambda: adaptation(100, places, args),
        "meta25": lambda: meta_step(places, args),
        "predict1": lambda: prediction(1, places, args),
        "predict16": lambda: prediction(16, places, args),
        "startup": lambda: startup(places, args),
    }
    lines = []
    for section in args.sections:
        text, summary = run_section[section]()
        print(text, flush=True)
        lines += summary
    modes = [mode.name for mode in ours(places, Work("adapt", "train25", 8, 1, args.threads, 0.0))]
    if modes:
        print(f"### Summary: a column for each mode\n\n{table(['', *modes], lines)}")


if __name__ == "__main__":
    main()
