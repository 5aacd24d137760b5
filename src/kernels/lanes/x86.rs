//! Vectors of AVX2 and AVX-512.

use std::arch::x86_64::*;

use super::Lanes;
use crate::kernels::matmul::{Product, dot_rows, panel_columns};

/// Eight values; needs AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Avx2Lanes;

/// Sixteen values; needs AVX-512 F, DQ and VL.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Lanes;

// SAFETY of every block below: the trait's contract, i.e. the features are there and pointers are valid for the count.

impl Lanes for Avx2Lanes {
    const N: usize = 8;
    type V = __m256;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(p: *const f32) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_loadu_ps(p) }
    }

    #[inline(always)]
    unsafe fn load_part(p: *const f32, n: usize) -> __m256 {
        // SAFETY: see above; masked-out values are not read.
        unsafe { _mm256_maskload_ps(p, first_of_eight(n)) }
    }

    #[inline(always)]
    unsafe fn store(p: *mut f32, v: __m256) {
        // SAFETY: see above.
        unsafe { _mm256_storeu_ps(p, v) }
    }

    #[inline(always)]
    unsafe fn store_part(p: *mut f32, n: usize, v: __m256) {
        // SAFETY: see above; masked-out values are not written.
        unsafe { _mm256_maskstore_ps(p, first_of_eight(n), v) }
    }

    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn div(a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_div_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_min_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn round(v: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v) }
    }

    #[inline(always)]
    unsafe fn scale(v: __m256, n: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_mul_ps(v, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        }
    }

    #[inline(always)]
    unsafe fn sum(v: __m256) -> f32 {
        // SAFETY: see above.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    unsafe fn largest(v: __m256) -> f32 {
        // SAFETY: see above.
        unsafe {
            let four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    unsafe fn store_sums(p: *mut f32, v: [__m256; 4], accumulate: bool) {
        // SAFETY: see above; four values are written.
        unsafe {
            let pairs = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
            let mut sums = _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps::<1>(pairs));
            if accumulate {
                sums = _mm_add_ps(sums, _mm_loadu_ps(p));
            }
            _mm_storeu_ps(p, sums);
        }
    }

    #[inline(always)]
    unsafe fn expand_nibbles(bytes: *const u8, scale: f32, offset: f32, out: *mut f32) {
        // SAFETY: see above; 16 bytes are read, 32 values written.
        unsafe {
            let (scale, offset) = (Self::splat(scale), Self::splat(offset));
            let both = _mm_loadu_si128(bytes.cast());
            let low = _mm_set1_epi8(15);
            let halves = [_mm_and_si128(both, low), _mm_and_si128(_mm_srli_epi16::<4>(both), low)];
            for (i, half) in halves.into_iter().enumerate() {
                let first = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(half));
                let second = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128::<8>(half)));
                Self::store(out.add(16 * i), Self::add(Self::mul(first, scale), offset));
                Self::store(out.add(16 * i + 8), Self::add(Self::mul(second, scale), offset));
            }
        }
    }

    #[inline(always)]
    unsafe fn expand_bytes(bytes: *const i8, scale: f32, out: *mut f32) {
        // SAFETY: see above; 32 bytes are read, 32 values written.
        unsafe {
            let scale = Self::splat(scale);
            for i in (0..32).step_by(Self::N) {
                let q = _mm256_cvtepi8_epi32(_mm_loadl_epi64(bytes.add(i).cast()));
                Self::store(out.add(i), Self::mul(_mm256_cvtepi32_ps(q), scale));
            }
        }
    }

    #[inline(always)]
    unsafe fn dot_block(product: Product) {
        // SAFETY: as the caller vouches.
        unsafe { dot_rows::<Self, 3>(product) }
    }

    #[inline(always)]
    unsafe fn panel_block(product: Product) {
        // SAFETY: as the caller vouches.
        unsafe { panel_columns::<Self, 4, 3>(product) }
    }
}

impl Lanes for Avx512Lanes {
    const N: usize = 16;
    type V = __m512;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(p: *const f32) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_loadu_ps(p) }
    }

    #[inline(always)]
    unsafe fn load_part(p: *const f32, n: usize) -> __m512 {
        // SAFETY: see above; masked-out values are not read.
        unsafe { _mm512_maskz_loadu_ps(first_of_sixteen(n), p) }
    }

    #[inline(always)]
    unsafe fn store(p: *mut f32, v: __m512) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(p, v) }
    }

    #[inline(always)]
    unsafe fn store_part(p: *mut f32, n: usize, v: __m512) {
        // SAFETY: see above; masked-out values are not written.
        unsafe { _mm512_mask_storeu_ps(p, first_of_sixteen(n), v) }
    }

    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn round(v: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v) }
    }

    #[inline(always)]
    unsafe fn scale(v: __m512, n: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_scalef_ps(v, n) }
    }

    #[inline(always)]
    unsafe fn sum(v: __m512) -> f32 {
        // SAFETY: see above.
        unsafe { Avx2Lanes::sum(halves_added(v)) }
    }

    #[inline(always)]
    unsafe fn largest(v: __m512) -> f32 {
        // SAFETY: see above.
        unsafe { _mm512_reduce_max_ps(v) }
    }

    #[inline(always)]
    unsafe fn store_sums(p: *mut f32, v: [__m512; 4], accumulate: bool) {
        // SAFETY: see above; four values are written.
        unsafe {
            let v = [halves_added(v[0]), halves_added(v[1]), halves_added(v[2]), halves_added(v[3])];
            Avx2Lanes::store_sums(p, v, accumulate);
        }
    }

    #[inline(always)]
    unsafe fn expand_nibbles(bytes: *const u8, scale: f32, offset: f32, out: *mut f32) {
        // SAFETY: see above; 16 bytes are read, 32 values written.
        unsafe {
            let (scale, offset) = (Self::splat(scale), Self::splat(offset));
            let both = _mm_loadu_si128(bytes.cast());
            let low = _mm_set1_epi8(15);
            let halves = [_mm_and_si128(both, low), _mm_and_si128(_mm_srli_epi16::<4>(both), low)];
            for (i, half) in halves.into_iter().enumerate() {
                let q = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(half));
                Self::store(out.add(16 * i), Self::add(Self::mul(q, scale), offset));
            }
        }
    }

    #[inline(always)]
    unsafe fn expand_bytes(bytes: *const i8, scale: f32, out: *mut f32) {
        // SAFETY: see above; 32 bytes are read, 32 values written.
        unsafe {
            let scale = Self::splat(scale);
            for i in (0..32).step_by(Self::N) {
                let q = _mm512_cvtepi8_epi32(_mm_loadu_si128(bytes.add(i).cast()));
                Self::store(out.add(i), Self::mul(_mm512_cvtepi32_ps(q), scale));
            }
        }
    }

    #[inline(always)]
    unsafe fn dot_block(product: Product) {
        // SAFETY: as the caller vouches.
        unsafe { dot_rows::<Self, 6>(product) }
    }

    #[inline(always)]
    unsafe fn panel_block(product: Product) {
        // SAFETY: as the caller vouches.
        unsafe { panel_columns::<Self, 6, 4>(product) }
    }
}

#[inline(always)]
unsafe fn halves_added(v: __m512) -> __m256 {
    // SAFETY: see above.
    unsafe { _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v)) }
}

#[inline(always)]
fn first_of_sixteen(n: usize) -> __mmask16 {
    ((1u32 << n) - 1) as __mmask16
}

#[inline(always)]
unsafe fn first_of_eight(n: usize) -> __m256i {
    // SAFETY: see above.
    unsafe {
        let index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), index)
    }
}
