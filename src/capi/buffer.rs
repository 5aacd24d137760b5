//! Bytes that the library made, such as an adapter to be stored by the program. Immutable.

use super::handle::{self, Handle, State};

/// Bytes owned by the library.
pub struct supmer_buffer {
    state: State,
    bytes: Vec<u8>,
}

impl Handle for supmer_buffer {
    const NAME: &'static str = "supmer_buffer";
    fn state(&self) -> &State {
        &self.state
    }
}

impl supmer_buffer {
    /// `bytes` for C to read and free.
    pub(super) fn new(bytes: Vec<u8>) -> *mut Self {
        handle::give(Self { state: State::new(), bytes })
    }
}

/// The first byte of a buffer.
///
/// - Returns: a pointer that lives as long as the buffer; NULL for NULL.
/// - Errors: none.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_buffer_data(buffer: *const supmer_buffer) -> *const u8 {
    // SAFETY: NULL or a live buffer, says the caller.
    unsafe { buffer.as_ref() }.map_or(std::ptr::null(), |b| b.bytes.as_ptr())
}

/// How many bytes a buffer has.
///
/// - Returns: 0 for NULL.
/// - Errors: none.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_buffer_length(buffer: *const supmer_buffer) -> usize {
    // SAFETY: NULL or a live buffer, says the caller.
    unsafe { buffer.as_ref() }.map_or(0, |b| b.bytes.len())
}

/// Frees a buffer. NULL is a no-op.
///
/// - Errors: none.
/// - Threads: any, when nothing reads the buffer any more.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_buffer_free(buffer: *mut supmer_buffer) {
    // SAFETY: NULL or a live buffer that is not used again, says the caller.
    unsafe { handle::free(buffer) };
}
