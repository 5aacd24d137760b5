#!/bin/sh
# Ends with one line for the first of the given tools that is missing: cargo, cc, c++, cmake, go, pkg-config, python3, pip, valgrind,
# abidw, chromium, gtest, rust-src.
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
    c++)
        command -v c++ >/dev/null 2>&1 ||
            missing "a C++ compiler (c++)" "apt-get install g++, or on macOS xcode-select --install"
        ;;
    chromium)
        command -v chromium >/dev/null 2>&1 || missing Chromium "apt-get install chromium"
        ;;
    gtest)
        echo '#include <gtest/gtest.h>' | c++ -E -x c++ - >/dev/null 2>&1 ||
            missing GoogleTest "apt-get install libgtest-dev, or on macOS brew install googletest"
        ;;
    go)
        command -v go >/dev/null 2>&1 || missing "Go 1.22 or newer" "see https://go.dev/dl, or apt-get install golang"
        case $(go env GOVERSION) in
        go1.[0-9] | go1.[0-9].* | go1.1[0-9] | go1.1[0-9].* | go1.2[01] | go1.2[01].*)
            missing "Go 1.22 or newer" "there is $(go env GOVERSION); see https://go.dev/dl"
            ;;
        esac
        ;;
    pkg-config)
        command -v pkg-config >/dev/null 2>&1 ||
            missing pkg-config "apt-get install pkg-config, or on macOS brew install pkgconf"
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
    rust-src)
        [ -e "$(rustc --print sysroot)/lib/rustlib/src/rust/library/Cargo.lock" ] ||
            missing "the source of Rust's standard library" "rustup component add rust-src"
        ;;
    *)
        missing "$tool" "need.sh does not know it"
        ;;
    esac
done
