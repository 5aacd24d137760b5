//! Attention of T5: no 1/sqrt(width), a bias by relative position, any rows as keys, forward and backward.
//!
//! scores = q k^T + bias(key - query); a segment's queries see its keys, those of a padding mask or of the future left
//! out. One item is one segment and one head; queries go through in blocks, so scratch memory grows with the number of
//! keys only.

mod backward;
mod forward;

pub(crate) use backward::{Gradients, backward};
pub(crate) use forward::forward;

use super::{Heads, Rows, softmax::Normalize};
use crate::kernels::isa::{Isa, dispatch};

/// Queries and the keys they see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// First row in the query and output buffers.
    pub query_start: usize,
    /// Number of queries.
    pub queries: usize,
    /// First row in the key and value buffers.
    pub key_start: usize,
    /// Number of keys, at least one of them not masked.
    pub keys: usize,
}

/// Biases by how far a key stands behind its query.
#[derive(Clone, Copy)]
pub(crate) struct Bias<'a> {
    /// Heads x (2 reach - 1) values: key - query = 1 - reach first, reach - 1 last.
    pub values: &'a [f32],
    /// Longest segment that the values are enough for.
    pub reach: usize,
}

/// Who sees whom.
#[derive(Clone, Copy)]
pub(crate) struct Pattern<'a> {
    /// Number and width of the heads.
    pub heads: usize,
    /// Width of one head.
    pub width: usize,
    /// Every query row belongs to one segment; of key rows only those of one segment may belong to another in a forward
    /// pass (several queries' segments over the same keys).
    pub segments: &'a [Segment],
    /// Position bias, `None` in cross-attention.
    pub bias: Option<Bias<'a>>,
    /// Whether query i of a segment sees only its first i + 1 keys.
    pub causal: bool,
    /// For each key row whether it is seen; `None` = all are.
    pub mask: Option<&'a [bool]>,
}

impl Pattern<'_> {
    fn heads(&self) -> Heads {
        Heads { queries: self.heads, keys: self.heads, width: self.width }
    }

    fn check(&self, rows: Rows<'_>) {
        let row = self.heads * self.width;
        for s in self.segments {
            let (queries, keys) = (s.query_start + s.queries, s.key_start + s.keys);
            assert!(s.keys > 0 && s.queries > 0 && rows.q.len() >= queries * row && rows.k.len() >= keys * row);
            assert!(rows.v.len() >= keys * row && self.mask.is_none_or(|mask| mask.len() >= keys));
            assert!(!self.causal || s.queries <= s.keys);
            if let Some(bias) = self.bias {
                assert!(s.queries.max(s.keys) <= bias.reach && bias.values.len() == self.heads * (2 * bias.reach - 1));
            }
        }
    }

    /// Turns scores (queries `first..first + count` of the segment, head `h`, rows of `segment.keys` values) into
    /// probabilities; what a query does not see becomes 0.
    ///
    /// # Safety
    /// `isa` is available.
    unsafe fn softmax(&self, isa: Isa, s: &Segment, h: usize, (first, count): (usize, usize), scores: &mut [f32]) {
        let mask = self.mask.map(|mask| &mask[s.key_start..s.key_start + s.keys]);
        let hidden = |j: usize| mask.is_some_and(|mask| !mask[j]);
        for (i, row) in scores.chunks_exact_mut(s.keys).take(count).enumerate() {
            let query = first + i;
            let seen = if self.causal { query + 1 } else { s.keys };
            if let Some(bias) = self.bias {
                let start = h * (2 * bias.reach - 1) + bias.reach - 1 - query;
                row.iter_mut().zip(&bias.values[start..start + seen]).for_each(|(score, bias)| *score += bias);
            }
            for j in (0..seen).filter(|&j| hidden(j)) {
                row[j] = f32::NEG_INFINITY;
            }
            // SAFETY: the caller vouches for `isa`.
            unsafe { dispatch(isa, Normalize { row: &mut row[..seen], scale: 1.0 }) };
            for j in (0..seen).filter(|&j| hidden(j)) {
                row[j] = 0.0;
            }
            row[seen..].fill(0.0);
        }
    }
}

#[cfg(test)]
mod tests;
