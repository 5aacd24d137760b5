"""Do the files of tests/fixtures/gguf mean the same to llama.cpp?

    python tests/reference/llamacpp_scores.py [--expanded FOLDER]

Scores the labels of every example without a prompt and compares with
`{file}.noprompt.label_scores.{i}`. llama.cpp rounds activations to 8 bits
(f16, bf16) before it multiplies quantised (f16, bf16) weights, so only f32 is
tight. With the folder that `tiny_gguf.py --expanded` wrote (the same weights
stored in f32) the limit is tight for every file.
"""

import argparse
import json
import os
import sys

import numpy as np
from llama_cpp import Llama

TIGHT = 1e-5
LIMITS = {"tiny-f32": TIGHT, "tiny-f16": 1e-2, "tiny-bf16": 3e-2}
GGML_TYPE_F32 = 0
SETTINGS = {
    "n_ctx": 64,
    "n_threads": 1,
    "logits_all": True,
    "type_k": GGML_TYPE_F32,
    "type_v": GGML_TYPE_F32,
    "flash_attn": False,
}


def read_safetensors(path):
    with open(path, "rb") as f:
        data = f.read()
    start = 8 + int.from_bytes(data[:8], "little")
    out = {}
    for name, entry in json.loads(data[8:start]).items():
        a, b = entry["data_offsets"]
        out[name] = np.frombuffer(data[start + a : start + b], np.float32).reshape(entry["shape"])
    return out


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser()
    parser.add_argument("--expanded")
    args = parser.parse_args()
    folder = os.path.join(here, "..", "fixtures", "gguf")
    values = read_safetensors(os.path.join(folder, "expected.safetensors"))
    with open(os.path.join(folder, "expected.json"), encoding="utf-8") as f:
        expected = json.load(f)
    failed = False
    for name in expected["files"]:
        path = os.path.join(args.expanded or folder, name + ".gguf")
        llama = Llama(path, verbose=False, **SETTINGS)
        for row in expected["tokenizer"]:
            ids = llama.tokenize(row["text"].encode(), add_bos=False) if row["text"] else []
            assert ids == row["ids"], (name, row, ids)
        worst = 0.0
        for i, example in enumerate(expected["examples"]):
            for label, want in zip(
                expected["labels"], values[f"{name}.noprompt.label_scores.{i}"], strict=True
            ):
                llama.reset()
                llama.eval(example["text_ids"] + label[:-1])
                logits = np.array(llama.scores[: llama.n_tokens], np.float64)
                logits = logits[-len(label) :]
                logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
                score = logp[range(len(label)), label].mean()
                worst = max(worst, abs(score - want))
        limit = TIGHT if args.expanded else LIMITS.get(name, 0.2)
        failed |= not worst <= limit
        print(f"{name}: worst deviation of a label score {worst:.1e} (limit {limit:.0e})")
    sys.exit(failed)


if __name__ == "__main__":
    main()
