//! Prediction: backbone + adapter + texts -> probabilities of the labels.

mod prepared;
mod prompt_cache;
pub(crate) mod scoring;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::adapter::Adapter;
use crate::backbone::Readout;
use crate::error::Result;
use crate::label_head::LabelHead;
use crate::limits::{MAX_BATCH_ROWS, within};
use crate::model::Model;
use crate::runtime::{Cancel, Control, Progress, Stage};
use crate::soft_prompt::SoftPrompt;
use crate::task::{Example, Task};

pub use prepared::PreparedTask;
pub(crate) use prepared::in_row;
pub use prompt_cache::PromptCache;
use scoring::{BatchLimits, Scored, highest, score, softmax};

/// Most tokens of a filled template unless an option or an adapter says otherwise.
pub const DEFAULT_MAX_TOKENS: usize = 256;
/// Rows whose token ids are held at a time.
const WINDOW_ROWS: usize = 4_096;

/// How to predict.
#[derive(Clone, Debug, Default)]
pub struct PredictOptions {
    /// Below this probability of the best label the prediction abstains, 0 to 1; 0 = never.
    pub abstain_below: f32,
    /// Rows computed together; 0 = chosen by the library.
    pub batch_size: usize,
    /// Stops the call between batches.
    pub cancel: Cancel,
}

/// The outcome for one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Position of the best label; `None` when abstaining.
    pub label: Option<usize>,
    /// Probability of every label, in the task's order; sums to 1.
    pub probabilities: Vec<f32>,
}

/// Predicts `rows` under `adapter`: the softmax over labels of their verbalizers' mean token log-probability, or of the label
/// head's logits.
///
/// Texts are cut to the most tokens the adapter was trained with. Errors: `InvalidOption`, `BackboneMismatch`,
/// `InvalidExample` or `TooLarge` with the row's number, `Cancelled`.
pub fn predict(
    model: &Model,
    adapter: &Adapter,
    rows: &[Example],
    options: &PredictOptions,
) -> Result<Vec<Prediction>> {
    predict_watched(model, adapter, rows, options, &mut |_| true)
}

/// As [`predict`]; `progress` is told after every batch how many rows are done, and `false` stops the call.
pub fn predict_watched(
    model: &Model,
    adapter: &Adapter,
    rows: &[Example],
    options: &PredictOptions,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Vec<Prediction>> {
    options.validate()?;
    let conditions = [Condition::of(model, adapter)?];
    predict_under(model, &conditions, rows.len(), |row| (0, &rows[row]), options, progress)
}

/// Predicts rows that each come with their own adapter; adapters may repeat, and their tasks may differ.
///
/// Errors: as [`predict`].
pub fn predict_mixed(
    model: &Model,
    rows: &[(&Adapter, &Example)],
    options: &PredictOptions,
) -> Result<Vec<Prediction>> {
    predict_mixed_watched(model, rows, options, &mut |_| true)
}

/// As [`predict_mixed`], with `progress` as for [`predict_watched`].
pub fn predict_mixed_watched(
    model: &Model,
    rows: &[(&Adapter, &Example)],
    options: &PredictOptions,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Vec<Prediction>> {
    options.validate()?;
    let mut conditions = Vec::new();
    let mut known = HashMap::new();
    for (position, (adapter, _)) in rows.iter().enumerate() {
        if let Entry::Vacant(place) = known.entry(adapter.id()) {
            options.cancel.check()?;
            place.insert(conditions.len());
            conditions.push(Condition::of(model, adapter).map_err(in_row("input", position))?);
        }
    }
    let row = |row: usize| (known[&rows[row].0.id()], rows[row].1);
    predict_under(model, &conditions, rows.len(), row, options, progress)
}

/// Predicts `rows` of `task` by the backbone alone, without a prompt; texts are cut to [`DEFAULT_MAX_TOKENS`] tokens.
///
/// Errors: as [`predict`].
pub fn zero_shot(model: &Model, task: &Task, rows: &[Example], options: &PredictOptions) -> Result<Vec<Prediction>> {
    options.validate()?;
    let prompt = SoftPrompt::empty(model.backbone().width());
    // No adapter has the id 0, and a state of no rows is never cached.
    let conditions = [Condition::new(model, 0, (&prompt, None), task, DEFAULT_MAX_TOKENS)?];
    predict_under(model, &conditions, rows.len(), |row| (0, &rows[row]), options, &mut |_| true)
}

impl PredictOptions {
    /// Checks every option. Errors: `InvalidOption` names the option, its range and what was given.
    pub fn validate(&self) -> Result<()> {
        within("abstain_below", self.abstain_below, 0.0..=1.0)?;
        within("batch_size", self.batch_size, 0..=MAX_BATCH_ROWS)
    }
}

impl Prediction {
    /// The prediction that label scores stand for.
    fn from_scores(scores: &[f32], abstain_below: f32) -> Self {
        let probabilities = softmax(scores);
        let best = highest(&probabilities);
        let label = (probabilities[best] >= f64::from(abstain_below)).then_some(best);
        Self { label, probabilities: probabilities.iter().map(|&p| p as f32).collect() }
    }
}

/// What rows are predicted under: a prompt and its task, checked against the model.
struct Condition<'a> {
    id: u64,
    prompt: &'a SoftPrompt,
    head: Option<&'a LabelHead>,
    task: PreparedTask,
}

impl<'a> Condition<'a> {
    fn of(model: &Model, adapter: &'a Adapter) -> Result<Self> {
        adapter.check(model.backbone())?;
        Self::new(model, adapter.id(), (adapter.prompt(), adapter.head()), adapter.task(), adapter.lineage().max_tokens)
    }

    fn new(
        model: &Model,
        id: u64,
        (prompt, head): (&'a SoftPrompt, Option<&'a LabelHead>),
        task: &Task,
        max_tokens: usize,
    ) -> Result<Self> {
        let backbone = model.backbone();
        let task = PreparedTask::new(task, backbone.tokenizer(), max_tokens)?;
        task.check_fits(prompt.rows(), backbone.context_length())?;
        if head.is_none() {
            task.check_verbalizers()?;
        }
        Ok(Self { id, prompt, head, task })
    }

    fn readout(&self) -> Readout<'_> {
        self.head.map_or(Readout::Verbalizers(self.task.trie()), Readout::Head)
    }
}

/// Predicts `count` rows; `row` gives each one's condition and example, `progress` is told after every batch.
fn predict_under<'a>(
    model: &Model,
    conditions: &[Condition<'_>],
    count: usize,
    row: impl Fn(usize) -> (usize, &'a Example),
    options: &PredictOptions,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Vec<Prediction>> {
    let (backbone, cache) = (model.backbone(), model.prompt_cache());
    let limits = BatchLimits::new(options.batch_size, 0, backbone.footprint().scoring);
    let scored: Vec<Scored<'_>> =
        conditions.iter().map(|c| Scored { id: c.id, prompt: c.prompt, readout: c.readout() }).collect();
    let mut predictions = Vec::with_capacity(count);
    let mut control = Control { cancel: options.cancel.clone(), progress: Some(progress) };
    let mut done = 0;
    let mut tell = |rows: usize| {
        done += rows;
        control.tell(Progress { stage: Stage::Predict, done, total: count, loss: f32::NAN, accuracy: f32::NAN })
    };
    for start in (0..count).step_by(WINDOW_ROWS) {
        let mut filled = Vec::new();
        for position in start..count.min(start + WINDOW_ROWS) {
            options.cancel.check()?;
            let (condition, example) = row(position);
            let ids = conditions[condition].task.fill(example, backbone.tokenizer());
            filled.push((condition, ids.map_err(in_row("input", position))?));
        }
        let texts: Vec<(usize, &[u32])> = filled.iter().map(|(c, ids)| (*c, ids.as_slice())).collect();
        let scores = score(backbone, cache, &scored, &texts, limits, &options.cancel, &mut tell)?;
        predictions.extend(scores.iter().map(|scores| Prediction::from_scores(scores, options.abstain_below)));
    }
    Ok(predictions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    #[test]
    fn the_threshold_decides_whether_to_abstain() {
        let scores = [-1.0, -2.0];
        let sure = Prediction::from_scores(&scores, 0.73);
        assert_eq!(sure.label, Some(0));
        assert!(
            (sure.probabilities[0] - 0.731_058_6).abs() < 1e-6 && (sure.probabilities[1] - 0.268_941_4).abs() < 1e-6
        );
        assert_eq!(Prediction::from_scores(&scores, 0.74), Prediction { label: None, ..sure });
    }

    #[test]
    fn options_outside_their_range_are_named() {
        for abstain_below in [-0.1, 1.1, f32::NAN] {
            let error = PredictOptions { abstain_below, ..Default::default() }.validate().unwrap_err();
            assert!(error.status() == Status::InvalidOption && error.to_string().contains("abstain_below"));
        }
        let error = PredictOptions { batch_size: MAX_BATCH_ROWS + 1, ..Default::default() }.validate().unwrap_err();
        assert!(error.to_string().contains("batch_size"));
    }
}
