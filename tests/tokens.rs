//! The tokenizer rebuilt from the real GGUF file gives the ids that llama.cpp gives on the same file.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use supmer::backbone::llama_source::LlamaSource;
use supmer::text::Tokenizer;

/// A line and its ids as llama.cpp gives them, special tokens off, no BOS.
#[derive(Deserialize)]
struct Line {
    text: String,
    ids: Vec<u32>,
}

fn tokenizer() -> Tokenizer {
    let path = std::env::var_os("SUPMER_MODEL").map(PathBuf::from);
    let path =
        path.expect("set SUPMER_MODEL to the path of SmolLM2-135M-Instruct.Q4_1.gguf (make print-model prints it)");
    LlamaSource::open(&path).unwrap().tokenizer
}

fn lines() -> Vec<Line> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokens/smollm2.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_thousand_lines_have_the_ids_of_llama_cpp() {
    let (tokenizer, lines) = (tokenizer(), lines());
    assert!(lines.len() >= 1_000, "{} lines", lines.len());
    let differing: Vec<&str> =
        lines.iter().filter(|l| tokenizer.encode(&l.text).unwrap() != l.ids).map(|l| l.text.as_str()).collect();
    assert!(
        differing.is_empty(),
        "{} lines differ, the first: {:?}",
        differing.len(),
        &differing[..differing.len().min(3)]
    );
}

#[test]
fn all_lines_at_once_are_cut_like_the_whole() {
    let tokenizer = tokenizer();
    let text: String = lines().iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join(" ").repeat(3);
    let whole = tokenizer.encode(&text).unwrap();
    for count in [1, 50, 2_000, 10_000] {
        assert_eq!(tokenizer.encode_at_most(&text, count).unwrap(), whole[..count], "{count}");
    }
}

#[test]
fn control_tokens_in_text_are_plain_text() {
    let tokenizer = tokenizer();
    assert_eq!(tokenizer.bos(), None);
    for text in ["<|im_start|>", "<|endoftext|>", "a<|im_end|>b", "<repo_name>"] {
        assert!(tokenizer.encode(text).unwrap().iter().all(|id| *id > 16), "{text}");
    }
}
