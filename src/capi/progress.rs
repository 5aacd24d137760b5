//! How far a long call is. Its options take a callback, which may also stop it.

use std::ffi::c_void;

use super::silence;
use crate::runtime::{Progress, Stage};

/// What was just done: one of `SUPMER_STAGE_...`.
pub type supmer_stage = i32;

/// An optimizer step ended.
pub const SUPMER_STAGE_STEP: supmer_stage = 0;
/// The examples held out for choosing the best prompt were scored.
pub const SUPMER_STAGE_DEV: supmer_stage = 1;
/// Rows were predicted.
pub const SUPMER_STAGE_PREDICT: supmer_stage = 2;
/// Tensors of a model were read.
pub const SUPMER_STAGE_LOAD: supmer_stage = 3;
/// A step of meta-training ended.
pub const SUPMER_STAGE_TRAIN: supmer_stage = 4;
/// Sentences were embedded or clustered for meta-training.
pub const SUPMER_STAGE_PREPARE: supmer_stage = 5;

/// How far a long call is. Filled by the library; read only fields within `struct_size`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct supmer_progress {
    /// Size of the struct that the library filled.
    pub struct_size: usize,
    /// How many units (steps, rows, tensors) are done.
    pub done: u64,
    /// How many there will be at most.
    pub total: u64,
    /// Loss in nats per example; NaN where there is none.
    pub loss: f32,
    /// Share of right answers on the held-out examples, 0 to 1; NaN where there is none.
    pub accuracy: f32,
    /// What was just done.
    pub stage: supmer_stage,
    /// 0.
    pub reserved: i32,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<supmer_progress>() == 40);

/// Called between steps, on the thread that made the call. `progress` lives until it returns. 0 goes on, anything else
/// cancels the call. It must return: no longjmp, no C++ exception may leave it, and it must not free what the call uses.
pub type supmer_progress_callback =
    Option<unsafe extern "C" fn(user_data: *mut c_void, progress: *const supmer_progress) -> i32>;

/// A callback with its user data.
pub(super) struct Listener {
    callback: supmer_progress_callback,
    user_data: *mut c_void,
}

impl Listener {
    pub fn new(callback: supmer_progress_callback, user_data: *mut c_void) -> Self {
        Self { callback, user_data }
    }

    /// Tells the callback; `false` when it asks to stop.
    pub fn tell(&self, progress: Progress) -> bool {
        let Some(callback) = self.callback else { return true };
        let progress = supmer_progress {
            struct_size: size_of::<supmer_progress>(),
            done: progress.done as u64,
            total: progress.total as u64,
            loss: progress.loss,
            accuracy: progress.accuracy,
            stage: match progress.stage {
                Stage::Step => SUPMER_STAGE_STEP,
                Stage::Dev => SUPMER_STAGE_DEV,
                Stage::Predict => SUPMER_STAGE_PREDICT,
                Stage::Load => SUPMER_STAGE_LOAD,
                Stage::Train => SUPMER_STAGE_TRAIN,
                Stage::Prepare => SUPMER_STAGE_PREPARE,
            },
            reserved: 0,
        };
        // SAFETY: the caller gave a function of this type and vouched for its user data.
        silence::outside(|| unsafe { callback(self.user_data, &progress) }) == 0
    }
}
