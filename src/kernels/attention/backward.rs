//! Attention, backward: probabilities are computed again, nothing but q, k and v is kept.

use super::{BLOCK, Heads, Rows, Segment, check, softmax, transpose};
use crate::kernels::Compute;
use crate::kernels::isa::{Isa, Kernel, dispatch};
use crate::kernels::lanes::Lanes;
use crate::kernels::matmul::{Product, View, panel};
use crate::kernels::shared::{Shared, with_scratch};

/// Where the gradients of a layer's packed rows go.
pub(crate) struct Gradients<'a> {
    /// d q, query rows x query width; overwritten.
    pub dq: &'a mut [f32],
    /// d k, rows x key width; rows of the segments are overwritten.
    pub dk: &'a mut [f32],
    /// d v, rows x key width; rows of the segments are overwritten.
    pub dv: &'a mut [f32],
    /// For each segment d prefix keys then d prefix values, `segments x 2 x prefix x key width`; overwritten.
    pub prefixes: &'a mut [f32],
}

/// Gradients of [`super::forward`] for `dout`. All prefixes have the same number of rows, or none.
pub(crate) fn backward(
    compute: &Compute,
    heads: Heads,
    segments: &[Segment<'_>],
    rows: Rows<'_>,
    dout: &[f32],
    gradients: Gradients<'_>,
) {
    check(segments, heads, rows);
    let prefix = segments.iter().map(|s| s.prefix_keys.len()).max().unwrap_or(0);
    let Gradients { dq, dk, dv, prefixes } = gradients;
    assert!(prefixes.len() >= segments.len() * 2 * prefix);
    for s in segments {
        let queries = (s.query_start + s.queries) * heads.query_width();
        assert!(dout.len() >= queries && dq.len() >= queries);
    }
    let (dq, dk, dv, prefixes) = (Shared::new(dq), Shared::new(dk), Shared::new(dv), Shared::new(prefixes));
    compute.threads.run(segments.len() * heads.keys, |item| {
        let (s, g) = (item / heads.keys, item % heads.keys);
        let segment = &segments[s];
        let keys = segment.prefix(heads) + segment.length;
        with_scratch(keys * (4 * heads.width + 2 * BLOCK), |scratch| {
            let item = Item {
                isa: compute.isa,
                heads,
                segment,
                g,
                rows,
                dout,
                dq,
                dk,
                dv,
                prefixes,
                place: s * 2 * prefix,
                scratch,
            };
            // SAFETY: `isa` was checked; the item writes its own rows, heads and prefix part.
            unsafe { item.run() }
        });
    });
}

struct Item<'a> {
    isa: Isa,
    heads: Heads,
    segment: &'a Segment<'a>,
    g: usize,
    rows: Rows<'a>,
    dout: &'a [f32],
    dq: Shared<'a>,
    dk: Shared<'a>,
    dv: Shared<'a>,
    prefixes: Shared<'a>,
    place: usize,
    scratch: &'a mut [f32],
}

impl Item<'_> {
    /// # Safety
    /// `isa` is available, and no other item writes the same rows and heads.
    unsafe fn run(self) {
        let Item { isa, heads, segment, g, rows, dout, dq, scratch, .. } = self;
        let (width, row, query_row) = (heads.width, heads.key_width(), heads.query_width());
        let prefix = segment.prefix(heads);
        let keys = prefix + segment.length;
        let (keys_t, scratch) = scratch.split_at_mut(keys * width);
        let (values_t, scratch) = scratch.split_at_mut(keys * width);
        let (dkeys, scratch) = scratch.split_at_mut(keys * width);
        let (dvalues, scratch) = scratch.split_at_mut(keys * width);
        let (p, ds) = scratch.split_at_mut(keys * BLOCK);
        let own = segment.start * row..(segment.start + segment.length) * row;
        transpose(heads, g, segment.prefix_keys, &rows.k[own.clone()], keys_t);
        transpose(heads, g, segment.prefix_values, &rows.v[own.clone()], values_t);
        dkeys.fill(0.0);
        dvalues.fill(0.0);
        let keys_t = View { data: keys_t.as_ptr(), row: keys, column: 1 };
        let values_t = View { data: values_t.as_ptr(), row: keys, column: 1 };
        let own_keys = View { data: rows.k[own][g * width..].as_ptr(), row, column: 1 };
        let scale = 1.0 / (width as f32).sqrt();
        for first in (0..segment.queries).step_by(BLOCK) {
            let count = BLOCK.min(segment.queries - first);
            let seen = prefix + segment.length - segment.queries + first + count;
            for h in g * (heads.queries / heads.keys)..(g + 1) * (heads.queries / heads.keys) {
                let at = (segment.query_start + first) * query_row + h * width;
                let q = View { data: rows.q[at..].as_ptr(), row: query_row, column: 1 };
                let dout = View { data: dout[at..].as_ptr(), row: query_row, column: 1 };
                let dq = dq.at(at);
                // SAFETY: shapes were checked in `backward`; p and ds have BLOCK rows of `keys`.
                unsafe {
                    panel(
                        isa,
                        Product {
                            shape: (count, seen, width),
                            a: q,
                            b: keys_t,
                            c: p.as_mut_ptr(),
                            ldc: keys,
                            accumulate: false,
                        },
                    );
                    softmax::softmax(isa, segment, heads, (first, count), p, keys, seen);
                    panel(
                        isa,
                        Product {
                            shape: (count, seen, width),
                            a: dout,
                            b: values_t,
                            c: ds.as_mut_ptr(),
                            ldc: keys,
                            accumulate: false,
                        },
                    );
                    for (p, ds) in p.chunks(keys).zip(ds.chunks_mut(keys)).take(count) {
                        dispatch(isa, ScoresGradient { p: &p[..seen], ds: &mut ds[..seen], scale });
                    }
                    let across = View { data: ds.as_ptr(), row: keys, column: 1 };
                    if prefix > 0 {
                        let k = View { data: segment.prefix_keys[g * width..].as_ptr(), row, column: 1 };
                        panel(
                            isa,
                            Product {
                                shape: (count, width, prefix),
                                a: across,
                                b: k,
                                c: dq,
                                ldc: query_row,
                                accumulate: false,
                            },
                        );
                    }
                    let own = View { data: ds.as_ptr().add(prefix), ..across };
                    panel(
                        isa,
                        Product {
                            shape: (count, width, seen - prefix),
                            a: own,
                            b: own_keys,
                            c: dq,
                            ldc: query_row,
                            accumulate: prefix > 0,
                        },
                    );
                    let down = View { data: ds.as_ptr(), row: 1, column: keys };
                    panel(
                        isa,
                        Product {
                            shape: (seen, width, count),
                            a: down,
                            b: q,
                            c: dkeys.as_mut_ptr(),
                            ldc: width,
                            accumulate: true,
                        },
                    );
                    let down = View { data: p.as_ptr(), row: 1, column: keys };
                    panel(
                        isa,
                        Product {
                            shape: (seen, width, count),
                            a: down,
                            b: dout,
                            c: dvalues.as_mut_ptr(),
                            ldc: width,
                            accumulate: true,
                        },
                    );
                }
            }
        }
        for (j, (dk, dv)) in dkeys.chunks_exact(width).zip(dvalues.chunks_exact(width)).enumerate() {
            // SAFETY: the rows and heads are this item's own.
            unsafe {
                let (k, v) = if j < prefix {
                    let at = self.place + j * row + g * width;
                    (self.prefixes.part(at, width), self.prefixes.part(at + prefix * row, width))
                } else {
                    let at = (segment.start + j - prefix) * row + g * width;
                    (self.dk.part(at, width), self.dv.part(at, width))
                };
                k.copy_from_slice(dk);
                v.copy_from_slice(dv);
            }
        }
    }
}

/// d score = p (dp - sum(p dp)) scale for one query; `ds` holds dp and gets d score.
pub(super) struct ScoresGradient<'a> {
    pub(super) p: &'a [f32],
    pub(super) ds: &'a mut [f32],
    pub(super) scale: f32,
}

impl Kernel for ScoresGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let length = self.p.len().min(self.ds.len());
        let (p, ds) = (self.p.as_ptr(), self.ds.as_mut_ptr());
        // SAFETY: all offsets are within both slices.
        unsafe {
            let mut sum = L::splat(0.0);
            let mut i = 0;
            while i < length {
                let n = L::N.min(length - i);
                sum = L::fma(L::load_part(p.add(i), n), L::load_part(ds.add(i), n), sum);
                i += n;
            }
            let (mean, scale) = (L::splat(L::sum(sum)), L::splat(self.scale));
            i = 0;
            while i < length {
                let n = L::N.min(length - i);
                let v = L::mul(L::mul(L::load_part(p.add(i), n), L::sub(L::load_part(ds.add(i), n), mean)), scale);
                L::store_part(ds.add(i), n, v);
                i += n;
            }
        }
    }
}
