#!/bin/sh
# Runs an example on the tiny model of the tests and compares what it prints with examples/expected.json.
#
#     scripts/check_example.sh NAME COMMAND...
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
name=$1
shift
output=$(mktemp)
trap 'rm -f "$output"' EXIT
"$@" "$root/tests/fixtures/tiny-llama-tied" "$root/examples/customers" >"$output"
"$root/scripts/compare_examples.py" "$root/examples/expected.json" "$name" "$output"
echo "$name agrees with examples/expected.json: $*"
