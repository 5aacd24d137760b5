//! Rotary position embedding, in place; its backward is the rotation by the opposite angle.

use super::Compute;
use super::shared::Shared;
use crate::backbone::config::RotaryLayout;

/// Rows of one item.
const ROWS: usize = 16;

/// Angles of every pair, per position.
pub(crate) struct Rope {
    layout: RotaryLayout,
    frequencies: Vec<f32>,
}

/// Cosine and sine of every pair for a list of positions.
pub(crate) struct Rotations {
    cosine_sine: Vec<(f32, f32)>,
}

impl Rope {
    /// `frequencies[i]` is the angle of pair i at position 1.
    pub(crate) fn new(layout: RotaryLayout, frequencies: Vec<f32>) -> Self {
        Self { layout, frequencies }
    }

    /// The rotations of rows at `positions`.
    pub(crate) fn rotations(&self, positions: &[usize]) -> Rotations {
        // As transformers does: the angle is a product of two f32, its cosine and sine are exact.
        let angles = positions.iter().flat_map(|&p| self.frequencies.iter().map(move |f| p as f32 * f));
        Rotations { cosine_sine: angles.map(|a| (f64::from(a).cos() as f32, f64::from(a).sin() as f32)).collect() }
    }

    /// Rotates `x`: rows of `heads` heads, one row for each of `rotations`; `back` turns the other way.
    pub(crate) fn rotate(&self, compute: &Compute, rotations: &Rotations, heads: usize, x: &mut [f32], back: bool) {
        let pairs = self.frequencies.len();
        let row = heads * 2 * pairs;
        let rows = x.len() / row;
        assert!(x.len().is_multiple_of(row) && rotations.cosine_sine.len() >= rows * pairs);
        let (x, sign) = (Shared::new(x), if back { -1.0 } else { 1.0 });
        compute.threads.run(rows.div_ceil(ROWS), |item| {
            let (start, end) = (item * ROWS, ((item + 1) * ROWS).min(rows));
            // SAFETY: every item has its own rows.
            let x = unsafe { x.part(start * row, (end - start) * row) };
            for (x, turns) in x.chunks_exact_mut(row).zip(rotations.cosine_sine[start * pairs..].chunks_exact(pairs)) {
                for head in x.chunks_exact_mut(2 * pairs) {
                    match self.layout {
                        RotaryLayout::Interleaved => {
                            for (pair, &(c, s)) in head.as_chunks_mut::<2>().0.iter_mut().zip(turns) {
                                let [a, b] = *pair;
                                *pair = [a * c - b * s * sign, b * c + a * s * sign];
                            }
                        }
                        RotaryLayout::Halves => {
                            let (first, second) = head.split_at_mut(pairs);
                            for ((a, b), &(c, s)) in first.iter_mut().zip(second).zip(turns) {
                                (*a, *b) = (*a * c - *b * s * sign, *b * c + *a * s * sign);
                            }
                        }
                    }
                }
            }
        });
    }
}
