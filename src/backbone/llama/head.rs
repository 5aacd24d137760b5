//! The output head: final norm and whole-vocabulary logits of chosen rows.

use super::Llama;
use super::layer::resize;
use crate::backbone::Sequence;
use crate::backbone::footprint::LOGIT_ROWS;
use crate::backbone::weights::{Format, FrozenMatrix, Storage};
use crate::error::Result;
use crate::kernels::linear::{self, Output};
use crate::kernels::{cross_entropy, rms_norm};
use crate::label_head::LabelHead;

/// Buffers of the head.
#[derive(Default)]
pub(super) struct HeadBuffers {
    pub normed: Vec<f32>,
    pub logits: Vec<f32>,
}

impl Llama {
    pub(super) fn head(&self) -> &FrozenMatrix {
        self.source.head.as_ref().unwrap_or(&self.source.embedding)
    }

    fn final_norm(&self, hidden: &[f32], normed: &mut Vec<f32>) {
        let normed = resize(normed, hidden.len());
        rms_norm::forward(&self.compute, hidden, &self.source.final_norm, self.source.config.norm_epsilon, normed);
    }

    /// Losses in nats of the rows of `hidden` against the answers of `examples`; with `weight`, `dhidden` gets their
    /// weighted gradient.
    pub(super) fn head_loss(
        &self,
        hidden: &[f32],
        examples: &[Sequence],
        weight: f32,
        dhidden: Option<&mut Vec<f32>>,
        buffers: &mut HeadBuffers,
    ) -> Vec<f32> {
        let (compute, head) = (&self.compute, self.head());
        let targets: Vec<u32> = examples.iter().flat_map(|e| e.answer.iter().copied()).collect();
        self.final_norm(hidden, &mut buffers.normed);
        let logits = resize(&mut buffers.logits, targets.len() * head.rows());
        let output = Output { weight: head, y: logits, accumulate: false };
        linear::forward(compute, &buffers.normed, targets.len(), &mut [output]);
        cross_entropy::keep_only(logits, head.rows(), examples.iter().flat_map(Sequence::rivals));
        let losses = cross_entropy::forward_backward(compute, logits, head.rows(), &targets, weight);
        if let Some(dhidden) = dhidden {
            linear::backward(compute, targets.len(), &[(head, logits)], &mut buffers.normed, false);
            resize(dhidden, hidden.len()).fill(0.0);
            let (norm, epsilon) = (&self.source.final_norm, self.source.config.norm_epsilon);
            rms_norm::backward(compute, hidden, norm, epsilon, &buffers.normed, dhidden);
        }
        losses
    }

    /// `loss` of the rows of `hidden` behind the final norm; with `dhidden`, that gets its gradient.
    pub(super) fn head_state_loss(
        &self,
        hidden: &[f32],
        dhidden: Option<&mut Vec<f32>>,
        buffers: &mut HeadBuffers,
        loss: &mut dyn FnMut(&[f32], &mut [f32]) -> f32,
    ) -> f32 {
        self.final_norm(hidden, &mut buffers.normed);
        let dnormed = resize(&mut buffers.logits, hidden.len());
        dnormed.fill(0.0);
        let value = loss(&buffers.normed, dnormed);
        if let Some(dhidden) = dhidden {
            resize(dhidden, hidden.len()).fill(0.0);
            let (norm, epsilon) = (&self.source.final_norm, self.source.config.norm_epsilon);
            rms_norm::backward(&self.compute, hidden, norm, epsilon, dnormed, dhidden);
        }
        value
    }

    /// Logits of the labels of each head for its row of `hidden`.
    pub(super) fn head_scores(&self, hidden: &[f32], heads: &[&LabelHead], buffers: &mut HeadBuffers) -> Vec<Vec<f32>> {
        self.final_norm(hidden, &mut buffers.normed);
        let states = buffers.normed.chunks_exact(self.source.config.width);
        states.zip(heads).map(|(state, head)| head.logits(state)).collect()
    }

    /// Logits of `tokens` for every row of `hidden`, and the rows' log normalizers when `normalized`: rows x tokens
    /// values of log-probability (or of logits).
    pub(super) fn token_scores(
        &self,
        hidden: &[f32],
        tokens: &[u32],
        normalized: bool,
        buffers: &mut HeadBuffers,
    ) -> Result<Vec<f32>> {
        let (compute, head, d) = (&self.compute, self.head(), self.source.config.width);
        let rows = hidden.len() / d;
        self.final_norm(hidden, &mut buffers.normed);
        if !normalized {
            let mut chosen = vec![0.0; tokens.len() * d];
            for (row, &token) in chosen.chunks_exact_mut(d).zip(tokens) {
                head.expand(token as usize, 0, row);
            }
            let chosen = FrozenMatrix::new(tokens.len(), d, Format::F32, Storage::Owned(chosen))?;
            let mut scores = vec![0.0; rows * tokens.len()];
            linear::forward(
                compute,
                &buffers.normed,
                rows,
                &mut [Output { weight: &chosen, y: &mut scores, accumulate: false }],
            );
            return Ok(scores);
        }
        let v = head.rows();
        let HeadBuffers { normed, logits, .. } = buffers;
        let mut scores = Vec::with_capacity(rows * tokens.len());
        for states in normed.chunks(LOGIT_ROWS * d) {
            let rows = states.len() / d;
            let logits = resize(logits, rows * v);
            linear::forward(compute, states, rows, &mut [Output { weight: head, y: logits, accumulate: false }]);
            let first = scores.len();
            scores.extend(logits.chunks_exact(v).flat_map(|row| tokens.iter().map(|&t| row[t as usize])));
            let normalizers = cross_entropy::log_sum_exp(compute, logits, v);
            for (row, normalizer) in scores[first..].chunks_exact_mut(tokens.len()).zip(normalizers) {
                row.iter_mut().for_each(|score| *score -= normalizer);
            }
        }
        Ok(scores)
    }
}
