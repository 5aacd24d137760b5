//! T5 (v1.0, v1.1, LM-adapted, Flan): encoder and decoder, relative position biases, attention without scaling.
//!
//! The frozen network is one function of the soft prompt's rows in front of the encoder's input, with a hand-written
//! backward pass and no weight gradients. The encoder sees both ways, so nothing is shared between examples; examples
//! lie one behind the other without padding, unless padding is to be computed as published. [`network`] is that function
//! in parts that compose.
//!
//! As a [`Backbone`]: the filled template is the encoder's text, with the sentinel `<extra_id_0>` where the answer
//! belongs, and without an end-of-sequence token; the decoder says the sentinel, then the answer (method sections 1 and 7).
//!
//! All is computed in f32. Weights of half precision are expanded (all at once unless they are to stay as stored, then a
//! tile at a time), so the feed-forward output `wo`, which overflows in f16, is in f32 as transformers keeps it.

mod attention;
#[cfg_attr(not(feature = "train"), allow(dead_code))]
// Flat tensors and padding as published are for the parity runner.
pub(crate) mod batch;
mod config;
mod decoder;
mod encoder;
mod feed_forward;
mod footprint;
mod loss;
pub(crate) mod mixture;
pub(crate) mod network;
mod pooled;
mod relative_position;
mod score;
mod source;
mod weights;

#[cfg(test)]
mod parity_tests;

use super::{
    Backbone, Fingerprint, Footprint, LossAndGradient, Mixture, PromptState, Readout, Sequence, StateLoss, Wanted,
};
use crate::error::{Result, Status, fail};
use crate::kernels::{Compute, Isa};
use crate::limits::MAX_T5_ROWS;
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;
use crate::text::Tokenizer;
use batch::Example;
use network::T5Network;
pub use source::T5Source;
pub(super) use source::{MODEL_TYPE, summary};

/// A loaded T5 with its tokenizer.
pub(super) struct T5 {
    network: T5Network,
    tokenizer: Tokenizer,
    fingerprint: Fingerprint,
    /// The id of `<extra_id_0>`.
    sentinel: u32,
}

impl T5 {
    pub(super) fn new(source: T5Source, compute: Compute) -> Self {
        let T5Source { config, weights, tokenizer, fingerprint, sentinel } = source;
        Self { network: T5Network { config, weights, compute }, tokenizer, fingerprint, sentinel }
    }

    /// `TooLarge` when `example` under a prompt of so many rows is longer than a T5 is given, in encoder or decoder.
    fn check_rows(prompt: usize, example: &Example) -> Result<()> {
        let rows = (prompt + example.input_ids.len()).max(example.labels.len());
        if rows > MAX_T5_ROWS {
            return fail(
                Status::TooLarge,
                format!("an example of {rows} rows, at most {MAX_T5_ROWS} are accepted: lower max_tokens"),
            );
        }
        Ok(())
    }

    /// `text` for the encoder, and `answer` after the sentinel for the decoder: it reads the start id, the sentinel and
    /// all but the last of the answer, and every position's target is the next token.
    fn example(&self, text: &[u32], answer: &[u32]) -> Example {
        let mut input_ids: Vec<i64> = text.iter().map(|&id| i64::from(id)).collect();
        if !text.contains(&self.sentinel) {
            input_ids.push(i64::from(self.sentinel));
        }
        let mut labels = vec![i64::from(self.sentinel)];
        labels.extend(answer.iter().map(|&id| i64::from(id)));
        let mut decoder_input_ids = vec![i64::from(self.network.config.decoder_start)];
        decoder_input_ids.extend_from_slice(&labels[..labels.len() - 1]);
        Example {
            attention_mask: vec![true; input_ids.len()],
            input_ids,
            decoder_attention_mask: vec![true; labels.len()],
            decoder_input_ids,
            loss_ids: vec![true; labels.len()],
            labels,
            among: Vec::new(),
        }
    }
}

impl Backbone for T5 {
    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn width(&self) -> usize {
        self.network.width()
    }

    fn vocabulary(&self) -> usize {
        self.network.vocabulary()
    }

    /// Relative positions set no limit; this is the library's own.
    fn context_length(&self) -> usize {
        MAX_T5_ROWS
    }

    fn isa(&self) -> Isa {
        self.network.compute.isa
    }

    fn embed(&self, id: u32, row: &mut [f32]) {
        self.network.weights.embedding.expand(id as usize, 0, row);
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
        self.network.head().expand(token as usize, 0, row);
    }

    fn pooled(&self, texts: &[Vec<u32>], cancel: &Cancel) -> Result<Vec<f32>> {
        self.pooled_states(texts, cancel)
    }

    fn prompt_state(&self, prompt: &SoftPrompt, _: &Cancel) -> Result<Box<dyn PromptState>> {
        self.network.check_prompt(prompt)?;
        Ok(Box::new(score::T5State(prompt.clone())))
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
}
