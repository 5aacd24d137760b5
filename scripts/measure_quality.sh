#!/usr/bin/env bash
# The evaluations behind docs/RESULTS.md, and the page.
#
#     scripts/measure_quality.sh SUPMER MODEL ENCODER DATA BUNDLES [trials|cells|page ...]
#
# DATA has a folder for each task with task.json, train.jsonl and test.jsonl. The bundle that is shipped is measured, and beside
# it those in BUNDLES, which scripts/train_bundles.sh makes. Trials and cells are kept in docs/results, and those that are found
# there are not measured again; RESULTS in the environment names another folder for them and for the page. TASKS names other
# tasks: two calls with half of them and THREADS=1 each take about two thirds of the time of one call on two cores. INSTRUCTIONS
# is the option of that name: all cells of a page share it, since products that are rounded to bf16 are not compared with others.
# Those in docs/results are rounded, so what is missing there is measured on a processor with AMX, or with emulated-amx-bf16,
# whose seconds the page leaves out.
set -euo pipefail

supmer=$1 model=$2 encoder=$3 data=$4 bundles=$5
shift 5
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bundle=$root/bundles/smollm2-135m.supmer
results=${RESULTS:-$root/docs/results}
page=${RESULTS:+$results/RESULTS.md}
page=${page:-$root/docs/RESULTS.md}
instructions=${INSTRUCTIONS:-$([ -n "${RESULTS:-}" ] && echo auto || echo amx-bf16)}
tasks=${TASKS:-trec subj sst2 agnews banking10 amazon_books rte mrpc}
# The seeds of all methods, and those that prompt-tuning and supmer are measured with beside them.
seeds="13 21 42 87 100"
more_seeds="7 29 55 64 91"
# What the trials in docs/results chose, for prompt tuning and for every start with a label head. A bundle advises its own.
plain=(--steps 100 --learning-rate 0.02)
head=(--answer-loss head --steps 50 --learning-rate 0.003)
instruction='Read the following text carefully. Then answer the question about it with the one word that fits best.
'

# evaluate FOLDER TASK SEED ARGUMENTS...
evaluate() {
    local folder=$1 task=$2 seed=$3
    shift 3
    "$supmer" eval --quiet --model "$model" --instructions "$instructions" --threads "${THREADS:-0}" \
        --task "$data/$task/task.json" --data "$data/$task" --shots 16 --seeds "$seed" --eval-every 25 \
        --cells "$folder" --out "$scratch/last.json" "$@"
}

# Three settings of every method on rows of the train splits, of the tasks with short texts. No setting takes rte and mrpc far
# from chance at this size, so they would only add noise to the choice.
trials() {
    local seed task rate
    for seed in 1 2; do
        for task in $tasks; do
            case $task in rte | mrpc | agnews | amazon_books) continue ;; esac
            for rate in 0.02 0.01 0.005; do
                trial "$task" $seed --methods prompt-tuning --steps 100 --learning-rate $rate
            done
            for rate in 0.006 0.003 0.0015; do
                trial "$task" $seed --methods supmer,text-init,prompt-tuning --bundle "$bundle" \
                    --init-text "$instruction" --answer-loss head --steps 50 --learning-rate $rate
            done
        done
    done
}

trial() {
    evaluate "$results/trials" "$1" "$2" --trial --max-test 150 "${@:3}"
}

# One setting of each method on test rows. The first seeds come with the curves of accuracy over steps.
cells() {
    local seed task other name
    for seed in $seeds; do
        for task in $tasks; do
            cell "$task" "$seed" --methods prompt-tuning "${plain[@]}" --at-steps 10,25,50,100
            cell "$task" "$seed" --methods prompt-tuning-all-rows "${plain[@]}"
            cell "$task" "$seed" --methods supmer --bundle "$bundle" --at-steps 0,10,25,50
            cell "$task" "$seed" --methods supmer-no-psi --bundle "$bundle"
            cell "$task" "$seed" --methods text-init --init-text "$instruction" "${head[@]}" --at-steps 0,10
            cell "$task" "$seed" --methods prompt-tuning "${head[@]}"
            cell "$task" "$seed" --methods minilm-logreg,in-context,zero-shot,majority --encoder "$encoder"
            for other in "$bundles"/*.supmer; do
                name=$(basename "$other" .supmer)
                case $name in smollm2-135m | '*') continue ;; esac
                cell "$task" "$seed" --methods "supmer:$name" --bundle "$name=$other"
            done
        done
    done
    for seed in $more_seeds; do
        for task in $tasks; do
            cell "$task" "$seed" --methods prompt-tuning "${plain[@]}"
            cell "$task" "$seed" --methods supmer --bundle "$bundle"
        done
    done
}

cell() {
    evaluate "$results/cells" "$1" "$2" --max-test 500 "${@:3}"
}

page() {
    "$supmer" results --cells "$results/cells" --trials "$results/trials" --out "$page" \
        --baseline prompt-tuning --baseline text-init+head
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$results/trials" "$results/cells"
for stages in "${@:-trials cells page}"; do
    for stage in $stages; do
        "$stage"
    done
done
