"""A small Llama in float64, and the expected values the Rust tests compare with.

The model is written out here, instead of running transformers in float64,
because transformers keeps the norms and the rotary angles in float32. Every
user of this module checks it against transformers in float32 (`agree`).
"""

import math

import torch

torch.set_num_threads(1)
torch.set_grad_enabled(False)

# Four labels as token lists: two share two leading tokens, three share one.
LABELS = [[8, 9], [8, 9, 10], [8, 11], [12]]


def inverse_frequencies(head_dim, theta, scaling=None, factors=None):
    """Rotary inverse frequencies, with the scaling of an HF config or with
    the divisors of a GGUF `rope_freqs.weight`."""
    inv = 1.0 / theta ** (torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    if factors is not None:
        inv = inv / factors.double()
    if not scaling:
        return inv
    kind, factor = scaling["rope_type"], scaling["factor"]
    if kind == "linear":
        return inv / factor
    if kind == "llama3":
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        context = scaling["original_max_position_embeddings"]
        out = []
        for f in inv.tolist():
            wavelength = 2 * math.pi / f
            if wavelength > context / low:
                f /= factor
            elif wavelength >= context / high:
                smooth = (context / wavelength - low) / (high - low)
                f = (1 - smooth) * f / factor + smooth * f
            out.append(f)
        return torch.tensor(out, dtype=torch.float64)
    raise ValueError(f"rope scaling {kind}")


class Llama:
    """`weights`: HF names to tensors, upcast here; without `lm_head.weight`
    the embedding is the output matrix too."""

    def __init__(self, weights, heads, kv_heads, head_dim, eps, inv_freq):
        self.w = {k: v.double() for k, v in weights.items()}
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, head_dim
        self.eps, self.inv_freq = eps, inv_freq
        self.layers = 1 + max(int(k.split(".")[2]) for k in weights if ".layers." in k)
        self.embedding = self.w["model.embed_tokens.weight"]
        self.head = self.w.get("lm_head.weight", self.embedding)

    def norm(self, x, name):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.w[name]

    def rotate(self, x):
        """x: (heads, n, head_dim), first half against second half."""
        angle = torch.arange(x.shape[1], dtype=torch.float64)[:, None] * self.inv_freq
        cos, sin = angle.cos(), angle.sin()
        a, b = x.chunk(2, dim=-1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)

    def project(self, x, name, heads):
        """(n, d) to (heads, n, head_dim)."""
        return (x @ self.w[name].T).view(-1, heads, self.head_dim).transpose(0, 1)

    def attend(self, x, p):
        n, group = x.shape[0], self.heads // self.kv_heads
        q = self.rotate(self.project(x, p + "q_proj.weight", self.heads))
        k = self.rotate(self.project(x, p + "k_proj.weight", self.kv_heads))
        v = self.project(x, p + "v_proj.weight", self.kv_heads)
        k, v = k.repeat_interleave(group, 0), v.repeat_interleave(group, 0)
        later = torch.full((n, n), -math.inf, dtype=torch.float64).triu(1)
        weights = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(self.head_dim) + later, -1)
        return (weights @ v).transpose(0, 1).reshape(n, -1) @ self.w[p + "o_proj.weight"].T

    def feed_forward(self, x, p):
        gate = torch.nn.functional.silu(x @ self.w[p + "gate_proj.weight"].T)
        return (gate * (x @ self.w[p + "up_proj.weight"].T)) @ self.w[p + "down_proj.weight"].T

    def hidden(self, x):
        """Rows after the final norm, for input embeddings x (n, d)."""
        for i in range(self.layers):
            p = f"model.layers.{i}."
            x = x + self.attend(self.norm(x, p + "input_layernorm.weight"), p + "self_attn.")
            h = self.norm(x, p + "post_attention_layernorm.weight")
            x = x + self.feed_forward(h, p + "mlp.")
        return self.norm(x, "model.norm.weight")

    def rows(self, prompt, ids):
        return torch.cat([prompt, self.embedding[ids]]) if ids else prompt

    def answer_logits(self, prompt, text, answer):
        """(len(answer), vocab): the logits that predict each answer token."""
        hidden = self.hidden(self.rows(prompt, text + answer[:-1]))
        return hidden[-len(answer) :] @ self.head.T

    def label_scores(self, prompt, text, labels):
        """Mean token log-probability of each label after prompt and text."""
        scores = []
        for label in labels:
            logp = torch.log_softmax(self.answer_logits(prompt, text, label), -1)
            scores.append(logp[range(len(label)), label].mean())
        return torch.stack(scores)

    def loss(self, prompt, examples):
        """Cross entropy over the whole vocabulary: sum over an example's
        answer tokens, mean over the examples."""
        total = 0.0
        for e in examples:
            logits = self.answer_logits(prompt, e["text_ids"], e["answer_ids"])
            total = total + torch.nn.functional.cross_entropy(
                logits, torch.tensor(e["answer_ids"]), reduction="sum"
            )
        return total / len(examples)

    def loss_and_gradient(self, prompt, examples):
        with torch.enable_grad():
            prompt = prompt.detach().double().clone().requires_grad_(True)
            loss = self.loss(prompt, examples)
            loss.backward()
        return loss.detach(), prompt.grad


def expected(model, prompt, examples, labels=LABELS, full=True):
    """The expected tensors in float32, computed in float64."""
    prompt = prompt.double()
    none = prompt[:0]
    loss, gradient = model.loss_and_gradient(prompt, examples)
    out = {"prompt": prompt, "loss": loss.reshape(1), "prompt_grad": gradient}
    for i, e in enumerate(examples):
        text, answer = e["text_ids"], e["answer_ids"]
        out[f"label_scores.{i}"] = model.label_scores(prompt, text, labels)
        out[f"noprompt.label_scores.{i}"] = model.label_scores(none, text, labels)
        if full:
            out[f"answer_logits.{i}"] = model.answer_logits(prompt, text, answer)
            out[f"final_hidden.{i}"] = model.hidden(model.rows(prompt, text))
    return {k: v.float().contiguous() for k, v in out.items()}


def agree(model, hf, prompt, examples):
    """Worst deviation of transformers in float32 from this module, relative
    to the largest entry: over loss, logits and prompt gradient."""
    worst = 0.0
    hf = hf.float().eval()
    table = hf.get_input_embeddings()
    with torch.enable_grad():
        p = prompt.detach().float().clone().requires_grad_(True)
        total = 0.0
        for e in examples:
            ids, answer = e["text_ids"] + e["answer_ids"][:-1], e["answer_ids"]
            rows = torch.cat([p, table(torch.tensor(ids))])[None]
            logits = hf(inputs_embeds=rows, use_cache=False).logits[0, -len(answer) :]
            mine = model.answer_logits(prompt.double(), e["text_ids"], answer).detach()
            worst = max(worst, ((logits - mine).abs().max() / mine.abs().max()).item())
            total = total + torch.nn.functional.cross_entropy(
                logits, torch.tensor(answer), reduction="sum"
            )
        total = total / len(examples)
        total.backward()
    loss, gradient = model.loss_and_gradient(prompt, examples)
    worst = max(worst, abs(total.item() / loss.item() - 1))
    return max(worst, ((p.grad - gradient).abs().max() / gradient.abs().max()).item())


def random_examples(generator, vocab, lengths):
    """[(text tokens, answer tokens)] to examples; the ids avoid the specials."""

    def ids(n):
        return torch.randint(3, vocab, (n,), generator=generator).tolist()

    return [{"text_ids": ids(t), "answer_ids": ids(a)} for t, a in lengths]
