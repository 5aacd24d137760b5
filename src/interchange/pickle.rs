//! The pickles of `torch.save` as descriptions. Python would import modules and call functions while it reads one; here
//! nothing is imported or called: what calls for more than tensors and dictionaries is refused by name.
//!
//! Protocols 2 to 5, the operations that the default pickler writes for such objects
//! (<https://docs.python.org/3/library/pickletools.html>).

mod machine;

use super::torch_global::Global;
use crate::error::{Result, Status, fail};
use machine::Machine;

/// A value of a pickle; larger ones lie in [`Pickle`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    None,
    Bool,
    Int(i64),
    Text(&'a str),
    Global(Global),
    /// Number of an object.
    Object(usize),
}

/// A value that holds others.
#[derive(Debug)]
pub(super) enum Object<'a> {
    Tuple(Vec<Value<'a>>),
    /// In order; a key may be given twice.
    Dict(Vec<(Value<'a>, Value<'a>)>),
    /// What would be the result of a function (first) of a tuple (second).
    Call(Global, Value<'a>),
    /// What lies outside the pickle, by its identity.
    Persistent(Value<'a>),
}

/// A pickle that was read: objects that refer to each other by number, possibly in circles.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    objects: Vec<Object<'a>>,
    root: Value<'a>,
}

impl<'a> Pickle<'a> {
    /// Reads a whole pickle.
    ///
    /// Errors: `Unsupported` names the global or operation that is refused, `CorruptFile` what is wrong, both with the
    /// place; `TooLarge` above [`MAX_PICKLE_STEPS`](crate::limits::MAX_PICKLE_STEPS) operations.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self> {
        Machine::new(bytes).run()
    }

    /// The pickled value.
    pub(super) fn root(&self) -> Value<'a> {
        self.root
    }

    /// The object that `value` refers to.
    pub(super) fn object(&self, value: Value<'a>) -> Option<&Object<'a>> {
        if let Value::Object(number) = value { self.objects.get(number) } else { None }
    }

    /// The elements of `value`, a tuple. Errors: `CorruptFile` when it is something else.
    pub(super) fn tuple(&self, value: Value<'a>, what: &str) -> Result<&[Value<'a>]> {
        match self.object(value) {
            Some(Object::Tuple(elements)) => Ok(elements),
            _ => fail(Status::CorruptFile, format!("{what}: expected a tuple, found {}", self.kind(value))),
        }
    }

    /// What `value` is, for messages.
    pub(super) fn kind(&self, value: Value<'a>) -> &'static str {
        match value {
            Value::None => "None",
            Value::Bool => "a bool",
            Value::Int(_) => "a whole number",
            Value::Text(_) => "a text",
            Value::Global(global) => global.kind(),
            Value::Object(_) => match self.object(value) {
                Some(Object::Tuple(_)) => "a tuple",
                Some(Object::Dict(_)) => "a dictionary",
                Some(Object::Call(Global::Parameter, _)) => "a parameter",
                Some(Object::Call(..)) => "a tensor",
                Some(Object::Persistent(_)) => "a storage",
                None => "nothing",
            },
        }
    }
}
