//! Sentence embeddings: MiniLM from a local folder, or the backbone's own pooled states.

mod mini_lm;
mod pooled_states;
mod table;

use crate::error::Result;
use crate::runtime::Cancel;

pub use mini_lm::MiniLm;
pub use pooled_states::PooledStates;
pub use table::EmbeddingTable;

/// Something that gives a sentence a vector of length 1.
pub trait Embedder {
    /// Tells embedders of different vectors apart.
    fn id(&self) -> String;
    /// Values of a vector.
    fn width(&self) -> usize;
    /// The vectors of `texts`, (texts, width) row by row. A text too long is cut at its end. Errors: `Cancelled`, and the
    /// embedder's own.
    fn embed(&self, texts: &[&str], cancel: &Cancel) -> Result<Vec<f32>>;
}

/// Scales every row of `width` values to Euclidean length 1; a row of zeros stays.
fn normalize_rows(rows: &mut [f32], width: usize) {
    for row in rows.chunks_exact_mut(width) {
        let length = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
        }
    }
}

#[cfg(test)]
mod tests;
