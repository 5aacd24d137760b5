//! The loop: batch -> loss -> prompt gradient -> psi, where a bundle brings it -> clip -> AdamW -> prompt; the best on the dev part is kept.

use std::time::Instant;

use super::batches::Batches;
use super::examples::TokenizedExamples;
use super::keep_best::{KeepBest, Quality};
use super::optimizer::{AdamW, clip, linear_decay};
use super::options::AdaptOptions;
use super::report::{DevRecord, RegularizedRecord, StepRecord, Stopped};
use crate::backbone::{Backbone, LabelTrie, Wanted};
use crate::bundle::Regularization;
use crate::error::{Error, Result, Status};
use crate::gradient_regularizer::cosine;
use crate::runtime::{Cancel, Control, Progress, Stage};
use crate::soft_prompt::SoftPrompt;

/// Most training rows that are scored to see whether one class is all that is predicted.
const PROBE_ROWS: usize = 512;

/// What a run works with.
pub(super) struct Run<'a> {
    pub backbone: &'a dyn Backbone,
    pub train: &'a TokenizedExamples,
    /// Chooses the best prompt; without it the last one is kept.
    pub dev: Option<&'a TokenizedExamples>,
    pub labels: &'a LabelTrie,
    pub options: &'a AdaptOptions,
    /// When the call began, for the time limit.
    pub began: Instant,
}

/// What a run gives.
pub(super) struct Tuned {
    pub prompt: SoftPrompt,
    pub kept_step: usize,
    pub steps: Vec<StepRecord>,
    pub dev: Vec<DevRecord>,
    pub stopped: Stopped,
    /// Whether the kept prompt gives all dev rows (or, without them, training rows) one label.
    pub one_class: bool,
    /// The prompt after each step that `iterates_at` names.
    pub iterates: Vec<(usize, SoftPrompt)>,
}

/// Adapts `start` by the options' steps. Errors: `NotFinite` when it diverges, `Cancelled`, those of the backbone.
pub(super) fn tune(run: &Run<'_>, start: SoftPrompt, control: &mut Control<'_>) -> Result<Tuned> {
    let options = run.options;
    let mut prompt = start;
    let mut optimizer = AdamW::new(prompt.values().len(), options.weight_decay);
    let mut batches = Batches::new(run.train.len(), options.batch_size, options.seed);
    let (mut best, mut dev_seconds) = run.first_scoring(&prompt, control)?;
    let mut steps = Vec::new();
    let mut stopped = Stopped::Steps;
    let mut iterates = Vec::new();
    let mut watch = |done: usize, prompt: &SoftPrompt| {
        if options.iterates_at.contains(&done) {
            iterates.push((done, prompt.clone()));
        }
    };
    watch(0, &prompt);
    let psi = options.regularization();
    let wanted = if psi.is_some() { Wanted::GradientAndPooled } else { Wanted::Gradient };
    for step in 0..options.steps {
        let batch = run.train.batch(&batches.next_batch());
        let made = run.backbone.loss(&prompt, &batch, wanted, options.memory_limit, &control.cancel);
        let made = made.map_err(|error| diverged_if_not_finite(error, step, options))?;
        let (loss, mut gradient) = (made.loss, made.gradient);
        let regularized = match psi {
            Some(psi) => Some(regularize(psi, &mut gradient, &made.pooled)?),
            None => None,
        };
        let gradient_norm = clip(&mut gradient, options.clip_norm);
        let rate = linear_decay(options.learning_rate, step, options.steps);
        optimizer.step(prompt.values_mut(), &gradient, rate);
        if !(loss.is_finite() && gradient_norm.is_finite() && prompt.values().iter().all(|v| v.is_finite())) {
            return Err(diverged(step, options));
        }
        steps.push(StepRecord { loss, learning_rate: rate as f32, gradient_norm, regularized });
        let done = step + 1;
        watch(done, &prompt);
        control.tell(Progress { stage: Stage::Step, done, total: options.steps, loss, accuracy: f32::NAN })?;

        let late = options.time_limit > 0.0 && run.began.elapsed().as_secs_f64() + dev_seconds >= options.time_limit;
        let is_last = late || done == options.steps;
        if let (Some(best), Some(dev)) = (&mut best, run.dev)
            && (is_last || done % options.eval_every == 0)
        {
            let before = Instant::now();
            best.offer(done, &prompt, run.scored(done, &prompt, dev, control)?);
            dev_seconds = before.elapsed().as_secs_f64();
        }
        if done == options.steps {
            break;
        }
        if late {
            stopped = Stopped::TimeLimit;
            break;
        }
        if options.patience > 0 && best.as_ref().is_some_and(|best| best.without_gain >= options.patience) {
            stopped = Stopped::Patience;
            break;
        }
    }
    let kept_step = best.as_ref().map_or(steps.len(), |best| best.step);
    let (prompt, dev, one_class) = match best {
        Some(best) => (best.prompt, best.records, best.quality.one_class),
        None => {
            let one_class = run.probe(&prompt, &control.cancel)?;
            (prompt, Vec::new(), one_class)
        }
    };
    Ok(Tuned { prompt, kept_step, steps, dev, stopped, one_class, iterates })
}

impl Run<'_> {
    /// The start prompt as the best so far, and the seconds its scoring took; nothing without a dev part.
    fn first_scoring(&self, prompt: &SoftPrompt, control: &mut Control<'_>) -> Result<(Option<KeepBest>, f64)> {
        control.cancel.check()?;
        let Some(dev) = self.dev else { return Ok((None, 0.0)) };
        let before = Instant::now();
        let best = KeepBest::new(prompt, self.scored(0, prompt, dev, control)?);
        Ok((Some(best), before.elapsed().as_secs_f64()))
    }

    /// Scores the dev part after `done` steps.
    fn scored(
        &self,
        done: usize,
        prompt: &SoftPrompt,
        dev: &TokenizedExamples,
        control: &mut Control<'_>,
    ) -> Result<Quality> {
        let quality = Quality::of(self.backbone, prompt, dev, self.labels, self.options, &control.cancel)?;
        let Quality { accuracy, loss, .. } = quality;
        control.tell(Progress { stage: Stage::Dev, done, total: self.options.steps, loss, accuracy })?;
        Ok(quality)
    }

    /// Whether `prompt` gives training rows, some hundred of them evenly spread, one label.
    fn probe(&self, prompt: &SoftPrompt, cancel: &Cancel) -> Result<bool> {
        let stride = self.train.len().div_ceil(PROBE_ROWS).max(1);
        let rows = self.train.select(&(0..self.train.len()).step_by(stride).collect::<Vec<_>>());
        Ok(Quality::of(self.backbone, prompt, &rows, self.labels, self.options, cancel)?.one_class)
    }
}

/// Replaces the gradient by psi of it (method section 7: before clipping, at every step).
fn regularize(psi: &Regularization, gradient: &mut Vec<f32>, pooled: &[f32]) -> Result<RegularizedRecord> {
    let done = psi.regularizer.apply(gradient, pooled, psi.rescaling)?;
    let cosine = cosine(&done.gradient, gradient) as f32;
    *gradient = done.gradient;
    Ok(RegularizedRecord { gate: done.gate, cosine })
}

fn diverged_if_not_finite(error: Error, step: usize, options: &AdaptOptions) -> Error {
    if error.status() == Status::NotFinite { diverged(step, options) } else { error }
}

fn diverged(step: usize, options: &AdaptOptions) -> Error {
    let advice = match step {
        0 => "the start prompt has not been changed yet, so check the start prompt and the model's weights".to_owned(),
        _ => format!("lower learning_rate, which is {}", options.learning_rate),
    };
    let message = format!("the loss or its gradient is not finite at step {} of {}: {advice}", step + 1, options.steps);
    Error::new(Status::NotFinite, message)
}

#[cfg(test)]
#[path = "tune_tests.rs"]
mod tests;
