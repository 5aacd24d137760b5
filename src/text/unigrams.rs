//! SentencePiece unigram encoding (T5): the most probable cut of each word into pieces.

use std::collections::HashSet;

use tokenizers::models::unigram::Unigram;
use tokenizers::{DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, TokenizerImpl};

use crate::error::{Error, Result, Status, fail};

/// Longest piece in bytes: all pieces that start a text are looked at in every place of it.
const MAX_PIECE_BYTES: usize = 256;

/// A unigram tokenizer, ready to encode.
pub(super) struct Unigrams {
    pipeline: TokenizerImpl<Unigram, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>,
    plain_ids: Vec<u32>,
    largest_id: Option<u32>,
}

impl Unigrams {
    /// From the pieces in order of their ids with log-probabilities, the control tokens among them (never made from
    /// text), and the piece for characters that no other covers.
    ///
    /// Errors: `CorruptFile` when a piece is too long, pieces repeat or the unknown piece is not there.
    pub(super) fn new(
        pieces: &[(String, f64)],
        control: &HashSet<&str>,
        unknown: Option<usize>,
        normalizer: Option<NormalizerWrapper>,
        pre_tokenizer: Option<PreTokenizerWrapper>,
    ) -> Result<Self> {
        if unknown.is_none_or(|unknown| unknown >= pieces.len()) {
            return fail(Status::CorruptFile, format!("unk_id: a place among the {} pieces is needed", pieces.len()));
        }
        let is_control = |id: usize, text: &str| unknown == Some(id) || control.contains(text);
        let mut seen = HashSet::with_capacity(pieces.len());
        let mut plain_ids = Vec::with_capacity(pieces.len());
        let mut vocabulary = Vec::with_capacity(pieces.len());
        for (id, (text, score)) in pieces.iter().enumerate() {
            if text.len() > MAX_PIECE_BYTES || !seen.insert(text.as_str()) {
                let message = format!("piece {id}: at most {MAX_PIECE_BYTES} bytes and no repeat are accepted");
                return fail(Status::CorruptFile, message);
            }
            // The empty text keeps the place of a control token without ever matching.
            if is_control(id, text) {
                vocabulary.push((String::new(), *score));
            } else {
                vocabulary.push((text.clone(), *score));
                plain_ids.push(id as u32);
            }
        }
        let largest_id = plain_ids.last().copied().max(unknown.map(|id| id as u32));
        let model = Unigram::from(vocabulary, unknown, false)
            .map_err(|e| Error::new(Status::CorruptFile, format!("the pieces make no tokenizer: {e}")))?;
        let mut pipeline = TokenizerImpl::new(model);
        pipeline.with_normalizer(normalizer);
        pipeline.with_pre_tokenizer(pre_tokenizer);
        Ok(Self { pipeline, plain_ids, largest_id })
    }

    /// Ids of pieces that are not control tokens, ascending.
    pub(super) fn plain_ids(&self) -> &[u32] {
        &self.plain_ids
    }

    /// The largest id that text can become.
    pub(super) fn largest_id(&self) -> Option<u32> {
        self.largest_id
    }

    /// Appends the ids of `text`, spaces at its ends left out as SentencePiece does.
    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        let encoding = self.pipeline.encode_fast(text.trim_matches(' '), false);
        let encoding =
            encoding.map_err(|_| Error::new(Status::Unsupported, "the tokenizer cannot encode this text"))?;
        ids.extend_from_slice(encoding.get_ids());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces() -> Vec<(String, f64)> {
        let pieces = [("</s>", 0.0), ("<unk>", 0.0), ("a", -3.0), ("b", -3.0), ("ab", -4.0), ("ba", -5.5), ("<", -9.0)];
        pieces.map(|(text, score)| (text.to_owned(), score)).to_vec()
    }

    fn encode(text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        let unigrams = Unigrams::new(&pieces(), &HashSet::from(["</s>"]), Some(1), None, None).unwrap();
        assert_eq!(unigrams.plain_ids(), [2, 3, 4, 5, 6]);
        unigrams.encode(text, &mut ids).unwrap();
        ids
    }

    #[test]
    fn the_most_probable_cut_wins() {
        assert_eq!(encode("ab"), [4]);
        assert_eq!(encode("aba"), [4, 2]);
        assert_eq!(encode(" bab "), [3, 4]);
        assert_eq!(encode(""), [0u32; 0]);
    }

    #[test]
    fn control_tokens_never_come_from_text_and_unknown_runs_are_one() {
        assert_eq!(encode("</s>"), [6, 1]);
        assert_eq!(encode("a<unk>b"), [2, 6, 1, 3]);
        assert_eq!(encode("aöüb"), [2, 1, 3]);
    }

    #[test]
    fn broken_vocabularies_are_refused() {
        let refused = |pieces: &[(String, f64)], unknown| {
            let error = Unigrams::new(pieces, &HashSet::new(), unknown, None, None).err().unwrap();
            assert_eq!(error.status(), Status::CorruptFile);
            error.to_string()
        };
        assert!(refused(&pieces(), Some(7)).contains("unk_id"));
        assert!(refused(&pieces(), None).contains("unk_id"));
        let mut repeated = pieces();
        repeated.push(("ab".into(), -1.0));
        assert!(refused(&repeated, Some(1)).contains("piece 7"));
        let mut long = pieces();
        long[3].0 = "b".repeat(MAX_PIECE_BYTES + 1);
        assert!(refused(&long, Some(1)).contains("piece 3"));
    }
}
