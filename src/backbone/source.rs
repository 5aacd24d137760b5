//! Where a backbone comes from: what a file or folder holds, told by its configuration.

use std::path::Path;

use super::fingerprint::Fingerprint;
use super::folder::Folder;
use super::folder_source;
use super::llama_source::LlamaSource;
use super::t5::{self, T5Source};
use crate::error::{Result, Status, fail};
use crate::model::{ModelFiles, WeightMode};
use crate::runtime::Control;
use crate::text::Tokenizer;

/// The opened parts of a backbone, shapes checked against its configuration.
pub enum Source {
    /// The Llama family, from GGUF files and folders.
    Llama(Box<LlamaSource>),
    /// T5, from folders.
    T5(Box<T5Source>),
}

impl Source {
    /// Opens a GGUF file or a folder with config.json, tokenizer.json and safetensors.
    ///
    /// Errors: `NotFound`, `CorruptFile`, `NotFinite`, `TooLarge`, `Unsupported` by name.
    pub fn open(path: &Path) -> Result<Self> {
        Self::read(ModelFiles::Path(path), WeightMode::Stored, &mut Control::default())
    }

    /// Reads `files` and holds the weights as `weights` says.
    ///
    /// Errors: as [`Source::open`]; `Cancelled`; `InvalidArgument` for a file given twice; `MemoryLimit` when there is
    /// no memory for a copy of files in memory.
    pub fn read(files: ModelFiles<'_>, weights: WeightMode, control: &mut Control<'_>) -> Result<Self> {
        control.cancel.check()?;
        let source = match Folder::of(files)? {
            Some(folder) if folder_source::is_model_type(folder, t5::MODEL_TYPE) => {
                Source::T5(Box::new(T5Source::read(folder, weights, control)?))
            }
            _ => Source::Llama(Box::new(LlamaSource::read(files, weights, control)?)),
        };
        control.cancel.check()?;
        Ok(source)
    }

    /// Identity of the backbone.
    pub fn fingerprint(&self) -> &Fingerprint {
        match self {
            Source::Llama(source) => &source.fingerprint,
            Source::T5(source) => source.fingerprint(),
        }
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        match self {
            Source::Llama(source) => &source.tokenizer,
            Source::T5(source) => source.tokenizer(),
        }
    }

    /// Names and values of the network's sizes.
    pub fn sizes(&self) -> Vec<(&'static str, usize)> {
        match self {
            Source::Llama(source) => source.config.sizes(),
            Source::T5(source) => source.sizes(),
        }
    }

    /// Whether the output head is a tensor of its own, not the embedding.
    pub fn has_separate_head(&self) -> bool {
        match self {
            Source::Llama(source) => source.head.is_some(),
            Source::T5(source) => source.has_separate_head(),
        }
    }
}

/// `CorruptFile` when the tokenizer can give ids that have no row of the embedding's `rows`.
pub(super) fn check_rows(tokenizer: &Tokenizer, rows: usize) -> Result<()> {
    let count = tokenizer.token_count();
    if count > rows {
        let message = format!(
            "the tokenizer's ids need {count} rows, the embedding has {rows}: take the tokenizer that belongs to these \
             weights, or resize the embedding to it and save the model again"
        );
        return fail(Status::CorruptFile, message);
    }
    Ok(())
}
