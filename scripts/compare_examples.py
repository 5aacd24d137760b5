#!/usr/bin/env python3
"""Compares what an example printed with the numbers of expected.json.

    compare_examples.py EXPECTED NAME OUTPUT...

EXPECTED holds one object per program; OUTPUT files (- is standard input) hold what program NAME printed. Members,
lengths, texts, booleans and integers must be equal, every other number x within 1e-5 * max(1, |x|).
"""

import json
import math
import sys
from collections.abc import Iterator

TOLERANCE = 1e-5


def differences(expected: object, came: object, place: str) -> Iterator[str]:
    """Says where the two values differ."""
    if isinstance(expected, float) and isinstance(came, int | float) and not isinstance(came, bool):
        if not math.isclose(expected, came, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"{place}: {expected} was expected, {came} came"
    elif type(expected) is not type(came):
        yield f"{place}: {expected!r} was expected, {came!r} came"
    elif isinstance(expected, dict):
        if expected.keys() != came.keys():
            yield f"{place}: the members {sorted(expected)} were expected, {sorted(came)} came"
        else:
            for name in expected:
                yield from differences(expected[name], came[name], f"{place}.{name}")
    elif isinstance(expected, list):
        if len(expected) != len(came):
            yield f"{place}: {len(expected)} values were expected, {len(came)} came"
        else:
            for at, pair in enumerate(zip(expected, came, strict=True)):
                yield from differences(*pair, f"{place}[{at}]")
    elif expected != came:
        yield f"{place}: {expected!r} was expected, {came!r} came"


def main() -> None:
    expected_path, name, *outputs = sys.argv[1:]
    with open(expected_path, encoding="utf-8") as file:
        expected = json.load(file)[name]
    found = []
    for path in outputs:
        with sys.stdin if path == "-" else open(path, encoding="utf-8") as file:
            found += differences(expected, json.load(file), name)
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
