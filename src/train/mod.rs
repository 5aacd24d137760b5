//! Meta-training (feature `train`): tasks -> support gradient -> psi -> inner step -> mixed query loss -> theta and phi.
//!
//! A leaf of the crate: nothing else imports it.

mod curriculum;
mod domain_similarity;
mod learner;
mod meta_step;
pub mod parity;

pub use curriculum::{Curriculum, SmoothedSimilarity};
pub use domain_similarity::domain_similarity;
pub use learner::{BackboneLearner, Learner};
pub use meta_step::{MetaOptions, MetaRecord, MetaState, MetaTask, PromptGradient, Similarity, TaskRecord};
