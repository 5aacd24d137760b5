//! Frozen matrices in the format they are stored in.

mod finite;

use super::bytes::Bytes;
use super::mapped;
use crate::error::{Error, Result, Status, fail};

/// How the weights of a matrix are stored; the quantized ones are ggml's block formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Format {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q8_0,
    Q4K,
    Q6K,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 8] =
        [Format::F32, Format::F16, Format::BF16, Format::Q4_0, Format::Q4_1, Format::Q8_0, Format::Q4K, Format::Q6K];

    /// ggml's name, e.g. "Q4_K".
    pub fn name(self) -> &'static str {
        match self {
            Format::F32 => "F32",
            Format::F16 => "F16",
            Format::BF16 => "BF16",
            Format::Q4_0 => "Q4_0",
            Format::Q4_1 => "Q4_1",
            Format::Q8_0 => "Q8_0",
            Format::Q4K => "Q4_K",
            Format::Q6K => "Q6_K",
        }
    }

    /// The format with ggml's number `code`; `None` for those this build cannot read.
    pub fn from_ggml(code: u32) -> Option<Self> {
        Some(match code {
            0 => Format::F32,
            1 => Format::F16,
            2 => Format::Q4_0,
            3 => Format::Q4_1,
            8 => Format::Q8_0,
            12 => Format::Q4K,
            14 => Format::Q6K,
            30 => Format::BF16,
            _ => return None,
        })
    }

    /// Weights in one block; a row is a whole number of blocks.
    pub fn block_len(self) -> usize {
        match self {
            Format::F32 | Format::F16 | Format::BF16 => 1,
            Format::Q4_0 | Format::Q4_1 | Format::Q8_0 => 32,
            Format::Q4K | Format::Q6K => 256,
        }
    }

    /// Bytes of one block.
    pub fn block_bytes(self) -> usize {
        match self {
            Format::F32 => 4,
            Format::F16 | Format::BF16 => 2,
            Format::Q4_0 => 18,
            Format::Q4_1 => 20,
            Format::Q8_0 => 34,
            Format::Q4K => 144,
            Format::Q6K => 210,
        }
    }
}

/// The bytes of a matrix: a range of a file, or memory of its own.
#[derive(Clone)]
pub enum Storage {
    /// `file[offset..offset + length]`, checked when made.
    Stored {
        /// The file, mapped or copied.
        file: Bytes,
        /// Where the matrix starts.
        offset: usize,
        /// How many bytes it has.
        length: usize,
    },
    /// f32 values of its own (format F32 only).
    Owned(Vec<f32>),
}

/// A matrix of `rows` x `columns` frozen weights, row-major: `rows` outputs, `columns` inputs.
#[derive(Clone)]
pub struct FrozenMatrix {
    rows: usize,
    columns: usize,
    format: Format,
    storage: Storage,
}

impl FrozenMatrix {
    /// A matrix over `storage`. Errors: `CorruptFile` when the sizes do not fit together.
    pub fn new(rows: usize, columns: usize, format: Format, storage: Storage) -> Result<Self> {
        if rows == 0 || columns == 0 || !columns.is_multiple_of(format.block_len()) {
            let message = format!(
                "a {} matrix needs at least one row and whole blocks of {} columns, {rows} x {columns} found",
                format.name(),
                format.block_len()
            );
            return fail(Status::CorruptFile, message);
        }
        let expected = (columns / format.block_len())
            .checked_mul(format.block_bytes())
            .and_then(|row| row.checked_mul(rows))
            .filter(|&bytes| bytes <= isize::MAX as usize);
        let found = match &storage {
            Storage::Stored { file, offset, length } => {
                if offset.checked_add(*length).is_none_or(|end| end > file.len()) {
                    let message = format!("{length} bytes at offset {offset}, the file has {} bytes", file.len());
                    return fail(Status::CorruptFile, message);
                }
                *length
            }
            Storage::Owned(_) if format != Format::F32 => {
                return fail(Status::Internal, format!("a {} matrix cannot own its values", format.name()));
            }
            Storage::Owned(values) => size_of_val(&values[..]),
        };
        if expected != Some(found) {
            let message = format!("{rows} x {columns} weights as {} do not take {found} bytes", format.name());
            return fail(Status::CorruptFile, message);
        }
        Ok(Self { rows, columns, format, storage })
    }

    /// Output width.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Input width.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How the weights are stored.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The stored bytes, row after row.
    pub fn bytes(&self) -> &[u8] {
        match &self.storage {
            Storage::Stored { file, offset, length } => &file[*offset..*offset + *length],
            Storage::Owned(values) => mapped::as_bytes(values),
        }
    }

    /// The stored bytes of row `row`.
    pub fn row_bytes(&self, row: usize) -> &[u8] {
        let length = self.columns / self.format.block_len() * self.format.block_bytes();
        &self.bytes()[row * length..(row + 1) * length]
    }

    /// The whole matrix as f32 when it is stored as such (and aligned), without a copy.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.storage {
            Storage::Owned(values) => Some(values),
            Storage::Stored { .. } if self.format == Format::F32 => mapped::as_f32(self.bytes()),
            Storage::Stored { .. } => None,
        }
    }

    /// Columns `start..start + out.len()` of row `row` as f32; both ends on block borders.
    pub fn expand(&self, row: usize, start: usize, out: &mut [f32]) {
        if let Storage::Owned(values) = &self.storage {
            let first = row * self.columns + start;
            out.copy_from_slice(&values[first..first + out.len()]);
            return;
        }
        let skipped = start / self.format.block_len() * self.format.block_bytes();
        crate::kernels::dequantize::dequantize(self.format, &self.row_bytes(row)[skipped..], out);
    }

    /// The same matrix in f32 memory of its own. Mapped pages that were read for it stop counting as resident.
    ///
    /// Errors: `MemoryLimit` when there is no memory for it.
    pub fn expanded(&self) -> Result<FrozenMatrix> {
        let mut values = Vec::new();
        values.try_reserve_exact(self.rows * self.columns).map_err(|_| {
            let message = format!(
                "there is no memory for {} x {} weights as f32; load the model with its weights as they are stored",
                self.rows, self.columns
            );
            Error::new(Status::MemoryLimit, message)
        })?;
        for row in 0..self.rows {
            let start = values.len();
            values.resize(start + self.columns, 0.0);
            self.expand(row, 0, &mut values[start..]);
        }
        self.release();
        Ok(Self { format: Format::F32, storage: Storage::Owned(values), ..*self })
    }

    /// Lets the system drop the matrix's mapped pages from memory; they are read from the file again when touched.
    pub fn release(&self) {
        if let Storage::Stored { file, offset, length } = &self.storage {
            file.release(*offset, *length);
        }
    }

    /// Whether no weight is NaN or infinite. Of quantized blocks only the scales are read.
    pub fn is_finite(&self) -> bool {
        finite::is_finite(self.format, self.bytes())
    }

    /// `NotFinite` naming `name` when a weight is NaN or infinite.
    pub fn check_finite(&self, name: &str) -> Result<()> {
        if self.is_finite() {
            return Ok(());
        }
        let message = format!("tensor \"{name}\" holds NaN or infinite weights; the file is damaged, fetch it again");
        Err(Error::new(Status::NotFinite, message))
    }
}

#[cfg(test)]
mod tests;
