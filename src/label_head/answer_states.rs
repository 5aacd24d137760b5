//! The answer states of examples: what a label head reads.

use super::LabelHead;
use crate::backbone::{Backbone, Sequence, Wanted};
use crate::error::Result;
use crate::predict::scoring::BATCH_ROWS;
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// One state (d) for each of some rows.
pub(crate) struct AnswerStates {
    width: usize,
    values: Vec<f32>,
}

impl AnswerStates {
    /// The states of `examples` under `prompt`. Errors: those of the backbone.
    pub fn of(
        backbone: &dyn Backbone,
        prompt: &SoftPrompt,
        examples: &[Sequence],
        memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<Self> {
        let width = backbone.width();
        let mut values = vec![0.0; examples.len() * width];
        for (batch, place) in examples.chunks(BATCH_ROWS).zip(values.chunks_mut(BATCH_ROWS * width)) {
            let mut keep = |first: usize, states: &[f32], _: &mut [f32]| {
                place[first * width..][..states.len()].copy_from_slice(states);
                0.0
            };
            backbone.state_loss(prompt, batch, &mut keep, Wanted::Loss, memory_limit, cancel)?;
        }
        Ok(Self { width, values })
    }

    /// The rows of the one and then of the other, which are as wide.
    pub fn joined([mut first, second]: [Self; 2]) -> Self {
        first.values.extend(second.values);
        first
    }

    /// d, the width of a state.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Row by row.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }

    /// The labels' logits by `head`, row by row.
    pub fn scores(&self, head: &LabelHead) -> Vec<Vec<f32>> {
        self.rows().map(|state| head.logits(state)).collect()
    }

    #[cfg(test)]
    pub fn given(width: usize, values: Vec<f32>) -> Self {
        Self { width, values }
    }
}
