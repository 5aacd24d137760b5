//! One row of a task: the template's fields and the label, from a JSON object.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::Task;
use crate::error::{Error, Result, Status, fail};
use crate::limits::{MAX_FIELD_BYTES, MAX_LINE_BYTES};

/// One row: the template's fields, and the label's name where it is known.
#[derive(Clone, PartialEq, Eq)]
pub struct Example {
    /// Field name to text, e.g. `text`.
    pub fields: BTreeMap<String, String>,
    /// The gold label.
    pub label: Option<String>,
}

impl Example {
    /// A row with the single field `text`.
    pub fn text(text: impl Into<String>, label: Option<&str>) -> Self {
        Self { fields: BTreeMap::from([("text".to_owned(), text.into())]), label: label.map(str::to_owned) }
    }
}

impl fmt::Debug for Example {
    /// Names and sizes only: a customer's text belongs in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: BTreeMap<&str, usize> = self.fields.iter().map(|(name, text)| (name.as_str(), text.len())).collect();
        f.debug_struct("Example").field("field_bytes", &bytes).field("has_label", &self.label.is_some()).finish()
    }
}

impl Task {
    /// A row from one line of JSONL: an object with a string for every field of the template (numbers, true and false
    /// are taken as text), and with `labelled` a `label` the task knows. Without `labelled` an unknown label is dropped.
    ///
    /// Errors name the field, never the text: `InvalidExample`, `TooLarge` for a line or field beyond the limits.
    pub fn parse_row(&self, line: &str, labelled: bool) -> Result<Example> {
        if line.len() > MAX_LINE_BYTES {
            return fail(Status::TooLarge, format!("a line has at most {MAX_LINE_BYTES} bytes, {} came", line.len()));
        }
        let mut json = serde_json::Deserializer::from_str(line);
        let row = RowSeed { task: self }.deserialize(&mut json).and_then(|row| json.end().map(|()| row));
        let Row { values, label } = row.map_err(|e| not_an_object(&e))?;
        let mut fields = BTreeMap::new();
        for (name, value) in values {
            fields.insert(name.to_owned(), text_of(name, value)?);
        }
        Ok(Example { fields, label: self.label_of(label, labelled)? })
    }

    fn label_of(&self, value: Option<FieldValue>, labelled: bool) -> Result<Option<String>> {
        let wrong = match value {
            Some(FieldValue::Text(label)) if self.label_index(&label).is_some() => return Ok(Some(label)),
            Some(FieldValue::Text(_)) => self.unknown_label(),
            Some(FieldValue::Other(kind)) => format!("field \"label\" has to be a string, {kind} came"),
            None => "field \"label\" is missing".to_owned(),
        };
        if labelled { fail(Status::InvalidExample, wrong) } else { Ok(None) }
    }
}

fn text_of(name: &str, value: Option<FieldValue>) -> Result<String> {
    match value {
        Some(FieldValue::Text(text)) if text.len() <= MAX_FIELD_BYTES => Ok(text),
        Some(FieldValue::Text(text)) => fail(
            Status::TooLarge,
            format!("field {name:?}: at most {MAX_FIELD_BYTES} bytes are accepted, {} came", text.len()),
        ),
        Some(FieldValue::Other(kind)) => {
            fail(Status::InvalidExample, format!("field {name:?} has to be a string, {kind} came"))
        }
        None => fail(Status::InvalidExample, format!("field {name:?} is missing; the template needs it")),
    }
}

/// What is wrong with a line, without a word of it.
fn not_an_object(error: &serde_json::Error) -> Error {
    let column = error.column();
    let what = match error.classify() {
        Category::Eof => "the line ends before its JSON object does".to_owned(),
        Category::Data => "a JSON object is needed, another JSON value came".to_owned(),
        Category::Syntax | Category::Io => format!("this is not JSON from column {column} on"),
    };
    Error::new(Status::InvalidExample, what)
}

/// The wanted values of a line; everything else is skipped without being kept.
struct Row<'t> {
    values: BTreeMap<&'t str, Option<FieldValue>>,
    label: Option<FieldValue>,
}

enum FieldValue {
    Text(String),
    /// Not usable as text: what it is.
    Other(&'static str),
}

struct RowSeed<'t> {
    task: &'t Task,
}

impl<'de, 't> DeserializeSeed<'de> for RowSeed<'t> {
    type Value = Row<'t>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Row<'t>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, 't> Visitor<'de> for RowSeed<'t> {
    type Value = Row<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Row<'t>, A::Error> {
        let mut row = Row { values: self.task.parts().fields().map(|name| (name, None)).collect(), label: None };
        while let Some(key) = map.next_key::<String>()? {
            let wanted = row.values.get_mut(key.as_str());
            if key == "label" {
                let value: FieldValue = map.next_value_seed(ValueSeed)?;
                if let (Some(slot), FieldValue::Text(text)) = (wanted, &value) {
                    *slot = Some(FieldValue::Text(text.clone()));
                }
                row.label = Some(value);
            } else if let Some(slot) = wanted {
                *slot = Some(map.next_value_seed(ValueSeed)?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(row)
    }
}

struct ValueSeed;

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = FieldValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<FieldValue, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = FieldValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<FieldValue, E> {
        Ok(FieldValue::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<FieldValue, E> {
        Ok(FieldValue::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<FieldValue, E> {
        Ok(FieldValue::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<FieldValue, E> {
        Ok(FieldValue::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> std::result::Result<FieldValue, E> {
        Ok(FieldValue::Text(value.to_string()))
    }

    fn visit_unit<E>(self) -> std::result::Result<FieldValue, E> {
        Ok(FieldValue::Other("null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<FieldValue, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(FieldValue::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<FieldValue, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(FieldValue::Other("an object"))
    }
}
