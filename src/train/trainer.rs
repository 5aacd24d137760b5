//! The run: tasks -> meta step -> metrics, with validation, checkpoints and a way to go on where it stopped.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::average::Average;
use super::checkpoint::Checkpoint;
use super::metrics::{Metric, MetricsFile, StepMetric};
use super::start::Start;
use super::validation::validate;
use super::{BackboneLearner, MetaState, TaskSource, TrainOptions};
use crate::adapt::Control;
use crate::backbone::Backbone;
use crate::bundle::{Advice, Bundle, Origin, Regularization};
use crate::error::{Result, Status, fail};
use crate::gradient_regularizer::GradientRegularizer;
use crate::runtime::{Progress, Random, Stage};
use crate::soft_prompt::SoftPrompt;

/// The checkpoint's name in the run's folder.
const CHECKPOINT: &str = "checkpoint.supmer";
/// The metrics' name in the run's folder.
pub const METRICS: &str = "metrics.jsonl";

/// A training run of one backbone on one source of tasks.
pub struct Trainer<'a> {
    /// The frozen network.
    pub backbone: &'a dyn Backbone,
    /// Where tasks come from.
    pub source: &'a dyn TaskSource,
    /// How to train.
    pub options: &'a TrainOptions,
    /// theta and phi before the first step.
    pub start: Start,
    /// Settings of adaptation that the bundle advises.
    pub advice: Option<Advice>,
    /// The folder of checkpoint and metrics; it must exist.
    pub folder: &'a Path,
}

/// What a run gives.
#[derive(Debug)]
pub struct Trained {
    /// theta and phi as they are now.
    pub bundle: Bundle,
    /// Steps done, those of earlier sittings included.
    pub steps: usize,
    /// Whether all steps were done; else the run stopped at its hours and can be resumed.
    pub finished: bool,
    /// Sequences a second, over this sitting.
    pub examples_per_second: f64,
}

impl Trainer<'_> {
    /// Runs to the last step, to the hours given, or until `control` cancels; with `resume` from the folder's checkpoint.
    ///
    /// Errors: `InvalidOption`; `InvalidArgument` when the folder holds a run and `resume` is false, or a run of other
    /// options; `NotFound` when there is nothing to resume; `Cancelled`, after a checkpoint was written where a step had been
    /// done; `NotFinite` when the run diverges; those of the task source and of files.
    pub fn run(&self, resume: bool, mut control: Control<'_>) -> Result<Trained> {
        self.options.validate()?;
        self.options.check_answers(self.source.answer_loss())?;
        let began = Instant::now();
        let identity = self.identity();
        let mut run = self.open(resume, &identity)?;
        let mut metrics = MetricsFile::open(&self.folder.join(METRICS), run.metrics_bytes)?;
        let mut saved = run.state.step;
        let mut examples = 0;
        let outcome = loop {
            if let Err(error) = self.validate_when_due(&mut run, &mut metrics, &control) {
                break Err(error);
            }
            if run.state.step >= self.options.meta.steps {
                break Ok(true);
            }
            if self.options.max_hours > 0.0 && began.elapsed() >= hours(self.options.max_hours) {
                break Ok(false);
            }
            match self.step(&mut run, &mut metrics, &mut control) {
                Ok(sequences) => examples += sequences,
                Err(error) => break Err(error),
            }
            if run.state.step - saved >= self.options.checkpoint_every {
                self.save(&mut run, &mut metrics, &identity)?;
                saved = run.state.step;
            }
        };
        // A cancelled run can go on from here once it has begun; one that failed goes on from its last checkpoint.
        let is_worth_saving = match &outcome {
            Ok(_) => true,
            Err(error) => error.status() == Status::Cancelled && run.state.step > 0,
        };
        if is_worth_saving {
            self.save(&mut run, &mut metrics, &identity)?;
        }
        let examples_per_second = examples as f64 / began.elapsed().as_secs_f64();
        Ok(Trained { finished: outcome?, steps: run.state.step, bundle: self.bundle(&run)?, examples_per_second })
    }

    /// One meta step; gives how many sequences it learned from.
    fn step(&self, run: &mut Checkpoint, metrics: &mut MetricsFile, control: &mut Control<'_>) -> Result<usize> {
        let TrainOptions { meta, seed, average_over, memory_limit, .. } = self.options;
        let learner =
            BackboneLearner { backbone: self.backbone, memory_limit: *memory_limit, label_heads: meta.label_heads };
        let step = run.state.step;
        let tasks = self.source.tasks(step)?;
        let mut random = Random::new(*seed, &format!("mixing weights of step {step}"));
        let mut draw = |b| meta.curriculum.draw(b, &mut random);
        let record = run.state.step(&learner, &tasks.tasks, meta, &mut draw, &control.cancel)?;
        let state = &run.state;
        let phi = state.regularizer.as_ref().map_or(&[][..], |phi| phi.values());
        for (what, rate, values) in
            [("prompt", "prompt_rate", state.prompt.values()), ("regularizer", "phi_rate or inner_rate", phi)]
        {
            if !values.iter().all(|v| v.is_finite()) {
                let message = format!("step {}: the {what} is not finite; lower {rate}", step + 1);
                return fail(Status::NotFinite, message);
            }
        }
        // The mean over one step is the state itself.
        if *average_over > 1 && state.step + average_over > meta.steps {
            run.average.add(state.prompt.values(), phi);
        }
        let metric = StepMetric::new(state.step, &tasks.kinds, &record, mean_row_norm(&state.prompt));
        let loss = metric.query_loss as f32;
        metrics.add(&Metric::Step(metric))?;
        control.tell(Progress {
            stage: Stage::Train,
            done: run.state.step,
            total: meta.steps,
            loss,
            accuracy: f32::NAN,
        })?;
        let sequences = |task: &super::MetaTask<Vec<_>>| {
            let mixed = |batch: &[_]| if meta.mixing { batch.len() } else { 0 };
            let query = task.query.iter().map(|(own, other)| own.len() + mixed(other));
            task.support.iter().map(Vec::len).chain(query).sum::<usize>()
        };
        Ok(tasks.tasks.iter().map(sequences).sum())
    }

    /// Held-out tasks, every so many steps and after the last one; once a step, however often the run is stopped there.
    fn validate_when_due(&self, run: &mut Checkpoint, metrics: &mut MetricsFile, control: &Control<'_>) -> Result<()> {
        let TrainOptions { meta, validate_every, memory_limit, .. } = self.options;
        let step = run.state.step;
        let due = *validate_every > 0 && (step.is_multiple_of(*validate_every) || step == meta.steps);
        if !due || run.validated == Some(step) {
            return Ok(());
        }
        let learner =
            BackboneLearner { backbone: self.backbone, memory_limit: *memory_limit, label_heads: meta.label_heads };
        let tasks = self.source.validation()?;
        for metric in validate(&run.state, &learner, &tasks, meta, &control.cancel)? {
            metrics.add(&Metric::Validation(metric))?;
        }
        run.validated = Some(step);
        Ok(())
    }

    fn open(&self, resume: bool, identity: &str) -> Result<Checkpoint> {
        check_folder(self.folder, resume)?;
        if resume {
            return Checkpoint::load(&self.checkpoint(), identity);
        }
        let Start { prompt, regularizer, .. } = self.start.clone();
        Ok(Checkpoint {
            state: MetaState::new(prompt, regularizer),
            average: Average::default(),
            validated: None,
            metrics_bytes: 0,
        })
    }

    fn save(&self, run: &mut Checkpoint, metrics: &mut MetricsFile, identity: &str) -> Result<()> {
        run.metrics_bytes = metrics.sync()?;
        run.save(&self.checkpoint(), identity)
    }

    fn checkpoint(&self) -> PathBuf {
        self.folder.join(CHECKPOINT)
    }

    /// The bundle of the run as it stands.
    fn bundle(&self, run: &Checkpoint) -> Result<Bundle> {
        let Checkpoint { state, average, .. } = run;
        let (mut prompt, phi) = if average.count > 0 {
            let prompt = SoftPrompt::new(state.prompt.rows(), state.prompt.width(), average.prompt.clone())?;
            let mean = |phi: &GradientRegularizer| GradientRegularizer::new(phi.shape(), average.phi.clone());
            (prompt, state.regularizer.as_ref().map(mean).transpose()?)
        } else {
            (state.prompt.clone(), state.regularizer.clone())
        };
        let share = self.options.start_share;
        let start = self.start.prompt.values();
        prompt.values_mut().iter_mut().zip(start).for_each(|(value, start)| *value += share * (start - *value));
        let rescaling = self.options.adapt_rescaling;
        let origin = Origin {
            fingerprint: Some(self.backbone.fingerprint().clone()),
            adaptation: self.advice,
            corpus_digest: self.source.corpus_digest(),
            recipe: json!({ "train": self.recipe(self.options), "steps_done": state.step }),
        };
        Bundle::new(prompt, phi.map(|regularizer| Regularization { regularizer, rescaling }), origin)
    }

    fn recipe(&self, options: &TrainOptions) -> Value {
        let products = self.backbone.isa().products();
        let tasks = self.source.recipe();
        json!({ "options": options, "tasks": tasks, "start": self.start.recipe, "products": products })
    }

    /// Everything that the steps depend on, as text.
    fn identity(&self) -> String {
        let mut start = Sha256::new();
        let phi = self.start.regularizer.as_ref().map_or(&[][..], |phi| phi.values());
        for value in self.start.prompt.values().iter().chain(phi) {
            start.update(value.to_le_bytes());
        }
        let start = format!("{:x}", start.finalize());
        let backbone = self.backbone.fingerprint();
        let corpus = self.source.corpus_digest();
        let recipe = self.recipe(&TrainOptions { start_share: 0.0, ..self.options.clone() });
        json!({ "recipe": recipe, "backbone": backbone, "corpus": corpus, "start": start }).to_string()
    }
}

/// `NotFound` when there is nothing to resume in `folder`, `InvalidArgument` when a new run would replace one.
pub(super) fn check_folder(folder: &Path, resume: bool) -> Result<()> {
    let place = folder.display();
    match (resume, folder.join(CHECKPOINT).exists()) {
        (true, false) => {
            fail(Status::NotFound, format!("{place}: holds no checkpoint to resume; start the run without resuming"))
        }
        (false, true) => {
            fail(Status::InvalidArgument, format!("{place}: holds a run already; resume it, or name another folder"))
        }
        _ => Ok(()),
    }
}

fn hours(hours: f64) -> Duration {
    Duration::from_secs_f64(hours * 3600.0)
}

fn mean_row_norm(prompt: &SoftPrompt) -> f32 {
    let norm = |row: &[f32]| row.iter().map(|x| x * x).sum::<f32>().sqrt();
    prompt.values().chunks_exact(prompt.width()).map(norm).sum::<f32>() / prompt.rows().max(1) as f32
}
