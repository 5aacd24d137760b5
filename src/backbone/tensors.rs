//! Putting a network together from named tensors: which there must be, of which shape, and that all are finite.

use std::collections::HashSet;

use super::bytes::Bytes;
use super::config::LlamaConfig;
use super::excerpt::excerpt;
use super::fingerprint::WeightsDigest;
use super::llama_source::LayerWeights;
use super::weights::{Format, FrozenMatrix, Storage};
use crate::error::{Error, Result, Status, fail};
use crate::runtime::{Control, Progress, Stage};

/// A tensor found in a file.
pub(super) struct StoredTensor {
    /// Which file it is in, for messages.
    pub(super) file: String,
    /// Sizes, slowest dimension first.
    pub(super) shape: Vec<usize>,
    /// How its elements are stored.
    pub(super) format: Format,
    /// The file.
    pub(super) bytes: Bytes,
    /// Where it starts in the file.
    pub(super) offset: usize,
    /// How many bytes it has.
    pub(super) length: usize,
}

/// The tensors of a model, in one file or many.
pub(super) trait TensorStore {
    /// The tensor called `name`. Errors: `Unsupported` names its format, `CorruptFile`.
    fn find(&self, name: &str) -> Result<Option<StoredTensor>>;
    /// All names, in any order.
    fn names(&self) -> Vec<&str>;
    /// Where the tensors should be, for messages.
    fn place(&self) -> String;
}

/// What the tensors are called.
#[allow(missing_docs)]
pub(super) struct TensorNames {
    pub(super) embedding: &'static str,
    pub(super) final_norm: &'static str,
    pub(super) head: &'static str,
    /// What stands before the number of a layer.
    pub(super) layer: &'static str,
    pub(super) attention_norm: &'static str,
    pub(super) query: &'static str,
    pub(super) key: &'static str,
    pub(super) value: &'static str,
    pub(super) output: &'static str,
    pub(super) feed_forward_norm: &'static str,
    pub(super) gate: &'static str,
    pub(super) up: &'static str,
    pub(super) down: &'static str,
}

/// Where the output head comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    /// It is the embedding; a tensor of its own is ignored.
    Tied,
    /// It is a tensor that must be there.
    Separate,
}

/// All weights of a network.
pub(super) struct Weights {
    pub(super) embedding: FrozenMatrix,
    pub(super) layers: Vec<LayerWeights>,
    pub(super) final_norm: Vec<f32>,
    pub(super) head: Option<FrozenMatrix>,
    /// SHA-256 (hex) of formats and samples.
    pub(super) digest: String,
}

/// What becomes of a matrix once it was looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// As stored, in memory as far as it was read.
    Stored,
    /// As stored; mapped pages may leave memory until they are used.
    Released,
    /// Expanded to f32 memory of its own.
    Expanded,
}

/// Reads tensors from a store and remembers which.
pub(super) struct TensorReader<'s, 'c> {
    store: &'s dyn TensorStore,
    keep: Keep,
    control: &'s mut Control<'c>,
    /// Number of tensors in the store.
    total: usize,
    used: HashSet<String>,
    digest: WeightsDigest,
}

impl<'s, 'c> TensorReader<'s, 'c> {
    /// A reader of `store` that tells `control` of every tensor.
    pub(super) fn new(store: &'s dyn TensorStore, keep: Keep, control: &'s mut Control<'c>) -> Self {
        let total = store.names().len();
        Self { store, keep, control, total, used: HashSet::new(), digest: WeightsDigest::new() }
    }

    /// Reads the whole network, of which no tensor may be missing, shaped otherwise, not finite or left over.
    ///
    /// Errors: `CorruptFile` names tensor and shapes, `NotFinite` the tensor, `Unsupported` a format or a tensor that
    /// the plain network does not have; `Cancelled`.
    pub(super) fn network(mut self, names: &TensorNames, config: &LlamaConfig, head: Head) -> Result<Weights> {
        let (rows, width) = (config.vocabulary, config.width);
        let embedding = self.matrix(names.embedding, rows, width)?;
        let mut layers = Vec::new();
        for i in 0..config.layers {
            layers.push(self.layer(&format!("{}{i}.", names.layer), names, config)?);
        }
        let final_norm = self.vector(names.final_norm, width)?;
        let head = match head {
            Head::Separate => Some(self.matrix(names.head, rows, width)?),
            Head::Tied => {
                self.ignore(names.head);
                None
            }
        };
        let digest = self.finish("a plain Llama network")?;
        Ok(Weights { embedding, layers, final_norm, head, digest })
    }

    /// Lets the store have a tensor `name` that is not read.
    pub(super) fn ignore(&mut self, name: &str) {
        self.used.insert(name.to_owned());
    }

    /// The digest of what was read. Errors: `Unsupported` names a tensor that was not asked for: `network` has none such.
    pub(super) fn finish(mut self, network: &str) -> Result<String> {
        self.check_left_over(network)?;
        self.tell(self.total)?;
        Ok(self.digest.finish())
    }

    /// The one-dimensional tensor `name`, `None` when there is none.
    pub(super) fn optional_vector(&mut self, name: &str, most: usize) -> Result<Option<Vec<f32>>> {
        let Some(tensor) = self.store.find(name)? else { return Ok(None) };
        match tensor.shape[..] {
            [length] if length <= most => self.vector(name, length).map(Some),
            _ => wrong_shape(name, &format!("at most {most}"), &tensor),
        }
    }

    fn layer(&mut self, prefix: &str, names: &TensorNames, config: &LlamaConfig) -> Result<LayerWeights> {
        let LlamaConfig { width, feed_forward, .. } = *config;
        let query_rows = config.heads * config.head_width;
        let key_rows = config.kv_heads * config.head_width;
        let name = |part: &str| format!("{prefix}{part}");
        Ok(LayerWeights {
            attention_norm: self.vector(&name(names.attention_norm), width)?,
            query: self.matrix(&name(names.query), query_rows, width)?,
            key: self.matrix(&name(names.key), key_rows, width)?,
            value: self.matrix(&name(names.value), key_rows, width)?,
            output: self.matrix(&name(names.output), width, query_rows)?,
            feed_forward_norm: self.vector(&name(names.feed_forward_norm), width)?,
            gate: self.matrix(&name(names.gate), feed_forward, width)?,
            up: self.matrix(&name(names.up), feed_forward, width)?,
            down: self.matrix(&name(names.down), width, feed_forward)?,
        })
    }

    /// The two-dimensional tensor `name`. Errors: `CorruptFile`, `NotFinite`, `Unsupported`, `MemoryLimit`.
    pub(super) fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Result<FrozenMatrix> {
        let tensor = self.find(name, &format!("{rows} x {columns}"))?;
        if tensor.shape != [rows, columns] {
            return wrong_shape(name, &format!("{rows} x {columns} (rows x columns)"), &tensor);
        }
        let matrix = self.take(name, rows, columns, tensor)?;
        match self.keep {
            Keep::Stored => Ok(matrix),
            Keep::Released => {
                matrix.release();
                Ok(matrix)
            }
            Keep::Expanded => matrix.expanded(),
        }
    }

    /// The one-dimensional tensor `name`. Errors: `CorruptFile`, `NotFinite`, `Unsupported`.
    pub(super) fn vector(&mut self, name: &str, length: usize) -> Result<Vec<f32>> {
        let tensor = self.find(name, &length.to_string())?;
        if tensor.shape != [length] {
            return wrong_shape(name, &length.to_string(), &tensor);
        }
        if !matches!(tensor.format, Format::F32 | Format::F16 | Format::BF16) {
            let message = format!(
                "{}: tensor {} is stored as {}; vectors are read as F32, F16 or BF16",
                tensor.file,
                excerpt(name),
                tensor.format.name()
            );
            return fail(Status::Unsupported, message);
        }
        let mut values = vec![0.0; length];
        self.take(name, 1, length, tensor)?.expand(0, 0, &mut values);
        Ok(values)
    }

    fn find(&self, name: &str, expected: &str) -> Result<StoredTensor> {
        self.store.find(name)?.ok_or_else(|| {
            let message = format!("{}: tensor {} ({expected}) is missing", self.store.place(), excerpt(name));
            Error::new(Status::CorruptFile, message)
        })
    }

    /// The tensor as a matrix, finite, counted in the digest.
    fn take(&mut self, name: &str, rows: usize, columns: usize, tensor: StoredTensor) -> Result<FrozenMatrix> {
        self.tell(self.used.len())?;
        let StoredTensor { file, shape, format, bytes, offset, length } = tensor;
        let matrix = FrozenMatrix::new(rows, columns, format, Storage::Stored { file: bytes, offset, length })
            .map_err(|e| e.context(format!("{file}: tensor {}", excerpt(name))))?;
        matrix.check_finite(name).map_err(|e| e.context(&file))?;
        self.digest.add(name, format, &shape, matrix.bytes());
        self.used.insert(name.to_owned());
        Ok(matrix)
    }

    /// Tells how many tensors are read. Errors: `Cancelled`.
    fn tell(&mut self, done: usize) -> Result<()> {
        let (loss, accuracy) = (f32::NAN, f32::NAN);
        self.control.tell(Progress { stage: Stage::Load, done, total: self.total, loss, accuracy })
    }

    /// A tensor that was not asked for (a bias, an expert) means another network than the one computed here.
    fn check_left_over(&self, network: &str) -> Result<()> {
        // Old checkpoints carry the rotary frequencies along, which follow from the configuration.
        let known = |name: &str| self.used.contains(name) || name.ends_with(".rotary_emb.inv_freq");
        match self.store.names().into_iter().filter(|name| !known(name)).min() {
            None => Ok(()),
            Some(name) => {
                let message = format!(
                    "{}: tensor {} is not part of {network} of this configuration",
                    self.store.place(),
                    excerpt(name)
                );
                fail(Status::Unsupported, message)
            }
        }
    }
}

fn wrong_shape<T>(name: &str, expected: &str, tensor: &StoredTensor) -> Result<T> {
    let found: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
    let message =
        format!("{}: tensor {}: expected shape {expected}, found {}", tensor.file, excerpt(name), found.join(" x "));
    fail(Status::CorruptFile, message)
}
