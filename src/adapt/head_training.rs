//! Training of a label head beside the prompt: a step of AdamW with every step of the prompt, and fits to the training rows
//! whenever a head is wanted.
//!
//! A head is a correction of what it starts from, the rows of the verbalizers in the output head:
//! `logit_c = prior_c . h + delta_c . scaled(h) + bias_c`, with h scaled to mean 0 and deviation 1 over the training rows.

use super::examples::TokenizedExamples;
use super::optimizer::AdamW;
use crate::backbone::{Backbone, LossAndGradient, Wanted};
use crate::error::Result;
use crate::label_head::{AnswerStates, LabelHead, Scaling, dot, fit, verbalizer_rows};
use crate::predict::scoring::softmax;
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// Learning rate of the head as a share of the prompt's.
const RATE_SHARE: f64 = 0.5;
/// Penalties of the heads that are fitted to correct the verbalizers, the strongest first.
const STRENGTHS: [f64; 2] = [1000.0, 100.0];
/// Penalties of those that are fitted without the verbalizers, the strongest first.
const STRENGTHS_ALONE: [f64; 2] = [100.0, 10.0];

/// A head that is being trained.
pub(super) struct HeadTraining {
    /// Of the states of the training rows under the start prompt.
    scaling: Scaling,
    /// (C, d).
    prior: Vec<f32>,
    /// The deltas, (C, d), and then the C biases.
    values: Vec<f32>,
    gradient: Vec<f32>,
    optimizer: AdamW,
}

impl HeadTraining {
    /// A head without correction; `states` are those of the training rows under the start prompt.
    pub fn new(backbone: &dyn Backbone, verbalizers: &[Vec<u32>], states: &AnswerStates) -> Self {
        let prior = verbalizer_rows(backbone, verbalizers.iter().map(Vec::as_slice));
        let count = prior.len() + verbalizers.len();
        Self {
            scaling: Scaling::of(states),
            prior,
            values: vec![0.0; count],
            gradient: vec![0.0; count],
            optimizer: AdamW::new(count, 0.0),
        }
    }

    /// Cross entropy over the labels of the rows at `positions`, in nats, mean over rows, and its gradient to the prompt;
    /// the one to the head is kept for [`HeadTraining::step`]. Errors: those of the backbone.
    pub fn loss(
        &mut self,
        backbone: &dyn Backbone,
        prompt: &SoftPrompt,
        (examples, positions): (&TokenizedExamples, &[usize]),
        wanted: Wanted,
        memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        let texts: Vec<&[u32]> = positions.iter().map(|&at| examples.sequences[at].text.as_slice()).collect();
        let (d, share) = (self.scaling.width(), 1.0 / positions.len() as f32);
        self.gradient.fill(0.0);
        let mut loss = |first: usize, states: &[f32], dstates: &mut [f32]| {
            let mut sum = 0.0;
            for (i, (state, dstate)) in states.chunks_exact(d).zip(dstates.chunks_exact_mut(d)).enumerate() {
                sum += self.add_loss(state, examples.labels[positions[first + i]], share, dstate);
            }
            sum as f32 * share
        };
        backbone.state_loss(prompt, &texts, &mut loss, wanted, memory_limit, cancel)
    }

    /// One step of AdamW against the gradient of the last loss; `rate` is the prompt's.
    pub fn step(&mut self, rate: f64) {
        self.optimizer.step(&mut self.values, &self.gradient, RATE_SHARE * rate);
    }

    /// The head as it was trained, and heads fitted to the training rows (their `states` under the prompt of now, and
    /// gold `labels`) with several penalties; the first is the one to take where nothing can choose.
    /// Errors: `NotFinite`.
    pub fn candidates(&self, states: &AnswerStates, labels: &[usize]) -> Result<Vec<LabelHead>> {
        let nothing = vec![0.0; self.prior.len()];
        let mut heads = fit(states, labels, &self.prior, &STRENGTHS)?;
        // The weaker of them is the better one for 16 examples a label, and still safe for few.
        heads.swap(0, 1);
        heads.extend(fit(states, labels, &nothing, &STRENGTHS_ALONE)?);
        heads.push(self.scaling.head(&self.prior, &self.values)?);
        Ok(heads)
    }

    /// The loss of one row in nats; `share` times its gradient is added to the head's and written to `dstate`.
    fn add_loss(&mut self, state: &[f32], gold: usize, share: f32, dstate: &mut [f32]) -> f64 {
        let d = state.len();
        let scaled = self.scaling.apply(state);
        let (deltas, biases) = self.values.split_at(self.prior.len());
        let rows = self.prior.chunks_exact(d).zip(deltas.chunks_exact(d));
        let logits: Vec<f32> = rows
            .clone()
            .zip(biases)
            .map(|((prior, delta), bias)| dot(prior, state) + dot(delta, &scaled) + bias)
            .collect();
        let probabilities = softmax(&logits);
        let (ddeltas, dbiases) = self.gradient.split_at_mut(self.prior.len());
        for (c, ((prior, delta), ddelta)) in rows.zip(ddeltas.chunks_exact_mut(d)).enumerate() {
            let error = share * (probabilities[c] as f32 - f32::from(u8::from(c == gold)));
            dbiases[c] += error;
            ddelta.iter_mut().zip(&scaled).for_each(|(g, z)| *g += error * z);
            let weights = prior.iter().zip(delta).zip(self.scaling.deviation());
            dstate.iter_mut().zip(weights).for_each(|(g, ((prior, delta), s))| *g += error * (prior + delta / s));
        }
        -probabilities[gold].max(f64::MIN_POSITIVE).ln()
    }
}
