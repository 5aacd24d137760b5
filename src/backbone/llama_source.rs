//! Where a Llama-family backbone comes from: a GGUF file or a Hugging Face folder, behind one face.

use std::path::Path;

use super::config::LlamaConfig;
use super::fingerprint::Fingerprint;
use super::source::check_rows;
use super::tensors::Weights;
use super::weights::FrozenMatrix;
use super::{folder_source, gguf_source};
use crate::error::{Result, Status, fail};
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
    /// Name of the file or folder, for messages.
    pub name: String,
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
        if path.is_dir() {
            return folder_source::open(path);
        }
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            let message = format!("{}: give the folder that holds it and its config.json", path.display());
            return fail(Status::InvalidArgument, message);
        }
        gguf_source::open(path)
    }

    /// Expands all matrices to f32 memory of their own and lets the file go.
    pub fn expand(&mut self) {
        self.embedding = self.embedding.expanded();
        for layer in &mut self.layers {
            let LayerWeights { query, key, value, output, gate, up, down, .. } = layer;
            for matrix in [query, key, value, output, gate, up, down] {
                *matrix = matrix.expanded();
            }
        }
        self.head = self.head.as_ref().map(FrozenMatrix::expanded);
    }

    /// A source from its parts, read from `path`.
    ///
    /// Errors: `CorruptFile` when the tokenizer can give ids that have no embedding.
    pub(super) fn assemble(
        path: &Path,
        config: LlamaConfig,
        tokenizer: Tokenizer,
        weights: Weights,
        is_gguf: bool,
    ) -> Result<Self> {
        check_rows(&tokenizer, config.vocabulary).map_err(|e| e.context(path.display()))?;
        let fingerprint = Fingerprint {
            architecture: "llama".to_owned(),
            shape: config.shape(),
            tokenizer: tokenizer.digest().to_owned(),
            weights: weights.digest,
        };
        let name = path.file_name().map_or(path.as_os_str(), |name| name).to_string_lossy().into_owned();
        Ok(Self {
            name,
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
