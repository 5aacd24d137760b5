"""Writes tests/fixtures/tiny-t5: a tiny random T5 (v1.1: gated GELU, head of its
own) as a Hugging Face folder with a small SentencePiece tokenizer, and the values
that the Rust engine must reproduce.

    python tests/reference/tiny_t5.py [FIXTURES_FOLDER]

expected.json:        examples [{text_ids, answer_ids}], labels [[id, ...]],
                      prompt_rows, tokenizer [{text, ids}], buckets {both, past}
                      (of offsets -300 to 300)
expected.safetensors: all f32, computed by transformers in float64
    prompt (P, d)              random prompt rows, in front of the encoder's text
    loss (1)                   cross entropy of the sentinel and the answer, summed
                               over tokens, mean over examples
    prompt_grad (P, d)
    label_scores.{i}           (labels), mean token log-probability after the
                               decoder's start id and sentinel
    noprompt.label_scores.{i}  the same with P = 0
A text without the sentinel has it appended. No end-of-sequence token anywhere.
"""

import io
import os
import sys
import tempfile

import sentencepiece
import torch
from transformers import T5Config, T5ForConditionalGeneration, T5Tokenizer
from transformers.models.t5.modeling_t5 import T5Attention

import tiny_llama

CORPUS = tiny_llama.CORPUS + [
    "It was great. It was terrible. Was it good or bad? The question is whether it was.",
    "The street shines, umbrellas are up, and the rain goes on until the evening comes.",
    "Dust on the road, a blue noon, and the sun over dry fields: the summer is here.",
    "Yes, the sky is blue; no, the sea is not warm. Is it a yes, or is it a no?",
]
# Tabs and ends of lines are spaces, a ligature and a full-width letter are plain.
RULES = "9\t20\nA\t20\nA0\t20\nFB01\t66 69\nFF21\t41\nB2\t32\n"
SAMPLES = [
    "The lamp is not broken.",
    "  two  spaces,\n\ta tab and an end of line ",
    "ﬁelds\u00a0of Ａ² and 日本 and Straße é",
    "It was <extra_id_0> ?",
    "",
]
PIECES = 160
VOCABULARY = 272
# (text tokens, answer tokens); the longest goes beyond the last exact distance.
LENGTHS = [(1, 1), (170, 2), (9, 3), (14, 1)]
PROMPT_ROWS = 5


def train_tokenizer():
    model = io.BytesIO()
    rules = tempfile.NamedTemporaryFile("w", suffix=".tsv")
    rules.write(RULES)
    rules.flush()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_writer=model,
        model_type="unigram",
        vocab_size=PIECES,
        normalization_rule_tsv=rules.name,
        character_coverage=0.99,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        hard_vocab_limit=True,
        minloglevel=2,
    )
    rules.close()
    from sentencepiece import sentencepiece_model_pb2 as pb

    proto = pb.ModelProto.FromString(model.getvalue())
    pieces = [(p.piece, p.score) for p in proto.pieces]
    pieces += [(f"<extra_id_{i}>", 0.0) for i in range(99, -1, -1)]
    return T5Tokenizer(vocab=pieces, _spm_precompiled_charsmap=proto.normalizer_spec.precompiled_charsmap)


def loss(model, prompt, examples, sentinel):
    total = 0.0
    for e in examples:
        answer = [sentinel] + e["answer_ids"]
        logp = log_probabilities(model, prompt, e["text_ids"], answer[:-1], sentinel)
        total = total - sum(logp[i, t] for i, t in enumerate(answer))
    return total / len(examples)


def label_scores(model, prompt, text, labels, sentinel):
    scores = []
    for label in labels:
        logp = log_probabilities(model, prompt, text, [sentinel] + label[:-1], sentinel)
        scores.append(sum(logp[i + 1, t] for i, t in enumerate(label)) / len(label))
    return torch.stack(scores)


def log_probabilities(model, prompt, text, said, sentinel):
    """Of every decoder position, after the start id and `said`."""
    ids = text if sentinel in text else text + [sentinel]
    embedded = model.shared(torch.tensor(ids))
    x = torch.cat([prompt, embedded])[None]
    out = model(
        inputs_embeds=x,
        attention_mask=torch.ones(x.shape[:2], dtype=torch.long),
        decoder_input_ids=torch.tensor([[model.config.decoder_start_token_id] + said]),
    )
    return torch.log_softmax(out.logits[0], -1)


def buckets(both):
    offsets = torch.arange(-300, 301)
    return T5Attention._relative_position_bucket(offsets, bidirectional=both, num_buckets=32, max_distance=128).tolist()


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "fixtures")
    folder = os.path.join(root, "tiny-t5")
    os.makedirs(folder, exist_ok=True)
    tokenizer = train_tokenizer()
    tokenizer.backend_tokenizer.save(f"{folder}/tokenizer.json", pretty=False)
    sentinel = tokenizer.convert_tokens_to_ids("<extra_id_0>")

    # The keys of a config.json as transformers 4 wrote it for v1.1.
    config = {
        "architectures": ["T5ForConditionalGeneration"],
        "d_ff": 36,
        "d_kv": 10,
        "d_model": 24,
        "decoder_start_token_id": 0,
        "dropout_rate": 0.1,
        "eos_token_id": 1,
        "feed_forward_proj": "gated-gelu",
        "initializer_factor": 1.0,
        "is_encoder_decoder": True,
        "layer_norm_epsilon": 1e-06,
        "model_type": "t5",
        "num_decoder_layers": 3,
        "num_heads": 3,
        "num_layers": 2,
        "output_past": True,
        "pad_token_id": 0,
        "relative_attention_num_buckets": 32,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": VOCABULARY,
    }
    tiny_llama.write_json(f"{folder}/config.json", config)
    generator = torch.Generator().manual_seed(21)
    shape = T5ForConditionalGeneration(T5Config.from_pretrained(folder))
    weights = {}
    for name, w in shape.state_dict().items():
        if "embed_tokens" in name:
            continue
        noise = torch.empty(w.shape).normal_(0.0, 0.25, generator=generator)
        weights[name] = (noise + 1.0 if "norm" in name else noise).to(torch.bfloat16)
    tiny_llama.write_weights(folder, weights, 2)

    model = T5ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).double().eval()
    assert not torch.equal(model.lm_head.weight, model.shared.weight) and not model.config.scale_decoder_outputs
    d = config["d_model"]
    prompt = torch.empty(PROMPT_ROWS, d).normal_(0.0, 0.3, generator=generator)
    ids = lambda n: torch.randint(3, PIECES, (n,), generator=generator).tolist()
    examples = []
    for i, (text, answer) in enumerate(LENGTHS):
        text = ids(text)
        if i % 2:
            text[len(text) // 2] = sentinel
        examples.append({"text_ids": text, "answer_ids": ids(answer)})
    labels = [[5], [9, 12], [9, 13, 7], [9, 13, 8], [31, 5]]

    theta = prompt.double().requires_grad_(True)
    with torch.enable_grad():
        value = loss(model, theta, examples, sentinel)
        (gradient,) = torch.autograd.grad(value, theta)
    expected = {"prompt": prompt, "loss": value.detach()[None], "prompt_grad": gradient}
    for i, e in enumerate(examples):
        expected[f"label_scores.{i}"] = label_scores(model, theta, e["text_ids"], labels, sentinel)
        expected[f"noprompt.label_scores.{i}"] = label_scores(model, theta[:0], e["text_ids"], labels, sentinel)
    tiny_llama.write_tensors(
        f"{folder}/expected.safetensors", {k: v.detach().float().contiguous() for k, v in expected.items()}
    )
    tiny_llama.write_expected_json(
        f"{folder}/expected.json",
        {
            "prompt_rows": PROMPT_ROWS,
            "examples": examples,
            "labels": labels,
            "tokenizer": [{"text": t, "ids": tokenizer.encode(t, add_special_tokens=False)} for t in SAMPLES],
            "buckets": {"both": buckets(True), "past": buckets(False)},
        },
    )
    spread = expected["label_scores.1"]
    print(f"loss {value.item():.6f}, largest gradient entry {gradient.abs().max():.4f}, scores {spread.tolist()}")


if __name__ == "__main__":
    main()
