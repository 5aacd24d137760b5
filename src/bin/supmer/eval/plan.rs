//! Which rows each seed trains on and all seeds are tested on.

use std::path::Path;

use sha2::{Digest, Sha256};
use supmer::runtime::Random;
use supmer::{Error, Example, Status, Task};

use crate::failure::{Failure, Outcome};

/// The seed of the test draw, the same for every method and seed.
const TEST_SEED: u64 = 2023;

/// A data set and the draws from it.
pub struct Plan {
    /// The task.
    pub task: Task,
    /// Rows that may be drawn for training and choosing.
    pub pool: Vec<Example>,
    /// Rows to test on, in the order of the file.
    pub test: Vec<Example>,
    /// Position of each test row in the file.
    pub test_positions: Vec<usize>,
    /// Position of each test row's gold label.
    pub gold: Vec<usize>,
    /// Train and dev examples of each class.
    pub shots: usize,
    /// SHA-256 (hex) over the task and all rows that were read.
    pub digest: String,
}

/// The rows of one seed, as positions in [`Plan::pool`].
#[derive(Debug, PartialEq, Eq)]
pub struct Split {
    /// Rows to adapt on.
    pub train: Vec<usize>,
    /// Rows to choose on.
    pub dev: Vec<usize>,
}

impl Plan {
    /// Reads `train.jsonl` and `test.jsonl` of `folder` and draws at most `max_test` test rows.
    pub fn read(task: Task, folder: &Path, shots: usize, max_test: usize) -> Outcome<Self> {
        let pool_path = folder.join("train.jsonl");
        let pool = task.read_examples(&pool_path, true)?;
        check_classes(&task, &pool, &pool_path)?;
        let all = task.read_examples(&folder.join("test.jsonl"), true)?;
        if all.is_empty() {
            let message = format!("{}: holds no rows to test on", folder.join("test.jsonl").display());
            return Err(Failure::Work(Error::new(Status::InvalidExample, message)));
        }
        let digest = digest(&task, [&pool, &all]);
        let test_positions = draw_test(all.len(), max_test);
        let test: Vec<Example> = test_positions.iter().map(|&i| all[i].clone()).collect();
        let gold = test.iter().map(|row| class_of(&task, row)).collect();
        Ok(Self { task, pool, test, test_positions, gold, shots, digest })
    }

    /// A seeded shuffle of the pool gives K train and then K dev rows per class; a class of n < 2K rows gives n / 2 each.
    pub fn split(&self, seed: u64) -> Split {
        let classes: Vec<usize> = self.pool.iter().map(|row| class_of(&self.task, row)).collect();
        split(&classes, self.task.labels().len(), self.shots, seed)
    }

    /// Copies of the rows at `positions`.
    pub fn rows(&self, positions: &[usize]) -> Vec<Example> {
        positions.iter().map(|&i| self.pool[i].clone()).collect()
    }
}

fn split(classes: &[usize], class_count: usize, shots: usize, seed: u64) -> Split {
    let mut sizes = vec![0; class_count];
    classes.iter().for_each(|&class| sizes[class] += 1);
    let mut order: Vec<usize> = (0..classes.len()).collect();
    Random::new(seed, "eval split").shuffle(&mut order);
    let mut taken = vec![0; class_count];
    let mut split = Split { train: Vec::new(), dev: Vec::new() };
    for row in order {
        let class = classes[row];
        let share = shots.min(sizes[class] / 2);
        if taken[class] < share {
            split.train.push(row);
        } else if taken[class] < 2 * share {
            split.dev.push(row);
        }
        taken[class] += 1;
    }
    split
}

fn draw_test(rows: usize, max_test: usize) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..rows).collect();
    Random::new(TEST_SEED, "eval test").shuffle(&mut positions);
    positions.truncate(max_test);
    positions.sort_unstable();
    positions
}

fn check_classes(task: &Task, pool: &[Example], path: &Path) -> Outcome<()> {
    for label in task.labels() {
        let count = pool.iter().filter(|row| row.label.as_deref() == Some(&label.name)).count();
        if count < 2 {
            let message = format!(
                "{}: label \"{}\" has {count} rows; at least 2 are needed, one to train and one to choose on",
                path.display(),
                label.name
            );
            return Err(Failure::Work(Error::new(Status::InvalidExample, message)));
        }
    }
    Ok(())
}

/// Rows were read as labelled, so that each has a known label.
fn class_of(task: &Task, row: &Example) -> usize {
    row.label.as_deref().and_then(|name| task.label_index(name)).unwrap_or(0)
}

fn digest(task: &Task, parts: [&Vec<Example>; 2]) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    add(task.template());
    for label in task.labels() {
        add(&label.name);
        add(&label.verbalizer);
    }
    for rows in parts {
        add("rows");
        for row in rows {
            row.fields.iter().for_each(|(name, text)| [name, text].into_iter().for_each(|t| add(t)));
            add(row.label.as_deref().unwrap_or_default());
        }
    }
    format!("{:x}", hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 20 rows of class 0, 5 of class 1, 3 of class 2, in turns.
    fn classes() -> Vec<usize> {
        let mut classes = vec![0; 20];
        classes.splice(3..3, [1, 2, 1]);
        classes.splice(15..15, [1, 2, 1, 1, 2]);
        classes
    }

    #[test]
    fn every_class_gives_its_shots_or_half_of_itself() {
        let classes = classes();
        let split = split(&classes, 3, 4, 13);
        for rows in [&split.train, &split.dev] {
            let counts: Vec<usize> = (0..3).map(|c| rows.iter().filter(|&&i| classes[i] == c).count()).collect();
            assert_eq!(counts, [4, 2, 1]);
        }
        assert!(split.train.iter().all(|i| !split.dev.contains(i)));
    }

    #[test]
    fn seeds_draw_different_rows_and_one_seed_always_the_same() {
        let classes = classes();
        assert_eq!(split(&classes, 3, 4, 13), split(&classes, 3, 4, 13));
        assert_ne!(split(&classes, 3, 4, 13), split(&classes, 3, 4, 21));
    }

    #[test]
    fn the_test_draw_is_fixed_sorted_and_bounded() {
        let drawn = draw_test(1_000, 50);
        assert_eq!(drawn.len(), 50);
        assert!(drawn.is_sorted() && drawn.windows(2).all(|w| w[0] != w[1]));
        assert_eq!(drawn, draw_test(1_000, 50));
        assert_eq!(draw_test(7, 50), (0..7).collect::<Vec<_>>());
    }
}
