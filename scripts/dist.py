#!/usr/bin/env python3
"""Packs what `make install` installs as target/dist/supmer-VERSION-SYSTEM.tar.gz. The same files give the same archive.

    dist.py --built target/release --out target/dist
"""

import argparse
import gzip
import os
import platform
import subprocess
import tarfile
import tempfile
from pathlib import Path

from install import ROOT, install, version


def changed() -> int:
    """Seconds of the archive's one date: SOURCE_DATE_EPOCH, else the last commit's, else the changelog's."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    command = ["git", "log", "-1", "--format=%ct"]
    commit = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    return int(commit.stdout) if commit.returncode == 0 else int((ROOT / "CHANGELOG.md").stat().st_mtime)


def pack(folder: Path, archive: Path, seconds: int) -> None:
    """Packs `folder` by name, owned by nobody in particular, with one date for all."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mtime = seconds
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        return entry

    with archive.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=seconds) as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
            tar.add(folder, folder.name, recursive=False, filter=plain)
            for path in sorted(folder.rglob("*")):
                tar.add(path, path.relative_to(folder.parent), recursive=False, filter=plain)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--built", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    name = f"supmer-{version()}-{platform.machine()}-{platform.system().lower()}"
    arguments.out.mkdir(parents=True, exist_ok=True)
    archive = arguments.out / f"{name}.tar.gz"
    with tempfile.TemporaryDirectory() as scratch:
        staged = Path(scratch) / name
        install(arguments.built, staged, Path("/"), Path("lib"))
        pack(staged, archive, changed())
    print(archive)


if __name__ == "__main__":
    main()
