#!/usr/bin/env bash
# Builds and tests the Swift package and runs the Swift examples, with a Swift on PATH or the one of `make swift-root`.
#
#     scripts/test_swift.sh RELEASE     the folder that holds the built library
#
# Without a Swift it says that Swift was left out; in CI that is a failure.
set -euo pipefail
release=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

. scripts/swift_toolchain.sh
need_swift
install_library "$release"

strict=(-Xswiftc -warnings-as-errors)
"${with_swift[@]}" swift test --scratch-path "$scratch/package" "${strict[@]}"
"${with_swift[@]}" swift build --package-path examples/swift --scratch-path "$scratch/examples" "${strict[@]}"
for program in classify many_adapters cancel save_load memory_budget; do
    scripts/check_example.sh "$program" "${with_swift[@]}" "$scratch/examples/debug/$program"
done
