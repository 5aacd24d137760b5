//! The loss of a batch and its gradient to the soft prompt, micro-batch by micro-batch.

use super::T5;
use super::batch::Example;
use super::config::T5Config;
use super::footprint::pass_bytes;
use crate::backbone::{LossAndGradient, Mixture, Sequence, Wanted};
use crate::error::{Result, Status, fail};
use crate::limits::MAX_CONTEXT;
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// Examples with the embeddings, (C, d), that stand in for some of their tokens.
struct Prepared {
    examples: Vec<Example>,
    given: Vec<f32>,
}

impl T5 {
    pub(super) fn batch_loss(
        &self,
        prompt: &SoftPrompt,
        batch: &[Sequence],
        wanted: Wanted,
        memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        let Prepared { examples, given } = self.prepare(prompt, batch)?;
        let gradient = if wanted == Wanted::Loss { 0 } else { prompt.values().len() };
        let pooled = if wanted == Wanted::GradientAndPooled { prompt.width() } else { 0 };
        let mut total = LossAndGradient::zero(gradient, pooled);
        let mut start = 0;
        while start < examples.len() {
            cancel.check()?;
            let rest = &examples[start..];
            let with_gradient = wanted != Wanted::Loss;
            let count = micro_batch(&self.network.config, prompt.rows(), rest, 1, with_gradient, memory_limit)?;
            let threads = &self.network.compute.threads;
            let part = threads.enter(|| self.part_loss(prompt, &rest[..count], &given, wanted, cancel))?;
            add(&mut total, &part, count as f32 / examples.len() as f32);
            start += count;
        }
        total.finite()
    }

    pub(super) fn mixed_loss(
        &self,
        prompt: &SoftPrompt,
        mixture: Mixture<'_>,
        memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        mixture.check()?;
        let pairs: Vec<Sequence> = mixture.own.iter().zip(mixture.other).flat_map(|(a, b)| [a, b]).cloned().collect();
        let Prepared { examples, given } = self.prepare(prompt, &pairs)?;
        let mut total = LossAndGradient::zero(prompt.values().len(), 0);
        let mut start = 0;
        while start < examples.len() {
            cancel.check()?;
            let rest = &examples[start..];
            let count = micro_batch(&self.network.config, prompt.rows(), rest, 2, true, memory_limit)?;
            let half = |first: usize| rest[..count].iter().skip(first).step_by(2).cloned().collect::<Vec<_>>();
            let (own, other, threads) = (half(0), half(1), &self.network.compute.threads);
            let mix = || self.network.mixture(prompt, (&own, &other), &given, mixture.lambda, cancel);
            let mixed = threads.enter(mix)?;
            let part = LossAndGradient { loss: mixed.loss, gradient: mixed.gradient, pooled: Vec::new() };
            add(&mut total, &part, count as f32 / examples.len() as f32);
            start += count;
        }
        total.finite()
    }

    /// The sequences as the network reads them. Errors: `TooLarge`, and `InvalidArgument` for given embeddings of another
    /// width or outside their text.
    fn prepare(&self, prompt: &SoftPrompt, batch: &[Sequence]) -> Result<Prepared> {
        let d = self.network.width();
        let mut prepared = Prepared { examples: Vec::with_capacity(batch.len()), given: Vec::new() };
        for sequence in batch {
            sequence.check_given(d)?;
            sequence.check_among(self.network.config.vocabulary)?;
            let mut example = self.example(&sequence.text, &sequence.answer);
            if !sequence.among.is_empty() {
                // The sentinel in front of the answer is no choice.
                example.among = [vec![]].into_iter().chain(sequence.rivals().map(<[u32]>::to_vec)).collect();
            }
            let rows = prompt.rows() + example.input_ids.len();
            if rows > MAX_CONTEXT {
                return fail(
                    Status::TooLarge,
                    format!("an example of {rows} rows, at most {MAX_CONTEXT} are accepted"),
                );
            }
            for (at, row) in &sequence.given {
                example.input_ids[*at] = -((prepared.given.len() / d) as i64) - 1;
                prepared.given.extend_from_slice(row);
            }
            prepared.examples.push(example);
        }
        Ok(prepared)
    }

    /// Loss of one micro-batch and what else is wanted.
    fn part_loss(
        &self,
        prompt: &SoftPrompt,
        examples: &[Example],
        given: &[f32],
        wanted: Wanted,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        let network = &self.network;
        if wanted == Wanted::Loss {
            let prompts = vec![prompt; examples.len()];
            let own: Vec<usize> = (0..examples.len()).collect();
            let (memory, _) = network.run_encoder(&prompts, examples, given, false, cancel)?;
            let (output, _, _) = network.run_decoder(&memory, examples, &own, false, cancel)?;
            let (loss, _) = network.plain_loss(network.logits(output), examples)?;
            return Ok(LossAndGradient { loss, gradient: Vec::new(), pooled: Vec::new() });
        }
        let encoded = network.encode(prompt, examples, given, cancel)?;
        let mut decoded = network.decode(&encoded.output, examples, cancel)?;
        let (loss, dlogits) = network.plain_loss(std::mem::take(&mut decoded.logits), examples)?;
        let dhidden = network.decode_backward(&encoded.output, &decoded, &dlogits, cancel)?;
        let gradient = network.encode_backward(&encoded, &dhidden, cancel)?;
        let pooled = if wanted == Wanted::GradientAndPooled { encoded.output.pooled() } else { Vec::new() };
        Ok(LossAndGradient { loss, gradient, pooled })
    }
}

/// total += share * part.
fn add(total: &mut LossAndGradient, part: &LossAndGradient, share: f32) {
    total.loss += share * part.loss;
    total.gradient.iter_mut().zip(&part.gradient).for_each(|(sum, g)| *sum += share * g);
    total.pooled.iter_mut().zip(&part.pooled).for_each(|(sum, e)| *sum += share * e);
}

/// How many of the next examples, in whole groups of `group`, fit `memory_limit` together (0 = all).
fn micro_batch(
    config: &T5Config,
    prompt: usize,
    examples: &[Example],
    group: usize,
    with_gradient: bool,
    memory_limit: usize,
) -> Result<usize> {
    if memory_limit == 0 {
        return Ok(examples.len());
    }
    let pass = pass_bytes(config, with_gradient);
    let mut bytes = 0;
    for (i, group_examples) in examples.chunks(group).enumerate() {
        for example in group_examples {
            bytes += pass.of(prompt, [(example.input_ids.len(), example.labels.len())]);
        }
        if bytes > memory_limit {
            if i == 0 {
                let longest = group_examples.iter().map(|example| example.input_ids.len()).max().unwrap_or(0);
                let message = format!(
                    "one example of {longest} tokens with a prompt of {prompt} rows needs {bytes} bytes of activations, \
                     the memory limit is {memory_limit}: raise it, or lower max_tokens"
                );
                return fail(Status::MemoryLimit, message);
            }
            return Ok(i * group);
        }
    }
    Ok(examples.len())
}
