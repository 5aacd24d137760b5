//! Vectors of f32 behind one face, so that every kernel is written once.

pub(crate) mod portable;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

#[cfg(doc)]
use super::matmul;
use super::matmul::Product;

/// A vector of `N` f32 values and what the kernels do with it.
///
/// Every method is unsafe for one reason: the processor must have the features of the implementation
/// (see [`super::isa::dispatch`]); loads and stores also need valid pointers, of any alignment.
pub(crate) trait Lanes: Copy + 'static {
    /// Values in a vector.
    const N: usize;
    /// The vector.
    type V: Copy;

    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(p: *const f32) -> Self::V;
    /// The first `n <= N` values, zeros behind them; reads nothing beyond.
    unsafe fn load_part(p: *const f32, n: usize) -> Self::V;
    unsafe fn store(p: *mut f32, v: Self::V);
    /// Writes the first `n <= N` values only.
    unsafe fn store_part(p: *mut f32, n: usize, v: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// a * b + c
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Rounds to the nearest whole number.
    unsafe fn round(v: Self::V) -> Self::V;
    /// v * 2^n for whole numbers n in -126..=127.
    unsafe fn scale(v: Self::V, n: Self::V) -> Self::V;
    /// The sum of all values.
    unsafe fn sum(v: Self::V) -> f32;
    /// The largest value.
    unsafe fn largest(v: Self::V) -> f32;
    /// The sums of four vectors, written to (or, with `accumulate`, added to) `p[0..4]`.
    unsafe fn store_sums(p: *mut f32, v: [Self::V; 4], accumulate: bool);

    /// 32 values `scale * q + offset`: the low nibbles of 16 bytes, then their high nibbles.
    unsafe fn expand_nibbles(bytes: *const u8, scale: f32, offset: f32, out: *mut f32);
    /// 32 values `scale * q` of signed bytes.
    unsafe fn expand_bytes(bytes: *const i8, scale: f32, out: *mut f32);
    /// [`matmul::dot`] with the tile that suits the registers.
    unsafe fn dot_block(product: Product);
    /// [`matmul::panel`] with the tile that suits the registers.
    unsafe fn panel_block(product: Product);

    /// e^v, within 2 units in the last place for -87 <= v <= 88; clamped outside.
    #[inline(always)]
    unsafe fn exp(v: Self::V) -> Self::V {
        // SAFETY: only calls methods under the same requirement.
        unsafe {
            let v = Self::max(Self::min(v, Self::splat(88.0)), Self::splat(-87.0));
            let n = Self::round(Self::mul(v, Self::splat(std::f32::consts::LOG2_E)));
            let r = Self::fma(n, Self::splat(-0.693_359_4), v);
            let r = Self::fma(n, Self::splat(2.121_944_4e-4), r);
            let mut p = Self::splat(1.987_569_2e-4);
            for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5] {
                p = Self::fma(p, r, Self::splat(c));
            }
            let p = Self::fma(Self::mul(r, r), p, Self::add(r, Self::splat(1.0)));
            Self::scale(p, n)
        }
    }
}
