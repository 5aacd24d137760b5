//! The soft prompt theta: P rows in the backbone's input-embedding space.

use crate::error::{Result, Status, fail};
use crate::limits::MAX_PROMPT_ROWS;

/// P rows of width d, row-major f32; the only thing that adaptation changes.
#[derive(Clone, Debug, PartialEq)]
pub struct SoftPrompt {
    rows: usize,
    width: usize,
    values: Vec<f32>,
}

impl SoftPrompt {
    /// A prompt of `rows` x `width` values, row by row. Zero rows is the unprompted model.
    ///
    /// Errors: `TooLarge` above [`MAX_PROMPT_ROWS`], `InvalidArgument` when the count of values differs,
    /// `NotFinite` when one is NaN or infinite.
    pub fn new(rows: usize, width: usize, values: Vec<f32>) -> Result<Self> {
        if rows > MAX_PROMPT_ROWS {
            return fail(
                Status::TooLarge,
                format!("a soft prompt has at most {MAX_PROMPT_ROWS} rows, {rows} were given"),
            );
        }
        if rows.checked_mul(width) != Some(values.len()) {
            return fail(
                Status::InvalidArgument,
                format!("a soft prompt of {rows} x {width} needs that many values, {} were given", values.len()),
            );
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            return fail(Status::NotFinite, format!("soft prompt row {} holds a value that is not finite", at / width));
        }
        Ok(Self { rows, width, values })
    }

    /// The prompt of no rows: the backbone as it is.
    pub fn empty(width: usize) -> Self {
        Self { rows: 0, width, values: Vec::new() }
    }

    /// P, the number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// d, the width of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All values for the optimizer to move, row by row.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}
