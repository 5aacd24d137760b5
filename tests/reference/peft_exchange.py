"""Exchanges prompt-tuning adapters with Hugging Face PEFT on a real Llama-family GGUF file.

    make models && cargo build --release --features cli --bin supmer
    SUPMER_PEERS_LLAMACPP=0 benches/peers/setup.sh      # PyTorch and PEFT, in ~/.cache/supmer
    ~/.cache/supmer/peers-venv/bin/python tests/reference/peft_exchange.py \\
        --model "$(make -s print-model)" --supmer target/release/supmer

(a) PEFT trains a prompt on examples/data/reviews, `supmer import-peft` reads the
    folder, and both predict the test rows: label probabilities within 1e-4.
(b) `supmer adapt` trains one, `supmer export-peft` writes the folder, PEFT loads
    it, and both predict: within 1e-4.
(c) A folder exported for a T5 (here a small random one, the adapter's architecture
    renamed) puts the same rows in front of the encoder's text, and the decoder's
    rows, which PEFT stores but supmer does not import, have no effect.

A label's probability is the softmax over labels of its mean token log-probability.
The GGUF's weights are expanded to float32 for PyTorch. Takes some three minutes on
two cores and exits with 1 when a limit is passed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings

import torch
from peft import PeftModel, PromptTuningConfig, TaskType, get_peft_model
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import T5Config, T5ForConditionalGeneration

from smollm2 import Reference, report

PROBABILITY_LIMIT, ENCODER_LIMIT = 1e-4, 1e-6
PROMPT_ROWS, STEPS, BATCH, RATE = 8, 12, 8, 0.01
DATA = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "data", "reviews")
TASK, TRAIN, TEST = (os.path.join(DATA, n) for n in ("task.json", "train.jsonl", "test.jsonl"))


class Work:
    """The task and its rows in the model's tokens."""

    def __init__(self, reference):
        with open(TASK, encoding="utf-8") as f:
            task = json.load(f)
        self.names = [label["name"] for label in task["labels"]]
        self.answers = [reference.ids(label["verbalizer"]) for label in task["labels"]]
        self.train, self.test = (self.read(reference, task, path) for path in (TRAIN, TEST))

    def read(self, reference, task, path):
        """(ids of the filled template, number of the label) of each row."""
        with open(path, encoding="utf-8") as f:
            rows = [json.loads(line) for line in f]
        return [
            (reference.fill(task["template"], row), self.names.index(row["label"])) for row in rows
        ]

    def probabilities(self, model, rows):
        """(rows, labels) by a PEFT model or a plain one; batches of one, so nothing is padded."""
        out = []
        for text, _ in rows:
            logp, scores = {}, []  # by what of the answer stands before the next token
            for answer in self.answers:
                for at in range(len(answer)):
                    before = tuple(answer[:at])
                    if before not in logp:
                        ids = torch.tensor([[*text, *before]])
                        logits = model(input_ids=ids, use_cache=False, logits_to_keep=1).logits
                        logp[before] = torch.log_softmax(logits[0, -1], -1)
                tokens = [logp[tuple(answer[:at])][token] for at, token in enumerate(answer)]
                scores.append(torch.stack(tokens).mean())
            out.append(torch.softmax(torch.stack(scores), 0))
        return torch.stack(out)


def padded(lists, value):
    longest = max(len(ids) for ids in lists)
    return torch.tensor([ids + [value] * (longest - len(ids)) for ids in lists])


@torch.enable_grad()  # llama64 turns gradients off
def train_with_peft(base, work, folder):
    """Prompt tuning as PEFT's users run it; gives the model that was saved in `folder`."""
    config = PromptTuningConfig(
        task_type=TaskType.CAUSAL_LM,
        num_virtual_tokens=PROMPT_ROWS,
        prompt_tuning_init="SAMPLE_VOCAB",
    )
    model = get_peft_model(base, config)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=RATE, weight_decay=0.0)
    losses = []
    for step in range(STEPS):
        rows = [work.train[(step * BATCH + i) % len(work.train)] for i in range(BATCH)]
        answers = [work.answers[label] for _, label in rows]
        whole = [text + answer for (text, _), answer in zip(rows, answers, strict=True)]
        labels = [
            [-100] * len(text) + answer for (text, _), answer in zip(rows, answers, strict=True)
        ]
        loss = model(
            input_ids=padded(whole, 0),
            attention_mask=padded([[1] * len(ids) for ids in whole], 0),
            labels=padded(labels, -100),
        ).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"PEFT: {STEPS} steps, loss {losses[0]:.3f} to {losses[-1]:.3f}")
    model.save_pretrained(folder)
    return model.eval()


def supmer(args, *line):
    command = [args.supmer, *line, "--quiet", "--json"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode()


def supmer_probabilities(args, work, adapter):
    out = supmer(args, "predict", "--model", args.model, "--adapter", adapter, "--input", TEST)
    rows = [json.loads(line)["probabilities"] for line in out.splitlines()]
    return torch.tensor([[row[name] for name in work.names] for row in rows])


def compare(args, work, model, adapter, what):
    """The same adapter on both sides: as PEFT's `model` and as supmer's file."""
    theirs = work.probabilities(model, work.test)
    ours = supmer_probabilities(args, work, adapter)
    first = theirs[:, 0]
    print(
        f"{what}: {len(theirs)} test rows, probabilities of {work.names[0]!r} in PyTorch from "
        f"{first.min():.3f} to {first.max():.3f}"
    )
    # A prompt that nobody looks at, or one that gives every row the same, would be no proof.
    with model.disable_adapter():
        bare = work.probabilities(model, work.test[:10])
    moved = (theirs[:10] - bare).abs().max()
    if min(moved, first.max() - first.min()) < 100 * PROBABILITY_LIMIT:
        print(f"{what}: rows or prompt hardly move these probabilities; this shows nothing")
        return False
    worst = (ours - theirs).abs().max().item()
    return report(f"{what}: label probabilities", worst, PROBABILITY_LIMIT)


def peft_to_supmer(args, base, work, folder):
    peft, adapter = os.path.join(folder, "peft"), os.path.join(folder, "imported.supmer")
    model = train_with_peft(base, work, peft)
    line = ["--model", args.model, "--peft", peft, "--task", TASK, "--out", adapter]
    supmer(args, "import-peft", *line)
    return compare(args, work, model, adapter, "PEFT to supmer")


def supmer_to_peft(args, base, work, folder):
    adapter, peft = os.path.join(folder, "own.supmer"), os.path.join(folder, "exported")
    line = ["--model", args.model, "--task", TASK, "--train", TRAIN, "--out", adapter]
    sizes = {"--steps": STEPS, "--batch-size": BATCH, "--prompt-length": PROMPT_ROWS}
    supmer(args, "adapt", *line, *(str(x) for pair in sizes.items() for x in pair))
    supmer(args, "export-peft", "--adapter", adapter, "--out", peft)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # nothing about the folder surprises PEFT
        model = PeftModel.from_pretrained(base, peft).eval()
    ours, theirs = load_file(adapter)["prompt"], model.prompt_encoder["default"].embedding.weight
    if not torch.equal(ours, theirs):
        print("supmer to PEFT: the loaded rows are not those of the adapter")
        return False
    return compare(args, work, model, adapter, "supmer to PEFT")


def encoder_decoder(args, folder):
    """How PEFT lays out a prompt for an encoder-decoder, on a small random T5."""
    own, renamed = os.path.join(folder, "own.supmer"), os.path.join(folder, "t5.supmer")
    with safe_open(own, "pt") as f:
        manifest = json.loads(f.metadata()["supmer"])
        prompt = f.get_tensor("prompt")
    manifest["fingerprint"]["architecture"] = "t5"
    save_file({"prompt": prompt}, renamed, {"supmer": json.dumps(manifest)})
    exported, saved = os.path.join(folder, "t5-exported"), os.path.join(folder, "t5-saved")
    supmer(args, "export-peft", "--adapter", renamed, "--out", exported)

    sizes = {"d_model": prompt.shape[1], "d_ff": 64, "d_kv": 16, "num_heads": 4, "num_layers": 2}
    base = T5ForConditionalGeneration(T5Config(vocab_size=99, **sizes)).eval()
    text, answer = torch.randint(3, 99, (1, 12)), torch.randint(3, 99, (1, 3))
    rows = torch.cat([prompt[None], base.shared(text)], 1)
    want = base(inputs_embeds=rows, decoder_input_ids=answer).logits
    model = PeftModel.from_pretrained(base, exported)
    got = model(input_ids=text, decoder_input_ids=answer).logits
    worst = ((got - want).abs().max() / want.abs().max()).item()
    good = report("supmer to PEFT, T5: logits", worst, ENCODER_LIMIT)

    config = PromptTuningConfig(task_type=TaskType.SEQ_2_SEQ_LM, num_virtual_tokens=len(prompt))
    model = get_peft_model(base, config).eval()
    model.save_pretrained(saved)
    stored = load_file(os.path.join(saved, "adapter_model.safetensors"))["prompt_embeddings"]
    weight = model.prompt_encoder["default"].embedding.weight
    before = model(input_ids=text, decoder_input_ids=answer).logits
    weight.data[len(prompt) :] = 9.0
    after = model(input_ids=text, decoder_input_ids=answer).logits
    unread = torch.equal(before, after) and len(stored) == 2 * len(prompt)
    print(
        f"PEFT, T5: stores {len(stored)} rows for a prompt of {len(prompt)}, the second half is "
        f"{'unread: ok' if unread else 'NOT AS EXPECTED'}"
    )
    return good and unread


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="a GGUF file")
    parser.add_argument("--supmer", required=True, help="the supmer binary")
    args = parser.parse_args()
    torch.manual_seed(1)
    warnings.simplefilter("ignore", FutureWarning)  # PEFT calls transformers by an older name
    reference = Reference(args.model, torch.float32)
    work = Work(reference)
    with tempfile.TemporaryDirectory() as folder:
        checks = [
            peft_to_supmer(args, reference.model, work, folder),
            supmer_to_peft(args, reference.model, work, folder),
            encoder_decoder(args, folder),
        ]
    sys.exit(not all(checks))


if __name__ == "__main__":
    main()
