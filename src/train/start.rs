//! What a run starts from: theta and phi before the first step.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::adapt::{AdaptOptions, PromptStart, start_prompt};
use crate::backbone::Backbone;
use crate::bundle::Bundle;
use crate::error::{Result, Status, fail};
use crate::gradient_regularizer::{GradientRegularizer, Shape};
use crate::model::Model;
use crate::soft_prompt::SoftPrompt;

/// Rank of psi on a decoder-only network: with SmolLM2-135M a bundle has 0.4 MB.
const CAUSAL_RANK: usize = 32;
/// Rows of the prompt of a T5, as published.
const T5_ROWS: usize = 100;

/// How a run starts.
#[derive(Clone, Debug)]
pub struct StartOptions {
    /// P; 0 = 100 for a T5 as published, the default of adaptation elsewhere.
    pub prompt_length: usize,
    /// The prompt starts from the embedded tokens of this text instead of rows of the vocabulary.
    pub text: Option<String>,
    /// r of psi; `None` = d for a T5 (no low rank, close to the published 1920), 32 elsewhere; 0 = no psi at all.
    pub rank: Option<usize>,
    /// Layers of psi (published: 2).
    pub layers: usize,
    /// Prompt and psi of an earlier bundle; then length, text and rank must be left out.
    pub bundle: Option<Arc<Bundle>>,
}

impl Default for StartOptions {
    fn default() -> Self {
        Self { prompt_length: 0, text: None, rank: None, layers: 2, bundle: None }
    }
}

/// theta and phi before the first step.
#[derive(Clone, Debug)]
pub struct Start {
    /// theta, (P, d).
    pub prompt: SoftPrompt,
    /// psi_phi; without it the run is first-order MAML of the prompt alone.
    pub regularizer: Option<GradientRegularizer>,
    /// What the bundle's recipe says of it.
    pub recipe: Value,
}

impl StartOptions {
    /// The start for `model`; `seed` draws vocabulary rows and phi.
    ///
    /// Errors: `InvalidOption` for a length, a text or a rank out of range; `BackboneMismatch` for a bundle of another
    /// family.
    pub fn start(&self, model: &Model, seed: u64) -> Result<Start> {
        let backbone = model.backbone();
        if let Some(bundle) = &self.bundle {
            if self.prompt_length != 0 || self.text.is_some() || self.rank.is_some() {
                let message = "a bundle brings its own prompt and regularizer; leave prompt_length, text and rank out";
                return fail(Status::InvalidOption, message);
            }
            bundle.check(backbone)?;
            let regularizer = bundle.regularization().map(|r| r.regularizer.clone());
            let recipe = json!({ "bundle": bundle.digest()?, "recipe": bundle.origin().recipe });
            return Ok(Start { prompt: bundle.prompt().clone(), regularizer, recipe });
        }
        let (width, is_t5) = (backbone.width(), is_t5(backbone));
        let default = AdaptOptions::default();
        let rows = match self.prompt_length {
            0 if is_t5 => T5_ROWS,
            0 => default.prompt_length,
            rows => rows,
        };
        let start = self.text.clone().map_or(PromptStart::Vocabulary, PromptStart::Text);
        let prompt = start_prompt(model, &AdaptOptions { prompt_length: rows, start, seed, ..default })?;
        let rank = self.rank.unwrap_or(if is_t5 { width } else { CAUSAL_RANK.min(width) });
        let shape = Shape { width, rank, layers: self.layers };
        let regularizer = (rank > 0).then(|| GradientRegularizer::random(shape, seed)).transpose()?;
        let recipe = json!({ "text": self.text, "rows": rows, "rank": rank, "layers": self.layers });
        Ok(Start { prompt, regularizer, recipe })
    }
}

/// Whether `backbone` is a T5, for which the published settings hold.
pub(super) fn is_t5(backbone: &dyn Backbone) -> bool {
    backbone.fingerprint().architecture == "t5"
}
