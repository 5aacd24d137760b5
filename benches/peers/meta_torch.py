"""One meta-training step in PyTorch, on the hand-written model.

    python meta_torch.py --model FOLDER --task texts/task.json --data texts/train25.jsonl \
        --prompt-file start.safetensors --order order.json

A step takes the first third of its rows as the support set, the second as the
query set and the last as what the query set is mixed with. It is the step of
the method: support gradient and pooled state, psi, inner step, mixed query loss,
gradients of prompt and psi, both clips, both Adams. The query's two halves go
through the network in one batch, and the support set's gradient and pooled state
come of one pass, as fast as we could make it in f32.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from safetensors import safe_open

import worker
from llama_torch import Batch, Llama, Text
from workload import Workload, add_arguments, read_prompt, set_up_torch

GATE_WIDTH = 24
LAYERS = 2
EPSILON = 1e-8


class Regularizer:
    """psi with its parameters in one flat vector, as supmer holds them."""

    def __init__(self, values: torch.Tensor, width: int) -> None:
        gate = GATE_WIDTH * width + 2 * GATE_WIDTH + 1
        rank = ((len(values) - gate) // LAYERS - width) // (2 * width)
        shapes = [(width, rank), (rank, width), (width,)] * LAYERS
        shapes += [(GATE_WIDTH, width), (GATE_WIDTH,), (1, GATE_WIDTH), (1,)]
        self.parameters, start = [], 0
        for shape in shapes:
            size = torch.Size(shape).numel()
            part = values[start : start + size].view(shape).clone()
            self.parameters.append(torch.nn.Parameter(part))
            start += size

    def __call__(self, gradient: torch.Tensor, pooled: torch.Tensor) -> tuple[torch.Tensor, ...]:
        *layers, w1, b1, w2, b2 = self.parameters
        x = gradient
        for u, v, bias in zip(*[iter(layers)] * 3, strict=True):
            x = F.relu(F.linear(F.linear(x, v), u, bias))
        sizes = gradient.norm(dim=1, keepdim=True) + EPSILON
        x = x / (x.norm(dim=1, keepdim=True) + EPSILON) * sizes
        gate = torch.sigmoid(F.linear(F.relu(F.linear(pooled, w1, b1)), w2, b2))
        return (1 - gate) * x + gate * gradient, gate


def stepper(
    model: Llama, prompt: torch.nn.Parameter, psi: Regularizer, work: Workload, args
) -> Callable[[], dict]:
    order = iter(json.loads(args.order.read_text())[: args.steps])
    optimizers = [
        torch.optim.Adam([prompt], lr=args.lr),
        torch.optim.Adam(psi.parameters, lr=args.phi_lr),
    ]
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(o, lambda i: 1 - i / args.steps) for o in optimizers
    ]

    def batch(rows: list[int]) -> tuple[Batch, torch.Tensor]:
        texts = [Text(work.ids(row), [len(work.ids(row)) - 1]) for row in rows]
        return Batch(texts, len(prompt), torch.float32), torch.tensor(
            [work.answer(row) for row in rows]
        )

    def support_gradient(rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        texts, answers = batch(rows)
        hidden = model.all_rows(texts, prompt)
        loss = F.cross_entropy(model.logits(hidden[len(prompt) + texts.answers]), answers)
        (gradient,) = torch.autograd.grad(loss, prompt)
        own, front = hidden.detach()[len(prompt) :], hidden.detach()[: len(prompt)].sum(0)
        pooled = torch.zeros(model.width)
        for part in own.split(texts.lengths):
            pooled += (front + part.sum(0)) / (len(prompt) + len(part)) / texts.texts
        return gradient, pooled

    def query_loss(own: list[int], other: list[int], adapted: torch.Tensor) -> torch.Tensor:
        texts, answers = batch([*own, *other])
        hidden, partner = model.answers(texts, prompt=adapted).chunk(2)
        logits = model.logits(args.mix * hidden + (1 - args.mix) * partner)
        target = torch.zeros_like(logits)
        index = torch.arange(len(own))
        first, second = answers.chunk(2)
        target.index_put_((index, first), torch.tensor(args.mix), accumulate=True)
        target.index_put_((index, second), torch.tensor(1 - args.mix), accumulate=True)
        return F.kl_div(logits.log_softmax(-1), target, reduction="batchmean")

    def step() -> dict:
        rows = next(order)
        third = len(rows) // 3
        gradient, pooled = support_gradient(rows[:third])
        direction, gate = psi(gradient, pooled)
        adapted = prompt.detach() - args.inner_lr * direction
        adapted.retain_grad()
        loss = query_loss(rows[third : 2 * third], rows[2 * third :], adapted)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward(retain_graph=True)
        prompt.grad = adapted.grad.clone()
        cosine = F.cosine_similarity(adapted.grad, direction.detach(), dim=1).mean()
        similarity = (1 + cosine) / 2
        (0.5 * args.domain + 0.5 * similarity - gate).square().sum().backward()
        torch.nn.utils.clip_grad_norm_([prompt], 1.0)
        torch.nn.utils.clip_grad_norm_(psi.parameters, 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
        return {"loss": loss.item()}

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--variant", choices=["shared"], default="shared")
    parser.add_argument("--order", type=Path, required=True, help="JSON: row indices of each step")
    parser.add_argument("--lr", type=float, default=0.005)
    parser.add_argument("--phi-lr", type=float, default=1e-3)
    parser.add_argument("--inner-lr", type=float, default=0.3)
    parser.add_argument("--mix", type=float, default=0.75, help="weight of the task's own query")
    parser.add_argument("--domain", type=float, default=0.5, help="domain similarity")
    args = parser.parse_args()

    set_up_torch(args.threads, args.matmul)
    config = json.loads((args.model / "config.json").read_text())
    width = config["hidden_size"]
    prompt = torch.nn.Parameter(read_prompt(args.prompt_file, width))
    with safe_open(args.prompt_file, "pt") as tensors:
        psi = Regularizer(tensors.get_tensor("phi"), width)
    work = Workload(args.model / "tokenizer.json", args.task, args.data)
    step = stepper(Llama(args.model), prompt, psi, work, args)
    if args.serve:
        worker.serve(step)
    else:
        worker.run_all(step, args.steps)


if __name__ == "__main__":
    main()
