#!/usr/bin/env bash
# Prompt tuning here and in PyTorch on the same rows, starts and batches: accuracy seed by seed.
#
#     quality.sh SUPMER MODEL.gguf DATA
#
# DATA has a folder for each task with task.json, train.jsonl and test.jsonl. TASKS and WORK may be set in the environment.
# What is finished is found again in WORK, which is for one model. setup.sh must have run.
set -euo pipefail

supmer=$1
model=$2
data=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SUPMER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/supmer}
work=${WORK:-$cache/peers-quality}
pairs=()
for task in ${TASKS:-sst2 subj trec agnews}; do
    mkdir -p "$work/$task"
    "$supmer" eval --quiet --model "$model" --task "$data/$task/task.json" --data "$data/$task" --methods prompt-tuning \
        --dump-splits "$work/$task/splits" --cells "$work/cells" --out "$work/$task/results.json"
    "$cache/peers-venv/bin/python" "$here/quality_torch.py" --model "$cache/smollm2-135m-instruct-f32" \
        --splits "$work/$task/splits" --out "$work/$task/pytorch" >&2
    pairs+=(--pair "$work/$task/results.json" "$work/$task/pytorch/results.json")
done
python3 "$here/compare_quality.py" "${pairs[@]}"
