#!/usr/bin/env bash
# Tests of the C++ header and the examples in C and C++: as they are, with AddressSanitizer and leak detection, and under
# valgrind. A program without exceptions is among them.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=$(mkdir -p "${CARGO_TARGET_DIR:-$root/target}" && cd "${CARGO_TARGET_DIR:-$root/target}" && pwd)

# Builds in the folder $1 of the target folder with the compiler's flags $2.
build() {
    cmake -S "$root" -B "$target/$1" -DSUPMER_BUILD_TESTS=ON -DSUPMER_CARGO_TARGET_DIR="$target" \
        -DCMAKE_C_FLAGS="$2" -DCMAKE_CXX_FLAGS="$2" >"$target/cmake.log" || { cat "$target/cmake.log"; exit 1; }
    cmake --build "$target/$1" --parallel 2
}

build cpp "-O1 -g"
ctest --test-dir "$target/cpp" --output-on-failure

build cpp-asan "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
ASAN_OPTIONS=detect_leaks=1 ctest --test-dir "$target/cpp-asan" --output-on-failure

# Death tests and sixteen threads would take valgrind long and show it nothing new.
valgrind --quiet --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --error-exitcode=1 \
    "$target/cpp/tests/cpp/cpp_tests" --gtest_filter='-*DeathTest*:*SixteenThreads'
valgrind --quiet --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --error-exitcode=1 \
    "$target/cpp/examples/save_load_c" "$root/tests/fixtures/tiny-llama-tied" "$root/examples/customers"
