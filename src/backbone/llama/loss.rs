//! The loss of a batch and its gradient to the soft prompt, micro-batch by micro-batch.

use super::Llama;
use super::head::HeadBuffers;
use super::network::TrainingMemory;
use super::packed::Packed;
use crate::backbone::{LossAndGradient, Sequence, StateLoss, Wanted};
use crate::error::{Result, Status, fail};
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// The loss of a micro-batch, times its weight: given the position of its first example, its examples, the last layer's
/// output at their answer rows, room for the gradient to that where it is wanted, and the head's buffers.
type HeadLoss<'a> = dyn FnMut(usize, &[Sequence], &[f32], Option<&mut Vec<f32>>, &mut HeadBuffers) -> f32 + Send + 'a;

impl Llama {
    pub(super) fn batch_loss(
        &self,
        prompt: &SoftPrompt,
        batch: &[Sequence],
        wanted: Wanted,
        memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        let weight = 1.0 / batch.len() as f32;
        let mut loss =
            |_: usize, examples: &[Sequence], hidden: &[f32], dhidden: Option<&mut Vec<f32>>, head: &mut _| {
                let losses = self.head_loss(hidden, examples, weight, dhidden, head);
                losses.iter().map(|&l| f64::from(l)).sum::<f64>() as f32 * weight
            };
        self.loss_through(prompt, batch, &mut loss, wanted, memory_limit, cancel)
    }

    pub(super) fn answer_state_loss(
        &self,
        prompt: &SoftPrompt,
        batch: &[Sequence],
        loss: &mut StateLoss<'_>,
        wanted: Wanted,
        memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        let batch: Vec<Sequence> = batch.iter().map(Sequence::unanswered).collect();
        let mut loss = |first: usize, _: &[Sequence], hidden: &[f32], dhidden: Option<&mut Vec<f32>>, head: &mut _| {
            self.head_state_loss(hidden, dhidden, head, &mut |states, gradient| loss(first, states, gradient))
        };
        self.loss_through(prompt, &batch, &mut loss, wanted, memory_limit, cancel)
    }

    fn loss_through(
        &self,
        prompt: &SoftPrompt,
        batch: &[Sequence],
        head_loss: &mut HeadLoss<'_>,
        wanted: Wanted,
        memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        self.check_batch(prompt, batch)?;
        let mut memory = self.take_training_memory();
        let gradient = if wanted == Wanted::Loss { 0 } else { prompt.values().len() };
        let pooled = if wanted == Wanted::GradientAndPooled { prompt.width() } else { 0 };
        let mut total = LossAndGradient::zero(gradient, pooled);
        let weight = 1.0 / batch.len() as f32;
        let mut start = 0;
        while start < batch.len() {
            cancel.check()?;
            let count = self.micro_batch(prompt.rows(), &batch[start..], 1, wanted != Wanted::Loss, memory_limit)?;
            let part = &batch[start..start + count];
            self.compute.threads.enter_unless_cancelled(cancel, || {
                self.add_loss(prompt, (start, part, weight), head_loss, wanted, cancel, &mut memory, &mut total)
            })?;
            start += count;
        }
        self.keep_training_memory(memory);
        total.finite()
    }

    pub(super) fn check_batch(&self, prompt: &SoftPrompt, batch: &[Sequence]) -> Result<()> {
        self.check_prompt(prompt)?;
        for example in batch {
            example.check_filled()?;
            self.check_tokens(prompt.rows(), example.text.len() + example.answer.len(), &example.text)?;
            self.check_tokens(prompt.rows(), example.answer.len(), &example.answer)?;
            example.check_given(prompt.width())?;
            example.check_among(self.head().rows())?;
        }
        Ok(())
    }

    pub(super) fn take_training_memory(&self) -> TrainingMemory {
        self.training_memory.lock().take().unwrap_or_default()
    }

    pub(super) fn keep_training_memory(&self, memory: TrainingMemory) {
        *self.training_memory.lock() = Some(memory);
    }

    /// How many of the next examples, in whole groups of `group`, fit `memory_limit` together (0 = all).
    pub(super) fn micro_batch(
        &self,
        prompt: usize,
        batch: &[Sequence],
        group: usize,
        with_gradient: bool,
        memory_limit: usize,
    ) -> Result<usize> {
        if memory_limit == 0 {
            return Ok(batch.len());
        }
        let pass = self.pass_bytes(with_gradient);
        let shared = pass.of(prompt, []);
        let mut bytes = shared;
        for (i, examples) in batch.chunks(group).enumerate() {
            for example in examples {
                // The last answer token is predicted, not read.
                bytes += pass.of(prompt, [(example.text.len(), example.answer.len())]) - shared - pass.text_row;
            }
            if bytes > memory_limit {
                if i == 0 {
                    let longest = examples.iter().map(|example| example.text.len()).max().unwrap_or(0);
                    let message = format!(
                        "one example of {longest} tokens with a prompt of {prompt} rows needs {bytes} bytes of \
                         activations, the memory limit is {memory_limit}: raise it, or lower max_tokens"
                    );
                    return fail(Status::MemoryLimit, message);
                }
                return Ok(i * group);
            }
        }
        Ok(batch.len())
    }

    #[allow(clippy::too_many_arguments)]
    fn add_loss(
        &self,
        prompt: &SoftPrompt,
        (first, examples, weight): (usize, &[Sequence], f32),
        head_loss: &mut HeadLoss<'_>,
        wanted: Wanted,
        cancel: &Cancel,
        memory: &mut TrainingMemory,
        total: &mut LossAndGradient,
    ) -> Result<()> {
        let with_gradient = wanted != Wanted::Loss;
        let packed = Packed::for_loss(prompt.rows(), examples);
        let batch = self.prepare(packed, wanted == Wanted::GradientAndPooled);
        self.forward(&batch, prompt, with_gradient, cancel, memory)?;
        if wanted == Wanted::GradientAndPooled {
            self.add_pooled(&batch, weight, memory, &mut total.pooled);
        }
        let TrainingMemory { head, hidden, dhidden, .. } = memory;
        total.loss += head_loss(first, examples, hidden, with_gradient.then_some(dhidden), head);
        if with_gradient {
            self.backward(&batch, cancel, memory)?;
            total.gradient.iter_mut().zip(&memory.dhidden).for_each(|(sum, g)| *sum += g);
        }
        Ok(())
    }
}
