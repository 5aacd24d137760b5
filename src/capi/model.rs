//! A frozen language model: load it once, adapt and predict with it from as many threads as you like. Immutable.

use std::ffi::{CString, c_char, c_void};
use std::mem::offset_of;
use std::sync::Arc;

use super::arguments::{self, Out};
use super::cancel::supmer_cancel;
use super::error::supmer_error;
use super::guard::{Call, guard};
use super::handle::{self, Handle, State};
use super::options::{self, Options};
use super::progress::{Listener, supmer_progress_callback};
use super::status::supmer_status;
use crate::error::{Error, Result, Status, fail};
use crate::kernels::Isa;
use crate::limits::MAX_WEIGHT_FILES;
use crate::model::{Model, ModelFiles, ModelOptions, WeightMode};
use crate::runtime::{Cancel, Control};

/// A loaded model.
pub struct supmer_model {
    state: State,
    model: Arc<Model>,
    fingerprint: CString,
    /// The process that loaded it: a forked one has no workers.
    process: u32,
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
    /// The model itself. Errors: `InvalidArgument` in a process that was forked after it was loaded.
    pub(super) fn model(&self) -> Result<&Model> {
        if self.process == std::process::id() {
            return Ok(&self.model);
        }
        fail(Status::InvalidArgument, "the model was loaded before this process was forked; load it in this process")
    }
}

/// How a model's weights are held in memory: one of `SUPMER_WEIGHTS_...`.
pub type supmer_weights = i32;

/// As stored for GGUF files, expanded for model folders.
pub const SUPMER_WEIGHTS_AUTO: supmer_weights = 0;
/// As in the file (mapped, usually quantized), expanded piece by piece when used: least memory.
pub const SUPMER_WEIGHTS_STORED: supmer_weights = 1;
/// Expanded once to 32-bit numbers when loading: four bytes a weight, and no faster than 4-bit weights as stored.
pub const SUPMER_WEIGHTS_EXPANDED: supmer_weights = 2;

/// Which instructions of the processor a model's kernels use: one of `SUPMER_INSTRUCTIONS_...`. Results differ between
/// them in the last digits.
pub type supmer_instructions = i32;

/// The best that the processor has, AMX left out.
pub const SUPMER_INSTRUCTIONS_AUTO: supmer_instructions = 0;
/// Those that every processor of the family has.
pub const SUPMER_INSTRUCTIONS_PORTABLE: supmer_instructions = 1;
/// AVX2 with FMA (x86-64).
pub const SUPMER_INSTRUCTIONS_AVX2: supmer_instructions = 2;
/// AVX-512 F, BW, DQ and VL (x86-64).
pub const SUPMER_INSTRUCTIONS_AVX512: supmer_instructions = 3;
/// AMX tiles on top of AVX-512 (x86-64 Linux), as precise: faster adaptation and batches. The system is asked, for the
/// whole process, to save the tiles' state, for which alternative signal stacks must then have room (about 11 KB more).
pub const SUPMER_INSTRUCTIONS_AMX: supmer_instructions = 4;
/// As `SUPMER_INSTRUCTIONS_AMX`, but both factors of a product with weights are rounded to bf16, 8 bits, and summed in f32:
/// one product for five or six, so faster still; results differ in their third digit. Asks the same of the system.
pub const SUPMER_INSTRUCTIONS_AMX_BF16: supmer_instructions = 5;

/// How to load a model. 0 (or NULL) in a field is its default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct supmer_model_options {
    /// Size of this struct in bytes, set by `supmer_model_options_init`.
    pub struct_size: usize,
    /// Bytes of adapted prompts' states that are kept for fast prediction; 0 = 64 MiB, 1 = keep none.
    pub prompt_cache_bytes: u64,
    /// Worker threads of this model, at most 256; 0 = one per core, 1 = the caller's thread only. Results do not depend
    /// on it.
    pub thread_count: u32,
    /// How weights are held.
    pub weights: supmer_weights,
    /// Which instructions the kernels use.
    pub instructions: supmer_instructions,
    /// Stops loading, and nothing later; NULL = nothing does.
    pub cancel: *const supmer_cancel,
    /// Told how far loading is; NULL = nobody.
    pub progress: supmer_progress_callback,
    /// Handed to `progress`.
    pub progress_user_data: *mut c_void,
}

// SAFETY: repr(C), `struct_size` first, no padding at its end (asserted), numbers and pointers that may all be zero.
unsafe impl Options for supmer_model_options {
    const NAME: &'static str = "supmer_model_options";
    const SIZES: &'static [usize] = &[offset_of!(Self, instructions), size_of::<Self>()];
}

options::ends_with!(supmer_model_options, progress_user_data: *mut c_void);

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<supmer_model_options>() == 56 && size_of::<supmer_file>() == 32);

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
        options.isa = match self.instructions {
            SUPMER_INSTRUCTIONS_AUTO => None,
            SUPMER_INSTRUCTIONS_PORTABLE => Some(Isa::Portable),
            SUPMER_INSTRUCTIONS_AVX2 => Some(Isa::Avx2),
            SUPMER_INSTRUCTIONS_AVX512 => Some(Isa::Avx512),
            SUPMER_INSTRUCTIONS_AMX => Some(Isa::Amx),
            SUPMER_INSTRUCTIONS_AMX_BF16 => Some(Isa::AmxBf16),
            other => {
                let message =
                    format!("supmer_model_options: instructions is {other}, a SUPMER_INSTRUCTIONS value was expected");
                return fail(Status::InvalidOption, message);
            }
        };
        if self.prompt_cache_bytes != 0 {
            options.prompt_cache_bytes = usize::try_from(self.prompt_cache_bytes).unwrap_or(usize::MAX);
        }
        Ok(options)
    }
}

/// A file in memory. A library with this ABI knows exactly these fields.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct supmer_file {
    /// Its name without a path, such as "config.json".
    pub name: *const c_char,
    /// Bytes of `name`.
    pub name_length: usize,
    /// Its contents.
    pub bytes: *const u8,
    /// How many bytes it has.
    pub length: usize,
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
/// - `path`, `path_length`: the file or folder. Unless weights are expanded it is mapped: while the model lives it must
///   not be written to or cut, and must stay readable. To update it, write another file and rename that into place. Where
///   it may become unreadable (a network drive, iOS file protection) use `supmer_model_load_memory`.
/// - `options`: NULL for all defaults.
/// - `out`: receives the model, yours to free with `supmer_model_free`.
/// - Errors: `NOT_FOUND`, `IO`, `CORRUPT_FILE`, `UNSUPPORTED` (the message names the architecture or setting),
///   `NOT_FINITE`, `TOO_LARGE`, `MEMORY_LIMIT` (no memory for expanded weights, or too few threads), `CANCELLED`,
///   `INVALID_OPTION`, `INVALID_UTF8`, `INVALID_ARGUMENT`.
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
        guard(error, |call| {
            let out = Out::required(out, "out")?;
            let path = arguments::path(path, path_length)?;
            out.write(supmer_model::load(call, ModelFiles::Path(path), options)?);
            Ok(())
        })
    }
}

/// Loads a model from the bytes of a GGUF file. They are copied.
///
/// - `bytes`, `length`: the contents of the file.
/// - `options`, `out`: as for `supmer_model_load`.
/// - Errors: as `supmer_model_load`, but for files; `MEMORY_LIMIT` when there is no memory for the copy.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_model_load_memory(
    bytes: *const u8,
    length: usize,
    options: *const supmer_model_options,
    out: *mut *mut supmer_model,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |call| {
            let out = Out::required(out, "out")?;
            let bytes = arguments::slice(bytes, length, "bytes")?;
            out.write(supmer_model::load(call, ModelFiles::Gguf(bytes), options)?);
            Ok(())
        })
    }
}

/// Loads a model from the files of a Hugging Face folder in memory. What is kept of them is copied.
///
/// - `files`, `count`: config.json, tokenizer.json, tokenizer_config.json if there is one, and the weights:
///   model.safetensors, or model.safetensors.index.json and the files that it names. Others are left out.
/// - `options`, `out`: as for `supmer_model_load`.
/// - Errors: as `supmer_model_load`; `NOT_FOUND` names a file that is missing, `INVALID_ARGUMENT` one that is given
///   twice; `MEMORY_LIMIT` when there is no memory for a copy.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_model_load_memory_folder(
    files: *const supmer_file,
    count: usize,
    options: *const supmer_model_options,
    out: *mut *mut supmer_model,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |call| {
            let out = Out::required(out, "out")?;
            if count > MAX_FOLDER_FILES {
                return fail(Status::TooLarge, format!("count is at most {MAX_FOLDER_FILES}, {count} was given"));
            }
            let mut named = Vec::new();
            for (i, file) in arguments::slice(files, count, "files")?.iter().enumerate() {
                let name = arguments::text(file.name, file.name_length, &format!("name of file {i}"))?;
                named.push((name, arguments::slice(file.bytes, file.length, &format!("bytes of file {i}"))?));
            }
            out.write(supmer_model::load(call, ModelFiles::Folder(&named), options)?);
            Ok(())
        })
    }
}

/// Most files of a folder in memory.
const MAX_FOLDER_FILES: usize = 2 * MAX_WEIGHT_FILES;

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
    /// # Safety
    /// `options` is NULL or as long as it says, and what it points to is live.
    unsafe fn load(call: &Call<'_>, files: ModelFiles<'_>, options: *const supmer_model_options) -> Result<*mut Self> {
        // SAFETY: passed on to the caller.
        let given = unsafe { options::read(options) }?;
        // SAFETY: passed on to the caller.
        let cancel = unsafe { call.optional(given.cancel) }?.map_or_else(Cancel::new, supmer_cancel::flag);
        let listener = Listener::new(given.progress, given.progress_user_data);
        let mut progress = |progress| listener.tell(progress);
        let control = Control { cancel, progress: Some(&mut progress) };
        Self::give(Model::read(files, &given.resolve()?, control)?)
    }

    /// The handle of `model`, for C to free.
    pub(super) fn give(model: Arc<Model>) -> Result<*mut Self> {
        let fingerprint = serde_json::to_string(model.backbone().fingerprint())
            .map_err(|e| Error::new(Status::Internal, format!("the model's fingerprint cannot be written: {e}")))?;
        let fingerprint = handle::c_string(&fingerprint);
        Ok(handle::give(Self { state: State::new(), model, fingerprint, process: std::process::id() }))
    }
}
