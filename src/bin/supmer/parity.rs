//! `supmer parity`: reproduces the numbers of a folder in the layout of tests/fixtures/parity.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use supmer::train::parity::{self, BOUND, Comparison};
use supmer::{Error, Status};

use crate::console::Console;
use crate::failure::{Failure, Outcome};

/// Arguments of `supmer parity`.
#[derive(Args)]
pub struct Arguments {
    /// Folder with config.json, model.safetensors, inputs.safetensors and expected.safetensors
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Computes and compares; fails when a tensor is missing or outside its bound.
pub fn run(arguments: &Arguments, console: &Console) -> Outcome<()> {
    let comparison = parity::run(&arguments.folder)?;
    if console.json {
        let groups: Vec<_> = comparison
            .groups
            .iter()
            .map(|g| json!({ "name": g.name, "tensors": g.tensors, "worst": g.worst, "worst_tensor": g.worst_tensor }))
            .collect();
        console.print_json(&json!({
            "expected": comparison.expected,
            "within": comparison.within,
            "bound": BOUND,
            "groups": groups,
            "failures": comparison.failures,
        }))?;
    } else {
        console.print(&readable(&comparison))?;
    }
    if comparison.within == comparison.expected {
        return Ok(());
    }
    let missing = comparison.expected - comparison.within;
    let message = format!("{missing} of {} tensors are missing or outside the bound", comparison.expected);
    Err(Failure::Work(Error::new(Status::Internal, message)))
}

fn readable(comparison: &Comparison) -> String {
    let mut text = String::new();
    for group in &comparison.groups {
        text += &format!(
            "{:<12} {:>4} tensors, worst deviation {:.1e} ({})\n",
            group.name, group.tensors, group.worst, group.worst_tensor
        );
    }
    for failure in &comparison.failures {
        text += &format!("{failure}\n");
    }
    text + &format!("{} of {} tensors", comparison.within, comparison.expected)
}
