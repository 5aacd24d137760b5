//! One finished (task, method, seed, settings) of an evaluation, kept on the disk and never measured again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use supmer::backbone::Fingerprint;

use super::method::Method;
use crate::console::json_failure;
use crate::failure::{Outcome, at};
use crate::files;

/// A kept file above this is no cell.
const MAX_BYTES: u64 = 1 << 30;
/// Digits of the key in a cell's file name.
const NAME_DIGITS: usize = 16;

/// What one method scored on one task with one seed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Cell {
    /// Name of the task.
    pub task: String,
    /// Name of the method.
    pub method: String,
    /// The seed; none where it changes nothing.
    pub seed: Option<u64>,
    /// Whether it was tested on rows of train.jsonl.
    pub trial: bool,
    /// SHA-256 (hex) of `settings`.
    pub key: String,
    /// Everything that the result depends on.
    pub settings: Value,
    /// Share of right answers.
    pub accuracy: f64,
    /// Macro F1.
    pub macro_f1: f64,
    /// Expected calibration error.
    pub calibration_error: f64,
    /// Accuracy of what was learned after so many steps, whether or not the dev part would keep it. A label head is still
    /// the one that the dev part chooses after that step, fitted to its rows too.
    pub accuracy_at_steps: BTreeMap<usize, f64>,
    /// Worker threads; 0 = every core. They change the seconds and nothing else.
    pub threads: usize,
    /// Whether tiles were emulated, which changes the seconds and nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emulated: bool,
    /// Wall seconds of adaptation, without those that only `accuracy_at_steps` needed.
    pub adapt_seconds: f64,
    /// Wall seconds of predicting the test rows.
    pub predict_seconds: f64,
    /// The process's peak of resident memory when the cell was done.
    pub peak_bytes: u64,
    /// What the dev part chose, e.g. the step of the kept prompt.
    pub chosen: BTreeMap<String, f64>,
    /// The backbone that was measured, where the method has one.
    pub backbone: Option<Fingerprint>,
    /// What the adaptation warned of.
    pub warnings: Vec<String>,
    /// Probabilities of all labels for every test row, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probabilities: Option<Vec<Vec<f32>>>,
}

impl Cell {
    /// How many rows it was tested on.
    pub fn test_rows(&self) -> usize {
        self.settings["test_rows"].as_u64().map_or(0, |rows| rows as usize)
    }

    /// Whether all numbers are such as an evaluation gives, and method and seed those of the settings.
    fn is_sound(&self) -> bool {
        let scores = [self.accuracy, self.macro_f1, self.calibration_error];
        let named = self.settings["method"] == json!(self.method) && self.settings["seed"] == json!(self.seed);
        named
            && scores.iter().chain(self.accuracy_at_steps.values()).all(|score| (0.0..=1.0).contains(score))
            && [self.adapt_seconds, self.predict_seconds].iter().all(|seconds| (0.0..1e9).contains(seconds))
    }
}

/// Which cell: what its file is found by.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Place {
    /// Name of the task.
    pub task: String,
    /// Name of the method.
    pub method: String,
    /// The seed; none where it changes nothing.
    pub seed: Option<u64>,
    /// SHA-256 (hex) of the settings.
    pub key: String,
}

impl Place {
    /// The place of a cell that depends on `settings`.
    pub fn of(task: &str, method: &Method, seed: Option<u64>, settings: &Value) -> Self {
        let key = format!("{:x}", Sha256::digest(settings.to_string()));
        Self { task: task.to_owned(), method: method.to_string(), seed, key }
    }

    /// ", seed 13" for messages; nothing where the seed changes nothing.
    pub fn seed_text(&self) -> String {
        self.seed.map(|seed| format!(", seed {seed}")).unwrap_or_default()
    }

    /// The name of its file: for people, and by the key for the program.
    fn file_name(&self) -> String {
        let plain = |text: &str| -> String {
            text.chars()
                .take(64)
                .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' })
                .collect()
        };
        let seed = self.seed.map(|seed| format!("-{seed}")).unwrap_or_default();
        format!("{}-{}{seed}-{}.json", plain(&self.task), plain(&self.method), &self.key[..NAME_DIGITS])
    }
}

/// A folder of cells, of any number of evaluations.
pub struct Cells(PathBuf);

impl Cells {
    /// The cells in `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The cells of an evaluation that writes `out` and was given no folder: `<out>.cells`.
    pub fn beside(out: &Path) -> Self {
        let mut name = out.as_os_str().to_owned();
        name.push(".cells");
        Self(name.into())
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Makes the folder.
    pub fn create(&self) -> Outcome<()> {
        std::fs::create_dir_all(&self.0).map_err(at(&self.0))
    }

    /// The cell at `place`; none where it is missing, damaged, or was measured with other settings.
    pub fn kept(&self, place: &Place) -> Option<Cell> {
        read(&self.0.join(place.file_name())).filter(|cell| cell.key == place.key)
    }

    /// Keeps `cell` at `place`.
    pub fn keep(&self, place: &Place, cell: &Cell) -> Outcome<()> {
        let bytes = serde_json::to_vec(cell).map_err(json_failure)?;
        files::write(&self.0.join(place.file_name()), &bytes)
    }
}

/// The cell of the file `path`; none where it is missing or damaged.
pub fn read(path: &Path) -> Option<Cell> {
    if !path.metadata().is_ok_and(|file| file.is_file() && file.len() <= MAX_BYTES) {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok().filter(Cell::is_sound)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn cell(method: &str, seed: u64, accuracy: f64) -> Cell {
        Cell {
            task: "reviews".to_owned(),
            method: method.to_owned(),
            seed: Some(seed),
            trial: false,
            key: "0".repeat(64),
            settings: json!({ "method": method, "seed": seed, "shots": 16, "test_rows": 2 }),
            accuracy,
            macro_f1: accuracy,
            calibration_error: 0.125,
            accuracy_at_steps: BTreeMap::new(),
            threads: 0,
            emulated: false,
            adapt_seconds: 2.0,
            predict_seconds: 1.0,
            peak_bytes: 1_000_000,
            chosen: BTreeMap::new(),
            backbone: None,
            warnings: Vec::new(),
            probabilities: None,
        }
    }

    fn keep(cells: &Cells, place: &Place, accuracy: f64) {
        cells.keep(place, &Cell { key: place.key.clone(), ..cell(&place.method, 13, accuracy) }).unwrap();
    }

    #[test]
    fn a_cell_is_reused_only_for_the_same_settings_and_others_stay_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let cells = Cells::beside(&folder.path().join("results.json"));
        assert_eq!(cells.folder(), folder.path().join("results.json.cells"));
        cells.create().unwrap();
        let place = |rate: f64| Place::of("a/b", &Method::Supmer(None), Some(13), &json!({ "rate": rate }));
        assert!(cells.kept(&place(0.1)).is_none());
        keep(&cells, &place(0.1), 0.5);
        keep(&cells, &place(0.2), 0.75);
        assert_eq!(cells.kept(&place(0.1)).unwrap().accuracy, 0.5);
        assert_eq!(cells.kept(&place(0.2)).unwrap().test_rows(), 2);
        assert!(cells.kept(&place(0.3)).is_none());
        assert!(place(0.1).file_name().starts_with("a_b-supmer-13-"));
    }

    #[test]
    fn a_damaged_cell_is_measured_again() {
        let folder = tempfile::tempdir().unwrap();
        let cells = Cells::new(folder.path().to_owned());
        let place = Place::of("t", &Method::ZeroShot, None, &json!(1));
        keep(&cells, &place, 0.5);
        let path = folder.path().join(place.file_name());
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(cells.kept(&place).is_none());
        for (kept, at_step) in [(0.5, 1.5), (f64::NAN, 0.5), (-0.5, 0.5)] {
            let accuracy_at_steps = BTreeMap::from([(10, at_step)]);
            let broken = Cell { accuracy_at_steps, ..cell("zero-shot", 13, kept) };
            cells.keep(&place, &Cell { key: place.key.clone(), ..broken }).unwrap();
            assert!(cells.kept(&place).is_none(), "{kept}, {at_step}");
        }
        let renamed = Cell { method: "supmer".to_owned(), ..cell("zero-shot", 13, 0.5) };
        cells.keep(&place, &Cell { key: place.key.clone(), ..renamed }).unwrap();
        assert!(cells.kept(&place).is_none());
    }
}
