//! `supmer adapt`: labelled rows in, an adapter out.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use supmer::adapt::{Control, Report};
use supmer::adapter::Lineage;
use supmer::{AdaptOptions, Adapter, Task, adapt};

use crate::console::{Console, human_bytes, pretty};
use crate::failure::Outcome;
use crate::files;
use crate::options::{AdaptArguments, ModelArguments, StartArguments};
use crate::progress::AdaptProgress;

/// Arguments of `supmer adapt`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Labels with verbalizers and the template
    #[arg(long, value_name = "TASK.JSON")]
    task: PathBuf,
    /// JSON Lines with the template's fields and a label
    #[arg(long, value_name = "FILE")]
    train: PathBuf,
    /// Rows that choose the best prompt [default: a part of the training rows where there are enough]
    #[arg(long, value_name = "FILE")]
    dev: Option<PathBuf>,
    /// Where the adapter goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Seed of the start, the dev part and the batches
    #[arg(long, value_name = "N", default_value_t = AdaptOptions::default().seed)]
    seed: u64,
    #[command(flatten)]
    start: StartArguments,
    #[command(flatten)]
    adapt: AdaptArguments,
    /// Write the report (loss curve, dev scores, seconds, memory) to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Reads everything that is small first, so that a mistake shows before the model is loaded.
pub fn run(arguments: &Arguments, console: &Console) -> Outcome<()> {
    for path in [Some(&arguments.out), arguments.report.as_ref()].into_iter().flatten() {
        files::check_place(path)?;
    }
    let task = Task::read(&arguments.task)?;
    let train = task.read_examples(&arguments.train, true)?;
    let dev = arguments.dev.as_deref().map(|path| task.read_examples(path, true)).transpose()?;
    let options = arguments.start.options(&arguments.adapt, arguments.seed)?;
    options.validate()?;
    let model = arguments.model.load()?;

    let mut shown = AdaptProgress::new(console, "adapt");
    let mut show = |progress| {
        shown.update(progress);
        true
    };
    let control = Control { cancel: console.cancel.clone(), progress: Some(&mut show) };
    let outcome = adapt(&model, &task, &train, dev.as_deref(), &options, control);
    shown.finish();
    let done = outcome?;

    done.adapter.save(&arguments.out)?;
    if let Some(path) = &arguments.report {
        files::write(path, (pretty(&done.report)? + "\n").as_bytes())?;
    }
    done.report.warnings.iter().for_each(|warning| console.warn(warning));
    if console.json {
        let task = done.adapter.task();
        console.print_json(&Described {
            adapter: &arguments.out,
            task: task.name(),
            labels: task.labels().iter().map(|label| label.name.as_str()).collect(),
            lineage: done.adapter.lineage(),
            report: &done.report,
        })
    } else {
        console.print(&readable(arguments, &done.adapter, &done.report))
    }
}

/// The result as JSON.
#[derive(Serialize)]
struct Described<'a> {
    adapter: &'a Path,
    task: &'a str,
    labels: Vec<&'a str>,
    lineage: &'a Lineage,
    report: &'a Report,
}

fn readable(arguments: &Arguments, adapter: &Adapter, report: &Report) -> String {
    let lineage = adapter.lineage();
    let mut text = format!(
        "adapted to {} labels from {} examples in {:.1} s, peak memory {}\n",
        adapter.task().labels().len(),
        lineage.train_examples,
        report.seconds,
        human_bytes(report.peak_bytes),
    );
    text += &match (lineage.dev_accuracy, lineage.dev_loss) {
        (Some(accuracy), Some(loss)) => format!(
            "kept the prompt of step {}: dev accuracy {:.1} %, dev loss {loss:.3}\n",
            lineage.steps,
            100.0 * accuracy
        ),
        _ => format!("kept the prompt of step {}; there were too few examples for a dev part\n", lineage.steps),
    };
    text + &format!("wrote {}", arguments.out.display())
}
