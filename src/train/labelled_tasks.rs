//! Tasks from labelled sets that are at hand (deviation: the method needs none), for teams that own many small tasks and
//! to measure how far a meta-trained start can help.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{MetaTask, StepTasks, TaskKind, TaskSource, ValidationTask};
use crate::adapt::{AnswerLoss, TokenizedExamples, tokenize};
use crate::backbone::{LabelTrie, Sequence};
use crate::error::{Result, Status, fail};
use crate::limits::{MAX_BATCH_ROWS, MAX_LABELS, within};
use crate::predict::PreparedTask;
use crate::runtime::{Cancel, Random};
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
    /// The rows of each class.
    classes: Vec<Vec<usize>>,
    /// Token ids of each class's verbalizer.
    verbalizers: Vec<Vec<u32>>,
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
    /// rows than a task takes; `InvalidTask` for two labels of one first token where label heads are to tell them apart;
    /// `InvalidArgument` without sets.
    pub fn new(
        tokenizer: &Tokenizer,
        sets: &[(Task, Vec<Example>)],
        options: LabelledOptions,
        cancel: &Cancel,
    ) -> Result<Self> {
        within("tasks_per_step", options.tasks_per_step, 1..=1024)?;
        within("most_classes", options.most_classes, 2..=MAX_LABELS)?;
        within("support examples of a class", options.support, 1..=MAX_BATCH_ROWS)?;
        within("query examples of a class", options.query, 1..=MAX_BATCH_ROWS)?;
        if sets.is_empty() {
            return fail(Status::InvalidArgument, "there is no labelled set; give at least one");
        }
        let prepare = |(task, rows): &(Task, Vec<Example>)| {
            let prepared = PreparedTask::new(task, tokenizer, options.max_tokens)?;
            if options.answer_loss == AnswerLoss::Head {
                check_first_tokens(task, prepared.verbalizers())?;
            }
            let examples = tokenize(task, &prepared, tokenizer, rows, "train", cancel)?;
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
            let verbalizers = prepared.verbalizers().to_vec();
            Ok(Set { name: task.name().to_owned(), digest: digest(&examples), examples, classes, verbalizers })
        };
        Ok(Self { sets: sets.iter().map(prepare).collect::<Result<_>>()?, options })
    }

    /// A task and how many classes it has; its answers are told apart from those of its own classes alone.
    fn draw(&self, random: &mut Random) -> (MetaTask<Vec<Sequence>>, usize) {
        let set = &self.sets[random.below(self.sets.len())];
        let mut classes: Vec<usize> = (0..set.classes.len()).collect();
        random.shuffle(&mut classes);
        classes.truncate(self.options.most_classes);
        let verbalizers: Vec<Vec<u32>> = classes.iter().map(|&class| set.verbalizers[class].clone()).collect();
        let trie = LabelTrie::new(&verbalizers);
        // Rows, each with the place of its class among the drawn ones.
        let (mut support, mut query) = (Vec::new(), Vec::new());
        for (place, &class) in classes.iter().enumerate() {
            let mut rows: Vec<(usize, usize)> = set.classes[class].iter().map(|&row| (row, place)).collect();
            random.shuffle(&mut rows);
            support.extend_from_slice(&rows[..self.options.support]);
            query.extend_from_slice(&rows[self.options.support..][..self.options.query]);
        }
        random.shuffle(&mut support);
        random.shuffle(&mut query);
        let batch = |rows: Vec<(usize, usize)>| {
            let (rows, labels): (Vec<usize>, Vec<usize>) = rows.into_iter().unzip();
            let mut drawn = TokenizedExamples { sequences: set.examples.batch(&rows), labels, cut: 0 };
            drawn.tell_apart(self.options.answer_loss, &trie);
            drawn.sequences
        };
        let own = batch(query);
        let other = own.iter().map(|sequence| partner(sequence, &own, random)).collect();
        let support = vec![batch(support)];
        let task = MetaTask { support, query: vec![(own, other)], partner_support: Vec::new(), domain_similarity: 1.0 };
        (task, classes.len())
    }
}

/// `InvalidTask` names two labels whose verbalizers begin with the same token: a head knows a label by that token.
fn check_first_tokens(task: &Task, verbalizers: &[Vec<u32>]) -> Result<()> {
    for (at, ids) in verbalizers.iter().enumerate() {
        if let Some(same) = verbalizers[..at].iter().position(|other| other.first() == ids.first()) {
            let (task_name, one, two) = (task.name(), &task.labels()[same].name, &task.labels()[at].name);
            return fail(
                Status::InvalidTask,
                format!(
                    "task {task_name:?}: the verbalizers of labels {one:?} and {two:?} begin with the same token, by which a \
                     label head knows a label; give one of them other words, or take another answer loss"
                ),
            );
        }
    }
    Ok(())
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

    fn answer_loss(&self) -> AnswerLoss {
        self.options.answer_loss
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::adapt::Control;
    use crate::model::{Model, ModelOptions};
    use crate::task::Label;
    use crate::train::{StartOptions, TrainOptions, Trainer};

    fn model() -> Arc<Model> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-llama-tied");
        Model::load(path, &ModelOptions { thread_count: 1, ..ModelOptions::default() }).unwrap()
    }

    /// Ten rows of each of the labels, which are called like their verbalizers.
    fn set(verbalizers: &[&str]) -> (Task, Vec<Example>) {
        let label = |&word: &&str| Label { name: word.trim().to_owned(), verbalizer: word.to_owned() };
        let task = Task::new("letters", "{text} Letter:", verbalizers.iter().map(label).collect()).unwrap();
        let row = |at: usize| Example::text(format!("row {at}"), Some(verbalizers[at % verbalizers.len()].trim()));
        (task, (0..10 * verbalizers.len()).map(row).collect())
    }

    fn source(model: &Model, verbalizers: &[&str], answer_loss: AnswerLoss) -> Result<LabelledTasks> {
        let options = LabelledOptions { most_classes: 2, answer_loss, ..LabelledOptions::default() };
        LabelledTasks::new(model.backbone().tokenizer(), &[set(verbalizers)], options, &Cancel::new())
    }

    #[test]
    fn answers_are_told_apart_from_those_of_the_drawn_classes() {
        let model = model();
        for loss in [AnswerLoss::Labels, AnswerLoss::Head] {
            let source = source(&model, &[" t", " a", " w", " l", " p"], loss).unwrap();
            for step in 0..8 {
                let StepTasks { tasks, kinds } = source.tasks(step).unwrap();
                assert_eq!(kinds[0].chance_loss, 2f64.ln());
                let (own, other) = &tasks[0].query[0];
                let sequences = || tasks[0].support[0].iter().chain(own).chain(other);
                let mut answers: Vec<u32> = sequences().map(|sequence| sequence.answer[0]).collect();
                answers.sort_unstable();
                answers.dedup();
                assert_eq!(answers.len(), 2);
                assert!(sequences().all(|sequence| *sequence.among[0] == *answers));
            }
        }
    }

    #[test]
    fn labels_that_a_head_cannot_know_apart_are_refused_by_name() {
        let model = model();
        let verbalizers = [" t", " a", " a t"];
        let error = source(&model, &verbalizers, AnswerLoss::Head).err().unwrap();
        assert_eq!(error.status(), Status::InvalidTask);
        assert!(error.to_string().contains("\"a\" and \"a t\""), "{error}");
        assert!(source(&model, &verbalizers, AnswerLoss::Labels).is_ok());
    }

    #[test]
    fn a_run_that_is_cancelled_before_its_first_step_leaves_nothing_to_resume() {
        let (model, folder) = (model(), tempfile::tempdir().unwrap());
        let source = source(&model, &[" t", " a"], AnswerLoss::Labels).unwrap();
        let start = StartOptions { prompt_length: 2, ..StartOptions::default() }.start(&model, 1).unwrap();
        let mut options = TrainOptions::default();
        (options.meta.steps, options.meta.mixing) = (1, false);
        let run = |control| {
            let (backbone, start) = (model.backbone(), start.clone());
            let trainer =
                Trainer { backbone, source: &source, options: &options, start, advice: None, folder: folder.path() };
            trainer.run(false, control)
        };
        let cancelled = Control::default();
        cancelled.cancel.request();
        assert_eq!(run(cancelled).unwrap_err().status(), Status::Cancelled);
        assert!(run(Control::default()).unwrap().finished);
    }

    #[test]
    fn a_run_without_label_heads_on_tasks_for_them_is_refused() {
        let (model, folder) = (model(), tempfile::tempdir().unwrap());
        let source = source(&model, &[" t", " a"], AnswerLoss::Head).unwrap();
        let start = StartOptions { prompt_length: 2, ..StartOptions::default() }.start(&model, 1).unwrap();
        let options = TrainOptions::default();
        let trainer = Trainer {
            backbone: model.backbone(),
            source: &source,
            options: &options,
            start,
            advice: None,
            folder: folder.path(),
        };
        let error = trainer.run(false, Control::default()).unwrap_err();
        assert_eq!(error.status(), Status::InvalidOption);
        assert!(error.to_string().contains("label_heads"), "{error}");
    }
}
