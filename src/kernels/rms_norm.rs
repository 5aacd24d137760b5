//! RMS norm: y = w x / sqrt(mean(x^2) + epsilon), row by row.

use super::Compute;
use super::isa::{Kernel, dispatch};
use super::lanes::Lanes;
use super::shared::Shared;

/// Rows of one item.
const ROWS: usize = 16;

/// y = norm(x); `x` and `y` hold rows of `weight.len()` values.
pub(crate) fn forward(compute: &Compute, x: &[f32], weight: &[f32], epsilon: f32, y: &mut [f32]) {
    let d = weight.len();
    assert_eq!(x.len() % d, 0);
    let (rows, y) = (x.len() / d, Shared::new(&mut y[..x.len()]));
    compute.threads.run(rows.div_ceil(ROWS), |item| {
        let (start, end) = (item * ROWS * d, ((item + 1) * ROWS).min(rows) * d);
        // SAFETY: every item has its own rows of y.
        let y = unsafe { y.part(start, end - start) };
        // SAFETY: `isa` was checked.
        unsafe { dispatch(compute.isa, Forward { x: &x[start..end], weight, epsilon, y }) }
    });
}

/// dx += d norm(x) / d x applied to `dy`.
pub(crate) fn backward(compute: &Compute, x: &[f32], weight: &[f32], epsilon: f32, dy: &[f32], dx: &mut [f32]) {
    let d = weight.len();
    assert_eq!(x.len() % d, 0);
    let (rows, dx) = (x.len() / d, Shared::new(&mut dx[..x.len()]));
    compute.threads.run(rows.div_ceil(ROWS), |item| {
        let (start, end) = (item * ROWS * d, ((item + 1) * ROWS).min(rows) * d);
        // SAFETY: every item has its own rows of dx.
        let dx = unsafe { dx.part(start, end - start) };
        // SAFETY: `isa` was checked.
        unsafe { dispatch(compute.isa, Backward { x: &x[start..end], weight, epsilon, dy: &dy[start..end], dx }) }
    });
}

struct Forward<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    epsilon: f32,
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let d = self.weight.len();
        for (x, y) in self.x.chunks_exact(d).zip(self.y.chunks_exact_mut(d)) {
            // SAFETY: the slices have d values each.
            unsafe {
                let scale = L::splat(1.0 / (inner::<L>(x, x) / d as f32 + self.epsilon).sqrt());
                let mut i = 0;
                while i < d {
                    let n = L::N.min(d - i);
                    let v = L::mul(
                        L::mul(L::load_part(x.as_ptr().add(i), n), scale),
                        L::load_part(self.weight.as_ptr().add(i), n),
                    );
                    L::store_part(y.as_mut_ptr().add(i), n, v);
                    i += n;
                }
            }
        }
    }
}

struct Backward<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    epsilon: f32,
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    /// With r = 1 / sqrt(mean(x^2) + epsilon) and g = w dy: dx = r g - x r^3 mean(x g).
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let d = self.weight.len();
        let rows = self.x.chunks_exact(d).zip(self.dy.chunks_exact(d)).zip(self.dx.chunks_exact_mut(d));
        for ((x, dy), dx) in rows {
            // SAFETY: the slices have d values each.
            unsafe {
                let r = 1.0 / (inner::<L>(x, x) / d as f32 + self.epsilon).sqrt();
                let mut sum = L::splat(0.0);
                let mut i = 0;
                while i < d {
                    let n = L::N.min(d - i);
                    let g = L::mul(L::load_part(dy.as_ptr().add(i), n), L::load_part(self.weight.as_ptr().add(i), n));
                    sum = L::fma(L::load_part(x.as_ptr().add(i), n), g, sum);
                    i += n;
                }
                let pull = L::splat(-(L::sum(sum) / d as f32) * r * r * r);
                let r = L::splat(r);
                i = 0;
                while i < d {
                    let n = L::N.min(d - i);
                    let g = L::mul(L::load_part(dy.as_ptr().add(i), n), L::load_part(self.weight.as_ptr().add(i), n));
                    let at = dx.as_mut_ptr().add(i);
                    let v = L::fma(g, r, L::load_part(at, n));
                    L::store_part(at, n, L::fma(L::load_part(x.as_ptr().add(i), n), pull, v));
                    i += n;
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn inner<L: Lanes>(a: &[f32], b: &[f32]) -> f32 {
    // SAFETY: reads within both slices.
    unsafe {
        let mut sum = L::splat(0.0);
        let mut i = 0;
        let d = a.len().min(b.len());
        while i < d {
            let n = L::N.min(d - i);
            sum = L::fma(L::load_part(a.as_ptr().add(i), n), L::load_part(b.as_ptr().add(i), n), sum);
            i += n;
        }
        L::sum(sum)
    }
}
