//! A sticky flag that stops long calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Result, Status, fail};

/// A request to stop that any thread may set, before or during a call; clones share one flag.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks every call that holds this flag to stop within one step.
    pub fn request(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Clears the flag so that it can be used again.
    pub fn reset(&self) {
        self.0.store(false, Ordering::Release);
    }

    /// Whether a stop was asked for.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// `Cancelled` when a stop was asked for.
    pub fn check(&self) -> Result<()> {
        if self.is_requested() { fail(Status::Cancelled, "the call was cancelled by its caller") } else { Ok(()) }
    }
}
