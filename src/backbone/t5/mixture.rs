//! The loss of a mixture of two batches (method section 4): encoder outputs are mixed, the decoder reads the mixture with the
//! first batch's inputs, and the loss looks at the first two decoder positions, sentinel and label.

use super::batch::{Example, check_targets};
use super::network::{EncoderOutput, T5Network};
use crate::backbone::mixture::{divergence, joined};
use crate::error::{Result, Status, fail};
use crate::kernels::cross_entropy;
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// Decoder positions that the loss looks at.
const POSITIONS: usize = 2;

/// A mixture with its loss and its gradient to the prompt.
// Without meta-training only the last two are read; the others are what the published numbers are compared with.
#[cfg_attr(not(feature = "train"), allow(dead_code))]
pub(crate) struct Mixed {
    /// Encoder output of the task's own examples.
    pub own: EncoderOutput,
    /// Encoder output of the other task's.
    pub other: EncoderOutput,
    /// lambda own + (1 - lambda) other; where one of two texts has ended, nothing is added to the other's weighed rows
    /// (deviation: the published code adds the hidden states of padding).
    pub mixture: EncoderOutput,
    /// Logits of all decoder positions, examples one after another.
    pub logits: Vec<f32>,
    /// KL(T || softmax(logits)) of every pair, entropy of T included, summed over the two positions.
    pub per_example: Vec<f32>,
    /// Their mean.
    pub loss: f32,
    /// d loss / d prompt, (P, d).
    pub gradient: Vec<f32>,
}

impl T5Network {
    /// Mixes `own` with `other`, paired by position, `own` weighing `lambda`.
    ///
    /// Errors: `InvalidArgument` for batches that do not pair or fewer than two decoder positions, and those of
    /// [`T5Network::encode`] and [`T5Network::decode`].
    pub(crate) fn mixture(
        &self,
        prompt: &SoftPrompt,
        (own, other): (&[Example], &[Example]),
        centers: &[f32],
        lambda: f32,
        cancel: &Cancel,
    ) -> Result<Mixed> {
        let too_short = |e: &Example| e.decoder_input_ids.len() < POSITIONS || e.labels.len() < POSITIONS;
        if own.len() != other.len() || own.iter().chain(other).any(too_short) {
            return fail(
                Status::InvalidArgument,
                format!(
                    "a mixture takes two batches of as many examples, each with {POSITIONS} or more decoder positions; \
                     batches of {} and {} came",
                    own.len(),
                    other.len()
                ),
            );
        }
        let first = self.encode(prompt, own, centers, cancel)?;
        let second = self.encode(prompt, other, centers, cancel)?;
        let mixture = mix(&first.output, &second.output, lambda, self.width());
        let decoded = self.decode(&mixture, own, cancel)?;
        let (per_example, dlogits) = self.mixed_targets(&decoded.logits, own, other, lambda)?;
        let dmixture = self.decode_backward(&mixture, &decoded, &dlogits, cancel)?;
        let [to_first, to_second] = unmix(&first.output, &second.output, &dmixture, lambda, self.width());
        let mut gradient = self.encode_backward(&first, &to_first, cancel)?;
        let more = self.encode_backward(&second, &to_second, cancel)?;
        gradient.iter_mut().zip(&more).for_each(|(sum, g)| *sum += g);
        let loss = (per_example.iter().map(|&l| f64::from(l)).sum::<f64>() / own.len().max(1) as f64) as f32;
        let (own, other) = (first.output, second.output);
        Ok(Mixed { own, other, mixture, logits: decoded.logits, per_example, loss, gradient })
    }

    /// The loss of every pair, and the gradient of their mean to the logits.
    fn mixed_targets(
        &self,
        logits: &[f32],
        own: &[Example],
        other: &[Example],
        lambda: f32,
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        let v = self.vocabulary();
        check_targets(own, logits.len() / v, v)?;
        let weight = 1.0 / own.len().max(1) as f32;
        let targets: Vec<u32> = own.iter().flat_map(|e| e.labels.iter().map(|&id| id as u32)).collect();
        let mut dlogits = logits.to_vec();
        let among: Vec<Vec<u32>> = (own.iter().zip(other))
            .flat_map(|(own, other)| {
                (0..own.labels.len()).map(|position| joined(own.rivals(position), other.rivals(position)))
            })
            .collect();
        cross_entropy::keep_only(&mut dlogits, v, among.iter().map(Vec::as_slice));
        let cross = self
            .compute
            .threads
            .enter(|| cross_entropy::forward_backward(&self.compute, &mut dlogits, v, &targets, weight));
        let mut per_example = Vec::with_capacity(own.len());
        let mut row = 0;
        for (own, other) in own.iter().zip(other) {
            let mut loss = 0.0;
            for (position, &label) in own.labels.iter().enumerate() {
                let slopes = &mut dlogits[row * v..(row + 1) * v];
                if position < POSITIONS {
                    let (label, partner) = (label as usize, other.labels[position]);
                    let Some(partner) = usize::try_from(partner).ok().filter(|&id| id < v) else {
                        return fail(Status::InvalidArgument, format!("label id {partner} is outside the vocabulary"));
                    };
                    let gap = logits[row * v + label] - logits[row * v + partner];
                    loss += divergence(lambda, cross[row], gap, label == partner);
                    slopes[label] += weight * (1.0 - lambda);
                    slopes[partner] -= weight * (1.0 - lambda);
                } else {
                    slopes.fill(0.0);
                }
                row += 1;
            }
            per_example.push(loss as f32);
        }
        Ok((per_example, dlogits))
    }
}

/// Rows of `a` and `b` mixed example by example, masks joined; a row of weight 0 masks nothing in.
fn mix(a: &EncoderOutput, b: &EncoderOutput, lambda: f32, d: usize) -> EncoderOutput {
    let mut mixed = EncoderOutput { hidden: Vec::new(), lengths: Vec::new(), mask: Vec::new() };
    let (mut at, mut bt) = (0, 0);
    for (&m, &n) in a.lengths.iter().zip(&b.lengths) {
        for i in 0..m.max(n) {
            let start = mixed.hidden.len();
            mixed.hidden.resize(start + d, 0.0);
            let mut is_seen = false;
            for (output, first, length, weight) in [(a, at, m, lambda), (b, bt, n, 1.0 - lambda)] {
                if i < length {
                    let row = &output.hidden[(first + i) * d..][..d];
                    mixed.hidden[start..].iter_mut().zip(row).for_each(|(sum, x)| *sum += weight * x);
                    is_seen |= weight > 0.0 && output.mask[first + i];
                }
            }
            mixed.mask.push(is_seen);
        }
        mixed.lengths.push(m.max(n));
        (at, bt) = (at + m, bt + n);
    }
    mixed
}

/// The gradients to the rows of `a` and `b` from that to their mixture.
fn unmix(a: &EncoderOutput, b: &EncoderOutput, dmixture: &[f32], lambda: f32, d: usize) -> [Vec<f32>; 2] {
    let (mut to_a, mut to_b) = (Vec::with_capacity(a.hidden.len()), Vec::with_capacity(b.hidden.len()));
    let mut start = 0;
    for (&m, &n) in a.lengths.iter().zip(&b.lengths) {
        for (to, length, weight) in [(&mut to_a, m, lambda), (&mut to_b, n, 1.0 - lambda)] {
            to.extend(dmixture[start * d..(start + length) * d].iter().map(|g| weight * g));
        }
        start += m.max(n);
    }
    [to_a, to_b]
}
