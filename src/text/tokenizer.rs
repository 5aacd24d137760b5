//! The backbone's own tokenizer, from tokenizer.json or rebuilt from GGUF metadata.

use super::byte_pairs::BytePairs;
use super::sentence_pieces::SentencePieces;
use super::unigrams::Unigrams;
use super::user_tokens::{Piece, UserTokens};
use crate::error::Result;

/// Bytes of text looked at per wanted token at first; English has about 4, long runs of spaces many more.
const WINDOW_BYTES_PER_TOKEN: usize = 16;
/// Smallest part of a long text that is looked at.
const SMALLEST_WINDOW: usize = 4096;
/// Text beyond this is encoded part by part, so that the working memory does not grow with it.
const LARGE_TEXT: usize = 128 << 10;
/// Tokens dropped at the end of a part that had to be cut inside a word: near the cut they can differ from the whole's.
const UNSURE_TOKENS: usize = 32;

/// Text to token ids, exactly as the model was trained.
///
/// Control tokens (`<|im_start|>`, `</s>`, ...) are never made from text: look-alikes in a customer's text are plain text.
pub struct Tokenizer {
    pub(super) encoder: Encoder,
    pub(super) user_tokens: UserTokens,
    /// Control tokens that a template may hold.
    pub(super) sentinels: UserTokens,
    pub(super) space_prefix: SpacePrefix,
    pub(super) bos: Option<u32>,
    pub(super) digest: String,
}

/// The families of tokenizers.
pub(super) enum Encoder {
    /// Byte pairs merged by rank (GPT-2, SmolLM2, Llama 3; Llama 2 from tokenizer.json).
    BytePairs(Box<BytePairs>),
    /// Pieces merged by score (Llama 2 from GGUF).
    SentencePieces(SentencePieces),
    /// The most probable cut into pieces (T5). Every text starts a word there: continuing another makes no difference.
    Unigrams(Box<Unigrams>),
}

/// Where a space goes in front of text, as SentencePiece models were trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SpacePrefix {
    /// In front of the text.
    pub at_start: bool,
    /// In front of what follows a user token inside the text.
    pub after_user_tokens: bool,
    /// Not where the text has a space already.
    pub unless_spaced: bool,
}

impl Tokenizer {
    /// Token ids of `text`, without special tokens (control-token look-alikes in text are plain text).
    ///
    /// Equal to llama.cpp's ids with the parsing of special tokens off. Errors: `Unsupported` when the tokenizer has no
    /// token for a part of the text and no token for unknown parts either.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.encode_part(text, self.space_prefix.at_start)
    }

    /// Token ids of text that continues other text: as [`Tokenizer::encode`], but without the space that some
    /// tokenizers put before a text's first word. Parts of a template and verbalizers are tokenized like this.
    pub fn encode_continuation(&self, text: &str) -> Result<Vec<u32>> {
        self.encode_part(text, false)
    }

    /// Token ids of a template's own words, which start the text or continue it. Sentinels written out in them become
    /// their tokens (T5's `<extra_id_0>`); in all other texts they are plain text.
    pub fn encode_literal(&self, text: &str, continues: bool) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        for piece in self.sentinels.split(text) {
            match piece {
                Piece::Token(id) => ids.push(id),
                Piece::Text(text) if continues || !ids.is_empty() => ids.extend(self.encode_continuation(text)?),
                Piece::Text(text) => ids.extend(self.encode(text)?),
            }
        }
        Ok(ids)
    }

    /// The id of the sentinel `text`, e.g. "<extra_id_0>"; `None` where the model has none.
    pub fn sentinel(&self, text: &str) -> Option<u32> {
        self.sentinels.id(text)
    }

    /// The first `max_tokens` ids of [`Tokenizer::encode`], found without reading much more of `text` than they cover:
    /// long text costs no more time or memory than what is kept of it.
    pub fn encode_at_most(&self, text: &str, max_tokens: usize) -> Result<Vec<u32>> {
        first_tokens(text, max_tokens, |part| self.encode(part))
    }

    /// [`Tokenizer::encode_continuation`] cut like [`Tokenizer::encode_at_most`].
    pub fn encode_continuation_at_most(&self, text: &str, max_tokens: usize) -> Result<Vec<u32>> {
        first_tokens(text, max_tokens, |part| self.encode_continuation(part))
    }

    /// The token every sequence starts with, where the model has one.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// One more than the largest id that a text, a template or [`Tokenizer::bos`] can give; an embedding table needs at
    /// least that many rows. Control tokens that nothing becomes do not count, a padding token for instance.
    pub fn token_count(&self) -> usize {
        let encoded = match &self.encoder {
            Encoder::BytePairs(model) => model.largest_id(),
            Encoder::SentencePieces(model) => model.largest_id(),
            Encoder::Unigrams(model) => model.largest_id(),
        };
        let largest = encoded.max(self.user_tokens.largest_id()).max(self.sentinels.largest_id()).max(self.bos);
        largest.map_or(0, |id| id as usize + 1)
    }

    /// Ids that plain text can become, ascending: no control tokens. Start prompts are drawn from these.
    pub fn plain_ids(&self) -> Vec<u32> {
        match &self.encoder {
            Encoder::BytePairs(model) => model.plain_ids().to_vec(),
            Encoder::SentencePieces(model) => model.plain_ids(),
            Encoder::Unigrams(model) => model.plain_ids().to_vec(),
        }
    }

    /// SHA-256 (hex) of vocabulary, merges and the BOS; the same for the GGUF file and the folder of one model.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    fn encode_part(&self, text: &str, mut prefixed: bool) -> Result<Vec<u32>> {
        let mut ids = Vec::with_capacity(text.len() / 4 + 1);
        for piece in self.user_tokens.split(text) {
            match piece {
                Piece::Token(id) => {
                    ids.push(id);
                    prefixed = self.space_prefix.after_user_tokens;
                }
                Piece::Text(text) => {
                    let spaced = prefixed && !(self.space_prefix.unless_spaced && text.starts_with([' ', '▁']));
                    if spaced {
                        self.encode_piece(&format!(" {text}"), &mut ids)?
                    } else {
                        self.encode_piece(text, &mut ids)?
                    }
                    prefixed = false;
                }
            }
        }
        Ok(ids)
    }

    fn encode_piece(&self, mut text: &str, ids: &mut Vec<u32>) -> Result<()> {
        while text.len() > LARGE_TEXT
            && let (part, true) = start_of(text, LARGE_TEXT)
        {
            self.encode_whole(part, ids)?;
            text = &text[part.len()..];
        }
        self.encode_whole(text, ids)
    }

    fn encode_whole(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        match &self.encoder {
            Encoder::BytePairs(model) => model.encode(text, ids),
            Encoder::SentencePieces(model) => {
                model.encode(text, ids);
                Ok(())
            }
            Encoder::Unigrams(model) => model.encode(text, ids),
        }
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("token_count", &self.token_count())
            .field("bos", &self.bos)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// The first `max_tokens` ids that `encode` gives for `text`, from a growing window at its start.
fn first_tokens(text: &str, max_tokens: usize, encode: impl Fn(&str) -> Result<Vec<u32>>) -> Result<Vec<u32>> {
    let mut window = max_tokens.saturating_mul(WINDOW_BYTES_PER_TOKEN).max(SMALLEST_WINDOW);
    while window < text.len() {
        let (part, between_words) = start_of(text, window);
        let mut ids = encode(part)?;
        if !between_words {
            ids.truncate(ids.len().saturating_sub(UNSURE_TOKENS));
        }
        if ids.len() >= max_tokens {
            ids.truncate(max_tokens);
            return Ok(ids);
        }
        let growth = (max_tokens / ids.len().max(1) + 1).clamp(2, 16);
        window = window.saturating_mul(growth);
    }
    let mut ids = encode(text)?;
    ids.truncate(max_tokens);
    Ok(ids)
}

/// The start of `text`, at most `window` bytes, and whether it ends between words: before a space that follows a
/// visible character. No token of the supported tokenizers spans such a place, so the ids before it are the whole's.
fn start_of(text: &str, window: usize) -> (&str, bool) {
    let bytes = text.as_bytes();
    let between_words = |at: &usize| bytes[*at] == b' ' && bytes[at - 1].is_ascii_graphic();
    match (window / 2..window).rev().find(between_words) {
        Some(at) => (&text[..at], true),
        None => {
            let at = (0..=window).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            (&text[..at], false)
        }
    }
}

#[cfg(test)]
#[path = "tokenizer_tests.rs"]
mod tests;
