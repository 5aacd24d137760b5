//! The feed-forward sublayer x + W act(norm(x)): relu in v1.0, gelu_tanh times a second product in v1.1.

use super::attention::Stack;
use super::weights::FeedForwardWeights;
use crate::kernels::gated::{self, Activation};
use crate::kernels::linear::{self, Output};
use crate::kernels::relu;

/// What the forward pass leaves for the backward pass.
pub(super) struct FeedForwardState {
    /// Input of the sublayer, rows x d.
    x: Vec<f32>,
    /// Before the activation when there is `up`, else after it.
    gate: Vec<f32>,
    up: Option<Vec<f32>>,
}

impl Stack<'_> {
    /// x += feed_forward(norm(x)).
    pub(super) fn feed_forward(&self, weights: &FeedForwardWeights, x: &mut [f32]) -> FeedForwardState {
        let rows = x.len() / self.config.width;
        let size = rows * self.config.feed_forward_width;
        let normed = self.norm(x, &weights.norm);
        let mut gate = vec![0.0; size];
        let opened = Output { weight: &weights.gate, y: &mut gate, accumulate: false };
        let (up, hidden) = match &weights.up {
            None => {
                linear::forward(self.compute, &normed, rows, &mut [opened]);
                relu::forward(self.compute, &mut gate);
                (None, None)
            }
            Some(weight) => {
                let (mut up, mut hidden) = (vec![0.0; size], vec![0.0; size]);
                let multiplied = Output { weight, y: &mut up, accumulate: false };
                linear::forward(self.compute, &normed, rows, &mut [opened, multiplied]);
                gated::forward(self.compute, Activation::GeluTanh, &gate, &up, &mut hidden);
                (Some(up), Some(hidden))
            }
        };
        let state = FeedForwardState { x: x.to_vec(), gate, up };
        let hidden = hidden.as_ref().unwrap_or(&state.gate);
        linear::forward(self.compute, hidden, rows, &mut [Output { weight: &weights.down, y: x, accumulate: true }]);
        state
    }

    /// dx from the gradient of the output to that of the input, in place.
    pub(super) fn feed_forward_backward(&self, weights: &FeedForwardWeights, state: &FeedForwardState, dx: &mut [f32]) {
        let rows = dx.len() / self.config.width;
        let mut dhidden = vec![0.0; state.gate.len()];
        linear::backward(self.compute, rows, &[(&weights.down, dx)], &mut dhidden, false);
        let mut dnormed = vec![0.0; dx.len()];
        match (&weights.up, &state.up) {
            (Some(weight), Some(up)) => {
                let mut dgate = vec![0.0; state.gate.len()];
                gated::backward(self.compute, Activation::GeluTanh, &state.gate, up, &mut dhidden, &mut dgate);
                let inputs = [(&weights.gate, &dgate[..]), (weight, &dhidden)];
                linear::backward(self.compute, rows, &inputs, &mut dnormed, false);
            }
            _ => {
                relu::backward(self.compute, &state.gate, &mut dhidden);
                linear::backward(self.compute, rows, &[(&weights.gate, &dhidden)], &mut dnormed, false);
            }
        }
        self.norm_backward(&state.x, &weights.norm, &dnormed, dx);
    }
}
