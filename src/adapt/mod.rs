//! Adaptation: batch -> loss -> prompt gradient -> psi, where a bundle brings it -> clip -> AdamW -> prompt; the best on a
//! dev part is kept.
//!
//! [`adapt`] prepares what the loop in `tune` works with: the start prompt, the tokenized rows and the dev part.

mod batches;
mod examples;
mod head_training;
mod keep_best;
mod learned;
mod optimizer;
mod options;
mod report;
mod split;
mod start;
#[cfg(test)]
pub(crate) mod toy;
mod tune;

use std::time::Instant;

use crate::adapter::{Adapter, Lineage};
use crate::error::{Result, Status, fail};
use crate::model::Model;
use crate::predict::PreparedTask;
use crate::runtime::peak_bytes;
use crate::task::{Example, Task};

pub use crate::runtime::Control;
pub use batches::batches;
pub use examples::{TokenizedExamples, tokenize};
pub use learned::Learned;
pub use optimizer::{AdamW, clip, linear_decay};
pub use options::{AdaptOptions, AnswerLoss, PromptStart};
pub use report::{DevRecord, RegularizedRecord, Report, StepRecord, Stopped};
pub use split::{MIN_TRAIN_PER_CLASS, Split, split};
use start::make_start;
pub use start::start_prompt;
pub(crate) use tune::MOST_FITTED_ROWS;
use tune::{Run, tune};

/// What adaptation gives: the adapter and how it went.
#[derive(Debug)]
pub struct Adaptation {
    /// The adapted prompt.
    pub adapter: Adapter,
    /// Loss curve, dev scores, seconds, peak bytes, warnings.
    pub report: Report,
    /// What was learned after each of `iterates_at`'s steps that ran, whatever the dev part says of the prompt;
    /// ascending. Label heads are chosen by the dev part here too.
    pub iterates: Vec<(usize, Learned)>,
    /// Wall seconds of the call that only `iterates` took; part of the report's seconds.
    pub watch_seconds: f64,
}

/// Adapts a soft prompt to `task` from labelled `train` rows; `dev` rows, when given, choose the best prompt.
///
/// Without `dev` rows a dev part is cut from `train` when every class keeps enough (see [`split()`]); else all steps run
/// and the last prompt is kept. A time limit ends the run after the current step and one last scoring.
///
/// Errors: `InvalidOption`; `InvalidTask`; `InvalidExample` for a row without a known label or field, a label without
/// training rows, or `dev` without rows; `BackboneMismatch` for a warm start from another family; `MemoryLimit`;
/// `NotFinite` when the run diverges; `Cancelled`.
pub fn adapt(
    model: &Model,
    task: &Task,
    train: &[Example],
    dev: Option<&[Example]>,
    options: &AdaptOptions,
    mut control: Control<'_>,
) -> Result<Adaptation> {
    let began = Instant::now();
    options.validate()?;
    control.cancel.check()?;
    let backbone = model.backbone();
    let tokenizer = backbone.tokenizer();
    let mut warnings = family_warnings(model, options)?;
    let start = make_start(backbone, options)?;
    let prepared = PreparedTask::new(task, tokenizer, options.max_tokens)?;
    prepared.check_fits(start.rows(), backbone.context_length())?;
    if options.answer_loss != AnswerLoss::Head {
        prepared.check_verbalizers()?;
    }

    let mut train = tokenize(task, &prepared, tokenizer, train, "train", &control.cancel)?;
    train.tell_apart(options.answer_loss, prepared.trie());
    check_every_label(task, &train)?;
    let dev = dev.map(|rows| tokenize(task, &prepared, tokenizer, rows, "dev", &control.cancel)).transpose()?;
    let cut_examples = train.cut + dev.as_ref().map_or(0, |dev| dev.cut);
    let (train, dev) = parts(train, dev, task.labels().len(), options, &mut warnings)?;

    let prompt_length = start.rows();
    log::info!(
        "adaptation begins: {} labels, {} training and {} dev examples, {prompt_length} prompt rows, {} steps",
        task.labels().len(),
        train.len(),
        dev.as_ref().map_or(0, |dev| dev.len()),
        options.steps
    );
    let run = Run {
        backbone,
        train: &train,
        dev: dev.as_ref(),
        labels: prepared.trie(),
        verbalizers: prepared.verbalizers(),
        options,
        began,
    };
    let tuned = tune(&run, start, &mut control);
    backbone.release_memory();
    let tuned =
        tuned.inspect_err(|error| log::info!("adaptation ended without an adapter: {}", error.status().name()))?;

    if tuned.one_class {
        let rows = if dev.is_some() { "dev" } else { "training" };
        warnings.push(format!("the adapter predicts only one class for all {rows} rows; it learned nothing of use"));
    }
    if cut_examples > 0 {
        let max_tokens = options.max_tokens;
        warnings.push(format!("{cut_examples} examples were cut to max_tokens {max_tokens}"));
    }
    warnings.iter().for_each(|warning| log::warn!("{warning}"));
    let report = Report {
        train_examples: train.len(),
        dev_examples: dev.as_ref().map_or(0, |dev| dev.len()),
        prompt_length,
        steps: tuned.steps,
        dev: tuned.dev,
        kept_step: tuned.kept_step,
        stopped: tuned.stopped,
        cut_examples,
        seconds: began.elapsed().as_secs_f64(),
        peak_bytes: peak_bytes(),
        warnings,
    };
    log::info!(
        "adaptation ended: {} steps in {:.1} s, the prompt of step {} is kept",
        report.steps.len(),
        report.seconds,
        report.kept_step
    );
    let lineage = Lineage {
        method: method(options).to_owned(),
        seed: options.seed,
        steps: report.kept_step,
        train_examples: report.train_examples,
        dev_accuracy: report.kept_dev().map(|record| record.accuracy),
        dev_loss: report.kept_dev().map(|record| record.loss),
        max_tokens: options.max_tokens,
        bundle: options.bundle.as_ref().map(|bundle| bundle.digest()).transpose()?,
    };
    let adapter = tuned.learned.into_adapter(task.clone(), lineage, backbone.fingerprint().clone())?;
    Ok(Adaptation { adapter, report, iterates: tuned.iterates, watch_seconds: tuned.watch_seconds })
}

/// `InvalidExample` names the first label without a training row.
fn check_every_label(task: &Task, train: &TokenizedExamples) -> Result<()> {
    let counts = train.per_class(task.labels().len());
    match counts.iter().position(|&count| count == 0) {
        Some(at) => {
            let name = &task.labels()[at].name;
            fail(Status::InvalidExample, format!("label {name:?} has no training example; give at least one"))
        }
        None => Ok(()),
    }
}

/// The lineage's name for this way of adapting.
fn method(options: &AdaptOptions) -> &'static str {
    match (&options.bundle, options.regularization()) {
        (None, _) => "prompt-tuning",
        (Some(_), Some(_)) => "supmer",
        (Some(_), None) => "supmer-no-psi",
    }
}

/// What the bundle and a warm start's adapter have to say about this backbone.
fn family_warnings(model: &Model, options: &AdaptOptions) -> Result<Vec<String>> {
    let mut warnings = match &options.bundle {
        Some(bundle) => bundle.check(model.backbone())?,
        None => Vec::new(),
    };
    if let PromptStart::Adapter(adapter) = &options.start {
        warnings.extend(adapter.check(model.backbone())?);
    }
    Ok(warnings)
}

/// The rows to train on and the dev part: the one given, or one cut from `train` when it is large enough.
fn parts(
    train: TokenizedExamples,
    dev: Option<TokenizedExamples>,
    class_count: usize,
    options: &AdaptOptions,
    warnings: &mut Vec<String>,
) -> Result<(TokenizedExamples, Option<TokenizedExamples>)> {
    match dev {
        Some(dev) if dev.is_empty() => {
            fail(Status::InvalidExample, "dev has no rows; give some, or none at all to have them cut from train")
        }
        Some(dev) => Ok((train, Some(dev))),
        None => match split(&train.labels, class_count, options) {
            Some(split) => Ok((train.select(&split.train), Some(train.select(&split.dev)))),
            None => {
                warnings.push(no_dev_part(&train, class_count, options));
                Ok((train, None))
            }
        },
    }
}

/// Why there is no dev part and what that means.
fn no_dev_part(train: &TokenizedExamples, class_count: usize, options: &AdaptOptions) -> String {
    let reason = if options.dev_per_class == 0 && options.dev_fraction == 0.0 {
        "none was asked for".to_owned()
    } else {
        let smallest = train.per_class(class_count).into_iter().min().unwrap_or(0);
        format!("with it the smallest class, of {smallest} examples, would keep fewer than {MIN_TRAIN_PER_CLASS}")
    };
    format!("no dev part was cut off ({reason}): a fixed number of {} steps, the last prompt is kept", options.steps)
}

#[cfg(test)]
mod tests {
    use super::toy::Toy;
    use super::*;

    fn parts_of(counts: &[usize], dev: Option<&[usize]>) -> (usize, Option<usize>, Vec<String>) {
        let (toy, mut warnings) = (Toy::new(), Vec::new());
        let options = AdaptOptions { dev_per_class: 4, ..Default::default() };
        let dev = dev.map(|counts| toy.examples(counts));
        let (train, dev) = parts(toy.examples(counts), dev, 2, &options, &mut warnings).unwrap();
        (train.len(), dev.map(|dev| dev.len()), warnings)
    }

    #[test]
    fn given_dev_rows_leave_train_whole() {
        assert_eq!(parts_of(&[20, 20], Some(&[3, 3])), (40, Some(6), vec![]));
    }

    #[test]
    fn a_dev_part_is_cut_only_when_every_class_keeps_eight() {
        assert_eq!(parts_of(&[12, 20], None), (24, Some(8), vec![]));
        let (train, dev, warnings) = parts_of(&[11, 20], None);
        assert_eq!((train, dev), (31, None));
        assert!(warnings.len() == 1 && warnings[0].contains("smallest class, of 11 examples"), "{warnings:?}");
    }

    #[test]
    fn an_empty_dev_part_is_refused() {
        let (toy, options) = (Toy::new(), AdaptOptions::default());
        let refused = parts(toy.examples(&[9, 9]), Some(toy.examples(&[])), 2, &options, &mut Vec::new());
        assert_eq!(refused.unwrap_err().status(), Status::InvalidExample);
    }
}
