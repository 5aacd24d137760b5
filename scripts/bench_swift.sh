#!/usr/bin/env bash
# Builds the Swift worker of `make bench-bindings` and prints the command that runs it; nothing without a Swift.
#
#     scripts/bench_swift.sh RELEASE     the folder that holds the built library
set -euo pipefail
release=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. scripts/swift_toolchain.sh
need_swift
install_library "$release" >&2
"${with_swift[@]}" swift build --configuration release --package-path benches/bindings/swift \
    --scratch-path "$scratch/bench" >&2
printf '%q ' "${with_swift[@]}" "$scratch/bench/release/call"
