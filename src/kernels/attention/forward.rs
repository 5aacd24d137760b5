//! Attention, forward.

use super::{BLOCK, Heads, Rows, Segment, check, softmax, transpose};
use crate::kernels::Compute;
use crate::kernels::isa::Isa;
use crate::kernels::matmul::{Product, View, panel};
use crate::kernels::shared::{Shared, with_scratch};

/// out (query rows x query width) = softmax(q k^T / sqrt(width)) v for every segment.
pub(crate) fn forward(compute: &Compute, heads: Heads, segments: &[Segment<'_>], rows: Rows<'_>, out: &mut [f32]) {
    check(segments, heads, rows);
    assert!(out.len() >= segments.iter().map(|s| (s.query_start + s.queries) * heads.query_width()).max().unwrap_or(0));
    let out = Shared::new(out);
    compute.threads.run(segments.len() * heads.keys, |item| {
        let (segment, g) = (&segments[item / heads.keys], item % heads.keys);
        if segment.queries == 0 {
            return;
        }
        let keys = segment.prefix(heads) + segment.length;
        with_scratch(keys * (heads.width + BLOCK), |scratch| {
            // SAFETY: `isa` was checked; the item writes its own query rows and heads of `out`.
            unsafe { Item { isa: compute.isa, heads, segment, g, rows, out, scratch }.run() }
        });
    });
}

struct Item<'a> {
    isa: Isa,
    heads: Heads,
    segment: &'a Segment<'a>,
    g: usize,
    rows: Rows<'a>,
    out: Shared<'a>,
    scratch: &'a mut [f32],
}

impl Item<'_> {
    /// # Safety
    /// `isa` is available, and no other item writes the same rows and heads.
    unsafe fn run(self) {
        let Item { isa, heads, segment, g, rows, out, scratch } = self;
        let (width, row, query_row) = (heads.width, heads.key_width(), heads.query_width());
        let prefix = segment.prefix(heads);
        let keys = prefix + segment.length;
        let (keys_t, scores) = scratch.split_at_mut(keys * width);
        let own = segment.start * row..(segment.start + segment.length) * row;
        transpose(heads, g, segment.prefix_keys, &rows.k[own.clone()], keys_t);
        let keys_t = View { data: keys_t.as_ptr(), row: keys, column: 1 };
        let values = &rows.v[own];
        for first in (0..segment.queries).step_by(BLOCK) {
            let count = BLOCK.min(segment.queries - first);
            let seen = prefix + segment.length - segment.queries + first + count;
            for h in g * (heads.queries / heads.keys)..(g + 1) * (heads.queries / heads.keys) {
                let at = (segment.query_start + first) * query_row + h * width;
                let q = View { data: rows.q[at..].as_ptr(), row: query_row, column: 1 };
                // SAFETY: shapes were checked in `forward`; scores has BLOCK rows of `keys`.
                unsafe {
                    panel(
                        isa,
                        Product {
                            shape: (count, seen, width),
                            a: q,
                            b: keys_t,
                            c: scores.as_mut_ptr(),
                            ldc: keys,
                            accumulate: false,
                        },
                    );
                    softmax::softmax(isa, segment, heads, (first, count), scores, keys, seen);
                    let p = View { data: scores.as_ptr(), row: keys, column: 1 };
                    let o = out.at(at);
                    if prefix > 0 {
                        let v = View { data: segment.prefix_values[g * width..].as_ptr(), row, column: 1 };
                        panel(
                            isa,
                            Product {
                                shape: (count, width, prefix),
                                a: p,
                                b: v,
                                c: o,
                                ldc: query_row,
                                accumulate: false,
                            },
                        );
                    }
                    let p = View { data: scores.as_ptr().add(prefix), ..p };
                    let v = View { data: values[g * width..].as_ptr(), row, column: 1 };
                    panel(
                        isa,
                        Product {
                            shape: (count, width, seen - prefix),
                            a: p,
                            b: v,
                            c: o,
                            ldc: query_row,
                            accumulate: prefix > 0,
                        },
                    );
                }
            }
        }
    }
}
