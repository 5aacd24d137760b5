//! Handing disjoint parts of one buffer to several threads.

use std::cell::RefCell;
use std::marker::PhantomData;

/// A mutable slice that items write disjoint parts of.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    data: *mut f32,
    length: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: a `Shared` is only a pointer; whoever turns it into a reference or writes through it vouches for disjointness.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub(super) fn new(slice: &'a mut [f32]) -> Self {
        Self { data: slice.as_mut_ptr(), length: slice.len(), lifetime: PhantomData }
    }

    /// A pointer to element `at`, for writes that stay within the slice and meet no other item's.
    pub(super) fn at(&self, at: usize) -> *mut f32 {
        assert!(at <= self.length);
        // SAFETY: `at` is within the slice or one past its end.
        unsafe { self.data.add(at) }
    }

    /// The part `start..start + length`.
    ///
    /// # Safety
    /// No other item touches this part while the reference lives.
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn part(&self, start: usize, length: usize) -> &'a mut [f32] {
        assert!(start <= self.length && length <= self.length - start);
        // SAFETY: within the slice, and the caller vouches that it is not aliased.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(start), length) }
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Calls `work` with `length` values of this thread's scratch memory (their content is arbitrary).
pub(super) fn with_scratch<R>(length: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < length {
            // The old content is of no use: a fresh allocation avoids copying it.
            *scratch = vec![0.0; length];
        }
        work(&mut scratch[..length])
    })
}

/// Frees this thread's scratch memory, unless it is in use.
#[cfg(feature = "capi")]
pub(super) fn release_scratch() {
    SCRATCH.with(|scratch| {
        if let Ok(mut scratch) = scratch.try_borrow_mut() {
            *scratch = Vec::new();
        }
    });
}

#[cfg(all(test, feature = "capi"))]
mod tests {
    use super::*;

    #[test]
    fn scratch_is_freed_unless_it_is_in_use() {
        with_scratch(100, |scratch| {
            release_scratch();
            scratch.fill(1.0);
        });
        assert_eq!(SCRATCH.with_borrow(Vec::len), 100);
        release_scratch();
        assert_eq!(SCRATCH.with_borrow(Vec::capacity), 0);
    }
}
