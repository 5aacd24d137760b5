//! How much memory a T5 and its passes take.

use super::T5;
use super::config::{FeedForward, T5Config};
use super::weights::{AttentionWeights, FeedForwardWeights, T5Weights};
use crate::backbone::footprint::{Footprint, PassBytes};
use crate::backbone::weights::FrozenMatrix;

impl T5 {
    pub(super) fn bytes(&self) -> Footprint {
        let config = &self.network.config;
        let (logit_row, pass) = (4 * 2 * config.vocabulary, pass_bytes(config, false));
        Footprint {
            weights: weight_bytes(&self.network.weights),
            state_row: 4 * config.width,
            training: pass_bytes(config, true),
            scoring: PassBytes { answer_row: pass.answer_row - logit_row, ..pass },
            logit_row,
        }
    }
}

/// A pass: an encoder that sees prompt and text, a decoder that says the answer.
pub(super) fn pass_bytes(config: &T5Config, with_gradient: bool) -> PassBytes {
    let (d, inner) = (config.width, config.inner_width());
    let hidden = match config.feed_forward {
        FeedForward::Relu => config.feed_forward_width,
        FeedForward::GatedGelu => 2 * config.feed_forward_width,
    };
    let layers = |count: usize| if with_gradient { count } else { 1 };
    // Kept: inputs of the sublayers, q, k and v, the activations. Buffers: one layer's forward and backward.
    let (kept, buffers) = (2 * d + 3 * inner + hidden, 4 * d + 5 * inner + hidden);
    let encoder = layers(config.encoder_layers) * kept + buffers + layers(config.decoder_layers) * 2 * inner + 2 * d;
    let decoder = layers(config.decoder_layers) * (kept + d + inner) + buffers + 2 * config.vocabulary;
    PassBytes { shared_prompt_row: 0, prompt_row: 4 * encoder, text_row: 4 * encoder, answer_row: 4 * decoder }
}

fn weight_bytes(weights: &T5Weights) -> usize {
    let encoder = weights.encoder.layers.iter().map(|l| attention(&l.attention) + feed_forward(&l.feed_forward));
    let decoder = weights.decoder.layers.iter();
    let decoder = decoder.map(|l| attention(&l.attention) + attention(&l.cross) + feed_forward(&l.feed_forward));
    let stacks = encoder.sum::<usize>() + decoder.sum::<usize>();
    stacks + matrix(&weights.embedding) + weights.head.as_ref().map_or(0, matrix)
}

fn attention(weights: &AttentionWeights) -> usize {
    let matrices = [&weights.query, &weights.key, &weights.value, &weights.output];
    matrices.into_iter().map(matrix).sum::<usize>() + size_of_val(&weights.norm[..])
}

fn feed_forward(weights: &FeedForwardWeights) -> usize {
    let matrices = [&weights.gate, &weights.down].into_iter().chain(&weights.up);
    matrices.map(matrix).sum::<usize>() + size_of_val(&weights.norm[..])
}

fn matrix(matrix: &FrozenMatrix) -> usize {
    matrix.bytes().len()
}
