//! Where a training run gets its tasks from.

use serde_json::Value;

use super::MetaTask;
use crate::adapt::AnswerLoss;
use crate::backbone::Sequence;
use crate::error::Result;

/// The tasks of one step.
pub struct StepTasks {
    /// As many as a step learns from.
    pub tasks: Vec<MetaTask<Vec<Sequence>>>,
    /// What each of them is, for the metrics.
    pub kinds: Vec<TaskKind>,
}

/// What a task is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TaskKind {
    /// Name of its format.
    pub format: &'static str,
    /// Loss of guessing among its answers, in nats: what a query loss must fall below before anything is learned.
    pub chance_loss: f64,
}

/// A task that is never learned from.
pub struct ValidationTask {
    /// What it is.
    pub kind: TaskKind,
    /// Support and query sets; the other halves of its query pairs are not read.
    pub task: MetaTask<Vec<Sequence>>,
    /// The answers to choose from, as the query's sequences hold them, where the network can score its texts.
    pub answers: Option<Vec<Vec<u32>>>,
}

/// A stream of tasks that can be entered at any step, so that a resumed run sees what an uninterrupted one sees.
pub trait TaskSource {
    /// The tasks of step `step` (from 0); they depend on the source's options and the step alone.
    fn tasks(&self, step: usize) -> Result<StepTasks>;

    /// Tasks of held-out text, always the same.
    fn validation(&self) -> Result<Vec<ValidationTask>>;

    /// What is needed to make the same tasks again, for the bundle's recipe.
    fn recipe(&self) -> Value;

    /// SHA-256 (hex) of the text, where there is one.
    fn corpus_digest(&self) -> Option<String>;

    /// What its sequences tell their answers apart from; [`AnswerLoss::Head`] is for meta steps with label heads.
    fn answer_loss(&self) -> AnswerLoss;
}
