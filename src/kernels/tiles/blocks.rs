//! Blocks of 32 stored weights straight into words of parts. A block of 4 bits has 16 different weights at most, so their
//! parts are looked up; its byte t holds weight t below and weight t + 16 above, as word t wants them.

use std::arch::x86_64::*;

use super::split;
use super::weights::Region;
use super::{PARTS, SIDE, STEP, Tile};
use crate::backbone::weights::Format;

/// Whether weights of a format are such blocks.
pub(super) fn are_in(format: Format) -> bool {
    matches!(format, Format::Q4_0 | Format::Q4_1 | Format::Q8_0)
}

/// [`split::split_rows`] of at most 16 rows. Of 4-bit blocks it looks at weights that they could have, not those they have.
///
/// # Safety
/// AVX-512 with BF16; a step's tiles are writable for each block of a row.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub(super) unsafe fn split_rows(region: Region<'_>, parts: usize, tiles: *mut Tile) -> bool {
    // SAFETY: as the caller vouches.
    unsafe {
        match parts {
            1 => rows_in_parts::<1>(region, tiles),
            2 => rows_in_parts::<2>(region, tiles),
            _ => rows_in_parts::<PARTS>(region, tiles),
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
unsafe fn rows_in_parts<const N: usize>(region: Region<'_>, tiles: *mut Tile) -> bool {
    let blocks = Blocks::new(region);
    let mut rests = _mm512_setzero_si512();
    for at in 0..region.columns.1 / STEP {
        for r in 0..SIDE {
            let (words, rest) = words_of::<N>(blocks.format, blocks.get(r, at));
            rests = _mm512_or_si512(rests, rest);
            // SAFETY: the tiles are the caller's.
            unsafe {
                let to = tiles.add(2 * N * at);
                for (part, words) in words.into_iter().enumerate() {
                    _mm512_store_si512(to.add(part).cast::<__m512i>().add(r), words);
                }
            }
        }
    }
    _mm512_test_epi32_mask(rests, rests) == 0
}

/// [`split::split_columns`] of at most 32 rows, as [`split_rows`] looks at them.
///
/// # Safety
/// As for [`split_rows`], for a panel in place of a step.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub(super) unsafe fn split_columns(region: Region<'_>, parts: usize, tiles: *mut Tile, panel: usize) -> bool {
    // SAFETY: as the caller vouches.
    unsafe {
        match parts {
            1 => columns_in_parts::<1>(region, tiles, panel),
            2 => columns_in_parts::<2>(region, tiles, panel),
            _ => columns_in_parts::<PARTS>(region, tiles, panel),
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
unsafe fn columns_in_parts<const N: usize>(region: Region<'_>, tiles: *mut Tile, panel: usize) -> bool {
    let blocks = Blocks::new(region);
    let mut rests = _mm512_setzero_si512();
    let upper = _mm512_set1_epi32(0xffff_0000_u32 as i32);
    for at in 0..region.columns.1 / STEP {
        for t in 0..SIDE {
            let (first, first_rest) = words_of::<N>(blocks.format, blocks.get(t, at));
            let (second, second_rest) = words_of::<N>(blocks.format, blocks.get(t + SIDE, at));
            rests = _mm512_or_si512(rests, _mm512_or_si512(first_rest, second_rest));
            for (part, (first, second)) in first.into_iter().zip(second).enumerate() {
                let below = _mm512_or_si512(_mm512_andnot_si512(upper, first), _mm512_slli_epi32::<16>(second));
                let above = _mm512_or_si512(_mm512_srli_epi32::<16>(first), _mm512_and_si512(second, upper));
                // SAFETY: the tiles are the caller's.
                unsafe {
                    let to = tiles.add(at * panel + part);
                    _mm512_store_si512(to.cast::<__m512i>().add(t), below);
                    _mm512_store_si512(to.add(N).cast::<__m512i>().add(t), above);
                }
            }
        }
    }
    _mm512_test_epi32_mask(rests, rests) == 0
}

/// The stored blocks of a region.
struct Blocks<'a> {
    format: Format,
    /// From the first block on.
    bytes: &'a [u8],
    /// Bytes from one row to the next.
    stride: usize,
    /// Bytes of a block.
    size: usize,
    rows: usize,
}

impl<'a> Blocks<'a> {
    fn new(region: Region<'a>) -> Self {
        let Region { weight, rows: (row, rows), columns: (column, _) } = region;
        let (format, size) = (weight.format(), weight.format().block_bytes());
        let stride = weight.columns() / STEP * size;
        let bytes = weight.bytes();
        Self { format, bytes: &bytes[(row * stride + column / STEP * size).min(bytes.len())..], stride, size, rows }
    }

    /// Block `at` of row `r`, none behind the last row.
    #[inline]
    fn get(&self, r: usize, at: usize) -> Option<&'a [u8]> {
        let first = r * self.stride + at * self.size;
        (r < self.rows).then(|| &self.bytes[first..first + self.size])
    }
}

/// The words of the parts of a block, and the bits of what the parts leave; zeros where there is no block.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
fn words_of<const N: usize>(format: Format, block: Option<&[u8]>) -> ([__m512i; N], __m512i) {
    let Some(bytes) = block else {
        return ([_mm512_setzero_si512(); N], _mm512_setzero_si512());
    };
    let half = |at: usize| _mm512_cvtph_ps(_mm256_set1_epi16(i16::from_le_bytes([bytes[at], bytes[at + 1]])));
    let scale = half(0);
    match format {
        Format::Q8_0 => {
            // SAFETY: 16 bytes, as sliced.
            let sixteen =
                |at: usize| unsafe { _mm512_cvtepi8_epi32(_mm_loadu_si128(bytes[at..at + SIDE].as_ptr().cast())) };
            let weights = |at: usize| _mm512_mul_ps(_mm512_cvtepi32_ps(sixteen(at)), scale);
            split::split(weights(2), weights(2 + SIDE))
        }
        Format::Q4_1 => looked_up(scale, half(2), &bytes[4..]),
        Format::Q4_0 => looked_up(scale, _mm512_mul_ps(scale, _mm512_set1_ps(-8.0)), &bytes[2..]),
        other => unreachable!("{other:?} has no such blocks"),
    }
}

/// The words of scale q + offset for the nibbles q, and what they leave of all 16 such weights.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
fn looked_up<const N: usize>(scale: __m512, offset: __m512, nibbles: &[u8]) -> ([__m512i; N], __m512i) {
    let steps = _mm512_setr_ps(0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0);
    let mut weights = _mm512_add_ps(_mm512_mul_ps(scale, steps), offset);
    // SAFETY: 16 bytes, as sliced.
    let nibbles = _mm512_cvtepu8_epi32(unsafe { _mm_loadu_si128(nibbles[..SIDE].as_ptr().cast()) });
    // Words are looked up by their five lowest bits: the lower nibble and one bit of the upper, for which the table is
    // there twice, or the upper nibble.
    let places = _mm512_or_si512(nibbles, _mm512_slli_epi32::<12>(nibbles));
    let mut words = [_mm512_setzero_si512(); N];
    for words in &mut words {
        let table = split::rounded(weights, weights);
        *words = _mm512_permutexvar_epi16(places, table);
        let upper = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(table)));
        weights = _mm512_sub_ps(weights, _mm512_castsi512_ps(upper));
    }
    (words, _mm512_castps_si512(weights))
}
