//! Anchor tasks: what meta-training learns on instead of labelled tasks (method section 3).
//!
//! Every task is drawn as text first, a [`Task`](crate::Task) with labelled [`Example`](crate::Example)s like a
//! customer's own ([`AnchorTask`]), then tokenized the way adaptation tokenizes. A format is a row in three tables: what it
//! is called and how large its sets are ([`options`]), its wordings ([`wordings`]), and how its examples are drawn
//! ([`draw`]).

mod anchor_task;
mod center_rows;
mod draw;
mod hidden_word;
mod multi_choice;
mod options;
mod sentence_pair;
mod single_sentence;
mod source;
mod wordings;
mod words;

pub use anchor_task::AnchorTask;
pub use options::{AnchorOptions, CenterRows, Format, SetSizes};
pub use source::{AnchorTasks, HeldOutTask, StepTask};

#[cfg(test)]
mod tests;
