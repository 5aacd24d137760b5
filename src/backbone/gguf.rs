//! Reading GGUF files: header, metadata and the tensor table, every count checked before it is used.

mod cursor;
mod value;

use std::collections::{BTreeMap, HashMap};

pub use value::{Array, Kind, Value};

use super::excerpt::excerpt;
use super::weights::Format;
use crate::error::{Error, Result, Status, fail};
use crate::limits::{MAX_GGUF_ALIGNMENT, MAX_GGUF_ENTRIES};
use cursor::{Cursor, utf8};

/// Bytes that the shortest metadata entry takes: length of the key, kind, a value of one byte.
const LEAST_ENTRY: usize = 8 + 4 + 1;
/// Bytes that the shortest entry of the tensor table takes: length of the name, dimensions, type, offset.
const LEAST_TENSOR: usize = 8 + 4 + 8 + 4 + 8;
/// Most dimensions of a tensor.
const MAX_DIMENSIONS: u32 = 4;

/// A GGUF file (version 2 or 3, little-endian): its tables, borrowed from its bytes.
pub struct Gguf<'a> {
    version: u32,
    metadata: BTreeMap<&'a str, Value<'a>>,
    tensors: Vec<TensorEntry<'a>>,
    by_name: HashMap<&'a str, usize>,
}

/// One tensor of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorEntry<'a> {
    /// Its name, e.g. `blk.0.attn_q.weight`.
    pub name: &'a str,
    /// Sizes, slowest dimension first: (rows, columns) for a matrix. The file stores them the other way round.
    pub shape: Vec<usize>,
    /// The file format's number of the element type.
    pub type_code: u32,
    /// Where its bytes start, from the start of the file.
    pub offset: usize,
    /// How many bytes it has; 0 for a type this build cannot read.
    pub length: usize,
}

impl TensorEntry<'_> {
    /// The element type. Errors: `Unsupported` names the type and the tensor.
    pub fn format(&self) -> Result<Format> {
        Format::from_ggml(self.type_code).ok_or_else(|| {
            let (name, kind) = (excerpt(self.name), self.type_name());
            let known = Format::ALL.map(Format::name).join(", ");
            Error::new(
                Status::Unsupported,
                format!("tensor {name} is stored as {kind}; this build reads {known}; convert the file to one of them"),
            )
        })
    }

    /// Name of the element type, as ggml spells it.
    pub fn type_name(&self) -> String {
        match OTHER_TYPES.iter().find(|(code, _)| *code == self.type_code) {
            Some((_, name)) => (*name).to_owned(),
            None => {
                Format::from_ggml(self.type_code).map_or(format!("type {}", self.type_code), |f| f.name().to_owned())
            }
        }
    }
}

/// ggml's element types that this build knows by name only.
const OTHER_TYPES: [(u32, &str); 24] = [
    (6, "Q5_0"),
    (7, "Q5_1"),
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (13, "Q5_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
];

impl<'a> Gguf<'a> {
    /// Reads the tables of a file of `bytes`.
    ///
    /// Errors: `CorruptFile` names the field; `Unsupported` for another version or byte order; `TooLarge`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut cursor = Cursor::new(bytes);
        let version = read_version(&mut cursor)?;
        let tensor_count = cursor.count(LEAST_TENSOR, MAX_GGUF_ENTRIES, "number of tensors")?;
        let entry_count = cursor.count(LEAST_ENTRY, MAX_GGUF_ENTRIES, "number of metadata entries")?;

        let mut metadata = BTreeMap::new();
        for i in 0..entry_count {
            let key = utf8(cursor.string(format_args!("key of metadata entry {i}"))?, "metadata key")?;
            let value = value::read(&mut cursor, format_args!("metadata {}", excerpt(key)))?;
            if metadata.insert(key, value).is_some() {
                return fail(Status::CorruptFile, format!("metadata {} is given twice", excerpt(key)));
            }
        }
        let mut gguf = Self { version, metadata, tensors: Vec::new(), by_name: HashMap::new() };
        let alignment = gguf.alignment()?;
        gguf.read_tensors(&mut cursor, tensor_count)?;
        gguf.place_tensors(cursor.position(), alignment, bytes.len())?;
        Ok(gguf)
    }

    /// Version of the file format.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Metadata in order of the keys.
    pub fn metadata(&self) -> impl Iterator<Item = (&'a str, &Value<'a>)> {
        self.metadata.iter().map(|(key, value)| (*key, value))
    }

    /// The tensor table in the file's order.
    pub fn tensors(&self) -> &[TensorEntry<'a>] {
        &self.tensors
    }

    /// The tensor called `name`.
    pub fn tensor(&self, name: &str) -> Option<&TensorEntry<'a>> {
        self.by_name.get(name).map(|&i| &self.tensors[i])
    }

    /// The value of `key`.
    pub fn value(&self, key: &str) -> Option<Value<'a>> {
        self.metadata.get(key).copied()
    }

    /// The text `key`. Errors: `CorruptFile` when it is something else.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>> {
        self.value(key).map(|v| if let Value::Text(t) = v { Ok(t) } else { wrong(key, "a text", v) }).transpose()
    }

    /// The bool `key`. Errors: `CorruptFile` when it is something else.
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.value(key).map(|v| if let Value::Bool(b) = v { Ok(b) } else { wrong(key, "a bool", v) }).transpose()
    }

    /// The number `key`. Errors: `CorruptFile` when it is something else.
    pub fn float(&self, key: &str) -> Result<Option<f64>> {
        self.value(key)
            .map(|v| match v {
                Value::Float(x) => Ok(x),
                Value::Unsigned(n) => Ok(n as f64),
                Value::Signed(n) => Ok(n as f64),
                _ => wrong(key, "a number", v),
            })
            .transpose()
    }

    /// The size `key`, or an array of equal ones (some writers give one per layer).
    /// Errors: `CorruptFile` when it is something else, `Unsupported` when the layers differ.
    pub fn size(&self, key: &str) -> Result<Option<usize>> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let Value::Array(array) = value else { return as_size(key, value).map(Some) };
        let mut sizes = array.values().map(|v| as_size(key, v.map_err(|e| e.context(format!("metadata {key}")))?));
        let Some(first) = sizes.next().transpose()? else {
            return fail(
                Status::CorruptFile,
                format!("metadata {key}: expected at least one number, the array is empty"),
            );
        };
        for size in sizes {
            let size = size?;
            if size != first {
                let message =
                    format!("metadata {key}: layers of different sizes ({first} and {size}) are not supported");
                return fail(Status::Unsupported, message);
            }
        }
        Ok(Some(first))
    }

    /// The array `key`, of at most `most` elements. Errors: `CorruptFile` when it is something else, `TooLarge`.
    pub fn array(&self, key: &str, most: usize) -> Result<Option<Array<'a>>> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Array(array)) if array.len() <= most => Ok(Some(array)),
            Some(Value::Array(array)) => {
                fail(Status::TooLarge, format!("metadata {key}: {} elements, at most {most} are accepted", array.len()))
            }
            Some(other) => wrong(key, "an array", other),
        }
    }

    fn alignment(&self) -> Result<usize> {
        let alignment = self.size("general.alignment")?.unwrap_or(32);
        if !alignment.is_power_of_two() || alignment > MAX_GGUF_ALIGNMENT {
            let message = format!(
                "metadata general.alignment: expected a power of two of at most {MAX_GGUF_ALIGNMENT}, {alignment} found"
            );
            return fail(Status::CorruptFile, message);
        }
        Ok(alignment)
    }

    fn read_tensors(&mut self, cursor: &mut Cursor<'a>, count: usize) -> Result<()> {
        self.tensors.reserve_exact(count);
        for i in 0..count {
            let name = utf8(cursor.string(format_args!("name of tensor {i}"))?, format_args!("name of tensor {i}"))?;
            let tensor = read_tensor(cursor, name).map_err(|e| e.context(format!("tensor {}", excerpt(name))))?;
            if self.by_name.insert(name, i).is_some() {
                return fail(Status::CorruptFile, format!("tensor {} is given twice", excerpt(name)));
            }
            self.tensors.push(tensor);
        }
        Ok(())
    }

    /// Turns the offsets, so far from the start of the data part, into offsets in the file, and checks that every
    /// tensor lies inside the file and none over another.
    fn place_tensors(&mut self, tables_end: usize, alignment: usize, file_length: usize) -> Result<()> {
        let Some(data_start) = tables_end.checked_next_multiple_of(alignment) else {
            return fail(Status::CorruptFile, "the data part starts beyond every file");
        };
        for tensor in &mut self.tensors {
            let name = excerpt(tensor.name);
            if !tensor.offset.is_multiple_of(alignment) {
                let message = format!("tensor {name}: offset {} is not a multiple of {alignment}", tensor.offset);
                return fail(Status::CorruptFile, message);
            }
            let start = data_start.checked_add(tensor.offset);
            match start.and_then(|start| start.checked_add(tensor.length)) {
                Some(end) if end <= file_length => tensor.offset += data_start,
                _ => {
                    let message = format!(
                        "tensor {name}: {} bytes at offset {} of the data part, but the file ends after {} bytes of it",
                        tensor.length,
                        tensor.offset,
                        file_length.saturating_sub(data_start),
                    );
                    return fail(Status::CorruptFile, message);
                }
            }
        }
        let mut order: Vec<&TensorEntry<'_>> = self.tensors.iter().collect();
        order.sort_by_key(|t| (t.offset, t.length));
        for pair in order.windows(2) {
            if pair[0].offset + pair[0].length > pair[1].offset {
                let (a, b) = (excerpt(pair[0].name), excerpt(pair[1].name));
                return fail(Status::CorruptFile, format!("tensors {a} and {b} share bytes of the file"));
            }
        }
        Ok(())
    }
}

fn read_version(cursor: &mut Cursor<'_>) -> Result<u32> {
    let magic: [u8; 4] = cursor.array("magic number")?;
    if magic != *b"GGUF" {
        let found = excerpt(&String::from_utf8_lossy(&magic));
        return fail(Status::CorruptFile, format!("not a GGUF file: expected \"GGUF\" at the start, found {found}"));
    }
    match cursor.u32("version")? {
        version @ (2 | 3) => Ok(version),
        swapped if (1..=3).contains(&swapped.swap_bytes()) => {
            fail(Status::Unsupported, "the GGUF file is big-endian; convert it to little-endian")
        }
        other => fail(Status::Unsupported, format!("GGUF version {other}; this build reads versions 2 and 3")),
    }
}

/// The rest of an entry of the tensor table; its offset still counts from the start of the data part.
fn read_tensor<'a>(cursor: &mut Cursor<'a>, name: &'a str) -> Result<TensorEntry<'a>> {
    let dimensions = cursor.u32("number of dimensions")?;
    if dimensions == 0 || dimensions > MAX_DIMENSIONS {
        let message = format!("expected 1 to {MAX_DIMENSIONS} dimensions, {dimensions} found");
        return fail(Status::CorruptFile, message);
    }
    let mut shape = Vec::with_capacity(dimensions as usize);
    for _ in 0..dimensions {
        shape.push(file_size(cursor.u64("dimension")?, "dimension")?);
    }
    let columns = shape[0];
    shape.reverse();
    let elements = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n)).filter(|&n| n > 0);
    let Some(elements) = elements else {
        return fail(Status::CorruptFile, format!("dimensions {shape:?} give no number of elements above 0 that fits"));
    };
    let type_code = cursor.u32("element type")?;
    let offset = file_size(cursor.u64("offset")?, "offset")?;
    let length = match Format::from_ggml(type_code) {
        None => 0,
        Some(format) if !columns.is_multiple_of(format.block_len()) => {
            let message = format!(
                "{columns} columns are not a whole number of {} blocks of {}",
                format.name(),
                format.block_len()
            );
            return fail(Status::CorruptFile, message);
        }
        Some(format) => (elements / format.block_len())
            .checked_mul(format.block_bytes())
            .ok_or_else(|| Error::new(Status::CorruptFile, format!("dimensions {shape:?} overflow")))?,
    };
    Ok(TensorEntry { name, shape, type_code, offset, length })
}

fn file_size(number: u64, what: &str) -> Result<usize> {
    usize::try_from(number).map_err(|_| Error::new(Status::CorruptFile, format!("{what} {number} is too large")))
}

fn as_size(key: &str, value: Value<'_>) -> Result<usize> {
    let size = match value {
        Value::Unsigned(n) => usize::try_from(n).ok(),
        Value::Signed(n) => usize::try_from(n).ok(),
        _ => None,
    };
    size.map_or_else(|| wrong(key, "a whole number of at least 0", value), Ok)
}

fn wrong<T>(key: &str, expected: &str, found: Value<'_>) -> Result<T> {
    fail(Status::CorruptFile, format!("metadata {key}: expected {expected}, found {} ({found})", found.kind_name()))
}

#[cfg(test)]
mod tests;
