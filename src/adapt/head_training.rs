//! Training of a label head beside the prompt: a step of AdamW with every step of the prompt, and fits to the training rows
//! whenever a head is wanted.
//!
//! A head is a correction of what it starts from, the rows of the verbalizers in the output head:
//! `logit_c = prior_c . h + delta_c . scaled(h) + bias_c`, with h scaled to mean 0 and deviation 1 over the training rows.

use super::optimizer::AdamW;
use crate::backbone::{Backbone, LossAndGradient, Sequence, Wanted};
use crate::error::Result;
use crate::label_head::{AnswerStates, LabelHead, Scaling, fit, verbalizer_rows};
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// Learning rate of the head as a share of the prompt's.
const RATE_SHARE: f64 = 0.5;
/// Penalty of the head that is taken without a dev part, fitted to correct the verbalizers.
const SAFE_STRENGTH: f64 = 100.0;
/// Penalties of the heads that are fitted to correct the verbalizers, the strongest first.
const STRENGTHS: [f64; 2] = [1000.0, SAFE_STRENGTH];
/// Penalties of those that are fitted without the verbalizers, the strongest first.
const STRENGTHS_ALONE: [f64; 2] = [100.0, 10.0];

/// A head that a dev part may choose.
pub(super) struct Candidate {
    pub head: LabelHead,
    origin: Origin,
}

/// How a head came about.
#[derive(Clone, Copy)]
enum Origin {
    /// Beside the prompt, step by step.
    Trained,
    /// Fitted to correct the verbalizers, with this penalty.
    OnVerbalizers(f64),
    /// Fitted without them, with this penalty.
    Alone(f64),
}

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

    /// Cross entropy over the labels of `batch`, in nats, mean over its rows of these gold `labels`, and its gradient to the
    /// prompt; the one to the head is kept for [`HeadTraining::step`].
    ///
    /// Errors: those of the backbone; `NotFinite` when the head has diverged.
    pub fn loss(
        &mut self,
        backbone: &dyn Backbone,
        prompt: &SoftPrompt,
        (batch, labels): (&[Sequence], &[usize]),
        wanted: Wanted,
        memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        let (head, scaling, gradient) = (self.head()?, &self.scaling, &mut self.gradient);
        let (d, share) = (scaling.width(), 1.0 / batch.len() as f32);
        gradient.fill(0.0);
        let mut loss = |first: usize, states: &[f32], dstates: &mut [f32]| {
            let (deltas, biases) = gradient.split_at_mut(self.prior.len());
            let mut sum = 0.0;
            for ((state, dstate), &gold) in
                states.chunks_exact(d).zip(dstates.chunks_exact_mut(d)).zip(&labels[first..])
            {
                let (loss, errors) = head.cross_entropy(state, gold, share, dstate);
                let scaled = scaling.apply(state);
                for ((delta, bias), error) in deltas.chunks_exact_mut(d).zip(&mut *biases).zip(errors) {
                    delta.iter_mut().zip(&scaled).for_each(|(g, z)| *g += error * z);
                    *bias += error;
                }
                sum += loss;
            }
            sum
        };
        backbone.state_loss(prompt, batch, &mut loss, wanted, memory_limit, cancel)
    }

    /// One step of AdamW against the gradient of the last loss; `rate` is the prompt's.
    pub fn step(&mut self, rate: f64) {
        self.optimizer.step(&mut self.values, &self.gradient, RATE_SHARE * rate);
    }

    /// The head fitted to the training rows, of these `states` under the prompt of now and gold `labels`, that is taken
    /// where nothing can choose. Errors: `NotFinite`, `Cancelled`.
    pub fn fitted(&self, states: &AnswerStates, labels: &[usize], cancel: &Cancel) -> Result<LabelHead> {
        Ok(fit(states, labels, &self.prior, &[SAFE_STRENGTH], cancel)?.remove(0))
    }

    /// The heads that a dev part chooses from: those fitted to the training rows, and the one that was trained.
    /// Errors: `NotFinite`, `Cancelled`.
    pub fn candidates(&self, states: &AnswerStates, labels: &[usize], cancel: &Cancel) -> Result<Vec<Candidate>> {
        let corrected = fit(states, labels, &self.prior, &STRENGTHS, cancel)?;
        let alone = fit(states, labels, &self.nothing(), &STRENGTHS_ALONE, cancel)?;
        let fitted = (corrected.into_iter().zip(STRENGTHS.map(Origin::OnVerbalizers)))
            .chain(alone.into_iter().zip(STRENGTHS_ALONE.map(Origin::Alone)));
        let all = fitted.chain([(self.head()?, Origin::Trained)]);
        Ok(all.map(|(head, origin)| Candidate { head, origin }).collect())
    }

    /// `candidate` fitted once more in the same way to more rows, of these `states` and gold `labels`; a trained one as
    /// it is. Errors: `NotFinite`, `Cancelled`.
    pub fn fitted_again(
        &self,
        candidate: Candidate,
        states: &AnswerStates,
        labels: &[usize],
        cancel: &Cancel,
    ) -> Result<LabelHead> {
        let (prior, strength) = match candidate.origin {
            Origin::Trained => return Ok(candidate.head),
            Origin::OnVerbalizers(strength) => (&self.prior, strength),
            Origin::Alone(strength) => (&self.nothing(), strength),
        };
        Ok(fit(states, labels, prior, &[strength], cancel)?.remove(0))
    }

    /// Rows of no verbalizers.
    fn nothing(&self) -> Vec<f32> {
        vec![0.0; self.prior.len()]
    }

    /// The head as it was trained.
    fn head(&self) -> Result<LabelHead> {
        self.scaling.head(&self.prior, &self.values)
    }
}
