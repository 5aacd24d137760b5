"""Soft prompt tuning in PyTorch, one step at a time.

    python adapt_torch.py --variant shared --model FOLDER --task texts/task.json \
        --data texts/train25.jsonl --prompt-file start.safetensors --order order.json

Prints the losses, the seconds of each step and the peak memory as one JSON
object; with `--serve` it obeys `run.py` (see worker.py).

All variants compute the same loss: whole-vocabulary cross entropy at the answer,
mean over the batch. They differ in how:

    peft          PEFT's PromptTuning as its users run it, logits at all positions
    transformers  plain loop over LlamaForCausalLM, head at the last position only
    shared        our hand-written model with the prompt as a shared prefix
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812

import worker
from llama_torch import Batch, Llama, Text
from workload import Workload, add_arguments, read_prompt, set_up_torch

Loss = Callable[[list[list[int]], list[int]], torch.Tensor]


def frozen_transformers(folder: Path, dtype: torch.dtype):
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa")
    return model.requires_grad_(False)


def padded(lists: list[list[int]], value: int) -> torch.Tensor:
    longest = max(len(ids) for ids in lists)
    return torch.tensor([ids + [value] * (longest - len(ids)) for ids in lists])


def peft(folder: Path, dtype: torch.dtype, prompt: torch.Tensor) -> tuple[torch.Tensor, Loss]:
    """The prompt inside a PEFT model, and its own loss."""
    from peft import PromptTuningConfig, TaskType, get_peft_model

    config = PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=len(prompt))
    model = get_peft_model(frozen_transformers(folder, dtype), config)
    model.train()
    weight = model.prompt_encoder["default"].embedding.weight
    weight.data.copy_(prompt)

    def loss(ids: list[list[int]], answers: list[int]) -> torch.Tensor:
        whole = [[*text, answer] for text, answer in zip(ids, answers, strict=True)]
        labels = [[-100] * len(text) + [a] for text, a in zip(ids, answers, strict=True)]
        mask = [[1] * len(row) for row in whole]
        return model(
            input_ids=padded(whole, 0),
            attention_mask=padded(mask, 0),
            labels=padded(labels, -100),
        ).loss

    return weight, loss


def transformers(
    folder: Path, dtype: torch.dtype, prompt: torch.Tensor
) -> tuple[torch.Tensor, Loss]:
    """A prompt in front of the embeddings, the head at the last position only."""
    model = frozen_transformers(folder, dtype)
    weight = torch.nn.Parameter(prompt.clone())

    def loss(ids: list[list[int]], answers: list[int]) -> torch.Tensor:
        texts = model.model.embed_tokens(padded(ids, 0))
        front = weight.to(dtype).expand(len(ids), -1, -1)
        # Padding is on the right of a causal model, so it needs no mask.
        hidden = model.model(inputs_embeds=torch.cat([front, texts], 1), use_cache=False)
        last = torch.tensor([len(weight) + len(text) - 1 for text in ids])
        at_answer = hidden.last_hidden_state[torch.arange(len(ids)), last]
        return F.cross_entropy(model.lm_head(at_answer).float(), torch.tensor(answers))

    return weight, loss


def shared(folder: Path, dtype: torch.dtype, prompt: torch.Tensor) -> tuple[torch.Tensor, Loss]:
    """The hand-written model."""
    model = Llama(folder, dtype)
    weight = torch.nn.Parameter(prompt.clone())

    def loss(ids: list[list[int]], answers: list[int]) -> torch.Tensor:
        texts = [Text(text, [len(text) - 1]) for text in ids]
        batch = Batch(texts, len(weight), dtype)
        logits = model.logits(model.answers(batch, prompt=weight))
        return F.cross_entropy(logits, torch.tensor(answers))

    return weight, loss


VARIANTS = {"peft": peft, "transformers": transformers, "shared": shared}


def stepper(
    weight: torch.Tensor, loss_of: Loss, work: Workload, args: argparse.Namespace
) -> Callable[[], dict]:
    """AdamW with a rate that falls to zero in a straight line."""
    order = json.loads(args.order.read_text())
    ids = [work.ids(row) for row in range(len(work.rows))]
    answers = [work.answer(row) for row in range(len(work.rows))]
    optimizer = torch.optim.AdamW([weight], lr=args.lr, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: 1 - i / args.steps)
    batches = iter(order[: args.steps])

    def step() -> dict:
        rows = next(batches)
        optimizer.zero_grad()
        loss = loss_of([ids[row] for row in rows], [answers[row] for row in rows])
        loss.backward()
        if args.clip_norm:
            torch.nn.utils.clip_grad_norm_([weight], args.clip_norm)
        optimizer.step()
        schedule.step()
        return {"loss": loss.item()}

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", choices=VARIANTS, required=True)
    add_arguments(parser)
    parser.add_argument("--order", type=Path, required=True, help="JSON: row indices of each step")
    parser.add_argument("--lr", type=float, default=0.005)
    parser.add_argument("--clip-norm", type=float, default=0.0, help="0: no clipping")
    args = parser.parse_args()

    set_up_torch(args.threads, args.matmul)
    config = json.loads((args.model / "config.json").read_text())
    prompt = read_prompt(args.prompt_file, config["hidden_size"])
    work = Workload(args.model / "tokenizer.json", args.task, args.data)
    weight, loss_of = VARIANTS[args.variant](args.model, getattr(torch, args.dtype), prompt)
    step = stepper(weight, loss_of, work, args)
    if args.serve:
        worker.serve(step)
    else:
        worker.run_all(step, args.steps)


if __name__ == "__main__":
    main()
