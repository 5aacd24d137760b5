//! Answer states brought to mean 0 and deviation 1, and the way back into a head.

use super::{AnswerStates, LabelHead};
use crate::error::Result;

/// Brings every value of a state to mean 0 and deviation 1 over some rows.
#[derive(Clone, Debug)]
pub(crate) struct Scaling {
    mean: Vec<f32>,
    /// A little above the deviation, so that a value that never changes stays finite.
    deviation: Vec<f32>,
}

impl Scaling {
    /// Of the rows of `states`.
    pub fn of(states: &AnswerStates) -> Self {
        let d = states.width();
        let share = 1.0 / states.rows().len().max(1) as f64;
        let (mut mean, mut variance) = (vec![0.0f64; d], vec![0.0f64; d]);
        for state in states.rows() {
            mean.iter_mut().zip(state).for_each(|(m, &x)| *m += share * f64::from(x));
        }
        for state in states.rows() {
            variance.iter_mut().zip(&mean).zip(state).for_each(|((v, m), &x)| *v += share * (f64::from(x) - m).powi(2));
        }
        let floor = 1e-3 * (variance.iter().sum::<f64>() / d as f64).sqrt() + 1e-6;
        Self {
            mean: mean.into_iter().map(|m| m as f32).collect(),
            deviation: variance.into_iter().map(|v| (v.sqrt() + floor) as f32).collect(),
        }
    }

    /// d, the width of a state.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// `state` scaled.
    pub fn apply(&self, state: &[f32]) -> Vec<f32> {
        state.iter().zip(&self.mean).zip(&self.deviation).map(|((x, m), s)| (x - m) / s).collect()
    }

    /// The head that gives plain states the logits `prior_c . h + delta_c . scaled(h) + bias_c`; `values` are the deltas,
    /// (C, d), and then the biases. Errors: `NotFinite`.
    pub fn head(&self, prior: &[f32], values: &[f32]) -> Result<LabelHead> {
        let d = self.width();
        let (deltas, biases) = values.split_at(prior.len());
        let (mut rows, mut shifted) = (prior.to_vec(), biases.to_vec());
        for ((row, bias), delta) in rows.chunks_exact_mut(d).zip(&mut shifted).zip(deltas.chunks_exact(d)) {
            for ((w, delta), (mean, deviation)) in row.iter_mut().zip(delta).zip(self.mean.iter().zip(&self.deviation))
            {
                *w += delta / deviation;
                *bias -= delta * mean / deviation;
            }
        }
        LabelHead::new(d, rows, shifted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states() -> AnswerStates {
        AnswerStates::given(3, vec![1.0, 5.0, 2.0, 3.0, 5.0, -2.0])
    }

    #[test]
    fn scaled_values_have_mean_zero_and_deviation_one_and_constants_become_zero() {
        let scaling = Scaling::of(&states());
        let scaled: Vec<Vec<f32>> = states().rows().map(|state| scaling.apply(state)).collect();
        for (got, want) in scaled.concat().iter().zip([-1.0, 0.0, 1.0, 1.0, 0.0, -1.0]) {
            assert!((got - want).abs() < 3e-3, "{got} is not {want}");
        }
    }

    #[test]
    fn a_head_of_plain_states_gives_the_logits_of_the_scaled_ones() {
        let (prior, values) = ([0.5, -1.0, 2.0, 0.0, 1.0, 0.25], [1.0, 2.0, -1.0, 0.5, 0.0, 3.0, 0.1, -0.2]);
        let scaling = Scaling::of(&states());
        let head = scaling.head(&prior, &values).unwrap();
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        for (state, logits) in states().rows().zip(states().scores(&head)) {
            let scaled = scaling.apply(state);
            for c in 0..2 {
                let of = 3 * c..3 * c + 3;
                let want = dot(&prior[of.clone()], state) + dot(&values[of], &scaled) + values[6 + c];
                assert!((logits[c] - want).abs() < 1e-3, "{} is not {want}", logits[c]);
            }
        }
    }
}
