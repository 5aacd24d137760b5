//! The two register-tiled products that everything heavy is made of.
//!
//! [`dot`] is C = A B^T with both operands contiguous along the summed index; [`panel`] is C = A B with B contiguous
//! along the columns. Every element of C is summed in one fixed order, whatever the tiling.

use super::isa::{Isa, Kernel, dispatch};
use super::lanes::Lanes;

/// Longest stretch of the summed index that [`dot`] runs over at once, so that six rows of A stay in the first cache.
const DOT_BLOCK: usize = 768;

/// A matrix seen through a pointer and two strides, in elements.
#[derive(Clone, Copy)]
pub(crate) struct View {
    /// Element (0, 0).
    pub data: *const f32,
    /// From one row to the next.
    pub row: usize,
    /// From one column to the next.
    pub column: usize,
}

/// One product: C (m x n, row stride `ldc`) = or += A (m x k) times B.
#[derive(Clone, Copy)]
pub(crate) struct Product {
    /// (m, n, k).
    pub shape: (usize, usize, usize),
    /// m x k.
    pub a: View,
    /// n x k for [`dot`], k x n for [`panel`].
    pub b: View,
    /// Element (0, 0) of the result.
    pub c: *mut f32,
    /// From one row of C to the next.
    pub ldc: usize,
    /// Add to C instead of overwriting it.
    pub accumulate: bool,
}

/// C = A B^T; needs `a.column == b.column == 1`.
///
/// # Safety
/// `isa` is available; all elements named by the shape and strides are valid, C is not aliased.
pub(crate) unsafe fn dot(isa: Isa, product: Product) {
    // SAFETY: the caller vouches for `isa` and the pointers.
    unsafe { dispatch(isa, Dot(product)) }
}

/// C = A B; needs `b.column == 1`.
///
/// # Safety
/// As for [`dot`].
pub(crate) unsafe fn panel(isa: Isa, product: Product) {
    // SAFETY: the caller vouches for `isa` and the pointers.
    unsafe { dispatch(isa, Panel(product)) }
}

struct Dot(Product);

impl Kernel for Dot {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Product { shape: (m, n, k), a, b, c, ldc, accumulate } = self.0;
        let blocks = k.div_ceil(DOT_BLOCK).max(1);
        let block = k.div_ceil(blocks).next_multiple_of(L::N);
        for start in (0..k).step_by(block) {
            // SAFETY: offsets stay within the shapes the caller vouches for.
            unsafe {
                let a = View { data: a.data.add(start), ..a };
                let b = View { data: b.data.add(start), ..b };
                let shape = (m, n, block.min(k - start));
                L::dot_block(Product { shape, a, b, c, ldc, accumulate: accumulate || start > 0 });
            }
        }
    }
}

struct Panel(Product);

impl Kernel for Panel {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: as the caller vouches.
        unsafe { L::panel_block(self.0) }
    }
}

/// [`dot`] with MR rows of A in registers.
#[inline(always)]
pub(super) unsafe fn dot_rows<L: Lanes, const MR: usize>(product: Product) {
    let Product { shape: (m, n, k), a, b, c, ldc, accumulate } = product;
    let mut i = 0;
    // SAFETY: as for `dot`.
    unsafe {
        while i + MR <= m {
            dot_columns::<L, MR>(n, k, a.data.add(i * a.row), a.row, b, c.add(i * ldc), ldc, accumulate);
            i += MR;
        }
        while i + 2 <= m {
            dot_columns::<L, 2>(n, k, a.data.add(i * a.row), a.row, b, c.add(i * ldc), ldc, accumulate);
            i += 2;
        }
        if i < m {
            dot_columns::<L, 1>(n, k, a.data.add(i * a.row), a.row, b, c.add(i * ldc), ldc, accumulate);
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn dot_columns<L: Lanes, const MR: usize>(
    n: usize,
    k: usize,
    a: *const f32,
    lda: usize,
    b: View,
    c: *mut f32,
    ldc: usize,
    accumulate: bool,
) {
    let mut j = 0;
    // SAFETY: as for `dot`.
    unsafe {
        while j + 4 <= n {
            let sums = dot_tile::<L, MR, 4>(k, a, lda, b.data.add(j * b.row), b.row);
            for (r, row) in sums.into_iter().enumerate() {
                L::store_sums(c.add(r * ldc + j), row, accumulate);
            }
            j += 4;
        }
        while j < n {
            let sums = dot_tile::<L, MR, 1>(k, a, lda, b.data.add(j * b.row), b.row);
            for (r, row) in sums.into_iter().enumerate() {
                // The same reduction as four at a time, so that a column's value does not depend on its place.
                let mut four = [0.0; 4];
                L::store_sums(four.as_mut_ptr(), [row[0]; 4], false);
                let at = c.add(r * ldc + j);
                at.write(if accumulate { at.read() + four[0] } else { four[0] });
            }
            j += 1;
        }
    }
}

#[inline(always)]
unsafe fn dot_tile<L: Lanes, const MR: usize, const NR: usize>(
    k: usize,
    a: *const f32,
    lda: usize,
    b: *const f32,
    ldb: usize,
) -> [[L::V; NR]; MR] {
    // SAFETY: as for `dot`.
    unsafe {
        let mut sums = [[L::splat(0.0); NR]; MR];
        let mut p = 0;
        while p + L::N <= k {
            let mut rows = [L::splat(0.0); MR];
            for (r, row) in rows.iter_mut().enumerate() {
                *row = L::load(a.add(r * lda + p));
            }
            for j in 0..NR {
                let column = L::load(b.add(j * ldb + p));
                for (sums, row) in sums.iter_mut().zip(rows) {
                    sums[j] = L::fma(row, column, sums[j]);
                }
            }
            p += L::N;
        }
        if p < k {
            for j in 0..NR {
                let column = L::load_part(b.add(j * ldb + p), k - p);
                for (r, row) in sums.iter_mut().enumerate() {
                    row[j] = L::fma(L::load_part(a.add(r * lda + p), k - p), column, row[j]);
                }
            }
        }
        sums
    }
}

/// [`panel`] with MR rows of A and NV vectors of columns in registers.
#[inline(always)]
pub(super) unsafe fn panel_columns<L: Lanes, const MR: usize, const NV: usize>(product: Product) {
    let Product { shape: (m, n, k), a, b, c, ldc, accumulate } = product;
    let mut j = 0;
    // SAFETY: offsets stay within the shape the caller vouches for.
    unsafe {
        while j < n {
            let left = n - j;
            let b = View { data: b.data.add(j), ..b };
            let c = c.add(j);
            if left >= NV * L::N {
                panel_rows::<L, MR, NV>((m, NV * L::N, k), a, b, c, ldc, accumulate);
                j += NV * L::N;
            } else if left > L::N {
                let columns = left.min(2 * L::N);
                panel_rows::<L, MR, 2>((m, columns, k), a, b, c, ldc, accumulate);
                j += columns;
            } else {
                panel_rows::<L, MR, 1>((m, left, k), a, b, c, ldc, accumulate);
                j += left;
            }
        }
    }
}

#[inline(always)]
unsafe fn panel_rows<L: Lanes, const MR: usize, const NV: usize>(
    (m, n, k): (usize, usize, usize),
    a: View,
    b: View,
    c: *mut f32,
    ldc: usize,
    accumulate: bool,
) {
    let mut i = 0;
    // SAFETY: as for `panel`.
    unsafe {
        while i + MR <= m {
            let a = View { data: a.data.add(i * a.row), ..a };
            panel_tile::<L, MR, NV>(n, k, a, b, c.add(i * ldc), ldc, accumulate);
            i += MR;
        }
        while i + 2 <= m {
            let a = View { data: a.data.add(i * a.row), ..a };
            panel_tile::<L, 2, NV>(n, k, a, b, c.add(i * ldc), ldc, accumulate);
            i += 2;
        }
        if i < m {
            let a = View { data: a.data.add(i * a.row), ..a };
            panel_tile::<L, 1, NV>(n, k, a, b, c.add(i * ldc), ldc, accumulate);
        }
    }
}

#[inline(always)]
unsafe fn panel_tile<L: Lanes, const MR: usize, const NV: usize>(
    n: usize,
    k: usize,
    a: View,
    b: View,
    c: *mut f32,
    ldc: usize,
    accumulate: bool,
) {
    let last = n - (NV - 1) * L::N;
    // SAFETY: as for `panel`; the last vector touches `last` columns only.
    unsafe {
        let mut sums = [[L::splat(0.0); NV]; MR];
        if accumulate {
            for (r, row) in sums.iter_mut().enumerate() {
                for (v, sum) in row.iter_mut().enumerate() {
                    let at = c.add(r * ldc + v * L::N);
                    *sum = if v + 1 == NV { L::load_part(at, last) } else { L::load(at) };
                }
            }
        }
        for p in 0..k {
            let row = b.data.add(p * b.row);
            let mut columns = [L::splat(0.0); NV];
            for (v, column) in columns.iter_mut().enumerate() {
                let at = row.add(v * L::N);
                *column = if v + 1 == NV { L::load_part(at, last) } else { L::load(at) };
            }
            let scalar = a.data.add(p * a.column);
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = L::splat(scalar.add(r * a.row).read());
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = L::fma(x, column, *sum);
                }
            }
        }
        for (r, row) in sums.into_iter().enumerate() {
            for (v, sum) in row.into_iter().enumerate() {
                let at = c.add(r * ldc + v * L::N);
                if v + 1 == NV { L::store_part(at, last, sum) } else { L::store(at, sum) }
            }
        }
    }
}
