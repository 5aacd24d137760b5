//! Taking results out of tiles.

use std::arch::x86_64::*;

use super::split;
use super::{SIDE, Tile};

/// Where a block of at most 32 x 32 results goes.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) data: *mut f32,
    pub(super) stride: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Add to what is there instead of overwriting it.
    pub(super) accumulate: bool,
}

impl Target {
    /// Has the lines of the block brought near, to be written soon.
    pub(super) fn prefetch(&self) {
        for r in 0..self.rows {
            for at in (0..self.columns).step_by(SIDE) {
                // SAFETY: a hint; nothing is read.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(self.data.wrapping_add(r * self.stride + at).cast()) }
            }
        }
    }
}

/// The blocks of an item, written one product late: the tiles work on the next one meanwhile.
pub(super) struct Results {
    /// Rows of the tiles are columns of the target.
    turned: bool,
    waiting: Option<(*mut Tile, Target)>,
}

impl Results {
    pub(super) fn new(turned: bool) -> Self {
        Self { turned, waiting: None }
    }

    /// Takes the 2 x 2 tiles at `c`, and writes those taken before.
    ///
    /// # Safety
    /// AVX-512; the target is writable, the four tiles are valid, and nobody else touches either until the next call or
    /// [`Results::finish`] has returned.
    pub(super) unsafe fn take(&mut self, c: *mut Tile, target: Target) {
        let before = self.waiting.replace((c, target));
        // SAFETY: as the caller vouched for those before.
        unsafe { self.write(before) }
    }

    /// Writes the last tiles taken.
    ///
    /// # Safety
    /// As for [`Results::take`].
    pub(super) unsafe fn finish(mut self) {
        let last = self.waiting.take();
        // SAFETY: as the caller vouched for them.
        unsafe { self.write(last) }
    }

    unsafe fn write(&self, block: Option<(*mut Tile, Target)>) {
        let Some((c, target)) = block else { return };
        // SAFETY: as for `take`.
        unsafe { if self.turned { write_turned(c, target) } else { write(c, target) } }
    }
}

/// Writes 2 x 2 tiles of results, at most 32 x 32 values.
///
/// # Safety
/// AVX-512; the target is writable.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn write(c: *const Tile, target: Target) {
    let Target { data, stride, rows, columns, accumulate } = target;
    for tile in 0..4 {
        let (first, at) = (tile / 2 * SIDE, tile % 2 * SIDE);
        let mask = split::first_of_sixteen(columns.saturating_sub(at));
        for r in 0..SIDE.min(rows.saturating_sub(first)) {
            // SAFETY: rows and masked columns are within the target.
            unsafe {
                let mut v = _mm512_load_ps(c.add(tile).cast::<f32>().add(r * SIDE));
                let to = data.wrapping_add((first + r) * stride + at);
                if accumulate {
                    v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, to));
                }
                _mm512_mask_storeu_ps(to, mask, v);
            }
        }
    }
}

/// As [`write`], rows and columns exchanged; `c` is turned on the way.
///
/// # Safety
/// As for [`write`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn write_turned(c: *mut Tile, target: Target) {
    // SAFETY: as the caller vouches.
    unsafe {
        for tile in 0..4 {
            split::turn(c.add(tile));
        }
        c.add(1).swap(c.add(2));
        write(c, target);
    }
}
