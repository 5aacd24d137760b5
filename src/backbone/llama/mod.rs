//! The Llama family (SmolLM2, Llama 2 and 3, TinyLlama): pre-norm decoder, rotary positions, grouped-query attention.
//!
//! The frozen network is one function of the soft prompt with a hand-written backward pass: prompt rows are computed once
//! for the whole batch, examples are packed without padding, the last layer runs at answer rows only, the first sends
//! gradients to prompt rows only, and no weight has a gradient.

mod footprint;
mod head;
mod layer;
mod loss;
mod mixture;
mod network;
mod packed;
mod pooled;
mod score;

use parking_lot::Mutex;

use super::llama_source::LlamaSource;
use super::{
    Backbone, Fingerprint, Footprint, LossAndGradient, Mixture, PromptState, Readout, Sequence, StateLoss, Wanted,
};
use crate::error::{Result, Status, fail};
use crate::kernels::rope::Rope;
use crate::kernels::{Compute, Isa};
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;
use crate::text::Tokenizer;

/// A loaded network.
pub(super) struct Llama {
    source: LlamaSource,
    compute: Compute,
    rope: Rope,
    training_memory: Mutex<Option<network::TrainingMemory>>,
    scoring_memory: Mutex<Vec<score::ScoringMemory>>,
}

impl Llama {
    pub(super) fn new(source: LlamaSource, compute: Compute) -> Self {
        let rope = Rope::new(source.config.rotary_layout, source.config.rotary_frequencies.clone());
        Self { source, compute, rope, training_memory: Mutex::default(), scoring_memory: Mutex::default() }
    }

    fn embed_all(&self, tokens: &[u32], x: &mut [f32]) {
        for (row, &token) in x.chunks_exact_mut(self.source.config.width).zip(tokens) {
            self.source.embedding.expand(token as usize, 0, row);
        }
    }

    fn check_prompt(&self, prompt: &SoftPrompt) -> Result<()> {
        let d = self.source.config.width;
        if prompt.width() != d {
            return fail(
                Status::BackboneMismatch,
                format!("the prompt's rows have {} values, this backbone needs {d}", prompt.width()),
            );
        }
        Ok(())
    }

    fn check_tokens(&self, prompt: usize, length: usize, tokens: &[u32]) -> Result<()> {
        let config = &self.source.config;
        if prompt + length > config.context {
            return fail(
                Status::TooLarge,
                format!(
                    "{prompt} prompt rows and {length} tokens exceed the backbone's context of {}: lower max_tokens",
                    config.context
                ),
            );
        }
        match tokens.iter().find(|&&t| t as usize >= config.vocabulary) {
            Some(t) => fail(
                Status::InvalidArgument,
                format!("token id {t} is outside the vocabulary of {}", config.vocabulary),
            ),
            None => Ok(()),
        }
    }
}

impl Backbone for Llama {
    fn fingerprint(&self) -> &Fingerprint {
        &self.source.fingerprint
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.source.tokenizer
    }

    fn width(&self) -> usize {
        self.source.config.width
    }

    fn vocabulary(&self) -> usize {
        self.source.config.vocabulary
    }

    fn context_length(&self) -> usize {
        self.source.config.context
    }

    fn isa(&self) -> Isa {
        self.compute.isa
    }

    fn embed(&self, id: u32, row: &mut [f32]) {
        self.source.embedding.expand(id as usize, 0, row);
    }

    fn loss(
        &self,
        prompt: &SoftPrompt,
        batch: &[Sequence],
        wanted: Wanted,
        memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        self.batch_loss(prompt, batch, wanted, memory_limit, cancel)
    }

    fn mixture_loss(
        &self,
        prompt: &SoftPrompt,
        mixture: Mixture<'_>,
        memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        self.mixed_loss(prompt, mixture, memory_limit, cancel)
    }

    fn state_loss(
        &self,
        prompt: &SoftPrompt,
        batch: &[Sequence],
        loss: &mut StateLoss<'_>,
        wanted: Wanted,
        memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        self.answer_state_loss(prompt, batch, loss, wanted, memory_limit, cancel)
    }

    fn output_row(&self, token: u32, row: &mut [f32]) {
        self.head().expand(token as usize, 0, row);
    }

    fn pooled(&self, texts: &[Vec<u32>], cancel: &Cancel) -> Result<Vec<f32>> {
        self.pooled_states(texts, cancel)
    }

    fn prompt_state(&self, prompt: &SoftPrompt, cancel: &Cancel) -> Result<Box<dyn PromptState>> {
        Ok(Box::new(self.compute_state(prompt, cancel)?))
    }

    fn score(
        &self,
        states: &[&dyn PromptState],
        texts: &[&[u32]],
        readouts: &[Readout<'_>],
        cancel: &Cancel,
    ) -> Result<Vec<Vec<f32>>> {
        self.score_texts(states, texts, readouts, cancel)
    }

    fn footprint(&self) -> Footprint {
        self.bytes()
    }

    fn release_memory(&self) {
        *self.training_memory.lock() = None;
        self.scoring_memory.lock().clear();
    }
}
