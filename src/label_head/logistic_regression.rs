//! Multinomial logistic regression with an L2 penalty, fitted by L-BFGS (Nocedal and Wright 2006, section 7.2).

use std::collections::VecDeque;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayViewMut1, s};

use crate::error::Result;
use crate::runtime::Cancel;

/// Pairs of steps and changes of the gradient that are remembered.
const MEMORY: usize = 10;
/// Most iterations.
const MAX_ITERATIONS: usize = 1_000;
/// The fit is done when no derivative is larger than this for each row.
const TOLERANCE: f64 = 1e-6;
/// Share of the promised decrease that a step has to bring (Armijo).
const SUFFICIENT: f64 = 1e-4;

/// A linear classifier of rows of numbers.
pub struct LogisticRegression {
    /// Weights of the inputs and then the bias, class by class.
    weights: Array2<f64>,
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
    /// free. Errors: `Cancelled`.
    pub fn fit(data: Labelled<'_>, classes: usize, strength: f64, cancel: &Cancel) -> Result<Self> {
        let width = data.rows.first().map_or(0, Vec::len);
        Self { weights: Array2::zeros((classes, width + 1)) }.refit(data, strength, cancel)
    }

    /// [`LogisticRegression::fit`], begun at the weights of this fit to the same inputs: faster where they are close.
    pub fn refit(&self, data: Labelled<'_>, strength: f64, cancel: &Cancel) -> Result<Self> {
        let objective = Objective::new(data, self.weights.nrows(), strength);
        let tolerance = TOLERANCE * data.rows.len() as f64;
        Ok(Self { weights: minimise(self.weights.clone(), tolerance, |weights| objective.at(weights), cancel)? })
    }

    /// Weights of the inputs and then the bias, class by class.
    pub(super) fn weights(&self) -> &Array2<f64> {
        &self.weights
    }

    /// Probability of every class, without an offset.
    pub fn predict(&self, row: &[f32]) -> Vec<f32> {
        let input: Array1<f64> = row.iter().map(|&x| f64::from(x)).chain([1.0]).collect();
        let mut logits = self.weights.dot(&input);
        softmax(&mut logits.view_mut());
        logits.iter().map(|&p| p as f32).collect()
    }
}

struct Objective<'a> {
    /// The rows, a 1 for the bias behind each.
    inputs: Array2<f64>,
    labels: &'a [usize],
    /// What the logits begin with, (rows, classes).
    offsets: Array2<f64>,
    strength: f64,
}

impl<'a> Objective<'a> {
    fn new(data: Labelled<'a>, classes: usize, strength: f64) -> Self {
        let Labelled { rows, labels, offsets } = data;
        let width = rows.first().map_or(0, Vec::len);
        let input = |(row, column): (usize, usize)| rows[row].get(column).map_or(1.0, |&x| f64::from(x));
        let offset = |(row, class): (usize, usize)| offsets.get(row).map_or(0.0, |of_row| f64::from(of_row[class]));
        Self {
            inputs: Array2::from_shape_fn((rows.len(), width + 1), input),
            labels,
            offsets: Array2::from_shape_fn((rows.len(), classes), offset),
            strength,
        }
    }

    /// Value and gradient.
    fn at(&self, weights: &Array2<f64>) -> (f64, Array2<f64>) {
        let mut errors = self.offsets.clone();
        general_mat_mul(1.0, &self.inputs, &weights.t(), 1.0, &mut errors);
        let mut value = 0.0;
        for (mut row, &label) in errors.rows_mut().into_iter().zip(self.labels) {
            softmax(&mut row);
            value -= row[label].max(f64::MIN_POSITIVE).ln();
            row[label] -= 1.0;
        }
        let mut gradient = Array2::zeros(weights.raw_dim());
        general_mat_mul(1.0, &errors.t(), &self.inputs, 0.0, &mut gradient);
        let penalized = weights.slice(s![.., ..-1]);
        gradient.slice_mut(s![.., ..-1]).scaled_add(self.strength, &penalized);
        value += 0.5 * self.strength * penalized.iter().map(|w| w * w).sum::<f64>();
        (value, gradient)
    }
}

fn softmax(row: &mut ArrayViewMut1<'_, f64>) {
    let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    row.mapv_inplace(|logit| (logit - highest).exp());
    let total = row.sum();
    *row /= total;
}

/// A minimum of the convex function whose value and gradient `at` gives. Errors: `Cancelled`.
fn minimise(
    mut x: Array2<f64>,
    tolerance: f64,
    at: impl Fn(&Array2<f64>) -> (f64, Array2<f64>),
    cancel: &Cancel,
) -> Result<Array2<f64>> {
    let (mut value, mut gradient) = at(&x);
    let mut memory = VecDeque::new();
    for _ in 0..MAX_ITERATIONS {
        cancel.check()?;
        if gradient.iter().all(|g| g.abs() <= tolerance) {
            break;
        }
        let direction = direction(&gradient, &memory);
        let slope = dot(&direction, &gradient);
        // The first step has no measure of the curvature: it moves by the length 1 at most.
        let first = if memory.is_empty() { (1.0 / dot(&gradient, &gradient).sqrt()).min(1.0) } else { 1.0 };
        let mut lower = None;
        for step in std::iter::successors(Some(first), |step| Some(step / 2.0)).take(60) {
            cancel.check()?;
            let mut moved = x.clone();
            moved.scaled_add(step, &direction);
            let (reached, gradient) = at(&moved);
            if reached <= value + SUFFICIENT * step * slope {
                lower = Some((moved, reached, gradient));
                break;
            }
        }
        // No step goes down any more: this is as low as the numbers can tell.
        let Some((moved, reached, turned)) = lower else { break };
        let (step, change) = (&moved - &x, &turned - &gradient);
        if dot(&step, &change) > 0.0 {
            memory.push_back((step, change));
            if memory.len() > MEMORY {
                memory.pop_front();
            }
        }
        (x, value, gradient) = (moved, reached, turned);
    }
    Ok(x)
}

/// Minus the inverse curvature times the gradient, by the two loops of algorithm 7.4.
fn direction(gradient: &Array2<f64>, memory: &VecDeque<(Array2<f64>, Array2<f64>)>) -> Array2<f64> {
    let mut q = -gradient;
    let mut shares = Vec::with_capacity(memory.len());
    for (step, change) in memory.iter().rev() {
        let share = dot(step, &q) / dot(step, change);
        q.scaled_add(-share, change);
        shares.push(share);
    }
    if let Some((step, change)) = memory.back() {
        q *= dot(step, change) / dot(change, change);
    }
    for ((step, change), share) in memory.iter().zip(shares.into_iter().rev()) {
        let correction = share - dot(change, &q) / dot(step, change);
        q.scaled_add(correction, step);
    }
    q
}

fn dot(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;
    use crate::runtime::Random;

    fn fit(data: Labelled<'_>, classes: usize, strength: f64) -> LogisticRegression {
        LogisticRegression::fit(data, classes, strength, &Cancel::new()).unwrap()
    }

    #[test]
    fn a_fit_can_be_cancelled() {
        let cancel = Cancel::new();
        cancel.request();
        let data = Labelled { rows: &[vec![1.0]], labels: &[0], offsets: &[] };
        let refused = LogisticRegression::fit(data, 2, 1.0, &cancel).err().unwrap();
        assert_eq!(refused.status(), Status::Cancelled);
    }

    #[test]
    fn two_points_have_the_solution_on_paper() {
        let rows = [vec![-1.0], vec![1.0]];
        let fitted = fit(Labelled { rows: &rows, labels: &[0, 1], offsets: &[] }, 2, 1.0);
        // The gap d of the two logits at 1 solves d (1 + e^d) = 4.
        let gap = f64::from(fitted.predict(&[1.0])[1] / fitted.predict(&[1.0])[0]).ln();
        assert!((gap * (1.0 + gap.exp()) - 4.0).abs() < 1e-4, "{gap}");
        assert!((fitted.predict(&[0.0])[0] - 0.5).abs() < 1e-6);
    }

    #[test]
    fn the_biases_follow_the_shares_when_weights_are_forbidden() {
        let rows: Vec<Vec<f32>> = (0..10).map(|i| vec![i as f32]).collect();
        let labels = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2];
        let fitted = fit(Labelled { rows: &rows, labels: &labels, offsets: &[] }, 3, 1e9);
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
        let fitted = fit(data, 3, 0.01);
        let objective = Objective::new(data, 3, 0.01);
        let (value, gradient) = objective.at(&fitted.weights);
        assert!(gradient.iter().all(|g| g.abs() <= 60.0 * TOLERANCE), "{value}");
        assert!(rows.iter().zip(&labels).all(|(row, &label)| fitted.predict(row)[label] > 0.9));
    }
}
