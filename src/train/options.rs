//! How a training run goes on around its meta steps.

use serde::{Deserialize, Serialize};

use super::MetaOptions;
use super::curriculum::ALPHAS;
use super::meta_step::INNER_STEPS;
use super::start::is_t5;
use crate::adapt::AnswerLoss;
use crate::backbone::Backbone;
use crate::error::{Result, Status, fail};
use crate::gradient_regularizer::Rescaling;
use crate::limits::{MAX_STEPS, within};

/// How to train a bundle. What changes the result is serialized: it is the recipe that the bundle keeps. What is not is read
/// back as its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainOptions {
    /// The meta step, its rates and its number of steps.
    pub meta: MetaOptions,
    /// Seed of the mixing weights; the tasks have a seed of their own.
    pub seed: u64,
    /// How many of the last steps theta and phi are averaged over for the bundle, all of them where there are fewer; 1 = the
    /// last alone (deviation: the authors take the last).
    pub average_over: usize,
    /// Share of the start in the bundle's prompt, 0 to 1: the mean of start and trained prompt, so weighed (deviation, after
    /// Wortsman et al. 2022, who average the weights of a model before and after fine-tuning). The steps do not depend on it.
    pub start_share: f32,
    /// Rescaling that adaptation uses with the bundle; the authors train with `RowL2` and adapt with `WholeL2`.
    pub adapt_rescaling: Rescaling,
    /// Steps between validations; 0 = none.
    #[serde(skip)]
    pub validate_every: usize,
    /// Steps between checkpoints.
    #[serde(skip)]
    pub checkpoint_every: usize,
    /// Hours after which the run saves and stops; 0 = no limit. The schedules follow the steps, not the clock.
    #[serde(skip)]
    pub max_hours: f64,
    /// Bytes that the activations of one micro-batch may take; 0 = no limit.
    pub memory_limit: usize,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            meta: MetaOptions::default(),
            seed: 1,
            average_over: 1,
            start_share: 0.0,
            adapt_rescaling: Rescaling::RowL2,
            validate_every: 1_000,
            checkpoint_every: 100,
            max_hours: 0.0,
            memory_limit: 0,
        }
    }
}

impl TrainOptions {
    /// The default for `backbone`: the published setting for T5; for a decoder-only network that of the bundle that is
    /// shipped (docs/lab-notes.md), whose rates follow the spread of its embeddings (SmolLM2: 0.12 an element, where
    /// T5-base's published prompt has 18.5).
    pub fn for_backbone(backbone: &dyn Backbone) -> Self {
        if is_t5(backbone) {
            return Self::default();
        }
        let meta = MetaOptions {
            inner_rate: 0.5,
            inner_clip: 1.0,
            prompt_rate: 0.003,
            phi_rate: 1e-3,
            steps: 500,
            label_heads: true,
            mixing: false,
            ..MetaOptions::default()
        };
        let own =
            Self { average_over: 50, start_share: 0.5, validate_every: 100, checkpoint_every: 25, ..Self::default() };
        Self { meta, ..own }
    }

    /// Checks every range. Errors: `InvalidOption` names the option, its range and what was given.
    pub fn validate(&self) -> Result<()> {
        let meta = &self.meta;
        within("steps", meta.steps, 1..=MAX_STEPS)?;
        within("inner_steps", meta.inner_steps, INNER_STEPS)?;
        within("average_over", self.average_over, 1..=MAX_STEPS)?;
        within("start_share", self.start_share, 0.0..=1.0)?;
        within("checkpoint_every", self.checkpoint_every, 1..=MAX_STEPS)?;
        within("validate_every", self.validate_every, 0..=MAX_STEPS)?;
        within("max_hours", self.max_hours, 0.0..=1e6)?;
        for (name, rate) in [
            ("inner_rate", meta.inner_rate),
            ("inner_clip", meta.inner_clip),
            ("prompt_rate", meta.prompt_rate),
            ("phi_rate", meta.phi_rate),
            ("clip_norm", meta.clip_norm),
            ("gate_weight", meta.gate_weight),
        ] {
            within(name, rate, 0.0..=1e6)?;
        }
        within("curriculum alpha", meta.curriculum.alpha, ALPHAS)?;
        if !(meta.curriculum.base > 1.0 && meta.curriculum.base <= 1e6) {
            return fail(
                Status::InvalidOption,
                format!("option curriculum base must be above 1 and at most 1e6, {} was given", meta.curriculum.base),
            );
        }
        Ok(())
    }

    /// `InvalidOption` unless tasks whose answers are told apart as `answer_loss` says are what the meta step takes: those of
    /// [`AnswerLoss::Head`] with label heads, all others without.
    pub(super) fn check_answers(&self, answer_loss: AnswerLoss) -> Result<()> {
        match (self.meta.label_heads, answer_loss == AnswerLoss::Head) {
            (true, false) => fail(
                Status::InvalidOption,
                "label_heads is on, but the answer loss of the tasks is not that of label heads; set both or none",
            ),
            (false, true) => fail(
                Status::InvalidOption,
                "the answer loss of the tasks is that of label heads, but label_heads is off; set both or none",
            ),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serialized_options_are_read_back_valid() {
        let seeded = TrainOptions { seed: 7, ..TrainOptions::default() };
        for options in [seeded, TrainOptions { max_hours: 2.0, validate_every: 3, ..TrainOptions::default() }] {
            let read: TrainOptions = serde_json::from_str(&serde_json::to_string(&options).unwrap()).unwrap();
            read.validate().unwrap();
            let TrainOptions { validate_every, checkpoint_every, max_hours, .. } = TrainOptions::default();
            assert_eq!(read, TrainOptions { validate_every, checkpoint_every, max_hours, ..options });
        }
    }

    #[test]
    fn alphas_that_draws_hardly_come_for_are_refused() {
        for (alpha, accepted) in [(1e-3, true), (4.0, true), (4.1, false), (1e3, false), (0.0, false)] {
            let mut options = TrainOptions::default();
            options.meta.curriculum.alpha = alpha;
            assert_eq!(options.validate().is_ok(), accepted, "{alpha}");
        }
    }
}
