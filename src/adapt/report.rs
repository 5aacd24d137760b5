//! What an adaptation reports. Nothing of it goes into the adapter file, and it holds no text of examples.

use serde::Serialize;

/// One optimizer step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StepRecord {
    /// Loss of the batch before the step, in nats per example.
    pub loss: f32,
    /// Learning rate of the step.
    pub learning_rate: f32,
    /// Euclidean norm of the gradient (psi's, where psi is applied) before clipping.
    pub gradient_norm: f32,
    /// What psi did to the gradient, where it is applied.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub regularized: Option<RegularizedRecord>,
}

/// What psi did to one gradient.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RegularizedRecord {
    /// c, the weight of the raw gradient, in 0..1.
    pub gate: f32,
    /// cos(psi(G), G) over the whole matrix.
    pub cosine: f32,
}

/// One scoring of the dev part; of a label head that is fitted again to dev rows, before that.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DevRecord {
    /// Steps done before it; 0 is the start prompt.
    pub step: usize,
    /// Share of rows whose best label is the gold one.
    pub accuracy: f32,
    /// Minus the log of the gold label's probability, mean over rows, in nats.
    pub loss: f32,
}

/// Why an adaptation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Stopped {
    /// All steps ran.
    #[serde(rename = "steps")]
    Steps,
    /// The dev part brought nothing better for `patience` scorings.
    #[serde(rename = "patience")]
    Patience,
    /// The time limit was reached.
    #[serde(rename = "time limit")]
    TimeLimit,
}

impl Stopped {
    /// The reason as in the serialized report: "steps", "patience" or "time limit".
    pub fn as_str(self) -> &'static str {
        match self {
            Stopped::Steps => "steps",
            Stopped::Patience => "patience",
            Stopped::TimeLimit => "time limit",
        }
    }
}

/// How an adaptation went.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Rows that were trained on; a label head is fitted to dev rows as well.
    pub train_examples: usize,
    /// Rows of the dev part; 0 when there was none.
    pub dev_examples: usize,
    /// P, rows of the prompt.
    pub prompt_length: usize,
    /// Every step that ran, first to last.
    pub steps: Vec<StepRecord>,
    /// Every scoring of the dev part, first to last; empty without one.
    pub dev: Vec<DevRecord>,
    /// Steps that made the kept prompt; 0 is the start prompt.
    pub kept_step: usize,
    /// Why it ended.
    pub stopped: Stopped,
    /// Training and dev examples whose text was cut to `max_tokens`.
    pub cut_examples: usize,
    /// Wall time of the whole call.
    pub seconds: f64,
    /// Peak resident memory of the process so far; 0 where the system does not tell.
    pub peak_bytes: u64,
    /// What the caller should know, one sentence each.
    pub warnings: Vec<String>,
}

impl Report {
    /// The dev scoring of the kept prompt.
    pub fn kept_dev(&self) -> Option<&DevRecord> {
        self.dev.iter().find(|record| record.step == self.kept_step)
    }
}
