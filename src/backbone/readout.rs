//! What label scores are read off with, and losses of the states that they are read off from.

use super::LabelTrie;
use crate::error::{Result, Status, fail};
use crate::label_head::LabelHead;

/// How the labels of a text are scored.
#[derive(Clone, Copy, Debug)]
pub enum Readout<'a> {
    /// By the mean token log-probability of their verbalizers.
    Verbalizers(&'a LabelTrie),
    /// By the logits of a trained head.
    Head(&'a LabelHead),
}

/// A loss of answer states, one micro-batch at a time: given the position of the micro-batch's first example, its states
/// (examples, d) and room for the gradient (examples, d; zeros), it gives the micro-batch's share of the loss and writes the
/// share's gradient.
pub type StateLoss<'a> = dyn FnMut(usize, &[f32], &mut [f32]) -> f32 + Send + 'a;

impl<'a> Readout<'a> {
    /// `BackboneMismatch` for a head of another width than `d`, `InvalidArgument` for a label without tokens.
    pub(super) fn check(self, d: usize) -> Result<()> {
        match self {
            Readout::Verbalizers(trie) if trie.labels.iter().any(Vec::is_empty) => {
                fail(Status::InvalidArgument, "a label needs at least one token, one without came")
            }
            Readout::Head(head) if head.width() != d => fail(
                Status::BackboneMismatch,
                format!("the label head's rows have {} values, this backbone needs {d}", head.width()),
            ),
            _ => Ok(()),
        }
    }

    /// The tokens to compute after a text: those of the verbalizers, none for a head.
    pub(crate) fn trie(self) -> &'a LabelTrie {
        static NONE: LabelTrie = LabelTrie { tokens: Vec::new(), parents: Vec::new(), labels: Vec::new() };
        match self {
            Readout::Verbalizers(trie) => trie,
            Readout::Head(_) => &NONE,
        }
    }
}
