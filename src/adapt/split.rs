//! Cutting a dev part from the training rows, class by class.

use super::options::AdaptOptions;
use crate::runtime::Random;

/// A class keeps at least so many training examples, or no dev part is cut off.
pub const MIN_TRAIN_PER_CLASS: usize = 8;

/// Positions of the rows to train on and of the rows that choose the best prompt, both ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Rows that are trained on.
    pub train: Vec<usize>,
    /// Rows that are only scored.
    pub dev: Vec<usize>,
}

/// Cuts `dev_per_class` rows of every class (or the share `dev_fraction`, at least one row) by a draw of `seed`.
///
/// `labels` holds each row's class below `class_count`. `None` when the options ask for no dev part or some class would
/// keep fewer than [`MIN_TRAIN_PER_CLASS`] rows.
pub fn split(labels: &[usize], class_count: usize, options: &AdaptOptions) -> Option<Split> {
    if options.dev_fraction == 0.0 && options.dev_per_class == 0 {
        return None;
    }
    let mut classes = vec![Vec::new(); class_count];
    for (row, &label) in labels.iter().enumerate() {
        classes[label].push(row);
    }
    let mut random = Random::new(options.seed, "dev split");
    let (mut train, mut dev) = (Vec::new(), Vec::new());
    for mut class in classes {
        let cut = match options.dev_fraction {
            0.0 => options.dev_per_class,
            share => ((class.len() as f64 * f64::from(share)).round() as usize).max(1),
        };
        if class.len() < cut.saturating_add(MIN_TRAIN_PER_CLASS) {
            return None;
        }
        random.shuffle(&mut class);
        train.extend_from_slice(&class[cut..]);
        dev.extend_from_slice(&class[..cut]);
    }
    train.sort_unstable();
    dev.sort_unstable();
    Some(Split { train, dev })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(counts: &[usize]) -> Vec<usize> {
        let longest = counts.iter().max().unwrap();
        (0..*longest).flat_map(|i| (0..counts.len()).filter(move |&c| i < counts[c])).collect()
    }

    fn per_class(per_class: usize) -> AdaptOptions {
        AdaptOptions { dev_per_class: per_class, ..Default::default() }
    }

    #[test]
    fn the_dev_part_holds_k_rows_a_class_and_nothing_is_lost() {
        let labels = labels(&[24, 40]);
        let split = split(&labels, 2, &per_class(16)).unwrap();
        for class in 0..2 {
            assert_eq!(split.dev.iter().filter(|&&row| labels[row] == class).count(), 16);
        }
        let mut all = [split.train.clone(), split.dev.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..64).collect::<Vec<_>>());
        assert!(split.train.is_sorted() && split.dev.is_sorted());
    }

    #[test]
    fn no_class_goes_below_eight() {
        assert!(split(&labels(&[23, 40]), 2, &per_class(16)).is_none());
        assert!(split(&labels(&[9, 9]), 2, &per_class(1)).is_some());
        assert!(split(&labels(&[8, 9]), 2, &per_class(1)).is_none());
        assert!(split(&labels(&[90, 90]), 2, &per_class(0)).is_none());
    }

    #[test]
    fn a_fraction_is_taken_of_every_class() {
        let options = AdaptOptions { dev_fraction: 0.25, ..Default::default() };
        let labels = labels(&[20, 40]);
        let split = split(&labels, 2, &options).unwrap();
        assert_eq!(split.dev.iter().filter(|&&row| labels[row] == 0).count(), 5);
        assert_eq!(split.dev.iter().filter(|&&row| labels[row] == 1).count(), 10);
        assert!(super::split(&labels, 2, &AdaptOptions { dev_fraction: 0.9, ..options }).is_none());
    }

    #[test]
    fn the_seed_decides() {
        let labels = labels(&[40, 40]);
        let of = |seed| split(&labels, 2, &AdaptOptions { seed, ..Default::default() }).unwrap();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
