//! `supmer import-peft`: a folder of Hugging Face PEFT and a task in, an adapter out.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use supmer::Task;
use supmer::adapter::Lineage;
use supmer::interchange::peft::import_peft;
use supmer::predict::DEFAULT_MAX_TOKENS;

use crate::console::Console;
use crate::failure::Outcome;
use crate::files;
use crate::options::ModelArguments;

/// Arguments of `supmer import-peft`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// The folder that PEFT's save_pretrained wrote
    #[arg(long, value_name = "DIR")]
    peft: PathBuf,
    /// Labels with verbalizers and the template that the prompt was trained with
    #[arg(long, value_name = "TASK.JSON")]
    task: PathBuf,
    /// Where the adapter goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Most tokens of a filled template; the longest field is cut
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_TOKENS)]
    max_tokens: usize,
}

/// Reads the task, loads the model that the prompt was trained for, and writes the adapter.
pub fn run(arguments: &Arguments, console: &Console) -> Outcome<()> {
    files::check_place(&arguments.out)?;
    let task = Task::read(&arguments.task)?;
    let model = arguments.model.load()?;
    let adapter = import_peft(&arguments.peft, &task, model.backbone(), arguments.max_tokens)?;
    adapter.save(&arguments.out)?;
    let prompt = adapter.prompt();
    if console.json {
        console.print_json(&Described {
            adapter: &arguments.out,
            task: task.name(),
            labels: task.labels().iter().map(|label| label.name.as_str()).collect(),
            prompt_length: prompt.rows(),
            lineage: adapter.lineage(),
        })
    } else {
        console.print(&format!(
            "wrote {}: {} rows of {} values for {} labels",
            arguments.out.display(),
            prompt.rows(),
            prompt.width(),
            task.labels().len()
        ))
    }
}

/// The result as JSON.
#[derive(Serialize)]
struct Described<'a> {
    adapter: &'a Path,
    task: &'a str,
    labels: Vec<&'a str>,
    prompt_length: usize,
    lineage: &'a Lineage,
}
