//! The loss of a batch and its gradient to the soft prompt, micro-batch by micro-batch.

use super::T5;
use super::batch::Example;
use super::config::T5Config;
use super::footprint::pass_bytes;
use super::score::PREFIX_ROWS;
use crate::backbone::{LossAndGradient, Mixture, Sequence, StateLoss, Wanted};
use crate::error::{Result, Status, fail};
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// Examples with the embeddings, (C, d), that stand in for some of their tokens.
struct Prepared {
    examples: Vec<Example>,
    given: Vec<f32>,
}

/// A micro-batch.
#[derive(Clone, Copy)]
struct Part<'a> {
    /// Position of its first example.
    first: usize,
    examples: &'a [Example],
    /// Its share of the batch.
    share: f32,
}

/// A micro-batch's share of the loss for the rows that the output head reads, and the gradient of that to the rows.
type RowsLoss<'a> = dyn FnMut(Part<'_>, &[f32]) -> Result<(f32, Vec<f32>)> + Send + 'a;

impl T5 {
    pub(super) fn batch_loss(
        &self,
        prompt: &SoftPrompt,
        batch: &[Sequence],
        wanted: Wanted,
        memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        let network = &self.network;
        let mut loss = |part: Part<'_>, rows: &[f32]| {
            let (loss, mut dlogits) = network.plain_loss(network.logits(rows), part.examples)?;
            if wanted == Wanted::Loss {
                return Ok((part.share * loss, Vec::new()));
            }
            dlogits.iter_mut().for_each(|d| *d *= part.share);
            Ok((part.share * loss, network.logits_backward(&dlogits)))
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
        let d = self.network.width();
        let batch: Vec<Sequence> = batch.iter().map(Sequence::unanswered).collect();
        let mut loss = |part: Part<'_>, rows: &[f32]| {
            let states: Vec<f32> =
                rows.chunks_exact(d).skip(PREFIX_ROWS - 1).step_by(PREFIX_ROWS).flatten().copied().collect();
            let mut dstates = vec![0.0; states.len()];
            let value = loss(part.first, &states, &mut dstates);
            let mut drows = vec![0.0; rows.len()];
            let places = drows.chunks_exact_mut(d).skip(PREFIX_ROWS - 1).step_by(PREFIX_ROWS);
            places.zip(dstates.chunks_exact(d)).for_each(|(row, d)| row.copy_from_slice(d));
            Ok((value, drows))
        };
        self.loss_through(prompt, &batch, &mut loss, wanted, memory_limit, cancel)
    }

    fn loss_through(
        &self,
        prompt: &SoftPrompt,
        batch: &[Sequence],
        loss: &mut RowsLoss<'_>,
        wanted: Wanted,
        memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        let Prepared { examples, given } = self.prepare(prompt, batch)?;
        let gradient = if wanted == Wanted::Loss { 0 } else { prompt.values().len() };
        let pooled = if wanted == Wanted::GradientAndPooled { prompt.width() } else { 0 };
        let mut total = LossAndGradient::zero(gradient, pooled);
        let mut first = 0;
        while first < examples.len() {
            cancel.check()?;
            let rest = &examples[first..];
            let with_gradient = wanted != Wanted::Loss;
            let count = micro_batch(&self.network.config, prompt.rows(), rest, 1, with_gradient, memory_limit)?;
            let part = Part { first, examples: &rest[..count], share: count as f32 / examples.len() as f32 };
            let threads = &self.network.compute.threads;
            threads.enter_unless_cancelled(cancel, || {
                self.add_loss(prompt, part, &given, loss, wanted, cancel, &mut total)
            })?;
            first += count;
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
            let mixed = threads.enter_unless_cancelled(cancel, mix)?;
            let part = LossAndGradient { loss: mixed.loss, gradient: mixed.gradient, pooled: Vec::new() };
            add(&mut total, &part, count as f32 / examples.len() as f32);
            start += count;
        }
        total.finite()
    }

    /// The sequences as the network reads them. Errors: `TooLarge`, and `InvalidArgument` for one without tokens and for
    /// given embeddings of another width or outside their text.
    fn prepare(&self, prompt: &SoftPrompt, batch: &[Sequence]) -> Result<Prepared> {
        let d = self.network.width();
        let mut prepared = Prepared { examples: Vec::with_capacity(batch.len()), given: Vec::new() };
        for sequence in batch {
            sequence.check_filled()?;
            sequence.check_given(d)?;
            sequence.check_among(self.network.config.vocabulary)?;
            let mut example = self.example(&sequence.text, &sequence.answer);
            if !sequence.among.is_empty() {
                // The sentinel in front of the answer is no choice.
                example.among = [vec![]].into_iter().chain(sequence.rivals().map(<[u32]>::to_vec)).collect();
            }
            Self::check_rows(prompt.rows(), &example)?;
            for (at, row) in &sequence.given {
                example.input_ids[*at] = -((prepared.given.len() / d) as i64) - 1;
                prepared.given.extend_from_slice(row);
            }
            prepared.examples.push(example);
        }
        Ok(prepared)
    }

    /// Adds the loss of one micro-batch and what else is wanted.
    #[allow(clippy::too_many_arguments)]
    fn add_loss(
        &self,
        prompt: &SoftPrompt,
        part: Part<'_>,
        given: &[f32],
        loss: &mut RowsLoss<'_>,
        wanted: Wanted,
        cancel: &Cancel,
        total: &mut LossAndGradient,
    ) -> Result<()> {
        let (network, examples) = (&self.network, part.examples);
        if wanted == Wanted::Loss {
            let prompts = vec![prompt; examples.len()];
            let own: Vec<usize> = (0..examples.len()).collect();
            let (memory, _) = network.run_encoder(&prompts, examples, given, false, cancel)?;
            let (output, _, _) = network.run_decoder(&memory, examples, &own, false, cancel)?;
            total.loss += loss(part, &output)?.0;
            return Ok(());
        }
        let encoded = network.encode(prompt, examples, given, cancel)?;
        let decoded = network.decode_rows(&encoded.output, examples, cancel)?;
        let (value, drows) = loss(part, &decoded.output)?;
        let dhidden = network.decode_rows_backward(&encoded.output, &decoded, drows, cancel)?;
        let gradient = network.encode_backward(&encoded, &dhidden, cancel)?;
        total.loss += value;
        total.gradient.iter_mut().zip(&gradient).for_each(|(sum, g)| *sum += g);
        if wanted == Wanted::GradientAndPooled {
            total.pooled.iter_mut().zip(encoded.output.pooled()).for_each(|(sum, e)| *sum += part.share * e);
        }
        Ok(())
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
