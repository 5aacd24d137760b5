//! Mean, spread and 95% intervals over seeds and tasks.

use serde::Serialize;
use supmer::runtime::Random;

/// Resamples of a bootstrap.
pub const RESAMPLES: usize = 10_000;
/// Seed of the resampling, so that one table gives one interval.
const BOOTSTRAP_SEED: u64 = 2023;

/// What a handful of runs say about a score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (n - 1); none for a single value.
    pub std: Option<f64>,
    /// Half width of the 95% t interval of the mean; none for a single value.
    pub ci95: Option<f64>,
}

impl Summary {
    /// Summarises at least one value.
    pub fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        if values.len() < 2 {
            return Self { mean, std: None, ci95: None };
        }
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let std = (squares / (count - 1.0)).sqrt();
        Self { mean, std: Some(std), ci95: Some(t_quantile(values.len() - 1) * std / count.sqrt()) }
    }
}

/// The middle of the sorted `values`, of two middle ones their mean; none without any.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = &values[values.len().saturating_sub(1) / 2..values.len() / 2 + usize::from(!values.is_empty())];
    (!middle.is_empty()).then(|| Summary::of(middle).mean)
}

/// The 95% percentile interval of the mean of `table` (tasks x seeds, none empty), both drawn anew with replacement
/// (Efron and Tibshirani 1993, chapter 13): what other tasks of these kinds and other seeds might have given. One draw of
/// seeds holds for all drawn tasks, since a seed means the same start and order on each.
pub fn bootstrap(table: &[Vec<f64>]) -> (f64, f64) {
    let mut random = Random::new(BOOTSTRAP_SEED, "bootstrap");
    let seeds = table[0].len();
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn: Vec<usize> = (0..seeds).map(|_| random.below(seeds)).collect();
            let tasks = (0..table.len()).map(|_| &table[random.below(table.len())]);
            let total: f64 = tasks.map(|task| drawn.iter().map(|&seed| task[seed]).sum::<f64>()).sum();
            total / (seeds * table.len()) as f64
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| means[(share * (RESAMPLES - 1) as f64).round() as usize];
    (at(0.025), at(0.975))
}

/// The 97.5% quantile of Student's t for 1 and more degrees of freedom, to three decimals.
fn t_quantile(freedom: usize) -> f64 {
    const FIRST: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];
    if let Some(quantile) = FIRST.get(freedom.wrapping_sub(1)) {
        return *quantile;
    }
    // Cornish-Fisher's first terms around the normal quantile; exact to three decimals beyond 30.
    let z: f64 = 1.959_964;
    let n = freedom as f64;
    z + (z.powi(3) + z) / (4.0 * n) + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * n * n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_values_have_the_textbook_interval() {
        let summary = Summary::of(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(summary.mean, 3.0);
        assert!((summary.std.unwrap() - 2.5f64.sqrt()).abs() < 1e-12);
        assert!((summary.ci95.unwrap() - 1.963).abs() < 1e-3);
    }

    #[test]
    fn one_value_has_no_spread_and_equal_values_have_none_to_speak_of() {
        assert_eq!(Summary::of(&[0.5]), Summary { mean: 0.5, std: None, ci95: None });
        assert_eq!(Summary::of(&[0.5, 0.5]).ci95, Some(0.0));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0, 4.0]), Some(3.0));
    }

    #[test]
    fn t_quantiles_match_the_tables() {
        for (freedom, quantile) in [(1, 12.706), (4, 2.776), (30, 2.042), (31, 2.040), (60, 2.000), (120, 1.980)] {
            assert!((t_quantile(freedom) - quantile).abs() < 6e-4, "{freedom}");
        }
    }

    #[test]
    fn the_bootstrap_of_one_task_is_near_the_normal_interval() {
        let seeds: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let (low, high) = bootstrap(&[seeds]);
        // Mean 1/2, standard error 1/40.
        assert!((low - 0.451).abs() < 0.004 && (high - 0.549).abs() < 0.004, "{low} to {high}");
    }

    #[test]
    fn the_bootstrap_draws_tasks_too_and_constants_have_no_width() {
        assert_eq!(bootstrap(&[vec![0.25; 3], vec![0.25; 3]]), (0.25, 0.25));
        let (low, high) = bootstrap(&[vec![0.0; 3], vec![1.0; 3]]);
        assert_eq!((low, high), (0.0, 1.0));
    }
}
