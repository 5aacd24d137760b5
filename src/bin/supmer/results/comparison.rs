//! Two methods against each other, on the same rows with the same seeds.

use super::scores::Scores;
use crate::statistics::{Summary, bootstrap};

/// The difference of two methods' accuracies.
pub struct Comparison {
    /// Per task, over seeds.
    pub per_task: Vec<(String, Summary)>,
    /// Of the means over tasks, over seeds.
    pub overall: Summary,
    /// 95% interval of the overall mean over other tasks and seeds; none without two of each.
    pub bootstrap: Option<(f64, f64)>,
    /// Seeds that both methods ran on all tasks they share.
    pub seeds: usize,
}

impl Comparison {
    /// Accuracies of `method` less those of `baseline` on the tasks that both were measured on; none without such tasks,
    /// or without a seed that both ran on all of them.
    pub fn of(scores: &Scores, method: &str, baseline: &str) -> Option<Self> {
        let tasks = scores.common_tasks(&[method, baseline]);
        let seeds = scores.common_seeds(&[method, baseline], &tasks);
        if tasks.is_empty() || seeds.is_empty() {
            return None;
        }
        let accuracy = |method: &str, task: &str, seed| Some(scores.cell(method, task, seed)?.accuracy);
        let difference = |task: &str, seed| Some(accuracy(method, task, seed)? - accuracy(baseline, task, seed)?);
        let table: Vec<Vec<f64>> = tasks
            .iter()
            .map(|task| seeds.iter().map(|&seed| difference(task, seed)).collect())
            .collect::<Option<_>>()?;
        let per_task = tasks.iter().zip(&table).map(|(task, row)| ((*task).to_owned(), Summary::of(row))).collect();
        Some(Self {
            per_task,
            overall: Summary::of(&task_means(&table)),
            bootstrap: (tasks.len() > 1 && seeds.len() > 1).then(|| bootstrap(&table)),
            seeds: seeds.len(),
        })
    }

    /// The difference on `task`; none where it was not compared.
    pub fn difference(&self, task: &str) -> Option<Summary> {
        self.per_task.iter().find(|(name, _)| name == task).map(|(_, difference)| *difference)
    }
}

/// The mean over tasks of every seed, of a table of tasks x seeds.
pub fn task_means(table: &[Vec<f64>]) -> Vec<f64> {
    (0..table[0].len()).map(|seed| table.iter().map(|row| row[seed]).sum::<f64>() / table.len() as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::super::scores::tests::add;
    use super::*;

    #[test]
    fn differences_are_paired_by_seed_over_the_task_mean() {
        let mut scores = Scores::default();
        add(&mut scores, "prompt-tuning", &[("x", 1, 0.5), ("x", 2, 0.7), ("y", 1, 0.5), ("y", 2, 0.3), ("x", 3, 0.1)]);
        add(
            &mut scores,
            "supmer",
            &[("x", 1, 0.6), ("x", 2, 0.9), ("y", 1, 0.5), ("y", 2, 0.4), ("y", 3, 0.9), ("z", 1, 0.0)],
        );
        let compared = Comparison::of(&scores, "supmer", "prompt-tuning").unwrap();
        assert_eq!(compared.seeds, 2);
        assert!((compared.per_task[0].1.mean - 0.15).abs() < 1e-12);
        assert!((compared.per_task[1].1.mean - 0.05).abs() < 1e-12);
        // Per seed 0.05 and 0.15: mean 0.1, half width 12.706 * 0.0707 / sqrt(2).
        assert!((compared.overall.mean - 0.1).abs() < 1e-12);
        assert!((compared.overall.ci95.unwrap() - 0.6353).abs() < 1e-4);
        assert!(compared.bootstrap.is_some_and(|(low, high)| low > -1e-9 && high < 0.2 + 1e-9));
        assert!(Comparison::of(&scores, "supmer", "zero-shot").is_none());
        add(&mut scores, "in-context", &[("x", 1, 0.5), ("y", 1, 0.5)]);
        assert!(Comparison::of(&scores, "supmer", "in-context").unwrap().bootstrap.is_none(), "one seed");
    }
}
