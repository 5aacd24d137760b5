//! `supmer results`: the page of results of many evaluations, from the cells that they kept.

mod comparison;
mod curve;
mod page;
mod scores;
mod trials;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use self::scores::Scores;
use self::trials::Trials;
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use crate::files;

/// Arguments of `supmer results`.
#[derive(Args)]
pub struct Arguments {
    /// A folder of cells that `supmer eval --cells` filled; may be repeated
    #[arg(long, value_name = "DIR", required = true)]
    cells: Vec<PathBuf>,
    /// A folder of cells of `supmer eval --trial` that the settings were chosen from; may be repeated
    #[arg(long, value_name = "DIR")]
    trials: Vec<PathBuf>,
    /// The Markdown page to write
    #[arg(long, value_name = "RESULTS.MD")]
    out: PathBuf,
    /// The method that the page is about; one without a bundle and with a loss of its own is METHOD+LOSS, as prompt-tuning+head
    #[arg(long, value_name = "METHOD", default_value = "supmer")]
    method: String,
    /// A method that all others are compared with; may be repeated, the first is the goal of the curves over steps
    #[arg(long = "baseline", value_name = "METHOD", default_value = "prompt-tuning")]
    baselines: Vec<String>,
}

/// Reads the cells and writes the page.
pub fn run(arguments: &Arguments, console: &Console) -> Outcome<()> {
    files::check_place(&arguments.out)?;
    let scores = Scores::read(&arguments.cells)?;
    let trials = Trials::read(&arguments.trials)?;
    for method in std::iter::once(&arguments.method).chain(&arguments.baselines) {
        if !scores.methods().contains(&method.as_str()) {
            let known = scores.methods().join(", ");
            return Err(Failure::Usage(format!("no cell is of method {method}; there are {known}")));
        }
    }
    let page = page::write(&scores, &trials, &arguments.method, &arguments.baselines);
    files::write(&arguments.out, page.as_bytes())?;
    let cells = scores.all().count();
    console.note(&format!("wrote {} from {cells} cells", arguments.out.display()));
    if console.json {
        let unfinished = scores.unfinished();
        console.print_json(&json!({ "out": arguments.out, "cells": cells, "unfinished": unfinished }))?;
    }
    Ok(())
}
