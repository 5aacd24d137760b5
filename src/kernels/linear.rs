//! Products with frozen weights, forward and to the input; weights have no gradient.
//!
//! Stored weights are expanded a tile at a time into scratch memory of the thread; weights held as f32 are used in place.

use super::isa::{Isa, Kernel, dispatch};
use super::lanes::Lanes;
use super::matmul::{self, Product, View};
use super::shared::{Shared, with_scratch};
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::tiles;
use super::{Compute, dequantize};
use crate::backbone::weights::FrozenMatrix;

/// Outputs of one forward item: a tile of 48 x 1536 f32 fills about a quarter of a second-level cache.
const OUTPUTS: usize = 48;
/// Input columns of one backward item; a whole number of 32-blocks and of vectors. 576 and 1536 columns make an even
/// number of items.
const INPUTS: usize = 96;
/// Summed rows that a backward item expands at a time: with 96 input columns 384 KiB, which a second-level cache keeps
/// while all rows of dy pass over them.
const ROWS: usize = 1024;

/// One product of a [`forward`] call.
pub(crate) struct Output<'a> {
    /// The weights, N x K.
    pub weight: &'a FrozenMatrix,
    /// The result, m x N.
    pub y: &'a mut [f32],
    /// Add to `y` instead of overwriting it.
    pub accumulate: bool,
}

/// y (m x N) = x (m x K) W^T for every product of `outputs`, which share x.
pub(crate) fn forward(compute: &Compute, x: &[f32], m: usize, outputs: &mut [Output<'_>]) {
    for Output { weight, y, .. } in &*outputs {
        assert!(x.len() >= m * weight.columns() && y.len() >= m * weight.rows());
    }
    if m == 0 {
        return;
    }
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if compute.isa.uses_tiles() {
        return tiles::linear::forward(compute, x, m, outputs);
    }
    let mut items = Vec::new();
    let mut targets = Vec::new();
    for (i, output) in outputs.iter_mut().enumerate() {
        items.extend((0..output.weight.rows()).step_by(OUTPUTS).map(|start| (i, start)));
        targets.push((output.weight, Shared::new(output.y), output.accumulate));
    }
    compute.threads.run(items.len(), |item| {
        let (i, start) = items[item];
        let (weight, y, accumulate) = &targets[i];
        let (n, k) = (weight.rows(), weight.columns());
        let count = OUTPUTS.min(n - start);
        let scratch = if weight.as_f32().is_some() { 0 } else { count * k };
        with_scratch(scratch, |scratch| {
            let rows = match weight.as_f32() {
                Some(values) => &values[start * k..],
                None => {
                    expand(compute.isa, weight, start, 0, k, scratch);
                    &*scratch
                }
            };
            let a = View { data: x.as_ptr(), row: k, column: 1 };
            let b = View { data: rows.as_ptr(), row: k, column: 1 };
            let product = Product { shape: (m, count, k), a, b, c: y.at(start), ldc: n, accumulate: *accumulate };
            // SAFETY: `isa` was checked; x has m x k, rows count x k and y m x n values; no other item writes columns
            // start..start + count of y.
            unsafe { matmul::dot(compute.isa, product) }
        });
    });
}

/// dx (m x K) = sum over `inputs` of dy (m x N) W, or `+=` with `accumulate`; all weights have the same K.
pub(crate) fn backward(
    compute: &Compute,
    m: usize,
    inputs: &[(&FrozenMatrix, &[f32])],
    dx: &mut [f32],
    accumulate: bool,
) {
    let k = inputs[0].0.columns();
    let width = inputs.iter().map(|(w, _)| w.format().block_len()).fold(INPUTS, usize::max);
    assert!(dx.len() >= m * k && inputs.iter().all(|(w, dy)| w.columns() == k && dy.len() >= m * w.rows()));
    if m == 0 {
        return;
    }
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if compute.isa.uses_tiles() {
        return tiles::linear::backward(compute, m, inputs, dx, accumulate);
    }
    let dx = Shared::new(dx);
    compute.threads.run(k.div_ceil(width), |item| {
        let start = item * width;
        let count = width.min(k - start);
        let most = inputs.iter().map(|(weight, _)| weight.rows()).fold(0, usize::max).min(ROWS);
        with_scratch(most * count, |scratch| {
            let mut accumulate = accumulate;
            for (weight, dy) in inputs {
                let n = weight.rows();
                for first in (0..n).step_by(ROWS) {
                    let rows = ROWS.min(n - first);
                    let scratch = &mut scratch[..rows * count];
                    match weight.as_f32() {
                        Some(values) => scratch
                            .chunks_exact_mut(count)
                            .zip(values[first * k..].chunks_exact(k))
                            .for_each(|(to, from)| to.copy_from_slice(&from[start..start + count])),
                        None => expand(compute.isa, weight, first, start, count, scratch),
                    }
                    let a = View { data: dy[first..].as_ptr(), row: n, column: 1 };
                    let b = View { data: scratch.as_ptr(), row: count, column: 1 };
                    let product = Product { shape: (m, count, rows), a, b, c: dx.at(start), ldc: k, accumulate };
                    // SAFETY: `isa` was checked; dy has m x n, the scratch rows x count and dx m x k values; no other item
                    // writes columns start..start + count of dx.
                    unsafe { matmul::panel(compute.isa, product) }
                    accumulate = true;
                }
            }
        });
    });
}

/// Columns `skip..skip + width` of the rows of `weight` from `first` on, row after row until `out` is full.
pub(super) fn expand(isa: Isa, weight: &FrozenMatrix, first: usize, skip: usize, width: usize, out: &mut [f32]) {
    // SAFETY: `isa` was checked when the model was loaded.
    unsafe { dispatch(isa, Expand { weight, first, skip, width, out }) }
}

struct Expand<'a> {
    weight: &'a FrozenMatrix,
    first: usize,
    skip: usize,
    width: usize,
    out: &'a mut [f32],
}

impl Kernel for Expand<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let format = self.weight.format();
        let skip = self.skip / format.block_len() * format.block_bytes();
        for (i, row) in self.out.chunks_exact_mut(self.width).enumerate() {
            // SAFETY: the features of L, as for every kernel.
            unsafe { dequantize::dequantize_with::<L>(format, &self.weight.row_bytes(self.first + i)[skip..], row) };
        }
    }
}
