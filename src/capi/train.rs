//! Making a bundle from unlabelled text, in a library that was built for it: define `SUPMER_TRAIN` before including this
//! header, and ask `supmer_has_feature("train", 5)`. It takes hours; the folder of a run holds everything that is needed
//! to go on after a stop.

use std::ffi::{c_char, c_void};
use std::path::PathBuf;
use std::sync::Arc;

use super::adapt::{SUPMER_OFF, answer_loss, supmer_answer_loss};
use super::arguments::{self, Out};
use super::bundle::supmer_bundle;
use super::cancel::supmer_cancel;
use super::error::supmer_error;
use super::guard::{Call, guard};
use super::handle;
use super::model::supmer_model;
use super::options::{self, Options};
use super::progress::{Listener, supmer_progress_callback};
use super::status::supmer_status;
use crate::error::{Result, Status, fail};
use crate::runtime::{Cancel, Control};
use crate::train::{PipelineOptions, StartOptions, train_bundle};

/// How to train. 0 (or NULL) in a field is the default for the model's family: for decoder-only models that of the bundle that is
/// shipped (whose `encoder` is a MiniLM), for T5 what was published.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct supmer_train_options {
    /// Size of this struct in bytes, set by `supmer_train_options_init`.
    pub struct_size: usize,
    /// Seed of start, clusters, tasks and mixing weights.
    pub seed: u64,
    /// Bytes that intermediate results may take at once; 0 = no limit. Lower is slower.
    pub memory_limit: u64,
    /// Hours of meta steps after which the run saves and stops, preparation not counted; 0 = no limit.
    pub max_hours: f64,
    /// Folder of a MiniLM sentence encoder, UTF-8; NULL = the model's own pooled states.
    pub encoder: *const c_char,
    /// Bytes of `encoder`.
    pub encoder_length: usize,
    /// How often each format of anchor tasks is drawn, such as "nsp=1,scss=2", UTF-8; those not named are off. Known: nsp,
    /// nss, scsp, scss, scc, topic, cloze. NULL = "topic,cloze,nsp=0.5,scsp=0.5" (T5: the first five).
    pub formats: *const c_char,
    /// Bytes of `formats`.
    pub formats_length: usize,
    /// Start from this bundle's prompt and regularizer, with `prompt_length` and `rank` 0; NULL = from the tokens of an
    /// instruction (T5: rows of the vocabulary) and a random regularizer.
    pub start_bundle: *const supmer_bundle,
    /// Meta steps; decoder-only models: 500, an hour or more on two cores with 135 million weights.
    pub steps: u32,
    /// Tasks of one step.
    pub tasks_per_step: u32,
    /// Rows of the prompt.
    pub prompt_length: u32,
    /// Rank of the regularizer; `SUPMER_OFF` = a prompt without one.
    pub rank: u32,
    /// Number of clusters.
    pub clusters: u32,
    /// Most tokens of a filled template.
    pub max_tokens: u32,
    /// Steps between validations; `SUPMER_OFF` = none.
    pub validate_every: u32,
    /// Steps between checkpoints.
    pub checkpoint_every: u32,
    /// Average the bundle over so many of the last steps; decoder-only models: 50. Their prompt is then averaged with the
    /// one that it started from.
    pub average_over: u32,
    /// 1 = go on from the folder's checkpoint, 0 = start.
    pub resume: u32,
    /// Size of the inner step.
    pub inner_rate: f32,
    /// First learning rate of the prompt.
    pub prompt_rate: f32,
    /// First learning rate of the regularizer.
    pub phi_rate: f32,
    /// What the loss tells an answer apart from, in training and in the adaptation that the bundle advises: one of
    /// `SUPMER_ANSWER_LOSS_...`; AUTO = label heads (T5: the whole vocabulary).
    pub answer_loss: supmer_answer_loss,
    /// Stops the call; NULL = nothing does.
    pub cancel: *const supmer_cancel,
    /// Told how far the call is: `SUPMER_STAGE_PREPARE`, then `SUPMER_STAGE_TRAIN`; NULL = nobody.
    pub progress: supmer_progress_callback,
    /// Handed to `progress`.
    pub progress_user_data: *mut c_void,
}

// SAFETY: repr(C), `struct_size` first, no padding at its end (asserted), numbers and pointers that may all be zero.
unsafe impl Options for supmer_train_options {
    const NAME: &'static str = "supmer_train_options";
    const SIZES: &'static [usize] = &[size_of::<Self>()];
}

options::ends_with!(supmer_train_options, progress_user_data: *mut c_void);

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<supmer_train_options>() == 152);

/// Makes `options` all defaults.
///
/// - `options`, `struct_size`: the struct and its `sizeof`.
/// - Errors: `INVALID_ARGUMENT` for NULL, `INVALID_OPTION` for a size that no version has.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_train_options_init(
    options: *mut supmer_train_options,
    struct_size: usize,
) -> supmer_status {
    // SAFETY: the caller vouches for `struct_size` writable bytes.
    unsafe { options::init(options, struct_size) }
}

/// Trains a bundle for a model from unlabelled text.
///
/// - `model`: the frozen model.
/// - `corpus`, `corpus_length`: a folder of .txt files (a paragraph a line, an empty line ends a document) and .jsonl
///   files (member "text"), or one such file.
/// - `folder`, `folder_length`: the folder of the run, made when it is missing: sentences, clusters, checkpoint, metrics.
/// - `options`: NULL for all defaults.
/// - `bundle`: receives the bundle, yours to free with `supmer_bundle_free`.
/// - `finished`: receives whether all steps were done; false when `max_hours` stopped the run. NULL leaves it out.
/// - Errors: `INVALID_ARGUMENT` (a folder that holds a run which is not resumed, or one of other options too),
///   `INVALID_OPTION`, `INVALID_UTF8`, `NOT_FOUND`, `IO`, `DISK_FULL`, `CORRUPT_FILE`, `UNSUPPORTED`, `TOO_LARGE`,
///   `BACKBONE_MISMATCH` (of `start_bundle`), `MEMORY_LIMIT`, `NOT_FINITE`, `CANCELLED` (a checkpoint is written once
///   steps have begun; before that call again without `resume`, and what was prepared is used again).
/// - Threads: any; one call a folder.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_train_bundle(
    model: *const supmer_model,
    corpus: *const c_char,
    corpus_length: usize,
    folder: *const c_char,
    folder_length: usize,
    options: *const supmer_train_options,
    bundle: *mut *mut supmer_bundle,
    finished: *mut bool,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |call| {
            let model = call.handle(model)?.model()?;
            let corpus = arguments::path(corpus, corpus_length)?;
            let folder = arguments::path(folder, folder_length)?;
            let bundle_out = Out::required(bundle, "bundle")?;
            let finished_out = Out::optional(finished, "finished")?;
            let given = options::read(options)?;
            let options = given.resolve(call, PipelineOptions::for_backbone(model.backbone()))?;
            let cancel = call.optional(given.cancel)?.map_or_else(Cancel::new, supmer_cancel::flag);
            let listener = Listener::new(given.progress, given.progress_user_data);
            let mut progress = |progress| listener.tell(progress);
            let control = Control { cancel, progress: Some(&mut progress) };
            let trained = train_bundle(model, corpus, folder, &options, given.resume == 1, control)?;
            if let Some(out) = finished_out {
                out.write(trained.finished);
            }
            bundle_out.write(handle::give(supmer_bundle::new(trained.bundle)));
            Ok(())
        })
    }
}

impl supmer_train_options {
    /// `options`, the defaults, with what was given put in.
    ///
    /// # Safety
    /// The pointers inside are NULL or live.
    unsafe fn resolve(&self, call: &Call<'_>, mut options: PipelineOptions) -> Result<PipelineOptions> {
        if self.resume > 1 {
            return fail(Status::InvalidOption, format!("option resume must be 0 or 1, {} was given", self.resume));
        }
        // SAFETY: passed on to the caller.
        let encoder = unsafe { arguments::text(self.encoder, self.encoder_length, "encoder") }?;
        // SAFETY: passed on to the caller.
        let formats = unsafe { arguments::text(self.formats, self.formats_length, "formats") }?;
        // SAFETY: passed on to the caller.
        let start = unsafe { call.optional(self.start_bundle) }?;
        options.encoder = (!encoder.is_empty()).then(|| PathBuf::from(encoder));
        if let Some(start) = start {
            options.start = StartOptions { bundle: Some(Arc::clone(start.bundle())), ..StartOptions::default() };
        }
        options.start.prompt_length = self.prompt_length as usize;
        match self.rank {
            0 => {}
            SUPMER_OFF => options.start.rank = Some(0),
            rank => options.start.rank = Some(rank as usize),
        }
        let (tasks, train) = (&mut options.tasks, &mut options.train);
        if !formats.is_empty() {
            tasks.weigh_formats(formats)?;
        }
        if self.seed != 0 {
            (train.seed, tasks.seed, options.clusters.seed) = (self.seed, self.seed, self.seed);
        }
        for (given, field) in [
            (self.steps, &mut train.meta.steps),
            (self.tasks_per_step, &mut tasks.tasks_per_step),
            (self.clusters, &mut options.clusters.count),
            (self.max_tokens, &mut tasks.max_tokens),
            (self.checkpoint_every, &mut train.checkpoint_every),
            (self.average_over, &mut train.average_over),
        ] {
            if given != 0 {
                *field = given as usize;
            }
        }
        match self.validate_every {
            0 => {}
            SUPMER_OFF => train.validate_every = 0,
            steps => train.validate_every = steps as usize,
        }
        for (given, field) in [
            (self.inner_rate, &mut train.meta.inner_rate),
            (self.prompt_rate, &mut train.meta.prompt_rate),
            (self.phi_rate, &mut train.meta.phi_rate),
        ] {
            if given != 0.0 {
                *field = given;
            }
        }
        train.max_hours = self.max_hours;
        train.memory_limit = usize::try_from(self.memory_limit).unwrap_or(usize::MAX);
        let answer_loss = answer_loss(self.answer_loss, tasks.answer_loss)?;
        options.set_answer_loss(answer_loss);
        Ok(options)
    }
}
