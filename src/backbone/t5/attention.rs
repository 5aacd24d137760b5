//! The attention sublayer x + attention(norm(x)), over the rows themselves or over the encoder's output.

use super::config::T5Config;
use super::weights::AttentionWeights;
use crate::kernels::attention::Rows;
use crate::kernels::attention::biased::{self, Gradients, Pattern};
use crate::kernels::linear::{self, Output};
use crate::kernels::{Compute, rms_norm};

/// What a sublayer computes from, besides its weights.
#[derive(Clone, Copy)]
pub(super) struct Stack<'a> {
    pub compute: &'a Compute,
    pub config: &'a T5Config,
}

/// What the forward pass leaves for the backward pass.
pub(super) struct AttentionState {
    /// Input of the sublayer, query rows x d.
    x: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

/// Gradients of the projections.
struct Projections {
    dq: Vec<f32>,
    dk: Vec<f32>,
    dv: Vec<f32>,
}

impl Stack<'_> {
    pub(super) fn norm(&self, x: &[f32], weight: &[f32]) -> Vec<f32> {
        let mut normed = vec![0.0; x.len()];
        rms_norm::forward(self.compute, x, weight, self.config.norm_epsilon, &mut normed);
        normed
    }

    /// dx += gradient through the norm of `x`.
    pub(super) fn norm_backward(&self, x: &[f32], weight: &[f32], dnormed: &[f32], dx: &mut [f32]) {
        rms_norm::backward(self.compute, x, weight, self.config.norm_epsilon, dnormed, dx);
    }

    /// x += attention(norm(x)), keys and values from norm(x) or from `memory` (rows x d).
    pub(super) fn attention(
        &self,
        weights: &AttentionWeights,
        pattern: &Pattern<'_>,
        memory: Option<&[f32]>,
        x: &mut [f32],
    ) -> AttentionState {
        let (d, inner) = (self.config.width, self.config.inner_width());
        let normed = self.norm(x, &weights.norm);
        let queries = x.len() / d;
        let keys = memory.map_or(queries, |memory| memory.len() / d);
        let (mut q, mut k, mut v) = (vec![0.0; queries * inner], vec![0.0; keys * inner], vec![0.0; keys * inner]);
        let query = Output { weight: &weights.query, y: &mut q, accumulate: false };
        let key = Output { weight: &weights.key, y: &mut k, accumulate: false };
        let value = Output { weight: &weights.value, y: &mut v, accumulate: false };
        match memory {
            None => linear::forward(self.compute, &normed, queries, &mut [query, key, value]),
            Some(memory) => {
                linear::forward(self.compute, &normed, queries, &mut [query]);
                linear::forward(self.compute, memory, keys, &mut [key, value]);
            }
        }
        let mut attended = vec![0.0; queries * inner];
        biased::forward(self.compute, pattern, Rows { q: &q, k: &k, v: &v }, &mut attended);
        let state = AttentionState { x: x.to_vec(), q, k, v };
        let output = Output { weight: &weights.output, y: x, accumulate: true };
        linear::forward(self.compute, &attended, queries, &mut [output]);
        state
    }

    /// Self-attention: dx from the gradient of the output to that of the input, in place.
    pub(super) fn self_attention_backward(
        &self,
        weights: &AttentionWeights,
        pattern: &Pattern<'_>,
        state: &AttentionState,
        dx: &mut [f32],
    ) {
        let Projections { dq, dk, dv } = self.projections(weights, pattern, state, dx);
        let mut dnormed = vec![0.0; dx.len()];
        let inputs = [(&weights.query, &dq[..]), (&weights.key, &dk), (&weights.value, &dv)];
        linear::backward(self.compute, dx.len() / self.config.width, &inputs, &mut dnormed, false);
        self.norm_backward(&state.x, &weights.norm, &dnormed, dx);
    }

    /// Self-attention to chosen rows only: the gradient of the inputs of `rows`, one after another.
    pub(super) fn self_attention_backward_to(
        &self,
        weights: &AttentionWeights,
        pattern: &Pattern<'_>,
        state: &AttentionState,
        dx: &[f32],
        rows: &[usize],
    ) -> Vec<f32> {
        let (d, inner) = (self.config.width, self.config.inner_width());
        let Projections { dq, dk, dv } = self.projections(weights, pattern, state, dx);
        let [dq, dk, dv] = [dq, dk, dv].map(|rows_of| gather(&rows_of, inner, rows));
        let mut dnormed = vec![0.0; rows.len() * d];
        let inputs = [(&weights.query, &dq[..]), (&weights.key, &dk), (&weights.value, &dv)];
        linear::backward(self.compute, rows.len(), &inputs, &mut dnormed, false);
        let mut chosen = gather(dx, d, rows);
        self.norm_backward(&gather(&state.x, d, rows), &weights.norm, &dnormed, &mut chosen);
        chosen
    }

    /// Cross-attention: adds to `dmemory`, and with `to_input` takes dx from the output's gradient to the input's.
    pub(super) fn cross_attention_backward(
        &self,
        weights: &AttentionWeights,
        pattern: &Pattern<'_>,
        state: &AttentionState,
        dx: &mut [f32],
        to_input: bool,
        dmemory: &mut [f32],
    ) {
        let d = self.config.width;
        let Projections { dq, dk, dv } = self.projections(weights, pattern, state, dx);
        let inputs = [(&weights.key, &dk[..]), (&weights.value, &dv)];
        linear::backward(self.compute, dmemory.len() / d, &inputs, dmemory, true);
        if to_input {
            let mut dnormed = vec![0.0; dx.len()];
            linear::backward(self.compute, dx.len() / d, &[(&weights.query, &dq)], &mut dnormed, false);
            self.norm_backward(&state.x, &weights.norm, &dnormed, dx);
        }
    }

    fn projections(
        &self,
        weights: &AttentionWeights,
        pattern: &Pattern<'_>,
        state: &AttentionState,
        dx: &[f32],
    ) -> Projections {
        let AttentionState { q, k, v, .. } = state;
        let mut dattended = vec![0.0; q.len()];
        let queries = dx.len() / self.config.width;
        linear::backward(self.compute, queries, &[(&weights.output, dx)], &mut dattended, false);
        let (mut dq, mut dk, mut dv) = (vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]);
        let gradients = Gradients { dq: &mut dq, dk: &mut dk, dv: &mut dv };
        biased::backward(self.compute, pattern, Rows { q, k, v }, &dattended, gradients);
        Projections { dq, dk, dv }
    }
}

/// Rows of width `d` out of `from`.
fn gather(from: &[f32], d: usize, rows: &[usize]) -> Vec<f32> {
    rows.iter().flat_map(|&row| from[row * d..(row + 1) * d].iter().copied()).collect()
}
