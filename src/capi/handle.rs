//! Opaque handles: boxes that C holds, counted while they live.
//!
//! What a handle shares with others (a model, an adapter) sits in an `Arc` inside, so handles may be freed in any order.

use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::silence;

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// A type that C holds by pointer.
pub(super) trait Handle {
    /// What messages call it.
    const NAME: &'static str;
    /// Its part that every handle has.
    fn state(&self) -> &State;
}

/// Counts its handle as live and knows whether a panic broke it.
pub(super) struct State {
    pub poisoned: AtomicBool,
}

impl State {
    pub fn new() -> Self {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Self { poisoned: AtomicBool::new(false) }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many handles C holds.
pub(super) fn live_count() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// Hands `handle` over to C, to be given back to [`free`].
pub(super) fn give<T: Handle>(handle: T) -> *mut T {
    Box::into_raw(Box::new(handle))
}

/// Takes a handle back and drops it; NULL is a no-op, a panic while dropping ends here.
///
/// # Safety
/// `pointer` is NULL or came from [`give`] and was not freed before.
pub(super) unsafe fn free<T: Handle>(pointer: *mut T) {
    if !pointer.is_null() {
        // SAFETY: the caller vouches that the box is ours and still whole.
        let handle = unsafe { Box::from_raw(pointer) };
        let _ = silence::inside(|| catch_unwind(AssertUnwindSafe(|| drop(handle))));
    }
}

/// `text` as C reads it; a NUL inside becomes the replacement character.
pub(super) fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}
