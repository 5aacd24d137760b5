//! What a run starts from.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use supmer::Bundle;
use supmer::train::StartOptions;

use crate::failure::Outcome;

/// theta and phi before the first step.
#[derive(Args)]
pub struct StartArguments {
    /// Rows of the prompt [default: 20, T5: 100]
    #[arg(long, value_name = "ROWS", conflicts_with = "init_bundle")]
    prompt_length: Option<usize>,
    /// Start the prompt from the embedded tokens of this text; empty = from rows of the vocabulary
    /// [default: an instruction, T5: empty]
    #[arg(long, value_name = "TEXT", conflicts_with = "init_bundle")]
    init_text: Option<String>,
    /// Start from prompt and regularizer of an earlier bundle
    #[arg(long, value_name = "FILE")]
    init_bundle: Option<PathBuf>,
    /// Rank of the gradient regularizer; 0 trains a prompt without one [default: 32, T5: its width]
    #[arg(long, value_name = "N", conflicts_with = "init_bundle")]
    rank: Option<usize>,
    /// Layers of the gradient regularizer
    #[arg(long, value_name = "N", default_value_t = StartOptions::default().layers, conflicts_with = "init_bundle")]
    regularizer_layers: usize,
}

impl StartArguments {
    /// `default` with what was asked for put in; reads the bundle.
    pub fn options(&self, default: StartOptions) -> Outcome<StartOptions> {
        if let Some(file) = &self.init_bundle {
            return Ok(StartOptions { bundle: Some(Arc::new(Bundle::load(file)?)), ..StartOptions::default() });
        }
        Ok(StartOptions {
            prompt_length: self.prompt_length.unwrap_or(default.prompt_length),
            text: self.init_text.clone().or(default.text).filter(|text| !text.is_empty()),
            rank: self.rank.or(default.rank),
            layers: self.regularizer_layers,
            bundle: None,
        })
    }
}
