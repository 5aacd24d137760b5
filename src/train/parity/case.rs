//! The inputs of a case.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors};

use crate::backbone::t5::batch::{Example, Padding, Tensors};
use crate::error::{Error, Result, Status, fail};
use crate::gradient_regularizer::{GradientRegularizer, Shape};
use crate::limits::MAX_ADAPTER_BYTES;
use crate::soft_prompt::SoftPrompt;

/// Values with their shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub shape: Vec<usize>,
    pub values: Values,
}

/// Integers are compared exactly, the others within a bound.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    Integers(Vec<i64>),
    Reals(Vec<f64>),
}

impl Tensor {
    /// A tensor of f32 values.
    pub fn of(shape: &[usize], values: &[f32]) -> Self {
        Self::reals(shape, values.iter().map(|&v| f64::from(v)).collect())
    }

    /// A tensor of f64 values.
    pub fn reals(shape: &[usize], values: Vec<f64>) -> Self {
        Self { shape: shape.to_vec(), values: Values::Reals(values) }
    }

    /// One number.
    pub fn scalar(value: f64) -> Self {
        Self::reals(&[], vec![value])
    }

    /// A tensor of integers.
    pub fn integers(shape: &[usize], values: Vec<i64>) -> Self {
        Self { shape: shape.to_vec(), values: Values::Integers(values) }
    }
}

/// What `inputs.safetensors` holds.
pub(super) struct Case {
    tensors: BTreeMap<String, Tensor>,
}

impl Case {
    pub fn read(folder: &Path) -> Result<Self> {
        Ok(Self { tensors: read_tensors(&folder.join("inputs.safetensors"))? })
    }

    /// Whether there is a tensor `name`.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The values of a tensor of reals.
    pub fn reals(&self, name: &str) -> Result<&[f64]> {
        match &self.find(name)?.values {
            Values::Reals(values) => Ok(values),
            Values::Integers(_) => fail(Status::CorruptFile, format!("{name} holds integers, reals are needed")),
        }
    }

    /// The same as f32.
    pub fn floats(&self, name: &str) -> Result<Vec<f32>> {
        Ok(self.reals(name)?.iter().map(|&v| v as f32).collect())
    }

    /// The values of a tensor of integers.
    pub fn integers(&self, name: &str) -> Result<&[i64]> {
        match &self.find(name)?.values {
            Values::Integers(values) => Ok(values),
            Values::Reals(_) => fail(Status::CorruptFile, format!("{name} holds reals, integers are needed")),
        }
    }

    /// The only value of a tensor of reals.
    pub fn number(&self, name: &str) -> Result<f64> {
        only(name, self.reals(name)?)
    }

    /// The only value of a tensor of integers, not negative.
    pub fn count(&self, name: &str) -> Result<usize> {
        let value = only(name, self.integers(name)?)?;
        usize::try_from(value).or_else(|_| fail(Status::CorruptFile, format!("{name} is {value}, a count is needed")))
    }

    /// Sizes of a tensor of two dimensions.
    pub fn matrix(&self, name: &str) -> Result<[usize; 2]> {
        match *self.find(name)?.shape {
            [rows, columns] => Ok([rows, columns]),
            ref other => fail(Status::CorruptFile, format!("{name} has the shape {other:?}, a matrix is needed")),
        }
    }

    /// The initial prompt.
    pub fn prompt(&self) -> Result<SoftPrompt> {
        let [rows, width] = self.matrix("prompt")?;
        SoftPrompt::new(rows, width, self.floats("prompt")?)
    }

    /// psi with the given phi.
    pub fn regularizer(&self) -> Result<GradientRegularizer> {
        let [width, rank] = self.matrix("phi.mlp.layers.0.u")?;
        let layers = (0..).take_while(|l| self.has(&format!("phi.mlp.layers.{l}.u"))).count();
        let shape = Shape { width, rank, layers };
        shape.validate()?;
        let mut values = Vec::new();
        for tensor in shape.tensors() {
            values.extend(self.floats(&format!("phi.{}", tensor.name))?);
        }
        GradientRegularizer::new(shape, values)
    }

    /// The batch whose tensors start with `prefix`, padding as published.
    pub fn batch(&self, prefix: &str) -> Result<Vec<Example>> {
        let field = |name: &str| self.integers(&format!("{prefix}.{name}"));
        let [count, _] = self.matrix(&format!("{prefix}.input_ids"))?;
        let tensors = Tensors {
            count,
            input_ids: field("input_ids")?,
            attention_mask: field("attention_mask")?,
            decoder_input_ids: field("decoder_input_ids")?,
            decoder_attention_mask: field("decoder_attention_mask")?,
            labels: field("labels")?,
            loss_ids: field("loss_ids")?,
        };
        tensors.examples(Padding::AsPublished)
    }

    /// The batch cut into `parts` mini-batches.
    pub fn mini_batches(&self, prefix: &str, parts: usize) -> Result<Vec<Vec<Example>>> {
        let batch = self.batch(prefix)?;
        if parts == 0 || !batch.len().is_multiple_of(parts) || batch.is_empty() {
            let rows = batch.len();
            return fail(Status::CorruptFile, format!("{prefix}: {rows} rows are not {parts} mini-batches"));
        }
        Ok(batch.chunks(batch.len() / parts).map(<[Example]>::to_vec).collect())
    }

    fn find(&self, name: &str) -> Result<&Tensor> {
        match self.tensors.get(name) {
            Some(tensor) => Ok(tensor),
            None => fail(Status::CorruptFile, format!("inputs.safetensors: the tensor {name} is missing")),
        }
    }
}

fn only<T: Copy>(name: &str, values: &[T]) -> Result<T> {
    match values {
        [value] => Ok(*value),
        _ => fail(Status::CorruptFile, format!("{name} has {} values, one is needed", values.len())),
    }
}

/// All tensors of a safetensors file. Errors: `NotFound`, `Io`, `TooLarge`, `CorruptFile`, `Unsupported` for another type
/// than f32, f64 and i64.
pub(super) fn read_tensors(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let failed = |e: std::io::Error| Error::io(path, &e);
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_ADAPTER_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_ADAPTER_BYTES {
        let place = path.display();
        return fail(Status::TooLarge, format!("{place}: at most {MAX_ADAPTER_BYTES} bytes are accepted"));
    }
    let corrupt = |e| Error::new(Status::CorruptFile, format!("{}: {e}", path.display()));
    let file = SafeTensors::deserialize(&bytes).map_err(corrupt)?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F32 => Values::Reals(data.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect()),
            Dtype::F64 => Values::Reals(data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect()),
            Dtype::I64 => Values::Integers(data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect()),
            other => {
                let place = path.display();
                return fail(Status::Unsupported, format!("{place}: {name} is {other:?}; F32, F64 and I64 are read"));
            }
        };
        tensors.insert(name.to_owned(), Tensor { shape: view.shape().to_vec(), values });
    }
    Ok(tensors)
}
