//! A bundle: what meta-training makes for one model family, namely the soft prompt theta that adaptation starts from and
//! the gradient regularizer psi_phi that it applies at every step, with the recipe that made them.

mod file;

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::adapt::{AdaptOptions, AnswerLoss};
use crate::backbone::{Backbone, Fingerprint};
use crate::container::atomic_write;
use crate::error::{Result, Status, fail};
use crate::gradient_regularizer::{GradientRegularizer, Rescaling};
use crate::soft_prompt::SoftPrompt;

pub use file::FORMAT_VERSIONS;

/// psi as adaptation uses it.
#[derive(Clone, Debug, PartialEq)]
pub struct Regularization {
    /// psi_phi.
    pub regularizer: GradientRegularizer,
    /// How psi's output is brought to the gradient's size during adaptation; meta-training's own choice is in the recipe.
    pub rescaling: Rescaling,
}

/// How a bundle came to be and how it wants to be used; kept in its file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The backbone it was trained on; `None` when that is not known (an imported checkpoint): then only the width is
    /// checked.
    pub fingerprint: Option<Fingerprint>,
    /// Settings of adaptation that go with this bundle; `None` = the library's defaults.
    pub adaptation: Option<Advice>,
    /// SHA-256 (hex) of the text it was trained on, where there was one.
    pub corpus_digest: Option<String>,
    /// Everything else that is needed to make it again: options, seed, steps.
    pub recipe: Value,
}

/// Settings of adaptation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// Optimizer steps.
    pub steps: usize,
    /// First learning rate.
    pub learning_rate: f32,
    /// Examples a step.
    pub batch_size: usize,
    /// What the loss tells a gold label apart from; left out of files where it is the whole vocabulary.
    #[serde(default, skip_serializing_if = "is_vocabulary")]
    pub answer_loss: AnswerLoss,
}

impl Default for Advice {
    /// The library's own settings.
    fn default() -> Self {
        let AdaptOptions { steps, learning_rate, batch_size, answer_loss, .. } = AdaptOptions::default();
        Self { steps, learning_rate, batch_size, answer_loss }
    }
}

fn is_vocabulary(loss: &AnswerLoss) -> bool {
    *loss == AnswerLoss::Vocabulary
}

/// A meta-trained start. Immutable; two are equal when their contents are, whatever wrote their files.
#[derive(Clone, Debug)]
pub struct Bundle {
    prompt: SoftPrompt,
    regularization: Option<Regularization>,
    origin: Origin,
    /// SHA-256 of the file it was read from; `None` when it was read from none.
    file_digest: Option<String>,
}

impl PartialEq for Bundle {
    fn eq(&self, other: &Self) -> bool {
        (&self.prompt, &self.regularization, &self.origin) == (&other.prompt, &other.regularization, &other.origin)
    }
}

impl Bundle {
    /// A bundle from its parts; without `regularization` adaptation runs plain from the prompt.
    ///
    /// Errors: `InvalidArgument` when the prompt has no rows or another width than the regularizer; `InvalidOption` for
    /// advice out of range.
    pub fn new(prompt: SoftPrompt, regularization: Option<Regularization>, origin: Origin) -> Result<Self> {
        let width = regularization.as_ref().map_or(prompt.width(), |r| r.regularizer.shape().width);
        if prompt.rows() == 0 || prompt.width() == 0 || prompt.width() != width {
            return fail(
                Status::InvalidArgument,
                format!(
                    "a bundle has a prompt with rows, as wide as its regularizer; {} rows of {} values and a regularizer \
                     of width {width} came",
                    prompt.rows(),
                    prompt.width()
                ),
            );
        }
        let bundle = Self { prompt, regularization, origin, file_digest: None };
        bundle.advised().validate()?;
        Ok(bundle)
    }

    /// Reads a bundle file.
    ///
    /// Errors: `NotFound`, `Io`, `TooLarge`, and with the file's name those of [`Bundle::from_bytes`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::from_bytes(&file::BUNDLE.read(path)?).map_err(|e| e.context(path.display()))
    }

    /// Reads a bundle from memory.
    ///
    /// Errors: `CorruptFile` says what is wrong, `Unsupported` for another kind of file or a version outside
    /// [`FORMAT_VERSIONS`], `NotFinite` for values that are NaN or infinite, `TooLarge`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Ok(Self { file_digest: Some(sha256(bytes)), ..file::decode(bytes)? })
    }

    /// The file's bytes; the same bundle always gives the same bytes.
    ///
    /// Errors: `TooLarge` beyond the size a reader accepts.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        file::encode(self)
    }

    /// Writes the file beside `path`, syncs it and renames it into place: a reader finds the old file or the new one.
    ///
    /// Errors: `Io`, `NotFound` for a missing folder, `DiskFull`; what was at `path` is then untouched.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        atomic_write::replace(path.as_ref(), &self.to_bytes()?)
    }

    /// Checks that the bundle fits `backbone`: its family, and its width where the family is not known. Gives what the
    /// user should know, one sentence each. Errors: `BackboneMismatch` names the field, what it was and what is needed.
    pub fn check(&self, backbone: &dyn Backbone) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        match &self.origin.fingerprint {
            Some(fingerprint) => warnings.extend(fingerprint.check("bundle", self.prompt.width(), backbone)?),
            None => {
                Fingerprint::check_width("bundle", self.prompt.width(), backbone)?;
                warnings.push("the bundle does not say which model it was trained on; only its width fits".to_owned());
            }
        }
        if self.regularization.is_none() {
            warnings.push("the bundle has no gradient regularizer: adaptation runs plain from its prompt".to_owned());
        }
        Ok(warnings)
    }

    /// The default options of adaptation with the bundle's advice put in.
    pub fn advised(&self) -> AdaptOptions {
        let options = AdaptOptions { prompt_length: self.prompt.rows(), ..AdaptOptions::default() };
        match self.origin.adaptation {
            Some(Advice { steps, learning_rate, batch_size, answer_loss }) => {
                AdaptOptions { steps, learning_rate, batch_size, answer_loss, ..options }
            }
            None => options,
        }
    }

    /// SHA-256 (hex) of the bundle's file: the one it was read from, whichever version of the library wrote that, else the
    /// one it would be written to. Errors: as [`Bundle::to_bytes`].
    pub fn digest(&self) -> Result<String> {
        self.file_digest.clone().map_or_else(|| Ok(sha256(&self.to_bytes()?)), Ok)
    }

    /// theta, (P, d).
    pub fn prompt(&self) -> &SoftPrompt {
        &self.prompt
    }

    /// psi, where the bundle has one.
    pub fn regularization(&self) -> Option<&Regularization> {
        self.regularization.as_ref()
    }

    /// How it came to be.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// In hexadecimal.
fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
