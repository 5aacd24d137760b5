//! A batch without padding: prompt rows once, then every example's own rows, one after the other.

use std::sync::Arc;

use crate::backbone::{LabelTrie, Sequence};

/// Rows of one example (or of the prompt) in a packed batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// First row.
    pub start: usize,
    /// Number of rows.
    pub length: usize,
    /// How many of its last rows are read by the head.
    pub answers: usize,
    /// Rows from here on form a label trie (see `attention::Segment`); `length` without one.
    pub chain: usize,
    /// Parents of the trie's rows.
    pub parents: Vec<Option<usize>>,
}

/// Token rows, positions and answers of a packed batch.
#[derive(Debug, Default)]
pub(super) struct Packed {
    /// Rows of the soft prompt at the front that every span sees; 0 when its state comes from elsewhere.
    pub prompt: usize,
    /// Token of every row after the prompt's.
    pub tokens: Vec<u32>,
    /// Rows (counted without the prompt's) whose embedding is given, and the embedding.
    pub given: Vec<(usize, Arc<[f32]>)>,
    /// Position of every row, the prompt's included.
    pub positions: Vec<usize>,
    /// The prompt's own span first (when `prompt > 0`), then one for each example.
    pub spans: Vec<Span>,
}

impl Packed {
    /// Text and answer of every example, teacher forced: the last answer token is predicted, not read.
    pub(super) fn for_loss<'a>(prompt: usize, batch: impl IntoIterator<Item = &'a Sequence>) -> Self {
        let mut packed = Self { prompt, positions: (0..prompt).collect(), ..Self::default() };
        if prompt > 0 {
            packed.spans.push(Span { start: 0, length: prompt, answers: 0, chain: prompt, parents: Vec::new() });
        }
        for example in batch {
            let read = &example.answer[..example.answer.len() - 1];
            let length = example.text.len() + read.len();
            packed.spans.push(Span {
                start: packed.positions.len(),
                length,
                answers: example.answer.len(),
                chain: length,
                parents: Vec::new(),
            });
            let first = packed.tokens.len();
            packed.given.extend(example.given.iter().map(|(at, row)| (first + at, Arc::clone(row))));
            packed.tokens.extend(example.text.iter().chain(read));
            packed.positions.extend(prompt..prompt + length);
        }
        packed
    }

    /// Every text followed by the inner nodes of its label trie; prompts come as states of `prompts[i]` rows.
    pub(super) fn for_scores(prompts: &[usize], texts: &[&[u32]], labels: &[&LabelTrie]) -> Self {
        let mut packed = Self::default();
        for ((&prompt, text), trie) in prompts.iter().zip(texts).zip(labels) {
            packed.spans.push(Span {
                start: packed.positions.len(),
                length: text.len() + trie.tokens.len(),
                answers: 1 + trie.tokens.len(),
                chain: text.len(),
                parents: trie.parents.clone(),
            });
            packed.tokens.extend(text.iter().chain(&trie.tokens));
            packed.positions.extend(prompt..prompt + text.len());
            let mut depths = Vec::with_capacity(trie.tokens.len());
            for parent in &trie.parents {
                depths.push(parent.map_or(0, |p: usize| depths[p] + 1));
            }
            packed.positions.extend(depths.iter().map(|depth| prompt + text.len() + depth));
        }
        packed
    }

    /// Number of rows, the prompt's included.
    pub(super) fn rows(&self) -> usize {
        self.positions.len()
    }

    /// The rows that the head reads, in order.
    pub(super) fn answer_rows(&self) -> Vec<usize> {
        self.spans.iter().flat_map(|s| s.start + s.length - s.answers..s.start + s.length).collect()
    }
}
