//! From paragraphs to sentences that lie in a file, so that a corpus need not fit in memory.
//!
//! Sentences are cut by the `unicode-segmentation` crate (Unicode Standard Annex 29), which is in every build of the
//! tokenizers already; pieces that end in an abbreviation are joined again ([`split`]).

mod build;
mod split;
mod store;

pub use build::SentenceOptions;
pub use store::SentenceStore;

#[cfg(test)]
mod tests;
