//! PyTorch checkpoint files of one tensor or a state dict, read without running anything in them.
//!
//! Such a file is a zip archive with a pickle, which says what the tensors are, and one record for each storage. The
//! authors' `prompt_*.pt` (one tensor, method section 8) and `gradient_edit_*.pt` (an `OrderedDict`, method section 5) are
//! read this way.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::pickle::{Object, Pickle, Value};
use super::strided::{Storage, View};
use super::torch_archive::{PICKLE, TorchArchive};
use super::torch_global::{Element, Global};
use crate::backbone::excerpt::excerpt;
use crate::backbone::mapped;
use crate::error::{Result, Status, fail};
use crate::limits::{MAX_NAME_BYTES, MAX_PICKLE_BYTES, MAX_TORCH_BYTES, MAX_TORCH_EXTRA_BYTES};

/// What a checkpoint file holds.
#[derive(Clone, Debug, PartialEq)]
pub enum TorchFile {
    /// One tensor or parameter.
    Tensor(Tensor),
    /// A dictionary of tensors, in the file's order.
    Named(Vec<(String, Tensor)>),
}

/// A tensor's values.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Sizes, slowest dimension first; empty for a single number.
    pub shape: Vec<usize>,
    /// As f32 in row-major order, whatever the precision and strides in the file. NaN and infinity are let through.
    pub values: Vec<f32>,
}

/// Reads the checkpoint file `path`.
///
/// Errors: `NotFound`, `Io`, `InvalidArgument` when it is no regular file, and with its name those of [`from_bytes`].
pub fn read(path: impl AsRef<Path>) -> Result<TorchFile> {
    let path = path.as_ref();
    let map = mapped::map(path)?;
    from_bytes(&map).map_err(|e| e.context(path.display()))
}

/// Reads a checkpoint file from memory. Takes at most as much memory again, and 64 MB.
///
/// Errors: `Unsupported` names what is neither a tensor of floats nor a dictionary of them, code that the file would
/// run, compressed records, and the formats of torch before 1.6; `CorruptFile` says what is wrong; `TooLarge`.
pub fn from_bytes(bytes: &[u8]) -> Result<TorchFile> {
    if bytes.len() > MAX_TORCH_BYTES {
        let message = format!("a checkpoint has at most {MAX_TORCH_BYTES} bytes, this one has {}", bytes.len());
        return fail(Status::TooLarge, message);
    }
    let archive = TorchArchive::open(bytes)?;
    let description = archive.record(PICKLE)?;
    if description.len() > MAX_PICKLE_BYTES {
        let length = description.len();
        return fail(Status::TooLarge, format!("{PICKLE} has {length} bytes, at most {MAX_PICKLE_BYTES} are accepted"));
    }
    let pickle = Pickle::read(description).map_err(|e| e.context(PICKLE))?;
    let room = (bytes.len() + MAX_TORCH_EXTRA_BYTES) / size_of::<f32>();
    TensorReader { archive: &archive, pickle: &pickle, storages: HashMap::new(), room }.root()
}

/// Makes tensors of what a pickle describes.
struct TensorReader<'p, 'a> {
    archive: &'p TorchArchive<'a>,
    pickle: &'p Pickle<'a>,
    /// Those read so far, by their keys.
    storages: HashMap<&'a str, Storage<'a>>,
    /// How many more values may be given out: views may lie over one another.
    room: usize,
}

impl<'a> TensorReader<'_, 'a> {
    fn root(mut self) -> Result<TorchFile> {
        let root = self.pickle.root();
        let Some(Object::Dict(items)) = self.pickle.object(root) else {
            return self.tensor(root).map(TorchFile::Tensor);
        };
        let mut names = HashSet::new();
        let mut tensors = Vec::new();
        for &(key, value) in items {
            let Value::Text(name) = key else {
                let kind = self.pickle.kind(key);
                return fail(Status::Unsupported, format!("a key of the dictionary: expected a text, found {kind}"));
            };
            if name.len() > MAX_NAME_BYTES {
                let message = format!("name {} has {} bytes, at most {MAX_NAME_BYTES}", excerpt(name), name.len());
                return fail(Status::TooLarge, message);
            }
            if !names.insert(name) {
                return fail(Status::CorruptFile, format!("tensor {} is given twice", excerpt(name)));
            }
            let tensor = self.tensor(value).map_err(|e| e.context(format!("tensor {}", excerpt(name))))?;
            tensors.push((name.to_owned(), tensor));
        }
        Ok(TorchFile::Named(tensors))
    }

    fn tensor(&mut self, value: Value<'a>) -> Result<Tensor> {
        let value = match self.pickle.object(value) {
            Some(&Object::Call(Global::Parameter, arguments)) => {
                match self.pickle.tuple(arguments, "arguments of a parameter")? {
                    &[data, _requires_grad, _hooks] => data,
                    other => return fail(Status::CorruptFile, format!("a parameter of {} arguments", other.len())),
                }
            }
            _ => value,
        };
        let Some(&Object::Call(Global::Tensor, arguments)) = self.pickle.object(value) else {
            let kind = self.pickle.kind(value);
            let message = format!("expected a tensor, found {kind}; save one tensor or a state dict alone");
            return fail(Status::Unsupported, message);
        };
        let arguments = self.pickle.tuple(arguments, "arguments of a tensor")?;
        let [storage, offset, shape, strides, _requires_grad, _hooks, flags @ ..] = arguments else {
            return fail(Status::CorruptFile, format!("a tensor of {} arguments", arguments.len()));
        };
        if !flags.iter().all(|&flags| self.says_nothing(flags)) {
            return fail(
                Status::Unsupported,
                "the tensor is a lazy negation or conjugate; save it by resolve_neg() and resolve_conj()",
            );
        }
        let (shape, strides) = (self.numbers(*shape, "size")?, self.numbers(*strides, "stride")?);
        let storage = self.storage(*storage)?;
        let elements = storage.bytes.len() / storage.element.bytes();
        let view = View::new(&shape, &strides, self.number(*offset, "offset")?, elements, self.room)?;
        self.room -= view.count();
        Ok(Tensor { shape: view.shape().to_vec(), values: view.gather(storage) })
    }

    /// The storage with the identity ("storage", class, key, device, number of elements).
    fn storage(&mut self, value: Value<'a>) -> Result<Storage<'a>> {
        let Some(&Object::Persistent(identity)) = self.pickle.object(value) else {
            let kind = self.pickle.kind(value);
            return fail(Status::CorruptFile, format!("expected a storage, found {kind}"));
        };
        let &[Value::Text("storage"), Value::Global(Global::Storage(element)), Value::Text(key), _, elements] =
            self.pickle.tuple(identity, "identity of a storage")?
        else {
            let message = "identity of a storage: expected \"storage\", a class, a key, a device and a number";
            return fail(Status::CorruptFile, message);
        };
        let storage = match self.storages.get(key) {
            Some(&storage) => storage,
            None => Storage { element, bytes: self.archive.record(&format!("data/{key}"))? },
        };
        self.check_length(storage, element, elements).map_err(|e| e.context(format!("storage {}", excerpt(key))))?;
        self.storages.insert(key, storage);
        Ok(storage)
    }

    fn check_length(&self, storage: Storage<'_>, element: Element, elements: Value<'a>) -> Result<()> {
        let elements = self.number(elements, "number of elements")?;
        let length = usize::try_from(elements).ok().and_then(|elements| elements.checked_mul(element.bytes()));
        if storage.element != element {
            return fail(Status::CorruptFile, format!("it is both {:?} and {element:?}", storage.element));
        }
        if length != Some(storage.bytes.len()) {
            let found = storage.bytes.len();
            let message = format!("{elements} elements of {} bytes expected, the record has {found}", element.bytes());
            return fail(Status::CorruptFile, message);
        }
        Ok(())
    }

    fn numbers(&self, value: Value<'a>, what: &str) -> Result<Vec<i64>> {
        self.pickle.tuple(value, what)?.iter().map(|&value| self.number(value, what)).collect()
    }

    fn number(&self, value: Value<'a>, what: &str) -> Result<i64> {
        match value {
            Value::Int(number) => Ok(number),
            _ => fail(Status::CorruptFile, format!("{what}: expected a number, found {}", self.pickle.kind(value))),
        }
    }

    fn says_nothing(&self, value: Value<'a>) -> bool {
        match value {
            Value::None => true,
            _ => matches!(self.pickle.object(value), Some(Object::Dict(items)) if items.is_empty()),
        }
    }
}
