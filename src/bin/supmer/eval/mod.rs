//! `supmer eval`: methods on a labelled data set over several seeds, each method in a process of its own.
//!
//! The command itself reads the rows, runs itself once per method with `--only-method` and merges the cells that those
//! processes leave in the folder of cells.

mod bundles;
pub mod cell;
mod in_context;
mod measure;
mod method;
mod metrics;
#[cfg(feature = "train")]
mod minilm_logreg;
mod plan;
mod process;
mod results;
mod splits;

use std::path::PathBuf;

use clap::Args;
use supmer::Task;
use supmer::adapt::PromptStart;

use self::cell::Cells;
use self::method::{BundleFile, Method};
use self::plan::{Plan, TestRows};
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::options::{AdaptArguments, ModelArguments};

const METHODS: &str = "\
Methods:
  majority                the label that most test rows have for every row, which no learner is told: a floor
  zero-shot               the model as it is
  in-context              labelled examples as text in front of every row; the dev rows choose how many
  prompt-tuning           a soft prompt adapted from vocabulary rows
  prompt-tuning-all-rows  the same on train and dev rows together, the last prompt kept
  text-init               a soft prompt adapted from the tokens of --init-text
  supmer[:NAME]           from a bundle's prompt, its regularizer applied at every step
  supmer-no-psi[:NAME]    from a bundle's prompt, without its regularizer
  minilm-logreg           logistic regression on the sentence embeddings of --encoder, without the model";

/// Arguments of `supmer eval`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Labels with verbalizers and the template
    #[arg(long, value_name = "TASK.JSON")]
    task: PathBuf,
    /// Folder with train.jsonl and test.jsonl
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Train and dev examples of each class
    #[arg(long, value_name = "K", default_value_t = 16)]
    shots: usize,
    /// Seeds of the draws, starts and batches
    #[arg(long, value_name = "SEEDS", num_args = 1.., value_delimiter = ',', default_values_t = [13, 21, 42, 87, 100])]
    seeds: Vec<u64>,
    /// Methods to measure; --help lists them
    #[arg(long, value_name = "METHODS", num_args = 1.., value_delimiter = ',', default_values_t = [Method::ZeroShot, Method::PromptTuning])]
    #[arg(long_help = METHODS)]
    methods: Vec<Method>,
    /// A bundle for supmer and supmer-no-psi, or with a name for supmer:NAME and supmer-no-psi:NAME; may be repeated
    #[arg(long = "bundle", value_name = "[NAME=]FILE")]
    bundles: Vec<BundleFile>,
    /// What text-init starts from; {labels} stands for the labels' names
    #[arg(long, value_name = "TEXT", default_value = "Classify the text as {labels}:")]
    init_text: String,
    /// Examples of each class that in-context shows [default: chosen by the dev rows]
    #[arg(long, value_name = "N")]
    context_examples: Option<usize>,
    /// MiniLM's folder, for minilm-logreg
    #[arg(long, value_name = "DIR")]
    encoder: Option<PathBuf>,
    /// Most test rows; a fixed draw, the same for all methods and seeds
    #[arg(long, value_name = "N", default_value_t = 500)]
    max_test: usize,
    /// Test on rows of train.jsonl that train and dev can spare, without opening test.jsonl: for choosing settings
    #[arg(long)]
    trial: bool,
    /// Also test what is learned after these steps, 0 for the start, whether or not the dev rows would keep it;
    /// steps that are not run are left out
    #[arg(long, value_name = "STEPS", num_args = 1.., value_delimiter = ',')]
    at_steps: Vec<usize>,
    /// Where the results go
    #[arg(long, value_name = "RESULTS.JSON")]
    out: PathBuf,
    /// Where finished parts are kept, and found again by any evaluation with the same settings [default: <OUT>.cells]
    #[arg(long, value_name = "DIR")]
    cells: Option<PathBuf>,
    /// Measure everything anew, whatever is kept
    #[arg(long)]
    fresh: bool,
    /// Write the probabilities of every test row to this JSON Lines file; results that were kept without are measured again
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Write the drawn rows, their token ids, the start prompts and the batches below this folder
    #[arg(long, value_name = "DIR")]
    dump_splits: Option<PathBuf>,
    #[command(flatten)]
    adapt: AdaptArguments,
    /// Run as the process of one method
    #[arg(long, hide = true)]
    only_method: Option<Method>,
}

impl Arguments {
    /// What `text-init` starts from on `task`.
    fn init_text_start(&self, task: &Task) -> PromptStart {
        let names: Vec<&str> = task.labels().iter().map(|label| label.name.as_str()).collect();
        PromptStart::Text(self.init_text.replace("{labels}", &names.join(", ")))
    }
}

/// Measures all methods and writes the results; with `--only-method` measures that one's cells and prints their places.
pub fn run(arguments: &Arguments, console: &Console) -> Outcome<()> {
    check(arguments)?;
    let task = Task::read(&arguments.task)?;
    let test_rows = if arguments.trial { TestRows::Train } else { TestRows::Test };
    let plan = Plan::read(task, &arguments.data, arguments.shots, arguments.max_test, test_rows)?;
    let cells = arguments.cells.clone().map_or_else(|| Cells::beside(&arguments.out), Cells::new);
    if let Some(method) = &arguments.only_method {
        return console.print_json(&measure::measure(method, arguments, &plan, &cells, console)?);
    }

    for path in [Some(&arguments.out), arguments.predictions.as_ref()].into_iter().flatten() {
        files::check_place(path)?;
    }
    cells.create()?;
    if let Some(folder) = &arguments.dump_splits {
        splits::write(folder, arguments, &plan)?;
    }
    let mut measured = Vec::with_capacity(arguments.methods.len());
    for method in &arguments.methods {
        let places = process::measure_apart(method, console)?;
        measured.push(results::Measured::read(method, &places, &cells)?);
    }
    results::report(arguments, &plan, &measured, console)
}

fn check(arguments: &Arguments) -> Outcome<()> {
    let usage = |message: &str| Err(Failure::Usage(message.to_owned()));
    if arguments.shots == 0 || arguments.max_test == 0 {
        return usage("--shots and --max-test must be at least 1");
    }
    if arguments.seeds.is_empty() || arguments.methods.is_empty() {
        return usage("--seeds and --methods need at least one value");
    }
    if arguments.context_examples == Some(0) {
        return usage("--context-examples must be at least 1");
    }
    if !arguments.at_steps.is_empty() && (arguments.adapt.patience > 0 || arguments.adapt.time_limit > 0.0) {
        return usage("--at-steps needs all steps to run: leave out --patience and --time-limit");
    }
    if arguments.methods.contains(&Method::MinilmLogreg) && !cfg!(feature = "train") {
        return usage("method minilm-logreg needs a program built with the feature train");
    }
    if arguments.methods.contains(&Method::MinilmLogreg) && arguments.encoder.is_none() {
        return usage("method minilm-logreg needs --encoder DIR");
    }
    bundles::check(&arguments.methods, &arguments.bundles)?;
    let repeated = |i: usize| arguments.seeds[..i].contains(&arguments.seeds[i]);
    if let Some(i) = (0..arguments.seeds.len()).find(|&i| repeated(i)) {
        return usage(&format!("--seeds names {} twice", arguments.seeds[i]));
    }
    let repeated = |i: usize| arguments.methods[..i].contains(&arguments.methods[i]);
    if let Some(i) = (0..arguments.methods.len()).find(|&i| repeated(i)) {
        return usage(&format!("--methods names {} twice", arguments.methods[i]));
    }
    Ok(())
}
