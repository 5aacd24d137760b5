//! What every long call shares: threads, cancel, progress, seeded random numbers, peak memory.

mod cancel;
mod control;
mod memory;
mod progress;
mod random;
mod threads;
mod turns;

pub use cancel::Cancel;
pub use control::Control;
pub use memory::peak_bytes;
pub use progress::{Progress, Stage};
pub use random::Random;
pub use threads::Threads;
#[cfg(feature = "capi")]
pub(crate) use threads::WORKER_NAME;
