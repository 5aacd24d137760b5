"""Predictions with llama.cpp on the same GGUF, the prefix kept in its cache.

    python predict_llamacpp.py --batch 1 --model MODEL.gguf --task texts/task.json \
        --data texts/infer25.jsonl --prompt-file start.safetensors

llama.cpp knows no soft prompts, but it takes embeddings in place of tokens: the
prompt's rows are decoded once that way, and every text continues the cache they
leave. A batch is one call with a sequence per text; all share the prefix.
Options and answers are those of predict_torch.py.
"""

import argparse
import ctypes
import json
from pathlib import Path

import llama_cpp as llama
import numpy as np
from safetensors.numpy import load_file

import worker

PREFIX = 0  # the sequence that holds the prompt


class Model:
    """A llama.cpp model, and a context with a prompt in its cache."""

    def __init__(self, file: Path) -> None:
        llama.llama_backend_init()
        options = llama.llama_model_default_params()
        self.model = llama.llama_model_load_from_file(str(file).encode(), options)
        self.vocabulary = llama.llama_model_get_vocab(self.model)

    def open_context(self, rows: int, sequences: int, threads: int) -> None:
        """Make room for `rows` tokens at once, and no more: the cache counts as memory."""
        options = llama.llama_context_default_params()
        options.n_ctx = options.n_batch = options.n_ubatch = rows
        options.n_threads = options.n_threads_batch = threads
        options.n_seq_max = sequences + 1
        options.kv_unified = True
        self.context = llama.llama_init_from_model(self.model, options)
        self.memory = llama.llama_get_memory(self.context)
        self.tokens = llama.llama_batch_init(rows, 0, 1)

    def ids(self, text: str) -> list[int]:
        raw = text.encode()
        out = (llama.llama_token * (len(raw) + 1))()
        count = llama.llama_tokenize(self.vocabulary, raw, len(raw), out, len(out), False, False)
        return out[:count]

    def keep_prompt(self, prompt: np.ndarray) -> None:
        """Decode the prompt's rows into the cache."""
        rows, width = prompt.shape
        batch = llama.llama_batch_init(rows, width, 1)
        batch.n_tokens = rows
        ctypes.memmove(batch.embd, prompt.astype("<f4").tobytes(), prompt.size * 4)
        for row in range(rows):
            place(batch, row, row, PREFIX, wanted=False)
        self.decode(batch)
        llama.llama_batch_free(batch)
        self.prefix_rows = rows

    def logits(self, texts: list[list[int]], tokens: list[int]) -> np.ndarray:
        """Scores of some tokens behind each text."""
        batch, row = self.tokens, 0
        for sequence, ids in enumerate(texts, start=PREFIX + 1):
            llama.llama_memory_seq_rm(self.memory, sequence, -1, -1)
            llama.llama_memory_seq_cp(self.memory, PREFIX, sequence, -1, -1)
            for i, token in enumerate(ids):
                batch.token[row] = token
                place(batch, row, self.prefix_rows + i, sequence, wanted=i + 1 == len(ids))
                row += 1
        batch.n_tokens = row
        self.decode(batch)
        last_rows = np.cumsum([len(ids) for ids in texts]) - 1
        outputs = [llama.llama_get_logits_ith(self.context, int(row)) for row in last_rows]
        return np.array([[output[token] for token in tokens] for output in outputs])

    def decode(self, batch: llama.llama_batch) -> None:
        status = llama.llama_decode(self.context, batch)
        if status != 0:
            raise SystemExit(f"llama_decode answered {status}")


def place(batch: llama.llama_batch, row: int, position: int, sequence: int, wanted: bool) -> None:
    """Say where a row of a batch stands and whether its logits are wanted."""
    batch.pos[row] = position
    batch.n_seq_id[row] = 1
    batch.seq_id[row][0] = sequence
    batch.logits[row] = wanted


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def silence() -> llama.llama_log_callback:
    """Turn llama.cpp's log off; the result must stay alive."""
    callback = llama.llama_log_callback(lambda *_: None)
    llama.llama_log_set(callback, ctypes.c_void_p())
    return callback


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="GGUF file")
    parser.add_argument("--task", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--prompt-file", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--serve", action="store_true", help="obey run.py")
    args = parser.parse_args()

    _log = silence()
    model = Model(args.model)
    task = json.loads(args.task.read_text())
    verbalizers = [model.ids(label["verbalizer"])[0] for label in task["labels"]]
    rows = [json.loads(line)["text"] for line in args.data.read_text().splitlines()]
    texts = [task["template"].replace("{text}", text) for text in rows]
    prompt = load_file(args.prompt_file)["prompt"]
    longest = max(len(model.ids(text)) for text in texts)
    model.open_context(len(prompt) + args.batch * longest, args.batch, args.threads)
    model.keep_prompt(prompt)
    start = 0

    def step() -> dict:
        nonlocal start
        ids = [model.ids(texts[(start + i) % len(texts)]) for i in range(args.batch)]
        start += args.batch
        return {"probabilities": softmax(model.logits(ids, verbalizers)).tolist()}

    if args.serve:
        worker.serve(step)
    else:
        worker.run_all(step, args.steps)


if __name__ == "__main__":
    main()
