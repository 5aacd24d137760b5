"""Writes tests/fixtures/tiny-bert: a tiny random BERT as a Hugging Face folder with
a small WordPiece tokenizer, and the sentence embeddings that the Rust embedder must
reproduce.

    python tests/reference/tiny_bert.py [FIXTURES_FOLDER]

expected.json: sentences [{text, ids, embedding}]; an embedding is the mean of the
last hidden states over all tokens, special ones included, scaled to length 1,
computed by transformers in float64, one sentence at a time.
"""

import json
import os
import sys

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel

import tiny_llama

SENTENCES = [
    "The lamp is not broken.",
    "Rain.",
    "Umbrellas are up, and the rain goes on until the evening comes; nobody minds.",
    "Straße, 日本 and UPPER case",
    "the rain " * 40,
]
VOCABULARY = 150


def train_tokenizer():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(tiny_llama.CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def main():
    folder = os.path.join(sys.argv[1] if len(sys.argv) > 1 else "tests/fixtures", "tiny-bert")
    os.makedirs(folder, exist_ok=True)
    tokenizer = train_tokenizer()
    torch.manual_seed(11)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=64,
        initializer_range=0.4,
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    model = model.double()
    sentences = []
    for text in SENTENCES:
        ids = tokenizer.encode(text).ids
        if len(ids) > config.max_position_embeddings:
            ids = ids[: config.max_position_embeddings - 1] + ids[-1:]
        with torch.no_grad():
            hidden = model(torch.tensor([ids])).last_hidden_state[0].mean(0)
        embedding = torch.nn.functional.normalize(hidden, dim=0).tolist()
        sentences.append({"text": text, "ids": ids, "embedding": embedding})
    with open(os.path.join(folder, "expected.json"), "w", encoding="utf-8") as file:
        json.dump({"sentences": sentences}, file, ensure_ascii=False, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
