//! The tensors of a file, taken out one by one with the shape that is needed.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::{Error, Result, Status, fail};
use crate::limits::{MAX_PROMPT_ROWS, MAX_WIDTH};
use crate::soft_prompt::SoftPrompt;

/// The tensors of a checked safetensors file.
pub(crate) struct Tensors<'a>(SafeTensors<'a>);

impl<'a> Tensors<'a> {
    pub(super) fn new(tensors: SafeTensors<'a>) -> Self {
        Self(tensors)
    }

    /// `CorruptFile` unless there are `count` tensors.
    pub fn check_count(&self, count: usize) -> Result<()> {
        if self.0.len() == count {
            return Ok(());
        }
        fail(Status::CorruptFile, format!("the manifest tells of {count} tensors, {} came", self.0.len()))
    }

    /// The values of f32 tensor `name`, which must have `shape`. Errors: `CorruptFile` says what it is instead.
    pub fn take(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let tensor = self.find(name)?;
        if tensor.shape() != shape {
            let came = tensor.shape();
            return fail(Status::CorruptFile, format!("{name:?} is {came:?}, the manifest needs {shape:?}"));
        }
        values(name, &tensor)
    }

    /// The tensor `name` as a prompt of `rows` rows. Errors: `CorruptFile`, `NotFinite`.
    pub fn prompt(&self, name: &str, rows: usize) -> Result<SoftPrompt> {
        let tensor = self.find(name)?;
        let &[found, width] = tensor.shape() else {
            let dimensions = tensor.shape().len();
            return fail(Status::CorruptFile, format!("{name:?} has two dimensions, {dimensions} came"));
        };
        if found != rows {
            return fail(
                Status::CorruptFile,
                format!("{name:?} has {found} rows, but the manifest says prompt_length {rows}"),
            );
        }
        if rows > MAX_PROMPT_ROWS || width == 0 || width > MAX_WIDTH {
            return fail(
                Status::CorruptFile,
                format!(
                    "{name:?} is {rows} x {width}; at most {MAX_PROMPT_ROWS} rows of 1 to {MAX_WIDTH} values are accepted"
                ),
            );
        }
        SoftPrompt::new(rows, width, values(name, &tensor)?)
    }

    fn find(&self, name: &str) -> Result<TensorView<'_>> {
        let missing = |_| Error::new(Status::CorruptFile, format!("the tensor {name:?} is missing"));
        self.0.tensor(name).map_err(missing)
    }
}

/// The values of an f32 tensor; its size follows from the file's, which is at hand.
fn values(name: &str, tensor: &TensorView<'_>) -> Result<Vec<f32>> {
    if tensor.dtype() != Dtype::F32 {
        return fail(Status::CorruptFile, format!("{name:?} is F32, {:?} came", tensor.dtype()));
    }
    let (values, rest) = tensor.data().as_chunks::<4>();
    if !rest.is_empty() {
        return fail(Status::CorruptFile, format!("{name:?} is not a whole number of values"));
    }
    Ok(values.iter().map(|value| f32::from_le_bytes(*value)).collect())
}
