//! Vectors in plain Rust; the compiler maps them to what the target's baseline has (SSE2, NEON).

use super::Lanes;
use crate::kernels::matmul::{Product, dot_rows, panel_columns};

/// Eight values in an array.
#[derive(Clone, Copy)]
pub(crate) struct PortableLanes;

type V = [f32; 8];

impl Lanes for PortableLanes {
    const N: usize = 8;
    type V = V;

    #[inline(always)]
    unsafe fn splat(x: f32) -> V {
        [x; 8]
    }

    #[inline(always)]
    unsafe fn load(p: *const f32) -> V {
        // SAFETY: the caller gives eight readable values.
        unsafe { p.cast::<V>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_part(p: *const f32, n: usize) -> V {
        let mut v = [0.0; 8];
        for (i, x) in v.iter_mut().enumerate().take(n) {
            // SAFETY: the caller gives n readable values.
            *x = unsafe { p.add(i).read() };
        }
        v
    }

    #[inline(always)]
    unsafe fn store(p: *mut f32, v: V) {
        // SAFETY: the caller gives eight writable values.
        unsafe { p.cast::<V>().write_unaligned(v) }
    }

    #[inline(always)]
    unsafe fn store_part(p: *mut f32, n: usize, v: V) {
        for (i, x) in v.iter().enumerate().take(n) {
            // SAFETY: the caller gives n writable values.
            unsafe { p.add(i).write(*x) };
        }
    }

    #[inline(always)]
    unsafe fn add(a: V, b: V) -> V {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    unsafe fn sub(a: V, b: V) -> V {
        std::array::from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    unsafe fn mul(a: V, b: V) -> V {
        std::array::from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    unsafe fn div(a: V, b: V) -> V {
        std::array::from_fn(|i| a[i] / b[i])
    }

    #[inline(always)]
    unsafe fn max(a: V, b: V) -> V {
        std::array::from_fn(|i| a[i].max(b[i]))
    }

    #[inline(always)]
    unsafe fn min(a: V, b: V) -> V {
        std::array::from_fn(|i| a[i].min(b[i]))
    }

    #[inline(always)]
    unsafe fn fma(a: V, b: V, c: V) -> V {
        if cfg!(target_feature = "fma") || cfg!(target_arch = "aarch64") {
            std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
        } else {
            std::array::from_fn(|i| a[i] * b[i] + c[i])
        }
    }

    #[inline(always)]
    unsafe fn round(v: V) -> V {
        // Adding and taking away 1.5 * 2^23 rounds to even; valid for |v| < 2^22.
        std::array::from_fn(|i| (v[i] + 12_582_912.0) - 12_582_912.0)
    }

    #[inline(always)]
    unsafe fn scale(v: V, n: V) -> V {
        std::array::from_fn(|i| v[i] * f32::from_bits(((n[i] as i32 + 127) as u32) << 23))
    }

    #[inline(always)]
    unsafe fn sum(v: V) -> f32 {
        ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
    }

    #[inline(always)]
    unsafe fn largest(v: V) -> f32 {
        v.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }

    #[inline(always)]
    unsafe fn store_sums(p: *mut f32, v: [V; 4], accumulate: bool) {
        for (i, v) in v.into_iter().enumerate() {
            // SAFETY: the caller gives four writable values.
            unsafe {
                let sum = Self::sum(v);
                let at = p.add(i);
                at.write(if accumulate { at.read() + sum } else { sum });
            }
        }
    }

    #[inline(always)]
    unsafe fn expand_nibbles(bytes: *const u8, scale: f32, offset: f32, out: *mut f32) {
        // SAFETY: the caller gives 16 readable bytes and 32 writable values.
        let (bytes, out) = unsafe { (bytes.cast::<[u8; 16]>().read(), &mut *out.cast::<[f32; 32]>()) };
        for (i, q) in bytes.into_iter().enumerate() {
            out[i] = scale * f32::from(q & 15) + offset;
            out[i + 16] = scale * f32::from(q >> 4) + offset;
        }
    }

    #[inline(always)]
    unsafe fn expand_bytes(bytes: *const i8, scale: f32, out: *mut f32) {
        // SAFETY: the caller gives 32 readable bytes and 32 writable values.
        let (bytes, out) = unsafe { (bytes.cast::<[i8; 32]>().read(), &mut *out.cast::<[f32; 32]>()) };
        for (out, q) in out.iter_mut().zip(bytes) {
            *out = scale * f32::from(q);
        }
    }

    #[inline(always)]
    unsafe fn dot_block(product: Product) {
        // SAFETY: as the caller vouches.
        unsafe { dot_rows::<Self, 2>(product) }
    }

    #[inline(always)]
    unsafe fn panel_block(product: Product) {
        // SAFETY: as the caller vouches.
        unsafe { panel_columns::<Self, 3, 2>(product) }
    }
}
