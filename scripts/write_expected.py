#!/usr/bin/env python3
"""Writes examples/expected.json: what the Rust examples print for the tiny model of the tests.

    write_expected.py FOLDER        # where cargo put the examples: target/debug/examples
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ["classify", "many_adapters", "cancel", "save_load", "memory_budget"]


def short(value: object) -> object:
    """The value with floats cut to 9 digits, which is all that 32 bits hold."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list):
        return [short(item) for item in value]
    if isinstance(value, dict):
        return {name: short(item) for name, item in value.items()}
    return value


def main() -> None:
    lines = []
    for name in PROGRAMS:
        command = [f"{sys.argv[1]}/{name}", ROOT / "tests/fixtures/tiny-llama-tied", ROOT / "examples/customers"]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        lines.append(f'  "{name}": {json.dumps(short(json.loads(output)))}')
    (ROOT / "examples/expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
