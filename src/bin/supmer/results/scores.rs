//! The cells of many evaluations, ordered by method, task and seed, and checked to be comparable.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use supmer::{Error, Status};

use crate::eval::cell::{self, Cell};
use crate::failure::{Failure, Outcome, at};

/// Methods in the order of the tables; others follow by name.
const ORDER: [&str; 11] = [
    "majority",
    "zero-shot",
    "in-context",
    "minilm-logreg",
    "text-init",
    "prompt-tuning",
    "prompt-tuning-all-rows",
    "text-init+head",
    "prompt-tuning+head",
    "supmer",
    "supmer-no-psi",
];

/// The loss that goes without saying.
const WHOLE_VOCABULARY: &str = "vocabulary";

/// All cells: by the method's place and name, then by task.
#[derive(Default)]
pub struct Scores {
    cells: BTreeMap<(usize, String), BTreeMap<String, BySeed>>,
    unfinished: Vec<String>,
}

/// The cells of a method on a task; one without a seed where no seed changes anything.
type BySeed = BTreeMap<Option<u64>, Cell>;

impl Scores {
    /// Reads all cells of `folders`.
    ///
    /// Seeds that a method does not have on all of its tasks are left out and named in [`Scores::unfinished`]. Errors: no
    /// cells, cells of a trial, two cells of one method, task and seed, and settings that forbid to compare.
    pub fn read(folders: &[PathBuf]) -> Outcome<Self> {
        let mut scores = Self::default();
        for (path, cell) in cells_of(folders)? {
            scores.add(cell).map_err(|why| refused(&path, &why))?;
        }
        if scores.cells.is_empty() {
            let message = "the folders of --cells hold no cells; supmer eval --cells DIR makes them";
            return Err(Failure::Work(Error::new(Status::InvalidArgument, message)));
        }
        scores.set_unfinished_aside();
        Ok(scores)
    }

    /// Adds `cell`, or says why it cannot stand beside the others.
    pub fn add(&mut self, cell: Cell) -> Result<(), String> {
        if cell.trial {
            return Err("was tested on rows of train.jsonl (--trial): keep trials in a folder of their own".to_owned());
        }
        for other in self.all() {
            self::compare(other, &cell)?;
        }
        let rank = ORDER.iter().position(|name| *name == cell.method).unwrap_or(ORDER.len());
        let of_task = self.cells.entry((rank, cell.method.clone())).or_default().entry(cell.task.clone()).or_default();
        match of_task.insert(cell.seed, cell) {
            Some(_) => Err("its method, task and seed were measured twice with different settings: \
                            keep them in folders of their own"
                .to_owned()),
            None => Ok(()),
        }
    }

    /// Takes away what cannot stand in a mean over tasks: the cells of seeds that a method does not have on all of its tasks.
    /// A method without a complete seed keeps what it has.
    fn set_unfinished_aside(&mut self) {
        for ((_, method), tasks) in &mut self.cells {
            let seeds: BTreeSet<u64> = tasks.values().flat_map(BTreeMap::keys).copied().flatten().collect();
            let (complete, partial): (Vec<u64>, Vec<u64>) =
                seeds.into_iter().partition(|seed| tasks.values().all(|cells| cells.contains_key(&Some(*seed))));
            if !complete.is_empty() {
                for seed in partial {
                    tasks.values_mut().for_each(|cells| drop(cells.remove(&Some(seed))));
                    self.unfinished.push(format!("{method} with seed {seed}"));
                }
            }
        }
    }

    /// The methods and seeds that are left out since some of their tasks are not measured yet.
    pub fn unfinished(&self) -> &[String] {
        &self.unfinished
    }

    /// All methods.
    pub fn methods(&self) -> Vec<&str> {
        self.cells.keys().map(|(_, method)| method.as_str()).collect()
    }

    /// All tasks.
    pub fn tasks(&self) -> Vec<&str> {
        let tasks: BTreeSet<&str> = self.cells.values().flat_map(|tasks| tasks.keys().map(String::as_str)).collect();
        tasks.into_iter().collect()
    }

    /// The cells of a method on a task, by seed.
    pub fn cells<'a>(&'a self, method: &str, task: &str) -> impl Iterator<Item = &'a Cell> {
        self.of(method, task).into_iter().flat_map(BTreeMap::values)
    }

    /// The cells of a method.
    pub fn of_method<'a>(&'a self, method: &str) -> impl Iterator<Item = &'a Cell> {
        let own = self.cells.iter().find(|((_, name), _)| name == method);
        own.into_iter().flat_map(|(_, tasks)| tasks.values().flat_map(BTreeMap::values))
    }

    /// All cells.
    pub fn all(&self) -> impl Iterator<Item = &Cell> {
        self.cells.values().flat_map(|tasks| tasks.values().flat_map(BTreeMap::values))
    }

    /// The cell of a method on a task with a seed; of a method that no seed changes, its only one.
    pub fn cell(&self, method: &str, task: &str, seed: u64) -> Option<&Cell> {
        let cells = self.of(method, task)?;
        cells.get(&Some(seed)).or_else(|| cells.get(&None))
    }

    /// The tasks on which all `methods` were measured.
    pub fn common_tasks(&self, methods: &[&str]) -> Vec<&str> {
        let mut tasks = self.tasks();
        tasks.retain(|task| methods.iter().all(|method| self.of(method, task).is_some()));
        tasks
    }

    /// The seeds with which all `methods` were measured on each of `tasks`.
    pub fn common_seeds(&self, methods: &[&str], tasks: &[&str]) -> Vec<u64> {
        let seeds: BTreeSet<u64> = self.all().filter_map(|cell| cell.seed).collect();
        let complete =
            |seed: &u64| methods.iter().all(|method| tasks.iter().all(|task| self.cell(method, task, *seed).is_some()));
        seeds.into_iter().filter(complete).collect()
    }

    fn of(&self, method: &str, task: &str) -> Option<&BySeed> {
        self.cells.iter().find(|((_, name), _)| name == method)?.1.get(task)
    }
}

/// All cells of `folders` with their files, by name. Errors: a .json file that is no cell, so that no damaged one is left out
/// unseen; files of other names are passed over.
pub fn cells_of(folders: &[PathBuf]) -> Outcome<Vec<(PathBuf, Cell)>> {
    let mut cells = Vec::new();
    for folder in folders {
        let entries =
            folder.read_dir().and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>()).map_err(at(folder))?;
        let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        paths.sort();
        for path in paths {
            let cell = cell::read(&path).ok_or_else(|| {
                refused(&path, "is no cell of supmer eval, a damaged one, or of an older program; take it away")
            })?;
            cells.push((path, named(cell)));
        }
    }
    Ok(cells)
}

/// `cell` under the name that it has beside others: a method without a bundle names a loss other than that over the
/// vocabulary, as in `prompt-tuning+head`.
fn named(mut cell: Cell) -> Cell {
    let loss = cell.settings.get("adapt").and_then(|adapt| adapt.get("answer_loss")?.as_str());
    if let (Some(loss), None) = (loss, cell.settings.get("bundle"))
        && loss != WHOLE_VOCABULARY
    {
        cell.method = format!("{}+{loss}", cell.method);
    }
    cell
}

/// Says what keeps two cells from being compared: other data of one task, other settings of one method, other shots or
/// another model. A setting that only one of two methods has keeps nothing from being compared; of one method, to have it
/// or not is a difference too.
pub fn compare(a: &Cell, b: &Cell) -> Result<(), String> {
    let one_method = a.method == b.method;
    let differ = |name: &str| {
        let [a, b] = [a, b].map(|cell| cell.settings.get(name).unwrap_or(&Value::Null));
        a != b && (one_method || !(a.is_null() || b.is_null()))
    };
    if a.task == b.task && ["task_digest", "data_digest"].into_iter().any(differ) {
        return Err(format!("its task {} was measured on other rows or with another template elsewhere", a.task));
    }
    for name in ["format", "version", "shots", "backbone", "weights", "max_tokens", "products"] {
        if differ(name) {
            return Err(format!("its {name} differ from those of another cell"));
        }
    }
    let own = ["adapt", "bundle", "context_examples", "encoder", "init_text"];
    if one_method && let Some(name) = own.into_iter().find(|name| differ(name)) {
        return Err(format!("its {name} settings differ from another cell's of method {}", a.method));
    }
    Ok(())
}

fn refused(path: &Path, why: &str) -> Failure {
    Failure::Work(Error::new(Status::InvalidArgument, format!("{}: {why}", path.display())))
}

#[cfg(test)]
pub mod tests {
    use serde_json::json;

    use super::*;
    use crate::eval::cell::tests::cell;

    /// Accuracies of a method by task and seed.
    pub fn add(scores: &mut Scores, method: &str, accuracies: &[(&str, u64, f64)]) {
        for (task, seed, accuracy) in accuracies {
            scores.add(Cell { task: (*task).to_owned(), ..cell(method, *seed, *accuracy) }).unwrap();
        }
    }

    #[test]
    fn a_seed_that_is_not_on_all_tasks_yet_is_left_out() {
        let mut scores = Scores::default();
        add(&mut scores, "supmer", &[("x", 13, 0.5), ("y", 13, 0.5), ("x", 21, 0.5)]);
        add(&mut scores, "in-context", &[("x", 13, 0.5), ("y", 21, 0.5)]);
        scores.set_unfinished_aside();
        assert_eq!(scores.unfinished(), ["supmer with seed 21"]);
        assert!(scores.cell("supmer", "x", 21).is_none() && scores.cell("supmer", "x", 13).is_some());
        assert_eq!(scores.of_method("in-context").count(), 2, "without a complete seed all stay");
    }

    #[test]
    fn cells_are_found_by_method_task_and_seed() {
        let mut scores = Scores::default();
        add(&mut scores, "supmer:b", &[("x", 13, 0.5), ("y", 13, 0.5), ("x", 21, 0.5)]);
        add(&mut scores, "supmer", &[("x", 13, 0.6), ("y", 13, 0.7), ("x", 21, 0.8), ("y", 21, 0.9)]);
        for task in ["x", "y"] {
            scores.add(Cell { task: task.to_owned(), seed: None, ..cell("zero-shot", 0, 0.25) }).unwrap();
        }
        assert_eq!(scores.methods(), ["zero-shot", "supmer", "supmer:b"]);
        assert_eq!(scores.tasks(), ["x", "y"]);
        assert_eq!(scores.cell("supmer", "y", 21).unwrap().accuracy, 0.9);
        assert_eq!(scores.cell("zero-shot", "y", 21).unwrap().accuracy, 0.25);
        assert_eq!(scores.common_seeds(&["supmer", "zero-shot"], &["x", "y"]), [13, 21]);
        assert_eq!(scores.common_seeds(&["supmer", "supmer:b"], &["x", "y"]), [13]);
        assert_eq!(scores.common_seeds(&["supmer", "supmer:b"], &["x"]), [13, 21]);
        add(&mut scores, "supmer", &[("z", 13, 0.5)]);
        assert_eq!(scores.common_tasks(&["supmer", "supmer:b"]), ["x", "y"]);
        assert_eq!(scores.cells("supmer:b", "x").count(), 2);
    }

    #[test]
    fn a_damaged_cell_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("notes.txt"), "no cell").unwrap();
        let bytes = serde_json::to_vec(&cell("supmer", 13, 0.5)).unwrap();
        std::fs::write(folder.path().join("a.json"), &bytes).unwrap();
        assert_eq!(Scores::read(&[folder.path().to_owned()]).unwrap().all().count(), 1);
        std::fs::write(folder.path().join("b.json"), &bytes[..bytes.len() / 2]).unwrap();
        let refused = Scores::read(&[folder.path().to_owned()]).err().unwrap().message().unwrap();
        assert!(refused.contains("b.json"), "{refused}");
    }

    #[test]
    fn a_loss_of_its_own_is_part_of_the_name_unless_a_bundle_chose_it() {
        let name = |settings| named(Cell { settings, ..cell("prompt-tuning", 13, 0.5) }).method;
        assert_eq!(name(json!({"adapt": {"answer_loss": "head"}})), "prompt-tuning+head");
        assert_eq!(name(json!({"adapt": {"answer_loss": "vocabulary"}})), "prompt-tuning");
        assert_eq!(name(json!({"adapt": {"answer_loss": "head"}, "bundle": "d1ce"})), "prompt-tuning");
        assert_eq!(name(json!({})), "prompt-tuning");
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let with = |method: &str, seed, settings| Cell { settings, ..cell(method, seed, 0.5) };
        for (first, second, words) in [
            (json!({}), Cell { trial: true, ..cell("supmer", 21, 0.5) }, "trial"),
            (json!({"shots": 16}), cell("supmer", 13, 0.5), "twice"),
            (json!({"shots": 16}), with("zero-shot", 13, json!({"shots": 8})), "shots"),
            (json!({"version": "0.1.0"}), with("zero-shot", 13, json!({"version": "0.2.0"})), "version"),
            (json!({"products": "f32"}), with("zero-shot", 13, json!({"products": "bf16"})), "products"),
            (json!({"data_digest": "a"}), with("zero-shot", 13, json!({"data_digest": "b"})), "other rows"),
            (json!({"adapt": {"steps": 1}}), with("supmer", 21, json!({"adapt": {"steps": 2}})), "adapt settings"),
            (
                json!({"context_examples": null}),
                with("supmer", 21, json!({"context_examples": 4})),
                "context_examples settings",
            ),
        ] {
            let mut scores = Scores::default();
            scores.add(with("supmer", 13, first)).unwrap();
            let why = scores.add(second).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn what_only_another_method_has_forbids_nothing() {
        let with = |method: &str, settings| Cell { settings, ..cell(method, 13, 0.5) };
        let mut scores = Scores::default();
        scores.add(with("supmer", json!({"shots": 16, "products": "f32"}))).unwrap();
        scores.add(with("zero-shot", json!({"products": "f32"}))).unwrap();
        scores.add(with("minilm-logreg", json!({"shots": 16, "products": null}))).unwrap();
    }
}
