//! The few names of Python that the pickle of a checkpoint may hold.

use crate::backbone::excerpt::excerpt;
use crate::error::{Result, Status, fail};

/// What a pickle may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    /// `torch._utils._rebuild_tensor_v2`
    Tensor,
    /// `torch._utils._rebuild_parameter`
    Parameter,
    /// `collections.OrderedDict`
    OrderedDict,
    /// A class of storages.
    Storage(Element),
}

/// Kind of the elements of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    /// `torch.FloatStorage`
    F32,
    /// `torch.HalfStorage`
    F16,
    /// `torch.BFloat16Storage`
    BF16,
}

impl Global {
    /// The global `module.name`. Errors: `Unsupported` names it when it is another one.
    pub(super) fn of(module: &str, name: &str) -> Result<Self> {
        let message = match (module, name) {
            ("torch._utils", "_rebuild_tensor_v2") => return Ok(Global::Tensor),
            ("torch._utils", "_rebuild_parameter") => return Ok(Global::Parameter),
            ("collections", "OrderedDict") => return Ok(Global::OrderedDict),
            ("torch", "FloatStorage") => return Ok(Global::Storage(Element::F32)),
            ("torch", "HalfStorage") => return Ok(Global::Storage(Element::F16)),
            ("torch", "BFloat16Storage") => return Ok(Global::Storage(Element::BF16)),
            ("torch", storage) if storage.ends_with("Storage") => format!(
                "a tensor is stored as {}; FloatStorage, HalfStorage and BFloat16Storage are read; save it as float32",
                excerpt(storage)
            ),
            _ => format!(
                "the file asks for {}; nothing is run, and only tensors, parameters and dictionaries of them are \
                 read; save the state dict alone",
                excerpt(&format!("{module}.{name}"))
            ),
        };
        fail(Status::Unsupported, message)
    }

    /// What it is, for messages.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Global::Tensor | Global::Parameter => "a function of torch",
            Global::OrderedDict => "the class OrderedDict",
            Global::Storage(_) => "a class of storages",
        }
    }
}

impl Element {
    /// Bytes of one element.
    pub(super) fn bytes(self) -> usize {
        match self {
            Element::F32 => 4,
            Element::F16 | Element::BF16 => 2,
        }
    }
}
