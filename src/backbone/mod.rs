//! Frozen language models: loading, and the one trait that adaptation and prediction need.

pub mod config;
mod excerpt;
pub mod fingerprint;
mod folder_source;
pub mod gguf;
mod gguf_source;
pub mod inspect;
pub mod label_trie;
mod llama;
mod mapped;
mod safetensors_files;
pub mod source;
mod tensors;
pub mod weights;

use std::any::Any;
use std::path::Path;

use crate::error::Result;
use crate::model::ModelOptions;
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;
use crate::text::Tokenizer;

pub use fingerprint::{Fingerprint, Match};
pub use label_trie::LabelTrie;

/// One tokenized example: the filled template, then the answer (the gold label's verbalizer).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Token ids of the filled template, a BOS included where the model has one. At least one.
    pub text: Vec<u32>,
    /// Token ids of the verbalizer. At least one.
    pub answer: Vec<u32>,
}

/// The loss of a batch and its gradient to the prompt.
#[derive(Clone, Debug)]
pub struct LossAndGradient {
    /// Cross entropy over the whole vocabulary in nats, summed over answer tokens, mean over examples (spec section 1).
    pub loss: f32,
    /// d loss / d theta, (P, d) row by row.
    pub gradient: Vec<f32>,
}

/// A prompt's computed state (keys and values of every layer), reusable for any text.
pub trait PromptState: Send + Sync {
    /// Memory held, for the cache's bound.
    fn bytes(&self) -> usize;
    /// For the backbone that made it.
    fn as_any(&self) -> &dyn Any;
}

/// A frozen language model that a soft prompt can steer.
pub trait Backbone: Send + Sync {
    /// What the model is, for adapters to be checked against.
    fn fingerprint(&self) -> &Fingerprint;
    /// The model's tokenizer.
    fn tokenizer(&self) -> &Tokenizer;
    /// d, the width of an input embedding.
    fn width(&self) -> usize;
    /// V, the number of token ids.
    fn vocabulary(&self) -> usize;
    /// Most rows (prompt, text and answer together) of one example.
    fn context_length(&self) -> usize;
    /// The input embedding of `id`, written to `row` (d values). `id` must be below the vocabulary.
    fn embed(&self, id: u32, row: &mut [f32]);

    /// Loss of `batch` under `prompt` and, when `with_gradient`, d loss / d prompt (else an empty gradient).
    ///
    /// The batch is cut into micro-batches so that activations stay below `memory_limit` bytes (0 = no limit); the cut
    /// depends on the limit and the lengths only. Errors: `MemoryLimit` when one example alone does not fit,
    /// `TooLarge` beyond the context, `NotFinite`, `Cancelled`.
    fn loss(
        &self,
        prompt: &SoftPrompt,
        batch: &[Sequence],
        with_gradient: bool,
        memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient>;

    /// Computes the state of `prompt` that [`Backbone::score`] needs.
    fn prompt_state(&self, prompt: &SoftPrompt) -> Result<Box<dyn PromptState>>;

    /// Mean token log-probability of every label for every text: `texts.len() * labels.len()` values, text by text.
    /// The i-th text is scored under `states[i]` (rows of different adapters may share a batch).
    fn score(
        &self,
        states: &[&dyn PromptState],
        texts: &[&[u32]],
        labels: &[&LabelTrie],
        cancel: &Cancel,
    ) -> Result<Vec<Vec<f32>>>;

    /// Lets go of the working memory that calls keep for the next call.
    fn release_memory(&self) {}
}

/// Loads a GGUF file or a Hugging Face folder as the backbone its configuration names.
pub fn load(path: &Path, options: &ModelOptions) -> Result<Box<dyn Backbone>> {
    let source = source::Source::open(path)?;
    Ok(Box::new(llama::Llama::load(source, options)?))
}
