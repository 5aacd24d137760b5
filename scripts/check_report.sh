#!/usr/bin/env bash
# Trains a few steps on the tiny model and opens the report in headless Chromium: every curve must be there, nothing may need
# the network, and a screenshot is kept for a look.
#
#     scripts/check_report.sh SUPMER FOLDER
set -euo pipefail

supmer=$1
folder=$2
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$folder" "$scratch/text"
folder=$(cd "$folder" && pwd)
for data in support_tickets reviews; do
    cp "$root/examples/data/$data/train.jsonl" "$scratch/text/$data.jsonl"
done

fail() {
    echo "check_report: $*" >&2
    exit 1
}

"$supmer" --quiet train --model "$root/tests/fixtures/tiny-llama-tied" --corpus "$scratch/text" --run "$scratch/run" \
    --out "$scratch/tiny.supmer" --report "$folder" --steps 30 --clusters 6 --held-out 0.5 --formats scsp,scss,scc \
    --support 4 --query 4 --choices 2 --prompt-length 4 --rank 3 --validate-every 10 --max-characters 400

browse() {
    chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --hide-scrollbars --user-data-dir="$scratch/profile" \
        "$@" "file://$folder/report.html" 2>"$scratch/log" || { cat "$scratch/log" >&2; fail "Chromium failed"; }
}

page=$(browse --dump-dom)
for wanted in 'Query loss' 'Similarity and mixing weight' 'Gradient regularizer' 'Held-out tasks: accuracy' \
    'Sentences in every cluster' 'Sample tasks' 'Recipe'; do
    grep -qF "$wanted" <<<"$page" || fail "the page lacks \"$wanted\""
done
pictures=$(grep -o '<svg' <<<"$page" | wc -l)
[ "$pictures" -ge 9 ] || fail "$pictures pictures, at least 9 are expected"
if grep -qE 'https?://|nothing was measured' <<<"$page"; then fail "the page needs the network or has an empty chart"; fi
browse --window-size=1400,2400 --screenshot="$folder/report.png" >/dev/null
[ -s "$folder/report.png" ] || fail "no screenshot was made"
echo "check_report: $pictures pictures; the screenshot is $folder/report.png"
