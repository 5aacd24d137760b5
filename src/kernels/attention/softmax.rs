//! Masked softmax of a block of attention scores.

use super::{Heads, Segment};
use crate::kernels::isa::{Isa, Kernel, dispatch};
use crate::kernels::lanes::Lanes;

/// Turns scores (queries `first..first + count` of the segment, rows of `stride`) into probabilities of scale x score;
/// what a query does not see becomes 0, up to `columns` of each row.
///
/// # Safety
/// `isa` is available; `scores` holds `count` rows of `stride >= columns` values.
pub(super) unsafe fn softmax(
    isa: Isa,
    segment: &Segment<'_>,
    heads: Heads,
    (first, count): (usize, usize),
    scores: &mut [f32],
    stride: usize,
    columns: usize,
) {
    let scale = 1.0 / (heads.width as f32).sqrt();
    let prefix = segment.prefix(heads);
    for (i, row) in scores.chunks_mut(stride).take(count).enumerate() {
        let own = segment.length - segment.queries + first + i;
        let seen = prefix + own + 1;
        let tree = if segment.parents.is_empty() { own + 1 } else { segment.chain };
        for j in tree..own {
            if !is_ancestor(segment, j, own) {
                row[prefix + j] = f32::NEG_INFINITY;
            }
        }
        // SAFETY: the caller vouches for `isa`.
        unsafe { dispatch(isa, Normalize { row: &mut row[..seen], scale }) };
        for j in tree..own {
            if !is_ancestor(segment, j, own) {
                row[prefix + j] = 0.0;
            }
        }
        row[seen..columns].fill(0.0);
    }
}

fn is_ancestor(segment: &Segment<'_>, of: usize, row: usize) -> bool {
    let mut at = row.checked_sub(segment.chain);
    while let Some(node) = at {
        if node + segment.chain == of {
            return true;
        }
        at = segment.parents[node];
    }
    false
}

/// Softmax of scale x row, in place.
pub(super) struct Normalize<'a> {
    pub(super) row: &'a mut [f32],
    pub(super) scale: f32,
}

impl Kernel for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let (data, length) = (self.row.as_mut_ptr(), self.row.len());
        // SAFETY: all offsets are within the row.
        unsafe {
            let mut largest = f32::NEG_INFINITY;
            let mut i = 0;
            if length >= L::N {
                let mut most = L::load(data);
                i = L::N;
                while i + L::N <= length {
                    most = L::max(most, L::load(data.add(i)));
                    i += L::N;
                }
                largest = L::largest(most);
            }
            while i < length {
                largest = largest.max(data.add(i).read());
                i += 1;
            }
            let (scale, shift) = (L::splat(self.scale), L::splat(-largest));
            let mut sum = L::splat(0.0);
            let mut total = 0.0;
            i = 0;
            while i < length {
                let n = L::N.min(length - i);
                let e = L::exp(L::mul(L::add(L::load_part(data.add(i), n), shift), scale));
                L::store_part(data.add(i), n, e);
                if n == L::N {
                    sum = L::add(sum, e);
                } else {
                    for j in i..length {
                        total += data.add(j).read();
                    }
                }
                i += n;
            }
            let inverse = L::splat(1.0 / (total + L::sum(sum)));
            i = 0;
            while i < length {
                let n = L::N.min(length - i);
                L::store_part(data.add(i), n, L::mul(L::load_part(data.add(i), n), inverse));
                i += n;
            }
        }
    }
}
