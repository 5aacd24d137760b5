//! What a caller may hand to a long call: a way to stop it and a way to watch it.

use super::{Cancel, Progress};
use crate::error::{Result, Status, fail};

/// What a caller may hand to a long call.
#[derive(Default)]
pub struct Control<'a> {
    /// Stops the call within one step.
    pub cancel: Cancel,
    /// Called between steps on the calling thread; `false` stops the call.
    pub progress: Option<&'a mut dyn FnMut(Progress) -> bool>,
}

impl Control<'_> {
    /// Tells the caller. Errors: `Cancelled` when it asks to stop, now or through the flag.
    pub(crate) fn tell(&mut self, progress: Progress) -> Result<()> {
        if let Some(listener) = &mut self.progress
            && !listener(progress)
        {
            return fail(Status::Cancelled, "the call was stopped by its progress callback");
        }
        self.cancel.check()
    }
}
