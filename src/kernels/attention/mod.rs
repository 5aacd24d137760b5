//! Causal attention of packed segments over a shared prefix, grouped-query heads, forward and backward.
//!
//! Keys of a segment are the rows of its prefix (the soft prompt) followed by its own rows. One item is one segment and
//! one key head; queries go through in blocks, so scratch memory grows with the number of keys only.

mod backward;
pub(crate) mod biased;
mod forward;
mod softmax;

pub(crate) use backward::{Gradients, backward};
pub(crate) use forward::forward;

/// Queries handled together.
const BLOCK: usize = 32;

/// Head counts and width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    /// Query heads; a multiple of `keys`.
    pub queries: usize,
    /// Key and value heads.
    pub keys: usize,
    /// Width of a head.
    pub width: usize,
}

impl Heads {
    /// Width of a query row.
    pub(crate) fn query_width(self) -> usize {
        self.queries * self.width
    }

    /// Width of a key or value row.
    pub(crate) fn key_width(self) -> usize {
        self.keys * self.width
    }
}

/// Rows that see each other.
#[derive(Clone, Copy)]
pub(crate) struct Segment<'a> {
    /// Keys (P x key width) every row sees; may be empty.
    pub prefix_keys: &'a [f32],
    /// Values of the same rows.
    pub prefix_values: &'a [f32],
    /// First own row in the key and value buffers.
    pub start: usize,
    /// Number of own rows.
    pub length: usize,
    /// First query row in the query and output buffers.
    pub query_start: usize,
    /// Number of queries: the segment's last rows.
    pub queries: usize,
    /// Own rows from `chain` on form a tree: row `chain + i` sees rows before `chain`, its ancestors and itself.
    /// `parents[i]` is the parent among the tree's rows. Empty = plain causal order.
    pub chain: usize,
    /// See `chain`.
    pub parents: &'a [Option<usize>],
}

impl Segment<'_> {
    fn prefix(&self, heads: Heads) -> usize {
        self.prefix_keys.len() / heads.key_width()
    }
}

/// The buffers of one layer's packed rows.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// Rotated queries, query rows x query width.
    pub q: &'a [f32],
    /// Rotated keys, rows x key width.
    pub k: &'a [f32],
    /// Values, rows x key width.
    pub v: &'a [f32],
}

fn check(segments: &[Segment<'_>], heads: Heads, rows: Rows<'_>) {
    for s in segments {
        let (keys, queries) =
            ((s.start + s.length) * heads.key_width(), (s.query_start + s.queries) * heads.query_width());
        assert!(rows.k.len() >= keys && rows.v.len() >= keys && rows.q.len() >= queries && s.queries <= s.length);
        assert!(s.prefix_keys.len() == s.prefix_values.len() && s.prefix_keys.len() % heads.key_width() == 0);
    }
}

/// Writes the transpose of a segment's keys (or values) of head `g`: `width` rows of one value per key.
fn transpose(heads: Heads, g: usize, prefix: &[f32], own: &[f32], out: &mut [f32]) {
    let (width, row) = (heads.width, heads.key_width());
    let keys = (prefix.len() + own.len()) / row;
    for (j, key) in prefix.chunks_exact(row).chain(own.chunks_exact(row)).enumerate() {
        for (d, &x) in key[g * width..][..width].iter().enumerate() {
            out[d * keys + j] = x;
        }
    }
}
