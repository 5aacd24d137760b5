//! A frozen language model: load it once, adapt and predict with it from as many threads as you like. Immutable.

use std::ffi::{CString, c_char};
use std::path::Path;
use std::sync::Arc;

use super::arguments::{self, Out};
use super::error::supmer_error;
use super::guard::guard;
use super::handle::{self, Handle, State};
use super::options::{self, Options};
use super::status::supmer_status;
use crate::error::{Error, Result, Status, fail};
use crate::model::{Model, ModelOptions, WeightMode};

/// A loaded model.
pub struct supmer_model {
    state: State,
    model: Arc<Model>,
    fingerprint: CString,
}

// Handles may be used from any thread.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<supmer_model>();
};

impl Handle for supmer_model {
    const NAME: &'static str = "supmer_model";
    fn state(&self) -> &State {
        &self.state
    }
}

impl supmer_model {
    /// The model itself.
    pub(super) fn model(&self) -> &Model {
        &self.model
    }
}

/// How a model's weights are held in memory: one of `SUPMER_WEIGHTS_...`.
pub type supmer_weights = i32;

/// As stored for GGUF files, expanded for model folders.
pub const SUPMER_WEIGHTS_AUTO: supmer_weights = 0;
/// As in the file (mapped, usually quantized), expanded piece by piece when used: least memory.
pub const SUPMER_WEIGHTS_STORED: supmer_weights = 1;
/// Expanded once to 32-bit numbers when loading: a little faster, four bytes a weight.
pub const SUPMER_WEIGHTS_EXPANDED: supmer_weights = 2;

/// How to load a model. 0 in a field is its default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct supmer_model_options {
    /// Size of this struct in bytes, set by `supmer_model_options_init`.
    pub struct_size: usize,
    /// Bytes of adapted prompts' states that are kept for fast prediction; 0 = 64 MiB, 1 = keep none.
    pub prompt_cache_bytes: u64,
    /// Worker threads of this model; 0 = one per core, 1 = the caller's thread only. Results do not depend on it.
    pub thread_count: u32,
    /// How weights are held.
    pub weights: supmer_weights,
}

// SAFETY: repr(C), `struct_size` first, no padding at its end (asserted), plain numbers.
unsafe impl Options for supmer_model_options {
    const NAME: &'static str = "supmer_model_options";
    const FIRST_SIZE: usize = size_of::<Self>();
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<supmer_model_options>() == 24);

impl supmer_model_options {
    fn resolve(&self) -> Result<ModelOptions> {
        let mut options = ModelOptions { thread_count: self.thread_count as usize, ..ModelOptions::default() };
        options.weights = match self.weights {
            SUPMER_WEIGHTS_AUTO => WeightMode::Auto,
            SUPMER_WEIGHTS_STORED => WeightMode::Stored,
            SUPMER_WEIGHTS_EXPANDED => WeightMode::Expanded,
            other => {
                let message = format!("supmer_model_options: weights is {other}, a SUPMER_WEIGHTS value was expected");
                return fail(Status::InvalidOption, message);
            }
        };
        if self.prompt_cache_bytes != 0 {
            options.prompt_cache_bytes = usize::try_from(self.prompt_cache_bytes).unwrap_or(usize::MAX);
        }
        Ok(options)
    }
}

/// Makes `options` all defaults.
///
/// - `options`, `struct_size`: the struct and its `sizeof`.
/// - Errors: `INVALID_ARGUMENT` for NULL, `INVALID_OPTION` for a size that no version has.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_model_options_init(
    options: *mut supmer_model_options,
    struct_size: usize,
) -> supmer_status {
    // SAFETY: NULL or `struct_size` writable bytes, says the caller.
    unsafe { options::init(options, struct_size) }
}

/// Loads a model from a GGUF file or a Hugging Face folder (config.json, tokenizer.json, safetensors).
///
/// - `path`, `path_length`: the file or folder.
/// - `options`: NULL for all defaults.
/// - `out`: receives the model, yours to free with `supmer_model_free`.
/// - Errors: `NOT_FOUND`, `IO`, `CORRUPT_FILE`, `UNSUPPORTED` (the message names the architecture or setting),
///   `NOT_FINITE`, `INVALID_OPTION`, `INVALID_UTF8`, `INVALID_ARGUMENT`.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_model_load(
    path: *const c_char,
    path_length: usize,
    options: *const supmer_model_options,
    out: *mut *mut supmer_model,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |_| {
            let out = Out::required(out, "out")?;
            let path = arguments::path(path, path_length)?;
            let options = options::read(options)?.resolve()?;
            out.write(handle::give(supmer_model::load(path, &options)?));
            Ok(())
        })
    }
}

/// Which model this is, as a JSON object: "architecture", "shape" and "tokenizer" are the family that an adapter needs,
/// "weights" tells other weights and quantizations of the same family apart.
///
/// - Returns: text ending in NUL that lives as long as the model; NULL for NULL.
/// - Errors: none.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_model_fingerprint(model: *const supmer_model) -> *const c_char {
    // SAFETY: NULL or a live model, says the caller.
    unsafe { model.as_ref() }.map_or(std::ptr::null(), |m| m.fingerprint.as_ptr())
}

/// Frees a model. NULL is a no-op; its adapters stay usable with another handle of the same model.
///
/// - Errors: none.
/// - Threads: any, when no call uses this handle.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_model_free(model: *mut supmer_model) {
    // SAFETY: NULL or a live model that is not used again, says the caller.
    unsafe { handle::free(model) };
}

impl supmer_model {
    fn load(path: &Path, options: &ModelOptions) -> Result<Self> {
        let model = Model::load(path, options)?;
        let fingerprint = serde_json::to_string(model.backbone().fingerprint())
            .map_err(|e| Error::new(Status::Internal, format!("the model's fingerprint cannot be written: {e}")))?;
        Ok(Self { state: State::new(), model, fingerprint: handle::c_string(&fingerprint) })
    }
}
