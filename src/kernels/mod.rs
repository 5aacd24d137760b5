//! The hot path: products with frozen weights, attention, norms and the rest, each forward and backward.
//!
//! Every kernel is written once over vectors of f32 and compiled for each instruction set; [`Isa`] chooses at run time.
//! Work is cut into items whose results do not depend on which thread does them.
#![allow(unsafe_code)]

pub(crate) mod attention;
pub(crate) mod cross_entropy;
pub mod dequantize;
pub(crate) mod gated;
mod isa;
mod lanes;
pub(crate) mod linear;
mod matmul;
pub(crate) mod relu;
pub(crate) mod rms_norm;
pub(crate) mod rope;
mod shared;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod tiles;

pub use isa::Isa;

#[cfg(test)]
mod tests;

use crate::error::Result;
use crate::model::ModelOptions;
use crate::runtime::Threads;

/// What a kernel runs on: the model's thread pool and instruction set.
pub(crate) struct Compute {
    /// The private pool.
    pub threads: Threads,
    /// Available on this processor (see [`Isa::select`]).
    pub isa: Isa,
}

impl Compute {
    /// Threads and instruction set of `options`. Errors: `InvalidOption`, `MemoryLimit` when the threads cannot be
    /// started, and `Unsupported` for instructions that this processor lacks.
    pub fn new(options: &ModelOptions) -> Result<Self> {
        Ok(Self { threads: Threads::new(options.thread_count)?, isa: Isa::select(options.isa)? })
    }
}

/// Frees the scratch memory that kernels keep on the calling thread from one product to the next.
#[cfg(feature = "capi")]
pub(crate) fn release_scratch() {
    shared::release_scratch();
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    tiles::release_tiles();
}
