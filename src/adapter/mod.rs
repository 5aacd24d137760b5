//! An adapter: one customer's adapted prompt with its task, lineage and dev score.

mod file;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::backbone::{Backbone, Fingerprint};
use crate::container::atomic_write;
use crate::error::{Result, Status, fail};
use crate::label_head::LabelHead;
use crate::soft_prompt::SoftPrompt;
use crate::task::Task;

pub use file::FORMAT_VERSIONS;

/// How an adapter came to be; kept in its file. Holds no text of examples, no time, no host, no thread count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lineage {
    /// "prompt-tuning", "supmer" (from a bundle, with its psi), or "supmer-no-psi" (from a bundle's prompt alone).
    pub method: String,
    /// Seed of the run.
    pub seed: u64,
    /// Steps that ran before the kept prompt.
    pub steps: usize,
    /// Number of training examples.
    pub train_examples: usize,
    /// Dev accuracy of the kept prompt, where a dev part was used; of a label head that was then fitted again to dev rows,
    /// before that.
    pub dev_accuracy: Option<f32>,
    /// Dev loss of the kept prompt, in nats per example.
    pub dev_loss: Option<f32>,
    /// Most tokens of a filled template the prompt was trained with; prediction cuts the same way.
    pub max_tokens: usize,
    /// SHA-256 (hex) of the bundle file it was adapted from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
}

/// An adapted prompt, ready to predict with on its backbone. Immutable.
#[derive(Debug)]
pub struct Adapter {
    id: u64,
    prompt: SoftPrompt,
    head: Option<LabelHead>,
    task: Task,
    lineage: Lineage,
    fingerprint: Fingerprint,
}

impl Adapter {
    /// An adapter from its parts.
    pub fn new(prompt: SoftPrompt, task: Task, lineage: Lineage, fingerprint: Fingerprint) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), prompt, head: None, task, lineage, fingerprint }
    }

    /// The same adapter with trained rows in the place of the verbalizers.
    ///
    /// Errors: `InvalidArgument` unless `head` has the prompt's width and as many labels as the task.
    pub fn with_head(self, head: LabelHead) -> Result<Self> {
        let (labels, width) = (self.task.labels().len(), self.prompt.width());
        if (head.labels(), head.width()) != (labels, width) {
            return fail(
                Status::InvalidArgument,
                format!(
                    "this adapter needs a label head of {labels} labels of width {width}; {} of width {} came",
                    head.labels(),
                    head.width()
                ),
            );
        }
        Ok(Self { head: Some(head), ..self })
    }

    /// Reads an adapter file.
    ///
    /// Errors: `NotFound`, `Io`, `TooLarge`, and with the file's name those of [`Adapter::from_bytes`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::from_bytes(&file::ADAPTER.read(path)?).map_err(|e| e.context(path.display()))
    }

    /// Reads an adapter from memory.
    ///
    /// Errors: `CorruptFile` says what is wrong, `Unsupported` for another kind of file or a version outside
    /// [`FORMAT_VERSIONS`], `NotFinite` for a prompt with NaN or infinity, `TooLarge`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        file::decode(bytes)
    }

    /// The file's bytes; the same adapter always gives the same bytes.
    ///
    /// Errors: `NotFinite` when a score of the lineage is NaN or infinite, `TooLarge` beyond the size a reader accepts.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        file::encode(self)
    }

    /// Writes the file beside `path`, syncs it and renames it into place: a reader finds the old file or the new one.
    ///
    /// Errors: `Io`, `NotFound` for a missing folder, `DiskFull`; what was at `path` is then untouched.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        atomic_write::replace(path.as_ref(), &self.to_bytes()?)
    }

    /// Checks that the adapter belongs to `backbone`'s family. `Ok(Some(warning))` when only the weights differ
    /// (another quantization of the same model). Errors: `BackboneMismatch` names the field, what it was and what is needed.
    pub fn check(&self, backbone: &dyn Backbone) -> Result<Option<String>> {
        self.fingerprint.check("adapter", self.prompt.width(), backbone)
    }

    /// Identity within this process, for the prompt cache.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The adapted prompt.
    pub fn prompt(&self) -> &SoftPrompt {
        &self.prompt
    }

    /// Trained rows in the place of the verbalizers, where it was adapted with them.
    pub fn head(&self) -> Option<&LabelHead> {
        self.head.as_ref()
    }

    /// Its task.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// How it came to be.
    pub fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// The backbone it was made for.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

#[cfg(test)]
mod tests;
