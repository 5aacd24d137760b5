//! The encoder: every row of an example sees every unmasked row of it.

use super::attention::{AttentionState, Stack};
use super::feed_forward::FeedForwardState;
use super::relative_position::{Direction, biases};
use super::weights::{EncoderLayer, StackWeights};
use crate::error::Result;
use crate::kernels::attention::biased::{Bias, Pattern, Segment};
use crate::runtime::Cancel;

/// What the forward pass leaves for the backward pass.
pub(super) struct EncoderState {
    layers: Vec<(AttentionState, FeedForwardState)>,
    /// Input of the final norm.
    last: Vec<f32>,
}

/// The rows of a batch: examples of `lengths[i]` rows one after another.
#[derive(Clone, Copy)]
pub(super) struct EncoderRows<'a> {
    pub lengths: &'a [usize],
    /// For each row whether it is seen.
    pub mask: &'a [bool],
}

impl Stack<'_> {
    /// The encoder's output for input embeddings `x` (rows x d), and with `keep` what the backward pass needs.
    pub(super) fn encoder(
        &self,
        weights: &StackWeights<EncoderLayer>,
        rows: EncoderRows<'_>,
        mut x: Vec<f32>,
        keep: bool,
        cancel: &Cancel,
    ) -> Result<(Vec<f32>, Option<EncoderState>)> {
        let (segments, bias, reach) = self.encoder_plan(weights, rows);
        let pattern = self.encoder_pattern(&segments, &bias, reach, rows);
        let mut layers = Vec::new();
        for layer in &weights.layers {
            cancel.check()?;
            let attention = self.attention(&layer.attention, &pattern, None, &mut x);
            let feed_forward = self.feed_forward(&layer.feed_forward, &mut x);
            if keep {
                layers.push((attention, feed_forward));
            }
        }
        let output = self.norm(&x, &weights.final_norm);
        Ok((output, keep.then_some(EncoderState { layers, last: x })))
    }

    /// From the gradient of the output to that of the input embeddings of `wanted` rows, one after another.
    pub(super) fn encoder_backward(
        &self,
        weights: &StackWeights<EncoderLayer>,
        rows: EncoderRows<'_>,
        state: &EncoderState,
        doutput: &[f32],
        wanted: &[usize],
        cancel: &Cancel,
    ) -> Result<Vec<f32>> {
        let (segments, bias, reach) = self.encoder_plan(weights, rows);
        let pattern = self.encoder_pattern(&segments, &bias, reach, rows);
        let mut dx = vec![0.0; doutput.len()];
        self.norm_backward(&state.last, &weights.final_norm, doutput, &mut dx);
        for (i, (attention, feed_forward)) in state.layers.iter().enumerate().rev() {
            cancel.check()?;
            let layer = &weights.layers[i];
            self.feed_forward_backward(&layer.feed_forward, feed_forward, &mut dx);
            if i > 0 {
                self.self_attention_backward(&layer.attention, &pattern, attention, &mut dx);
            }
        }
        let (first, (attention, _)) = (&weights.layers[0].attention, &state.layers[0]);
        Ok(self.self_attention_backward_to(first, &pattern, attention, &dx, wanted))
    }

    fn encoder_plan(
        &self,
        weights: &StackWeights<EncoderLayer>,
        rows: EncoderRows<'_>,
    ) -> (Vec<Segment>, Vec<f32>, usize) {
        let reach = rows.lengths.iter().copied().max().unwrap_or(1);
        (own_segments(rows.lengths), biases(&weights.biases, self.config, Direction::Both, reach), reach)
    }

    fn encoder_pattern<'a>(
        &self,
        segments: &'a [Segment],
        bias: &'a [f32],
        reach: usize,
        rows: EncoderRows<'a>,
    ) -> Pattern<'a> {
        Pattern {
            heads: self.config.heads,
            width: self.config.head_width,
            segments,
            bias: Some(Bias { values: bias, reach }),
            causal: false,
            mask: Some(rows.mask),
        }
    }
}

/// Segments whose queries are their keys.
pub(super) fn own_segments(lengths: &[usize]) -> Vec<Segment> {
    let mut start = 0;
    let segment = |&length: &usize| {
        let segment = Segment { query_start: start, queries: length, key_start: start, keys: length };
        start += length;
        segment
    };
    lengths.iter().map(segment).collect()
}
