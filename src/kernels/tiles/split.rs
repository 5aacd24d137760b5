//! Splitting f32 values into bf16 parts, in the order the tiles want them.
//!
//! bf16 is the upper half of an f32: 8 bits of the significand. Rounding to it leaves an exact rest of at most 2^-9 of the
//! value, so two parts hold 17 bits and three all 24. A step of 32 summed values becomes 16 words; word t holds value t
//! below and value t + 16 above, for both operands alike, which saves shuffling neighbours together.

use std::arch::x86_64::*;

use super::{PANEL, PARTS, SIDE, STEP, Tile};

/// Values behind a pointer, rows of `columns` values `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) data: *const f32,
    pub(super) stride: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// At most 16 rows, summed along their columns, as rows of A: a tile's row holds the words of one row. Steps lie
/// `2 * parts` tiles apart. Gives whether the parts hold the values whole.
///
/// # Safety
/// AVX-512 with BF16; the block is readable and the tiles of its steps writable.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub(super) unsafe fn split_rows(block: Block, parts: usize, tiles: *mut Tile) -> bool {
    // SAFETY: as the caller vouches.
    unsafe {
        match parts {
            1 => rows_in_parts::<1>(block, tiles),
            2 => rows_in_parts::<2>(block, tiles),
            _ => rows_in_parts::<PARTS>(block, tiles),
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
unsafe fn rows_in_parts<const N: usize>(block: Block, tiles: *mut Tile) -> bool {
    let Block { data, stride, rows, columns } = block;
    let mut rests = _mm512_setzero_si512();
    for step in 0..columns.div_ceil(STEP) {
        let at = step * STEP;
        for r in 0..SIDE {
            // SAFETY: within the block, as the masks see to; the tiles are the caller's.
            unsafe {
                let row = if r < rows { data.add(r * stride + at) } else { data };
                let left = if r < rows { columns - at } else { 0 };
                let (words, rest) =
                    split::<N>(load_part(row, left), load_part(row.wrapping_add(SIDE), left.saturating_sub(SIDE)));
                rests = _mm512_or_si512(rests, rest);
                let to = tiles.add(2 * N * step);
                for (part, words) in words.into_iter().enumerate() {
                    _mm512_store_si512(to.add(part).cast::<__m512i>().add(r), words);
                }
            }
        }
    }
    _mm512_test_epi32_mask(rests, rests) == 0
}

/// As [`split_rows`], as columns of B: a tile's row holds one word of every row.
///
/// # Safety
/// As for [`split_rows`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub(super) unsafe fn split_rows_turned(block: Block, parts: usize, tiles: *mut Tile) {
    // SAFETY: as the caller vouches.
    unsafe {
        split_rows(block, parts, tiles);
        for step in 0..block.columns.div_ceil(STEP) {
            for part in 0..parts {
                turn(tiles.add(2 * parts * step + part));
            }
        }
    }
}

/// One step of at most 32 rows, summed down their columns, as columns of B. Panels of 32 columns lie `panel` tiles apart.
/// Gives whether the parts hold the values whole.
///
/// # Safety
/// As for [`split_rows`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub(super) unsafe fn split_columns(block: Block, parts: usize, tiles: *mut Tile, panel: usize) -> bool {
    // SAFETY: as the caller vouches.
    unsafe {
        match parts {
            1 => columns_in_parts::<1>(block, tiles, panel),
            2 => columns_in_parts::<2>(block, tiles, panel),
            _ => columns_in_parts::<PARTS>(block, tiles, panel),
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
unsafe fn columns_in_parts<const N: usize>(block: Block, tiles: *mut Tile, panel: usize) -> bool {
    let Block { data, stride, rows, columns } = block;
    let mut rests = _mm512_setzero_si512();
    for tile in 0..2 * columns.div_ceil(PANEL) {
        let at = tile * SIDE;
        let left = columns.saturating_sub(at);
        for t in 0..SIDE {
            // SAFETY: within the block, as the masks see to; the tiles are the caller's.
            unsafe {
                let part_of = |r: usize| load_part(data.wrapping_add(r * stride + at), if r < rows { left } else { 0 });
                let (words, rest) = split::<N>(part_of(t), part_of(t + SIDE));
                rests = _mm512_or_si512(rests, rest);
                let to = tiles.add(tile / 2 * panel + tile % 2 * N);
                for (part, words) in words.into_iter().enumerate() {
                    _mm512_store_si512(to.add(part).cast::<__m512i>().add(t), words);
                }
            }
        }
    }
    _mm512_test_epi32_mask(rests, rests) == 0
}

/// Where [`rounded`] leaves what belongs into the lower and upper halves of 16 words.
const PAIRS: [[u16; 2]; SIDE] = {
    let mut pairs = [[0; 2]; SIDE];
    let mut t = 0;
    while t < SIDE {
        pairs[t] = [t as u16, (t + SIDE) as u16];
        t += 1;
    }
    pairs
};

/// The words of the parts of 16 pairs, `low` in the lower halves, `high` in the upper, and the bits of what the parts
/// leave.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn split<const N: usize>(mut low: __m512, mut high: __m512) -> ([__m512i; N], __m512i) {
    // SAFETY: 64 bytes.
    let pairs = unsafe { _mm512_loadu_si512(PAIRS.as_ptr().cast()) };
    let mut words = [_mm512_setzero_si512(); N];
    for word in &mut words {
        *word = _mm512_permutexvar_epi16(pairs, rounded(low, high));
        low = _mm512_sub_ps(low, _mm512_castsi512_ps(_mm512_slli_epi32::<16>(*word)));
        let upper = _mm512_set1_epi32(0xffff_0000_u32 as i32);
        high = _mm512_sub_ps(high, _mm512_castsi512_ps(_mm512_and_si512(*word, upper)));
    }
    (words, _mm512_or_si512(_mm512_castps_si512(low), _mm512_castps_si512(high)))
}

/// The nearest bf16 of each value, ties to even: those of `low`, then those of `high`. Subnormal values become zero, as
/// they are to the tiles, and those above 3.39e38 infinite.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn rounded(low: __m512, high: __m512) -> __m512i {
    // SAFETY: both are 64 bytes without meaning of their own.
    unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) }
}

/// Exchanges rows and columns of a tile.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn turn(tile: *mut Tile) {
    let rows = tile.cast::<__m512i>();
    // SAFETY: a tile has 16 rows.
    unsafe {
        let mut v = [_mm512_setzero_si512(); SIDE];
        for (r, v) in v.iter_mut().enumerate() {
            *v = _mm512_load_si512(rows.add(r));
        }
        // Pairs of rows, then fours: each 128-bit lane ends with one column of four rows.
        let mut fours = [_mm512_setzero_si512(); SIDE];
        for group in 0..4 {
            let r = 4 * group;
            let (a, b) = (_mm512_unpacklo_epi32(v[r], v[r + 1]), _mm512_unpackhi_epi32(v[r], v[r + 1]));
            let (c, d) = (_mm512_unpacklo_epi32(v[r + 2], v[r + 3]), _mm512_unpackhi_epi32(v[r + 2], v[r + 3]));
            fours[r] = _mm512_unpacklo_epi64(a, c);
            fours[r + 1] = _mm512_unpackhi_epi64(a, c);
            fours[r + 2] = _mm512_unpacklo_epi64(b, d);
            fours[r + 3] = _mm512_unpackhi_epi64(b, d);
        }
        // Lane l of fours[4 g + i] is column 4 l + i of rows 4 g to 4 g + 3.
        for i in 0..4 {
            let a = _mm512_shuffle_i32x4::<0x88>(fours[i], fours[4 + i]);
            let b = _mm512_shuffle_i32x4::<0x88>(fours[8 + i], fours[12 + i]);
            let c = _mm512_shuffle_i32x4::<0xdd>(fours[i], fours[4 + i]);
            let d = _mm512_shuffle_i32x4::<0xdd>(fours[8 + i], fours[12 + i]);
            _mm512_store_si512(rows.add(i), _mm512_shuffle_i32x4::<0x88>(a, b));
            _mm512_store_si512(rows.add(4 + i), _mm512_shuffle_i32x4::<0x88>(c, d));
            _mm512_store_si512(rows.add(8 + i), _mm512_shuffle_i32x4::<0xdd>(a, b));
            _mm512_store_si512(rows.add(12 + i), _mm512_shuffle_i32x4::<0xdd>(c, d));
        }
    }
}

/// The first `n` values (at most 16), zeros behind them; reads nothing beyond.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load_part(p: *const f32, n: usize) -> __m512 {
    // SAFETY: the caller vouches for `n` values.
    unsafe { _mm512_maskz_loadu_ps(first_of_sixteen(n), p) }
}

#[inline]
pub(super) fn first_of_sixteen(n: usize) -> __mmask16 {
    ((1u32 << n.min(SIDE)) - 1) as __mmask16
}
