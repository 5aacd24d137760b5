//! How much memory a Llama and its passes take.

use super::Llama;
use super::layer::{Activations, Buffers, heads};
use crate::backbone::footprint::{Footprint, PassBytes};
use crate::backbone::llama_source::LlamaSource;
use crate::backbone::weights::FrozenMatrix;

impl Llama {
    pub(super) fn bytes(&self) -> Footprint {
        let config = &self.source.config;
        let logit_row = 4 * config.vocabulary;
        // A scoring pass reads the prompt from its state, and only answers of several tokens need the whole head.
        let pass = self.pass_bytes(false);
        let scoring = PassBytes { shared_prompt_row: 0, answer_row: pass.answer_row - logit_row, ..pass };
        Footprint {
            weights: weight_bytes(&self.source),
            state_row: 4 * config.layers * 2 * heads(config).key_width(),
            training: self.pass_bytes(true),
            scoring,
            logit_row,
        }
    }

    /// A pass over packed rows; with a gradient all layers' activations are kept, else those of one.
    pub(super) fn pass_bytes(&self, with_gradient: bool) -> PassBytes {
        let config = &self.source.config;
        let layers = if with_gradient { config.layers } else { 1 };
        let row = 4 * (layers * Activations::values_per_row(config) + Buffers::values_per_row(config));
        let answer_row = row + 4 * (config.vocabulary + 2 * config.width);
        // On the way back every span, the prompt's own included, has a gradient to the prompt's keys and values.
        let prompt_row = if with_gradient { 4 * 2 * heads(config).key_width() } else { 0 };
        PassBytes { shared_prompt_row: row + prompt_row, prompt_row, text_row: row, answer_row }
    }
}

fn weight_bytes(source: &LlamaSource) -> usize {
    let matrix = |matrix: &FrozenMatrix| matrix.bytes().len();
    let layers = source.layers.iter().map(|layer| {
        let matrices = [&layer.query, &layer.key, &layer.value, &layer.output, &layer.gate, &layer.up, &layer.down];
        let norms = size_of_val(&layer.attention_norm[..]) + size_of_val(&layer.feed_forward_norm[..]);
        matrices.into_iter().map(matrix).sum::<usize>() + norms
    });
    let head = source.head.as_ref().map_or(0, matrix);
    layers.sum::<usize>() + matrix(&source.embedding) + head + size_of_val(&source.final_norm[..])
}
