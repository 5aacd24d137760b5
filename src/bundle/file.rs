//! The bundle file: the tensors "theta" (P, d) and "phi.mlp. ..." (method section 5) and a manifest of their sizes and origin.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{Bundle, Origin, Regularization};
use crate::container::{Kind, Tensors};
use crate::error::{Error, Result, Status, fail};
use crate::gradient_regularizer::{GradientRegularizer, Rescaling, Shape};
use crate::limits::{MAX_ADAPTER_BYTES, MAX_BUNDLE_MANIFEST_BYTES, MAX_NAME_BYTES};

/// Versions of the bundle file that this build reads; it writes the last one.
pub const FORMAT_VERSIONS: RangeInclusive<u32> = 1..=1;

pub(super) const BUNDLE: Kind = Kind {
    name: "bundle",
    format: "supmer-bundle",
    versions: FORMAT_VERSIONS,
    max_bytes: MAX_ADAPTER_BYTES,
    max_manifest: MAX_BUNDLE_MANIFEST_BYTES,
};

const THETA: &str = "theta";

/// The manifest of version 1.
#[derive(Serialize, Deserialize)]
struct Manifest {
    prompt_length: usize,
    regularizer: Option<Sizes>,
    #[serde(flatten)]
    origin: Origin,
}

/// psi's sizes; its width is the prompt's.
#[derive(Serialize, Deserialize)]
struct Sizes {
    rank: usize,
    layers: usize,
    rescaling: Rescaling,
}

/// The bytes of `bundle`.
pub(super) fn encode(bundle: &Bundle) -> Result<Vec<u8>> {
    let Bundle { prompt, regularization, origin, .. } = bundle;
    let sizes = regularization.as_ref().map(|Regularization { regularizer, rescaling }| {
        let Shape { rank, layers, .. } = regularizer.shape();
        Sizes { rank, layers, rescaling: *rescaling }
    });
    let manifest = Manifest { prompt_length: prompt.rows(), regularizer: sizes, origin: origin.clone() };
    let phi = regularization.as_ref().map(|r| &r.regularizer);
    let named: Vec<(String, Vec<usize>, &[f32])> = phi
        .map(|phi| phi.shape().tensors().into_iter().map(|t| (phi_name(&t.name), t.shape, &phi.values()[t.range])))
        .into_iter()
        .flatten()
        .collect();
    let theta = (THETA, vec![prompt.rows(), prompt.width()], prompt.values());
    let phi = named.iter().map(|(name, shape, values)| (name.as_str(), shape.clone(), *values));
    BUNDLE.encode(&manifest, &std::iter::once(theta).chain(phi).collect::<Vec<_>>())
}

/// The bundle in `bytes`.
pub(super) fn decode(bytes: &[u8]) -> Result<Bundle> {
    let (Manifest { prompt_length, regularizer, origin }, tensors) = BUNDLE.decode::<Manifest>(bytes)?;
    if let Some(fingerprint) = &origin.fingerprint {
        fingerprint.check_lengths()?;
    }
    if origin.corpus_digest.as_ref().is_some_and(|digest| digest.len() > MAX_NAME_BYTES) {
        return fail(Status::CorruptFile, format!("manifest: corpus_digest has more than {MAX_NAME_BYTES} bytes"));
    }
    let prompt = tensors.prompt(THETA, prompt_length)?;
    let regularization = match regularizer {
        Some(sizes) => Some(regularization(&tensors, &sizes, prompt.width())?),
        None => {
            tensors.check_count(1)?;
            None
        }
    };
    Bundle::new(prompt, regularization, origin).map_err(corrupt)
}

fn regularization(tensors: &Tensors<'_>, sizes: &Sizes, width: usize) -> Result<Regularization> {
    let shape = Shape { width, rank: sizes.rank, layers: sizes.layers };
    shape.validate().map_err(corrupt)?;
    let wanted = shape.tensors();
    tensors.check_count(1 + wanted.len())?;
    let mut values = Vec::new();
    for tensor in &wanted {
        values.extend(tensors.take(&phi_name(&tensor.name), &tensor.shape)?);
    }
    Ok(Regularization { regularizer: GradientRegularizer::new(shape, values)?, rescaling: sizes.rescaling })
}

fn phi_name(name: &str) -> String {
    format!("phi.{name}")
}

/// What is a wrong argument elsewhere is damage in a file.
fn corrupt(error: Error) -> Error {
    match error.status() {
        Status::NotFinite => error,
        _ => Error::new(Status::CorruptFile, format!("manifest: {error}")),
    }
}
