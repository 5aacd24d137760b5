"""Reads a GGUF file of architecture "llama" with the gguf package."""

import numpy as np
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM

import llama64

LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
TOP = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}


def gguf_name(name):
    """HF name to GGUF name."""
    parts = name.removesuffix(".weight").split(".")
    if parts[1:2] != ["layers"]:
        return {v: k for k, v in TOP.items()}[".".join(parts)] + ".weight"
    part = {v: k for k, v in LAYER.items()}[".".join(parts[3:])]
    return f"blk.{parts[2]}.{part}.weight"


def to_pairs(weight, heads):
    """Row order of q and k in GGUF, as llama.cpp's converter makes it: the two
    rows that rotate together stand next to each other."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(weight.shape)


def to_halves(weight, heads):
    """The inverse of `to_pairs`: the row order of Hugging Face."""
    pairs = weight.reshape(heads, weight.shape[0] // heads // 2, 2, weight.shape[1])
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(weight.shape)


class File:
    """Metadata and f32 weights of one file."""

    def __init__(self, path, weights=True):
        reader = GGUFReader(path)
        self.meta = {k: f.contents() for k, f in reader.fields.items()}
        assert self.meta["general.architecture"] == "llama"
        self.heads = self.meta["llama.attention.head_count"]
        self.kv_heads = self.meta.get("llama.attention.head_count_kv", self.heads)
        self.width = self.meta["llama.embedding_length"]
        self.head_dim = self.meta.get("llama.rope.dimension_count", self.width // self.heads)
        # Stored as f32: 1e-5 comes back as 9.999999747378752e-06.
        self.eps = self.meta["llama.attention.layer_norm_rms_epsilon"]
        self.theta = self.meta.get("llama.rope.freq_base", 10000.0)
        self.scaling, self.factors = None, None
        if self.meta.get("llama.rope.scaling.type", "none") == "linear":
            factor = self.meta["llama.rope.scaling.factor"]
            self.scaling = {"rope_type": "linear", "factor": factor}
        self.types, self.stored, self.weights = {}, {}, {}
        for t in reader.tensors if weights else []:
            values = dequantize(t.data, t.tensor_type).astype(np.float32)
            self.types[t.name] = t.tensor_type.name
            self.stored[t.name] = values
            if t.name == "rope_freqs.weight":
                self.factors = torch.from_numpy(values.copy())
                continue
            parts = t.name.removesuffix(".weight").split(".")
            if parts[0] == "blk":
                heads = {"attn_q": self.heads, "attn_k": self.kv_heads}.get(parts[2])
                values = to_halves(values, heads) if heads else values
                name = f"model.layers.{parts[1]}.{LAYER[parts[2]]}.weight"
            else:
                name = TOP[parts[0]] + ".weight"
            self.weights[name] = torch.from_numpy(values.copy())

    def float64(self):
        inverse = llama64.inverse_frequencies(self.head_dim, self.theta, self.scaling, self.factors)
        return llama64.Llama(
            self.weights, self.heads, self.kv_heads, self.head_dim, self.eps, inverse
        )

    def transformers(self, rope_scaling=None):
        """LlamaForCausalLM in f32. `rope_scaling`: what `rope_freqs.weight` stands for."""
        vocab = self.weights["model.embed_tokens.weight"].shape[0]
        config = LlamaConfig(
            vocab_size=vocab,
            hidden_size=self.width,
            intermediate_size=self.meta["llama.feed_forward_length"],
            num_hidden_layers=self.meta["llama.block_count"],
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            head_dim=self.head_dim,
            max_position_embeddings=self.meta["llama.context_length"],
            rms_norm_eps=self.eps,
            tie_word_embeddings="lm_head.weight" not in self.weights,
            rope_parameters={
                "rope_theta": self.theta,
                **(rope_scaling or self.scaling or {"rope_type": "default"}),
            },
        )
        with torch.device("meta"):
            model = LlamaForCausalLM(config)
        weights = dict(self.weights)
        weights.setdefault("lm_head.weight", weights["model.embed_tokens.weight"])
        model.load_state_dict(weights, strict=True, assign=True)
        # The rotary buffers are not part of the state; make them anew off "meta".
        model.model.rotary_emb = type(model.model.rotary_emb)(config)
        return model.eval().requires_grad_(False)

    def tokenizer(self):
        """The tokenizer that the metadata stands for. Control tokens are plain
        words of its vocabulary: a customer's text never becomes one."""
        assert self.meta["tokenizer.ggml.model"] == "gpt2"
        assert self.meta["tokenizer.ggml.pre"] == "smollm"
        return byte_level_bpe(
            self.meta["tokenizer.ggml.tokens"],
            self.meta["tokenizer.ggml.merges"],
        )


def byte_level_bpe(tokens, merges):
    """A tokenizers.Tokenizer without added tokens."""
    tokenizer = Tokenizer(
        models.BPE(
            vocab={t: i for i, t in enumerate(tokens)},
            merges=[tuple(m.split(" ")) for m in merges],
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
