//! `supmer import-checkpoint`: the authors' PyTorch files in, a bundle out.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use supmer::bundle::Origin;
use supmer::interchange::checkpoint::import_checkpoint;
use supmer::{Bundle, Model, ModelOptions};

use crate::console::Console;
use crate::failure::Outcome;
use crate::files;

/// Arguments of `supmer import-checkpoint`.
#[derive(Args)]
pub struct Arguments {
    /// A published prompt, such as prompt_t5base.pt
    #[arg(long, value_name = "FILE")]
    prompt: PathBuf,
    /// The gradient regularizer that belongs to it, such as gradient_edit_t5base.pt
    #[arg(long, value_name = "FILE")]
    regularizer: Option<PathBuf>,
    /// The model it was trained on: checked, and named in the bundle
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Where the bundle goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Reads the files, which runs nothing in them, and writes the bundle.
pub fn run(arguments: &Arguments, console: &Console) -> Outcome<()> {
    files::check_place(&arguments.out)?;
    let mut bundle = import_checkpoint(&arguments.prompt, arguments.regularizer.as_deref())?;
    if let Some(path) = &arguments.model {
        let model = Model::load(path, &ModelOptions { thread_count: 1, ..ModelOptions::default() })?;
        bundle.check(model.backbone())?;
        let origin = Origin { fingerprint: Some(model.backbone().fingerprint().clone()), ..bundle.origin().clone() };
        bundle = Bundle::new(bundle.prompt().clone(), bundle.regularization().cloned(), origin)?;
    }
    bundle.save(&arguments.out)?;
    let (prompt, psi) = (bundle.prompt(), bundle.regularization());
    if bundle.origin().fingerprint.is_none() {
        console.warn("the files do not say which model they belong to; give --model to have it checked and named");
    }
    if psi.is_none() {
        console.warn("without a regularizer adaptation runs plain from this prompt");
    }
    if console.json {
        return console.print_json(&json!({
            "bundle": arguments.out,
            "prompt": { "rows": prompt.rows(), "width": prompt.width() },
            "regularizer": psi.map(|psi| psi.regularizer.shape().count()),
        }));
    }
    let psi =
        psi.map_or("no regularizer".to_owned(), |psi| format!("{} values of psi", psi.regularizer.values().len()));
    let (rows, width) = (prompt.rows(), prompt.width());
    console.print(&format!("wrote {}: {rows} rows of {width} values, {psi}", arguments.out.display()))
}
