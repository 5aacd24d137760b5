#!/usr/bin/env python3
"""Licences of everything that is linked into the library, from the packages that cargo built it of.

    licences.py --out THIRD-PARTY.txt [--features train]
"""

import argparse
import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PATTERNS = ["LICENSE*", "LICENCE*", "COPYING*", "COPYRIGHT*", "NOTICE*", "UNLICENSE*", "license*"]


def third_party(root: Path, features: str) -> str:
    """One section for each package, by name: its licence and the licence texts that it brings."""
    metadata = cargo_metadata(root, features)
    packages = {package["id"]: package for package in metadata["packages"]}
    linked = sorted((packages[id] for id in linked_ids(metadata)), key=lambda p: (p["name"], p["version"]))
    head = (
        "libsupmer contains the Rust standard library (https://github.com/rust-lang/rust, MIT OR Apache-2.0) and the\n"
        "following packages, under the licences given with each.\n"
    )
    seen: dict[str, str] = {}
    return head + "".join(section(package, seen) for package in linked)


def cargo_metadata(root: Path, features: str) -> dict:
    """The dependency graph of the library with `features`, for this machine."""
    host = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    target = next(line.split()[1] for line in host.splitlines() if line.startswith("host: "))
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target]
    command += ["--features", features] if features else []
    return json.loads(subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout)


def linked_ids(metadata: dict) -> set[str]:
    """Packages that the library reaches over ordinary dependencies."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    waiting, seen = [root], {root}
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            ordinary = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if ordinary and dependency["pkg"] not in seen:
                seen.add(dependency["pkg"])
                waiting.append(dependency["pkg"])
    return seen - {root}


def section(package: dict, seen: dict[str, str]) -> str:
    """Name, licence and texts of one package. A text that was `seen` before is named by its place."""
    folder = Path(package["manifest_path"]).parent
    files = {path for pattern in PATTERNS for path in folder.glob(pattern) if path.is_file()}
    if package["license_file"]:
        files.add(folder / package["license_file"])
    licence = package["license"] or "see the text below"
    lines = ["", "=" * 80, f"{package['name']} {package['version']}: {licence}", package["repository"] or "", ""]
    for path in sorted(files):
        text = path.read_text(encoding="utf-8", errors="replace").strip()
        first = seen.setdefault(text, f"{path.name} of {package['name']} {package['version']}")
        own = first.endswith(f" {package['name']} {package['version']}")
        lines += [f"----- {path.name}", "", text, ""] if own else [f"----- {path.name}: the same as {first}", ""]
    if not files:
        lines.append("The package brings no text of its licence.")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--features", default="")
    arguments = parser.parse_args()
    arguments.out.write_text(third_party(ROOT, arguments.features), encoding="utf-8")


if __name__ == "__main__":
    main()
