//! `supmer export-peft`: an adapter in, a folder for Hugging Face PEFT out.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use supmer::interchange::peft::export_peft;

use crate::console::Console;
use crate::failure::Outcome;
use crate::options::load_adapter;

/// Arguments of `supmer export-peft`.
#[derive(Args)]
pub struct Arguments {
    /// The adapter
    #[arg(long, value_name = "FILE")]
    adapter: PathBuf,
    /// The folder to make; it must not exist yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Name or path that PEFT's automatic classes load the model from
    #[arg(long, value_name = "NAME")]
    base_model: Option<String>,
}

/// Reads the adapter and makes the folder.
pub fn run(arguments: &Arguments, console: &Console) -> Outcome<()> {
    let adapter = load_adapter(&arguments.adapter)?;
    export_peft(&adapter, &arguments.out, arguments.base_model.as_deref())?;
    let (rows, width) = (adapter.prompt().rows(), adapter.prompt().width());
    if console.json {
        console.print_json(&Described {
            folder: &arguments.out,
            base_model: arguments.base_model.as_deref(),
            num_virtual_tokens: rows,
            token_dim: width,
        })
    } else {
        console.print(&format!(
            "wrote {}: {rows} rows of {width} values; labels and template stay in {}",
            arguments.out.display(),
            arguments.adapter.display()
        ))
    }
}

/// The result as JSON, in PEFT's words.
#[derive(Serialize)]
struct Described<'a> {
    folder: &'a Path,
    base_model: Option<&'a str>,
    num_virtual_tokens: usize,
    token_dim: usize,
}
