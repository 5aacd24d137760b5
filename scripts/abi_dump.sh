#!/bin/sh
# abi_dump.sh OUT: writes the C ABI that include/supmer.h declares, as libabigail's XML, to OUT.
#
# The dump is made of a library of empty functions with the header's prototypes: it holds the public types alone, and
# nothing of Rust's. That the real library has these layouts and symbols is what tests/c_abi proves.
set -eu
out=$1
cd "$(dirname "$0")/.."
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
sed -e '/^ \*/b' -e '/^typedef/b' -e 's/);$/) { __builtin_unreachable(); }/' include/supmer.h >"$build/supmer.c"
mkdir -p "$(dirname "$out")"
"${CC:-cc}" -std=c11 -DSUPMER_TRAIN -g -fPIC -shared -Wl,-soname,libsupmer.so.0 "$build/supmer.c" -o "$build/libsupmer.so"
abidw --no-show-locs --no-comp-dir-path --no-corpus-path --out-file "$out" "$build/libsupmer.so"
