"""Writes tests/fixtures/gguf: tiny random Llama models as GGUF files, one per
weight format, each with the values that the Rust engine must reproduce.

    python tests/reference/tiny_gguf.py --ggml PATH/libggml-base.so \\
        [--out FOLDER] [--expanded FOLDER]

The library (from llama-cpp-python) quantises the K-quants, which the gguf
package can only expand. The metadata has the form of SmolLM2's GGUF files.

expected.json:        examples [{text_ids, answer_ids}] and labels [[id, ...]],
                      the same for every file; prompt_rows; tokenizer [{text, ids}];
                      files: the formats in each file
expected.safetensors: all f32, computed in float64 from the dequantised
                      weights; {file} is the name without ".gguf"
    {file}.prompt (P, d)  {file}.loss (1)  {file}.prompt_grad (P, d)
    {file}.label_scores.{i} (labels)  {file}.noprompt.label_scores.{i} (labels)
    {file}.rows.{tensor} (2, columns): first two rows as stored (no change of
                      the row order), for one tensor per format in the file
blocks.safetensors:   random blocks of each quantised format and random 16-bit
                      floats (subnormals too, no NaN or infinity)
    {format}.bytes (n) u8  {format}.values (m) f32: what they stand for
"""

import argparse
import ctypes
import os

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Q
from gguf.quants import dequantize, quantize

import gguf_llama
import llama64
import tiny_llama

VOCAB = 288
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
SMALL = {"width": 32, "feed_forward": 48, "layers": 2}
MEDIUM = {"width": 64, "feed_forward": 96, "layers": 2}
# `types`: format of a matrix by the last part of its GGUF name; "" = the rest.
FILES = {
    "tiny-f32": {**SMALL, "types": {"": Q.F32}},
    "tiny-f16": {**SMALL, "types": {"": Q.F16}},
    "tiny-bf16": {**SMALL, "types": {"": Q.BF16}},
    "tiny-q4_0": {**MEDIUM, "types": {"": Q.Q4_0}},
    # As in SmolLM2's Q4_1 file.
    "tiny-q4_1": {**MEDIUM, "types": {"": Q.Q4_1, "token_embd": Q.Q8_0}},
    # A separate output matrix, and positions that count half.
    "tiny-q8_0": {
        "width": 64,
        "feed_forward": 64,
        "layers": 2,
        "types": {"": Q.Q8_0},
        "output": True,
        "linear": 2.0,
    },
    # As in llama.cpp's Q4_K_M.
    "tiny-kquant": {
        "width": 256,
        "feed_forward": 256,
        "layers": 1,
        "types": {"": Q.Q4_K, "token_embd": Q.Q6_K, "attn_v": Q.Q6_K, "ffn_down": Q.Q6_K},
    },
    # llama3 scaling as llama.cpp stores it: divisors in `rope_freqs.weight`.
    "tiny-ropefreqs": {
        "width": 32,
        "feed_forward": 32,
        "layers": 1,
        "types": {"": Q.Q8_0},
        "llama3": LLAMA3,
    },
}
FILE_TYPES = {
    Q.F32: gguf.LlamaFileType.ALL_F32,
    Q.F16: gguf.LlamaFileType.MOSTLY_F16,
    Q.BF16: gguf.LlamaFileType.MOSTLY_BF16,
    Q.Q4_0: gguf.LlamaFileType.MOSTLY_Q4_0,
    Q.Q4_1: gguf.LlamaFileType.MOSTLY_Q4_1,
    Q.Q8_0: gguf.LlamaFileType.MOSTLY_Q8_0,
    Q.Q4_K: gguf.LlamaFileType.MOSTLY_Q4_K_M,
}
HEADS, KV_HEADS, THETA, EPS = 4, 2, 10000.0, 1e-5


def pack(values, kind, ggml):
    """f32 rows to the bytes of `kind`."""
    if kind not in (Q.Q4_K, Q.Q6_K):
        return quantize(values, kind)
    rows, columns = values.shape
    length, size = gguf.GGML_QUANT_SIZES[kind]
    out = np.zeros((rows, columns // length * size), dtype=np.uint8)
    values = np.ascontiguousarray(values, dtype=np.float32)
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    written = ggml.ggml_quantize_chunk(
        ctypes.c_int(kind.value),
        values.ctypes.data_as(ctypes.c_void_p),
        out.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_int64(0),
        ctypes.c_int64(rows),
        ctypes.c_int64(columns),
        None,
    )
    assert written == out.nbytes
    return out


def random_weights(spec, generator):
    """HF names to f32 arrays."""
    d, ff, head_dim = spec["width"], spec["feed_forward"], spec["width"] // HEADS
    # Wider rows, smaller weights: attention and gates must not saturate.
    std = 0.2 if d <= 64 else 0.08

    def matrix(rows, columns):
        return torch.empty(rows, columns).normal_(0.0, std, generator=generator).numpy()

    def norm():
        return torch.empty(d).normal_(1.0, 0.2, generator=generator).numpy()

    weights = {"model.embed_tokens.weight": matrix(VOCAB, d)}
    for i in range(spec["layers"]):
        p = f"model.layers.{i}."
        weights[p + "input_layernorm.weight"] = norm()
        weights[p + "self_attn.q_proj.weight"] = matrix(HEADS * head_dim, d)
        weights[p + "self_attn.k_proj.weight"] = matrix(KV_HEADS * head_dim, d)
        weights[p + "self_attn.v_proj.weight"] = matrix(KV_HEADS * head_dim, d)
        weights[p + "self_attn.o_proj.weight"] = matrix(d, HEADS * head_dim)
        weights[p + "post_attention_layernorm.weight"] = norm()
        weights[p + "mlp.gate_proj.weight"] = matrix(ff, d)
        weights[p + "mlp.up_proj.weight"] = matrix(ff, d)
        weights[p + "mlp.down_proj.weight"] = matrix(d, ff)
    weights["model.norm.weight"] = norm()
    if spec.get("output"):
        weights["lm_head.weight"] = matrix(VOCAB, d)
    return weights


def write_metadata(writer, name, spec, tokenizer):
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    writer.add_block_count(spec["layers"])
    writer.add_context_length(512)
    writer.add_embedding_length(spec["width"])
    writer.add_feed_forward_length(spec["feed_forward"])
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(THETA)
    writer.add_layer_norm_rms_eps(EPS)
    writer.add_file_type(FILE_TYPES[spec["types"][""]])
    writer.add_vocab_size(VOCAB)
    writer.add_rope_dimension_count(spec["width"] // HEADS)
    if "linear" in spec:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(spec["linear"])
    writer.add_add_space_prefix(False)
    writer.add_add_bos_token(False)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    ids = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    tokens = [token for token, _ in ids]
    specials = tiny_llama.SPECIALS
    normal, control = gguf.TokenType.NORMAL, gguf.TokenType.CONTROL
    writer.add_token_list(tokens)
    writer.add_token_types([control if t in specials else normal for t in tokens])
    writer.add_token_merges(tiny_llama.merges(tokenizer))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def write_file(path, name, spec, weights, tokenizer, ggml):
    writer = gguf.GGUFWriter(path, "llama")
    write_metadata(writer, name, spec, tokenizer)
    if "llama3" in spec:
        head_dim = spec["width"] // HEADS
        plain = llama64.inverse_frequencies(head_dim, THETA)
        scaled = llama64.inverse_frequencies(head_dim, THETA, spec["llama3"])
        writer.add_tensor("rope_freqs.weight", (plain / scaled).float().numpy())
    for hf_name, values in weights.items():
        target = gguf_llama.gguf_name(hf_name)
        part = target.split(".")[-2]
        heads = {"attn_q": HEADS, "attn_k": KV_HEADS}.get(part)
        if heads:
            values = gguf_llama.to_pairs(values, heads)
        kind = spec["types"].get(part, spec["types"][""]) if values.ndim == 2 else Q.F32
        writer.add_tensor(target, pack(values, kind, ggml), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def random_blocks():
    """Every bit of a block in use; the scales are finite f16 of any size."""
    rng = np.random.default_rng(5)
    scales = {Q.Q4_0: [0], Q.Q4_1: [0, 2], Q.Q8_0: [0], Q.Q4_K: [0, 2], Q.Q6_K: [208]}
    out = {}
    for kind, offsets in scales.items():
        length, size = gguf.GGML_QUANT_SIZES[kind]
        raw = rng.integers(0, 256, (256 * 3 // length, size), dtype=np.uint8)
        for offset in offsets:
            # Exponent bits below 16: up to 2 in size, down to subnormals.
            half = rng.integers(0, 1 << 16, raw.shape[0], dtype=np.uint16) & 0xBFFF
            raw[:, offset : offset + 2] = half.view(np.uint8).reshape(-1, 2)
        out[f"{kind.name}.bytes"] = raw.reshape(-1)
        out[f"{kind.name}.values"] = dequantize(raw, kind).reshape(-1)
    half = rng.integers(0, 1 << 16, 512, dtype=np.uint16)
    half = half[(half & 0x7C00) != 0x7C00]
    half[:6] = [0x0000, 0x8000, 0x0001, 0x83FF, 0x7BFF, 0x0400]
    out["F16.bytes"], out["F16.values"] = half.view(np.uint8), half.view(np.float16)
    brain = rng.integers(0, 1 << 16, 512, dtype=np.uint16)
    brain = brain[(brain & 0x7F80) != 0x7F80]
    brain[:4] = [0x0000, 0x8000, 0x0001, 0x7F7F]
    out["BF16.bytes"] = brain.view(np.uint8)
    out["BF16.values"] = (brain.astype(np.uint32) << 16).view(np.float32)
    for key, value in out.items():
        if key.endswith(".values"):
            assert np.isfinite(value).all()
            out[key] = value.astype(np.float32)
    return {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in out.items()}


def sample_rows(file):
    """First two rows of one matrix per format; the feed-forward matrices and
    the embedding, because their rows keep their order."""
    out, seen = {}, set()
    for name, kind in file.types.items():
        part = name.split(".")[-2]
        if kind not in seen and part in ("ffn_up", "ffn_down", "token_embd"):
            seen.add(kind)
            out[f"rows.{name}"] = torch.from_numpy(file.stored[name][:2].copy())
    return out


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser()
    parser.add_argument("--ggml", required=True, help="libggml-base.so of llama-cpp-python")
    parser.add_argument("--out", default=os.path.join(here, "..", "fixtures", "gguf"))
    parser.add_argument("--expanded", help="folder for f32 copies, for llamacpp_scores.py")
    args = parser.parse_args()
    ggml = ctypes.CDLL(args.ggml)
    os.makedirs(args.out, exist_ok=True)
    tokenizer = tiny_llama.train_tokenizer(VOCAB)
    examples = llama64.random_examples(torch.Generator().manual_seed(20), VOCAB, tiny_llama.LENGTHS)
    values, types = {}, {}
    for seed, (name, spec) in enumerate(FILES.items(), start=21):
        generator = torch.Generator().manual_seed(seed)
        weights = random_weights(spec, generator)
        path = os.path.join(args.out, name + ".gguf")
        write_file(path, name, spec, weights, tokenizer, ggml)

        file = gguf_llama.File(path)
        off = max(
            (file.weights[k] - torch.from_numpy(w)).norm().item() / np.linalg.norm(w)
            for k, w in weights.items()
        )
        if args.expanded:
            os.makedirs(args.expanded, exist_ok=True)
            copy = os.path.join(args.expanded, name + ".gguf")
            plain = {**spec, "types": {"": Q.F32}}
            arrays = {k: w.numpy() for k, w in file.weights.items()}
            write_file(copy, name, plain, arrays, tokenizer, ggml)
        model = file.float64()
        prompt = torch.empty(tiny_llama.PROMPT_ROWS, spec["width"])
        prompt.normal_(0.0, 0.3, generator=generator)
        entries = llama64.expected(model, prompt, examples, full=False)
        values.update({f"{name}.{k}": v for k, v in {**entries, **sample_rows(file)}.items()})
        types[name] = sorted(set(file.types.values()))
        worst = llama64.agree(model, file.transformers(spec.get("llama3")), prompt, examples)
        print(
            f"{name}: {os.path.getsize(path)} bytes, loss {entries['loss'].item():.5f}, largest "
            f"gradient entry {entries['prompt_grad'].abs().max():.4f}, quantisation off by "
            f"{off:.4f}, transformers within {worst:.1e}"
        )
        assert worst < 2e-5, worst
        assert off < 0.15, off
        assert file.tokenizer().encode("It isn't 12!").ids == tokenizer.encode("It isn't 12!").ids
    tiny_llama.write_tensors(os.path.join(args.out, "expected.safetensors"), values)
    tiny_llama.write_tensors(os.path.join(args.out, "blocks.safetensors"), random_blocks())
    tiny_llama.write_expected_json(
        os.path.join(args.out, "expected.json"),
        {
            "prompt_rows": tiny_llama.PROMPT_ROWS,
            "examples": examples,
            "labels": llama64.LABELS,
            "tokenizer": [{"text": t, "ids": tokenizer.encode(t).ids} for t in tiny_llama.SAMPLES],
            "files": types,
        },
    )


if __name__ == "__main__":
    main()
