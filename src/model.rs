//! A loaded backbone, ready to adapt and predict: the handle everything else starts from.

use std::path::Path;
use std::sync::Arc;

use crate::backbone::{self, Backbone};
use crate::error::Result;
use crate::kernels::Isa;
use crate::predict::PromptCache;
use crate::runtime::Control;

/// How a model's frozen weights are held in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightMode {
    /// `Stored` for GGUF files, `Expanded` for Hugging Face folders.
    #[default]
    Auto,
    /// As in the file (mapped, usually quantized) and expanded a tile at a time into scratch: least memory.
    Stored,
    /// Expanded once to f32 when loading; the file is let go: four bytes a weight, and no faster than 4-bit weights as stored.
    Expanded,
}

/// How to load a model; `ModelOptions::default()` suits most programs.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    /// Worker threads; 0 = as many as the system has cores, 1 = the caller's thread only. Results do not depend on it.
    pub thread_count: usize,
    /// How weights are held.
    pub weights: WeightMode,
    /// Bytes of adapted prompts' keys and values that are kept for prediction (default 64 MB).
    pub prompt_cache_bytes: usize,
    /// Instruction set of the kernels; `None` = the best this processor has. For tests and measurements.
    pub isa: Option<Isa>,
}

impl Default for ModelOptions {
    fn default() -> Self {
        Self { thread_count: 0, weights: WeightMode::Auto, prompt_cache_bytes: 64 << 20, isa: None }
    }
}

/// The files of a model.
#[derive(Clone, Copy, Debug)]
pub enum ModelFiles<'a> {
    /// A GGUF file or a Hugging Face folder (config.json, tokenizer.json, safetensors) on disk.
    Path(&'a Path),
    /// The bytes of a GGUF file; they are copied.
    Gguf(&'a [u8]),
    /// Names and bytes of the files of a Hugging Face folder; the weights are copied.
    Folder(&'a [(&'a str, &'a [u8])]),
}

/// A frozen backbone with its tokenizer, thread pool and prompt cache. Immutable: share it freely between threads.
pub struct Model {
    backbone: Box<dyn Backbone>,
    prompt_cache: PromptCache,
    options: ModelOptions,
}

impl Model {
    /// Loads a GGUF file or a Hugging Face folder.
    ///
    /// Errors: `NotFound`, `Io`, `CorruptFile`, `Unsupported` (names the architecture or setting), `InvalidOption`,
    /// `MemoryLimit` when there is no memory for expanded weights or the threads cannot be started.
    pub fn load(path: impl AsRef<Path>, options: &ModelOptions) -> Result<Arc<Self>> {
        Self::read(ModelFiles::Path(path.as_ref()), options, Control::default())
    }

    /// Loads a model from disk or from memory. `control` is told of every tensor that was read and may stop the call.
    ///
    /// Errors: as [`Model::load`]; `Cancelled`; `InvalidArgument` for a file that is given twice; `MemoryLimit` when
    /// there is no memory for a copy of files in memory.
    pub fn read(files: ModelFiles<'_>, options: &ModelOptions, mut control: Control<'_>) -> Result<Arc<Self>> {
        let backbone = backbone::load(files, options, &mut control)?;
        let family = backbone.fingerprint();
        log::info!(
            "loaded a model: {} {}, {} bytes of weights",
            family.architecture,
            family.shape,
            backbone.footprint().weights
        );
        let prompt_cache = PromptCache::new(options.prompt_cache_bytes);
        Ok(Arc::new(Self { backbone, prompt_cache, options: options.clone() }))
    }

    /// A model around `backbone`.
    #[cfg(all(test, feature = "capi"))]
    pub(crate) fn of(backbone: impl Backbone + 'static) -> Arc<Self> {
        let options = ModelOptions { prompt_cache_bytes: 0, ..ModelOptions::default() };
        Arc::new(Self { backbone: Box::new(backbone), prompt_cache: PromptCache::new(0), options })
    }

    /// The network itself.
    pub fn backbone(&self) -> &dyn Backbone {
        self.backbone.as_ref()
    }

    /// How it was loaded.
    pub fn options(&self) -> &ModelOptions {
        &self.options
    }

    /// Keys and values of adapted prompts, kept for prediction.
    pub(crate) fn prompt_cache(&self) -> &PromptCache {
        &self.prompt_cache
    }
}
