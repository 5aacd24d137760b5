//! The C ABI: one module per section of `include/supmer.h`, and those that keep its promises.
//!
//! `guard` catches panics, `silence` keeps them from being printed, `handle` owns what C holds, `arguments` checks
//! pointers, and `options` reads structs that may grow. The contract that C callers rely on stands at the top of the
//! header (`cbindgen.toml`); the modules' and functions' own documentation becomes the header's sections.

// Needed here more than anywhere: every pointer comes from C.
#![allow(unsafe_code)]
// C names are C's: `supmer_model`, not `SupmerModel`.
#![allow(non_camel_case_types)]
// What callers must keep is written once, at the top of the header.
#![allow(clippy::missing_safety_doc)]

mod arguments;
mod guard;
mod handle;
mod options;
mod silence;

mod adapt;
mod adapter;
mod buffer;
mod bundle;
mod cancel;
mod error;
mod log;
mod memory;
mod model;
mod predict;
mod progress;
mod report;
mod status;
mod task;
#[cfg(feature = "train")]
mod train;
mod version;

pub use adapt::*;
pub use adapter::*;
pub use buffer::*;
pub use bundle::*;
pub use cancel::*;
pub use error::*;
pub use log::*;
pub use memory::*;
pub use model::*;
pub use predict::*;
pub use progress::*;
pub use report::*;
pub use status::*;
pub use task::*;
#[cfg(feature = "train")]
pub use train::*;
pub use version::*;
