#!/usr/bin/env bash
# Prepares the peers of the benchmark: a virtual environment with pinned
# packages, the model as a float32 Hugging Face folder, and the small library
# that lets MKL take its AVX-512 path on AMD.
#
#   benches/peers/setup.sh [MODEL.gguf]     (default: what `make print-model` prints)
#
# Everything lands in $SUPMER_CACHE (default $XDG_CACHE_HOME/supmer, that is
# ~/.cache/supmer); a second run does only what is missing. SUPMER_PEERS_LLAMACPP=0 leaves llama.cpp out, whose
# package has to be compiled (about ten minutes on two cores).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SUPMER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/supmer}
venv=$cache/peers-venv
hf_folder=$cache/smollm2-135m-instruct-f32
library=$cache/libintel_path.so
model=${1:-$(make --silent --no-print-directory -C "$here/../.." print-model)}

# True when `requirements` of this checkout are the ones installed already.
installed() {
    cmp --silent "$here/$1" "$venv/$1.installed"
}

# install_requirements FILE OPTIONS...: unless they are installed already
install_requirements() {
    installed "$1" && return
    "$venv/bin/pip" install --quiet --requirement "$here/$1" "${@:2}"
    cp "$here/$1" "$venv/$1.installed"
}

mkdir -p "$cache"
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
install_requirements requirements.txt
# llama.cpp is compiled for the processor at hand: on another it would be slow or end at once, so it is compiled anew there.
if [ "${SUPMER_PEERS_LLAMACPP:-1}" != 0 ]; then
    processor=$({ uname -m; grep -m 1 flags /proc/cpuinfo || true; } 2>/dev/null | cksum)
    compiled_for=$venv/llamacpp-processor
    if [ "$(cat "$compiled_for" 2>/dev/null)" != "$processor" ]; then
        "$venv/bin/pip" uninstall --quiet --yes llama-cpp-python 2>/dev/null
        rm -f "$venv/requirements-llamacpp.txt.installed"
    fi
    # This version ends with an illegal instruction where its AMX code runs in threads of OpenMP.
    [ "$(uname -m)" != x86_64 ] || export CFLAGS="-mno-amx-int8 ${CFLAGS:-}" CXXFLAGS="-mno-amx-int8 ${CXXFLAGS:-}"
    CMAKE_ARGS="-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF -DMTMD_BUILD=OFF ${CMAKE_ARGS:-}" \
        install_requirements requirements-llamacpp.txt --no-cache-dir
    echo "$processor" >"$compiled_for"
fi

[ -f "$hf_folder/tokenizer.json" ] ||
    "$venv/bin/python" "$here/convert_gguf.py" --gguf "$model" --out "$hf_folder"

# Without MKL's AVX-512 path the preloaded rows are left out of the table.
if [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] && [ ! -f "$library" ]; then
    "${CC:-cc}" -O2 -shared -fPIC -o "$library" "$here/intel_path.c"
fi

echo "peers are ready in $cache"
