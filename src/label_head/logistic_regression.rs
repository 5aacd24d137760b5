//! Multinomial logistic regression with an L2 penalty, fitted by L-BFGS (Nocedal and Wright 2006, section 7.2).

use std::collections::VecDeque;

/// Pairs of steps and changes of the gradient that are remembered.
const MEMORY: usize = 10;
/// Most iterations.
const MAX_ITERATIONS: usize = 1_000;
/// The fit is done when no derivative is larger than this for each row.
const TOLERANCE: f64 = 1e-6;
/// Numbers that are added side by side.
const LANES: usize = 8;
/// Share of the promised decrease that a step has to bring (Armijo).
const SUFFICIENT: f64 = 1e-4;

/// A linear classifier of rows of numbers.
pub struct LogisticRegression {
    /// Weights of the inputs and then the bias, class by class.
    weights: Vec<f64>,
    classes: usize,
}

/// Rows of numbers, all equally many, with their classes.
#[derive(Clone, Copy)]
pub struct Labelled<'a> {
    /// The rows.
    pub rows: &'a [Vec<f32>],
    /// Position of each row's class.
    pub labels: &'a [usize],
    /// What is added to each row's logits, which the fit starts from; empty: nothing.
    pub offsets: &'a [Vec<f32>],
}

impl LogisticRegression {
    /// Minimises the cross entropy summed over `data` plus `strength` / 2 times the squared weights, biases and offsets
    /// free.
    pub fn fit(data: Labelled<'_>, classes: usize, strength: f64) -> Self {
        let stride = data.rows.first().map_or(0, Vec::len) + 1;
        Self { weights: vec![0.0; classes * stride], classes }.refit(data, strength)
    }

    /// [`LogisticRegression::fit`], begun at the weights of this fit to the same inputs: faster where they are close.
    pub fn refit(&self, data: Labelled<'_>, strength: f64) -> Self {
        let (classes, stride) = (self.classes, self.weights.len() / self.classes);
        let objective = Objective { data, classes, stride, strength };
        let tolerance = TOLERANCE * data.rows.len() as f64;
        Self { weights: minimise(self.weights.clone(), tolerance, |weights| objective.at(weights)), classes }
    }

    /// Weights of the inputs and then the bias, class by class.
    pub fn weights(&self) -> impl Iterator<Item = &[f64]> {
        self.weights.chunks_exact(self.weights.len() / self.classes)
    }

    /// Probability of every class, without an offset.
    pub fn predict(&self, row: &[f32]) -> Vec<f32> {
        softmax(logits(&self.weights, self.classes, row)).into_iter().map(|p| p as f32).collect()
    }
}

struct Objective<'a> {
    data: Labelled<'a>,
    classes: usize,
    /// Weights of a class.
    stride: usize,
    strength: f64,
}

impl Objective<'_> {
    /// Value and gradient.
    fn at(&self, weights: &[f64]) -> (f64, Vec<f64>) {
        let mut value = 0.0;
        let mut gradient = vec![0.0; weights.len()];
        for (at, (row, &label)) in self.data.rows.iter().zip(self.data.labels).enumerate() {
            let mut logits = logits(weights, self.classes, row);
            if let Some(offsets) = self.data.offsets.get(at) {
                logits.iter_mut().zip(offsets).for_each(|(logit, &offset)| *logit += f64::from(offset));
            }
            let p = softmax(logits);
            value -= p[label].max(f64::MIN_POSITIVE).ln();
            for (class, of_class) in gradient.chunks_exact_mut(self.stride).enumerate() {
                let error = p[class] - f64::from(u8::from(class == label));
                of_class.iter_mut().zip(row).for_each(|(g, &x)| *g += error * f64::from(x));
                of_class[self.stride - 1] += error;
            }
        }
        for (of_class, own) in gradient.chunks_exact_mut(self.stride).zip(weights.chunks_exact(self.stride)) {
            for (g, w) in of_class.iter_mut().zip(own).take(self.stride - 1) {
                *g += self.strength * w;
                value += 0.5 * self.strength * w * w;
            }
        }
        (value, gradient)
    }
}

fn logits(weights: &[f64], classes: usize, row: &[f32]) -> Vec<f64> {
    let of_class = weights.chunks_exact(weights.len() / classes);
    of_class.map(|of_class| product(of_class, row) + of_class[row.len()]).collect()
}

/// The product of the first weights with `row`, summed in lanes that a processor adds at once.
fn product(weights: &[f64], row: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (rows, rest) = row.as_chunks::<LANES>();
    for (weights, row) in weights.chunks_exact(LANES).zip(rows) {
        (0..LANES).for_each(|i| lanes[i] += weights[i] * f64::from(row[i]));
    }
    let tail = weights[row.len() - rest.len()..].iter().zip(rest).map(|(w, &x)| w * f64::from(x));
    lanes.iter().sum::<f64>() + tail.sum::<f64>()
}

fn softmax(logits: Vec<f64>) -> Vec<f64> {
    let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = logits.into_iter().map(|logit| (logit - highest).exp()).collect();
    let total: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / total).collect()
}

/// A minimum of the convex function whose value and gradient `at` gives.
fn minimise(mut x: Vec<f64>, tolerance: f64, at: impl Fn(&[f64]) -> (f64, Vec<f64>)) -> Vec<f64> {
    let (mut value, mut gradient) = at(&x);
    let mut memory = VecDeque::new();
    for _ in 0..MAX_ITERATIONS {
        if gradient.iter().all(|g| g.abs() <= tolerance) {
            break;
        }
        let direction = direction(&gradient, &memory);
        let slope = dot(&direction, &gradient);
        // The first step has no measure of the curvature: it moves by the length 1 at most.
        let first = if memory.is_empty() { (1.0 / dot(&gradient, &gradient).sqrt()).min(1.0) } else { 1.0 };
        let tried = std::iter::successors(Some(first), |step| Some(step / 2.0)).take(60).find_map(|step| {
            let moved: Vec<f64> = x.iter().zip(&direction).map(|(x, d)| x + step * d).collect();
            let (lower, gradient) = at(&moved);
            (lower <= value + SUFFICIENT * step * slope).then_some((moved, lower, gradient))
        });
        // No step goes down any more: this is as low as the numbers can tell.
        let Some((moved, lower, turned)) = tried else { break };
        let step: Vec<f64> = moved.iter().zip(&x).map(|(new, old)| new - old).collect();
        let change: Vec<f64> = turned.iter().zip(&gradient).map(|(new, old)| new - old).collect();
        if dot(&step, &change) > 0.0 {
            memory.push_back((step, change));
            if memory.len() > MEMORY {
                memory.pop_front();
            }
        }
        (x, value, gradient) = (moved, lower, turned);
    }
    x
}

/// Minus the inverse curvature times the gradient, by the two loops of algorithm 7.4.
fn direction(gradient: &[f64], memory: &VecDeque<(Vec<f64>, Vec<f64>)>) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut shares = Vec::with_capacity(memory.len());
    for (step, change) in memory.iter().rev() {
        let share = dot(step, &q) / dot(step, change);
        q.iter_mut().zip(change).for_each(|(q, y)| *q -= share * y);
        shares.push(share);
    }
    if let Some((step, change)) = memory.back() {
        let scale = dot(step, change) / dot(change, change);
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for ((step, change), share) in memory.iter().zip(shares.into_iter().rev()) {
        let correction = share - dot(change, &q) / dot(step, change);
        q.iter_mut().zip(step).for_each(|(q, s)| *q += correction * s);
    }
    q
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Random;

    #[test]
    fn two_points_have_the_solution_on_paper() {
        let rows = [vec![-1.0], vec![1.0]];
        let fitted = LogisticRegression::fit(Labelled { rows: &rows, labels: &[0, 1], offsets: &[] }, 2, 1.0);
        // The gap d of the two logits at 1 solves d (1 + e^d) = 4.
        let gap = f64::from(fitted.predict(&[1.0])[1] / fitted.predict(&[1.0])[0]).ln();
        assert!((gap * (1.0 + gap.exp()) - 4.0).abs() < 1e-4, "{gap}");
        assert!((fitted.predict(&[0.0])[0] - 0.5).abs() < 1e-6);
    }

    #[test]
    fn the_biases_follow_the_shares_when_weights_are_forbidden() {
        let rows: Vec<Vec<f32>> = (0..10).map(|i| vec![i as f32]).collect();
        let labels = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2];
        let fitted = LogisticRegression::fit(Labelled { rows: &rows, labels: &labels, offsets: &[] }, 3, 1e9);
        for (p, share) in fitted.predict(&[4.5]).iter().zip([0.5, 0.3, 0.2]) {
            assert!((p - share).abs() < 1e-3, "{p} instead of {share}");
        }
    }

    #[test]
    fn a_fit_is_a_minimum_and_separates_what_can_be_separated() {
        let mut random = Random::new(1, "logistic");
        let labels: Vec<usize> = (0..60).map(|i| i % 3).collect();
        let row = |&class: &usize| {
            (0..20).map(|i| random.normal() as f32 + if i == class { 4.0 } else { 0.0 }).collect::<Vec<f32>>()
        };
        let rows: Vec<Vec<f32>> = labels.iter().map(row).collect();
        let data = Labelled { rows: &rows, labels: &labels, offsets: &[] };
        let fitted = LogisticRegression::fit(data, 3, 0.01);
        let objective = Objective { data, classes: 3, stride: 21, strength: 0.01 };
        let (value, gradient) = objective.at(&fitted.weights);
        assert!(gradient.iter().all(|g| g.abs() <= 60.0 * TOLERANCE), "{value}");
        assert!(rows.iter().zip(&labels).all(|(row, &label)| fitted.predict(row)[label] > 0.9));
    }
}
