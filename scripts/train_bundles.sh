#!/usr/bin/env bash
# Trains the bundle that is shipped, and those that tell what each part of its recipe is worth.
#
#     scripts/train_bundles.sh SUPMER MODEL ENCODER CORPUS WORK [NAME ...]
#
# WORK keeps a folder for each run, and in `bundles` what comes out; those beside the shipped one belong into
# docs/results/bundles, where scripts/measure_quality.sh finds them. A run that was stopped goes on, one that is done is left
# alone; smollm2-135m embeds the sentences for all. INSTRUCTIONS in the environment is the option of that name: the bundles of
# docs/RESULTS.md were trained with amx-bf16, where the processor has it the fastest; emulated-amx-bf16 gives the same
# products where it has not, and others give other bytes. THREADS is the option of that name, and changes no byte.
set -euo pipefail

supmer=$1 model=$2 encoder=$3 corpus=$4 work=$5
shift 5
# The sentence encoder runs on the command's own threads; candle's would stand in their way.
export CANDLE_NUM_THREADS=1

# train NAME OPTIONS...: the recipe, which is the default of `supmer train`, with OPTIONS
train() {
    local name=$1
    shift
    local run=$work/runs/$name bundle=$work/bundles/$name.supmer
    [ -e "$bundle" ] && return
    mkdir -p "$run" "$work/bundles"
    local resume=()
    if [ -e "$run/checkpoint.supmer" ]; then
        resume=(--resume)
    elif [ "$name" != smollm2-135m ]; then
        for made in "$work"/runs/smollm2-135m/{sentences,embeddings,clusters}*; do
            [ ! -e "$made" ] || cp -n "$made" "$run"
        done
    fi
    "$supmer" train --model "$model" --encoder "$encoder" --corpus "$corpus" --run "$run" --out "$run/bundle.supmer" \
        --files wikipedia_wikitext2.txt factbook.txt fiction.txt science_darwin.txt web_ewt.txt mixed_masc.txt speeches.txt \
        customer_service_sgd.txt technical_rustbook.txt \
        --instructions "${INSTRUCTIONS:-auto}" --threads "${THREADS:-0}" \
        ${resume[@]+"${resume[@]}"} "$@"
    cp "$run/bundle.supmer" "$bundle"
}

# The shipped bundle, then the same with fewer steps, and what differs from that in one thing each; constant-mixing differs in
# one thing from curriculum, and untrained is where all of them begin, theta and psi.
for names in "${@:-smollm2-135m short second-seed no-psi topic-only curriculum constant-mixing untrained}"; do
    for name in $names; do
        case $name in
        smollm2-135m) train "$name" ;;
        short) train "$name" --steps 200 ;;
        second-seed) train "$name" --steps 200 --seed 2 ;;
        no-psi) train "$name" --steps 200 --rank 0 ;;
        topic-only) train "$name" --steps 200 --formats topic ;;
        curriculum) train "$name" --steps 200 --mixing ;;
        constant-mixing) train "$name" --steps 200 --mixing --similarity constant ;;
        untrained) train "$name" --steps 1 --prompt-rate 0 --phi-rate 0 ;;
        *) echo "there is no recipe $name" >&2 && exit 2 ;;
        esac
    done
done
