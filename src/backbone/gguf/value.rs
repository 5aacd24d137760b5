//! Metadata values, borrowed from the file.

use std::fmt::{Display, Formatter};

use super::cursor::{Cursor, utf8};
use crate::error::{Error, Result, Status, fail};

/// One metadata value; whole numbers and floats of all widths come as the widest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// u8, u16, u32 or u64.
    Unsigned(u64),
    /// i8, i16, i32 or i64.
    Signed(i64),
    /// f32 or f64.
    Float(f64),
    /// true or false.
    Bool(bool),
    /// Text.
    Text(&'a str),
    /// Many values of one kind.
    Array(Array<'a>),
}

/// What a value is stored as; the numbers are the file format's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    U8 = 0,
    I8 = 1,
    U16 = 2,
    I16 = 3,
    U32 = 4,
    I32 = 5,
    F32 = 6,
    Bool = 7,
    Text = 8,
    Array = 9,
    U64 = 10,
    I64 = 11,
    F64 = 12,
}

impl Kind {
    const ALL: [Kind; 13] = [
        Kind::U8,
        Kind::I8,
        Kind::U16,
        Kind::I16,
        Kind::U32,
        Kind::I32,
        Kind::F32,
        Kind::Bool,
        Kind::Text,
        Kind::Array,
        Kind::U64,
        Kind::I64,
        Kind::F64,
    ];

    /// Bytes of one value; of texts and arrays the least that one takes.
    fn least_bytes(self) -> usize {
        match self {
            Kind::U8 | Kind::I8 | Kind::Bool => 1,
            Kind::U16 | Kind::I16 => 2,
            Kind::U32 | Kind::I32 | Kind::F32 => 4,
            Kind::U64 | Kind::I64 | Kind::F64 | Kind::Text => 8,
            Kind::Array => 12,
        }
    }
}

/// An array that stays in the file until it is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Array<'a> {
    kind: Kind,
    count: usize,
    bytes: &'a [u8],
}

impl<'a> Array<'a> {
    /// What every element is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The elements in order. Errors: `CorruptFile` for a text that is not UTF-8 or a bool that is neither 0 nor 1.
    pub fn values(&self) -> impl Iterator<Item = Result<Value<'a>>> + use<'a> {
        let mut cursor = Cursor::new(self.bytes);
        let kind = self.kind;
        (0..self.count).map(move |i| scalar(&mut cursor, kind, format_args!("element {i}")))
    }
}

impl Value<'_> {
    /// What the value is, for messages.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Value::Unsigned(_) | Value::Signed(_) => "a whole number",
            Value::Float(_) => "a float",
            Value::Bool(_) => "a bool",
            Value::Text(_) => "a text",
            Value::Array(_) => "an array",
        }
    }
}

/// One line at most: long texts and arrays are shortened.
impl Display for Value<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Unsigned(v) => write!(f, "{v}"),
            Value::Signed(v) => write!(f, "{v}"),
            Value::Float(v) => write!(f, "{v}"),
            Value::Bool(v) => write!(f, "{v}"),
            Value::Text(v) => f.write_str(&super::excerpt(v)),
            Value::Array(array) => {
                write!(f, "{} x {:?} [", array.count, array.kind)?;
                for (i, value) in array.values().take(3).enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    match value {
                        Ok(value) => write!(f, "{comma}{value}")?,
                        Err(_) => write!(f, "{comma}?")?,
                    }
                }
                f.write_str(if array.count > 3 { ", ...]" } else { "]" })
            }
        }
    }
}

/// The next kind code and value.
pub(super) fn read<'a>(cursor: &mut Cursor<'a>, what: impl Display) -> Result<Value<'a>> {
    let kind = kind(cursor, &what)?;
    if kind != Kind::Array {
        return scalar(cursor, kind, what);
    }
    let kind = self::kind(cursor, &what)?;
    if kind == Kind::Array {
        return fail(Status::Unsupported, format!("{what}: arrays of arrays are not supported"));
    }
    let count = cursor.count(kind.least_bytes(), usize::MAX, format_args!("{what}: number of elements"))?;
    let mut rest = cursor.rest();
    if kind == Kind::Text {
        for i in 0..count {
            rest.string(format_args!("{what}: element {i}"))?;
        }
    } else {
        rest.take(count as u64 * kind.least_bytes() as u64, &what)?;
    }
    let bytes = cursor.take(rest.position() as u64, what)?;
    Ok(Value::Array(Array { kind, count, bytes }))
}

fn kind(cursor: &mut Cursor<'_>, what: impl Display) -> Result<Kind> {
    let code = cursor.u32(format_args!("{what}: kind of value"))?;
    let known = Kind::ALL.into_iter().find(|kind| *kind as u32 == code);
    known.ok_or_else(|| {
        Error::new(Status::CorruptFile, format!("{what}: kind of value expected to be 0 to 12, {code} found"))
    })
}

fn scalar<'a>(cursor: &mut Cursor<'a>, kind: Kind, what: impl Display) -> Result<Value<'a>> {
    Ok(match kind {
        Kind::U8 => Value::Unsigned(u8::from_le_bytes(cursor.array(what)?).into()),
        Kind::I8 => Value::Signed(i8::from_le_bytes(cursor.array(what)?).into()),
        Kind::U16 => Value::Unsigned(u16::from_le_bytes(cursor.array(what)?).into()),
        Kind::I16 => Value::Signed(i16::from_le_bytes(cursor.array(what)?).into()),
        Kind::U32 => Value::Unsigned(cursor.u32(what)?.into()),
        Kind::I32 => Value::Signed(i32::from_le_bytes(cursor.array(what)?).into()),
        Kind::F32 => Value::Float(f32::from_le_bytes(cursor.array(what)?).into()),
        Kind::U64 => Value::Unsigned(cursor.u64(what)?),
        Kind::I64 => Value::Signed(i64::from_le_bytes(cursor.array(what)?)),
        Kind::F64 => Value::Float(f64::from_le_bytes(cursor.array(what)?)),
        Kind::Text => Value::Text(utf8(cursor.string(&what)?, &what)?),
        Kind::Bool => match cursor.array::<1>(&what)? {
            [0] => Value::Bool(false),
            [1] => Value::Bool(true),
            [other] => {
                return fail(Status::CorruptFile, format!("{what}: a bool is 0 or 1, {other} found"));
            }
        },
        Kind::Array => return fail(Status::Unsupported, format!("{what}: arrays of arrays are not supported")),
    })
}
