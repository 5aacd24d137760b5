//! The settings that were tried on rows of train.jsonl, and what each gave.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::page::{NONE, Table, plain};
use super::scores::{cells_of, compare};
use crate::eval::cell::Cell;
use crate::failure::{Failure, Outcome};

/// The cells of `supmer eval --trial`, by method and settings.
#[derive(Default)]
pub struct Trials(BTreeMap<(String, Setting), Vec<Cell>>);

/// What was varied, as it is shown: steps, learning rate and bundle.
type Setting = [String; 3];

impl Trials {
    /// Reads all cells of `folders`. Errors: a cell that was tested on test.jsonl, or two of one row that cannot be compared.
    pub fn read(folders: &[PathBuf]) -> Outcome<Self> {
        let mut trials = Self::default();
        for (path, cell) in cells_of(folders)? {
            if !cell.trial {
                let message = format!("{}: --trials takes the cells of supmer eval --trial only", path.display());
                return Err(Failure::Usage(message));
            }
            trials.add(cell);
        }
        trials.check()?;
        Ok(trials)
    }

    /// Cells of one row must differ in nothing but task and seed.
    fn check(&self) -> Outcome<()> {
        for ((method, _), cells) in &self.0 {
            for (at, cell) in cells.iter().enumerate() {
                if let Some(why) = cells[..at].iter().find_map(|other| compare(other, cell).err()) {
                    let message = format!("trials of {method}: {why}; keep them in folders of their own");
                    return Err(Failure::Usage(message));
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, cell: Cell) {
        let adapt = |name: &str| cell.settings.get("adapt").and_then(|adapt| adapt.get(name));
        let bundle = cell.settings.get("bundle").and_then(|digest| digest.as_str()?.get(..12));
        let setting = [adapt("steps"), adapt("learning_rate")].map(|value| value.map_or(NONE.to_owned(), plain));
        let [steps, rate] = setting;
        let setting = [steps, rate, bundle.unwrap_or(NONE).to_owned()];
        self.0.entry((cell.method.clone(), setting)).or_default().push(cell);
    }

    /// The section of the page; nothing without trials.
    pub fn section(&self) -> String {
        let title = "## Choice of settings\n\nAccuracy in percent on rows of train.jsonl that neither train nor choose; mean over \
                     tasks of the mean over seeds.\n";
        let names = ["Method", "Steps", "Learning rate", "Bundle", "Tasks", "Runs", "Accuracy"];
        let mut table = Table::new(title, names);
        for ((method, setting), cells) in &self.0 {
            let means = task_means(cells);
            let mean = 100.0 * means.iter().sum::<f64>() / means.len() as f64;
            let counts = [means.len().to_string(), cells.len().to_string(), format!("{mean:.2}")];
            table.row(method, setting.iter().cloned().chain(counts));
        }
        table.text_if_filled()
    }
}

/// Mean accuracy of every task in `cells`.
fn task_means(cells: &[Cell]) -> Vec<f64> {
    let mut tasks: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    cells.iter().for_each(|cell| tasks.entry(&cell.task).or_default().push(cell.accuracy));
    tasks.into_values().map(|values| values.iter().sum::<f64>() / values.len() as f64).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::eval::cell::tests::cell;

    #[test]
    fn settings_are_listed_with_the_mean_over_tasks() {
        let mut trials = Trials::default();
        for (task, seed, rate, accuracy) in
            [("x", 1, 0.1, 0.5), ("x", 2, 0.1, 0.7), ("y", 1, 0.1, 0.2), ("x", 1, 0.01, 0.9)]
        {
            let settings = json!({ "adapt": { "steps": 60, "learning_rate": rate } });
            let task = task.to_owned();
            trials.add(Cell { task, trial: true, settings, ..cell("prompt-tuning", seed, accuracy) });
        }
        let section = trials.section();
        assert!(section.contains("| prompt-tuning | 60 | 0.1 | - | 2 | 3 | 40.00 |"), "{section}");
        assert!(section.contains("| prompt-tuning | 60 | 0.01 | - | 1 | 1 | 90.00 |"), "{section}");
        assert_eq!(Trials::default().section(), "");
    }
}
