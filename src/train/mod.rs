//! Meta-training (feature `train`): tasks -> support gradient -> psi -> inner step -> mixed query loss -> theta and phi.
//!
//! A leaf of the crate: nothing else imports it.

mod anchor_tasks;
mod clusters;
mod corpus;
mod curriculum;
mod domain_similarity;
mod embedding;
mod learner;
mod meta_step;
pub mod parity;
mod sentences;

pub use anchor_tasks::{
    AnchorOptions, AnchorTask, AnchorTasks, CenterRows, Format, SetSizes, StepTask, ValidationTask,
};
pub use clusters::{ClusterOptions, Clusters};
pub use corpus::{Corpus, CorpusSummary, Paragraph, Paragraphs};
pub use curriculum::{Curriculum, SmoothedSimilarity};
pub use domain_similarity::domain_similarity;
pub use embedding::{Embedder, EmbeddingTable, MiniLm, PooledStates};
pub use learner::{BackboneLearner, Learner};
pub use meta_step::{MetaOptions, MetaRecord, MetaState, MetaTask, PromptGradient, Similarity, TaskRecord};
pub use sentences::{SentenceOptions, SentenceStore};
