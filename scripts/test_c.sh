#!/bin/sh
# Builds the C programs of tests/c and examples/c against the library in the folder $1 and runs them on the tiny model:
# plainly with the shared and the static library, under valgrind, and with AddressSanitizer and LeakSanitizer.
#
# The sanitizers instrument the C side; the library's own code is covered as far as it calls malloc and free, which both
# tools watch. Valgrind sees every access, also the library's (with AVX2: it knows no AVX-512).
set -eu
library=$1
cd "$(dirname "$0")/.."
fixtures=tests/fixtures
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

# compile NAME [flags]: the program NAME of $source.
compile() {
    output=$build/$1
    shift
    "${CC:-cc}" -std=c11 -Wall -Wextra -Wconversion -pedantic -Werror -g -O1 -Iinclude -Itests/c \
        "$source" "$@" -o "$output"
}

# run NAME [command in front]: a program with its arguments.
run() {
    program=$1
    shift
    case $program in
    example-adapt_and_predict-*)
        "$@" "$build/$program" "$fixtures/tiny-llama-tied" "$build/reviews.supmer" 3 >"$build/said"
        ;;
    example-*) "$@" "$build/$program" "$fixtures/tiny-llama-tied" examples/customers >"$build/said" ;;
    *) "$@" "$build/$program" "$fixtures" >"$build/said" ;;
    esac || {
        cat "$build/said"
        echo "$program failed${1:+ under $1}" >&2
        exit 1
    }
    echo "ok: $program${1:+ under $1}"
}

# The loader's name, which cargo does not make.
ln -sf libsupmer.so "$library/libsupmer.so.0"
shared="-L$library -lsupmer -Wl,-rpath,$library -lpthread"
static="$library/libsupmer.a -lpthread -ldl -lm"
for source in tests/c/*.c examples/c/*.c; do
    name=$(basename "$source" .c)
    case $source in examples/*) name=example-$name ;; esac
    # The flags are words.
    # shellcheck disable=SC2086
    {
        compile "$name-shared" $shared
        compile "$name-static" $static
        compile "$name-asan" -fsanitize=address $static
    }
    run "$name-shared"
    run "$name-static"
    ASAN_OPTIONS=detect_leaks=1 run "$name-asan"
    run "$name-shared" valgrind --quiet --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
        --error-exitcode=99
done
