//! What a run measures, one JSON object a line: `"kind": "step"` and `"kind": "validation"`.
//!
//! Lines hold no time of day, so that a resumed run writes the same file as an uninterrupted one.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{MetaRecord, TaskKind};
use crate::error::{Error, Result, Status};

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Metric {
    /// A meta step.
    Step(StepMetric),
    /// Held-out tasks of one format.
    Validation(ValidationMetric),
}

impl Metric {
    /// The step, if it is one.
    pub fn step(&self) -> Option<&StepMetric> {
        match self {
            Self::Step(step) => Some(step),
            Self::Validation(_) => None,
        }
    }

    /// The validation, if it is one.
    pub fn validation(&self) -> Option<&ValidationMetric> {
        match self {
            Self::Step(_) => None,
            Self::Validation(validation) => Some(validation),
        }
    }
}

/// Means over a step's tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepMetric {
    /// Steps done, this one included.
    pub step: usize,
    /// Losses task by task.
    pub tasks: Vec<TaskMetric>,
    /// Mixed query loss after the inner step, in nats.
    pub query_loss: f64,
    /// Support loss before the inner step, in nats.
    pub support_loss: f64,
    /// Similarity of query and regularized support gradients, 0 to 1.
    pub task_similarity: f64,
    /// s, smoothed over steps.
    pub similarity: f64,
    /// Mean mixing weight of the task's own examples.
    pub lambda: f64,
    /// b of its distribution.
    pub beta_b: f64,
    /// c; none without psi.
    pub gate: Option<f64>,
    /// The gate's regularization loss; none without psi.
    pub gate_loss: Option<f64>,
    /// cos(psi(G), G); none without psi.
    pub psi_cosine: Option<f64>,
    /// Norm of theta's gradient before clipping.
    pub prompt_gradient_norm: f32,
    /// Norm of phi's gradient before clipping.
    pub phi_gradient_norm: f32,
    /// Mean norm of a row of theta after the step.
    pub prompt_row_norm: f32,
    /// Learning rate of theta.
    pub prompt_rate: f64,
    /// Learning rate of phi.
    pub phi_rate: f64,
}

/// The losses of one task of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskMetric {
    /// Its format.
    pub format: String,
    /// Mixed query loss after the inner step, in nats.
    pub query_loss: f64,
    /// Support loss before the inner step, in nats.
    pub support_loss: f64,
    /// Loss of guessing among its answers, in nats.
    pub chance_loss: f64,
}

/// Means over the held-out tasks of one format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidationMetric {
    /// Steps done before.
    pub step: usize,
    /// The tasks' format.
    pub format: String,
    /// Query loss at theta, in nats.
    pub loss_before: f64,
    /// Query loss after one inner step, in nats: below `loss_before` when the inner step helps.
    pub loss_after: f64,
    /// Share of right answers after one inner step; none where answers cannot be scored.
    pub accuracy: Option<f64>,
    /// Loss of guessing, in nats.
    pub chance_loss: f64,
}

impl StepMetric {
    /// The means of `record`, whose tasks are of `kinds`.
    pub fn new(step: usize, kinds: &[TaskKind], record: &MetaRecord, prompt_row_norm: f32) -> Self {
        let count = record.tasks.len().max(1) as f64;
        let mean = |of: &dyn Fn(&super::TaskRecord) -> f64| record.tasks.iter().map(of).sum::<f64>() / count;
        let known = |of: &dyn Fn(&super::TaskRecord) -> Option<f64>| {
            record.tasks.iter().map(of).sum::<Option<f64>>().map(|sum| sum / count)
        };
        let losses = kinds.iter().zip(&record.tasks).map(|(kind, task)| TaskMetric {
            format: kind.format.to_owned(),
            query_loss: task.query_loss,
            support_loss: task.support_loss,
            chance_loss: kind.chance_loss,
        });
        Self {
            step,
            tasks: losses.collect(),
            query_loss: mean(&|task| task.query_loss),
            support_loss: mean(&|task| task.support_loss),
            task_similarity: mean(&|task| task.similarity),
            similarity: record.similarity,
            lambda: mean(&|task| task.lambdas.iter().sum::<f64>() / task.lambdas.len().max(1) as f64),
            beta_b: record.beta_b,
            gate: known(&|task| task.gate.map(f64::from)),
            gate_loss: known(&|task| task.gate_loss),
            psi_cosine: known(&|task| task.psi_cosine),
            prompt_gradient_norm: record.prompt_norm,
            phi_gradient_norm: record.phi_norm,
            prompt_row_norm,
            prompt_rate: record.prompt_rate,
            phi_rate: record.phi_rate,
        }
    }
}

/// The metrics file of a run.
pub struct MetricsFile {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl MetricsFile {
    /// Opens the file at `path` after its first `bytes` bytes; what a stopped run wrote beyond its checkpoint goes.
    ///
    /// Errors: `Io`; `CorruptFile` when the file is shorter than that.
    pub fn open(path: &Path, bytes: u64) -> Result<Self> {
        let failed = |e: std::io::Error| Error::io(path, &e);
        let mut file = OpenOptions::new().create(bytes == 0).truncate(false).write(true).open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?.len();
        if found < bytes {
            return Err(Error::new(
                Status::CorruptFile,
                format!(
                    "{}: the checkpoint knows {bytes} bytes of metrics, the file has {found}; put the run's own file back, \
                     or start in another folder",
                    path.display()
                ),
            ));
        }
        file.set_len(bytes).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file, bytes })
    }

    /// Appends one line. Errors: `Io`, `DiskFull`.
    pub fn add(&mut self, metric: &Metric) -> Result<()> {
        let mut line = serde_json::to_vec(metric)
            .map_err(|e| Error::new(Status::Internal, format!("cannot write a metric as JSON: {e}")))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(|e| Error::io(&self.path, &e))?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Makes what was added last, and gives the file's length.
    pub fn sync(&mut self) -> Result<u64> {
        self.file.sync_data().map_err(|e| Error::io(&self.path, &e))?;
        Ok(self.bytes)
    }
}

/// All lines of a metrics file. Errors: `NotFound`, `Io`, `CorruptFile` with the line.
pub fn read_metrics(path: &Path) -> Result<Vec<Metric>> {
    let failed = |e: std::io::Error| Error::io(path, &e);
    let mut metrics = Vec::new();
    for (at, line) in BufReader::new(File::open(path).map_err(failed)?).lines().enumerate() {
        let metric = serde_json::from_str(&line.map_err(failed)?)
            .map_err(|e| Error::new(Status::CorruptFile, format!("{} line {}: {e}", path.display(), at + 1)))?;
        metrics.push(metric);
    }
    Ok(metrics)
}
