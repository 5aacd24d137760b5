//! The products of [`crate::kernels::linear`] on tiles: the same items by output, weights split as they are read.

use super::registers::Registers;
use super::results::{Results, Target};
use super::scratch::{ACTIVATIONS, ITEM, with_tiles};
use super::split::{self, Block};
use super::weights::{Region, most_parts};
use super::{Operand, PANEL, SIDE, STEP, Tile};
use crate::backbone::weights::FrozenMatrix;
use crate::kernels::Compute;
use crate::kernels::linear::Output;
use crate::kernels::shared::Shared;

/// How many outputs or inputs an item has and for how many steps it holds split weights at a time: whole panels and
/// stored blocks of `block` weights. Results do not depend on it.
///
/// With few rows the weights are split for little work, so they have to stay in the first cache. With many, results would
/// be read and written too often; then weights and results stay in the second.
fn item_shape(m: usize, block: usize) -> (usize, usize) {
    let (width, steps) = if m <= 2 * PANEL { (PANEL, 4) } else { (3 * PANEL, 24) };
    (width.max(block), steps.max(block / STEP))
}

/// See [`crate::kernels::linear::forward`].
pub(in crate::kernels) fn forward(compute: &Compute, x: &[f32], m: usize, outputs: &mut [Output<'_>]) {
    let Some(k) = outputs.first().map(|output| output.weight.columns()) else { return };
    assert!(outputs.iter().all(|output| output.weight.columns() == k));
    let (steps, x_panels) = (k.div_ceil(STEP), m.div_ceil(PANEL));
    let block = outputs.iter().map(|output| output.weight.format().block_len()).fold(1, usize::max);
    let (width, chunk_steps) = item_shape(m, block);
    let mut items = Vec::new();
    let mut targets = Vec::new();
    for (i, output) in outputs.iter_mut().enumerate() {
        items.extend((0..output.weight.rows()).step_by(width).map(|start| (i, start)));
        targets.push((output.weight, Shared::new(output.y), output.accumulate));
    }
    let x_parts = most_parts(compute);
    with_tiles(&ACTIVATIONS, x_panels * 2 * steps * x_parts, |activations| {
        let x_tiles = SharedTiles(activations.as_mut_ptr());
        compute.threads.run(2 * x_panels, |tile| {
            // SAFETY: `isa` was checked; the rows are those of x, the tiles this item's own.
            unsafe { split::split_rows_turned(rows_of(x, m, k, tile), x_parts, x_tiles.of(tile, steps, x_parts)) }
        });
        compute.threads.run(items.len(), |item| {
            let (i, start) = items[item];
            let (weight, y, accumulate) = &targets[i];
            let n = weight.rows();
            let count = width.min(n - start);
            let panels = count.div_ceil(PANEL);
            let panel = chunk_steps * 2 * x_parts;
            // Blocks of results are kept until the last chunk is done; where there is one chunk only, until they are written.
            let kept = if steps <= chunk_steps { 2 } else { panels * x_panels };
            with_tiles(&ITEM, panels * panel + 4 * kept, |scratch| {
                let (w_tiles, c_tiles) = scratch.split_at_mut(panels * panel);
                let (w_tiles, c_tiles) = (w_tiles.as_mut_ptr(), c_tiles.as_mut_ptr());
                // SAFETY: `isa` was checked; all offsets are within what was taken above, no other item writes
                // columns start..start + count of y, and a block is written before its tiles are used again.
                unsafe {
                    let registers = Registers::configure(compute.isa);
                    let mut results = Results::new(true);
                    for first in (0..steps).step_by(chunk_steps) {
                        let chunk = chunk_steps.min(steps - first);
                        let skip = first * STEP;
                        let region =
                            Region { weight, rows: (start, count), columns: (skip, (chunk * STEP).min(k - skip)) };
                        let parts = region.split_rows(compute, w_tiles, panel);
                        let last = first + chunk == steps;
                        for j in 0..x_panels {
                            let b = Operand { tiles: x_tiles.at((j * steps + first) * 2 * x_parts), parts: x_parts };
                            for i in 0..panels {
                                let a = Operand { tiles: w_tiles.add(i * panel), parts };
                                let c = c_tiles.add(4 * ((j * panels + i) % kept));
                                let target = Target {
                                    data: y.at(j * PANEL * n + start + i * PANEL),
                                    stride: n,
                                    rows: PANEL.min(m - j * PANEL),
                                    columns: PANEL.min(count - i * PANEL),
                                    accumulate: *accumulate,
                                };
                                if last {
                                    target.prefetch();
                                }
                                registers.multiply(a, b, chunk, c, first > 0);
                                if last {
                                    results.take(c, target);
                                }
                            }
                        }
                    }
                    results.finish();
                }
            });
        });
    });
}

/// See [`crate::kernels::linear::backward`].
pub(in crate::kernels) fn backward(
    compute: &Compute,
    m: usize,
    inputs: &[(&FrozenMatrix, &[f32])],
    dx: &mut [f32],
    accumulate: bool,
) {
    let k = inputs[0].0.columns();
    let block = inputs.iter().map(|(weight, _)| weight.format().block_len()).fold(1, usize::max);
    let (width, chunk_steps) = item_shape(m, block);
    let y_panels = m.div_ceil(PANEL);
    let dx = Shared::new(dx);
    // Where the tiles of each input's dy start.
    let y_parts = most_parts(compute);
    let mut places = Vec::new();
    let (mut total, mut chunks) = (0, 0);
    for (weight, _) in inputs {
        let steps = weight.rows().div_ceil(STEP);
        places.push(total);
        total += y_panels * 2 * steps * y_parts;
        chunks += steps.div_ceil(chunk_steps);
    }
    with_tiles(&ACTIVATIONS, total, |activations| {
        let y_tiles = SharedTiles(activations.as_mut_ptr());
        compute.threads.run(inputs.len() * 2 * y_panels, |item| {
            let (input, tile) = (item / (2 * y_panels), item % (2 * y_panels));
            let (weight, dy) = inputs[input];
            let n = weight.rows();
            // SAFETY: `isa` was checked; the rows are those of dy, the tiles this item's own.
            unsafe {
                let to = y_tiles.from(places[input]).of(tile, n.div_ceil(STEP), y_parts);
                split::split_rows(rows_of(dy, m, n, tile), y_parts, to);
            }
        });
        compute.threads.run(k.div_ceil(width), |item| {
            let start = item * width;
            let count = width.min(k - start);
            let panels = count.div_ceil(PANEL);
            let panel = chunk_steps * 2 * y_parts;
            // As forward.
            let kept = if chunks == 1 { 2 } else { panels * y_panels };
            with_tiles(&ITEM, panels * panel + 4 * kept, |scratch| {
                let (w_tiles, c_tiles) = scratch.split_at_mut(panels * panel);
                let (w_tiles, c_tiles) = (w_tiles.as_mut_ptr(), c_tiles.as_mut_ptr());
                // SAFETY: `isa` was checked; all offsets are within what was taken above, no other item writes
                // columns start..start + count of dx, and a block is written before its tiles are used again.
                unsafe {
                    let registers = Registers::configure(compute.isa);
                    let mut results = Results::new(false);
                    for (input, (weight, _)) in inputs.iter().enumerate() {
                        let n = weight.rows();
                        let steps = n.div_ceil(STEP);
                        for first in (0..steps).step_by(chunk_steps) {
                            let chunk = chunk_steps.min(steps - first);
                            let skip = first * STEP;
                            let region =
                                Region { weight, rows: (skip, (chunk * STEP).min(n - skip)), columns: (start, count) };
                            let parts = region.split_columns(compute, w_tiles, panel);
                            let last = input + 1 == inputs.len() && first + chunk == steps;
                            for i in 0..y_panels {
                                let tiles = y_tiles.at(places[input] + (i * steps + first) * 2 * y_parts);
                                for j in 0..panels {
                                    let a = Operand { tiles, parts: y_parts };
                                    let b = Operand { tiles: w_tiles.add(j * panel), parts };
                                    let c = c_tiles.add(4 * ((i * panels + j) % kept));
                                    let target = Target {
                                        data: dx.at(i * PANEL * k + start + j * PANEL),
                                        stride: k,
                                        rows: PANEL.min(m - i * PANEL),
                                        columns: PANEL.min(count - j * PANEL),
                                        accumulate,
                                    };
                                    if last {
                                        target.prefetch();
                                    }
                                    registers.multiply(a, b, chunk, c, input > 0 || first > 0);
                                    if last {
                                        results.take(c, target);
                                    }
                                }
                            }
                        }
                    }
                    results.finish();
                }
            });
        });
    });
}

/// Rows 16 `tile` to 16 `tile` + 15 of `values` (m x columns), as far as there are any.
fn rows_of(values: &[f32], m: usize, columns: usize, tile: usize) -> Block {
    let first = (tile * SIDE).min(m);
    let rows = SIDE.min(m - first);
    Block { data: values[first * columns..(first + rows) * columns].as_ptr(), stride: columns, rows, columns }
}

/// Tiles that items write disjoint parts of.
#[derive(Clone, Copy)]
struct SharedTiles(*mut Tile);

// SAFETY: only a pointer; whoever writes through it vouches for disjointness.
unsafe impl Send for SharedTiles {}
// SAFETY: as above.
unsafe impl Sync for SharedTiles {}

impl SharedTiles {
    /// # Safety
    /// `offset` is within the tiles.
    unsafe fn at(&self, offset: usize) -> *mut Tile {
        // SAFETY: as the caller vouches.
        unsafe { self.0.add(offset) }
    }

    /// # Safety
    /// As for [`SharedTiles::at`].
    unsafe fn from(&self, offset: usize) -> Self {
        // SAFETY: as the caller vouches.
        Self(unsafe { self.at(offset) })
    }

    /// The first tile of 16 rows, number `tile`, of activations with `steps` steps and `parts` parts.
    ///
    /// # Safety
    /// As for [`SharedTiles::at`].
    unsafe fn of(&self, tile: usize, steps: usize, parts: usize) -> *mut Tile {
        // SAFETY: as the caller vouches.
        unsafe { self.at((tile / 2 * steps * 2 + tile % 2) * parts) }
    }
}
