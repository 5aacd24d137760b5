//! How text is cut into words before byte pairs are merged, by the names GGUF files use.

use tokenizers::SplitDelimiterBehavior::Isolated;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};

use crate::error::{Error, Result, Status, fail};

/// Contractions, words, numbers, signs and white space of GPT-2.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// Llama 3: digits by up to three, line breaks stay with the signs before them.
const LLAMA3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen 2: as Llama 3, digits one by one.
const QWEN2: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Runs of signs, cut out first by files that name no pre-tokenizer.
const SIGNS: &str = r"[\p{P}\$\+<=>\^~\|]+";

/// A named way to cut text, and whether whole words that are tokens skip the merges.
pub(super) struct NamedPreTokenizer {
    pub(super) steps: PreTokenizerWrapper,
    pub(super) whole_words_first: bool,
}

/// The pre-tokenizer that `tokenizer.ggml.pre` names, as llama.cpp cuts. Errors: `Unsupported` names it.
pub(super) fn by_name(name: &str) -> Result<NamedPreTokenizer> {
    let (steps, whole_words_first) = match name {
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" | "minerva-7b" => {
            (vec![digits(), gpt2_words()], false)
        }
        "gpt-2" | "phi-2" | "mpt" | "olmo" | "jais" | "trillion" | "granite-docling" | "exaone4" => {
            (vec![gpt2_words()], false)
        }
        "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "lfm2" => {
            (vec![split(LLAMA3)?, bytes()], true)
        }
        "dbrx" | "smaug-bpe" => (vec![split(LLAMA3)?, bytes()], false),
        "qwen2" | "deepseek-r1-qwen" | "megrez" | "stablelm2" | "hunyuan" => (vec![split(QWEN2)?, bytes()], false),
        "" | "default" => {
            (vec![split(SIGNS)?, split(GPT2)?, split(r"\p{N}+")?, split("[0-9][0-9][0-9]")?, bytes()], false)
        }
        other => {
            return fail(
                Status::Unsupported,
                format!(
                    "pre-tokenizer {other:?} (tokenizer.ggml.pre) is not known to this build; use the model's folder instead"
                ),
            );
        }
    };
    Ok(NamedPreTokenizer { steps: PreTokenizerWrapper::Sequence(Sequence::new(steps)), whole_words_first })
}

/// Whether files with this pre-tokenizer start with a BOS when they do not say, as llama.cpp takes it.
pub(super) fn starts_with_bos(name: &str) -> bool {
    matches!(name, "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "lfm2")
}

fn digits() -> PreTokenizerWrapper {
    PreTokenizerWrapper::Digits(Digits::new(true))
}

fn gpt2_words() -> PreTokenizerWrapper {
    PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, false, true))
}

fn bytes() -> PreTokenizerWrapper {
    PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, false, false))
}

fn split(pattern: &str) -> Result<PreTokenizerWrapper> {
    let split = Split::new(SplitPattern::Regex(pattern.to_owned()), Isolated, false);
    Ok(PreTokenizerWrapper::Split(
        split.map_err(|e| Error::new(Status::Internal, format!("pre-tokenizer pattern: {e}")))?,
    ))
}

#[cfg(test)]
mod tests {
    use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

    use super::*;

    fn words(name: &str, text: &str) -> Vec<String> {
        let mut cut = PreTokenizedString::from(text);
        by_name(name).unwrap().steps.pre_tokenize(&mut cut).unwrap();
        let splits = cut.get_splits(OffsetReferential::Original, OffsetType::Byte);
        splits.into_iter().map(|(_, (start, end), _)| text[start..end].to_owned()).collect()
    }

    #[test]
    fn digits_are_cut_as_each_name_says() {
        assert_eq!(words("smollm", "in 2024!"), ["in", " ", "2", "0", "2", "4", "!"]);
        assert_eq!(words("gpt-2", "in 2024!"), ["in", " 2024", "!"]);
        assert_eq!(words("llama-bpe", "in 2024!"), ["in", " ", "202", "4", "!"]);
        assert_eq!(words("qwen2", "in 2024!"), ["in", " ", "2", "0", "2", "4", "!"]);
        assert_eq!(words("", "in 2024!"), ["in", " ", "202", "4", "!"]);
    }

    #[test]
    fn contractions_and_line_breaks_are_cut_as_each_name_says() {
        assert_eq!(words("gpt-2", "we'LL  go.\n\n"), ["we", "'", "LL", " ", " go", ".", "\n\n"]);
        assert_eq!(words("llama-bpe", "we'LL  go.\n\n"), ["we", "'LL", " ", " go", ".\n\n"]);
    }

    #[test]
    fn other_names_are_refused_by_name() {
        let error = by_name("tekken").err().unwrap();
        assert_eq!(error.status(), Status::Unsupported);
        assert!(error.to_string().contains("tekken"));
    }
}
