"""Compare supmer's few-shot accuracy with the PyTorch reference, seed by seed.

    python compare_quality.py --pair SUPMER/results.json PYTORCH/results.json [--pair ...]

Prints a Markdown row per task: both means, and the mean of the differences over
the seeds (supmer less PyTorch) with its 95% t-interval, in percentage points.
"""

import argparse
import json
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import mean, stdev

# 97.5% quantiles of Student's t for 1, 2, ... degrees of freedom.
T_QUANTILES = [
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
]


@dataclass
class Comparison:
    """Accuracies of both sides on the seeds that both ran."""

    task: str
    ours: list[float]
    reference: list[float]

    @classmethod
    def read(cls, ours: Path, reference: Path, method: str | None) -> "Comparison":
        base = json.loads(reference.read_text())
        own = per_seed_of(json.loads(ours.read_text()), method)
        theirs = {seed: result["accuracy"] for seed, result in base["per_seed"].items()}
        seeds = [seed for seed in own if seed in theirs]
        if len(seeds) < 2:
            raise SystemExit(f"{base['task']}: only {len(seeds)} seeds in common, two are needed")
        return cls(base["task"], [own[s] for s in seeds], [theirs[s] for s in seeds])

    def row(self) -> str:
        differences = [100 * (a - b) for a, b in zip(self.ours, self.reference, strict=True)]
        count = len(differences)
        quantile = T_QUANTILES[min(count - 1, len(T_QUANTILES)) - 1]
        half = quantile * stdev(differences) / sqrt(count)
        middle = mean(differences)
        return (
            f"| {self.task} | {count} | {100 * mean(self.ours):.2f} | "
            f"{100 * mean(self.reference):.2f} | {middle:+.2f} | "
            f"{middle - half:+.2f} to {middle + half:+.2f} |"
        )


def per_seed_of(results: dict, method: str | None) -> dict[str, float]:
    """Accuracy per seed of a method by name, or of the first one."""
    methods = results["methods"]
    for entry in methods:
        if method in (None, entry["name"]):
            return {str(seed): value for seed, value in entry["accuracy"]["per_seed"].items()}
    raise SystemExit(f"no method {method!r} among {[entry['name'] for entry in methods]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--pair",
        nargs=2,
        type=Path,
        action="append",
        required=True,
        metavar=("SUPMER", "PYTORCH"),
    )
    parser.add_argument("--method", help="name in supmer's results; the first one by default")
    args = parser.parse_args()

    print("| task | seeds | supmer | PyTorch | difference | 95% interval |")
    print("| --- | --- | --- | --- | --- | --- |")
    for ours, reference in args.pair:
        print(Comparison.read(ours, reference, args.method).row())


if __name__ == "__main__":
    main()
