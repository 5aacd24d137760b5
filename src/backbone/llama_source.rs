//! Where a Llama-family backbone comes from: a GGUF file or a Hugging Face folder, behind one face.

use std::path::Path;

use super::bytes::Bytes;
use super::config::LlamaConfig;
use super::fingerprint::Fingerprint;
use super::folder::Folder;
use super::source::check_rows;
use super::tensors::Weights;
use super::weights::FrozenMatrix;
use super::{folder_source, gguf_source, mapped};
use crate::error::{Result, Status, fail};
use crate::model::{ModelFiles, WeightMode};
use crate::runtime::Control;
use crate::text::Tokenizer;

/// The weights of one layer.
#[allow(missing_docs)]
pub struct LayerWeights {
    pub attention_norm: Vec<f32>,
    pub query: FrozenMatrix,
    pub key: FrozenMatrix,
    pub value: FrozenMatrix,
    pub output: FrozenMatrix,
    pub feed_forward_norm: Vec<f32>,
    pub gate: FrozenMatrix,
    pub up: FrozenMatrix,
    pub down: FrozenMatrix,
}

/// Everything a Llama-family backbone is made of, shapes checked against the configuration.
pub struct LlamaSource {
    /// Shape and settings.
    pub config: LlamaConfig,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// Token embeddings, (V, d).
    pub embedding: FrozenMatrix,
    /// Layers, first to last.
    pub layers: Vec<LayerWeights>,
    /// Weight of the final norm.
    pub final_norm: Vec<f32>,
    /// The output head (V, d) when it is not the embedding.
    pub head: Option<FrozenMatrix>,
    /// Identity of the backbone.
    pub fingerprint: Fingerprint,
    /// Whether the weights come quantized or half (GGUF: stay stored by default).
    pub is_gguf: bool,
}

impl LlamaSource {
    /// Opens a GGUF file or a folder with config.json, tokenizer.json and safetensors.
    ///
    /// Errors: `NotFound`, `CorruptFile`, `NotFinite`, `TooLarge`, `Unsupported` by name.
    pub fn open(path: &Path) -> Result<Self> {
        Self::read(ModelFiles::Path(path), WeightMode::Stored, &mut Control::default())
    }

    /// Reads `files` and holds the weights as `weights` says. Errors: as [`LlamaSource::open`], and `Cancelled`.
    pub fn read(files: ModelFiles<'_>, weights: WeightMode, control: &mut Control<'_>) -> Result<Self> {
        if let Some(folder) = Folder::of(files)? {
            return folder_source::read(folder, weights != WeightMode::Stored, control);
        }
        let (bytes, place) = match files {
            ModelFiles::Path(path) if path.extension().is_some_and(|extension| extension == "safetensors") => {
                let message = format!("{}: give the folder that holds it and its config.json", path.display());
                return fail(Status::InvalidArgument, message);
            }
            ModelFiles::Path(path) => (mapped::map(path)?, path.display().to_string()),
            ModelFiles::Gguf(bytes) => (Bytes::copied(bytes)?, "the file in memory".to_owned()),
            ModelFiles::Folder(_) => return fail(Status::Internal, "a folder in memory is a folder"),
        };
        gguf_source::read(&bytes, &place, weights == WeightMode::Expanded, control)
    }

    /// A source from its parts, read from `place`.
    ///
    /// Errors: `CorruptFile` when the tokenizer can give ids that have no embedding.
    pub(super) fn assemble(
        place: &str,
        config: LlamaConfig,
        tokenizer: Tokenizer,
        weights: Weights,
        is_gguf: bool,
    ) -> Result<Self> {
        check_rows(&tokenizer, config.vocabulary).map_err(|e| e.context(place))?;
        let fingerprint = Fingerprint {
            architecture: "llama".to_owned(),
            shape: config.shape(),
            tokenizer: tokenizer.digest().to_owned(),
            weights: weights.digest,
        };
        Ok(Self {
            config,
            tokenizer,
            embedding: weights.embedding,
            layers: weights.layers,
            final_norm: weights.final_norm,
            head: weights.head,
            fingerprint,
            is_gguf,
        })
    }
}

#[cfg(test)]
mod tests;
