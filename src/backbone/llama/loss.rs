//! The loss of a batch and its gradient to the soft prompt, micro-batch by micro-batch.

use super::Llama;
use super::head::HeadBuffers;
use super::layer::{self, Activations, Buffers, Pass, resize};
use super::packed::Packed;
use crate::backbone::{LossAndGradient, Sequence};
use crate::error::{Result, Status, fail};
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// Memory of the training pass, kept from step to step.
#[derive(Default)]
pub(super) struct TrainingMemory {
    layers: Vec<Activations>,
    buffers: Buffers,
    head: HeadBuffers,
    hidden: Vec<f32>,
    dhidden: Vec<f32>,
}

impl Llama {
    pub(super) fn batch_loss(
        &self,
        prompt: &SoftPrompt,
        batch: &[Sequence],
        with_gradient: bool,
        memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        self.check_prompt(prompt)?;
        for example in batch {
            self.check_tokens(prompt.rows(), example.text.len() + example.answer.len(), &example.text)?;
            self.check_tokens(prompt.rows(), example.answer.len(), &example.answer)?;
        }
        let mut memory = self.training_memory.lock().take().unwrap_or_default();
        let mut total =
            LossAndGradient { loss: 0.0, gradient: vec![0.0; if with_gradient { prompt.values().len() } else { 0 }] };
        let mut start = 0;
        while start < batch.len() {
            cancel.check()?;
            let count = self.micro_batch(prompt.rows(), &batch[start..], with_gradient, memory_limit)?;
            let part = &batch[start..start + count];
            let weight = 1.0 / batch.len() as f32;
            self.compute
                .threads
                .enter(|| self.add_loss(prompt, part, weight, with_gradient, cancel, &mut memory, &mut total))?;
            start += count;
        }
        *self.training_memory.lock() = Some(memory);
        if !total.loss.is_finite() || total.gradient.iter().any(|g| !g.is_finite()) {
            return fail(
                Status::NotFinite,
                "the loss or its gradient is not finite: lower the learning rate, or the prompt's values have grown too large",
            );
        }
        Ok(total)
    }

    /// How many of the next examples fit `memory_limit` together (0 = all).
    fn micro_batch(
        &self,
        prompt: usize,
        batch: &[Sequence],
        with_gradient: bool,
        memory_limit: usize,
    ) -> Result<usize> {
        if memory_limit == 0 {
            return Ok(batch.len());
        }
        let config = &self.source.config;
        let layers = if with_gradient { config.layers } else { 1 };
        let row = 4 * (layers * Activations::values_per_row(config) + Buffers::values_per_row(config));
        let answer = 4 * (config.vocabulary + 2 * config.width);
        let mut bytes = prompt * row;
        for (i, example) in batch.iter().enumerate() {
            bytes += (example.text.len() + example.answer.len() - 1) * row + example.answer.len() * answer;
            if bytes > memory_limit {
                if i == 0 {
                    let message = format!(
                        "one example of {} tokens with a prompt of {prompt} rows needs {bytes} bytes of activations, \
                         the memory limit is {memory_limit}: raise it, or lower max_tokens",
                        example.text.len()
                    );
                    return fail(Status::MemoryLimit, message);
                }
                return Ok(i);
            }
        }
        Ok(batch.len())
    }

    #[allow(clippy::too_many_arguments)]
    fn add_loss(
        &self,
        prompt: &SoftPrompt,
        batch: &[Sequence],
        weight: f32,
        with_gradient: bool,
        cancel: &Cancel,
        memory: &mut TrainingMemory,
        total: &mut LossAndGradient,
    ) -> Result<()> {
        let packed = Packed::for_loss(prompt.rows(), batch);
        let answer_rows = packed.answer_rows();
        let answer_positions: Vec<usize> = answer_rows.iter().map(|&row| packed.positions[row]).collect();
        let pass = Pass {
            compute: &self.compute,
            config: &self.source.config,
            rope: &self.rope,
            rotations: &self.rope.rotations(&packed.positions),
            answer_rotations: &self.rope.rotations(&answer_positions),
            spans: &packed.spans,
            rows: packed.rows(),
            answer_rows: &answer_rows,
            prompt: packed.prompt,
        };
        let d = self.source.config.width;
        let TrainingMemory { layers, buffers, head, hidden, dhidden } = memory;
        let depth = self.source.layers.len();
        layers.resize_with(if with_gradient { depth } else { 1 }, Activations::default);
        let x = resize(&mut layers[0].x, pass.rows * d);
        x[..prompt.values().len()].copy_from_slice(prompt.values());
        self.embed_all(&packed.tokens, &mut x[prompt.values().len()..]);
        for (l, weights) in self.source.layers.iter().enumerate() {
            cancel.check()?;
            let last = l + 1 == depth;
            layer::forward(&pass, weights, None, last, &mut layers[if with_gradient { l } else { 0 }], buffers, hidden);
            if !last {
                std::mem::swap(&mut layers[if with_gradient { l + 1 } else { 0 }].x, hidden);
            }
        }
        let targets: Vec<u32> = batch.iter().flat_map(|e| e.answer.iter().copied()).collect();
        let losses = self.head_loss(hidden, &targets, weight, with_gradient.then_some(&mut *dhidden), head);
        total.loss += losses.iter().map(|&l| f64::from(l)).sum::<f64>() as f32 * weight;
        if with_gradient {
            for (l, weights) in self.source.layers.iter().enumerate().rev() {
                cancel.check()?;
                layer::backward(&pass, weights, (l == 0, l + 1 == depth), &layers[l], buffers, dhidden);
            }
            total.gradient.iter_mut().zip(&dhidden[..]).for_each(|(sum, g)| *sum += g);
        }
        Ok(())
    }
}
