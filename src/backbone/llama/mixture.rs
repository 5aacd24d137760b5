//! The loss of a mixture of two batches (method section 4), for a decoder-only network: the hidden states behind the final
//! norm are mixed at the rows that predict the answers (our extension; a T5 mixes what its encoder gives).

use super::Llama;
use super::layer::resize;
use super::network::TrainingMemory;
use super::packed::Packed;
use crate::backbone::mixture::divergence;
use crate::backbone::{LossAndGradient, Mixture, Sequence};
use crate::error::Result;
use crate::kernels::linear::{self, Output};
use crate::kernels::{cross_entropy, rms_norm};
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

impl Llama {
    pub(super) fn mixed_loss(
        &self,
        prompt: &SoftPrompt,
        mixture: Mixture<'_>,
        memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        mixture.check()?;
        self.check_batch(prompt, mixture.own)?;
        self.check_batch(prompt, mixture.other)?;
        let pairs: Vec<Sequence> = mixture.own.iter().zip(mixture.other).flat_map(|(a, b)| [a, b]).cloned().collect();
        let mut memory = self.take_training_memory();
        let mut total = LossAndGradient::zero(prompt.values().len(), 0);
        let mut start = 0;
        while start < mixture.own.len() {
            cancel.check()?;
            let fitting = self.micro_batch(prompt.rows(), &pairs[2 * start..], 2, true, memory_limit)?;
            let end = start + fitting / 2;
            let part = Mixture { own: &mixture.own[start..end], other: &mixture.other[start..end], ..mixture };
            let weight = 1.0 / mixture.own.len() as f32;
            self.compute.threads.enter_unless_cancelled(cancel, || {
                self.add_mixed_loss(prompt, part, weight, cancel, &mut memory, &mut total)
            })?;
            start = end;
        }
        self.keep_training_memory(memory);
        total.finite()
    }

    fn add_mixed_loss(
        &self,
        prompt: &SoftPrompt,
        mixture: Mixture<'_>,
        weight: f32,
        cancel: &Cancel,
        memory: &mut TrainingMemory,
        total: &mut LossAndGradient,
    ) -> Result<()> {
        let batch = Packed::for_loss(prompt.rows(), mixture.own.iter().chain(mixture.other));
        let batch = self.prepare(batch, false);
        self.forward(&batch, prompt, true, cancel, memory)?;
        total.loss += weight * self.mixed_head(mixture, weight, memory);
        self.backward(&batch, cancel, memory)?;
        total.gradient.iter_mut().zip(&memory.dhidden).for_each(|(sum, g)| *sum += g);
        Ok(())
    }

    /// The summed loss of all answer rows, and in `memory.dhidden` its gradient times `weight`; `memory.hidden` holds the
    /// rows of `own` and then those of `other`.
    fn mixed_head(&self, mixture: Mixture<'_>, weight: f32, memory: &mut TrainingMemory) -> f32 {
        let lambda = mixture.lambda;
        let answers = |part: &[Sequence]| part.iter().flat_map(|e| e.answer.iter().copied()).collect::<Vec<u32>>();
        let (own, other) = (answers(mixture.own), answers(mixture.other));
        let among = mixture.rivals();
        let (compute, head) = (&self.compute, self.head());
        let (norm, epsilon) = (&self.source.final_norm, self.source.config.norm_epsilon);
        let half = memory.hidden.len() / 2;
        let buffers = &mut memory.head;
        let normed = resize(&mut buffers.normed, 2 * half);
        rms_norm::forward(compute, &memory.hidden, norm, epsilon, normed);
        let (mixed, partner) = normed.split_at_mut(half);
        mixed.iter_mut().zip(&*partner).for_each(|(h, other)| *h = lambda * *h + (1.0 - lambda) * other);

        let v = head.rows();
        let logits = resize(&mut buffers.logits, own.len() * v);
        linear::forward(compute, mixed, own.len(), &mut [Output { weight: head, y: logits, accumulate: false }]);
        let gaps: Vec<f32> = (logits.chunks_exact(v).zip(&own).zip(&other))
            .map(|((row, &own), &other)| row[own as usize] - row[other as usize])
            .collect();
        cross_entropy::keep_only(logits, v, among.iter().map(Vec::as_slice));
        let losses = cross_entropy::forward_backward(compute, logits, v, &own, weight);
        let mut loss = 0.0;
        for (row, ((&own, &other), (gap, cross))) in
            logits.chunks_exact_mut(v).zip(own.iter().zip(&other).zip(gaps.iter().zip(losses)))
        {
            loss += divergence(lambda, cross, *gap, own == other);
            row[own as usize] += weight * (1.0 - lambda);
            row[other as usize] -= weight * (1.0 - lambda);
        }
        let mut dmixed = vec![0.0; half];
        linear::backward(compute, own.len(), &[(head, logits)], &mut dmixed, false);
        let (mixed, partner) = buffers.normed.split_at_mut(half);
        for ((own, other), d) in mixed.iter_mut().zip(partner).zip(&dmixed) {
            (*own, *other) = (lambda * d, (1.0 - lambda) * d);
        }
        let dhidden = resize(&mut memory.dhidden, 2 * half);
        dhidden.fill(0.0);
        rms_norm::backward(compute, &memory.hidden, norm, epsilon, &buffers.normed, dhidden);
        loss as f32
    }
}
