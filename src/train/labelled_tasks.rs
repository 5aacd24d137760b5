//! Tasks from labelled sets that are at hand (deviation: the method needs none), for teams that own many small tasks and
//! to measure how far a meta-trained start can help.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{MetaTask, StepTasks, TaskKind, TaskSource, ValidationTask};
use crate::adapt::{AnswerLoss, TokenizedExamples, tokenize};
use crate::backbone::Sequence;
use crate::error::{Result, Status, fail};
use crate::limits::{MAX_BATCH_ROWS, MAX_LABELS, within};
use crate::predict::PreparedTask;
use crate::runtime::Random;
use crate::task::{Example, Task};
use crate::text::Tokenizer;

/// Name of the format in metrics.
const FORMAT: &str = "labelled";

/// How tasks are drawn from labelled sets.
#[derive(Clone, Debug)]
pub struct LabelledOptions {
    /// Seed of the draws.
    pub seed: u64,
    /// Tasks of one step.
    pub tasks_per_step: usize,
    /// Most classes of a task; of larger label sets some are drawn.
    pub most_classes: usize,
    /// Support examples of each class.
    pub support: usize,
    /// Query examples of each class.
    pub query: usize,
    /// Most tokens of a filled template.
    pub max_tokens: usize,
    /// What the loss tells a gold label apart from.
    pub answer_loss: AnswerLoss,
}

impl Default for LabelledOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            tasks_per_step: 1,
            most_classes: 4,
            support: 4,
            query: 4,
            max_tokens: 128,
            answer_loss: AnswerLoss::Vocabulary,
        }
    }
}

/// One labelled set, its rows sorted by class.
struct Set {
    name: String,
    /// SHA-256 (hex) of the tokens of all rows and their labels.
    digest: String,
    examples: TokenizedExamples,
    classes: Vec<Vec<usize>>,
}

/// Labelled sets as a source of tasks.
pub struct LabelledTasks {
    sets: Vec<Set>,
    options: LabelledOptions,
}

impl LabelledTasks {
    /// A source of `sets`.
    ///
    /// Errors: `InvalidOption` for counts out of range; those of the task and its rows; `InvalidExample` for a class of fewer
    /// rows than a task takes; `InvalidArgument` without sets.
    pub fn new(tokenizer: &Tokenizer, sets: &[(Task, Vec<Example>)], options: LabelledOptions) -> Result<Self> {
        within("tasks_per_step", options.tasks_per_step, 1..=1024)?;
        within("most_classes", options.most_classes, 2..=MAX_LABELS)?;
        within("support examples of a class", options.support, 1..=MAX_BATCH_ROWS)?;
        within("query examples of a class", options.query, 1..=MAX_BATCH_ROWS)?;
        if sets.is_empty() {
            return fail(Status::InvalidArgument, "there is no labelled set; give at least one");
        }
        let prepare = |(task, rows): &(Task, Vec<Example>)| {
            let prepared = PreparedTask::new(task, tokenizer, options.max_tokens)?;
            let mut examples = tokenize(task, &prepared, tokenizer, rows, "train")?;
            examples.tell_apart(options.answer_loss, prepared.trie());
            let mut classes = vec![Vec::new(); task.labels().len()];
            examples.labels.iter().enumerate().for_each(|(row, &label)| classes[label].push(row));
            let needed = options.support + options.query;
            if let Some(short) = classes.iter().position(|rows| rows.len() < needed) {
                let (task, label, has) = (task.name(), &task.labels()[short].name, classes[short].len());
                return fail(
                    Status::InvalidExample,
                    format!("task {task:?}, label {label:?}: {needed} rows are needed, it has {has}"),
                );
            }
            Ok(Set { name: task.name().to_owned(), digest: digest(&examples), examples, classes })
        };
        Ok(Self { sets: sets.iter().map(prepare).collect::<Result<_>>()?, options })
    }

    fn draw(&self, random: &mut Random) -> (MetaTask<Vec<Sequence>>, usize) {
        let set = &self.sets[random.below(self.sets.len())];
        let mut classes: Vec<usize> = (0..set.classes.len()).collect();
        random.shuffle(&mut classes);
        classes.truncate(self.options.most_classes);
        let (mut support, mut query) = (Vec::new(), Vec::new());
        for &class in &classes {
            let mut rows = set.classes[class].clone();
            random.shuffle(&mut rows);
            support.extend_from_slice(&rows[..self.options.support]);
            query.extend_from_slice(&rows[self.options.support..][..self.options.query]);
        }
        random.shuffle(&mut support);
        random.shuffle(&mut query);
        let own = set.examples.batch(&query);
        let other = own.iter().map(|sequence| partner(sequence, &own, random)).collect();
        let support = vec![set.examples.batch(&support)];
        let task = MetaTask { support, query: vec![(own, other)], partner_support: Vec::new(), domain_similarity: 1.0 };
        (task, classes.len())
    }
}

fn digest(examples: &TokenizedExamples) -> String {
    let mut digest = Sha256::new();
    for (sequence, &label) in examples.sequences.iter().zip(&examples.labels) {
        for ids in [&sequence.text[..], &sequence.answer[..], &[label as u32]] {
            digest.update((ids.len() as u64).to_le_bytes());
            ids.iter().for_each(|id| digest.update(id.to_le_bytes()));
        }
    }
    format!("{:x}", digest.finalize())
}

/// An example of the query set, itself perhaps, whose answer has as many tokens, for the mixture.
fn partner(sequence: &Sequence, all: &[Sequence], random: &mut Random) -> Sequence {
    let fitting: Vec<_> = all.iter().filter(|other| other.answer.len() == sequence.answer.len()).collect();
    fitting[random.below(fitting.len())].clone()
}

impl TaskSource for LabelledTasks {
    fn tasks(&self, step: usize) -> Result<StepTasks> {
        let mut random = Random::new(self.options.seed, &format!("labelled tasks of step {step}"));
        let (tasks, kinds) = (0..self.options.tasks_per_step)
            .map(|_| self.draw(&mut random))
            .map(|(task, classes)| (task, TaskKind { format: FORMAT, chance_loss: (classes as f64).ln() }))
            .unzip();
        Ok(StepTasks { tasks, kinds })
    }

    fn validation(&self) -> Result<Vec<ValidationTask>> {
        Ok(Vec::new())
    }

    fn recipe(&self) -> Value {
        let LabelledOptions { seed, tasks_per_step, most_classes, support, query, max_tokens, answer_loss } =
            &self.options;
        let sets: Vec<_> = self.sets.iter().map(|set| json!({ "name": set.name, "rows": set.digest })).collect();
        json!({
            "labelled": sets, "seed": seed, "tasks_per_step": tasks_per_step, "most_classes": most_classes,
            "support": support, "query": query, "max_tokens": max_tokens, "answer_loss": answer_loss,
        })
    }

    fn corpus_digest(&self) -> Option<String> {
        None
    }
}
