//! Reading the fields of a config.json: kinds checked, messages with the field's name.

use serde_json::{Map, Value};

use crate::backbone::excerpt::excerpt;
use crate::error::{Error, Result, Status, fail};

/// The object that `bytes` are the JSON of. Errors: `CorruptFile`.
pub(in crate::backbone) fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => fail(Status::CorruptFile, "expected a JSON object"),
        Err(e) => Err(Error::new(Status::CorruptFile, format!("not valid JSON: {e}"))),
    }
}

/// The fields of an object; null counts as absent.
pub(in crate::backbone) struct Fields<'a> {
    pub(in crate::backbone) fields: &'a Map<String, Value>,
    /// What stands before a field's name in messages.
    pub(in crate::backbone) prefix: &'static str,
}

impl<'a> Fields<'a> {
    pub(in crate::backbone) fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    pub(in crate::backbone) fn size(&self, name: &str) -> Result<Option<usize>> {
        self.read(name, "a whole number of at least 0", |v| v.as_u64().and_then(|n| usize::try_from(n).ok()))
    }

    pub(in crate::backbone) fn number(&self, name: &str) -> Result<Option<f64>> {
        self.read(name, "a number", Value::as_f64)
    }

    pub(in crate::backbone) fn text(&self, name: &str) -> Result<Option<&'a str>> {
        self.read(name, "a text", Value::as_str)
    }

    pub(in crate::backbone) fn flag(&self, name: &str) -> Result<Option<bool>> {
        self.read(name, "true or false", Value::as_bool)
    }

    pub(in crate::backbone) fn object(&self, name: &str, prefix: &'static str) -> Result<Option<Fields<'a>>> {
        let fields = self.read(name, "an object", Value::as_object)?;
        Ok(fields.map(|fields| Fields { fields, prefix }))
    }

    fn read<T>(&self, name: &str, expected: &str, take: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match take(value) {
            Some(taken) => Ok(Some(taken)),
            None => {
                let found = match value {
                    Value::Number(number) => number.to_string(),
                    Value::String(text) => excerpt(text),
                    Value::Bool(flag) => flag.to_string(),
                    Value::Array(_) => "an array".to_owned(),
                    _ => "an object".to_owned(),
                };
                fail(Status::CorruptFile, format!("{}{name}: expected {expected}, found {found}", self.prefix))
            }
        }
    }

    pub(in crate::backbone) fn unsupported<T>(&self, name: &str, found: &str, supported: &str) -> Result<T> {
        let message = format!("{}{name}: {found} is not supported, only {supported} is", self.prefix);
        fail(Status::Unsupported, message)
    }
}
