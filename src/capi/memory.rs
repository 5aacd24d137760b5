//! How much memory work with a model takes, before it is done: what fits a phone is known when the model is loaded.

use super::adapt::supmer_adapt_options;
use super::cancel::supmer_cancel;
use super::error::supmer_error;
use super::guard::guard;
use super::model::supmer_model;
use super::options::{self, Options};
use super::status::supmer_status;
use super::task::supmer_task;
use crate::memory_estimate::estimate_memory;
use crate::runtime::Cancel;

/// Bytes of memory; estimates, but for the weights, that tend to be somewhat high.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct supmer_memory_estimate {
    /// Size of this struct in bytes, set by `supmer_memory_estimate_init`.
    pub struct_size: usize,
    /// The model's weights, as they are held. Those of a file are mapped: the system may drop and read them again.
    pub weights_bytes: u64,
    /// Intermediate results of an adaptation: of a step, of scoring held-out examples and of fitting label heads.
    pub adapt_bytes: u64,
    /// Intermediate results of predicting one text.
    pub predict_bytes: u64,
    /// An adapter's share of the model's prompt cache.
    pub cached_prompt_bytes: u64,
}

// SAFETY: repr(C), `struct_size` first, no padding at its end (asserted), plain numbers.
unsafe impl Options for supmer_memory_estimate {
    const NAME: &'static str = "supmer_memory_estimate";
    const SIZES: &'static [usize] = &[size_of::<Self>()];
}

options::ends_with!(supmer_memory_estimate, cached_prompt_bytes: u64);

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<supmer_memory_estimate>() == 40);

/// Makes all fields of `estimate` 0 and notes its size.
///
/// - `estimate`, `struct_size`: the struct and its `sizeof`.
/// - Errors: `INVALID_ARGUMENT` for NULL, `INVALID_OPTION` for a size that no version has.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_memory_estimate_init(
    estimate: *mut supmer_memory_estimate,
    struct_size: usize,
) -> supmer_status {
    // SAFETY: NULL or `struct_size` writable bytes, says the caller.
    unsafe { options::init(estimate, struct_size) }
}

/// Estimates the memory that a model, an adaptation and predictions take. Nothing is computed by the model.
///
/// - `task`: its labels, template and examples tell the lengths; NULL = every text has `max_tokens` tokens and every
///   label one, and what fitting a label head takes is left out.
/// - `options`: how it would be adapted; NULL for all defaults. With a `memory_limit` steps are cut to fit it. For an
///   adaptation from a bundle set `prompt_length` to the bundle's rows, and `batch_size` and `answer_loss` to what it
///   advises (`supmer_bundle_metadata`).
/// - `estimate`: receives the numbers; `supmer_memory_estimate_init` comes first.
/// - Errors: those of `supmer_adapt` about its options and task, `CANCELLED` by the flag in the options,
///   `INVALID_ARGUMENT`.
/// - Threads: any. The task must not be changed meanwhile.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_model_estimate_memory(
    model: *const supmer_model,
    task: *const supmer_task,
    options: *const supmer_adapt_options,
    estimate: *mut supmer_memory_estimate,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |call| {
            let model = call.handle(model)?.model()?;
            let task = call.optional(task)?.map(supmer_task::finish).transpose()?;
            let given = options::read(options)?;
            let options = given.resolve(call, None)?;
            let cancel = call.optional(given.cancel)?.map_or_else(Cancel::new, supmer_cancel::flag);
            let task = task.as_ref().map(|(task, examples)| (task, &examples[..]));
            let made = estimate_memory(model, task, &options, &cancel)?;
            let value = supmer_memory_estimate {
                struct_size: size_of::<supmer_memory_estimate>(),
                weights_bytes: made.weights as u64,
                adapt_bytes: made.adapt as u64,
                predict_bytes: made.predict as u64,
                cached_prompt_bytes: made.cached_prompt as u64,
            };
            options::write(estimate, value)
        })
    }
}
