#!/usr/bin/env python3
"""Installs the library as C programs expect it: headers, libraries, pkg-config and CMake files, bundles, licences.

    install.py --built target/release --prefix /usr/local [--destdir DIR] [--libdir DIR]

The folder that was built into holds the libraries and THIRD-PARTY.txt, as after `make licences`. LIBDIR is `lib` inside the
prefix unless it is given, there is no multiarch folder of its own accord. The installed files name each other by relative
paths only, so the tree may be moved.
"""

import argparse
import os
import platform
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What a program needs beside libsupmer.a, as `rustc --print native-static-libs` says; the unwinder, gcc_s or its archive,
# is what compilers link of their own accord.
SYSTEM_LIBRARIES = {"Linux": ["pthread", "dl", "m"], "Darwin": ["c", "m", "iconv"]}


class Names:
    """File names of the shared library: the file itself, the loader's name, the linker's name; and what the library calls
    itself, which a program asks the loader for."""

    def __init__(self, version: str, abi: int) -> None:
        if platform.system() == "Darwin":
            self.file, self.loader, self.linker = (f"libsupmer.{v}dylib" for v in (f"{version}.", f"{abi}.", ""))
            self.own = f"@rpath/{self.loader}"
        else:
            self.file, self.loader, self.linker = (f"libsupmer.so{v}" for v in (f".{version}", f".{abi}", ""))
            self.own = self.loader


def header_number(name: str) -> int:
    """Value of a `#define` of supmer.h."""
    for line in (ROOT / "include/supmer.h").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"#define {name} "):
            return int(line.split()[2])
    raise SystemExit(f"include/supmer.h does not define {name}")


def version() -> str:
    """The header's version, as text."""
    number = header_number("SUPMER_VERSION")
    return f"{number // 1_000_000}.{number // 1_000 % 1_000}.{number % 1_000}"


def install(built: Path, prefix: Path, destdir: Path, libdir: Path) -> None:
    """Copies everything to `destdir` + `prefix`; `libdir` is absolute or inside the prefix."""
    names = Names(version(), header_number("SUPMER_ABI_VERSION"))
    libdir = prefix / libdir

    def staged(path: Path) -> Path:
        return destdir / path.relative_to(path.anchor)

    libraries = folder(staged(libdir))
    copy(built / names.linker, libraries / names.file, mode=0o755)
    link(libraries / names.loader, names.file)
    link(libraries / names.linker, names.loader)
    copy(built / "libsupmer.a", libraries / "libsupmer.a")

    headers = staged(prefix / "include")
    for header in [Path("supmer.h"), Path("supmer.hpp"), *sorted((ROOT / "include").glob("supmer/*.hpp"))]:
        source = ROOT / "include" / header
        relative = source.relative_to(ROOT / "include")
        copy(source, folder(headers / relative.parent) / relative.name)

    system = SYSTEM_LIBRARIES.get(platform.system(), [])
    values = {
        "VERSION": version(),
        "MAJOR_MINOR": version().rpartition(".")[0],
        "SHARED_FILE": names.file,
        "SHARED_NAME": names.own,
        "RPATH": " -Wl,-rpath,${libdir}" if names.own.startswith("@rpath/") else "",
        "SYSTEM_LIBRARIES": " ".join(f"-l{name}" for name in system),
        "SYSTEM_LIBRARIES_CMAKE": ";".join(system),
    }
    for place in ["pkgconfig/supmer.pc", "cmake/supmer/supmer-config.cmake", "cmake/supmer/supmer-config-version.cmake"]:
        target = libdir / place
        text = (ROOT / "packaging" / f"{target.name}.in").read_text(encoding="utf-8")
        for name, value in {**values, "PREFIX": os.path.relpath(prefix, target.parent)}.items():
            text = text.replace(f"@{name}@", value)
        write(folder(staged(target.parent)) / target.name, text)

    bundles = folder(staged(prefix / "share/supmer/bundles"))
    for path in sorted((ROOT / "bundles").iterdir()):
        copy(path, bundles / path.name)

    texts = folder(staged(prefix / "share/licenses/supmer"))
    for name in ["LICENSE-MIT", "LICENSE-APACHE"]:
        copy(ROOT / name, texts / name)
    copy(built / "THIRD-PARTY.txt", texts / "THIRD-PARTY.txt")


def folder(path: Path) -> Path:
    """The folder, made for everyone to read when it is not there, whatever the umask."""
    for part in [*reversed(path.parents), path]:
        if not part.exists():
            part.mkdir()
            part.chmod(0o755)
    return path


def write(path: Path, text: str) -> None:
    """Writes a file for everyone to read; one that exists is replaced."""
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)


def copy(source: Path, target: Path, mode: int = 0o644) -> None:
    """Copies a file; one that exists is replaced, never written into (a program may have it mapped)."""
    target.unlink(missing_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def link(path: Path, target: str) -> None:
    """Makes a symbolic link anew."""
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--built", type=Path, required=True)
    parser.add_argument("--prefix", type=Path, default=Path("/usr/local"))
    parser.add_argument("--destdir", type=Path, default=Path("/"))
    parser.add_argument("--libdir", type=Path, default=Path("lib"))
    arguments = parser.parse_args()
    prefix = Path(os.path.abspath(arguments.prefix))
    install(arguments.built, prefix, Path(os.path.abspath(arguments.destdir)), arguments.libdir)
    print(f"installed supmer {version()} in {prefix}")


if __name__ == "__main__":
    main()
