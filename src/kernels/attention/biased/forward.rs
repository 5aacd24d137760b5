//! Forward.

use super::super::{BLOCK, Rows, transpose};
use super::{Pattern, Segment};
use crate::kernels::Compute;
use crate::kernels::isa::Isa;
use crate::kernels::matmul::{Product, View, panel};
use crate::kernels::shared::{Shared, with_scratch};

/// out (query rows x heads width) = softmax(q k^T + bias) v for every segment.
pub(crate) fn forward(compute: &Compute, pattern: &Pattern<'_>, rows: Rows<'_>, out: &mut [f32]) {
    pattern.check(rows);
    let row = pattern.heads * pattern.width;
    assert!(pattern.segments.iter().all(|s| out.len() >= (s.query_start + s.queries) * row));
    let out = Shared::new(out);
    compute.threads.run(pattern.segments.len() * pattern.heads, |item| {
        let (segment, h) = (&pattern.segments[item / pattern.heads], item % pattern.heads);
        with_scratch(segment.keys * (pattern.width + BLOCK), |scratch| {
            // SAFETY: `isa` was checked; the item writes its own query rows and head of `out`.
            unsafe { Item { isa: compute.isa, pattern, segment, h, rows, out, scratch }.run() }
        });
    });
}

struct Item<'a> {
    isa: Isa,
    pattern: &'a Pattern<'a>,
    segment: &'a Segment,
    h: usize,
    rows: Rows<'a>,
    out: Shared<'a>,
    scratch: &'a mut [f32],
}

impl Item<'_> {
    /// # Safety
    /// `isa` is available, and no other item writes the same rows and head.
    unsafe fn run(self) {
        let Item { isa, pattern, segment, h, rows, out, scratch } = self;
        let (width, row, keys) = (pattern.width, pattern.heads * pattern.width, segment.keys);
        let (keys_t, scores) = scratch.split_at_mut(keys * width);
        let own = segment.key_start * row..(segment.key_start + keys) * row;
        transpose(pattern.heads(), h, &[], &rows.k[own.clone()], keys_t);
        let keys_t = View { data: keys_t.as_ptr(), row: keys, column: 1 };
        let values = View { data: rows.v[own][h * width..].as_ptr(), row, column: 1 };
        for first in (0..segment.queries).step_by(BLOCK) {
            let count = BLOCK.min(segment.queries - first);
            let at = (segment.query_start + first) * row + h * width;
            let q = View { data: rows.q[at..].as_ptr(), row, column: 1 };
            // SAFETY: shapes were checked in `forward`; scores has BLOCK rows of `keys`.
            unsafe {
                let c = scores.as_mut_ptr();
                panel(isa, Product { shape: (count, keys, width), a: q, b: keys_t, c, ldc: keys, accumulate: false });
                pattern.softmax(isa, segment, h, (first, count), scores);
                let p = View { data: scores.as_ptr(), row: keys, column: 1 };
                let c = out.at(at);
                panel(isa, Product { shape: (count, width, keys), a: p, b: values, c, ldc: row, accumulate: false });
            }
        }
    }
}
