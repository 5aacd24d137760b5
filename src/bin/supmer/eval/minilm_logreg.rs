//! What one has already: sentence embeddings of MiniLM with logistic regression.

use std::path::Path;
use std::time::Instant;

use supmer::label_head::{Labelled, LogisticRegression};
use supmer::train::{Embedder, MiniLm};
use supmer::{Cancel, Example};

use super::metrics::{accuracy, log_loss};
use super::plan::{Plan, Split};
use crate::failure::Outcome;

/// Texts that are embedded together.
const BATCH_TEXTS: usize = 32;
/// Penalties that the dev rows choose among; the first of equals.
const STRENGTHS: [f64; 7] = [10.0, 3.0, 1.0, 0.3, 0.1, 0.01, 0.001];

/// The encoder, and the test rows in its numbers.
pub struct MinilmLogreg {
    encoder: MiniLm,
    test: Vec<Vec<f32>>,
    test_seconds: f64,
    cancel: Cancel,
}

/// A classifier fitted on one draw.
pub struct Fitted {
    /// Probabilities of all labels for every test row.
    pub probabilities: Vec<Vec<f32>>,
    /// The penalty that predicts the dev rows best.
    pub strength: f64,
    /// Seconds of embedding the examples and fitting.
    pub fit_seconds: f64,
    /// Seconds of embedding and classifying the test rows.
    pub test_seconds: f64,
}

impl MinilmLogreg {
    /// Loads the encoder of `folder`, for `threads` workers, and embeds the test rows. `cancel` stops this and every fit.
    pub fn open(folder: &Path, plan: &Plan, threads: usize, cancel: Cancel) -> Outcome<Self> {
        let encoder = MiniLm::load(folder, threads)?;
        let start = Instant::now();
        let test = embed(&encoder, &plan.test, &cancel)?;
        Ok(Self { encoder, test, test_seconds: start.elapsed().as_secs_f64(), cancel })
    }

    /// Tells encoders apart.
    pub fn encoder(&self) -> String {
        self.encoder.id()
    }

    /// Fits on the train rows of `split` with each penalty, chooses the one that predicts the dev rows best, and fits with
    /// that on both, as a label head does.
    pub fn fit(&self, plan: &Plan, split: &Split) -> Outcome<Fitted> {
        let start = Instant::now();
        let [train, dev] = [&split.train, &split.dev].map(|part| embed(&self.encoder, &plan.rows(part), &self.cancel));
        let (train, dev) = (train?, dev?);
        let [train_gold, dev_gold] = [&split.train, &split.dev].map(|part| plan.classes(part));
        let data = Labelled { rows: &train, labels: &train_gold, offsets: &[] };
        let classes = plan.task.labels().len();
        let mut best: Option<((f64, f64), f64)> = None;
        for strength in STRENGTHS {
            let predicted = predict(&LogisticRegression::fit(data, classes, strength, &self.cancel)?, &dev);
            let score = (accuracy(&dev_gold, &predicted), -log_loss(&dev_gold, &predicted));
            if best.as_ref().is_none_or(|(kept, _)| score > *kept) {
                best = Some((score, strength));
            }
        }
        let strength = best.map_or(STRENGTHS[0], |(_, strength)| strength);
        let (rows, labels) = ([train.as_slice(), &dev].concat(), [train_gold, dev_gold].concat());
        let data = Labelled { rows: &rows, labels: &labels, offsets: &[] };
        let fitted = LogisticRegression::fit(data, classes, strength, &self.cancel)?;
        let fit_seconds = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let probabilities = predict(&fitted, &self.test);
        let test_seconds = self.test_seconds + start.elapsed().as_secs_f64();
        Ok(Fitted { probabilities, strength, fit_seconds, test_seconds })
    }
}

fn predict(fitted: &LogisticRegression, rows: &[Vec<f32>]) -> Vec<Vec<f32>> {
    rows.iter().map(|row| fitted.predict(row)).collect()
}

/// The embeddings of a row's fields side by side. Two fields u and v also give |u - v| and u * v, as is usual for pairs
/// of sentences (Conneau et al. 2017).
fn embed(encoder: &MiniLm, rows: &[Example], cancel: &Cancel) -> Outcome<Vec<Vec<f32>>> {
    let texts: Vec<&str> = rows.iter().flat_map(|row| row.fields.values().map(String::as_str)).collect();
    let mut embedded = Vec::with_capacity(texts.len() * encoder.width());
    for batch in texts.chunks(BATCH_TEXTS) {
        embedded.extend(encoder.embed(batch, cancel)?);
    }
    let fields = rows.first().map_or(1, |row| row.fields.len());
    Ok(embedded.chunks_exact(fields * encoder.width()).map(|row| side_by_side(row, encoder.width())).collect())
}

/// `fields` is of one row, `width` values each.
fn side_by_side(fields: &[f32], width: usize) -> Vec<f32> {
    let mut row = fields.to_vec();
    if fields.len() == 2 * width {
        let (u, v) = fields.split_at(width);
        row.extend(u.iter().zip(v).map(|(u, v)| (u - v).abs()));
        row.extend(u.iter().zip(v).map(|(u, v)| u * v));
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_also_gives_its_distance_and_product() {
        assert_eq!(side_by_side(&[1.0, 2.0], 2), [1.0, 2.0]);
        assert_eq!(side_by_side(&[1.0, 2.0, 3.0, 0.5], 2), [1.0, 2.0, 3.0, 0.5, 2.0, 1.5, 3.0, 1.0]);
    }
}
