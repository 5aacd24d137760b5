//! The loop: batch -> loss -> prompt gradient -> psi, where a bundle brings it -> clip -> AdamW -> prompt; the best on the dev part is kept.

use std::time::Instant;

use super::batches::Batches;
use super::examples::TokenizedExamples;
use super::head_training::HeadTraining;
use super::keep_best::{KeepBest, Quality};
use super::learned::Learned;
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

/// What was seen of a run so far.
#[derive(Default)]
struct Looks {
    best: Option<KeepBest>,
    iterates: Vec<(usize, Learned)>,
    /// How long the last scoring of the dev part took.
    dev_seconds: f64,
}

/// Adapts `start` by the options' steps. Errors: `NotFinite` when it diverges, `Cancelled`, those of the backbone.
pub(super) fn tune(run: &Run<'_>, start: SoftPrompt, control: &mut Control<'_>) -> Result<Tuned> {
    let options = run.options;
    let mut prompt = start;
    let mut optimizer = AdamW::new(prompt.values().len(), options.weight_decay);
    let mut batches = Batches::new(run.train.len(), options.batch_size, options.seed);
    let mut head = run.start_head(&prompt, &control.cancel)?;
    let mut looks = Looks::default();
    run.look(0, true, (&prompt, head.as_ref()), &mut looks, control)?;
    let mut steps = Vec::new();
    let mut stopped = Stopped::Steps;
    let psi = options.regularization();
    let wanted = if psi.is_some() { Wanted::GradientAndPooled } else { Wanted::Gradient };
    for step in 0..options.steps {
        let positions = batches.next_batch();
        let batch = run.train.batch(&positions);
        let made = match &mut head {
            Some(head) => {
                let labels: Vec<usize> = positions.iter().map(|&at| run.train.labels[at]).collect();
                head.loss(run.backbone, &prompt, (&batch, &labels), wanted, options.memory_limit, &control.cancel)
            }
            None => run.backbone.loss(&prompt, &batch, wanted, options.memory_limit, &control.cancel),
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

        let late =
            options.time_limit > 0.0 && run.began.elapsed().as_secs_f64() + looks.dev_seconds >= options.time_limit;
        let is_due = late || done == options.steps || done % options.eval_every == 0;
        run.look(done, is_due, (&prompt, head.as_ref()), &mut looks, control)?;
        if done == options.steps {
            break;
        }
        if late {
            stopped = Stopped::TimeLimit;
            break;
        }
        if options.patience > 0 && looks.best.as_ref().is_some_and(|best| best.without_gain >= options.patience) {
            stopped = Stopped::Patience;
            break;
        }
    }
    let Looks { best, iterates, .. } = looks;
    let kept_step = best.as_ref().map_or(steps.len(), |best| best.step);
    let (learned, dev, one_class) = match best {
        Some(best) => (best.learned, best.records, best.quality.one_class),
        None => {
            let (learned, _) = run.learned(&prompt, head.as_ref(), false, &control.cancel)?;
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

    /// After `done` steps, at step 0 too: keeps the iterate where it is asked for and, where a scoring `is_due`, the best on
    /// the dev part.
    fn look(
        &self,
        done: usize,
        is_due: bool,
        (prompt, head): (&SoftPrompt, Option<&HeadTraining>),
        looks: &mut Looks,
        control: &mut Control<'_>,
    ) -> Result<()> {
        control.cancel.check()?;
        let is_scored = is_due && self.dev.is_some();
        let is_watched = self.options.iterates_at.contains(&done);
        if !is_scored && !is_watched {
            return Ok(());
        }
        let before = Instant::now();
        let (learned, quality) = self.learned(prompt, head, is_scored, &control.cancel)?;
        if is_watched {
            looks.iterates.push((done, learned.clone()));
        }
        let Some(quality) = quality.filter(|_| is_scored) else { return Ok(()) };
        let Quality { accuracy, loss, .. } = quality;
        control.tell(Progress { stage: Stage::Dev, done, total: self.options.steps, loss, accuracy })?;
        match &mut looks.best {
            Some(best) => best.offer(done, learned, quality),
            None => looks.best = Some(KeepBest::new(learned, quality)),
        }
        looks.dev_seconds = before.elapsed().as_secs_f64();
        Ok(())
    }

    /// What has been learned, and its quality on the dev part where it `is_scored` or the dev part chose the head.
    fn learned(
        &self,
        prompt: &SoftPrompt,
        head: Option<&HeadTraining>,
        is_scored: bool,
        cancel: &Cancel,
    ) -> Result<(Learned, Option<Quality>)> {
        let with = |head| Learned { prompt: prompt.clone(), head };
        match (head, self.dev) {
            (Some(head), Some(dev)) => {
                let (head, quality) = self.choose_head(prompt, head, dev, cancel)?;
                Ok((with(Some(head)), Some(quality)))
            }
            (Some(head), None) => {
                let states = self.states(prompt, self.train, cancel)?;
                Ok((with(Some(head.fitted(&states, &self.train.labels)?)), None))
            }
            (None, Some(dev)) if is_scored => {
                let quality = Quality::of(self.backbone, prompt, dev, self.labels, self.options, cancel)?;
                Ok((with(None), Some(quality)))
            }
            (None, _) => Ok((with(None), None)),
        }
    }

    /// The candidate of `head` with the lowest loss on the dev part, of equals the first, and its quality there; a fitted
    /// one has then been fitted once more, to the training and dev rows together.
    fn choose_head(
        &self,
        prompt: &SoftPrompt,
        head: &HeadTraining,
        dev: &TokenizedExamples,
        cancel: &Cancel,
    ) -> Result<(LabelHead, Quality)> {
        let states = [self.states(prompt, self.train, cancel)?, self.states(prompt, dev, cancel)?];
        let scored = head.candidates(&states[0], &self.train.labels)?.into_iter().map(|candidate| {
            let quality = Quality::of_scores(&states[1].scores(&candidate.head), &dev.labels);
            (candidate, quality)
        });
        let best = scored.reduce(|best, next| if next.1.loss < best.1.loss { next } else { best });
        let (best, quality) =
            best.ok_or_else(|| Error::new(Status::Internal, "a label head in training without candidates"))?;
        let labels = [self.train.labels.as_slice(), &dev.labels].concat();
        Ok((head.fitted_again(best, &AnswerStates::joined(states), &labels)?, quality))
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
        AnswerStates::of(self.backbone, prompt, &examples.sequences, self.options.memory_limit, cancel)
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
