//! The product of two panels in AVX-512, bit for bit what `tdpbf16ps` gives: for processors without tiles, at the speed of f32.
//!
//! The instruction sums the 16 lower halves of a row's and a column's words in one chain of fused steps, the upper halves in
//! another, and adds the sum of both to C (Intel's Software Developer's Manual, TDPBF16PS). It takes sums below 2^-126 for
//! zero, which is not repeated here.

use std::arch::x86_64::*;

use super::{SIDE, Tile};

/// Rows of A that are multiplied at a time; with two tiles of B and two chains each makes 16 sums in registers.
const ROWS: usize = 4;

/// Two tiles as f32: for each of their rows the lower halves of its words, then the upper.
#[repr(C, align(64))]
struct Widened([[[f32; SIDE]; 2]; 2 * SIDE]);

impl Widened {
    fn zeros() -> Self {
        Self([[[0.0; SIDE]; 2]; 2 * SIDE])
    }
}

/// C (2 x 2 tiles) = or, with `accumulate`, += A B over `steps` steps of values in one part, as
/// [`super::registers::Registers::multiply`].
///
/// # Safety
/// AVX-512; `steps` steps of both operands and four tiles of C are valid.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn multiply(a: *const Tile, b: *const Tile, steps: usize, c: *mut Tile, accumulate: bool) {
    // SAFETY: as the caller vouches.
    unsafe {
        if !accumulate {
            std::slice::from_raw_parts_mut(c, 4).fill(Tile([0; SIDE * SIDE]));
        }
        let (mut rows, mut columns) = (Widened::zeros(), Widened::zeros());
        for step in 0..steps {
            widen(a.add(2 * step), &mut rows);
            widen(b.add(2 * step), &mut columns);
            add_product(&rows, &columns, c);
        }
    }
}

/// C += the product of two tiles of A, 32 rows, and two of B, 32 columns.
#[target_feature(enable = "avx512f")]
unsafe fn add_product(a: &Widened, b: &Widened, c: *mut Tile) {
    // SAFETY: rows and words are counted within a tile, and the caller vouches for C.
    unsafe {
        for first in (0..2 * SIDE).step_by(ROWS) {
            let mut sums = [[[_mm512_setzero_ps(); 2]; 2]; ROWS];
            for word in 0..SIDE {
                for half in 0..2 {
                    let columns = [word, SIDE + word].map(|row| _mm512_load_ps(b.0[row][half].as_ptr()));
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let factor = _mm512_set1_ps(a.0[first + r][half][word]);
                        for (sums, columns) in sums.iter_mut().zip(columns) {
                            sums[half] = _mm512_fmadd_ps(factor, columns, sums[half]);
                        }
                    }
                }
            }
            for (r, sums) in sums.into_iter().enumerate() {
                let (row, at) = ((first + r) / SIDE, (first + r) % SIDE);
                for (column, [lower, upper]) in sums.into_iter().enumerate() {
                    let to = c.add(2 * row + column).cast::<f32>().add(at * SIDE);
                    _mm512_store_ps(to, _mm512_add_ps(_mm512_load_ps(to), _mm512_add_ps(lower, upper)));
                }
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn widen(tiles: *const Tile, to: &mut Widened) {
    let upper = _mm512_set1_epi32(0xffff_0000_u32 as i32);
    for (row, halves) in to.0.iter_mut().enumerate() {
        // SAFETY: 16 words of the two tiles, and as many values of each half.
        unsafe {
            let words = _mm512_load_si512(tiles.cast::<__m512i>().add(row));
            _mm512_store_si512(halves[0].as_mut_ptr().cast(), _mm512_slli_epi32::<16>(words));
            _mm512_store_si512(halves[1].as_mut_ptr().cast(), _mm512_and_si512(words, upper));
        }
    }
}
