//! A meta-trained start for adaptation, made for one model family: a prompt, and the gradient regularizer that is applied
//! at every step. Immutable.

use std::ffi::{CString, c_char};
use std::sync::Arc;

use serde_json::json;

use super::arguments::{self, Out};
use super::error::supmer_error;
use super::guard::guard;
use super::handle::{self, Handle, State};
use super::model::supmer_model;
use super::status::supmer_status;
use crate::bundle::{Bundle, FORMAT_VERSIONS};

/// A meta-trained start.
pub struct supmer_bundle {
    state: State,
    bundle: Arc<Bundle>,
    metadata: CString,
}

// Handles may be used from any thread.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<supmer_bundle>();
};

impl Handle for supmer_bundle {
    const NAME: &'static str = "supmer_bundle";
    fn state(&self) -> &State {
        &self.state
    }
}

impl supmer_bundle {
    pub(super) fn new(bundle: Bundle) -> Self {
        let shape = bundle.regularization().map(|r| r.regularizer.shape());
        let metadata = json!({
            "prompt_length": bundle.prompt().rows(),
            "width": bundle.prompt().width(),
            "regularizer": shape.map(|shape| json!({ "rank": shape.rank, "layers": shape.layers })),
            "origin": bundle.origin(),
        });
        Self { state: State::new(), bundle: Arc::new(bundle), metadata: handle::c_string(&metadata.to_string()) }
    }

    /// The bundle itself.
    pub(super) fn bundle(&self) -> &Arc<Bundle> {
        &self.bundle
    }
}

/// Reads a bundle file. Whether it fits a model is checked when it is used with one, or by `supmer_bundle_check`.
///
/// - `path`, `path_length`: the file.
/// - `out`: receives the bundle, yours to free with `supmer_bundle_free`.
/// - Errors: `NOT_FOUND`, `IO`, `CORRUPT_FILE`, `NOT_FINITE`, `UNSUPPORTED` (a format this version does not know),
///   `TOO_LARGE`, `INVALID_ARGUMENT`, `INVALID_UTF8`.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_bundle_load(
    path: *const c_char,
    path_length: usize,
    out: *mut *mut supmer_bundle,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |_| {
            let out = Out::required(out, "out")?;
            let bundle = Bundle::load(arguments::path(path, path_length)?)?;
            out.write(handle::give(supmer_bundle::new(bundle)));
            Ok(())
        })
    }
}

/// Reads a bundle from memory. The bytes are copied.
///
/// - `bytes`, `bytes_length`: the contents of a bundle file.
/// - `out`: receives the bundle, yours to free with `supmer_bundle_free`.
/// - Errors: `CORRUPT_FILE`, `NOT_FINITE`, `UNSUPPORTED`, `TOO_LARGE`, `INVALID_ARGUMENT`.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_bundle_load_memory(
    bytes: *const u8,
    bytes_length: usize,
    out: *mut *mut supmer_bundle,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |_| {
            let out = Out::required(out, "out")?;
            let bundle = Bundle::from_bytes(arguments::slice(bytes, bytes_length, "bytes")?)?;
            out.write(handle::give(supmer_bundle::new(bundle)));
            Ok(())
        })
    }
}

/// Writes a bundle file beside `path`, then renames it into place: a reader finds the old file or the new one.
///
/// - `path`, `path_length`: where the file goes; its folder must exist.
/// - Errors: `IO`, `NOT_FOUND`, `DISK_FULL`, `INVALID_ARGUMENT`, `INVALID_UTF8`; what was at `path` is then untouched.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_bundle_save(
    bundle: *const supmer_bundle,
    path: *const c_char,
    path_length: usize,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |call| {
            let bundle = call.handle(bundle)?;
            bundle.bundle.save(arguments::path(path, path_length)?)
        })
    }
}

/// What a bundle is, as a JSON object: "prompt_length", "width", "regularizer" (null without one, else "rank" and "layers")
/// and "origin": "fingerprint" (the model family, null when it is not known), "adaptation" (null, or what it advises:
/// "steps", "learning_rate", "batch_size", and "answer_loss" where that is not "vocabulary"), "corpus_digest" and "recipe".
/// Later versions may add members.
///
/// - Returns: text ending in NUL that lives as long as the bundle; NULL for NULL.
/// - Errors: none.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_bundle_metadata(bundle: *const supmer_bundle) -> *const c_char {
    // SAFETY: NULL or a live bundle, says the caller.
    unsafe { bundle.as_ref() }.map_or(std::ptr::null(), |b| b.metadata.as_ptr())
}

/// Checks that a bundle was made for the family of a model. Other weights of the family (another quantization) pass;
/// a report of adaptation then has a warning. Of a bundle that does not know its family (an imported checkpoint) only the
/// width is checked.
///
/// - Errors: `BACKBONE_MISMATCH` (the message names what differs), `INVALID_ARGUMENT`.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_bundle_check(
    bundle: *const supmer_bundle,
    model: *const supmer_model,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |call| {
            let bundle = call.handle(bundle)?;
            let model = call.handle(model)?;
            bundle.bundle.check(model.model()?.backbone()).map(|_| ())
        })
    }
}

/// Versions of the bundle format that this library reads; it writes the newest.
///
/// - `oldest`, `newest`: receive the range; NULL leaves one out.
/// - Errors: none.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_bundle_format_range(oldest: *mut u32, newest: *mut u32) {
    for (output, value) in [(oldest, *FORMAT_VERSIONS.start()), (newest, *FORMAT_VERSIONS.end())] {
        if !output.is_null() {
            // SAFETY: not NULL, so writable, says the caller.
            unsafe { output.write(value) };
        }
    }
}

/// Frees a bundle. NULL is a no-op; adapters made from it stay usable.
///
/// - Errors: none.
/// - Threads: any, when no call uses this handle.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_bundle_free(bundle: *mut supmer_bundle) {
    // SAFETY: NULL or a live bundle that is not used again, says the caller.
    unsafe { handle::free(bundle) };
}
