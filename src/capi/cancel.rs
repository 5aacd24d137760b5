//! A flag that stops long calls. Make one, hand it to a call in its options, and request from any thread, before or
//! while the call runs: the call returns `SUPMER_STATUS_CANCELLED` within one step and gives no result. The flag stays
//! set until it is reset; one flag may serve many calls. Where more calls than threads use a model at once, a step waits
//! for its turn; a request ends that wait as well.

use super::arguments::Out;
use super::error::supmer_error;
use super::guard::guard;
use super::handle::{self, Handle, State};
use super::status::supmer_status;
use crate::runtime::Cancel;

/// A sticky request to stop.
pub struct supmer_cancel {
    state: State,
    cancel: Cancel,
}

impl Handle for supmer_cancel {
    const NAME: &'static str = "supmer_cancel";
    fn state(&self) -> &State {
        &self.state
    }
}

impl supmer_cancel {
    /// The flag itself.
    pub(super) fn flag(&self) -> Cancel {
        self.cancel.clone()
    }
}

/// Makes a flag that is not set.
///
/// - `out`: receives the flag, yours to free with `supmer_cancel_free`.
/// - Errors: `INVALID_ARGUMENT` when `out` is NULL.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_cancel_new(
    out: *mut *mut supmer_cancel,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: the pointers are NULL or writable, says the caller.
    unsafe {
        guard(error, |_| {
            let out = Out::required(out, "out")?;
            out.write(handle::give(supmer_cancel { state: State::new(), cancel: Cancel::new() }));
            Ok(())
        })
    }
}

/// Asks every call that has the flag to stop. NULL is a no-op.
///
/// - Errors: none.
/// - Threads: any, at any time; does not wait.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_cancel_request(cancel: *const supmer_cancel) {
    // SAFETY: NULL or a live flag, says the caller.
    if let Some(handle) = unsafe { cancel.as_ref() } {
        handle.cancel.request();
    }
}

/// Clears the flag so that it can be used again. NULL is a no-op.
///
/// - Errors: none.
/// - Threads: any; a call that is still running may then go on.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_cancel_reset(cancel: *const supmer_cancel) {
    // SAFETY: NULL or a live flag, says the caller.
    if let Some(handle) = unsafe { cancel.as_ref() } {
        handle.cancel.reset();
    }
}

/// Frees the flag. NULL is a no-op.
///
/// - Errors: none.
/// - Threads: any, when no call uses this handle; a call that was given it uses it until it returns.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_cancel_free(cancel: *mut supmer_cancel) {
    // SAFETY: NULL or a live flag that is not used again, says the caller.
    unsafe { handle::free(cancel) };
}
