//! The loop: batch -> loss -> prompt gradient -> psi, where a bundle brings it -> clip -> AdamW -> prompt; the best on
//! the dev part is kept.

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
/// Most training rows, and most dev rows, that label heads are fitted to and chosen by: a bound on memory and time.
pub(crate) const MOST_FITTED_ROWS: usize = 4_096;

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
    /// Wall seconds that iterates took which no scoring of the dev part asked for.
    pub watch_seconds: f64,
}

/// What was seen of a run so far.
#[derive(Default)]
struct Looks {
    best: Option<KeepBest>,
    iterates: Vec<(usize, Learned)>,
    /// How long the last scoring of the dev part took.
    dev_seconds: f64,
    watch_seconds: f64,
}

/// Adapts `start` by the options' steps. Errors: `NotFinite` when it diverges, `Cancelled`, those of the backbone.
pub(super) fn tune(run: &Run<'_>, start: SoftPrompt, control: &mut Control<'_>) -> Result<Tuned> {
    let options = run.options;
    let mut prompt = start;
    let mut optimizer = AdamW::new(prompt.values().len(), options.weight_decay);
    let mut batches = Batches::new(run.train.len(), options.batch_size, options.seed);
    let (mut head, start_states) = run.start_head(&prompt, &control.cancel)?;
    let mut looks = Looks::default();
    run.look(0, true, (&prompt, head.as_ref(), start_states), &mut looks, control)?;
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
        run.look(done, is_due, (&prompt, head.as_ref(), None), &mut looks, control)?;
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
    let Looks { best, iterates, watch_seconds, .. } = looks;
    let kept_step = best.as_ref().map_or(steps.len(), |best| best.step);
    let (learned, dev, one_class) = match best {
        Some(best) => (best.learned, best.records, best.quality.one_class),
        None => {
            let (learned, quality) = run.learned(&prompt, head.as_ref(), None, false, &control.cancel)?;
            let one_class = match quality {
                Some(quality) => quality.one_class,
                None => run.probe(&learned.prompt, &control.cancel)?,
            };
            (learned, Vec::new(), one_class)
        }
    };
    Ok(Tuned { learned, kept_step, steps, dev, stopped, one_class, iterates, watch_seconds })
}

impl Run<'_> {
    /// The head to train and the states it starts from, where one is asked for.
    fn start_head(&self, prompt: &SoftPrompt, cancel: &Cancel) -> Result<(Option<HeadTraining>, Option<AnswerStates>)> {
        cancel.check()?;
        if self.options.answer_loss != AnswerLoss::Head {
            return Ok((None, None));
        }
        let states = self.states(prompt, &self.train.at_most(MOST_FITTED_ROWS), cancel)?;
        Ok((Some(HeadTraining::new(self.backbone, self.verbalizers, &states)), Some(states)))
    }

    /// After `done` steps, at step 0 too: keeps the iterate where it is asked for and, where a scoring `is_due`, the best on
    /// the dev part.
    fn look(
        &self,
        done: usize,
        is_due: bool,
        (prompt, head, known): (&SoftPrompt, Option<&HeadTraining>, Option<AnswerStates>),
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
        let (learned, quality) = self.learned(prompt, head, known, is_scored, &control.cancel)?;
        if is_watched {
            looks.iterates.push((done, learned.clone()));
        }
        let Some(quality) = quality.filter(|_| is_scored) else {
            looks.watch_seconds += before.elapsed().as_secs_f64();
            return Ok(());
        };
        let Quality { accuracy, loss, .. } = quality;
        control.tell(Progress { stage: Stage::Dev, done, total: self.options.steps, loss, accuracy })?;
        match &mut looks.best {
            Some(best) => best.offer(done, learned, quality),
            None => looks.best = Some(KeepBest::new(learned, quality)),
        }
        looks.dev_seconds = before.elapsed().as_secs_f64();
        Ok(())
    }

    /// What has been learned, and its quality where it `is_scored` or has a head: on the dev part, else on the training
    /// rows. `known`: the states of the training rows under `prompt`, where they have been computed.
    fn learned(
        &self,
        prompt: &SoftPrompt,
        head: Option<&HeadTraining>,
        known: Option<AnswerStates>,
        is_scored: bool,
        cancel: &Cancel,
    ) -> Result<(Learned, Option<Quality>)> {
        let with = |head| Learned { prompt: prompt.clone(), head };
        match (head, self.dev) {
            (Some(head), dev) => {
                let train = self.train.at_most(MOST_FITTED_ROWS);
                let states = match known {
                    Some(states) => states,
                    None => self.states(prompt, &train, cancel)?,
                };
                let (head, quality) = match dev {
                    Some(dev) => self.choose_head(prompt, head, (states, &train.labels), dev, cancel)?,
                    None => {
                        let head = head.fitted(&states, &train.labels, cancel)?;
                        let quality = Quality::of_scores(&states.scores(&head), &train.labels);
                        (head, quality)
                    }
                };
                Ok((with(Some(head)), Some(quality)))
            }
            (None, Some(dev)) if is_scored => {
                let quality = Quality::of(self.backbone, prompt, dev, self.labels, self.options, cancel)?;
                Ok((with(None), Some(quality)))
            }
            (None, _) => Ok((with(None), None)),
        }
    }

    /// The candidate of `head` with the lowest loss on the dev part, of equals the first; a fitted one has then been fitted
    /// once more, to the training and dev rows together. Its quality on the dev part is the one it was chosen by, but
    /// whether all are given one label is said of the head as it is given. `states` and `labels` are of the training rows.
    fn choose_head(
        &self,
        prompt: &SoftPrompt,
        head: &HeadTraining,
        (states, labels): (AnswerStates, &[usize]),
        dev: &TokenizedExamples,
        cancel: &Cancel,
    ) -> Result<(LabelHead, Quality)> {
        let dev = dev.at_most(MOST_FITTED_ROWS);
        let dev_states = self.states(prompt, &dev, cancel)?;
        let scored = head.candidates(&states, labels, cancel)?.into_iter().map(|candidate| {
            let quality = Quality::of_scores(&dev_states.scores(&candidate.head), &dev.labels);
            (candidate, quality)
        });
        let best = scored.reduce(|best, next| if next.1.loss < best.1.loss { next } else { best });
        let (best, quality) =
            best.ok_or_else(|| Error::new(Status::Internal, "a label head in training without candidates"))?;
        let all = AnswerStates::joined([states, dev_states]);
        let given = head.fitted_again(best, &all, &[labels, &dev.labels].concat(), cancel)?;
        let one_class = Quality::of_scores(&all.scores(&given)[labels.len()..], &dev.labels).one_class;
        Ok((given, Quality { one_class, ..quality }))
    }

    /// Whether the verbalizers give training rows under `prompt`, some hundred of them evenly spread, one label.
    fn probe(&self, prompt: &SoftPrompt, cancel: &Cancel) -> Result<bool> {
        let rows = self.train.at_most(PROBE_ROWS);
        Ok(Quality::of(self.backbone, prompt, &rows, self.labels, self.options, cancel)?.one_class)
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
