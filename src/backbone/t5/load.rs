//! Loading a T5 from a Hugging Face folder.

use std::path::Path;

use super::config::T5Config;
use super::network::T5Network;
use super::weights::T5Weights;
use crate::backbone::mapped;
use crate::backbone::safetensors_files::SafetensorsFiles;
use crate::error::Result;
use crate::kernels::{Compute, Isa};
use crate::limits::MAX_JSON_BYTES;
use crate::model::{ModelOptions, WeightMode};
use crate::runtime::Threads;

impl T5Network {
    /// Loads config.json and the safetensors of `folder`, no tokenizer.
    ///
    /// Errors: `NotFound`, `CorruptFile`, `NotFinite`, `TooLarge`, `Unsupported` by name.
    pub(crate) fn load(folder: &Path, options: &ModelOptions) -> Result<Self> {
        let path = folder.join("config.json");
        let config = T5Config::parse(&mapped::read(&path, MAX_JSON_BYTES)?).map_err(|e| e.context(path.display()))?;
        let compute = Compute { threads: Threads::new(options.thread_count)?, isa: Isa::select(options.isa)? };
        let expand = options.weights != WeightMode::Stored;
        // Of weights that are going to be expanded, what was only looked at need not stay in memory.
        let mut weights = T5Weights::read(&SafetensorsFiles::open(folder)?, &config, expand)?;
        if expand {
            weights.expand();
        }
        Ok(Self { config, weights, compute })
    }
}
