//! Learning a task: from a model and a task to an adapter, in one call that may take minutes. It runs on the caller's
//! thread and the model's own workers. The same model, task, options and library on the same kind of processor give the
//! same adapter, byte for byte, whatever the number of threads (unless a time limit ended the run).

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::adapter::supmer_adapter;
use super::arguments::{self, Out};
use super::bundle::supmer_bundle;
use super::cancel::supmer_cancel;
use super::error::supmer_error;
use super::guard::{Call, guard};
use super::handle;
use super::model::supmer_model;
use super::options::{self, Options};
use super::progress::{Listener, supmer_progress_callback};
use super::report::supmer_report;
use super::status::supmer_status;
use super::task::supmer_task;
use crate::adapt::{self, AdaptOptions, AnswerLoss, Control, PromptStart};
use crate::bundle::Bundle;
use crate::error::{Result, Status, fail};
use crate::runtime::Cancel;

/// Turns a setting off where 0 means its default, in fields that say so.
pub const SUPMER_OFF: u32 = 0xFFFF_FFFF;

/// What the loss of an example tells its gold label apart from: one of `SUPMER_ANSWER_LOSS_...`.
pub type supmer_answer_loss = i32;

/// What the bundle advises; without one, the whole vocabulary.
pub const SUPMER_ANSWER_LOSS_AUTO: supmer_answer_loss = 0;
/// Every token of the vocabulary: the ordinary loss of prompt tuning.
pub const SUPMER_ANSWER_LOSS_VOCABULARY: supmer_answer_loss = 1;
/// The other labels alone: no step is spent on making the labels likely among all words, so few steps go further.
pub const SUPMER_ANSWER_LOSS_LABELS: supmer_answer_loss = 2;
/// The other labels alone, by a label head: rows that are trained beside the prompt, begun at the verbalizers' and kept in
/// the adapter, score the labels in their place. For labels that are hard to put in one word, and for many; the verbalizers
/// then matter little. Examples held out choose between the trained head and some that are fitted to the others; a fitted
/// one is then fitted to those held out as well. Where none are held out, a head fitted at one fixed penalty is taken.
pub const SUPMER_ANSWER_LOSS_HEAD: supmer_answer_loss = 3;

/// How to adapt. 0 (or NULL) in a field is its default, which suits 8 to 32 examples a label. With a bundle, `steps`,
/// `batch_size`, `learning_rate` and `answer_loss` are by default what it advises.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct supmer_adapt_options {
    /// Size of this struct in bytes, set by `supmer_adapt_options_init`.
    pub struct_size: usize,
    /// Seed of the starting prompt, the held-out part and the order of the examples (default 42).
    pub seed: u64,
    /// Bytes that intermediate results may take at once; 0 = no limit. Lower is slower.
    pub memory_limit: u64,
    /// Seconds after which the best prompt so far is returned, at most 1e9; 0 = no limit. Looked at after each step: one step
    /// always runs, and scoring the held-out part and fitting label heads are not cut short.
    pub time_limit: f64,
    /// Optimizer steps, at most 1,000,000 (default 100).
    pub steps: u32,
    /// Examples a step, at most 4,096 (default 8).
    pub batch_size: u32,
    /// Rows of the prompt, at most 4,096 (default 20). Those of a bundle or of `start_adapter` that
    /// the prompt starts from replace it; with `start_text` and a bundle, 0 is the bundle's.
    pub prompt_length: u32,
    /// Most tokens of a filled template; longer ones are cut inside their longest field. At most
    /// 16,777,216 (default 256); with the prompt's rows and the longest verbalizer it has to fit into the model's context, that
    /// of a T5 being 16,384.
    pub max_tokens: u32,
    /// First learning rate of AdamW, 1e-8 to 100; falls to 0 over the steps (default 0.02, or what the
    /// bundle advises; for `SUPMER_ANSWER_LOSS_HEAD` without a bundle trials chose 0.003).
    pub learning_rate: f32,
    /// Largest norm of the gradient, at most 1e6 (default 1); negative = no clipping.
    pub clip_norm: f32,
    /// Weight decay, at most 1; by default, and when negative, none.
    pub weight_decay: f32,
    /// Share of every label's examples held out for choosing the best prompt, at most 0.9; 0 = see `dev_per_class`.
    pub dev_fraction: f32,
    /// Examples of each label held out (default 16); `SUPMER_OFF` = none. None are held out, and the report warns of it,
    /// when a label would keep fewer than 8: by default below 24 examples of every label. At most 1,000,000.
    pub dev_per_class: u32,
    /// Score the held-out part every so many steps, and at the start and the end. At most 1,000,000 (default 10).
    pub eval_every: u32,
    /// Stop after so many scorings in a row without a better one, at most 1,000,000; by default, and by `SUPMER_OFF`,
    /// never.
    pub patience: u32,
    /// What the loss tells a gold label apart from: one of `SUPMER_ANSWER_LOSS_...`.
    pub answer_loss: supmer_answer_loss,
    /// Start from this adapter's prompt; NULL = from the bundle's prompt, or without a bundle from rows of the model's
    /// vocabulary.
    pub start_adapter: *const supmer_adapter,
    /// Start from this text, UTF-8; NULL = as said there. Not together with `start_adapter`.
    pub start_text: *const c_char,
    /// Bytes of `start_text`, at most 4 MiB.
    pub start_text_length: usize,
    /// Stops the call; NULL = nothing does.
    pub cancel: *const supmer_cancel,
    /// Told how far the call is; NULL = nobody.
    pub progress: supmer_progress_callback,
    /// Handed to `progress`.
    pub progress_user_data: *mut c_void,
}

// SAFETY: repr(C), `struct_size` first, no padding at its end (asserted), numbers and pointers that may all be zero.
unsafe impl Options for supmer_adapt_options {
    const NAME: &'static str = "supmer_adapt_options";
    const SIZES: &'static [usize] = &[size_of::<Self>()];
}

options::ends_with!(supmer_adapt_options, progress_user_data: *mut c_void);

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<supmer_adapt_options>() == 128);

/// Makes `options` all defaults.
///
/// - `options`, `struct_size`: the struct and its `sizeof`.
/// - Errors: `INVALID_ARGUMENT` for NULL, `INVALID_OPTION` for a size that no version has.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_adapt_options_init(
    options: *mut supmer_adapt_options,
    struct_size: usize,
) -> supmer_status {
    // SAFETY: NULL or `struct_size` writable bytes, says the caller.
    unsafe { options::init(options, struct_size) }
}

/// Learns a task. The model is not changed; the task is copied.
///
/// - `model`: the model to adapt.
/// - `bundle`: a meta-trained start, whose regularizer is applied at every step; NULL = ordinary prompt tuning.
/// - `task`: at least two labels, a template, and examples of every label.
/// - `options`: NULL for all defaults.
/// - `adapter`: receives the adapter, yours to free with `supmer_adapter_free`.
/// - `report`: receives the report, yours to free with `supmer_report_free`; NULL when it is not wanted.
/// - Errors: `INVALID_TASK`, `INVALID_EXAMPLE`, `INVALID_OPTION`, `TOO_LARGE`, `MEMORY_LIMIT`, `NOT_FINITE`,
///   `BACKBONE_MISMATCH` (of `bundle` or `start_adapter`), `UNSUPPORTED` (a model without vocabulary to start from),
///   `CANCELLED`, `INVALID_ARGUMENT`, `INVALID_UTF8`.
/// - Threads: any; several calls may share a model. The task must not be changed meanwhile.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_adapt(
    model: *const supmer_model,
    bundle: *const supmer_bundle,
    task: *const supmer_task,
    options: *const supmer_adapt_options,
    adapter: *mut *mut supmer_adapter,
    report: *mut *mut supmer_report,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |call| {
            let model = call.handle(model)?.model()?;
            let task = call.handle(task)?;
            let adapter_out = Out::required(adapter, "adapter")?;
            let report_out = Out::optional(report, "report")?;
            let bundle = call.optional(bundle)?.map(|bundle| Arc::clone(bundle.bundle()));
            let given = options::read(options)?;
            let options = given.resolve(call, bundle)?;
            let cancel = call.optional(given.cancel)?.map_or_else(Cancel::new, supmer_cancel::flag);
            let listener = Listener::new(given.progress, given.progress_user_data);
            let mut progress = |progress| listener.tell(progress);
            let (task, examples) = task.finish()?;
            let control = Control { cancel, progress: Some(&mut progress) };
            let made = adapt::adapt(model, &task, &examples, None, &options, control)?;

            let report = supmer_report::new(&made.report)?;
            if let Some(out) = report_out {
                out.write(handle::give(report));
            }
            adapter_out.write(handle::give(supmer_adapter::new(made.adapter)));
            Ok(())
        })
    }
}

impl supmer_adapt_options {
    /// The Rust options. Errors: `InvalidOption` for contradictions; ranges are checked by adaptation itself.
    ///
    /// # Safety
    /// The pointers inside are NULL or live.
    pub(super) unsafe fn resolve(&self, call: &Call<'_>, bundle: Option<Arc<Bundle>>) -> Result<AdaptOptions> {
        let default = bundle.as_ref().map_or_else(AdaptOptions::default, |bundle| bundle.advised());
        Ok(AdaptOptions {
            steps: count(self.steps, default.steps),
            learning_rate: if self.learning_rate == 0.0 { default.learning_rate } else { self.learning_rate },
            batch_size: count(self.batch_size, default.batch_size),
            answer_loss: answer_loss(self.answer_loss, default.answer_loss)?,
            prompt_length: count(self.prompt_length, default.prompt_length),
            // SAFETY: passed on to the caller.
            start: unsafe { self.start(call) }?,
            bundle,
            regularize: default.regularize,
            seed: if self.seed == 0 { default.seed } else { self.seed },
            clip_norm: strength(self.clip_norm, default.clip_norm),
            weight_decay: strength(self.weight_decay, default.weight_decay),
            dev_per_class: count_or_off(self.dev_per_class, default.dev_per_class),
            dev_fraction: if self.dev_fraction == 0.0 { default.dev_fraction } else { self.dev_fraction },
            eval_every: count(self.eval_every, default.eval_every),
            patience: count_or_off(self.patience, default.patience),
            time_limit: if self.time_limit == 0.0 { default.time_limit } else { self.time_limit },
            memory_limit: match self.memory_limit {
                0 => default.memory_limit,
                bytes => usize::try_from(bytes).unwrap_or(usize::MAX),
            },
            max_tokens: count(self.max_tokens, default.max_tokens),
            iterates_at: default.iterates_at,
        })
    }

    /// Where the prompt starts.
    ///
    /// # Safety
    /// The pointers inside are NULL or live.
    unsafe fn start(&self, call: &Call<'_>) -> Result<PromptStart> {
        // SAFETY: passed on to the caller.
        let adapter = unsafe { call.optional(self.start_adapter) }?;
        // SAFETY: passed on to the caller.
        let text = unsafe { arguments::text(self.start_text, self.start_text_length, "start_text") }?;
        match (adapter, text) {
            (None, "") => Ok(PromptStart::default()),
            (Some(adapter), "") => Ok(PromptStart::Adapter(Arc::clone(adapter.adapter()))),
            (None, text) => Ok(PromptStart::Text(text.to_owned())),
            (Some(_), _) => fail(Status::InvalidOption, "start_adapter and start_text exclude each other; set one"),
        }
    }
}

/// The Rust name of it. Errors: `InvalidOption`.
pub(super) fn answer_loss(given: supmer_answer_loss, default: AnswerLoss) -> Result<AnswerLoss> {
    Ok(match given {
        SUPMER_ANSWER_LOSS_AUTO => default,
        SUPMER_ANSWER_LOSS_VOCABULARY => AnswerLoss::Vocabulary,
        SUPMER_ANSWER_LOSS_LABELS => AnswerLoss::Labels,
        SUPMER_ANSWER_LOSS_HEAD => AnswerLoss::Head,
        other => {
            let message = format!("option answer_loss must be one of SUPMER_ANSWER_LOSS_..., {other} was given");
            return fail(Status::InvalidOption, message);
        }
    })
}

fn count(given: u32, default: usize) -> usize {
    if given == 0 { default } else { given as usize }
}

fn count_or_off(given: u32, default: usize) -> usize {
    if given == SUPMER_OFF { 0 } else { count(given, default) }
}

fn strength(given: f32, default: f32) -> f32 {
    match given {
        0.0 => default,
        // Not max: NaN stays NaN and is refused with the others that are out of range.
        off if off < 0.0 => 0.0,
        given => given,
    }
}
