//! How an adaptation went. Immutable.

use std::ffi::{CString, c_char};

use super::handle::{self, Handle, State};
use crate::adapt::Report;
use crate::error::{Error, Result, Status};

/// What an adaptation reports.
pub struct supmer_report {
    state: State,
    json: CString,
}

impl Handle for supmer_report {
    const NAME: &'static str = "supmer_report";
    fn state(&self) -> &State {
        &self.state
    }
}

impl supmer_report {
    /// The report as C reads it.
    pub(super) fn new(report: &Report) -> Result<Self> {
        let json = serde_json::to_string(report)
            .map_err(|e| Error::new(Status::Internal, format!("the report cannot be written: {e}")))?;
        Ok(Self { state: State::new(), json: handle::c_string(&json) })
    }
}

/// The report as a JSON object:
///
/// - "train_examples", "dev_examples" (held out; 0 = none), "cut_examples" (cut to `max_tokens`), "prompt_length";
/// - "steps": for every step "loss" (of its batch before it, nats an example), "learning_rate", "gradient_norm" (before
///   clipping), and with a regularizer "gate" (0 to 1, the weight of the raw gradient) and "cosine" (of the raw and the
///   applied gradient);
/// - "dev": for every scoring of the held-out examples "step" (0 = the start), "accuracy" (0 to 1) and "loss" (nats);
/// - "kept_step": the steps that made what is kept; "stopped": "steps", "patience" or "time limit";
/// - "seconds" of the call, "peak_bytes" of the process so far (0 = not known), "warnings": sentences for a person.
///
/// Later versions may add members.
///
/// - Returns: text ending in NUL that lives as long as the report; NULL for NULL.
/// - Errors: none.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_report_json(report: *const supmer_report) -> *const c_char {
    // SAFETY: NULL or a live report, says the caller.
    unsafe { report.as_ref() }.map_or(std::ptr::null(), |r| r.json.as_ptr())
}

/// Frees a report. NULL is a no-op.
///
/// - Errors: none.
/// - Threads: any, when no call uses this handle.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_report_free(report: *mut supmer_report) {
    // SAFETY: NULL or a live report that is not used again, says the caller.
    unsafe { handle::free(report) };
}
