//! Pooled states of texts without a prompt: sentence embeddings.

use super::T5;
use super::batch::Example;
use super::network::EncoderOutput;
use crate::error::{Result, Status, fail};
use crate::limits::MAX_T5_ROWS;
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

impl T5 {
    pub(super) fn pooled_states(&self, texts: &[Vec<u32>], cancel: &Cancel) -> Result<Vec<f32>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        if texts.iter().any(|text| text.is_empty() || text.len() > MAX_T5_ROWS) {
            return fail(Status::InvalidArgument, format!("a text to pool has 1 to {MAX_T5_ROWS} tokens"));
        }
        let example = |text: &Vec<u32>| Example {
            input_ids: text.iter().map(|&id| i64::from(id)).collect(),
            attention_mask: vec![true; text.len()],
            ..Example::default()
        };
        let examples: Vec<Example> = texts.iter().map(example).collect();
        let d = self.network.width();
        let prompt = SoftPrompt::empty(d);
        let (output, _) = self.network.run_encoder(&vec![&prompt; texts.len()], &examples, &[], false, cancel)?;
        let mut pooled = Vec::with_capacity(texts.len() * d);
        let mut start = 0;
        for length in output.lengths {
            let hidden = output.hidden[start * d..(start + length) * d].to_vec();
            pooled.extend(EncoderOutput { hidden, lengths: vec![length], mask: Vec::new() }.pooled());
            start += length;
        }
        Ok(pooled)
    }
}
