//! The tokenizer rebuilt from a GGUF file's metadata.

use std::collections::HashSet;

use super::byte_pairs::{BytePairParts, BytePairs, Uncovered};
use super::pre_tokenizer;
use super::sentence_pieces::{SentencePieces, byte_of};
use super::tokenizer::{Encoder, SpacePrefix, Tokenizer};
use super::user_tokens::UserTokens;
use super::vocabulary_digest::vocabulary_digest;
use crate::error::{Error, Result, Status, fail};
use crate::limits::{MAX_ADDED_TOKEN_BYTES, MAX_VOCABULARY};

/// Values of `tokenizer.ggml.token_type`.
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;
const BYTE: i32 = 6;

/// The `tokenizer.ggml.*` metadata of a GGUF file; texts borrow from the file.
#[derive(Clone, Debug, Default)]
pub struct GgufVocabulary<'a> {
    /// `model`: "gpt2" (byte pairs by rank) or "llama" (pieces by score).
    pub model: &'a str,
    /// `pre`: how text is cut into words; empty when the file names none.
    pub pre: &'a str,
    /// `tokens`: text of every id.
    pub tokens: Vec<&'a str>,
    /// `token_type` of every id; empty = all normal.
    pub token_types: Vec<i32>,
    /// `merges`: "left right" in order of rank; for "gpt2".
    pub merges: Vec<&'a str>,
    /// `scores` of every id; for "llama".
    pub scores: Vec<f32>,
    /// `bos_token_id`.
    pub bos: Option<u32>,
    /// `add_bos_token`; where the file has none, true for "llama" and for the pre-tokenizers of Llama 3.
    pub add_bos: bool,
    /// `unknown_token_id`.
    pub unknown: Option<u32>,
    /// `add_space_prefix`; where the file has none, true. Used by "llama" only.
    pub add_space_prefix: bool,
}

impl GgufVocabulary<'_> {
    /// What `add_bos_token` is when the file does not say, as llama.cpp takes it.
    pub fn default_add_bos(model: &str, pre: &str) -> bool {
        model == "llama" || pre_tokenizer::starts_with_bos(pre)
    }
}

impl Tokenizer {
    /// Rebuilds the tokenizer of a GGUF file; its ids are llama.cpp's on the same file with special tokens off.
    ///
    /// Errors: `Unsupported` names a model or pre-tokenizer this build does not know; `CorruptFile` says which token,
    /// merge or count is wrong.
    pub fn from_gguf(v: &GgufVocabulary<'_>) -> Result<Self> {
        check_counts(v)?;
        let bos = bos_of(v)?;
        let merges = if v.model == "gpt2" { split_merges(v)? } else { Vec::new() };
        let mut used: Vec<(&str, u32)> = tokens_of(v, |kind| kind != UNUSED).collect();
        let digest = vocabulary_digest(&mut used, merges.iter().copied(), bos);
        let (encoder, space_prefix) = match v.model {
            "gpt2" => (Encoder::BytePairs(Box::new(byte_pairs(v, merges)?)), SpacePrefix::default()),
            "llama" => {
                let prefix = v.add_space_prefix;
                let space_prefix = SpacePrefix { at_start: prefix, after_user_tokens: prefix, unless_spaced: false };
                (Encoder::SentencePieces(sentence_pieces(v)?), space_prefix)
            }
            other => {
                return fail(
                    Status::Unsupported,
                    format!(
                        "tokenizer model {other:?} (tokenizer.ggml.model) is not known to this build: \"gpt2\" and \"llama\" are"
                    ),
                );
            }
        };
        let user_tokens = UserTokens::new(tokens_of(v, |kind| kind == USER_DEFINED));
        let sentinels = UserTokens::default();
        Ok(Self { encoder, user_tokens, sentinels, space_prefix, bos, digest })
    }
}

fn check_counts(v: &GgufVocabulary<'_>) -> Result<()> {
    let count = v.tokens.len();
    if count == 0 || count > MAX_VOCABULARY {
        return fail(
            Status::CorruptFile,
            format!("tokenizer.ggml.tokens: 1 to {MAX_VOCABULARY} tokens are accepted, {count} came"),
        );
    }
    let lists = [("token_type", v.token_types.len(), false), ("scores", v.scores.len(), v.model == "llama")];
    for (name, length, needed) in lists {
        if length != count && (length != 0 || needed) {
            return fail(
                Status::CorruptFile,
                format!("tokenizer.ggml.{name}: one value a token is needed ({count}), {length} came"),
            );
        }
    }
    if let Some((token, id)) =
        tokens_of(v, |kind| kind == USER_DEFINED).find(|(text, _)| text.len() > MAX_ADDED_TOKEN_BYTES)
    {
        let (length, most) = (token.len(), MAX_ADDED_TOKEN_BYTES);
        let message =
            format!("tokenizer.ggml.tokens[{id}]: a user-defined token has at most {most} bytes, {length} came");
        return fail(Status::CorruptFile, message);
    }
    if v.merges.len() > 4 * MAX_VOCABULARY {
        return fail(Status::CorruptFile, format!("tokenizer.ggml.merges: {} merges are too many", v.merges.len()));
    }
    Ok(())
}

fn bos_of(v: &GgufVocabulary<'_>) -> Result<Option<u32>> {
    match v.bos {
        _ if !v.add_bos => Ok(None),
        Some(bos) if (bos as usize) < v.tokens.len() => Ok(Some(bos)),
        Some(bos) => fail(
            Status::CorruptFile,
            format!("tokenizer.ggml.bos_token_id {bos} is not below {} tokens", v.tokens.len()),
        ),
        None => {
            fail(Status::CorruptFile, "tokenizer.ggml.add_bos_token is true but tokenizer.ggml.bos_token_id is missing")
        }
    }
}

/// Tokens with their ids whose type is wanted.
fn tokens_of<'v, 'a>(
    v: &'v GgufVocabulary<'a>,
    wanted: impl Fn(i32) -> bool + 'v,
) -> impl Iterator<Item = (&'a str, u32)> + 'v {
    let kind = |id: usize| v.token_types.get(id).copied().unwrap_or(1);
    v.tokens.iter().enumerate().filter(move |(id, _)| wanted(kind(*id))).map(|(id, text)| (*text, id as u32))
}

/// "left right" cut at the first space that is not its first byte (a token may be a space itself).
fn split_merges<'a>(v: &GgufVocabulary<'a>) -> Result<Vec<(&'a str, &'a str)>> {
    let split = |(rank, merge): (usize, &&'a str)| {
        let at = merge.bytes().skip(1).position(|byte| byte == b' ').map(|at| at + 1);
        let parts = at.map(|at| (&merge[..at], &merge[at + 1..]));
        parts.ok_or_else(|| {
            Error::new(Status::CorruptFile, format!("tokenizer.ggml.merges: merge {rank} is not two tokens"))
        })
    };
    v.merges.iter().enumerate().map(split).collect()
}

fn byte_pairs<'a>(v: &GgufVocabulary<'a>, merges: Vec<(&'a str, &'a str)>) -> Result<BytePairs> {
    let named = pre_tokenizer::by_name(v.pre)?;
    BytePairs::new(BytePairParts {
        tokens: tokens_of(v, |_| true).collect(),
        control: tokens_of(v, |kind| kind == CONTROL || kind == UNKNOWN).map(|(text, _)| text).collect::<HashSet<_>>(),
        merges,
        pre_tokenizer: Some(named.steps),
        whole_words_first: named.whole_words_first,
        uncovered: Uncovered::Separate,
        ..Default::default()
    })
    .map_err(|e| e.context("tokenizer.ggml"))
}

fn sentence_pieces(v: &GgufVocabulary<'_>) -> Result<SentencePieces> {
    if let Some(id) = v.scores.iter().position(|score| score.is_nan()) {
        return fail(Status::CorruptFile, format!("tokenizer.ggml.scores: the score of token {id} is not a number"));
    }
    let mut bytes = Box::new([None; 256]);
    for (text, id) in tokens_of(v, |kind| kind == BYTE) {
        match byte_of(text) {
            Some(byte) => bytes[byte as usize] = Some(id),
            None => {
                return fail(
                    Status::CorruptFile,
                    format!("tokenizer.ggml.tokens: byte token {id} is not of the form <0x0A>"),
                );
            }
        }
    }
    let pieces = tokens_of(v, |kind| ![CONTROL, UNKNOWN, BYTE].contains(&kind));
    let scored = pieces.map(|(text, id)| (text, id, v.scores[id as usize]));
    let unknown = v.unknown.filter(|id| (*id as usize) < v.tokens.len());
    Ok(SentencePieces::new(scored, bytes, unknown))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpt2<'a>() -> GgufVocabulary<'a> {
        GgufVocabulary {
            model: "gpt2",
            pre: "smollm",
            tokens: vec!["<|im_start|>", "a", "b", "ab", "Ġ", "Ġab", "1", "12", "<u>", "<", "u", ">", "2"],
            token_types: vec![3, 1, 1, 1, 1, 1, 1, 1, 4, 1, 1, 1, 1],
            merges: vec!["a b", "Ġ ab", "1 2"],
            ..Default::default()
        }
    }

    fn llama<'a>() -> GgufVocabulary<'a> {
        GgufVocabulary {
            model: "llama",
            tokens: vec!["<unk>", "<s>", "<0x0A>", "▁", "a", "▁a", "<", "s", ">", "<s"],
            token_types: vec![2, 3, 6, 1, 1, 1, 1, 1, 1, 1],
            scores: vec![0.0, 0.0, 0.0, -3.0, -4.0, -1.0, -5.0, -6.0, -7.0, -2.0],
            bos: Some(1),
            add_bos: true,
            unknown: Some(0),
            add_space_prefix: true,
            ..Default::default()
        }
    }

    #[test]
    fn byte_pairs_cut_digits_and_match_user_tokens_only() {
        let tokenizer = Tokenizer::from_gguf(&gpt2()).unwrap();
        assert_eq!(tokenizer.encode("ab ab12").unwrap(), [3, 5, 6, 12]);
        assert_eq!(tokenizer.encode("a<u>b<").unwrap(), [1, 8, 2, 9]);
        assert_eq!(tokenizer.encode("a?b").unwrap(), [1, 2]);
        assert_eq!((tokenizer.bos(), tokenizer.token_count()), (None, 13));
    }

    #[test]
    fn pieces_take_a_space_first_and_never_become_control_tokens() {
        let tokenizer = Tokenizer::from_gguf(&llama()).unwrap();
        assert_eq!(tokenizer.encode("a\na").unwrap(), [5, 2, 4]);
        assert_eq!(tokenizer.encode_continuation("a a").unwrap(), [4, 5]);
        assert_eq!(tokenizer.encode_continuation("<s>").unwrap(), [9, 8]);
        assert_eq!(tokenizer.encode("").unwrap(), [0u32; 0]);
        assert_eq!(tokenizer.bos(), Some(1));
    }

    #[test]
    fn tokens_that_nothing_becomes_do_not_count() {
        for vocabulary in [gpt2(), llama()] {
            let count = Tokenizer::from_gguf(&vocabulary).unwrap().token_count();
            let mut padded = GgufVocabulary { token_types: vec![1; count], ..vocabulary };
            padded.tokens.push("[PAD]");
            padded.token_types.push(CONTROL);
            padded.scores.push(0.0);
            if padded.model == "gpt2" {
                padded.scores.clear();
            }
            assert_eq!(Tokenizer::from_gguf(&padded).unwrap().token_count(), count);
            padded.bos = Some(count as u32);
            padded.add_bos = true;
            assert_eq!(Tokenizer::from_gguf(&padded).unwrap().token_count(), count + 1);
        }
    }

    #[test]
    fn wrong_metadata_is_refused_by_name() {
        let long = "a".repeat(MAX_ADDED_TOKEN_BYTES + 1);
        let with_long = |kind| {
            let mut v = gpt2();
            v.tokens.push(&long);
            v.token_types.push(kind);
            v
        };
        assert!(Tokenizer::from_gguf(&with_long(UNUSED)).is_ok());
        let cases: [(GgufVocabulary<'_>, Status, &str); 10] = [
            (with_long(USER_DEFINED), Status::CorruptFile, "tokens[13]"),
            (GgufVocabulary { model: "bert", ..gpt2() }, Status::Unsupported, "bert"),
            (GgufVocabulary { pre: "odd-name", ..gpt2() }, Status::Unsupported, "odd-name"),
            (GgufVocabulary { tokens: vec![], ..gpt2() }, Status::CorruptFile, "tokens"),
            (GgufVocabulary { token_types: vec![1], ..gpt2() }, Status::CorruptFile, "token_type"),
            (GgufVocabulary { merges: vec!["ab"], ..gpt2() }, Status::CorruptFile, "merge 0"),
            (GgufVocabulary { scores: vec![], ..llama() }, Status::CorruptFile, "scores"),
            (GgufVocabulary { scores: vec![f32::NAN; 10], ..llama() }, Status::CorruptFile, "token 0"),
            (GgufVocabulary { bos: Some(10), ..llama() }, Status::CorruptFile, "bos_token_id 10"),
            (GgufVocabulary { bos: None, ..llama() }, Status::CorruptFile, "bos_token_id"),
        ];
        for (v, status, place) in cases {
            let error = Tokenizer::from_gguf(&v).err().unwrap();
            assert_eq!(error.status(), status, "{error}");
            assert!(error.to_string().contains(place), "{error}");
        }
    }

    #[test]
    fn padding_tokens_do_not_change_the_digest() {
        let mut padded = gpt2();
        padded.tokens.push("[PAD13]");
        padded.token_types.push(5);
        let (plain, padded) = (Tokenizer::from_gguf(&gpt2()).unwrap(), Tokenizer::from_gguf(&padded).unwrap());
        assert_eq!(plain.digest(), padded.digest());
        let other = Tokenizer::from_gguf(&GgufVocabulary { merges: vec!["a b"], ..gpt2() }).unwrap();
        assert_ne!(plain.digest(), other.digest());
    }
}
