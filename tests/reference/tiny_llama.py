"""Writes tests/fixtures/tiny-llama-*: tiny random Llama models as Hugging Face
folders, each with the values that the Rust engine must reproduce.

    python tests/reference/tiny_llama.py [FIXTURES_FOLDER]

expected.json:        examples [{text_ids, answer_ids}], labels [[id, ...]],
                      prompt_rows, tokenizer [{text, ids}]
expected.safetensors: all f32, computed in float64 from the stored weights
    prompt (P, d)              random prompt rows, placed before the text
    loss (1)                   see llama64.Llama.loss
    prompt_grad (P, d)
    answer_logits.{i}          (answer tokens, vocab)
    label_scores.{i}           (labels)
    final_hidden.{i}           (P + text tokens, d), after the final norm
    noprompt.label_scores.{i}  (labels), the same model with P = 0
config-transformers5.json:     the same config as transformers 5 writes it
                               (rope_parameters instead of rope_theta/rope_scaling)
"""

import json
import os
import sys

import torch
from safetensors.torch import save
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

import llama64

CORPUS = [
    "The parcel arrived on Tuesday, two days late, but the lamp inside was not broken.",
    "Is this the right place to ask about a refund? I paid 24.50 for the ticket in 2023.",
    "A good kettle boils water in three minutes; this one takes seven and then leaks.",
    "Please restart the router, wait until the light is green, and try the page again.",
    "The garden was quiet that evening: the rain had stopped and the birds were back.",
    "I don't think that they're ready, and we've told them so since the first meeting.",
    "Die Straße war leer, das Café geschlossen. Мы приехали поздно. 天気がいいです。",
    "The train to the north leaves at 7:45 from platform 12, not at 8:10 as printed.",
]
SAMPLES = [
    "The lamp is not broken.",
    " I paid 24.50 on 2023-07-12,\n\tthen  waited...",
    "don't DON'T 'twas",
    "Straße 天気 🙂",
    "",
]
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
# (text tokens, answer tokens)
LENGTHS = [(1, 1), (14, 2), (6, 3), (9, 1), (3, 2)]
PROMPT_ROWS = 5

# The keys of a config.json as transformers 4 wrote it.
COMMON = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "max_position_embeddings": 512,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "use_cache": True,
    "vocab_size": 320,
}
MODELS = {
    # No head_dim key: hidden_size / num_attention_heads.
    "tiny-llama-tied": {
        "hidden_size": 32,
        "intermediate_size": 40,
        "num_hidden_layers": 3,
        "rope_scaling": None,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
    },
    "tiny-llama-untied": {
        "hidden_size": 64,
        "head_dim": 16,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    },
    # head_dim is not hidden_size / num_attention_heads; intermediate_size is
    # no multiple of a SIMD register.
    "tiny-llama-linear": {
        "hidden_size": 32,
        "head_dim": 16,
        "intermediate_size": 36,
        "num_hidden_layers": 2,
        "rope_scaling": {"rope_type": "linear", "factor": 2.0},
        "tie_word_embeddings": True,
        "torch_dtype": "float16",
    },
}


def train_tokenizer(vocab):
    """Byte-level BPE with the pre-tokenizer of SmolLM2."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=SPECIALS,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    assert tokenizer.get_vocab_size() == vocab
    return tokenizer


def merges(tokenizer):
    """["a b", ...] in order, as GGUF keeps them."""
    return [" ".join(m) for m in json.loads(tokenizer.to_str())["model"]["merges"]]


def random_weights(model, generator):
    """Large weights, so that logits and gradients are far from zero."""
    for name, parameter in model.named_parameters():
        noise = torch.empty(parameter.shape).normal_(0.0, 0.2, generator=generator)
        parameter.data = noise + 1.0 if "norm" in name else noise


def write_tensors(path, tensors, metadata=None):
    with open(path, "wb") as f:
        f.write(save(tensors, metadata=metadata))


def write_weights(folder, weights, shards):
    if shards == 1:
        write_tensors(f"{folder}/model.safetensors", weights, {"format": "pt"})
        return
    names = sorted(weights)
    index = {"metadata": {"total_size": sum(w.nbytes for w in weights.values())}, "weight_map": {}}
    for s in range(shards):
        part = names[len(names) * s // shards : len(names) * (s + 1) // shards]
        file = f"model-{s + 1:05d}-of-{shards:05d}.safetensors"
        write_tensors(f"{folder}/{file}", {n: weights[n] for n in part}, {"format": "pt"})
        index["weight_map"].update(dict.fromkeys(part, file))
    write_json(f"{folder}/model.safetensors.index.json", index)


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, indent=2, ensure_ascii=False)
        f.write("\n")


def write_expected_json(path, value):
    """One example, label or sample a line."""
    lines = []
    for key, entry in value.items():
        text = json.dumps(entry, ensure_ascii=False)
        if isinstance(entry, list):
            rows = ",\n".join("    " + json.dumps(e, ensure_ascii=False) for e in entry)
            text = f"[\n{rows}\n  ]"
        lines.append(f"  {json.dumps(key)}: {text}")
    with open(path, "w", encoding="utf-8") as f:
        f.write("{\n" + ",\n".join(lines) + "\n}\n")


def make(root, name, keys, seed):
    folder = os.path.join(root, name)
    os.makedirs(folder, exist_ok=True)
    config = dict(sorted({**COMMON, **keys}.items()))
    write_json(f"{folder}/config.json", config)
    tokenizer = train_tokenizer(config["vocab_size"])
    with open(f"{folder}/tokenizer.json", "w", encoding="utf-8") as f:
        f.write(tokenizer.to_str(pretty=False) + "\n")

    generator = torch.Generator().manual_seed(seed)
    hf_config = LlamaConfig.from_pretrained(folder)
    hf = LlamaForCausalLM(hf_config)
    random_weights(hf, generator)
    dtype = getattr(torch, keys["torch_dtype"])
    tied = keys["tie_word_embeddings"]
    weights = {
        k: v.to(dtype).contiguous()
        for k, v in hf.state_dict().items()
        if not (tied and k == "lm_head.weight")
    }
    write_weights(folder, weights, 1 if tied else 2)
    hf_config.dtype = keys["torch_dtype"]
    hf_config.architectures = config["architectures"]
    with open(f"{folder}/config-transformers5.json", "w", encoding="utf-8") as f:
        f.write(hf_config.to_json_string())

    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim", config["hidden_size"] // heads)
    model = llama64.Llama(
        weights,
        heads,
        config["num_key_value_heads"],
        head_dim,
        config["rms_norm_eps"],
        llama64.inverse_frequencies(head_dim, config["rope_theta"], config["rope_scaling"]),
    )
    prompt = torch.empty(PROMPT_ROWS, config["hidden_size"]).normal_(0.0, 0.3, generator=generator)
    examples = llama64.random_examples(generator, config["vocab_size"], LENGTHS)
    values = llama64.expected(model, prompt, examples)
    write_tensors(f"{folder}/expected.safetensors", values)
    write_expected_json(
        f"{folder}/expected.json",
        {
            "prompt_rows": PROMPT_ROWS,
            "examples": examples,
            "labels": llama64.LABELS,
            "tokenizer": [{"text": t, "ids": tokenizer.encode(t).ids} for t in SAMPLES],
        },
    )

    # The stored folder, read back by transformers, must say the same.
    reloaded = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    worst = llama64.agree(model, reloaded, prompt, examples)
    print(
        f"{name}: loss {values['loss'].item():.6f}, largest gradient entry "
        f"{values['prompt_grad'].abs().max():.4f}, logit spread "
        f"{values['answer_logits.1'].std():.3f}, transformers within {worst:.1e}"
    )
    assert worst < 2e-5, worst


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "fixtures")
    for seed, (name, keys) in enumerate(MODELS.items(), start=11):
        make(root, name, keys, seed)


if __name__ == "__main__":
    main()
