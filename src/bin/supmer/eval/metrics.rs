//! How good predictions are: accuracy, macro F1 and expected calibration error.

/// Bins of the calibration error.
const BINS: usize = 15;

/// Share of rows whose likeliest label is the gold one.
pub fn accuracy(gold: &[usize], probabilities: &[Vec<f32>]) -> f64 {
    let right = gold.iter().zip(probabilities).filter(|(gold, p)| **gold == likeliest(p)).count();
    right as f64 / gold.len() as f64
}

/// Minus the log of the gold label's probability, mean over rows, in nats.
pub fn log_loss(gold: &[usize], probabilities: &[Vec<f32>]) -> f64 {
    let total: f64 =
        gold.iter().zip(probabilities).map(|(gold, p)| -f64::from(p[*gold].max(f32::MIN_POSITIVE)).ln()).sum();
    total / gold.len() as f64
}

/// Mean over labels of the harmonic mean of precision and recall; labels that are neither gold nor predicted anywhere
/// are left out.
pub fn macro_f1(labels: usize, gold: &[usize], probabilities: &[Vec<f32>]) -> f64 {
    let mut right = vec![0.0; labels];
    let mut mentions = vec![0.0; labels];
    for (&gold, p) in gold.iter().zip(probabilities) {
        let predicted = likeliest(p);
        mentions[gold] += 1.0;
        mentions[predicted] += 1.0;
        if gold == predicted {
            right[gold] += 1.0;
        }
    }
    let scores: Vec<f64> =
        right.iter().zip(&mentions).filter(|(_, m)| **m > 0.0).map(|(right, m)| 2.0 * right / m).collect();
    scores.iter().sum::<f64>() / scores.len() as f64
}

/// Expected calibration error: over 15 equal bins of the likeliest label's probability, the mean distance between
/// that probability and the share of right answers, weighted by rows (Guo et al. 2017).
pub fn calibration_error(gold: &[usize], probabilities: &[Vec<f32>]) -> f64 {
    let mut confidence = [0.0; BINS];
    let mut right = [0.0; BINS];
    for (&gold, p) in gold.iter().zip(probabilities) {
        let predicted = likeliest(p);
        let sure = f64::from(p[predicted]);
        // Bin i holds (i / 15, (i + 1) / 15].
        let bin = ((sure * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
        confidence[bin] += sure;
        right[bin] += f64::from(u8::from(gold == predicted));
    }
    confidence.iter().zip(&right).map(|(sure, right)| (sure - right).abs()).sum::<f64>() / gold.len() as f64
}

/// Position of the largest probability; the first of equals.
pub fn likeliest(probabilities: &[f32]) -> usize {
    let mut best = 0;
    for (i, p) in probabilities.iter().enumerate() {
        if *p > probabilities[best] {
            best = i;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(of: &[[f32; 3]]) -> Vec<Vec<f32>> {
        of.iter().map(|p| p.to_vec()).collect()
    }

    #[test]
    fn scores_of_a_small_table() {
        let probabilities = rows(&[[0.8, 0.2, 0.0], [0.6, 0.4, 0.0], [0.1, 0.9, 0.0], [0.3, 0.7, 0.0]]);
        let gold = [0, 1, 1, 1];
        assert_eq!(accuracy(&gold, &probabilities), 0.75);
        let product: f64 = [0.8, 0.4, 0.9, 0.7].iter().product();
        assert!((log_loss(&gold, &probabilities) + product.ln() / 4.0).abs() < 1e-6);
        // Label 0: 1 right of 1 gold and 2 predicted; label 1: 2 right of 3 and 2; label 2 does not occur.
        assert!((macro_f1(3, &gold, &probabilities) - (2.0 / 3.0 + 4.0 / 5.0) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_label_that_is_never_right_counts_as_zero() {
        let probabilities = rows(&[[0.8, 0.2, 0.0], [0.8, 0.2, 0.0]]);
        assert!((macro_f1(3, &[0, 2], &probabilities) - (2.0 / 3.0) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn calibration_weighs_bins_by_their_rows() {
        // Two rows in one bin (0.78 and 0.77), one right: |1.55 - 1|; one sure and right row: 0.
        let probabilities = rows(&[[0.78, 0.22, 0.0], [0.77, 0.23, 0.0], [1.0, 0.0, 0.0]]);
        let error = calibration_error(&[0, 1, 0], &probabilities);
        assert!((error - 0.55 / 3.0).abs() < 1e-6, "{error}");
    }

    #[test]
    fn certainty_falls_into_the_last_bin_and_nothing_leaves_the_table() {
        assert_eq!(calibration_error(&[0], &rows(&[[1.0, 0.0, 0.0]])), 0.0);
        assert_eq!(calibration_error(&[1], &rows(&[[1.0, 0.0, 0.0]])), 1.0);
        assert_eq!(calibration_error(&[1], &rows(&[[0.0, 0.0, 0.0]])), 0.0);
    }
}
