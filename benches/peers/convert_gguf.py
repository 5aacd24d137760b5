"""Expand a Llama GGUF into a float32 Hugging Face folder.

    python convert_gguf.py --gguf MODEL.gguf --out FOLDER

The folder gets `config.json`, `model.safetensors` and `tokenizer.json`. Every
weight is what the quantized file stands for, so both sides of the benchmark
compute with the same numbers.
"""

import argparse
from pathlib import Path

import numpy as np
from gguf import GGUFReader, TokenType
from gguf.quants import dequantize
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig

LAYER_NAMES = {
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
TOP_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}


def metadata(reader: GGUFReader) -> dict:
    """All key-value pairs of the file."""
    return {name: field.contents() for name, field in reader.fields.items()}


def hugging_face_name(name: str) -> str:
    """`blk.3.attn_q.weight` -> `model.layers.3.self_attn.q_proj.weight`."""
    if name in TOP_NAMES:
        return TOP_NAMES[name]
    _, layer, part, _ = name.split(".")
    return f"model.layers.{layer}.{LAYER_NAMES[part]}.weight"


def halves_from_pairs(weight: np.ndarray, heads: int) -> np.ndarray:
    """Undo GGUF's row order of a query or key projection.

    GGUF keeps the two numbers that a rotary angle turns next to each other,
    Hugging Face keeps them half a head apart.
    """
    rows, columns = weight.shape
    by_pair = weight.reshape(heads, rows // heads // 2, 2, columns)
    return by_pair.swapaxes(1, 2).reshape(rows, columns)


def weights(reader: GGUFReader, config: LlamaConfig) -> dict[str, np.ndarray]:
    """All tensors in float32 under their Hugging Face names."""
    heads = {
        "attn_q": config.num_attention_heads,
        "attn_k": config.num_key_value_heads,
    }
    out = {}
    for tensor in reader.tensors:
        weight = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        part = tensor.name.split(".")[-2]
        if part in heads:
            weight = halves_from_pairs(weight, heads[part])
        out[hugging_face_name(tensor.name)] = np.ascontiguousarray(weight)
    return out


def config_from(meta: dict, tied: bool) -> LlamaConfig:
    """The model's sizes as Hugging Face spells them."""
    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=len(meta["tokenizer.ggml.tokens"]),
        hidden_size=meta["llama.embedding_length"],
        intermediate_size=meta["llama.feed_forward_length"],
        num_hidden_layers=meta["llama.block_count"],
        num_attention_heads=meta["llama.attention.head_count"],
        num_key_value_heads=meta["llama.attention.head_count_kv"],
        max_position_embeddings=meta["llama.context_length"],
        rms_norm_eps=round(meta["llama.attention.layer_norm_rms_epsilon"], 9),
        rope_parameters={
            "rope_type": "default",
            "rope_theta": meta["llama.rope.freq_base"],
        },
        bos_token_id=meta["tokenizer.ggml.bos_token_id"],
        eos_token_id=meta["tokenizer.ggml.eos_token_id"],
        tie_word_embeddings=tied,
        dtype="float32",
    )


def tokenizer_from(meta: dict) -> Tokenizer:
    """The byte-level BPE of SmolLM: digits stand alone before GPT-2's pattern."""
    if meta["tokenizer.ggml.pre"] != "smollm":
        raise SystemExit(f"pre-tokenizer {meta['tokenizer.ggml.pre']!r} is not known here")
    tokens = meta["tokenizer.ggml.tokens"]
    merges = [tuple(pair.split(" ")) for pair in meta["tokenizer.ggml.merges"]]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = meta["tokenizer.ggml.token_type"]
    control = [t for t, kind in zip(tokens, kinds, strict=True) if kind == TokenType.CONTROL]
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in control])
    return tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()

    reader = GGUFReader(args.gguf)
    meta = metadata(reader)
    tied = all(tensor.name != "output.weight" for tensor in reader.tensors)
    config = config_from(meta, tied)
    args.out.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(args.out)
    save_file(weights(reader, config), args.out / "model.safetensors", {"format": "pt"})
    # Last, because setup.sh takes this file as the sign of a complete folder.
    tokenizer_from(meta).save(str(args.out / "tokenizer.json"))


if __name__ == "__main__":
    main()
