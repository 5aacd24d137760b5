//! What adaptation changes.

use crate::adapter::{Adapter, Lineage};
use crate::backbone::Fingerprint;
use crate::error::Result;
use crate::label_head::LabelHead;
use crate::soft_prompt::SoftPrompt;
use crate::task::Task;

/// What adaptation changes, at some step of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// The prompt.
    pub prompt: SoftPrompt,
    /// The label head, where one is trained.
    pub head: Option<LabelHead>,
}

impl Learned {
    /// The adapter of it. Errors: those of [`Adapter::with_head`].
    pub fn into_adapter(self, task: Task, lineage: Lineage, fingerprint: Fingerprint) -> Result<Adapter> {
        let adapter = Adapter::new(self.prompt, task, lineage, fingerprint);
        match self.head {
            Some(head) => adapter.with_head(head),
            None => Ok(adapter),
        }
    }
}
