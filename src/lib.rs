//! supmer adapts a frozen small language model to a customer's classification task on the device: from a handful of
//! labelled examples it learns a *soft prompt*, a few rows in front of the text, and predicts with it. No weight changes;
//! an adapter is some tens of kilobytes, and one model in memory serves as many adapters as you like.
//!
//! The principal types are [`Model`] (a loaded backbone), [`Task`] (labels, template, examples), [`Adapter`] (what
//! adaptation makes) and the two functions [`adapt()`] and [`predict()`].
//!
//! ```no_run
//! use supmer::adapt::Control;
//! use supmer::{AdaptOptions, Example, Label, Model, ModelOptions, PredictOptions, Task, adapt, predict};
//!
//! # fn main() -> supmer::Result<()> {
//! let model = Model::load("SmolLM2-135M-Instruct.Q4_1.gguf", &ModelOptions::default())?;
//! let label = |name: &str, verbalizer: &str| Label { name: name.into(), verbalizer: verbalizer.into() };
//! let task = Task::new(
//!     "reviews",
//!     "{text}\nSentiment:",
//!     vec![label("negative", " terrible"), label("positive", " great")],
//! )?;
//! let train = [
//!     Example::text("Broke on the second day.", Some("negative")),
//!     Example::text("Does what it says, and quietly.", Some("positive")),
//! ];
//! let adapted = adapt(&model, &task, &train, None, &AdaptOptions::default(), Control::default())?;
//! adapted.adapter.save("reviews.supmer")?;
//! let rows = [Example::text("I would buy it again.", None)];
//! for prediction in predict(&model, &adapted.adapter, &rows, &PredictOptions::default())? {
//!     println!("{:?}", prediction.probabilities);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Threads: a model has a private pool of [`ModelOptions::thread_count`] threads; results do not depend on how many. All
//! loaded things are immutable and may be used from any number of threads at once. Build with `--release`.

pub mod adapt;
pub mod adapter;
pub mod backbone;
pub mod bundle;
#[cfg(feature = "capi")]
pub mod capi;
mod container;
pub mod error;
pub mod gradient_regularizer;
pub mod interchange;
pub mod kernels;
pub mod label_head;
pub mod limits;
pub mod memory_estimate;
pub mod model;
pub mod predict;
pub mod runtime;
pub mod soft_prompt;
pub mod task;
pub mod text;
#[cfg(feature = "train")]
pub mod train;

pub use adapt::{AdaptOptions, Adaptation, Report, adapt};
pub use adapter::Adapter;
pub use bundle::Bundle;
pub use error::{Error, Result, Status};
pub use gradient_regularizer::GradientRegularizer;
pub use label_head::LabelHead;
pub use memory_estimate::{MemoryEstimate, estimate_memory};
pub use model::{Model, ModelFiles, ModelOptions, WeightMode};
pub use predict::{PredictOptions, Prediction, predict};
pub use runtime::{Cancel, Control, Progress};
pub use soft_prompt::SoftPrompt;
pub use task::{Example, Label, Task};
