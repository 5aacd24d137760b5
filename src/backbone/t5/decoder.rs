//! The decoder: rows see the earlier rows of their sequence and the encoder's output of their example.

use super::attention::{AttentionState, Stack};
use super::encoder::{EncoderRows, own_segments};
use super::feed_forward::FeedForwardState;
use super::relative_position::{Direction, biases};
use super::weights::{DecoderLayer, StackWeights};
use crate::error::Result;
use crate::kernels::attention::biased::{Bias, Pattern, Segment};
use crate::runtime::Cancel;

/// What the forward pass leaves for the backward pass.
pub(super) struct DecoderState {
    layers: Vec<(AttentionState, AttentionState, FeedForwardState)>,
    /// Input of the final norm.
    last: Vec<f32>,
}

/// Decoder sequences of `lengths[i]` rows one after another; sequence i reads the encoder's example `examples[i]`.
#[derive(Clone, Copy)]
pub(super) struct DecoderRows<'a> {
    pub lengths: &'a [usize],
    /// For each row whether later rows see it.
    pub mask: &'a [bool],
    pub examples: &'a [usize],
    /// What is read.
    pub encoder: EncoderRows<'a>,
}

/// Segments and biases of one batch.
struct Plan {
    own: Vec<Segment>,
    cross: Vec<Segment>,
    bias: Vec<f32>,
    reach: usize,
}

impl Stack<'_> {
    /// The decoder's output (after the final norm) for input embeddings `x` (rows x d) over the encoder's output
    /// `memory`, and with `keep` what the backward pass needs.
    pub(super) fn decoder(
        &self,
        weights: &StackWeights<DecoderLayer>,
        rows: DecoderRows<'_>,
        memory: &[f32],
        mut x: Vec<f32>,
        keep: bool,
        cancel: &Cancel,
    ) -> Result<(Vec<f32>, Option<DecoderState>)> {
        let plan = self.decoder_plan(weights, rows);
        let (own, across) = self.decoder_patterns(&plan, rows);
        let mut layers = Vec::new();
        for layer in &weights.layers {
            cancel.check()?;
            let attention = self.attention(&layer.attention, &own, None, &mut x);
            let cross = self.attention(&layer.cross, &across, Some(memory), &mut x);
            let feed_forward = self.feed_forward(&layer.feed_forward, &mut x);
            if keep {
                layers.push((attention, cross, feed_forward));
            }
        }
        let output = self.norm(&x, &weights.final_norm);
        Ok((output, keep.then_some(DecoderState { layers, last: x })))
    }

    /// From the gradient of the output to that of `memory`. The input embeddings, being frozen, get none.
    pub(super) fn decoder_backward(
        &self,
        weights: &StackWeights<DecoderLayer>,
        rows: DecoderRows<'_>,
        state: &DecoderState,
        doutput: &[f32],
        cancel: &Cancel,
    ) -> Result<Vec<f32>> {
        let plan = self.decoder_plan(weights, rows);
        let (own, across) = self.decoder_patterns(&plan, rows);
        let mut dmemory = vec![0.0; rows.encoder.mask.len() * self.config.width];
        let mut dx = vec![0.0; doutput.len()];
        self.norm_backward(&state.last, &weights.final_norm, doutput, &mut dx);
        let layers = weights.layers.iter().zip(&state.layers).enumerate();
        for (i, (layer, (attention, crossed, feed_forward))) in layers.rev() {
            cancel.check()?;
            self.feed_forward_backward(&layer.feed_forward, feed_forward, &mut dx);
            self.cross_attention_backward(&layer.cross, &across, crossed, &mut dx, i > 0, &mut dmemory);
            if i > 0 {
                self.self_attention_backward(&layer.attention, &own, attention, &mut dx);
            }
        }
        Ok(dmemory)
    }

    fn decoder_plan(&self, weights: &StackWeights<DecoderLayer>, rows: DecoderRows<'_>) -> Plan {
        let own = own_segments(rows.lengths);
        let keys = own_segments(rows.encoder.lengths);
        let cross = own.iter().zip(rows.examples).map(|(own, &example)| {
            let Segment { key_start, keys, .. } = keys[example];
            Segment { key_start, keys, ..*own }
        });
        let reach = rows.lengths.iter().copied().max().unwrap_or(1);
        let bias = biases(&weights.biases, self.config, Direction::Past, reach);
        Plan { cross: cross.collect(), own, bias, reach }
    }

    fn decoder_patterns<'a>(&self, plan: &'a Plan, rows: DecoderRows<'a>) -> (Pattern<'a>, Pattern<'a>) {
        let own = Pattern {
            heads: self.config.heads,
            width: self.config.head_width,
            segments: &plan.own,
            bias: Some(Bias { values: &plan.bias, reach: plan.reach }),
            causal: true,
            mask: Some(rows.mask),
        };
        let mask = Some(rows.encoder.mask);
        (own, Pattern { segments: &plan.cross, bias: None, causal: false, mask, ..own })
    }
}
