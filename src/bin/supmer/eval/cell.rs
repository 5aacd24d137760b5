//! One finished (method, seed) of an evaluation, kept on the disk so that a stopped evaluation goes on.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use supmer::backbone::Fingerprint;

use super::Method;
use crate::failure::{Outcome, at};
use crate::files;

/// A kept file above this is no cell.
const MAX_BYTES: u64 = 1 << 30;

/// What one method scored with one seed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Cell {
    /// SHA-256 (hex) of everything that the result depends on.
    pub settings: String,
    /// Share of right answers.
    pub accuracy: f64,
    /// Macro F1.
    pub macro_f1: f64,
    /// Expected calibration error.
    pub calibration_error: f64,
    /// Wall seconds of adaptation.
    pub adapt_seconds: f64,
    /// Wall seconds of predicting the test rows.
    pub predict_seconds: f64,
    /// The process's peak of resident memory when the cell was done.
    pub peak_bytes: u64,
    /// The backbone that was measured.
    pub backbone: Fingerprint,
    /// What the adaptation warned of.
    pub warnings: Vec<String>,
    /// Probabilities of all labels for every test row.
    pub probabilities: Vec<Vec<f32>>,
}

/// The folder of an evaluation's cells: `<out>.cells`.
pub struct Cells(PathBuf);

impl Cells {
    /// The cells of the evaluation that writes `out`.
    pub fn of(out: &Path) -> Self {
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

    /// Removes what earlier runs left.
    pub fn clear(&self) -> Outcome<()> {
        match std::fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(&self.0)(error)),
            _ => Ok(()),
        }
    }

    /// The kept cell; none where it is missing, damaged, or was measured with other `settings`.
    pub fn kept(&self, method: Method, seed: u64, settings: &str) -> Option<Cell> {
        self.read(method, seed).filter(|cell| cell.settings == settings)
    }

    /// The kept cell, whatever its settings.
    pub fn read(&self, method: Method, seed: u64) -> Option<Cell> {
        let path = self.path(method, seed);
        if path.metadata().ok()?.len() > MAX_BYTES {
            return None;
        }
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Keeps `cell`.
    pub fn keep(&self, method: Method, seed: u64, cell: &Cell) -> Outcome<()> {
        let bytes = serde_json::to_vec(cell).map_err(|e| at(&self.0)(e.into()))?;
        files::write(&self.path(method, seed), &bytes)
    }

    /// Zero-shot has one cell: no seed changes it.
    fn path(&self, method: Method, seed: u64) -> PathBuf {
        self.0.join(match method {
            Method::ZeroShot => "zero-shot.json".to_owned(),
            Method::PromptTuning | Method::Supmer | Method::SupmerNoPsi => format!("{}-{seed}.json", method.name()),
        })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn cell(settings: &str, accuracy: f64) -> Cell {
        let backbone = Fingerprint {
            architecture: "llama".to_owned(),
            shape: "1x2".to_owned(),
            tokenizer: "t".to_owned(),
            weights: "w".to_owned(),
        };
        Cell {
            settings: settings.to_owned(),
            accuracy,
            macro_f1: accuracy,
            calibration_error: 0.125,
            adapt_seconds: 2.0,
            predict_seconds: 1.0,
            peak_bytes: 1_000_000,
            backbone,
            warnings: Vec::new(),
            probabilities: vec![vec![0.1, 0.9], vec![0.3, 0.7]],
        }
    }

    #[test]
    fn a_cell_is_reused_only_for_the_same_settings() {
        let folder = tempfile::tempdir().unwrap();
        let cells = Cells::of(&folder.path().join("results.json"));
        cells.create().unwrap();
        assert!(cells.kept(Method::PromptTuning, 13, "a").is_none());
        cells.keep(Method::PromptTuning, 13, &cell("a", 0.5)).unwrap();
        let kept = cells.kept(Method::PromptTuning, 13, "a").unwrap();
        assert_eq!(kept.probabilities, cell("a", 0.5).probabilities);
        assert!(cells.kept(Method::PromptTuning, 13, "b").is_none());
        assert!(cells.kept(Method::PromptTuning, 21, "a").is_none());
        assert_eq!(cells.folder(), folder.path().join("results.json.cells"));
    }

    #[test]
    fn a_damaged_cell_is_measured_again() {
        let folder = tempfile::tempdir().unwrap();
        let cells = Cells::of(&folder.path().join("r"));
        cells.create().unwrap();
        std::fs::write(cells.folder().join("zero-shot.json"), b"{\"settings\":\"a\",").unwrap();
        assert!(cells.kept(Method::ZeroShot, 13, "a").is_none());
        cells.clear().unwrap();
        cells.clear().unwrap();
        assert!(!cells.folder().exists());
    }
}
