//! The loop: batch -> loss -> prompt gradient -> psi, where a bundle brings it -> clip -> AdamW -> prompt; the best on the dev part is kept.

use std::time::Instant;

use super::batches::Batches;
use super::examples::TokenizedExamples;
use super::head_training::HeadTraining;
use super::keep_best::{KeepBest, Learned, Quality};
use super::optimizer::{AdamW, clip, linear_decay};
use super::options::{AdaptOptions, AnswerLoss};
use super::report::{DevRecord, RegularizedRecord, StepRecord, Stopped};
use crate::backbone::{Backbone, LabelTrie, Wanted};
use crate::bundle::Regularization;
use crate::error::{Error, Result, Status};
use crate::gradient_regularizer::cosine;
use crate::label_head::{AnswerStates, LabelHead};
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
    /// The labels' verbalizers, which a label head starts from.
    pub verbalizers: &'a [Vec<u32>],
    pub options: &'a AdaptOptions,
    /// When the call began, for the time limit.
    pub began: Instant,
}

/// What a run gives.
pub(super) struct Tuned {
    pub learned: Learned,
    pub kept_step: usize,
    pub steps: Vec<StepRecord>,
    pub dev: Vec<DevRecord>,
    pub stopped: Stopped,
    /// Whether what is kept gives all dev rows (or, without them, training rows) one label.
    pub one_class: bool,
    /// What was learned after each step that `iterates_at` names.
    pub iterates: Vec<(usize, Learned)>,
}

/// Adapts `start` by the options' steps. Errors: `NotFinite` when it diverges, `Cancelled`, those of the backbone.
pub(super) fn tune(run: &Run<'_>, start: SoftPrompt, control: &mut Control<'_>) -> Result<Tuned> {
    let options = run.options;
    let mut prompt = start;
    let mut optimizer = AdamW::new(prompt.values().len(), options.weight_decay);
    let mut batches = Batches::new(run.train.len(), options.batch_size, options.seed);
    let mut head = run.start_head(&prompt, &control.cancel)?;
    let before = Instant::now();
    let (learned, quality) = run.look(0, &prompt, head.as_ref(), control)?;
    let mut dev_seconds = before.elapsed().as_secs_f64();
    let mut best = quality.map(|quality| KeepBest::new(learned.clone(), quality));
    let mut steps = Vec::new();
    let mut stopped = Stopped::Steps;
    let mut iterates = Vec::new();
    let watched = |done: usize| options.iterates_at.contains(&done);
    if watched(0) {
        iterates.push((0, learned));
    }
    let psi = options.regularization();
    let wanted = if psi.is_some() { Wanted::GradientAndPooled } else { Wanted::Gradient };
    for step in 0..options.steps {
        let positions = batches.next_batch();
        let made = match &mut head {
            Some(head) => {
                let rows = (run.train, positions.as_slice());
                head.loss(run.backbone, &prompt, rows, wanted, options.memory_limit, &control.cancel)
            }
            None => {
                let batch = run.train.batch(&positions);
                run.backbone.loss(&prompt, &batch, wanted, options.memory_limit, &control.cancel)
            }
        };
        let made = made.map_err(|error| diverged_if_not_finite(error, step, options))?;
        let (loss, mut gradient) = (made.loss, made.gradient);
        let regularized = match psi {
            Some(psi) => Some(regularize(psi, &mut gradient, &made.pooled)?),
            None => None,
        };
        let gradient_norm = clip(&mut gradient, options.clip_norm);
        let rate = linear_decay(options.learning_rate, step, options.steps);
        optimizer.step(prompt.values_mut(), &gradient, rate);
        if let Some(head) = &mut head {
            head.step(rate);
        }
        if !(loss.is_finite() && gradient_norm.is_finite() && prompt.values().iter().all(|v| v.is_finite())) {
            return Err(diverged(step, options));
        }
        steps.push(StepRecord { loss, learning_rate: rate as f32, gradient_norm, regularized });
        let done = step + 1;
        control.tell(Progress { stage: Stage::Step, done, total: options.steps, loss, accuracy: f32::NAN })?;

        let late = options.time_limit > 0.0 && run.began.elapsed().as_secs_f64() + dev_seconds >= options.time_limit;
        let is_last = late || done == options.steps;
        let is_scored = run.dev.is_some() && (is_last || done % options.eval_every == 0);
        if is_scored || watched(done) {
            let before = Instant::now();
            let (learned, quality) = run.look(done, &prompt, head.as_ref(), control)?;
            if watched(done) {
                iterates.push((done, learned.clone()));
            }
            if let (true, Some(best), Some(quality)) = (is_scored, &mut best, quality) {
                best.offer(done, learned, quality);
                dev_seconds = before.elapsed().as_secs_f64();
            }
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
    let (learned, dev, one_class) = match best {
        Some(best) => (best.learned, best.records, best.quality.one_class),
        None => {
            let (learned, _) = run.look(steps.len(), &prompt, head.as_ref(), control)?;
            let one_class = run.probe(&learned, &control.cancel)?;
            (learned, Vec::new(), one_class)
        }
    };
    Ok(Tuned { learned, kept_step, steps, dev, stopped, one_class, iterates })
}

impl Run<'_> {
    /// The head to train, where one is asked for.
    fn start_head(&self, prompt: &SoftPrompt, cancel: &Cancel) -> Result<Option<HeadTraining>> {
        cancel.check()?;
        if self.options.answer_loss != AnswerLoss::Head {
            return Ok(None);
        }
        let states = self.states(prompt, self.train, cancel)?;
        Ok(Some(HeadTraining::new(self.backbone, self.verbalizers, &states)))
    }

    /// What `done` steps have learned, and its quality on the dev part, where there is one.
    fn look(
        &self,
        done: usize,
        prompt: &SoftPrompt,
        head: Option<&HeadTraining>,
        control: &mut Control<'_>,
    ) -> Result<(Learned, Option<Quality>)> {
        control.cancel.check()?;
        let (head, quality) = match (head, self.dev) {
            (Some(head), dev) => self.choose_head(prompt, head, dev, &control.cancel)?,
            (None, Some(dev)) => {
                (None, Some(Quality::of(self.backbone, prompt, dev, self.labels, self.options, &control.cancel)?))
            }
            (None, None) => (None, None),
        };
        if let Some(Quality { accuracy, loss, .. }) = quality {
            control.tell(Progress { stage: Stage::Dev, done, total: self.options.steps, loss, accuracy })?;
        }
        Ok((Learned { prompt: prompt.clone(), head }, quality))
    }

    /// The candidate of `head` with the lowest loss on the dev part, of equals the first; without a dev part the first.
    fn choose_head(
        &self,
        prompt: &SoftPrompt,
        head: &HeadTraining,
        dev: Option<&TokenizedExamples>,
        cancel: &Cancel,
    ) -> Result<(Option<LabelHead>, Option<Quality>)> {
        let candidates = head.candidates(&self.states(prompt, self.train, cancel)?, &self.train.labels)?;
        let Some(dev) = dev else { return Ok((candidates.into_iter().next(), None)) };
        let states = self.states(prompt, dev, cancel)?;
        let scored = candidates.into_iter().map(|head| (Quality::of_scores(&states.scores(&head), &dev.labels), head));
        let best = scored.reduce(|best, next| if next.0.loss < best.0.loss { next } else { best });
        Ok(best.map_or((None, None), |(quality, head)| (Some(head), Some(quality))))
    }

    /// Whether `learned` gives training rows, some hundred of them evenly spread, one label.
    fn probe(&self, learned: &Learned, cancel: &Cancel) -> Result<bool> {
        let stride = self.train.len().div_ceil(PROBE_ROWS).max(1);
        let rows = self.train.select(&(0..self.train.len()).step_by(stride).collect::<Vec<_>>());
        let quality = match &learned.head {
            Some(head) => Quality::of_scores(&self.states(&learned.prompt, &rows, cancel)?.scores(head), &rows.labels),
            None => Quality::of(self.backbone, &learned.prompt, &rows, self.labels, self.options, cancel)?,
        };
        Ok(quality.one_class)
    }

    fn states(&self, prompt: &SoftPrompt, examples: &TokenizedExamples, cancel: &Cancel) -> Result<AnswerStates> {
        let texts: Vec<&[u32]> = examples.sequences.iter().map(|sequence| sequence.text.as_slice()).collect();
        AnswerStates::of(self.backbone, prompt, &texts, self.options.memory_limit, cancel)
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
