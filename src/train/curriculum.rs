//! The curriculum (method section 4): how much a query set is mixed with another task follows the smoothed similarity of
//! query and regularized support gradients.
//!
//! lambda ~ Beta(alpha, alpha b), b = (m^s - 1) / (m - 1) + 1e-7. At s = 0 nothing is mixed, at s = 1 lambda is uniform.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::runtime::Random;

/// Keeps b above 0.
const OFFSET: f64 = 1e-7;
/// Weight of the past in the smoothed similarity.
const MEMORY: f64 = 0.5;

/// The alphas that draws come for. Joehnk's method takes a pair with the probability Gamma(alpha + 1) Gamma(alpha b + 1) /
/// Gamma(alpha (1 + b) + 1): at b = 1, its least, 1 of 70 at 4, 1 of 924 at 6, 1 of 10^59 at 100.
pub(super) const ALPHAS: RangeInclusive<f64> = 1e-3..=4.0;

/// The distribution of the mixing weight.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curriculum {
    /// alpha, 0.001 to 4 (published: 1).
    pub alpha: f64,
    /// m, above 1 (published: 2).
    pub base: f64,
}

impl Default for Curriculum {
    fn default() -> Self {
        Self { alpha: 1.0, base: 2.0 }
    }
}

impl Curriculum {
    /// b at the smoothed similarity `similarity` in 0..1.
    pub fn b(&self, similarity: f64) -> f64 {
        (self.base.powf(similarity) - 1.0) / (self.base - 1.0) + OFFSET
    }

    /// A draw of lambda, the weight of the task's own examples, from Beta(alpha, alpha b) (Joehnk, 1964). Takes
    /// about 70 tries at the largest alpha; beyond it the tries grow as 4^alpha.
    pub fn draw(&self, b: f64, random: &mut Random) -> f64 {
        loop {
            let x = (1.0 - random.unit()).powf(1.0 / self.alpha);
            let y = (1.0 - random.unit()).powf(1.0 / (self.alpha * b));
            if x + y > 0.0 && x + y <= 1.0 {
                return x / (x + y);
            }
        }
    }
}

/// s: 0 before the first step, then the mean similarity of a step's tasks, smoothed over steps with weight 0.5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SmoothedSimilarity(Option<f64>);

impl SmoothedSimilarity {
    /// The value now.
    pub fn value(&self) -> f64 {
        self.0.unwrap_or(0.0)
    }

    /// Takes in the mean of a step's tasks.
    pub fn add(&mut self, mean: f64) {
        self.0 = Some(self.0.map_or(mean, |past| MEMORY * past + (1.0 - MEMORY) * mean));
    }

    /// Whether a step was taken in.
    pub fn has_begun(&self) -> bool {
        self.0.is_some()
    }
}

/// A similarity that steps were taken in before.
impl From<f64> for SmoothedSimilarity {
    fn from(value: f64) -> Self {
        Self(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b_follows_the_similarity() {
        let curriculum = Curriculum::default();
        for (s, b) in [(0.0, 1e-7), (0.5, std::f64::consts::SQRT_2 - 1.0 + 1e-7), (1.0, 1.0 + 1e-7)] {
            assert!((curriculum.b(s) - b).abs() < 1e-12);
        }
    }

    #[test]
    fn draws_have_the_mean_and_spread_of_their_beta() {
        for (alpha, s) in [(1.0, 0.5), (1.0, 1.0), (0.5, 0.8), (2.0, 0.3)] {
            let curriculum = Curriculum { alpha, base: 2.0 };
            let b = curriculum.b(s);
            let mut random = Random::new(5, "lambda");
            let draws: Vec<f64> = (0..40_000).map(|_| curriculum.draw(b, &mut random)).collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let spread = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / draws.len() as f64;
            let variance = b / ((1.0 + b).powi(2) * (alpha * (1.0 + b) + 1.0));
            assert!((mean - 1.0 / (1.0 + b)).abs() < 0.01, "{alpha} {s}: mean {mean}");
            assert!((spread - variance).abs() < 0.005, "{alpha} {s}: {spread} is not {variance}");
        }
        let mut random = Random::new(5, "lambda");
        assert!((0..1_000).all(|_| Curriculum::default().draw(OFFSET, &mut random) > 0.999));
    }

    #[test]
    fn draws_come_at_both_ends_of_alpha() {
        for alpha in [*ALPHAS.start(), *ALPHAS.end()] {
            let curriculum = Curriculum { alpha, base: 2.0 };
            let mut random = Random::new(5, "lambda");
            for s in [0.0, 0.5, 1.0] {
                let b = curriculum.b(s);
                assert!((0..1_000).all(|_| (0.0..=1.0).contains(&curriculum.draw(b, &mut random))), "{alpha} {s}");
            }
        }
    }

    #[test]
    fn the_first_step_is_taken_whole() {
        let mut s = SmoothedSimilarity::default();
        assert!(!s.has_begun() && s.value() == 0.0);
        s.add(0.6);
        assert_eq!(s.value(), 0.6);
        s.add(0.4);
        assert_eq!(s.value(), 0.5);
    }
}
