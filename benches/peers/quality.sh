#!/usr/bin/env bash
# Prompt tuning here and in PyTorch on the same rows, starts and batches: accuracy seed by seed.
#
#     quality.sh SUPMER MODEL.gguf DATA
#
# DATA has a folder for each task with task.json, train.jsonl and test.jsonl. TASKS, WORK and THREADS (2) may be set in the
# environment. What is finished is found again in WORK, which is for one model. setup.sh must have run.
#
# Both sides compute float32 products: `highest` asks PyTorch for them, since `medium` rounds factors to bfloat16 on processors
# with AMX, and the preloaded function lets MKL take its AVX-512 path on AMD too.
set -euo pipefail

supmer=$1
model=$2
data=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SUPMER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/supmer}
work=${WORK:-$cache/peers-quality}
threads=${THREADS:-2}
library=$cache/libintel_path.so
preload=()
[ ! -f "$library" ] || preload=("LD_PRELOAD=$library")
pairs=()
for task in ${TASKS:-sst2 subj trec agnews}; do
    mkdir -p "$work/$task"
    "$supmer" eval --quiet --model "$model" --task "$data/$task/task.json" --data "$data/$task" --methods prompt-tuning \
        --threads "$threads" --dump-splits "$work/$task/splits" --cells "$work/cells" --out "$work/$task/results.json"
    env ${preload[@]+"${preload[@]}"} "$cache/peers-venv/bin/python" "$here/quality_torch.py" \
        --model "$cache/smollm2-135m-instruct-f32" --threads "$threads" --matmul highest \
        --splits "$work/$task/splits" --out "$work/$task/pytorch" >&2
    pairs+=(--pair "$work/$task/results.json" "$work/$task/pytorch/results.json")
done
python3 "$here/compare_quality.py" "${pairs[@]}"
