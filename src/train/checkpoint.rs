//! A training run on disk: everything that its next step depends on, in one file that is replaced whole.
//!
//! A resumed run takes the same steps as an uninterrupted one, to the bit: tasks and mixing weights are drawn anew from
//! seed and step, so that no generator's state is kept.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::average::Average;
use super::curriculum::SmoothedSimilarity;
use super::meta_step::MetaState;
use crate::adapt::AdamW;
use crate::container::{Kind, Tensors, atomic_write};
use crate::error::{Result, Status, fail};
use crate::gradient_regularizer::{GradientRegularizer, Shape};
use crate::limits::{MAX_ADAPTER_BYTES, MAX_BUNDLE_MANIFEST_BYTES};

const CHECKPOINT: Kind = Kind {
    name: "checkpoint",
    format: "supmer-checkpoint",
    versions: 1..=1,
    // The prompt and psi of a bundle, two moments of each, and their mean.
    max_bytes: 4 * MAX_ADAPTER_BYTES,
    max_manifest: MAX_BUNDLE_MANIFEST_BYTES,
};

/// A run after some of its steps.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// theta, phi, their optimizers, the smoothed similarity, the step.
    pub state: MetaState,
    /// The mean over the last steps so far.
    pub average: Average,
    /// The step before which held-out tasks were last tried.
    pub validated: Option<usize>,
    /// Bytes of the metrics file that belong to what was done.
    pub metrics_bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    /// Digest of model, tasks and options: a checkpoint goes on only where it came from.
    run: String,
    step: usize,
    /// Bits of s, of which JSON's decimal form is not exact; none before the first step.
    similarity_bits: Option<u64>,
    averaged: usize,
    validated: Option<usize>,
    metrics_bytes: u64,
    prompt_length: usize,
    regularizer: Option<(usize, usize)>,
}

impl Checkpoint {
    /// Writes the file beside `path`, syncs it and renames it into place; `run` names what the run is made of.
    ///
    /// Errors: `Io`, `DiskFull`; the file before is then untouched.
    pub fn save(&self, path: &Path, run: &str) -> Result<()> {
        let state = &self.state;
        let phi = state.regularizer.as_ref();
        let manifest = Manifest {
            run: digest(run),
            step: state.step,
            similarity_bits: state.similarity.has_begun().then(|| state.similarity.value().to_bits()),
            averaged: self.average.count,
            validated: self.validated,
            metrics_bytes: self.metrics_bytes,
            prompt_length: state.prompt.rows(),
            regularizer: phi.map(|phi| (phi.shape().rank, phi.shape().layers)),
        };
        let (rows, width) = (state.prompt.rows(), state.prompt.width());
        let [first, second] = state.prompt_optimizer.moments();
        let mut tensors = vec![
            ("theta", vec![rows, width], state.prompt.values()),
            ("theta.first", vec![rows, width], first),
            ("theta.second", vec![rows, width], second),
        ];
        if let Some(phi) = phi {
            let [first, second] = state.phi_optimizer.moments();
            for (name, values) in [("phi", phi.values()), ("phi.first", first), ("phi.second", second)] {
                tensors.push((name, vec![values.len()], values));
            }
        }
        if self.average.count > 0 {
            tensors.push(("mean.theta", vec![rows, width], &self.average.prompt));
            if phi.is_some() {
                tensors.push(("mean.phi", vec![self.average.phi.len()], &self.average.phi));
            }
        }
        atomic_write::replace(path, &CHECKPOINT.encode(&manifest, &tensors)?)
    }

    /// Reads a checkpoint of the run `run`.
    ///
    /// Errors: `NotFound`, `CorruptFile`, and `InvalidArgument` when it belongs to a run of other options.
    pub fn load(path: &Path, run: &str) -> Result<Self> {
        Self::decode(&CHECKPOINT.read(path)?, run).map_err(|e| e.context(path.display()))
    }

    fn decode(bytes: &[u8], run: &str) -> Result<Self> {
        let (manifest, tensors) = CHECKPOINT.decode::<Manifest>(bytes)?;
        if manifest.run != digest(run) {
            return fail(
                Status::InvalidArgument,
                "the checkpoint is of a run with another model, other text or other options; resume with those of its \
                 start, or name another folder",
            );
        }
        let prompt = tensors.prompt("theta", manifest.prompt_length)?;
        let shape = vec![prompt.rows(), prompt.width()];
        let prompt_optimizer = optimizer(&tensors, "theta", &shape, manifest.step)?;
        let mut state = MetaState::new(prompt, regularizer(&tensors, &manifest, shape[1])?);
        let phi_shape = state.regularizer.as_ref().map(|phi| vec![phi.values().len()]);
        state.prompt_optimizer = prompt_optimizer;
        if let Some(shape) = &phi_shape {
            state.phi_optimizer = optimizer(&tensors, "phi", shape, manifest.step)?;
        }
        state.step = manifest.step;
        state.similarity = match manifest.similarity_bits.map(f64::from_bits) {
            Some(value) if (0.0..=1.0).contains(&value) => SmoothedSimilarity::from(value),
            Some(value) => {
                return fail(Status::CorruptFile, format!("manifest: a similarity of {value}; 0 to 1 is right"));
            }
            None => SmoothedSimilarity::default(),
        };
        let mut average = Average { count: manifest.averaged, ..Average::default() };
        if average.count > 0 {
            average.prompt = tensors.take("mean.theta", &shape)?;
            if let Some(shape) = &phi_shape {
                average.phi = tensors.take("mean.phi", shape)?;
            }
        }
        Ok(Self { state, average, validated: manifest.validated, metrics_bytes: manifest.metrics_bytes })
    }
}

fn regularizer(tensors: &Tensors<'_>, manifest: &Manifest, width: usize) -> Result<Option<GradientRegularizer>> {
    let Some((rank, layers)) = manifest.regularizer else { return Ok(None) };
    let shape = Shape { width, rank, layers };
    shape.validate()?;
    Ok(Some(GradientRegularizer::new(shape, tensors.take("phi", &[shape.count()])?)?))
}

fn optimizer(tensors: &Tensors<'_>, name: &str, shape: &[usize], step: usize) -> Result<AdamW> {
    let moments = [tensors.take(&format!("{name}.first"), shape)?, tensors.take(&format!("{name}.second"), shape)?];
    Ok(AdamW::resume(moments, step, 0.0))
}

fn digest(run: &str) -> String {
    format!("{:x}", Sha256::digest(run))
}
