//! What went wrong, in words. Every fallible call takes a last parameter `error`: NULL when the status is enough, or
//! the address of a `supmer_error *` that receives an error of yours to free. It is written on failure only, so set
//! the pointer to NULL first and free an error before the variable is used again. Messages say what was expected, what
//! came and what to do; they never hold text of examples or inputs.

use std::ffi::{CString, c_char};

use super::handle::{self, Handle, State};
use super::status::supmer_status;
use crate::error::{Error, Status};

/// Why a call failed. Immutable.
pub struct supmer_error {
    state: State,
    status: Status,
    message: CString,
}

impl Handle for supmer_error {
    const NAME: &'static str = "supmer_error";
    fn state(&self) -> &State {
        &self.state
    }
}

impl supmer_error {
    /// The error object of `error`, for C to free.
    pub(super) fn new(error: &Error) -> *mut Self {
        let message = handle::c_string(&error.to_string());
        handle::give(Self { state: State::new(), status: error.status(), message })
    }
}

/// Status of an error, the same that the failed call returned.
///
/// - Returns: `SUPMER_STATUS_OK` for NULL.
/// - Errors: none.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_error_status(error: *const supmer_error) -> supmer_status {
    // SAFETY: NULL or a live error, says the caller.
    unsafe { error.as_ref() }.map_or(Status::Ok, |e| e.status).code()
}

/// Message of an error: one line of UTF-8 text for a person.
///
/// - Returns: text ending in NUL that lives as long as the error; "" for NULL.
/// - Errors: none.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_error_message(error: *const supmer_error) -> *const c_char {
    // SAFETY: NULL or a live error, says the caller.
    unsafe { error.as_ref() }.map_or(c"", |e| e.message.as_c_str()).as_ptr()
}

/// Frees an error. NULL is a no-op.
///
/// - Errors: none.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_error_free(error: *mut supmer_error) {
    // SAFETY: NULL or a live error that is not used again, says the caller.
    unsafe { handle::free(error) };
}
