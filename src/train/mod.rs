//! Meta-training (feature `train`): from text to a bundle.
//!
//! [`train_bundle`] is the whole way. [`Corpus`] -> [`SentenceStore`] -> [`EmbeddingTable`] -> [`Clusters`] ->
//! [`AnchorTasks`] make tasks of text; a [`Trainer`] takes meta steps on the tasks of any [`TaskSource`]: support gradient
//! -> psi -> inner step -> mixed query loss -> theta and phi. A leaf of the crate: only `capi` and the command use it.

mod anchor_tasks;
mod average;
mod checkpoint;
mod clusters;
mod corpus;
mod curriculum;
mod domain_similarity;
mod embedding;
mod inner_steps;
mod labelled_tasks;
mod learner;
mod meta_step;
mod metrics;
mod options;
pub mod parity;
mod pipeline;
pub mod report;
mod sentences;
mod start;
mod task_head;
mod task_source;
mod trainer;
mod validation;

pub use anchor_tasks::{AnchorOptions, AnchorTask, AnchorTasks, CenterRows, Format, HeldOutTask, SetSizes, StepTask};
pub use clusters::{ClusterOptions, Clusters};
pub use corpus::{Corpus, CorpusSummary, Paragraph, Paragraphs};
pub use curriculum::{Curriculum, SmoothedSimilarity};
pub use domain_similarity::domain_similarity;
pub use embedding::{Embedder, EmbeddingTable, MiniLm, PooledStates};
pub use labelled_tasks::{LabelledOptions, LabelledTasks};
pub use learner::{BackboneLearner, Learner};
pub use meta_step::{MetaOptions, MetaRecord, MetaState, MetaTask, PromptGradient, Similarity, TaskRecord};
pub use metrics::{Metric, StepMetric, TaskMetric, ValidationMetric, read_metrics};
pub use options::TrainOptions;
pub use pipeline::{AnchorSource, ClusteredText, PipelineOptions, train_bundle};
pub use sentences::{SentenceOptions, SentenceStore};
pub use start::{Start, StartOptions};
pub use task_head::TaskHead;
pub use task_source::{StepTasks, TaskKind, TaskSource, ValidationTask};
pub use trainer::{METRICS, Trained, Trainer};
