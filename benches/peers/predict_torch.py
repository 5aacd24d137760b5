"""Predictions in PyTorch under a soft prompt whose keys and values are cached.

    python predict_torch.py --variant shared --batch 1 --model FOLDER \
        --task texts/task.json --data texts/infer25.jsonl --prompt-file start.safetensors

Each step takes the next `--batch` texts, from characters to probabilities.
Prints all answers and the peak memory as one JSON object; with `--serve` it
obeys `run.py` (see worker.py). The variants are those of adapt_torch.py; both
score the verbalizers' rows of the head only.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812

import worker
from llama_torch import Batch, Llama, Text
from workload import Workload, add_arguments, read_prompt, set_up_torch

Scores = Callable[[list[list[int]]], torch.Tensor]


def transformers(
    folder: Path, dtype: torch.dtype, prompt: torch.Tensor, verbalizers: torch.Tensor
) -> Scores:
    """LlamaForCausalLM with the prompt's keys and values in its own cache."""
    from transformers import DynamicCache, LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa")
    model.eval()
    run = model.model(inputs_embeds=prompt.to(dtype)[None], use_cache=True)
    layers = [(layer.keys, layer.values) for layer in run.past_key_values.layers]

    def scores(ids: list[list[int]]) -> torch.Tensor:
        longest = max(len(text) for text in ids)
        padded = torch.tensor([text + [0] * (longest - len(text)) for text in ids])
        cache = DynamicCache()
        for index, (keys, values) in enumerate(layers):
            shape = (len(ids), -1, -1, -1)
            cache.update(keys.expand(shape), values.expand(shape), index)
        hidden = model.model(input_ids=padded, past_key_values=cache).last_hidden_state
        last = torch.tensor([len(text) - 1 for text in ids])
        rows = model.lm_head.weight[verbalizers]
        return F.linear(hidden[torch.arange(len(ids)), last], rows).float()

    return scores


def shared(
    folder: Path, dtype: torch.dtype, prompt: torch.Tensor, verbalizers: torch.Tensor
) -> Scores:
    """The hand-written model."""
    model = Llama(folder, dtype)
    cache = model.prompt_cache(prompt)

    def scores(ids: list[list[int]]) -> torch.Tensor:
        batch = Batch([Text(text, [len(text) - 1]) for text in ids], len(prompt), dtype)
        return model.logits(model.answers(batch, cache=cache), verbalizers)

    return scores


VARIANTS = {"transformers": transformers, "shared": shared}


def batches(count: int, size: int) -> Iterator[list[int]]:
    """Row indices of one batch after the other, round and round."""
    start = 0
    while True:
        yield [(start + i) % count for i in range(size)]
        start += size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", choices=VARIANTS, required=True)
    add_arguments(parser)
    args = parser.parse_args()

    set_up_torch(args.threads, args.matmul)
    torch.set_grad_enabled(False)
    config = json.loads((args.model / "config.json").read_text())
    prompt = read_prompt(args.prompt_file, config["hidden_size"])
    work = Workload(args.model / "tokenizer.json", args.task, args.data)
    scores = VARIANTS[args.variant](
        args.model, getattr(torch, args.dtype), prompt, torch.tensor(work.verbalizers)
    )
    rows = batches(len(work.rows), args.batch)

    def step() -> dict:
        # One token a label: the vocabulary's normaliser cancels.
        probabilities = scores([work.ids(row) for row in next(rows)]).softmax(-1)
        return {"probabilities": probabilities.tolist()}

    if args.serve:
        worker.serve(step)
    else:
        worker.run_all(step, args.steps)


if __name__ == "__main__":
    main()
