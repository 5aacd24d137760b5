//! Which rows each seed trains on and all seeds are tested on.

use std::path::Path;

use sha2::{Digest, Sha256};
use supmer::runtime::Random;
use supmer::{Error, Example, Status, Task};

use crate::failure::{Failure, Outcome};

/// The seed of the test draw, the same for every method and seed.
const TEST_SEED: u64 = 2023;

/// Where the test rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestRows {
    /// From test.jsonl.
    Test,
    /// From train.jsonl, where train and dev leave enough; test.jsonl is not opened.
    Train,
}

/// A data set and the draws from it.
pub struct Plan {
    /// The task.
    pub task: Task,
    /// Rows that may be drawn for training and choosing.
    pub pool: Vec<Example>,
    /// Rows to test on, in the order of the file.
    pub test: Vec<Example>,
    /// Which file they are of.
    pub test_rows: TestRows,
    /// Position of each test row in its file.
    pub test_positions: Vec<usize>,
    /// Position of each test row's gold label.
    pub gold: Vec<usize>,
    /// Train and dev examples of each class.
    pub shots: usize,
    /// SHA-256 (hex) over the task.
    pub task_digest: String,
    /// SHA-256 (hex) over all rows that may be drawn and the test rows.
    pub data_digest: String,
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
    /// Reads `train.jsonl` and, where they come from there, the test rows of `test.jsonl` of `folder`; draws at most
    /// `max_test` test rows.
    pub fn read(task: Task, folder: &Path, shots: usize, max_test: usize, test_rows: TestRows) -> Outcome<Self> {
        let pool_path = folder.join("train.jsonl");
        let mut pool = task.read_examples(&pool_path, true)?;
        check_classes(&task, &pool, &pool_path)?;
        let (test_positions, test): (Vec<usize>, Vec<Example>) = match test_rows {
            TestRows::Test => {
                let path = folder.join("test.jsonl");
                let all = task.read_examples(&path, true)?;
                let drawn = draw_test(all.len(), max_test);
                if drawn.is_empty() {
                    return refuse(&path, "holds no rows to test on");
                }
                let rows = drawn.iter().map(|&i| all[i].clone()).collect();
                (drawn, rows)
            }
            TestRows::Train => {
                let classes: Vec<usize> = pool.iter().map(|row| class_of(&task, row)).collect();
                let drawn = spare_rows(&classes, task.labels().len(), shots, max_test);
                if drawn.is_empty() {
                    return refuse(&pool_path, "no label has more rows than its train and dev examples; lower --shots");
                }
                let rows = drawn.iter().map(|&i| pool[i].clone()).collect();
                let mut at = 0..;
                pool.retain(|_| at.next().is_some_and(|i| drawn.binary_search(&i).is_err()));
                (drawn, rows)
            }
        };
        let gold = test.iter().map(|row| class_of(&task, row)).collect();
        let (task_digest, data_digest) = (task_digest(&task), data_digest([&pool, &test]));
        Ok(Self { task, pool, test, test_rows, test_positions, gold, shots, task_digest, data_digest })
    }

    /// A seeded shuffle of the pool gives K train and then K dev rows per class; a class of n < 2K rows gives n / 2 each.
    pub fn split(&self, seed: u64) -> Split {
        let classes: Vec<usize> = self.pool.iter().map(|row| class_of(&self.task, row)).collect();
        split(&classes, self.task.labels().len(), self.shots, seed)
    }

    /// The share of the test rows that has each label.
    pub fn label_shares(&self) -> Vec<f32> {
        let share = |label| self.gold.iter().filter(|gold| **gold == label).count() as f32 / self.gold.len() as f32;
        (0..self.task.labels().len()).map(share).collect()
    }

    /// Positions of the gold labels of the rows at `positions`.
    pub fn classes(&self, positions: &[usize]) -> Vec<usize> {
        positions.iter().map(|&i| class_of(&self.task, &self.pool[i])).collect()
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

/// At most `count` rows in file order, of no class so many that fewer than 2K of it remain.
fn spare_rows(classes: &[usize], class_count: usize, shots: usize, count: usize) -> Vec<usize> {
    let mut left = vec![0; class_count];
    classes.iter().for_each(|&class| left[class] += 1);
    let mut order: Vec<usize> = (0..classes.len()).collect();
    Random::new(TEST_SEED, "eval trial test").shuffle(&mut order);
    let mut drawn = Vec::new();
    for row in order {
        if drawn.len() < count && left[classes[row]] > 2 * shots {
            left[classes[row]] -= 1;
            drawn.push(row);
        }
    }
    drawn.sort_unstable();
    drawn
}

fn check_classes(task: &Task, pool: &[Example], path: &Path) -> Outcome<()> {
    for label in task.labels() {
        let count = pool.iter().filter(|row| row.label.as_deref() == Some(&label.name)).count();
        if count < 2 {
            let name = &label.name;
            let need = "at least 2 are needed, one to train and one to choose on";
            return refuse(path, &format!("label \"{name}\" has {count} rows; {need}"));
        }
    }
    Ok(())
}

fn refuse<T>(path: &Path, why: &str) -> Outcome<T> {
    Err(Failure::Work(Error::new(Status::InvalidExample, format!("{}: {why}", path.display()))))
}

/// Rows were read as labelled, so that each has a known label.
fn class_of(task: &Task, row: &Example) -> usize {
    row.label.as_deref().and_then(|name| task.label_index(name)).unwrap_or(0)
}

fn task_digest(task: &Task) -> String {
    let labels = task.labels().iter().flat_map(|label| [label.name.as_str(), label.verbalizer.as_str()]);
    digest(std::iter::once(task.template()).chain(labels))
}

fn data_digest(parts: [&Vec<Example>; 2]) -> String {
    digest(parts.into_iter().flat_map(|rows| {
        std::iter::once("rows").chain(rows.iter().flat_map(|row| {
            let fields = row.fields.iter().flat_map(|(name, text)| [name.as_str(), text.as_str()]);
            fields.chain(std::iter::once(row.label.as_deref().unwrap_or_default()))
        }))
    }))
}

fn digest<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
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

    #[test]
    fn a_trial_tests_on_rows_that_train_and_dev_can_spare() {
        let classes = classes();
        let drawn = spare_rows(&classes, 3, 2, 50);
        let of = |class| drawn.iter().filter(|&&i| classes[i] == class).count();
        assert_eq!([of(0), of(1), of(2)], [16, 1, 0]);
        assert!(drawn.is_sorted());
        assert_eq!(spare_rows(&classes, 3, 2, 5).len(), 5);
        assert!(spare_rows(&classes, 3, 10, 5).is_empty());
    }

    #[test]
    fn a_trial_does_not_open_the_test_file() {
        let folder = tempfile::tempdir().unwrap();
        let row = |i: usize| format!("{{\"text\": \"row {i}\", \"label\": \"{}\"}}\n", ["x", "y"][i % 2]);
        std::fs::write(folder.path().join("train.jsonl"), (0..20).map(row).collect::<String>()).unwrap();
        let label = |name: &str| supmer::Label { name: name.to_owned(), verbalizer: format!(" {name}") };
        let task = Task::new("t", "{text} is", vec![label("x"), label("y")]).unwrap();
        let plan = Plan::read(task.clone(), folder.path(), 3, 6, TestRows::Train).unwrap();
        assert_eq!((plan.test.len(), plan.pool.len()), (6, 14));
        assert!(plan.test.iter().all(|row| !plan.pool.contains(row)));
        assert!(Plan::read(task, folder.path(), 3, 6, TestRows::Test).is_err());
    }
}
