"""Where does the tokenizers package disagree with llama.cpp?

    python tests/reference/compare_tokens.py --model SmolLM2.gguf [--lines FILE]

Builds the tokenizer from the GGUF metadata (Digits, then ByteLevel, then BPE)
and prints every line of tokens/smollm2.jsonl whose ids differ.
"""

import argparse
import json
import os

import gguf_llama


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    lines = os.path.join(here, "..", "fixtures", "tokens", "smollm2.jsonl")
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--lines", default=lines)
    args = parser.parse_args()
    tokenizer = gguf_llama.File(args.model, weights=False).tokenizer()
    total = differ = 0
    with open(args.lines, encoding="utf-8", newline="\n") as f:
        for number, line in enumerate(f, start=1):
            row = json.loads(line)
            total += 1
            encoding = tokenizer.encode(row["text"], add_special_tokens=False)
            if encoding.ids != row["ids"]:
                differ += 1
                llama = [tokenizer.id_to_token(i) for i in row["ids"]]
                print(f"line {number}: {row['text']!r}")
                print(f"  llama.cpp  {llama}\n  tokenizers {encoding.tokens}")
    print(f"{differ} of {total} lines differ")


if __name__ == "__main__":
    main()
