//! Backward: probabilities are computed again, nothing but q, k and v is kept.

use super::super::backward::ScoresGradient;
use super::super::{BLOCK, Rows, transpose};
use super::{Pattern, Segment};
use crate::kernels::Compute;
use crate::kernels::isa::{Isa, dispatch};
use crate::kernels::matmul::{Product, View, panel};
use crate::kernels::shared::{Shared, with_scratch};

/// Where the gradients go; rows of the segments are overwritten.
pub(crate) struct Gradients<'a> {
    /// d q, query rows x heads width.
    pub dq: &'a mut [f32],
    /// d k, key rows x heads width.
    pub dk: &'a mut [f32],
    /// d v, key rows x heads width.
    pub dv: &'a mut [f32],
}

/// Gradients of [`super::forward`] for `dout`. No key row may belong to two segments.
pub(crate) fn backward(
    compute: &Compute,
    pattern: &Pattern<'_>,
    rows: Rows<'_>,
    dout: &[f32],
    gradients: Gradients<'_>,
) {
    pattern.check(rows);
    let row = pattern.heads * pattern.width;
    let Gradients { dq, dk, dv } = gradients;
    for pair in pattern.segments.windows(2) {
        assert!(pair[0].key_start + pair[0].keys <= pair[1].key_start);
    }
    for s in pattern.segments {
        let (queries, keys) = ((s.query_start + s.queries) * row, (s.key_start + s.keys) * row);
        assert!(dout.len() >= queries && dq.len() >= queries && dk.len() >= keys && dv.len() >= keys);
    }
    let (dq, dk, dv) = (Shared::new(dq), Shared::new(dk), Shared::new(dv));
    compute.threads.run(pattern.segments.len() * pattern.heads, |item| {
        let (segment, h) = (&pattern.segments[item / pattern.heads], item % pattern.heads);
        with_scratch(segment.keys * (2 * pattern.width + 2 * BLOCK), |scratch| {
            // SAFETY: `isa` was checked; the item writes its own rows and head of dq, dk and dv.
            unsafe { Item { isa: compute.isa, pattern, segment, h, rows, dout, dq, dk, dv, scratch }.run() }
        });
    });
}

struct Item<'a> {
    isa: Isa,
    pattern: &'a Pattern<'a>,
    segment: &'a Segment,
    h: usize,
    rows: Rows<'a>,
    dout: &'a [f32],
    dq: Shared<'a>,
    dk: Shared<'a>,
    dv: Shared<'a>,
    scratch: &'a mut [f32],
}

impl Item<'_> {
    /// # Safety
    /// `isa` is available, and no other item writes the same rows and head.
    unsafe fn run(self) {
        let Item { isa, pattern, segment, h, rows, dout, scratch, .. } = self;
        let (width, row, keys) = (pattern.width, pattern.heads * pattern.width, segment.keys);
        let (keys_t, scratch) = scratch.split_at_mut(keys * width);
        let (values_t, scratch) = scratch.split_at_mut(keys * width);
        let (p, ds) = scratch.split_at_mut(keys * BLOCK);
        let start = segment.key_start * row;
        let own = start..start + keys * row;
        transpose(pattern.heads(), h, &[], &rows.k[own.clone()], keys_t);
        transpose(pattern.heads(), h, &[], &rows.v[own.clone()], values_t);
        let keys_t = View { data: keys_t.as_ptr(), row: keys, column: 1 };
        let values_t = View { data: values_t.as_ptr(), row: keys, column: 1 };
        let own_keys = View { data: rows.k[own][h * width..].as_ptr(), row, column: 1 };
        let (dk, dv) = (self.dk.at(start + h * width), self.dv.at(start + h * width));
        for first in (0..segment.queries).step_by(BLOCK) {
            let count = BLOCK.min(segment.queries - first);
            let accumulate = first > 0;
            let at = (segment.query_start + first) * row + h * width;
            let q = View { data: rows.q[at..].as_ptr(), row, column: 1 };
            let dout = View { data: dout[at..].as_ptr(), row, column: 1 };
            let (scores, gradients) = ((count, keys, width), (keys, width, count));
            // SAFETY: shapes were checked in `backward`; p and ds have BLOCK rows of `keys`.
            unsafe {
                let c = p.as_mut_ptr();
                panel(isa, Product { shape: scores, a: q, b: keys_t, c, ldc: keys, accumulate: false });
                pattern.softmax(isa, segment, h, (first, count), p);
                let c = ds.as_mut_ptr();
                panel(isa, Product { shape: scores, a: dout, b: values_t, c, ldc: keys, accumulate: false });
                for (p, ds) in p.chunks_exact(keys).zip(ds.chunks_exact_mut(keys)).take(count) {
                    dispatch(isa, ScoresGradient { p, ds, scale: 1.0 });
                }
                let across = View { data: ds.as_ptr(), row: keys, column: 1 };
                let c = self.dq.at(at);
                let shape = (count, width, keys);
                panel(isa, Product { shape, a: across, b: own_keys, c, ldc: row, accumulate: false });
                let down = View { data: ds.as_ptr(), row: 1, column: keys };
                panel(isa, Product { shape: gradients, a: down, b: q, c: dk, ldc: row, accumulate });
                let down = View { data: p.as_ptr(), row: 1, column: keys };
                panel(isa, Product { shape: gradients, a: down, b: dout, c: dv, ldc: row, accumulate });
            }
        }
    }
}
