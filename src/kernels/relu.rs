//! The rectifier: h = max(x, 0), in place.

use super::Compute;
use super::shared::Shared;

/// Values of one item.
const VALUES: usize = 65_536;

/// Replaces every value by max(value, 0).
pub(crate) fn forward(compute: &Compute, h: &mut [f32]) {
    let (total, h) = (h.len(), Shared::new(h));
    compute.threads.run(total.div_ceil(VALUES), |item| {
        let start = item * VALUES;
        // SAFETY: every item has its own part of h.
        let h = unsafe { h.part(start, VALUES.min(total - start)) };
        h.iter_mut().for_each(|x| *x = if *x < 0.0 { 0.0 } else { *x });
    });
}

/// From d h to d x, in place; `h` is what [`forward`] left.
pub(crate) fn backward(compute: &Compute, h: &[f32], dh: &mut [f32]) {
    assert_eq!(h.len(), dh.len());
    let (total, dh) = (dh.len(), Shared::new(dh));
    compute.threads.run(total.div_ceil(VALUES), |item| {
        let start = item * VALUES;
        // SAFETY: every item has its own part of dh.
        let dh = unsafe { dh.part(start, VALUES.min(total - start)) };
        dh.iter_mut().zip(&h[start..]).for_each(|(dh, &h)| *dh = if h > 0.0 { *dh } else { 0.0 });
    });
}
