//! The numeric oracle: every tensor of a folder's `expected.safetensors` computed anew from its `config.json`,
//! `model.safetensors` and `inputs.safetensors`, and compared (the layout is that of tests/fixtures/parity).

mod case;
mod compare;
mod downstream;
mod meta;
mod primitives;
mod published_t5;

use std::collections::BTreeMap;
use std::path::Path;

use crate::backbone::t5::network::T5Network;
use crate::error::Result;
use crate::model::ModelOptions;

pub use compare::{BOUND, Comparison, Group, ZERO_BOUND};

use case::{Case, Tensor};

/// Tensors by name.
type Computed = BTreeMap<String, Tensor>;

/// Computes and compares everything that `folder` expects.
///
/// Errors: those of reading a T5 folder; `CorruptFile` or `InvalidArgument` for inputs that do not fit together. A
/// deviation is no error: it is in the comparison.
pub fn run(folder: &Path) -> Result<Comparison> {
    let network = T5Network::load(folder, &ModelOptions::default())?;
    let case = Case::read(folder)?;
    let mut computed = Computed::new();
    primitives::compute(&network, &case, &mut computed)?;
    meta::compute(&network, &case, &mut computed)?;
    downstream::compute(&network, &case, &mut computed)?;
    let expected = case::read_tensors(&folder.join("expected.safetensors"))?;
    Ok(compare::compare(&expected, &computed))
}
