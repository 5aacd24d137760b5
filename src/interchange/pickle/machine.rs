//! The operations of a pickle, carried out on a stack.

use std::collections::HashMap;

use super::{Object, Pickle, Value};
use crate::error::{Error, Result, Status, fail};
use crate::interchange::torch_global::Global;
use crate::limits::MAX_PICKLE_STEPS;

/// The state while operations are carried out.
pub(super) struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Value<'a>>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    /// What was made so far.
    pickle: Pickle<'a>,
}

/// Whether an operation was the last one.
#[derive(PartialEq, Eq)]
enum Step {
    Inner,
    Last,
}

impl<'a> Machine<'a> {
    /// A machine at the start of `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let pickle = Pickle { objects: Vec::new(), root: Value::None };
        Self { rest: bytes, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), pickle }
    }

    /// Carries out all operations. Errors: those of [`Pickle::read`].
    pub(super) fn run(mut self) -> Result<Pickle<'a>> {
        let length = self.rest.len();
        for _ in 0..MAX_PICKLE_STEPS {
            let place = length - self.rest.len();
            if self.step().map_err(|e| e.context(format!("byte {place}")))? == Step::Last {
                return Ok(self.pickle);
            }
        }
        fail(Status::TooLarge, format!("the pickle has more than {MAX_PICKLE_STEPS} operations"))
    }

    /// Carries out the next operation.
    fn step(&mut self) -> Result<Step> {
        let [code] = self.array()?;
        match code {
            // PROTO
            0x80 => match self.array()? {
                [2..=5] => {}
                [version] => {
                    let message = format!("pickle protocol {version}; protocols 2 to 5 are read");
                    return fail(Status::Unsupported, message);
                }
            },
            // FRAME
            0x95 => drop(self.array::<8>()?),
            // STOP
            b'.' => {
                self.stop()?;
                return Ok(Step::Last);
            }
            b'N' => self.stack.push(Value::None),
            // NEWTRUE, NEWFALSE
            0x88 | 0x89 => self.stack.push(Value::Bool),
            // BININT, BININT1, BININT2, LONG1
            b'J' => {
                let number = i32::from_le_bytes(self.array()?);
                self.stack.push(Value::Int(number.into()));
            }
            b'K' => {
                let [number] = self.array()?;
                self.stack.push(Value::Int(number.into()));
            }
            b'M' => {
                let number = u16::from_le_bytes(self.array()?);
                self.stack.push(Value::Int(number.into()));
            }
            0x8a => {
                let number = self.long()?;
                self.stack.push(Value::Int(number));
            }
            // BINUNICODE, SHORT_BINUNICODE
            b'X' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length)?;
            }
            0x8c => {
                let [length] = self.array()?;
                self.text(length.into())?;
            }
            // BINPUT, LONG_BINPUT, MEMOIZE
            b'q' => {
                let [number] = self.array()?;
                self.remember(number.into())?;
            }
            b'r' => {
                let number = u32::from_le_bytes(self.array()?);
                self.remember(number)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?,
            // BINGET, LONG_BINGET
            b'h' => {
                let [number] = self.array()?;
                self.recall(number.into())?;
            }
            b'j' => {
                let number = u32::from_le_bytes(self.array()?);
                self.recall(number)?;
            }
            // MARK
            b'(' => self.marks.push(self.stack.len()),
            // EMPTY_TUPLE, TUPLE1 to TUPLE3, TUPLE
            b')' => self.create(Object::Tuple(Vec::new())),
            0x85..=0x87 => {
                let mut elements = Vec::new();
                for _ in 0x85..=code {
                    elements.push(self.pop()?);
                }
                elements.reverse();
                self.create(Object::Tuple(elements));
            }
            b't' => {
                let elements = self.pop_to_mark()?;
                self.create(Object::Tuple(elements));
            }
            // EMPTY_DICT, SETITEM, SETITEMS
            b'}' => self.create(Object::Dict(Vec::new())),
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.dict("SETITEM")?.push((key, value));
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                let (pairs, left) = items.as_chunks::<2>();
                if !left.is_empty() {
                    return fail(Status::CorruptFile, "SETITEMS: a key without a value");
                }
                self.dict("SETITEMS")?.extend(pairs.iter().map(|&[key, value]| (key, value)));
            }
            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.stack.push(Value::Global(Global::of(module, name)?));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (module, name) else {
                    return fail(Status::CorruptFile, "STACK_GLOBAL: expected two texts");
                };
                self.stack.push(Value::Global(Global::of(module, name)?));
            }
            b'R' => self.reduce()?,
            b'b' => self.build()?,
            // BINPERSID
            b'Q' => {
                let identity = self.pop()?;
                self.create(Object::Persistent(identity));
            }
            other => return fail(Status::Unsupported, format!("operation {} is not read", operation(other))),
        }
        Ok(Step::Inner)
    }

    /// REDUCE: of all functions only the making of an empty `OrderedDict` is carried out; the others are noted down.
    fn reduce(&mut self) -> Result<()> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Some(Object::Tuple(elements)) = self.pickle.object(arguments) else {
            let kind = self.pickle.kind(arguments);
            return fail(Status::CorruptFile, format!("REDUCE: expected a tuple of arguments, found {kind}"));
        };
        let object = match function {
            Value::Global(Global::OrderedDict) if elements.is_empty() => Object::Dict(Vec::new()),
            Value::Global(function @ (Global::Tensor | Global::Parameter)) => Object::Call(function, arguments),
            _ => {
                let (kind, count) = (self.pickle.kind(function), elements.len());
                return fail(Status::Unsupported, format!("REDUCE: {kind} with {count} arguments is not called"));
            }
        };
        self.create(object);
        Ok(())
    }

    /// BUILD: attributes of a dictionary (`_metadata` of a state dict) are dropped.
    fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        self.dict("BUILD")?;
        match self.pickle.object(state) {
            Some(Object::Dict(_)) => Ok(()),
            _ => {
                let kind = self.pickle.kind(state);
                fail(Status::Unsupported, format!("BUILD: expected a dictionary of attributes, found {kind}"))
            }
        }
    }

    fn stop(&mut self) -> Result<()> {
        self.pickle.root = self.pop()?;
        if !self.stack.is_empty() || !self.marks.is_empty() || !self.rest.is_empty() {
            return fail(Status::CorruptFile, "STOP: expected one value and nothing behind it");
        }
        Ok(())
    }

    fn create(&mut self, object: Object<'a>) {
        self.stack.push(Value::Object(self.pickle.objects.len()));
        self.pickle.objects.push(object);
    }

    /// The items of the dictionary on top of the stack.
    fn dict(&mut self, operation: &str) -> Result<&mut Vec<(Value<'a>, Value<'a>)>> {
        let top = self.top()?;
        let kind = self.pickle.kind(top);
        if let Value::Object(number) = top
            && let Some(Object::Dict(items)) = self.pickle.objects.get_mut(number)
        {
            return Ok(items);
        }
        fail(Status::Unsupported, format!("{operation}: expected a dictionary, {kind} is not changed"))
    }

    /// The top of the stack above the last mark.
    fn top(&self) -> Result<Value<'a>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&value) if self.stack.len() > floor => Ok(value),
            _ => fail(Status::CorruptFile, "the operation needs a value, there is none"),
        }
    }

    fn pop(&mut self) -> Result<Value<'a>> {
        let value = self.top()?;
        self.stack.pop();
        Ok(value)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value<'a>>> {
        let Some(mark) = self.marks.pop() else {
            return fail(Status::CorruptFile, "the operation needs a mark, there is none");
        };
        Ok(self.stack.split_off(mark))
    }

    fn remember(&mut self, number: u32) -> Result<()> {
        let value = self.top()?;
        self.memo.insert(number, value);
        Ok(())
    }

    fn recall(&mut self, number: u32) -> Result<()> {
        let Some(&value) = self.memo.get(&number) else {
            return fail(Status::CorruptFile, format!("memo {number} was never set"));
        };
        self.stack.push(value);
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
            let left = self.rest.len();
            return fail(Status::CorruptFile, format!("the pickle ends: {length} bytes expected, {left} left"));
        };
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// Pushes a text of `length` bytes.
    fn text(&mut self, length: u32) -> Result<()> {
        let text = utf8(self.take(length as usize)?)?;
        self.stack.push(Value::Text(text));
        Ok(())
    }

    /// A text up to the end of its line.
    fn line(&mut self) -> Result<&'a str> {
        let Some(length) = self.rest.iter().position(|&byte| byte == b'\n') else {
            return fail(Status::CorruptFile, "the pickle ends within a name");
        };
        let line = utf8(self.take(length)?);
        self.take(1)?;
        line
    }

    /// A little-endian two's complement number of as many bytes as the first one says.
    fn long(&mut self) -> Result<i64> {
        let [length] = self.array()?;
        let bytes = self.take(length.into())?;
        if bytes.len() > 8 {
            let message = format!("a whole number of {length} bytes; at most 8 are read");
            return fail(Status::Unsupported, message);
        }
        let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut array = [if negative { 0xff } else { 0 }; 8];
        array[..bytes.len()].copy_from_slice(bytes);
        Ok(i64::from_le_bytes(array))
    }
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|e| Error::new(Status::CorruptFile, format!("expected UTF-8 text, {e}")))
}

/// Code and, for those that make or call something, name of an operation that is refused.
fn operation(code: u8) -> String {
    let name = match code {
        b'i' => "INST",
        b'o' => "OBJ",
        0x81 => "NEWOBJ",
        0x92 => "NEWOBJ_EX",
        0x82..=0x84 => "EXT",
        b'P' => "PERSID",
        b'G' | b'F' => "FLOAT",
        b']' | b'l' | b'a' | b'e' => "LIST",
        0x8f..=0x91 => "SET",
        b'B' | b'C' | 0x8e | 0x96 => "BYTES",
        b'0' | b'1' | b'2' => "POP or DUP",
        _ => return format!("0x{code:02x}"),
    };
    format!("{name} (0x{code:02x})")
}
