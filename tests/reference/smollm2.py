"""Compares supmer with transformers on a real Llama-family GGUF file.

    python tests/reference/smollm2.py --model M.gguf --supmer target/release/supmer \\
        [--gradient target/release/examples/gradient] [--adapter A.supmer]
    python tests/reference/smollm2.py --model M.gguf --torch-only

The GGUF weights are expanded and loaded into LlamaForCausalLM in float64
(transformers keeps norms and rotary angles in float32 all the same). In
float32 its own prompt gradient is off by 3e-5 to 1e-4 of the largest entry on
SmolLM2-135M, as is any other float32 computation: that would leave no room.

(a) With --adapter: label probabilities of 20 texts, within 1e-4.
(b) Loss (within 1e-5, relative) and prompt gradient (within 1e-4 of its
    largest entry) of one batch.

Exits with 1 when a limit is passed. --torch-only holds transformers against
the float64 model of llama64.py instead, and shows how far float32 itself is off.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import gguf_llama

PROBABILITY_LIMIT, LOSS_LIMIT, GRADIENT_LIMIT = 1e-4, 1e-5, 1e-4
PROMPT_ROWS, BATCH = 20, 6
TASK = {
    "name": "sentiment",
    "template": "{text}\nSentiment:",
    "labels": [
        {"name": "negative", "verbalizer": " terrible"},
        {"name": "positive", "verbalizer": " great"},
        {"name": "mixed", "verbalizer": " neither good nor bad"},
    ],
}
TEXTS = [
    "The screen cracked on the first day.",
    "Best soup I have had in years, and the bread was still warm.",
    "It does what it says. Nothing more.",
    "We waited 45 minutes for two coffees; one of them was cold.",
    "Lovely staff, spotless room, and a view over the harbour!",
    "The plot makes no sense, but the music is wonderful.",
    "Don't buy this if you care about your ears.",
    "After three weeks of daily use the battery still lasts two days.",
    "I returned it. The zip broke and nobody answered my e-mails.",
    "Funny, warm and short enough to read in one evening.",
    "Das Zimmer war sauber, aber laut.",
    "Meh.",
    "10/10 would stay again 🙂",
    "The manual is written in five languages and helpful in none of them.",
    "My daughter wears these boots every single day and they still look new.",
    "Average food at high prices.",
    "He explains difficult ideas so clearly that I finished the course in a week.",
    "The update removed the only feature I used.",
    "Not bad, not good, just there.",
    "An hour of my life that I will never get back, twice, because I watched it again to be sure.",
]


class Reference:
    """transformers with weights and activations in `dtype`."""

    def __init__(self, path, dtype=torch.float64):
        self.file = gguf_llama.File(path)
        self.model = self.file.transformers().to(dtype)
        self.tokenizer = self.file.tokenizer()
        self.table = self.model.get_input_embeddings()

    def ids(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def fill(self, template, fields):
        """Ids of a filled template; literals and fields are tokenized apart."""
        out = []
        if self.file.meta.get("tokenizer.ggml.add_bos_token"):
            out.append(self.file.meta["tokenizer.ggml.bos_token_id"])
        literal = ""
        for piece in re.findall(r"\{\{|\}\}|\{[^{}]*\}|[^{}]+", template):
            if piece in ("{{", "}}"):
                literal += piece[0]
            elif piece.startswith("{"):
                out += self.ids(literal) + self.ids(fields[piece[1:-1]])
                literal = ""
            else:
                literal += piece
        return out + self.ids(literal)

    def logits(self, prompt, text, answer):
        """The logits that predict each answer token."""
        prompt = prompt.to(self.table.weight.dtype)
        rows = torch.cat([prompt, self.table(torch.tensor(text + answer[:-1]))])
        out = self.model(inputs_embeds=rows[None], use_cache=False, logits_to_keep=len(answer))
        return out.logits[0]

    def probabilities(self, prompt, text, labels):
        """Softmax over the labels' mean token log-probabilities."""
        scores = []
        for label in labels:
            logp = torch.log_softmax(self.logits(prompt, text, label), -1)
            scores.append(logp[range(len(label)), label].mean())
        return torch.softmax(torch.stack(scores), 0)

    def loss_and_gradient(self, prompt, examples):
        """Sum over the answer tokens, mean over the examples."""
        prompt = prompt.to(self.table.weight.dtype, copy=True).requires_grad_(True)
        total = 0.0
        with torch.enable_grad():
            for e in examples:
                logits = self.logits(prompt, e["text_ids"], e["answer_ids"])
                answer = torch.tensor(e["answer_ids"])
                loss = torch.nn.functional.cross_entropy(logits, answer, reduction="sum")
                (loss / len(examples)).backward()
                total += loss.item() / len(examples)
        return total, prompt.grad

    def prompt(self):
        """Rows of random tokens with a little noise, in float32."""
        generator = torch.Generator().manual_seed(3)
        ids = torch.randint(17, self.table.weight.shape[0], (PROMPT_ROWS,), generator=generator)
        rows = self.table.weight[ids].float()
        noise = torch.empty(rows.shape).normal_(0.0, 1.0, generator=generator)
        return rows + 0.1 * rows.std() * noise

    def batch(self, count):
        labels = [self.ids(label["verbalizer"]) for label in TASK["labels"]]
        return [
            {
                "text_ids": self.fill(TASK["template"], {"text": text}),
                "answer_ids": labels[i % len(labels)],
            }
            for i, text in enumerate(TEXTS[:count])
        ]


def supmer_probabilities(args, task, folder):
    """Runs `supmer predict`: one JSON row in, one JSON row out with the
    probabilities by label name, or in the task's order."""
    rows = os.path.join(folder, "rows.jsonl")
    with open(rows, "w", encoding="utf-8") as f:
        for text in TEXTS:
            f.write(json.dumps({"text": text}) + "\n")
    command = [args.supmer, "predict", "--json", "--quiet", "--model", args.model]
    command += ["--adapter", args.adapter, "--input", rows]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode()
    result = []
    for line in out.splitlines():
        values = json.loads(line)["probabilities"]
        if isinstance(values, dict):
            values = [values[label["name"]] for label in task["labels"]]
        result.append(values)
    assert len(result) == len(TEXTS), f"{len(result)} predictions for {len(TEXTS)} texts"
    return torch.tensor(result, dtype=torch.float32)


def check_predictions(reference, args, folder):
    with safe_open(args.adapter, "pt") as f:
        prompt = f.get_tensor("prompt").float()
        task = json.loads(f.metadata()["supmer"])["task"]
    labels = [reference.ids(label["verbalizer"]) for label in task["labels"]]
    want = torch.stack(
        [
            reference.probabilities(prompt, reference.fill(task["template"], {"text": t}), labels)
            for t in TEXTS
        ]
    )
    worst = (supmer_probabilities(args, task, folder) - want).abs().max().item()
    return report("label probabilities", worst, PROBABILITY_LIMIT)


def supmer_gradient(args, prompt, examples, folder):
    paths = {k: os.path.join(folder, k) for k in ("prompt.safetensors", "batch.json", "grad")}
    save_file({"prompt": prompt.contiguous()}, paths["prompt.safetensors"])
    with open(paths["batch.json"], "w", encoding="utf-8") as f:
        json.dump({"examples": examples}, f)
    command = [args.gradient, "--model", args.model, "--prompt", paths["prompt.safetensors"]]
    command += ["--batch", paths["batch.json"], "--out", paths["grad"]]
    subprocess.run(command, check=True)
    out = load_file(paths["grad"])
    return out["loss"].double().item(), out["prompt_grad"]


def compare_gradients(got, want):
    loss = abs(got[0] / want[0] - 1)
    gradient = ((got[1] - want[1]).abs().max() / want[1].abs().max()).item()
    good = report("loss", loss, LOSS_LIMIT)
    return report("prompt gradient", gradient, GRADIENT_LIMIT) and good


def report(what, worst, limit):
    good = worst <= limit  # false for NaN
    print(f"{what}: worst deviation {worst:.2e}, limit {limit:.0e}: {'ok' if good else 'TOO FAR'}")
    return good


def torch_only(path):
    good = True
    reference = Reference(path)
    prompt, examples = reference.prompt(), reference.batch(BATCH)
    labels = [reference.ids(label["verbalizer"]) for label in TASK["labels"]]
    exact = reference.file.float64()
    loss, gradient = exact.loss_and_gradient(prompt, examples)
    print(f"loss {loss.item():.6f}, largest gradient entry {gradient.abs().max():.4f}")
    want = []
    for text, e in zip(TEXTS, reference.batch(len(TEXTS)), strict=True):
        scores = exact.label_scores(prompt.double(), e["text_ids"], labels)
        want.append(torch.softmax(scores, 0))
        print(" ".join(f"{p:.4f}" for p in want[-1].tolist()), text)
    for name, r in [("float64", reference), ("float32", Reference(path, torch.float32))]:
        print(f"transformers in {name}:")
        ids = [e["text_ids"] for e in r.batch(len(TEXTS))]
        worst = max(
            (r.probabilities(prompt, i, labels) - w).abs().max().item()
            for i, w in zip(ids, want, strict=True)
        )
        good = report("label probabilities", worst, PROBABILITY_LIMIT) and good
        got = r.loss_and_gradient(prompt, examples)
        good = compare_gradients(got, (loss.item(), gradient)) and good
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--supmer", help="the supmer binary")
    parser.add_argument("--gradient", help="the gradient example; default: beside --supmer")
    parser.add_argument("--adapter", help="an adapter file with a task, made for this model")
    parser.add_argument("--torch-only", action="store_true")
    args = parser.parse_args()
    if not args.torch_only and not args.supmer:
        parser.error("--supmer or --torch-only is needed")
    if args.torch_only:
        sys.exit(not torch_only(args.model))
    reference = Reference(args.model)
    if not args.gradient:
        args.gradient = os.path.join(os.path.dirname(args.supmer), "examples", "gradient")
    with tempfile.TemporaryDirectory() as folder:
        good = True
        if args.adapter:
            good = check_predictions(reference, args, folder)
        else:
            print("label probabilities: skipped, no --adapter")
        prompt, examples = reference.prompt(), reference.batch(BATCH)
        want = reference.loss_and_gradient(prompt, examples)
        got = supmer_gradient(args, prompt, examples, folder)
        good = compare_gradients(got, want) and good
    sys.exit(not good)


if __name__ == "__main__":
    main()
