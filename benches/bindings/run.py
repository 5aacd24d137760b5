"""What a call costs in each language above the call in Rust, on a tiny model.

    python3 run.py NAME=COMMAND [NAME=COMMAND ...]

The first worker is the measure of the others. Every worker is a program that takes
MODEL ADAPTER CALLS and prints the median microseconds of a prediction. They take
turns, so that a slow minute of the machine hits all of them alike.
"""

import shlex
import statistics
import subprocess
import sys
from pathlib import Path

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures"
MODEL = FIXTURES / "tiny-llama-tied"
ADAPTER = FIXTURES / "golden" / "v1" / "adapter.supmer"
CALLS = 2000
ROUNDS = 11


def measure(command: str) -> float:
    arguments = [*shlex.split(command), str(MODEL), str(ADAPTER), str(CALLS)]
    said = subprocess.run(arguments, check=True, capture_output=True, text=True)
    return float(said.stdout)


def main() -> None:
    workers = dict(argument.split("=", 1) for argument in sys.argv[1:])
    if not workers:
        sys.exit(__doc__)
    times = {name: [] for name in workers}
    for _ in range(ROUNDS):
        for name, command in workers.items():
            times[name].append(measure(command))
    base = next(iter(workers))
    print("| language | prediction, µs | above the first, µs | lowest and highest |")
    print("|---|---|---|---|")
    for name, taken in times.items():
        above = [own - first for own, first in zip(taken, times[base])]
        spread = f"{min(above):+.1f} to {max(above):+.1f}"
        print(f"| {name} | {statistics.median(taken):.1f} | {statistics.median(above):+.1f} | {spread} |")


if __name__ == "__main__":
    main()
