//! A T5 in a Hugging Face folder: config.json, safetensors and, for texts, tokenizer.json.

use std::path::Path;

use super::config::{FeedForward, T5Config};
use super::network::T5Network;
use super::weights::T5Weights;
use crate::backbone::Fingerprint;
use crate::backbone::folder::Folder;
use crate::backbone::folder_source::{self, read_config};
use crate::backbone::safetensors_files::SafetensorsFiles;
use crate::backbone::source::check_rows;
use crate::error::{Error, Result, Status};
use crate::kernels::Compute;
use crate::model::{ModelOptions, WeightMode};
use crate::runtime::Control;
use crate::text::Tokenizer;

/// What config.json calls the architecture, and fingerprints too.
pub(in crate::backbone) const MODEL_TYPE: &str = "t5";
/// The sentinel that stands where the answer belongs.
const SENTINEL: &str = "<extra_id_0>";

/// Everything a T5 backbone is made of, shapes checked against the configuration.
pub struct T5Source {
    pub(super) config: T5Config,
    pub(super) weights: T5Weights,
    pub(super) tokenizer: Tokenizer,
    pub(super) fingerprint: Fingerprint,
    /// The id of `<extra_id_0>`.
    pub(super) sentinel: u32,
}

impl T5Source {
    /// Reads `folder`; the weights are expanded unless they are to stay as stored.
    ///
    /// Errors: `NotFound`, `CorruptFile`, `NotFinite`, `TooLarge`, `Cancelled`, and `Unsupported` by name, also for a
    /// tokenizer without `<extra_id_0>`.
    pub(in crate::backbone) fn read(
        folder: Folder<'_>,
        weights: WeightMode,
        control: &mut Control<'_>,
    ) -> Result<Self> {
        let (config, weights) = read(folder, weights, control)?;
        let tokenizer = folder_source::tokenizer(folder)?;
        check_rows(&tokenizer, config.vocabulary).map_err(|e| e.context(folder.place()))?;
        let sentinel = tokenizer.sentinel(SENTINEL).ok_or_else(|| {
            let message = format!("{}: tokenizer.json has no special token {SENTINEL}", folder.place());
            Error::new(Status::Unsupported, message)
        })?;
        let fingerprint = Fingerprint {
            architecture: MODEL_TYPE.to_owned(),
            shape: config.shape(),
            tokenizer: tokenizer.digest().to_owned(),
            weights: weights.digest.clone(),
        };
        Ok(Self { config, weights, tokenizer, fingerprint, sentinel })
    }

    /// Identity of the backbone.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Names and values of the network's sizes.
    pub fn sizes(&self) -> Vec<(&'static str, usize)> {
        vec![
            ("encoder_layers", self.config.encoder_layers),
            ("decoder_layers", self.config.decoder_layers),
            ("width", self.config.width),
            ("heads", self.config.heads),
            ("head_width", self.config.head_width),
            ("feed_forward", self.config.feed_forward_width),
            ("vocabulary", self.config.vocabulary),
        ]
    }

    /// Whether the output head is a tensor of its own.
    pub fn has_separate_head(&self) -> bool {
        self.weights.head.is_some()
    }
}

impl T5Network {
    /// Loads config.json and the safetensors of `folder`, no tokenizer.
    ///
    /// Errors: `NotFound`, `CorruptFile`, `NotFinite`, `TooLarge`, `Unsupported` by name, `InvalidOption`.
    #[allow(dead_code)] // Networks whose inputs are token ids have no use for a tokenizer.
    pub(crate) fn load(folder: &Path, options: &ModelOptions) -> Result<Self> {
        let compute = Compute::new(options)?;
        let (config, weights) = read(Folder::OnDisk(folder), options.weights, &mut Control::default())?;
        Ok(Self { config, weights, compute })
    }
}

/// Names and values that tell what `folder` holds.
pub(in crate::backbone) fn summary(folder: Folder<'_>) -> Result<Vec<(&'static str, String)>> {
    let config = read_config(folder, T5Config::parse)?;
    let feed_forward = match config.feed_forward {
        FeedForward::Relu => "relu",
        FeedForward::GatedGelu => "gated-gelu",
    };
    Ok(vec![
        ("architecture", MODEL_TYPE.to_owned()),
        ("shape", config.shape()),
        ("feed_forward", feed_forward.to_owned()),
        ("norm_epsilon", config.norm_epsilon.to_string()),
        ("scaled_output", config.scaled_output.to_string()),
    ])
}

fn read(folder: Folder<'_>, weights: WeightMode, control: &mut Control<'_>) -> Result<(T5Config, T5Weights)> {
    let config = read_config(folder, T5Config::parse)?;
    let keep = folder_source::keep(weights != WeightMode::Stored);
    let weights = T5Weights::read(&SafetensorsFiles::open(folder)?, &config, keep, control)?;
    Ok((config, weights))
}
