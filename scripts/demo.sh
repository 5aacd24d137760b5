#!/usr/bin/env bash
# The demo: adapts the model to six kinds of support tickets from 16 examples each, and shows what it has learned.
#
#     scripts/demo.sh SUPMER MODEL.gguf
#
# All settings are those that the bundle advises. 120 rows of one task are a show and no measurement.
set -euo pipefail

supmer=$1
model=$2
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
data=$root/examples/data/support_tickets
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

say() {
    printf '\n== %s\n' "$*"
}

# Predicts the test rows and says the accuracy.
score() {
    "$supmer" predict --model "$model" "$@" --input "$data/test.jsonl" --out "$scratch/predictions" 2>&1
}

say "Before: the model as it is, told only the names of the six topics"
score --task "$data/task.json"

say "Adapting the bundle's soft prompt and a label head from 96 labelled tickets"
"$supmer" adapt --model "$model" --bundle "$root/bundles/smollm2-135m.supmer" \
    --task "$data/task.json" --train "$data/train.jsonl" --out "$scratch/tickets.supmer"

say "After: the same test tickets with the adapter ($(wc -c <"$scratch/tickets.supmer") bytes)"
score --adapter "$scratch/tickets.supmer"

say "Five of them, likeliest topic first"
awk 'NR % 24 == 5' "$data/test.jsonl" |
    "$supmer" predict --quiet --model "$model" --adapter "$scratch/tickets.supmer" --input -

printf '\nDone in %d seconds.\n' "$SECONDS"
