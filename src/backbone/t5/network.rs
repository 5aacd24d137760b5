//! The T5 network as four functions that compose: encode, decode, and their backward passes down to the prompt.
//!
//! ```text
//! prompt, ids -> encode -> hidden -> decode -> logits
//! d prompt <- encode_backward <- d hidden <- decode_backward <- d logits
//! ```
//!
//! What stands between hidden and decode is the caller's: mixing encoder outputs (method section 4), pooling them for the
//! gate (section 5). Weights are frozen and have no gradient; nothing here depends on the number of threads.

use super::attention::Stack;
use super::batch::{Example, check_decoder, check_encoder, check_targets};
use super::config::T5Config;
use super::decoder::{DecoderRows, DecoderState};
use super::encoder::{EncoderRows, EncoderState};
use super::weights::T5Weights;
use crate::backbone::weights::FrozenMatrix;
use crate::error::{Result, Status, fail};
use crate::kernels::linear::{self, Output};
use crate::kernels::{Compute, cross_entropy};
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// A frozen T5, without a tokenizer.
pub(crate) struct T5Network {
    pub(super) config: T5Config,
    pub(super) weights: T5Weights,
    pub(super) compute: Compute,
}

/// What the decoder reads: the encoder's output, or a mixture of several.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EncoderOutput {
    /// Rows x d, after the final norm: examples one after another, each its prompt rows, then its tokens.
    pub hidden: Vec<f32>,
    /// Rows of each example, the prompt's included.
    pub lengths: Vec<usize>,
    /// For each row whether the decoder sees it.
    pub mask: Vec<bool>,
}

/// The outcome of [`T5Network::encode`], ready for its backward pass.
pub(crate) struct Encoded {
    pub output: EncoderOutput,
    /// Prompt rows of each example.
    prompt: usize,
    state: EncoderState,
}

/// The outcome of [`T5Network::decode`], ready for its backward pass.
pub(crate) struct Decoded {
    /// Decoder positions x vocabulary, examples one after another.
    pub logits: Vec<f32>,
    /// Decoder positions of each example.
    pub lengths: Vec<usize>,
    rows: DecodedRows,
}

/// The outcome of [`T5Network::decode_rows`], ready for its backward pass.
pub(super) struct DecodedRows {
    /// What the output head reads: decoder positions x d, examples one after another.
    pub output: Vec<f32>,
    lengths: Vec<usize>,
    mask: Vec<bool>,
    state: DecoderState,
}

impl EncoderOutput {
    /// The pooled state e (d values): the mean over each example's rows, padding that was computed included, then over
    /// examples (method section 5).
    #[allow(dead_code)] // The gate that reads it comes with the gradient transform.
    pub(crate) fn pooled(&self) -> Vec<f32> {
        let rows: usize = self.lengths.iter().sum();
        let d = self.hidden.len() / rows.max(1);
        let mut sum = vec![0.0f64; d];
        let mut rows = self.hidden.chunks_exact(d.max(1));
        for &length in &self.lengths {
            let weight = 1.0 / (length * self.lengths.len()) as f64;
            for row in rows.by_ref().take(length) {
                sum.iter_mut().zip(row).for_each(|(sum, &x)| *sum += weight * f64::from(x));
            }
        }
        sum.into_iter().map(|x| x as f32).collect()
    }

    fn rows(&self) -> EncoderRows<'_> {
        EncoderRows { lengths: &self.lengths, mask: &self.mask }
    }
}

impl T5Network {
    /// d, the width of an embedding.
    pub(crate) fn width(&self) -> usize {
        self.config.width
    }

    /// V, the number of token ids.
    pub(crate) fn vocabulary(&self) -> usize {
        self.config.vocabulary
    }

    /// Runs the encoder on the prompt's rows followed by each example's tokens. `centers` (C x d, may be empty) are fed
    /// in place of ids -1 to -C.
    ///
    /// Errors: `BackboneMismatch` for a prompt of another width, `InvalidArgument` for ids outside the vocabulary or
    /// the centres and for masks of another length, `Cancelled`.
    pub(crate) fn encode(
        &self,
        prompt: &SoftPrompt,
        examples: &[Example],
        centers: &[f32],
        cancel: &Cancel,
    ) -> Result<Encoded> {
        let prompts = vec![prompt; examples.len()];
        let (output, state) = self.run_encoder(&prompts, examples, centers, true, cancel)?;
        let Some(state) = state else { return fail(Status::Internal, "the encoder kept no state") };
        Ok(Encoded { output, prompt: prompt.rows(), state })
    }

    /// From the gradient of `encoded.output.hidden` to that of the prompt, (P, d), summed over examples.
    pub(crate) fn encode_backward(&self, encoded: &Encoded, dhidden: &[f32], cancel: &Cancel) -> Result<Vec<f32>> {
        let Encoded { output, prompt, state } = encoded;
        if dhidden.len() != output.hidden.len() {
            return fail(Status::Internal, "the gradient of the encoder's output has another size than it");
        }
        let mut gradient = vec![0.0; prompt * self.config.width];
        if gradient.is_empty() || output.lengths.is_empty() {
            return Ok(gradient);
        }
        let mut wanted = Vec::with_capacity(prompt * output.lengths.len());
        let mut start = 0;
        for length in &output.lengths {
            wanted.extend(start..start + prompt);
            start += length;
        }
        let rows = self.compute.threads.enter_unless_cancelled(cancel, || {
            self.stack().encoder_backward(&self.weights.encoder, output.rows(), state, dhidden, &wanted, cancel)
        })?;
        for example in rows.chunks_exact(gradient.len()) {
            gradient.iter_mut().zip(example).for_each(|(sum, g)| *sum += g);
        }
        Ok(gradient)
    }

    /// Runs the decoder on each example's decoder inputs over the encoder output of the same place in `memory`.
    ///
    /// Errors: `InvalidArgument` for another number of examples than `memory` has and for ids outside the vocabulary,
    /// `Cancelled`.
    pub(crate) fn decode(&self, memory: &EncoderOutput, examples: &[Example], cancel: &Cancel) -> Result<Decoded> {
        let rows = self.decode_rows(memory, examples, cancel)?;
        Ok(Decoded { logits: self.logits(&rows.output), lengths: rows.lengths.clone(), rows })
    }

    /// From the gradient of `decoded.logits` to that of `memory.hidden`, of which only lengths and mask are read.
    pub(crate) fn decode_backward(
        &self,
        memory: &EncoderOutput,
        decoded: &Decoded,
        dlogits: &[f32],
        cancel: &Cancel,
    ) -> Result<Vec<f32>> {
        let rows: usize = decoded.lengths.iter().sum();
        if dlogits.len() != rows * self.config.vocabulary {
            return fail(Status::Internal, "the gradient of the logits has another size than they");
        }
        self.decode_rows_backward(memory, &decoded.rows, self.logits_backward(dlogits), cancel)
    }

    /// [`T5Network::decode`] without the output head.
    pub(super) fn decode_rows(
        &self,
        memory: &EncoderOutput,
        examples: &[Example],
        cancel: &Cancel,
    ) -> Result<DecodedRows> {
        let own: Vec<usize> = (0..examples.len()).collect();
        let (output, lengths, state) = self.run_decoder(memory, examples, &own, true, cancel)?;
        let Some(state) = state else { return fail(Status::Internal, "the decoder kept no state") };
        let mask = examples.iter().flat_map(|e| e.decoder_attention_mask.iter().copied()).collect();
        Ok(DecodedRows { output, lengths, mask, state })
    }

    /// From the gradient of `decoded.output` to that of `memory.hidden`, of which only lengths and mask are read.
    pub(super) fn decode_rows_backward(
        &self,
        memory: &EncoderOutput,
        decoded: &DecodedRows,
        mut doutput: Vec<f32>,
        cancel: &Cancel,
    ) -> Result<Vec<f32>> {
        let own: Vec<usize> = (0..decoded.lengths.len()).collect();
        let DecodedRows { lengths, mask, state, .. } = decoded;
        let plan = DecoderRows { lengths, mask, examples: &own, encoder: memory.rows() };
        self.scale_output(&mut doutput);
        self.compute.threads.enter_unless_cancelled(cancel, || {
            self.stack().decoder_backward(&self.weights.decoder, plan, state, &doutput, cancel)
        })
    }

    /// The plain loss: cross entropy in nats at counted positions, summed over positions, mean over examples (spec
    /// section 1), and its gradient to `logits`.
    ///
    /// Errors: `InvalidArgument` when labels or loss ids do not fit the logits.
    pub(crate) fn plain_loss(&self, mut logits: Vec<f32>, examples: &[Example]) -> Result<(f32, Vec<f32>)> {
        let v = self.config.vocabulary;
        check_targets(examples, logits.len() / v, v)?;
        let targets: Vec<u32> = examples.iter().flat_map(|e| e.labels.iter().map(|&id| id as u32)).collect();
        let weight = 1.0 / examples.len().max(1) as f32;
        let among = examples.iter().flat_map(|e| (0..e.labels.len()).map(|position| e.rivals(position)));
        cross_entropy::keep_only(&mut logits, v, among);
        let losses = self
            .compute
            .threads
            .enter(|| cross_entropy::forward_backward(&self.compute, &mut logits, v, &targets, weight));
        let counted = examples.iter().flat_map(|e| e.loss_ids.iter().copied());
        let mut loss = 0.0;
        for ((counts, row_loss), row) in counted.zip(losses).zip(logits.chunks_exact_mut(v)) {
            if counts {
                loss += f64::from(row_loss);
            } else {
                row.fill(0.0);
            }
        }
        Ok((loss as f32 * weight, logits))
    }

    /// `BackboneMismatch` for a prompt of another width.
    pub(super) fn check_prompt(&self, prompt: &SoftPrompt) -> Result<()> {
        let (d, found) = (self.config.width, prompt.width());
        if found == d {
            return Ok(());
        }
        fail(Status::BackboneMismatch, format!("the prompt's rows have {found} values, this backbone needs {d}"))
    }

    fn stack(&self) -> Stack<'_> {
        Stack { compute: &self.compute, config: &self.config }
    }

    /// The encoder under a prompt for each example.
    pub(super) fn run_encoder(
        &self,
        prompts: &[&SoftPrompt],
        examples: &[Example],
        centers: &[f32],
        keep: bool,
        cancel: &Cancel,
    ) -> Result<(EncoderOutput, Option<EncoderState>)> {
        let prompt = prompts.iter().map(|prompt| prompt.rows()).min().unwrap_or(0);
        check_encoder(examples, prompt)?;
        let mut lengths = Vec::with_capacity(examples.len());
        let mut mask = Vec::new();
        let mut x = Vec::new();
        for (prompt, example) in prompts.iter().zip(examples) {
            self.check_prompt(prompt)?;
            x.extend_from_slice(prompt.values());
            self.embed_ids(&example.input_ids, centers, &mut x)?;
            lengths.push(prompt.rows() + example.input_ids.len());
            mask.extend(std::iter::repeat_n(true, prompt.rows()));
            mask.extend_from_slice(&example.attention_mask);
        }
        let rows = EncoderRows { lengths: &lengths, mask: &mask };
        let stack = self.stack();
        let (hidden, state) = self
            .compute
            .threads
            .enter_unless_cancelled(cancel, || stack.encoder(&self.weights.encoder, rows, x, keep, cancel))?;
        Ok((EncoderOutput { hidden, lengths, mask }, state))
    }

    /// The decoder on the sequences of `examples`, each over the encoder's example `of[i]`: rows as the output head reads
    /// them, lengths, state.
    pub(super) fn run_decoder(
        &self,
        memory: &EncoderOutput,
        examples: &[Example],
        of: &[usize],
        keep: bool,
        cancel: &Cancel,
    ) -> Result<(Vec<f32>, Vec<usize>, Option<DecoderState>)> {
        check_decoder(examples)?;
        let count = memory.lengths.len();
        if of.iter().any(|&at| at >= count) || (keep && of.len() != count) {
            let message = format!("{} decoder sequences for the encoder output of {count} examples", of.len());
            return fail(Status::InvalidArgument, message);
        }
        let rows: usize = memory.lengths.iter().sum();
        if memory.mask.len() != rows || memory.hidden.len() != rows * self.config.width {
            return fail(Status::InvalidArgument, "an encoder output whose hidden rows, lengths and mask do not agree");
        }
        let mut x = Vec::new();
        let mut lengths = Vec::with_capacity(examples.len());
        let mut mask = Vec::new();
        for example in examples {
            self.embed_ids(&example.decoder_input_ids, &[], &mut x)?;
            lengths.push(example.decoder_input_ids.len());
            mask.extend_from_slice(&example.decoder_attention_mask);
        }
        let plan = DecoderRows { lengths: &lengths, mask: &mask, examples: of, encoder: memory.rows() };
        let stack = self.stack();
        let (mut output, state) = self.compute.threads.enter_unless_cancelled(cancel, || {
            stack.decoder(&self.weights.decoder, plan, &memory.hidden, x, keep, cancel)
        })?;
        self.scale_output(&mut output);
        Ok((output, lengths, state))
    }

    /// Whole-vocabulary logits of rows that [`T5Network::run_decoder`] gave.
    pub(super) fn logits(&self, output: &[f32]) -> Vec<f32> {
        let rows = output.len() / self.config.width;
        let mut logits = vec![0.0; rows * self.config.vocabulary];
        let y = Output { weight: self.head(), y: &mut logits, accumulate: false };
        self.compute.threads.enter(|| linear::forward(&self.compute, output, rows, &mut [y]));
        logits
    }

    /// From the gradient of [`T5Network::logits`] to that of its rows.
    pub(super) fn logits_backward(&self, dlogits: &[f32]) -> Vec<f32> {
        let rows = dlogits.len() / self.config.vocabulary;
        let mut drows = vec![0.0; rows * self.config.width];
        let weights = [(self.head(), dlogits)];
        self.compute.threads.enter(|| linear::backward(&self.compute, rows, &weights, &mut drows, false));
        drows
    }

    pub(super) fn head(&self) -> &FrozenMatrix {
        self.weights.head.as_ref().unwrap_or(&self.weights.embedding)
    }

    /// v1.0 multiplies the decoder's output by d^-0.5; the factor is its own transpose.
    fn scale_output(&self, rows: &mut [f32]) {
        if self.config.scaled_output {
            let factor = (self.config.width as f32).powf(-0.5);
            rows.iter_mut().for_each(|x| *x *= factor);
        }
    }

    /// Appends the embeddings of `ids`, or rows of `centers` where they are negative.
    fn embed_ids(&self, ids: &[i64], centers: &[f32], x: &mut Vec<f32>) -> Result<()> {
        let d = self.config.width;
        for &id in ids {
            let start = x.len();
            if id >= 0 && (id as u64) < self.config.vocabulary as u64 {
                x.resize(start + d, 0.0);
                self.weights.embedding.expand(id as usize, 0, &mut x[start..]);
            } else if id < 0 && id.unsigned_abs() <= (centers.len() / d) as u64 {
                let row = id.unsigned_abs() as usize - 1;
                x.extend_from_slice(&centers[row * d..(row + 1) * d]);
            } else {
                let message = format!(
                    "token id {id} is outside the vocabulary of {} and the {} cluster centres",
                    self.config.vocabulary,
                    centers.len() / d
                );
                return fail(Status::InvalidArgument, message);
            }
        }
        Ok(())
    }
}
