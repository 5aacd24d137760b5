#!/usr/bin/env bash
# Type-checks the library and the command for the other platforms, as far as their standard libraries are at hand.
# Ends with a failure only when something that could be checked does not compile.
set -euo pipefail

targets=(aarch64-unknown-linux-gnu aarch64-linux-android aarch64-apple-darwin aarch64-apple-ios)
summary=()
failed=0

# True when rustc has the standard library of target $1.
has_library() {
    local folder
    folder=$(rustc --print target-libdir --target "$1" 2>/dev/null) && [ -d "$folder" ]
}

for target in "${targets[@]}"; do
    if ! has_library "$target" && command -v rustup >/dev/null 2>&1; then
        RUSTUP_MAX_RETRIES=1 rustup target add "$target" || true
    fi
    if ! has_library "$target"; then
        summary+=("$target: not checked: rustc has no standard library for it and rustup could not add it")
    elif cargo check --lib --bins --features cli --target "$target"; then
        summary+=("$target: checked")
    else
        summary+=("$target: FAILED")
        failed=1
    fi
done

printf '\n'
printf '%s\n' "${summary[@]}"
exit "$failed"
