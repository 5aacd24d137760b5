//! Byte-pair encoding: words are merged pair by pair, lowest rank first.

use std::collections::HashSet;

use tokenizers::models::bpe::{BPE, BpeBuilder, Vocab};
use tokenizers::{DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, TokenizerImpl};

use super::sentence_pieces::byte_of;
use crate::error::{Error, Result, Status, fail};
use crate::limits::MAX_VOCABULARY;

/// Stands for characters without a token while their neighbours merge; no vocabulary has it and no id is that large.
const SEPARATOR: (&str, u32) = ("\u{10FFFF}separator", u32::MAX);
/// Words whose merges are remembered; keeps the cache below some hundred kilobytes.
const CACHED_WORDS: usize = 2_000;

/// What a byte-pair tokenizer is made of; texts borrow from the file.
#[derive(Default)]
pub(super) struct BytePairParts<'a> {
    /// Tokens that text can become, with their ids.
    pub tokens: Vec<(&'a str, u32)>,
    /// Control tokens: never made from text.
    pub control: HashSet<&'a str>,
    /// Pairs in order of rank.
    pub merges: Vec<(&'a str, &'a str)>,
    pub normalizer: Option<NormalizerWrapper>,
    pub pre_tokenizer: Option<PreTokenizerWrapper>,
    /// Whether a word that is a token skips the merges.
    pub whole_words_first: bool,
    /// What becomes of characters without a token.
    pub uncovered: Uncovered<'a>,
    pub fuse_unknown: bool,
    /// Whether uncovered characters become `<0x0A>`-like byte tokens.
    pub byte_fallback: bool,
    /// What the last piece of a word ends with.
    pub word_suffix: Option<&'a str>,
}

/// What becomes of characters that no token covers.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Uncovered<'a> {
    /// They vanish and their neighbours may merge, as in transformers.
    #[default]
    Vanish,
    /// They vanish after keeping their neighbours apart, as in llama.cpp.
    Separate,
    /// They become this token.
    Token(&'a str),
}

/// A byte-pair tokenizer, ready to encode.
pub(super) struct BytePairs {
    pipeline: TokenizerImpl<BPE, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>,
    plain_ids: Vec<u32>,
    largest_id: Option<u32>,
}

impl BytePairs {
    /// Builds the tokenizer. Errors: `CorruptFile` when tokens repeat or a merge names a token that is not there.
    pub(super) fn new(parts: BytePairParts<'_>) -> Result<Self> {
        let unknown = match parts.uncovered {
            Uncovered::Vanish => None,
            Uncovered::Separate => Some(SEPARATOR.0),
            Uncovered::Token(text) => Some(text),
        };
        // A one-character token may stand for a letter of text even when it is also a control token.
        let is_control =
            |text: &str| parts.control.contains(text) && text.chars().nth(1).is_some() && unknown != Some(text);
        let mut vocabulary = Vocab::with_capacity(parts.tokens.len() + 1);
        for (text, id) in &parts.tokens {
            if *id as usize >= MAX_VOCABULARY {
                return fail(
                    Status::CorruptFile,
                    format!("token id {id} is above the {MAX_VOCABULARY} that are accepted"),
                );
            }
            // Without this a whole word could become a control token.
            if parts.whole_words_first && is_control(text) {
                continue;
            }
            if vocabulary.insert((*text).to_owned(), *id).is_some_and(|before| before != *id) {
                return fail(Status::CorruptFile, format!("token {id} has the same text as an earlier token"));
            }
        }
        if parts.uncovered == Uncovered::Separate {
            vocabulary.insert(SEPARATOR.0.to_owned(), SEPARATOR.1);
        }
        if unknown.is_some_and(|unknown| !vocabulary.contains_key(unknown)) {
            return fail(Status::CorruptFile, "the unknown token is not in the vocabulary");
        }
        let plain = parts.tokens.iter().filter(|(text, _)| !parts.control.contains(text)).map(|(_, id)| *id);
        let mut plain_ids: Vec<u32> = plain.collect();
        plain_ids.sort_unstable();
        // Byte tokens and letters at the end of a word are looked up as they are, also where they are control tokens.
        let is_looked_up = |text: &str| {
            (parts.byte_fallback && byte_of(text).is_some())
                || parts.word_suffix.is_some_and(|suffix| text.ends_with(suffix))
        };
        let given = parts.tokens.iter().filter(|(text, _)| !is_control(text) || is_looked_up(text));
        let largest_id = given.map(|(_, id)| *id).max();
        let mut builder = BpeBuilder::new()
            .vocab_and_merges(vocabulary, merges_of(&parts, is_control))
            .cache_capacity(CACHED_WORDS)
            .fuse_unk(parts.fuse_unknown)
            .byte_fallback(parts.byte_fallback)
            .ignore_merges(parts.whole_words_first);
        if let Some(unknown) = unknown {
            builder = builder.unk_token(unknown.to_owned());
        }
        if let Some(suffix) = parts.word_suffix {
            builder = builder.end_of_word_suffix(suffix.to_owned());
        }
        let mut pipeline = TokenizerImpl::new(builder.build().map_err(|e| dangling_merge(&e.to_string()))?);
        pipeline.with_normalizer(parts.normalizer);
        pipeline.with_pre_tokenizer(parts.pre_tokenizer);
        Ok(Self { pipeline, plain_ids, largest_id })
    }

    /// Ids of tokens that are not control tokens, ascending.
    pub(super) fn plain_ids(&self) -> &[u32] {
        &self.plain_ids
    }

    /// The largest id that text can become.
    pub(super) fn largest_id(&self) -> Option<u32> {
        self.largest_id
    }

    /// Appends the ids of `text`.
    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        let encoding = self.pipeline.encode_fast(text, false);
        let encoding =
            encoding.map_err(|_| Error::new(Status::Unsupported, "the tokenizer cannot encode this text"))?;
        ids.extend(encoding.get_ids().iter().filter(|id| **id != SEPARATOR.1));
        Ok(())
    }
}

/// The merges as the builder takes them, those into control tokens left out.
fn merges_of(parts: &BytePairParts<'_>, is_control: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let mut merges = Vec::with_capacity(parts.merges.len());
    let mut merged = String::new();
    for (left, right) in &parts.merges {
        merged.clear();
        merged.push_str(left);
        merged.push_str(right);
        let gone = |text| parts.whole_words_first && is_control(text);
        if !(is_control(&merged) || gone(left) || gone(right)) {
            merges.push(((*left).to_owned(), (*right).to_owned()));
        }
    }
    merges
}

/// The builder's message names the token; a hostile file's can be long.
fn dangling_merge(message: &str) -> Error {
    let message: String = message.chars().take(200).collect();
    Error::new(Status::CorruptFile, format!("a merge names a token that is not in the vocabulary: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'a>() -> BytePairParts<'a> {
        BytePairParts {
            tokens: vec![("a", 0), ("b", 1), ("ab", 2), ("<c>", 3), ("<", 4), ("c", 5), (">", 6), ("<c", 7)],
            control: HashSet::from(["<c>", "b"]),
            merges: vec![("a", "b"), ("<", "c"), ("<c", ">")],
            ..Default::default()
        }
    }

    fn encode(parts: BytePairParts<'_>, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        BytePairs::new(parts).unwrap().encode(text, &mut ids).unwrap();
        ids
    }

    #[test]
    fn pairs_merge_and_control_tokens_never_come_from_text() {
        assert_eq!(encode(parts(), "aab<c>"), [0, 2, 7, 6]);
        assert_eq!(encode(BytePairParts { whole_words_first: true, ..parts() }, "<c>"), [7, 6]);
    }

    #[test]
    fn characters_without_a_token_vanish_separate_or_become_one() {
        let with = |uncovered| encode(BytePairParts { uncovered, ..parts() }, "a?b");
        assert_eq!(with(Uncovered::Vanish), [2]);
        assert_eq!(with(Uncovered::Separate), [0, 1]);
        assert_eq!(with(Uncovered::Token("c")), [0, 5, 1]);
    }

    #[test]
    fn broken_vocabularies_are_refused_with_the_place() {
        let repeated = BytePairParts { tokens: vec![("a", 0), ("a", 1)], ..Default::default() };
        let dangling = BytePairParts { merges: vec![("a", "b"), ("a", "z")], ..parts() };
        let huge = BytePairParts { tokens: vec![("a", u32::MAX)], ..Default::default() };
        let unknown = BytePairParts { uncovered: Uncovered::Token("zzz"), ..parts() };
        for (parts, place) in [(repeated, "token 1"), (dangling, "merge"), (huge, "4294967295"), (unknown, "unknown")] {
            let error = BytePairs::new(parts).err().unwrap();
            assert_eq!(error.status(), Status::CorruptFile);
            assert!(error.to_string().contains(place), "{error}");
        }
    }
}
