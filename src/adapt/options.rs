//! Options of adaptation, validated before anything runs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::adapter::Adapter;
use crate::bundle::{Bundle, Regularization};
use crate::error::Result;
use crate::limits::{MAX_BATCH_ROWS, MAX_CONTEXT, MAX_PROMPT_ROWS, MAX_STEPS, within};
use crate::predict::DEFAULT_MAX_TOKENS;
use crate::soft_prompt::SoftPrompt;

/// Where the prompt starts.
#[derive(Clone, Debug, Default)]
pub enum PromptStart {
    /// The bundle's prompt where there is a bundle, else rows of the input embedding, drawn by the seed.
    #[default]
    Auto,
    /// Rows of the input embedding, drawn by the seed.
    Vocabulary,
    /// The embedded tokens of a text, repeated or cut to the prompt's length.
    Text(String),
    /// An earlier adapter's prompt (warm start); its length replaces `prompt_length`.
    Adapter(Arc<Adapter>),
    /// Given rows; their number replaces `prompt_length`.
    Prompt(SoftPrompt),
}

/// What the loss of an example tells its answer apart from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnswerLoss {
    /// Every token of the vocabulary (method section 1).
    #[default]
    #[serde(rename = "vocabulary")]
    Vocabulary,
    /// The other labels alone: at every token of a verbalizer, those that labels with the same beginning go on with
    /// (deviation, after the label-word objective of Gao et al. 2021). No step is spent on making the labels likely among
    /// all words, so few steps go further.
    #[serde(rename = "labels")]
    Labels,
    /// The other labels alone, by a label head that is trained beside the prompt and takes the place of the verbalizers
    /// (deviation). Where the dev part chooses a head that was fitted, that is fitted once more, to the dev rows
    /// as well. Of more than 4,096 training or dev rows, about so many are fitted to, evenly spread.
    #[serde(rename = "head")]
    Head,
}

/// How to adapt; `Default` is a strong setting for 8 to 32 examples a class.
#[derive(Clone, Debug)]
pub struct AdaptOptions {
    /// Optimizer steps, at least 1 (default 100).
    pub steps: usize,
    /// AdamW's first learning rate, 1e-8 to 100; decays linearly to 0 over `steps` (default 0.02, chosen for the
    /// vocabulary loss; for a label head trials chose 0.003, which bundles advise).
    pub learning_rate: f32,
    /// Examples a step, at least 1 (default 8).
    pub batch_size: usize,
    /// What the loss tells a gold label apart from (default the whole vocabulary).
    pub answer_loss: AnswerLoss,
    /// P, rows of the prompt, at least 1 (default 20).
    pub prompt_length: usize,
    /// Where the prompt starts.
    pub start: PromptStart,
    /// A meta-trained bundle: its prompt is the start unless `start` says otherwise, its psi transforms every gradient
    /// (default none: plain prompt tuning). [`Bundle::advised`] gives the other options that go with it.
    pub bundle: Option<Arc<Bundle>>,
    /// Whether the bundle's psi is applied (default), or only its prompt is used.
    pub regularize: bool,
    /// Seed of the start, the dev split and the batches (default 42).
    pub seed: u64,
    /// Largest Euclidean norm of the gradient; 0 = no clipping (default 1).
    pub clip_norm: f32,
    /// AdamW's weight decay, 0 to 1 (default 0).
    pub weight_decay: f32,
    /// Dev examples per class cut from the training rows when none are given; used when every class keeps at least 8;
    /// 0 = none (default 16).
    pub dev_per_class: usize,
    /// Held-out share of every class instead of `dev_per_class`, at most 0.9; 0 = use `dev_per_class` (default).
    pub dev_fraction: f32,
    /// Score the dev part every so many steps, at least 1, and at the start and the end (default 10).
    pub eval_every: usize,
    /// Stop when so many dev scorings in a row bring nothing better; 0 = never (default).
    pub patience: usize,
    /// Seconds after which the best so far is returned; 0 = no limit (default). One step always runs.
    pub time_limit: f64,
    /// Bytes that activations of one micro-batch may take; 0 = no limit (default).
    pub memory_limit: usize,
    /// Most tokens of a filled template, at least 1 (default 256).
    pub max_tokens: usize,
    /// Numbers of steps after which the prompt is copied into [`Adaptation::iterates`](super::Adaptation::iterates), 0
    /// for the start (default none). Changes nothing else but the time that the call takes.
    pub iterates_at: Vec<usize>,
}

impl Default for AdaptOptions {
    fn default() -> Self {
        Self {
            steps: 100,
            learning_rate: 0.02,
            batch_size: 8,
            answer_loss: AnswerLoss::Vocabulary,
            prompt_length: 20,
            start: PromptStart::Auto,
            bundle: None,
            regularize: true,
            seed: 42,
            clip_norm: 1.0,
            weight_decay: 0.0,
            dev_per_class: 16,
            dev_fraction: 0.0,
            eval_every: 10,
            patience: 0,
            time_limit: 0.0,
            memory_limit: 0,
            max_tokens: DEFAULT_MAX_TOKENS,
            iterates_at: Vec::new(),
        }
    }
}

impl AdaptOptions {
    /// The psi of this run.
    pub(crate) fn regularization(&self) -> Option<&Regularization> {
        self.bundle.as_ref().filter(|_| self.regularize).and_then(|bundle| bundle.regularization())
    }

    /// Checks every option. Errors: `InvalidOption` names the option, its range and what was given.
    pub fn validate(&self) -> Result<()> {
        within("steps", self.steps, 1..=MAX_STEPS)?;
        within("learning_rate", self.learning_rate, 1e-8..=100.0)?;
        within("batch_size", self.batch_size, 1..=MAX_BATCH_ROWS)?;
        within("prompt_length", self.prompt_length, 1..=MAX_PROMPT_ROWS)?;
        within("clip_norm", self.clip_norm, 0.0..=1e6)?;
        within("weight_decay", self.weight_decay, 0.0..=1.0)?;
        within("dev_per_class", self.dev_per_class, 0..=1_000_000)?;
        within("dev_fraction", self.dev_fraction, 0.0..=0.9)?;
        within("eval_every", self.eval_every, 1..=MAX_STEPS)?;
        within("patience", self.patience, 0..=MAX_STEPS)?;
        within("time_limit", self.time_limit, 0.0..=1e9)?;
        within("max_tokens", self.max_tokens, 1..=MAX_CONTEXT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    #[test]
    fn defaults_are_valid() {
        AdaptOptions::default().validate().unwrap();
    }

    #[test]
    fn each_bad_option_is_named_with_its_value() {
        type Change = fn(&mut AdaptOptions);
        let bad: [(&str, &str, Change); 14] = [
            ("steps", "0", |o| o.steps = 0),
            ("steps", "1000001", |o| o.steps = MAX_STEPS + 1),
            ("learning_rate", "NaN", |o| o.learning_rate = f32::NAN),
            ("learning_rate", "0", |o| o.learning_rate = 0.0),
            ("learning_rate", "inf", |o| o.learning_rate = f32::INFINITY),
            ("learning_rate", "-1", |o| o.learning_rate = -1.0),
            ("batch_size", "0", |o| o.batch_size = 0),
            ("prompt_length", "4097", |o| o.prompt_length = 4097),
            ("clip_norm", "-0.5", |o| o.clip_norm = -0.5),
            ("weight_decay", "2", |o| o.weight_decay = 2.0),
            ("dev_fraction", "1", |o| o.dev_fraction = 1.0),
            ("eval_every", "0", |o| o.eval_every = 0),
            ("time_limit", "NaN", |o| o.time_limit = f64::NAN),
            ("max_tokens", "0", |o| o.max_tokens = 0),
        ];
        for (name, given, change) in bad {
            let mut options = AdaptOptions::default();
            change(&mut options);
            let error = options.validate().unwrap_err();
            assert_eq!(error.status(), Status::InvalidOption);
            let text = error.to_string();
            assert!(
                text.contains(&format!("option {name} ")) && text.ends_with(&format!(", {given} was given")),
                "{text}"
            );
        }
    }
}
