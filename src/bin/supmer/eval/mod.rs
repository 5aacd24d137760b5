//! `supmer eval`: methods on a labelled data set over several seeds, each method in a process of its own.
//!
//! The command itself reads the rows, runs itself once per method with `--only-method` and merges the cells that those
//! processes leave in `<out>.cells`.

mod cell;
mod method;
mod metrics;
mod plan;
mod process;
mod results;
mod splits;
mod statistics;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use supmer::{AdaptOptions, Task};

use self::cell::Cells;
use self::plan::Plan;
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::options::{AdaptArguments, ModelArguments};

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
    #[arg(long, value_name = "SEEDS", value_delimiter = ',', default_values_t = [13, 21, 42, 87, 100])]
    seeds: Vec<u64>,
    /// Methods to measure
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Method::ZeroShot, Method::PromptTuning])]
    methods: Vec<Method>,
    /// Most test rows; a fixed draw, the same for all methods and seeds
    #[arg(long, value_name = "N", default_value_t = 500)]
    max_test: usize,
    /// Where the results go; finished parts are kept in <OUT>.cells and reused
    #[arg(long, value_name = "RESULTS.JSON")]
    out: PathBuf,
    /// Measure everything anew, whatever is kept
    #[arg(long)]
    fresh: bool,
    /// Write the probabilities of every test row to this JSON Lines file
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Write the drawn rows, their token ids, the start prompts and the batches below this folder
    #[arg(long, value_name = "DIR")]
    dump_splits: Option<PathBuf>,
    #[command(flatten)]
    adapt: AdaptArguments,
    /// Run as the process of one method
    #[arg(long, value_enum, hide = true)]
    only_method: Option<Method>,
}

/// A way to solve the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// The model as it is
    ZeroShot,
    /// A soft prompt adapted from a plain start
    PromptTuning,
    /// From the bundle's prompt, its regularizer applied at every step
    Supmer,
    /// From the bundle's prompt, without its regularizer
    SupmerNoPsi,
}

impl Method {
    /// Its name in results and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Method::ZeroShot => "zero-shot",
            Method::PromptTuning => "prompt-tuning",
            Method::Supmer => "supmer",
            Method::SupmerNoPsi => "supmer-no-psi",
        }
    }

    /// The seeds that have to be run for it.
    fn runs(self, seeds: &[u64]) -> &[u64] {
        match self {
            Method::ZeroShot => &seeds[..1],
            Method::PromptTuning | Method::Supmer | Method::SupmerNoPsi => seeds,
        }
    }

    /// Whether it starts from a bundle.
    fn needs_bundle(self) -> bool {
        matches!(self, Method::Supmer | Method::SupmerNoPsi)
    }

    /// The options of its runs with `seed`; plain where it adapts nothing.
    fn options(self, adapt: &AdaptArguments, seed: u64) -> Outcome<AdaptOptions> {
        match self {
            Method::ZeroShot | Method::PromptTuning => adapt.plain_options(seed),
            Method::Supmer => adapt.options(seed),
            Method::SupmerNoPsi => Ok(AdaptOptions { regularize: false, ..adapt.options(seed)? }),
        }
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Measures all methods and writes the results; with `--only-method` measures that one's cells.
pub fn run(arguments: &Arguments, console: &Console) -> Outcome<()> {
    check(arguments)?;
    let task = Task::read(&arguments.task)?;
    let plan = Plan::read(task, &arguments.data, arguments.shots, arguments.max_test)?;
    let cells = Cells::of(&arguments.out);
    if let Some(method) = arguments.only_method {
        return method::measure(method, arguments, &plan, &cells, console);
    }

    for path in [Some(&arguments.out), arguments.predictions.as_ref()].into_iter().flatten() {
        files::check_place(path)?;
    }
    if arguments.fresh {
        cells.clear()?;
    }
    cells.create()?;
    if let Some(folder) = &arguments.dump_splits {
        splits::write(folder, arguments, &plan)?;
    }
    for &method in &arguments.methods {
        process::measure_apart(method, console)?;
    }
    results::report(arguments, &plan, &cells, console)
}

fn check(arguments: &Arguments) -> Outcome<()> {
    let usage = |message: &str| Err(Failure::Usage(message.to_owned()));
    if arguments.shots == 0 || arguments.max_test == 0 {
        return usage("--shots and --max-test must be at least 1");
    }
    if arguments.seeds.is_empty() || arguments.methods.is_empty() {
        return usage("--seeds and --methods need at least one value");
    }
    if let Some(method) = arguments.methods.iter().find(|method| method.needs_bundle())
        && arguments.adapt.bundle.is_none()
    {
        return usage(&format!("method {method} needs --bundle"));
    }
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
