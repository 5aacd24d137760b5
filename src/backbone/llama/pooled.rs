//! Pooled states of texts without a prompt: sentence embeddings.

use super::Llama;
use super::packed::Packed;
use crate::backbone::Sequence;
use crate::error::{Result, Status, fail};
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

impl Llama {
    pub(super) fn pooled_states(&self, texts: &[Vec<u32>], cancel: &Cancel) -> Result<Vec<f32>> {
        let d = self.source.config.width;
        let mut rows = vec![0.0; texts.len() * d];
        if texts.is_empty() {
            return Ok(rows);
        }
        let mut batch = Vec::with_capacity(texts.len());
        for text in texts {
            let Some(&first) = text.first() else {
                return fail(Status::InvalidArgument, "a text without tokens has no pooled state");
            };
            // The only token of an answer is predicted, never read: any will do.
            batch.push(Sequence::new(text.clone(), vec![first]));
        }
        let prompt = SoftPrompt::empty(d);
        self.check_batch(&prompt, &batch)?;
        let mut memory = self.take_training_memory();
        self.compute.threads.enter_unless_cancelled(cancel, || {
            let prepared = self.prepare(Packed::for_loss(0, &batch), true);
            self.forward(&prepared, &prompt, false, cancel, &mut memory)?;
            self.add_pooled(&prepared, 1.0, &mut memory, &mut rows);
            Ok(())
        })?;
        self.keep_training_memory(memory);
        Ok(rows)
    }
}
