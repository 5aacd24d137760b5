//! The label head: trained rows in the place of the labels' verbalizers, a linear map from the answer state to the labels
//! (deviation: the method scores labels by their verbalizers alone).

mod answer_states;
mod fit;
mod logistic_regression;
mod scaling;

use crate::error::{Result, Status, fail};
use crate::limits::{MAX_LABELS, MAX_WIDTH};
use crate::predict::scoring::softmax;

pub(crate) use answer_states::AnswerStates;
use fit::dot;
pub(crate) use fit::{fit, verbalizer_rows};
pub use logistic_regression::{Labelled, LogisticRegression};
pub(crate) use scaling::Scaling;

/// C rows of width d and C biases: label c has the logit `row_c . h + bias_c`, h (d) being the state from which the
/// network predicts the first token of an answer, behind the final norm.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelHead {
    width: usize,
    rows: Vec<f32>,
    biases: Vec<f32>,
}

impl LabelHead {
    /// A head of `biases.len()` labels; `rows` has `width` values for each of them, label by label.
    ///
    /// Errors: `InvalidArgument` for no label, too many, or another number of values; `NotFinite`.
    pub fn new(width: usize, rows: Vec<f32>, biases: Vec<f32>) -> Result<Self> {
        let labels = biases.len();
        if !(1..=MAX_LABELS).contains(&labels) || !(1..=MAX_WIDTH).contains(&width) || rows.len() != labels * width {
            return fail(
                Status::InvalidArgument,
                format!(
                    "a label head has 1 to {MAX_LABELS} labels and as many rows of one width; {} values and {labels} \
                     biases came for the width {width}",
                    rows.len()
                ),
            );
        }
        if !rows.iter().chain(&biases).all(|value| value.is_finite()) {
            return fail(
                Status::NotFinite,
                "a label head holds a value that is not finite; a lower learning rate keeps its training from diverging",
            );
        }
        Ok(Self { width, rows, biases })
    }

    /// C, the number of labels.
    pub fn labels(&self) -> usize {
        self.biases.len()
    }

    /// d, the width of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All rows, label by label.
    pub fn rows(&self) -> &[f32] {
        &self.rows
    }

    /// The bias of every label.
    pub fn biases(&self) -> &[f32] {
        &self.biases
    }

    /// Cross entropy in nats of the label `gold` for the answer state `state`, and its gradient to the logits, both times
    /// `share`; the gradient to the state is added to `dstate`.
    pub(crate) fn cross_entropy(&self, state: &[f32], gold: usize, share: f32, dstate: &mut [f32]) -> (f32, Vec<f32>) {
        self.divergence(state, &[(gold, 1.0)], share, dstate)
    }

    /// KL(T || p) in nats for the answer state `state`, where T gives each of some labels a weight above 0, and its gradient
    /// to the logits, both times `share`; the gradient to the state is added to `dstate`.
    pub(crate) fn divergence(
        &self,
        state: &[f32],
        target: &[(usize, f32)],
        share: f32,
        dstate: &mut [f32],
    ) -> (f32, Vec<f32>) {
        let probabilities = softmax(&self.logits(state));
        let mut errors: Vec<f32> = probabilities.iter().map(|&p| share * p as f32).collect();
        let mut loss = 0.0;
        for &(label, weight) in target {
            loss += f64::from(weight) * (f64::from(weight).ln() - probabilities[label].max(f64::MIN_POSITIVE).ln());
            errors[label] -= share * weight;
        }
        for (row, error) in self.rows.chunks_exact(self.width).zip(&errors) {
            dstate.iter_mut().zip(row).for_each(|(g, w)| *g += error * w);
        }
        (share * loss as f32, errors)
    }

    /// The logit of every label for the answer state `state` (d).
    pub(crate) fn logits(&self, state: &[f32]) -> Vec<f32> {
        self.rows.chunks_exact(self.width).zip(&self.biases).map(|(row, bias)| dot(row, state) + bias).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_are_products_with_the_rows_and_biases() {
        let head = LabelHead::new(2, vec![1.0, -2.0, 0.5, 3.0], vec![0.25, -1.0]).unwrap();
        assert_eq!(head.logits(&[2.0, 1.0]), [0.25, 3.0]);
    }

    #[test]
    fn a_divergence_is_nothing_at_its_target_and_the_cross_entropy_less_the_entropy_elsewhere() {
        let head = LabelHead::new(2, vec![1.0, -2.0, 0.5, 3.0], vec![0.25, -1.0]).unwrap();
        let mut dstate = [0.0; 2];
        let p = softmax(&head.logits(&[1.0, 0.25]));
        let at_target = head.divergence(&[1.0, 0.25], &[(0, p[0] as f32), (1, p[1] as f32)], 0.5, &mut dstate);
        assert!(at_target.0.abs() < 1e-6 && at_target.1.iter().all(|error| error.abs() < 1e-6), "{at_target:?}");
        let (loss, errors) = head.divergence(&[1.0, 0.25], &[(0, 0.75), (1, 0.25)], 0.5, &mut dstate);
        let expected = 0.5 * (0.75 * (0.75 / p[0]).ln() + 0.25 * (0.25 / p[1]).ln());
        assert!((f64::from(loss) - expected).abs() < 1e-6, "{loss} is not {expected}");
        assert!((errors[0] - 0.5 * (p[0] as f32 - 0.75)).abs() < 1e-6);
    }

    #[test]
    fn sizes_that_do_not_fit_and_values_that_are_not_finite_are_refused() {
        for (width, rows, biases) in [(2, 3, 2), (0, 0, 1), (2, 0, 0), (MAX_WIDTH + 1, MAX_WIDTH + 1, 1)] {
            let error = LabelHead::new(width, vec![0.0; rows], vec![0.0; biases]).unwrap_err();
            assert_eq!(error.status(), Status::InvalidArgument);
        }
        for (rows, biases) in [([f32::NAN, 0.0], [0.0]), ([0.0, 0.0], [f32::INFINITY])] {
            let error = LabelHead::new(2, rows.to_vec(), biases.to_vec()).unwrap_err();
            assert_eq!(error.status(), Status::NotFinite);
        }
    }
}
