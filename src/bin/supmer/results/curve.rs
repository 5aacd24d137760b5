//! What a method scores after ever more adaptation steps.

use std::collections::BTreeMap;

use super::scores::Scores;

/// Mean accuracy over all tasks and some seeds, by the number of steps.
pub struct Curve {
    /// The seeds that were tested after some steps on every task.
    pub seeds: Vec<u64>,
    /// After each step that all cells of these seeds were tested after; never empty.
    pub accuracies: BTreeMap<usize, f64>,
}

impl Curve {
    /// The curve of `method`; none without such seeds or without a step that all their cells share.
    pub fn of(scores: &Scores, method: &str) -> Option<Self> {
        let tasks = scores.tasks();
        let mut seeds = Vec::new();
        let mut curves: Vec<&BTreeMap<usize, f64>> = Vec::new();
        for seed in scores.common_seeds(&[method], &tasks) {
            let cells = tasks.iter().filter_map(|task| scores.cell(method, task, seed));
            let of_seed: Vec<&BTreeMap<usize, f64>> = cells.map(|cell| &cell.accuracy_at_steps).collect();
            if of_seed.iter().all(|curve| !curve.is_empty()) {
                seeds.push(seed);
                curves.extend(of_seed);
            }
        }
        let (first, others) = curves.split_first()?;
        let shared = first.keys().copied().filter(|step| others.iter().all(|curve| curve.contains_key(step)));
        let mean = |step: usize| curves.iter().map(|curve| curve[&step]).sum::<f64>() / curves.len() as f64;
        let accuracies: BTreeMap<usize, f64> = shared.map(|step| (step, mean(step))).collect();
        (!accuracies.is_empty()).then_some(Self { seeds, accuracies })
    }

    /// Mean accuracy that `method` has in the end over all tasks and the seeds of this curve: that of what the dev rows
    /// keep, or of what is learned last where all its cells tested that, whichever is more. None where a cell is missing.
    pub fn end_of(&self, scores: &Scores, method: &str) -> Option<f64> {
        let (mut kept, mut last) = (Vec::new(), Vec::new());
        for seed in &self.seeds {
            for task in scores.tasks() {
                let cell = scores.cell(method, task, *seed)?;
                kept.push(cell.accuracy);
                last.extend(cell.accuracy_at_steps.values().next_back());
            }
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        Some(if last.len() == kept.len() { mean(&kept).max(mean(&last)) } else { mean(&kept) })
    }

    /// The first of the steps that reaches the accuracy `goal`.
    pub fn first_to_reach(&self, goal: f64) -> Option<usize> {
        self.accuracies.iter().find(|(_, accuracy)| **accuracy >= goal).map(|(step, _)| *step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::cell::{Cell, tests::cell};

    fn add(scores: &mut Scores, task: &str, seed: u64, curve: &[(usize, f64)]) {
        let accuracy_at_steps = curve.iter().copied().collect();
        scores.add(Cell { task: task.to_owned(), accuracy_at_steps, ..cell("supmer", seed, 0.5) }).unwrap();
    }

    #[test]
    fn an_additional_step_of_one_cell_costs_no_seed() {
        let mut scores = Scores::default();
        add(&mut scores, "x", 13, &[(0, 0.25), (5, 0.5), (10, 1.0)]);
        add(&mut scores, "x", 21, &[(0, 0.75), (10, 0.5)]);
        let curve = Curve::of(&scores, "supmer").unwrap();
        assert_eq!(curve.seeds, [13, 21]);
        assert_eq!(curve.accuracies, BTreeMap::from([(0, 0.5), (10, 0.75)]));
        assert_eq!([0.5, 0.625, 0.875].map(|goal| curve.first_to_reach(goal)), [Some(0), Some(10), None]);
    }

    #[test]
    fn only_seeds_with_a_curve_on_every_task_count() {
        let mut scores = Scores::default();
        for task in ["x", "y"] {
            add(&mut scores, task, 13, &[(0, 0.25), (5, 0.5)]);
        }
        add(&mut scores, "x", 21, &[(5, 1.0)]);
        assert_eq!(Curve::of(&scores, "supmer").unwrap().seeds, [13]);
        add(&mut scores, "y", 21, &[]);
        let curve = Curve::of(&scores, "supmer").unwrap();
        assert_eq!((curve.seeds.as_slice(), curve.accuracies.len()), ([13].as_slice(), 2));
        assert!(Curve::of(&scores, "prompt-tuning").is_none());
    }

    #[test]
    fn the_end_of_another_method_is_averaged_over_the_seeds_of_the_curve() {
        let mut scores = Scores::default();
        add(&mut scores, "reviews", 13, &[(0, 0.25)]);
        add(&mut scores, "reviews", 21, &[(0, 0.25)]);
        let curve = Curve::of(&scores, "supmer").unwrap();
        scores.add(cell("prompt-tuning", 13, 0.5)).unwrap();
        scores.add(cell("prompt-tuning", 42, 0.0)).unwrap();
        assert_eq!(curve.end_of(&scores, "prompt-tuning"), None);
        scores.add(cell("prompt-tuning", 21, 0.75)).unwrap();
        assert_eq!(curve.end_of(&scores, "prompt-tuning"), Some(0.625));
    }

    #[test]
    fn the_end_is_the_better_of_what_is_kept_and_what_is_learned_last() {
        for (last, end) in [(0.75, 0.75), (0.25, 0.5)] {
            let mut scores = Scores::default();
            add(&mut scores, "reviews", 13, &[(0, 1.0), (50, last)]);
            assert_eq!(Curve::of(&scores, "supmer").unwrap().end_of(&scores, "supmer"), Some(end));
        }
    }
}
