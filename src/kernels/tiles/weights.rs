//! Splitting frozen weights, as they are stored, into as few parts as hold them.

use super::split::{self, Block};
use super::{PANEL, PARTS, SIDE, STEP, Tile, blocks};
use crate::backbone::weights::{Format, FrozenMatrix};
use crate::kernels::Compute;
use crate::kernels::linear::expand;
use crate::kernels::shared::with_scratch;

/// bf16 parts that stand for an f32 value.
pub(super) fn most_parts(compute: &Compute) -> usize {
    if compute.isa.is_rounded() { 1 } else { PARTS }
}

/// Rows and columns of a matrix: the first, and how many. Columns are whole blocks of its format.
#[derive(Clone, Copy)]
pub(super) struct Region<'a> {
    pub(super) weight: &'a FrozenMatrix,
    pub(super) rows: (usize, usize),
    pub(super) columns: (usize, usize),
}

impl Region<'_> {
    /// See [`split::split_rows`]; panels of 32 rows lie `panel` tiles apart. Gives how many parts there are of each weight.
    ///
    /// # Safety
    /// As for [`split::split_rows`], with room for all parts.
    pub(super) unsafe fn split_rows(self, compute: &Compute, tiles: *mut Tile, panel: usize) -> usize {
        let (row, rows) = self.rows;
        self.in_few_parts(compute, 2 * rows.div_ceil(PANEL), |tile, parts| {
            let skip = (tile * SIDE).min(rows);
            let region = Region { rows: (row + skip, SIDE.min(rows - skip)), ..self };
            // SAFETY: as the caller vouches.
            unsafe {
                let to = tiles.add(tile / 2 * panel + tile % 2 * parts);
                if blocks::are_in(self.weight.format()) {
                    blocks::split_rows(region, parts, to)
                } else {
                    region.expanded(compute, |block| split::split_rows(block, parts, to))
                }
            }
        })
    }

    /// See [`split::split_columns`], for any number of steps of rows. Gives how many parts there are of each weight.
    ///
    /// # Safety
    /// As for [`split::split_columns`], with room for all parts.
    pub(super) unsafe fn split_columns(self, compute: &Compute, tiles: *mut Tile, panel: usize) -> usize {
        let (row, rows) = self.rows;
        self.in_few_parts(compute, rows.div_ceil(STEP), |step, parts| {
            let skip = step * STEP;
            let region = Region { rows: (row + skip, STEP.min(rows - skip)), ..self };
            // SAFETY: as the caller vouches.
            unsafe {
                let to = tiles.add(step * 2 * parts);
                if blocks::are_in(self.weight.format()) {
                    blocks::split_columns(region, parts, to, panel)
                } else {
                    region.expanded(compute, |block| split::split_columns(block, parts, to, panel))
                }
            }
        })
    }

    /// Calls `split` with every piece and the number of parts that mostly hold a weight of the format. At the first piece that
    /// they do not hold, all are split anew into as many parts as there are.
    fn in_few_parts(self, compute: &Compute, pieces: usize, split: impl Fn(usize, usize) -> bool) -> usize {
        let most = most_parts(compute);
        let few = match self.weight.format() {
            Format::BF16 => 1,
            // 11 bits; 11 times 4, mostly with a minimum of no finer bits; and f32 that was expanded from such.
            Format::F16 | Format::Q4_0 | Format::Q4_1 | Format::F32 => 2,
            Format::Q8_0 | Format::Q4K | Format::Q6K => PARTS,
        };
        if few < most && (0..pieces).all(|piece| split(piece, few)) {
            return few;
        }
        for piece in 0..pieces {
            split(piece, most);
        }
        most
    }

    /// Calls `work` with the weights as f32.
    fn expanded<R>(&self, compute: &Compute, work: impl FnOnce(Block) -> R) -> R {
        let ((row, rows), (column, columns)) = (self.rows, self.columns);
        match self.weight.as_f32() {
            Some(values) => {
                let stride = self.weight.columns();
                let data = values[(row * stride + column).min(values.len())..].as_ptr();
                work(Block { data, stride, rows, columns })
            }
            None => with_scratch(rows * columns, |scratch| {
                expand(compute.isa, self.weight, row, column, columns, scratch);
                work(Block { data: scratch.as_ptr(), stride: columns, rows, columns })
            }),
        }
    }
}
