//! The whole frozen network over one packed batch: from the soft prompt to the hidden states that the head reads, and back.

use super::Llama;
use super::head::HeadBuffers;
use super::layer::{self, Activations, Buffers, Pass, gather, resize, scatter_add};
use super::packed::Packed;
use crate::error::Result;
use crate::kernels::rms_norm;
use crate::kernels::rope::Rotations;
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// Memory of the training pass, kept from step to step.
#[derive(Default)]
pub(super) struct TrainingMemory {
    layers: Vec<Activations>,
    buffers: Buffers,
    pub head: HeadBuffers,
    /// Output of the last layer at the answer rows.
    pub hidden: Vec<f32>,
    /// Gradient to `hidden`.
    pub dhidden: Vec<f32>,
    /// Output of the last layer at all rows, when they are asked for.
    all: Vec<f32>,
}

/// A packed batch with what every layer needs to know of it.
pub(super) struct Prepared {
    pub packed: Packed,
    answer_rows: Vec<usize>,
    rotations: Rotations,
    answer_rotations: Rotations,
    /// Whether the last layer runs at all rows instead of the answer rows only.
    all_rows: bool,
}

impl Llama {
    pub(super) fn prepare(&self, packed: Packed, all_rows: bool) -> Prepared {
        let answer_rows = packed.answer_rows();
        let answer_positions: Vec<usize> = answer_rows.iter().map(|&row| packed.positions[row]).collect();
        let rotations = self.rope.rotations(&packed.positions);
        let answer_rotations = self.rope.rotations(&answer_positions);
        Prepared { packed, answer_rows, rotations, answer_rotations, all_rows }
    }

    /// Runs all layers; the answer rows end in `memory.hidden`. Activations are kept when `keep`, for [`Self::backward`].
    pub(super) fn forward(
        &self,
        batch: &Prepared,
        prompt: &SoftPrompt,
        keep: bool,
        cancel: &Cancel,
        memory: &mut TrainingMemory,
    ) -> Result<()> {
        let (d, depth) = (self.source.config.width, self.source.layers.len());
        let pass = self.pass(batch);
        let TrainingMemory { layers, buffers, hidden, all, .. } = memory;
        layers.resize_with(if keep { depth } else { 1 }, Activations::default);
        let x = resize(&mut layers[0].x, pass.rows * d);
        let (prompt_rows, token_rows) = x.split_at_mut(prompt.values().len());
        prompt_rows.copy_from_slice(prompt.values());
        self.embed_all(&batch.packed.tokens, token_rows);
        for (row, given) in &batch.packed.given {
            token_rows[row * d..(row + 1) * d].copy_from_slice(given);
        }
        for (l, weights) in self.source.layers.iter().enumerate() {
            cancel.check()?;
            let last = l + 1 == depth;
            let answers_only = last && !batch.all_rows;
            layer::forward(&pass, weights, None, answers_only, &mut layers[if keep { l } else { 0 }], buffers, hidden);
            if !last {
                std::mem::swap(&mut layers[if keep { l + 1 } else { 0 }].x, hidden);
            }
        }
        if batch.all_rows {
            std::mem::swap(all, hidden);
            gather(all, d, &batch.answer_rows, hidden);
        }
        Ok(())
    }

    /// From `memory.dhidden` (answer rows) back through all layers; it then starts with the gradient to the prompt's rows.
    pub(super) fn backward(&self, batch: &Prepared, cancel: &Cancel, memory: &mut TrainingMemory) -> Result<()> {
        let (d, depth) = (self.source.config.width, self.source.layers.len());
        let pass = self.pass(batch);
        let TrainingMemory { layers, buffers, dhidden, all, .. } = memory;
        if batch.all_rows {
            resize(all, pass.rows * d).fill(0.0);
            scatter_add(dhidden, d, &batch.answer_rows, all);
            std::mem::swap(all, dhidden);
        }
        for (l, weights) in self.source.layers.iter().enumerate().rev() {
            cancel.check()?;
            let answers_only = l + 1 == depth && !batch.all_rows;
            layer::backward(&pass, weights, (l == 0, answers_only), &layers[l], buffers, dhidden);
        }
        Ok(())
    }

    /// Adds, after the final norm, `weight` times every example's mean over its prompt and text rows to `sums`: to its
    /// only row (d), or to the row of that example where there is one for each. The batch was run at all rows;
    /// teacher-forced answer rows do not count.
    pub(super) fn add_pooled(&self, batch: &Prepared, weight: f32, memory: &mut TrainingMemory, sums: &mut [f32]) {
        let (d, prompt) = (self.source.config.width, batch.packed.prompt);
        let normed = resize(&mut memory.dhidden, memory.all.len());
        rms_norm::forward(&self.compute, &memory.all, &self.source.final_norm, self.source.config.norm_epsilon, normed);
        let examples = &batch.packed.spans[usize::from(prompt > 0)..];
        for (example, span) in examples.iter().enumerate() {
            let own = if sums.len() == d { 0 } else { example * d };
            let sum = &mut sums[own..own + d];
            let text = span.length + 1 - span.answers;
            let share = weight / (prompt + text) as f32;
            let rows = normed[..prompt * d].chunks_exact(d);
            for row in rows.chain(normed[span.start * d..(span.start + text) * d].chunks_exact(d)) {
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += share * x);
            }
        }
    }

    fn pass<'a>(&'a self, batch: &'a Prepared) -> Pass<'a> {
        Pass {
            compute: &self.compute,
            config: &self.source.config,
            rope: &self.rope,
            rotations: &batch.rotations,
            answer_rotations: &batch.answer_rotations,
            spans: &batch.packed.spans,
            rows: batch.packed.rows(),
            answer_rows: &batch.answer_rows,
            prompt: batch.packed.prompt,
        }
    }
}
