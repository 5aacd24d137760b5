//! `supmer train`: text in, a bundle out.

mod options;
mod start;
mod tasks;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use supmer::adapt::Control;
use supmer::train::report::{ReportParts, page};
use supmer::train::{
    AnchorSource, ClusteredText, LabelledTasks, METRICS, PipelineOptions, Start, TaskSource, Trained, Trainer,
    read_metrics,
};
use supmer::{Model, Task};

use crate::console::{Console, pretty};
use crate::failure::{Outcome, at};
use crate::files;
use crate::options::ModelArguments;
use crate::progress::AdaptProgress;

/// Sample tasks of each format in a report.
const SAMPLES: usize = 2;

/// Arguments of `supmer train`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    tasks: tasks::TaskArguments,
    /// Where the bundle goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Folder of the run, made when it is missing: sentences, clusters, checkpoint, metrics
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Go on from the run's checkpoint
    #[arg(long)]
    resume: bool,
    /// Write report.html, one page with curves and sample tasks, into this folder
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    #[command(flatten)]
    start: start::StartArguments,
    #[command(flatten)]
    options: options::TrainArguments,
}

/// What a run says of itself.
#[derive(Serialize)]
struct Described<'a> {
    bundle: &'a Path,
    steps: usize,
    finished: bool,
    examples_per_second: f64,
}

/// Trains, then writes bundle and report, those of an unfinished run included.
pub fn run(arguments: &Arguments, console: &Console) -> Outcome<()> {
    files::check_place(&arguments.out)?;
    let model = arguments.model.load()?;
    let options = arguments.pipeline(&model)?;
    options.train.validate()?;
    for folder in [Some(&arguments.run), arguments.report.as_ref()].into_iter().flatten() {
        std::fs::create_dir_all(folder).map_err(at(folder))?;
    }
    let mut shown = AdaptProgress::new(console, "train");
    let mut show = |progress| {
        shown.update(progress);
        true
    };
    let control = Control { cancel: console.cancel.clone(), progress: Some(&mut show) };
    let outcome = match &arguments.tasks.corpus {
        Some(corpus) => arguments.train_on_text(corpus, &model, &options, control),
        None => arguments.train_on_labels(&model, &options, control),
    };
    shown.finish();
    let (trained, parts) = outcome?;
    trained.bundle.save(&arguments.out)?;
    if let Some(folder) = &arguments.report {
        let metrics = read_metrics(&arguments.run.join(METRICS))?;
        files::write(&folder.join("report.html"), page(&metrics, &parts).as_bytes())?;
    }
    let Trained { steps, finished, examples_per_second, .. } = trained;
    if console.json {
        return console.print_json(&Described { bundle: &arguments.out, steps, finished, examples_per_second });
    }
    let state = if finished { "finished" } else { "stopped at its hours; go on with --resume" };
    let out = arguments.out.display();
    console.print(&format!("{steps} steps, {examples_per_second:.1} examples a second, {state}\nwrote {out}"))
}

impl Arguments {
    fn pipeline(&self, model: &Model) -> Outcome<PipelineOptions> {
        let backbone = model.backbone();
        let mut default = PipelineOptions::for_backbone(backbone);
        if let Some(answers) = self.tasks.answer_loss {
            default.set_answer_loss(answers.loss());
        }
        let train = self.options.options(default.train);
        Ok(PipelineOptions {
            files: self.tasks.files.clone(),
            encoder: self.tasks.encoder.clone(),
            sentences: self.tasks.sentences(),
            clusters: self.tasks.clustering(train.seed),
            tasks: self.tasks.anchor(default.tasks, train.seed)?,
            validation_tasks: self.options.validation_tasks.unwrap_or(default.validation_tasks),
            start: self.start.options(default.start)?,
            advice: self.options.advice(default.advice),
            train,
        })
    }

    fn train_on_text(
        &self,
        corpus: &Path,
        model: &Model,
        options: &PipelineOptions,
        mut control: Control<'_>,
    ) -> Outcome<(Trained, ReportParts)> {
        let start = options.start(model)?;
        let text = ClusteredText::build(model, corpus, &self.run, self.resume, options, &mut control)?;
        let source = AnchorSource::new(&text, model.backbone(), options, &control)?;
        let mut parts = ReportParts { cluster_sizes: text.clusters.sizes(), ..self.report_parts(&source)? };
        for format in source.tasks.formats() {
            for at in 0..SAMPLES {
                let sample = source.tasks.sample(format, at)?;
                let lines: Vec<String> = sample.support.iter().take(2).map(|example| sample.render(example)).collect();
                parts.samples.push(format!("{}\n\n{}", format.name(), lines.join("\n\n")));
            }
        }
        Ok((self.trainer(&source, start, model, options, control)?, parts))
    }

    fn train_on_labels(
        &self,
        model: &Model,
        options: &PipelineOptions,
        control: Control<'_>,
    ) -> Outcome<(Trained, ReportParts)> {
        let mut sets = Vec::with_capacity(self.tasks.labelled.len());
        for folder in &self.tasks.labelled {
            let task = Task::read(&folder.join("task.json"))?;
            let rows = task.read_examples(&folder.join("train.jsonl"), true)?;
            sets.push((task, rows));
        }
        let labelled = self.tasks.labelled(options.train.seed, options.tasks.answer_loss);
        let source = LabelledTasks::new(model.backbone().tokenizer(), &sets, labelled, &control.cancel)?;
        let parts = self.report_parts(&source)?;
        let start = options.start.start(model, options.train.seed)?;
        Ok((self.trainer(&source, start, model, options, control)?, parts))
    }

    fn trainer(
        &self,
        source: &dyn TaskSource,
        start: Start,
        model: &Model,
        options: &PipelineOptions,
        control: Control<'_>,
    ) -> Outcome<Trained> {
        let trainer = Trainer {
            backbone: model.backbone(),
            source,
            options: &options.train,
            start,
            advice: Some(options.advice),
            folder: &self.run,
        };
        Ok(trainer.run(self.resume, control)?)
    }

    fn report_parts(&self, source: &dyn TaskSource) -> Outcome<ReportParts> {
        let title = format!("Training of {}", self.out.file_name().unwrap_or_default().display());
        Ok(ReportParts { title, recipe: pretty(&source.recipe())?, ..ReportParts::default() })
    }
}
