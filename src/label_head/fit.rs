//! Heads fitted to labelled answer states: corrections of given rows, the smaller the stronger the penalty.

use ndarray::Axis;

use super::{AnswerStates, LabelHead, Labelled, LogisticRegression, Scaling};
use crate::backbone::Backbone;
use crate::error::Result;
use crate::runtime::Cancel;

/// For each of `strengths`, the strongest first, the head that minimises the cross entropy summed over `states` with the
/// gold `labels` plus half the strength times the squares of what it adds to `prior`, (C, d), for states that are scaled to
/// mean 0 and deviation 1. Biases are free. Errors: `NotFinite`, `Cancelled`.
pub(crate) fn fit(
    states: &AnswerStates,
    labels: &[usize],
    prior: &[f32],
    strengths: &[f64],
    cancel: &Cancel,
) -> Result<Vec<LabelHead>> {
    let (scaling, d) = (Scaling::of(states), states.width());
    let rows: Vec<Vec<f32>> = states.rows().map(|state| scaling.apply(state)).collect();
    let offset = |state: &[f32]| prior.chunks_exact(d).map(|row| dot(row, state)).collect();
    let offsets: Vec<Vec<f32>> = states.rows().map(offset).collect();
    let data = Labelled { rows: &rows, labels, offsets: &offsets };
    let mut heads = Vec::with_capacity(strengths.len());
    let mut before: Option<LogisticRegression> = None;
    for &strength in strengths {
        let fitted = match &before {
            Some(before) => before.refit(data, strength, cancel),
            None => LogisticRegression::fit(data, prior.len() / d, strength, cancel),
        }?;
        let (deltas, biases) = fitted.weights().view().split_at(Axis(1), d);
        heads.push(scaling.head(prior, &deltas.iter().chain(&biases).map(|&w| w as f32).collect::<Vec<f32>>())?);
        before = Some(fitted);
    }
    Ok(heads)
}

/// For each label the mean over its verbalizer's tokens of their rows of the output head, (C, d).
pub(crate) fn verbalizer_rows<'a>(
    backbone: &dyn Backbone,
    verbalizers: impl IntoIterator<Item = &'a [u32]>,
) -> Vec<f32> {
    let d = backbone.width();
    let (mut rows, mut row) = (Vec::new(), vec![0.0; d]);
    for tokens in verbalizers {
        let start = rows.len();
        rows.resize(start + d, 0.0);
        for &token in tokens {
            backbone.output_row(token, &mut row);
            rows[start..].iter_mut().zip(&row).for_each(|(mean, x)| *mean += x / tokens.len() as f32);
        }
    }
    rows
}

/// The product of two rows.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapt::toy::Toy;

    /// Two classes that the first of three values tells apart.
    fn states() -> (AnswerStates, [usize; 6]) {
        let values =
            [[-1.0, 0.3, 2.0], [-2.0, 0.1, 2.0], [-1.5, -0.4, 2.0], [1.0, 0.2, 2.0], [2.0, -0.3, 2.0], [1.2, 0.0, 2.0]];
        (AnswerStates::given(3, values.concat()), [0, 0, 0, 1, 1, 1])
    }

    #[test]
    fn weak_penalties_follow_the_labels_and_strong_ones_the_prior() {
        let (states, labels) = states();
        // The prior takes the classes for each other.
        let prior = [1.0, 0.0, 0.0, -1.0, 0.0, 0.0];
        let heads = fit(&states, &labels, &prior, &[1e6, 0.1], &Cancel::new()).unwrap();
        let right = |head: &LabelHead| {
            states.scores(head).iter().zip(labels).filter(|(logits, label)| logits[*label] > logits[1 - label]).count()
        };
        assert_eq!((right(&heads[0]), right(&heads[1])), (0, 6));
        assert!(heads[0].rows().iter().zip(prior).all(|(row, prior)| (row - prior).abs() < 1e-3));
    }

    #[test]
    fn a_fit_that_goes_on_from_a_stronger_one_is_the_fit_itself() {
        let (states, labels) = states();
        let fit = |strengths: &[f64]| fit(&states, &labels, &[0.0; 6], strengths, &Cancel::new()).unwrap();
        let (both, alone) = (fit(&[10.0, 1.0]), fit(&[1.0]));
        assert_ne!(both[0], both[1]);
        for (a, b) in both[1].rows().iter().zip(alone[0].rows()) {
            assert!((a - b).abs() < 1e-3, "{a} is not {b}");
        }
    }

    #[test]
    fn a_verbalizer_of_several_tokens_stands_for_the_mean_of_their_rows() {
        let toy = Toy::new();
        let rows = verbalizer_rows(&toy, [&[1u32][..], &[2, 3]]);
        let d = toy.width();
        assert_eq!((rows.len(), rows[2], rows[d + 3], rows[d + 4]), (2 * d, 0.5, 0.25, 0.25));
    }
}
