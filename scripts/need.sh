#!/bin/sh
# Ends with one line for the first of the given tools that is missing: cargo, cc, cmake, python3, pip, valgrind, abidw.
set -eu

missing() {
    echo "$1 is missing: $2" >&2
    exit 1
}

for tool in "$@"; do
    case $tool in
    cargo)
        command -v cargo >/dev/null 2>&1 || missing cargo "install Rust as https://rustup.rs says"
        ;;
    cc)
        command -v cc >/dev/null 2>&1 ||
            missing "a C compiler (cc)" "apt-get install gcc libc6-dev, or on macOS xcode-select --install"
        ;;
    python3)
        command -v python3 >/dev/null 2>&1 || missing python3 "apt-get install python3, or on macOS brew install python"
        ;;
    cmake)
        command -v cmake >/dev/null 2>&1 || missing cmake "apt-get install cmake, or on macOS brew install cmake"
        ;;
    pip)
        python3 -m pip --version >/dev/null 2>&1 ||
            missing "pip for python3" "apt-get install python3-pip, or python3 -m ensurepip"
        ;;
    valgrind)
        command -v valgrind >/dev/null 2>&1 || missing valgrind "apt-get install valgrind libc6-dbg"
        ;;
    abidw)
        command -v abidw >/dev/null 2>&1 || missing abidw "apt-get install abigail-tools"
        ;;
    *)
        missing "$tool" "need.sh does not know it"
        ;;
    esac
done
