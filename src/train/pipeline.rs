//! The whole way: text -> sentences -> embeddings -> clusters -> anchor tasks -> meta steps -> bundle.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::embedding::{Embedder, EmbeddingTable, MiniLm, PooledStates};
use super::start::is_t5;
use super::trainer::check_folder;
use super::{
    AnchorOptions, AnchorTasks, ClusterOptions, Clusters, Corpus, SentenceOptions, SentenceStore, Start, StartOptions,
    StepTask, StepTasks, TaskKind, TaskSource, TrainOptions, Trained, Trainer, ValidationTask,
};
use crate::adapt::{AnswerLoss, Control};
use crate::backbone::Backbone;
use crate::bundle::Advice;
use crate::error::{Result, Status, fail};
use crate::limits::within;
use crate::model::Model;
use crate::runtime::{Progress, Stage};

/// What the prompt of a decoder-only network starts from: its tokens, repeated or cut to the prompt's rows.
const INSTRUCTION: &str =
    "Read the following text carefully. Then answer the question about it with the one word that fits best.\n";

/// Most held-out tasks of a format.
const MOST_VALIDATION_TASKS: usize = 1_024;

/// How to make a bundle from text.
#[derive(Clone, Debug)]
pub struct PipelineOptions {
    /// Names of the corpus's files to read; `None` = all.
    pub files: Option<Vec<String>>,
    /// Folder of a MiniLM sentence encoder; `None` = the backbone's own pooled states.
    pub encoder: Option<PathBuf>,
    /// Which sentences are kept.
    pub sentences: SentenceOptions,
    /// How they are clustered.
    pub clusters: ClusterOptions,
    /// Which tasks are drawn from the clusters.
    pub tasks: AnchorOptions,
    /// Held-out tasks of each format (published: 4), at most 1,024: all of them are in memory while they are scored.
    pub validation_tasks: usize,
    /// theta and phi before the first step.
    pub start: StartOptions,
    /// The meta steps.
    pub train: TrainOptions,
    /// Settings of adaptation that the bundle advises.
    pub advice: Advice,
}

impl PipelineOptions {
    /// The default for `backbone`: as published for T5; for a decoder-only network that of the bundle that is shipped, whose
    /// encoder is a MiniLM.
    pub fn for_backbone(backbone: &dyn Backbone) -> Self {
        let (tasks, text, validation_tasks) = match is_t5(backbone) {
            true => (AnchorOptions::default(), None, 4),
            false => (AnchorOptions::causal(), Some(INSTRUCTION.to_owned()), 6),
        };
        Self {
            files: None,
            encoder: None,
            sentences: SentenceOptions::default(),
            clusters: ClusterOptions::default(),
            advice: advice(tasks.answer_loss),
            tasks,
            validation_tasks,
            start: StartOptions { text, ..StartOptions::default() },
            train: TrainOptions::for_backbone(backbone),
        }
    }

    /// theta and phi before the first step, where they leave room for the tasks. Errors: those of [`StartOptions::start`];
    /// `InvalidOption` when prompt and the longest task do not fit the model's context, `MemoryLimit` when they do not fit
    /// the limit, so that a run does not end hours later at the first task of that length.
    pub fn start(&self, model: &Model) -> Result<Start> {
        self.tasks.check()?;
        let start = self.start.start(model, self.train.seed)?;
        let (backbone, rows, longest) = (model.backbone(), start.prompt.rows(), self.tasks.max_tokens);
        let context = backbone.context_length();
        if rows + longest > context {
            let message = format!(
                "{rows} prompt rows and max_tokens {longest} need a context of {}, the model has {context}: lower max_tokens or \
                 prompt_length",
                rows + longest
            );
            return fail(Status::InvalidOption, message);
        }
        let (limit, together) = (self.train.memory_limit, if self.train.meta.mixing { 2 } else { 1 });
        let bytes = backbone.footprint().training.of(rows, vec![(longest, 1); together]);
        if limit > 0 && bytes > limit {
            let message = format!(
                "a task of {longest} tokens under {rows} prompt rows needs {bytes} bytes of activations, the memory limit is \
                 {limit}: raise it, or lower max_tokens"
            );
            return fail(Status::MemoryLimit, message);
        }
        Ok(start)
    }

    /// `InvalidOption` where validation is asked for and nothing is held out for it.
    fn check_validation(&self) -> Result<()> {
        within("validation_tasks", self.validation_tasks, 0..=MOST_VALIDATION_TASKS)?;
        let is_asked_for = self.train.validate_every > 0 && self.validation_tasks > 0;
        if is_asked_for && self.clusters.held_out_count() == 0 {
            let ClusterOptions { count, held_out, .. } = self.clusters;
            let message = format!(
                "of {count} clusters a share of {held_out} is none to hold out for validation: raise held_out or clusters, or \
                 validate never"
            );
            return fail(Status::InvalidOption, message);
        }
        Ok(())
    }

    /// Has answers told apart as `answer_loss` says, in training and in the adaptation that the bundle advises, with the
    /// steps and the rate that suit it.
    pub fn set_answer_loss(&mut self, answer_loss: AnswerLoss) {
        self.tasks.answer_loss = answer_loss;
        self.train.meta.label_heads = answer_loss == AnswerLoss::Head;
        self.advice = advice(answer_loss);
    }
}

/// What is advised where answers are told apart so: label heads want few small steps (docs/lab-notes.md), others what the
/// library does without advice.
fn advice(answer_loss: AnswerLoss) -> Advice {
    match answer_loss {
        AnswerLoss::Head => Advice { steps: 50, learning_rate: 0.003, answer_loss, ..Advice::default() },
        _ => Advice { answer_loss, ..Advice::default() },
    }
}

/// Clustered sentences, ready for tasks to be drawn from them.
pub struct ClusteredText {
    /// The sentences.
    pub sentences: SentenceStore,
    /// Their clusters.
    pub clusters: Clusters,
    recipe: Value,
}

impl ClusteredText {
    /// Reads `corpus`, a folder or file, into the folder `work` for a run that starts there or is resumed; what an earlier
    /// call with the same text and options left there is used again. Progress counts sentences as they are embedded, then
    /// rows as they are clustered.
    ///
    /// Errors: first what is wrong with options and folder, so that a run that cannot go on loses nothing; those of the
    /// corpus, the encoder and the clustering; `Cancelled` (the next call goes on from there).
    pub fn build(
        model: &Model,
        corpus: &Path,
        work: &Path,
        resume: bool,
        options: &PipelineOptions,
        control: &mut Control<'_>,
    ) -> Result<Self> {
        options.train.validate()?;
        options.tasks.check()?;
        options.train.check_answers(options.tasks.answer_loss)?;
        options.clusters.check()?;
        options.check_validation()?;
        check_folder(work, resume)?;
        let cancel = control.cancel.clone();
        let mut tell = |done, total| {
            control.tell(Progress { stage: Stage::Prepare, done, total, loss: f32::NAN, accuracy: f32::NAN })
        };
        let corpus = Corpus::open(corpus, options.files.as_deref())?;
        if resume && !SentenceStore::is_of(&corpus, &options.sentences, work, &cancel)? {
            let message = format!(
                "{}: the run to resume is of other text or other limits of a sentence; give those it began with",
                work.display()
            );
            return fail(Status::InvalidArgument, message);
        }
        let sentences = SentenceStore::build(&corpus, &options.sentences, work, &cancel)?;
        options.clusters.check_rows(sentences.len())?;
        let threads = model.options().thread_count;
        let embedder: Box<dyn Embedder + '_> = match &options.encoder {
            Some(folder) => Box::new(MiniLm::load(folder, threads)?),
            None => Box::new(PooledStates::new(model.backbone())),
        };
        let table = EmbeddingTable::build(&sentences, embedder.as_ref(), work, &mut tell, &cancel)?;
        let clusters = Clusters::build(&table, &options.clusters, threads, work, &mut tell, &cancel)?;
        let recipe = json!({
            "files": sentences.corpus().files, "sentences": options.sentences, "encoder": embedder.id(),
            "clusters": options.clusters, "tasks": options.tasks,
        });
        Ok(Self { sentences, clusters, recipe })
    }
}

/// Anchor tasks as the trainer takes them.
pub struct AnchorSource<'a> {
    /// The stream of tasks.
    pub tasks: AnchorTasks<'a>,
    text: &'a ClusteredText,
    validation_tasks: usize,
}

impl<'a> AnchorSource<'a> {
    /// Tasks drawn from `text` for `backbone`. Errors: as [`AnchorTasks::new`].
    pub fn new(
        text: &'a ClusteredText,
        backbone: &'a dyn Backbone,
        options: &PipelineOptions,
        control: &Control<'_>,
    ) -> Result<Self> {
        let tasks = AnchorTasks::new(&text.sentences, &text.clusters, backbone, &options.tasks, &control.cancel)?;
        let tasks = if options.train.meta.mixing { tasks } else { tasks.unmixed() };
        Ok(Self { tasks, text, validation_tasks: options.validation_tasks })
    }
}

impl TaskSource for AnchorSource<'_> {
    fn tasks(&self, step: usize) -> Result<StepTasks> {
        let drawn = self.tasks.tasks_at(step)?.into_iter();
        let kind = |task: &StepTask| TaskKind { format: task.format.name(), chance_loss: (task.answers as f64).ln() };
        let (kinds, tasks) = drawn.map(|task| (kind(&task), task.task)).unzip();
        Ok(StepTasks { tasks, kinds })
    }

    fn validation(&self) -> Result<Vec<ValidationTask>> {
        let mut tasks = Vec::new();
        for format in self.tasks.formats() {
            for task in self.tasks.validation(format, self.validation_tasks)? {
                tasks.push(ValidationTask {
                    kind: TaskKind { format: format.name(), chance_loss: (task.answers.len() as f64).ln() },
                    answers: task.can_be_scored().then(|| task.answers.iter().map(|&id| vec![id]).collect()),
                    task: task.task,
                });
            }
        }
        Ok(tasks)
    }

    fn recipe(&self) -> Value {
        self.text.recipe.clone()
    }

    fn corpus_digest(&self) -> Option<String> {
        Some(self.text.sentences.corpus().digest.clone())
    }

    fn answer_loss(&self) -> AnswerLoss {
        self.tasks.answer_loss()
    }
}

/// Trains a bundle for `model` from the text at `corpus`; the folder `work`, which is made when it is missing, holds
/// sentences, clusters, checkpoint and metrics. With `resume` the run goes on from its checkpoint.
///
/// Errors: those of [`ClusteredText::build`], [`AnchorSource::new`] and [`Trainer::run`].
pub fn train_bundle(
    model: &Model,
    corpus: &Path,
    work: &Path,
    options: &PipelineOptions,
    resume: bool,
    mut control: Control<'_>,
) -> Result<Trained> {
    let backbone = model.backbone();
    let start = options.start(model)?;
    let text = ClusteredText::build(model, corpus, work, resume, options, &mut control)?;
    let source = AnchorSource::new(&text, backbone, options, &control)?;
    let advice = Some(options.advice);
    Trainer { backbone, source: &source, options: &options.train, start, advice, folder: work }.run(resume, control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelOptions;

    /// A decoder-only model.
    fn model() -> std::sync::Arc<Model> {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-llama-tied");
        Model::load(fixture, &ModelOptions { thread_count: 1, ..ModelOptions::default() }).unwrap()
    }

    #[test]
    fn the_default_of_decoder_only_models_is_the_recipe_of_the_bundle_that_is_shipped() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundles/smollm2-135m.supmer");
        let shipped = crate::Bundle::load(shipped).unwrap().origin().clone();
        let PipelineOptions { sentences, clusters, tasks, start, train, advice, .. } =
            PipelineOptions::for_backbone(model().backbone());
        assert_eq!(shipped.adaptation, Some(advice));
        let recipe = &shipped.recipe["train"];
        assert_eq!(recipe["options"], json!(train));
        for (part, default) in [("sentences", json!(sentences)), ("clusters", json!(clusters)), ("tasks", json!(tasks))]
        {
            assert_eq!(recipe["tasks"][part], default, "{part}");
        }
        assert_eq!((&recipe["start"]["text"], start.bundle.is_none()), (&json!(start.text), true));
    }

    #[test]
    fn label_heads_of_tasks_and_meta_steps_must_agree() {
        let model = model();
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let status = |label_heads, answer_loss| {
            let mut options = PipelineOptions::for_backbone(model.backbone());
            (options.train.meta.label_heads, options.tasks.answer_loss) = (label_heads, answer_loss);
            let mut control = Control::default();
            let built = ClusteredText::build(&model, &missing, folder.path(), false, &options, &mut control);
            built.err().unwrap().status()
        };
        for (label_heads, answer_loss) in
            [(false, AnswerLoss::Head), (true, AnswerLoss::Labels), (true, AnswerLoss::Vocabulary)]
        {
            assert_eq!(status(label_heads, answer_loss), Status::InvalidOption);
        }
        // What is wrong then is the corpus.
        assert_ne!(status(true, AnswerLoss::Head), Status::InvalidOption);
    }
}
