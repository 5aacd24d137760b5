//! What an adaptation made: a prompt of some tens of kilobytes with its task, ready to predict with on the model family it was
//! made for. Holds no text of examples. Immutable.

use std::ffi::{CString, c_char};
use std::sync::Arc;

use super::arguments::{self, Out};
use super::buffer::supmer_buffer;
use super::error::supmer_error;
use super::guard::guard;
use super::handle::{self, Handle, State};
use super::status::supmer_status;
use crate::adapter::{Adapter, FORMAT_VERSIONS};
use crate::error::{Status, fail};
use crate::limits::MAX_ADAPTER_BYTES;

/// An adapted prompt with its task.
pub struct supmer_adapter {
    state: State,
    adapter: Arc<Adapter>,
    label_names: Vec<CString>,
}

// Handles may be used from any thread.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<supmer_adapter>();
};

impl Handle for supmer_adapter {
    const NAME: &'static str = "supmer_adapter";
    fn state(&self) -> &State {
        &self.state
    }
}

impl supmer_adapter {
    /// The handle of `adapter`.
    pub(super) fn new(adapter: Adapter) -> Self {
        let label_names = adapter.task().labels().iter().map(|l| handle::c_string(&l.name)).collect();
        Self { state: State::new(), adapter: Arc::new(adapter), label_names }
    }

    /// The adapter itself.
    pub(super) fn adapter(&self) -> &Arc<Adapter> {
        &self.adapter
    }
}

/// Writes an adapter file: beside the path first, then moved into place, so that the path never holds half a file.
///
/// - `path`, `path_length`: the file; one that exists is replaced.
/// - Errors: `IO`, `NOT_FOUND` (no such folder), `DISK_FULL`, `TOO_LARGE`, `INVALID_ARGUMENT`, `INVALID_UTF8`.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_adapter_save(
    adapter: *const supmer_adapter,
    path: *const c_char,
    path_length: usize,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |call| {
            let adapter = call.handle(adapter)?;
            adapter.adapter.save(arguments::path(path, path_length)?)
        })
    }
}

/// Reads an adapter file. Whether it fits a model is checked when it is used with one.
///
/// - `path`, `path_length`: the file.
/// - `out`: receives the adapter, yours to free with `supmer_adapter_free`.
/// - Errors: `NOT_FOUND`, `IO`, `CORRUPT_FILE`, `UNSUPPORTED` (a format this version does not know), `TOO_LARGE`,
///   `NOT_FINITE`, `INVALID_ARGUMENT`, `INVALID_UTF8`.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_adapter_load(
    path: *const c_char,
    path_length: usize,
    out: *mut *mut supmer_adapter,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |_| {
            let out = Out::required(out, "out")?;
            let adapter = Adapter::load(arguments::path(path, path_length)?)?;
            out.write(handle::give(supmer_adapter::new(adapter)));
            Ok(())
        })
    }
}

/// Gives the bytes that `supmer_adapter_save` would write. The same adapter always gives the same bytes.
///
/// - `out`: receives a buffer, yours to free with `supmer_buffer_free`.
/// - Errors: `TOO_LARGE`, `INVALID_ARGUMENT`.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_adapter_save_memory(
    adapter: *const supmer_adapter,
    out: *mut *mut supmer_buffer,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |call| {
            let adapter = call.handle(adapter)?;
            let out = Out::required(out, "out")?;
            out.write(supmer_buffer::new(adapter.adapter.to_bytes()?));
            Ok(())
        })
    }
}

/// Reads an adapter from memory. The bytes are copied.
///
/// - `bytes`, `bytes_length`: the contents of an adapter file.
/// - `out`: receives the adapter, yours to free with `supmer_adapter_free`.
/// - Errors: `CORRUPT_FILE`, `UNSUPPORTED`, `TOO_LARGE`, `NOT_FINITE`, `INVALID_ARGUMENT`.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_adapter_load_memory(
    bytes: *const u8,
    bytes_length: usize,
    out: *mut *mut supmer_adapter,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |_| {
            let out = Out::required(out, "out")?;
            let bytes = arguments::slice(bytes, bytes_length, "bytes")?;
            if bytes.len() as u64 > MAX_ADAPTER_BYTES {
                let message = format!("an adapter has at most {MAX_ADAPTER_BYTES} bytes, {} were given", bytes.len());
                return fail(Status::TooLarge, message);
            }
            out.write(handle::give(supmer_adapter::new(Adapter::from_bytes(bytes)?)));
            Ok(())
        })
    }
}

/// How many labels an adapter tells apart: the number of probabilities of every prediction.
///
/// - Returns: 0 for NULL.
/// - Errors: none.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_adapter_label_count(adapter: *const supmer_adapter) -> usize {
    // SAFETY: NULL or a live adapter, says the caller.
    unsafe { adapter.as_ref() }.map_or(0, |a| a.label_names.len())
}

/// Name of a label.
///
/// - `index`: its position, from 0.
/// - Returns: text ending in NUL that lives as long as the adapter; NULL for NULL or an index out of range.
/// - Errors: none.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_adapter_label_name(adapter: *const supmer_adapter, index: usize) -> *const c_char {
    // SAFETY: NULL or a live adapter, says the caller.
    let name = unsafe { adapter.as_ref() }.and_then(|a| a.label_names.get(index));
    name.map_or(std::ptr::null(), |n| n.as_ptr())
}

/// Versions of the adapter format that this library reads; it writes the oldest that holds the adapter.
///
/// - `oldest`, `newest`: receive the range; NULL leaves one out.
/// - Errors: none.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_adapter_format_range(oldest: *mut u32, newest: *mut u32) {
    for (output, value) in [(oldest, *FORMAT_VERSIONS.start()), (newest, *FORMAT_VERSIONS.end())] {
        if !output.is_null() {
            // SAFETY: not NULL, so writable, says the caller.
            unsafe { output.write(value) };
        }
    }
}

/// Frees an adapter. NULL is a no-op.
///
/// - Errors: none.
/// - Threads: any, when no call uses this handle.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_adapter_free(adapter: *mut supmer_adapter) {
    // SAFETY: NULL or a live adapter that is not used again, says the caller.
    unsafe { handle::free(adapter) };
}
