//! A template with named fields, `{text}\nSentiment:`, tokenized in parts.

use std::collections::BTreeMap;

use crate::error::{Result, Status, fail};
use crate::limits::{MAX_FIELD_BYTES, MAX_TEMPLATE_BYTES, MAX_TEMPLATE_FIELDS};
use crate::text::Tokenizer;

/// Literal text and fields in order; `{{` and `}}` are literal braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field(String),
}

impl Template {
    /// Parses a template. Errors: `InvalidTask` without a field, with an unclosed brace or a field without a name, or
    /// beyond [`MAX_TEMPLATE_BYTES`] or [`MAX_TEMPLATE_FIELDS`].
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_TEMPLATE_BYTES {
            return fail(
                Status::InvalidTask,
                format!("template: at most {MAX_TEMPLATE_BYTES} bytes are accepted, {} came", text.len()),
            );
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..at + 1];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
            } else if brace == "}" {
                return fail(Status::InvalidTask, "template: a '}' closes no field; write '}}' for a literal brace");
            } else {
                let (name, after) = field_name(rest)?;
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(Part::Field(name.to_owned()));
                rest = after;
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        let template = Self { parts };
        match template.parts.iter().filter(|part| matches!(part, Part::Field(_))).count() {
            0 => fail(Status::InvalidTask, "template: it names no field; put one in braces, e.g. {text}"),
            1..=MAX_TEMPLATE_FIELDS => Ok(template),
            many => fail(
                Status::InvalidTask,
                format!("template: at most {MAX_TEMPLATE_FIELDS} fields are accepted, {many} came"),
            ),
        }
    }

    /// Names of the fields in order of first use, each once.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        let names = || {
            self.parts.iter().filter_map(|part| match part {
                Part::Field(name) => Some(name.as_str()),
                Part::Literal(_) => None,
            })
        };
        names()
            .enumerate()
            .filter(move |(at, name)| !names().take(*at).any(|earlier| earlier == *name))
            .map(|(_, name)| name)
    }

    /// Token ids of the filled template, BOS first where the model has one, at most `max_tokens`: the longest field is
    /// cut at its end until the rest fits. A field with text keeps a token at the least.
    ///
    /// Errors: `InvalidExample` for a missing field or when nothing at all is left to read, `TooLarge` for a field
    /// beyond [`MAX_FIELD_BYTES`] or if the literal parts and a token of each field do not fit.
    pub fn fill(
        &self,
        fields: &BTreeMap<String, String>,
        tokenizer: &Tokenizer,
        max_tokens: usize,
    ) -> Result<Vec<u32>> {
        let mut parts = Vec::with_capacity(self.parts.len());
        let mut fixed = usize::from(tokenizer.bos().is_some());
        for (index, part) in self.parts.iter().enumerate() {
            let ids = match part {
                Part::Literal(text) => tokenizer.encode_literal(text, index > 0),
                Part::Field(name) if index == 0 => tokenizer.encode_at_most(field_text(fields, name)?, max_tokens),
                Part::Field(name) => tokenizer.encode_continuation_at_most(field_text(fields, name)?, max_tokens),
            };
            let ids = ids.map_err(|e| e.context("template"))?;
            if let Part::Literal(_) = part {
                fixed += ids.len();
            }
            parts.push(ids);
        }
        let Some(room) = max_tokens.checked_sub(fixed) else {
            return fail(
                Status::TooLarge,
                format!(
                    "the template's own words take {fixed} tokens, but only {max_tokens} fit; shorten the template"
                ),
            );
        };
        let is_text = |(part, ids): &(&Part, &Vec<u32>)| matches!(part, Part::Field(_)) && !ids.is_empty();
        let texts = self.parts.iter().zip(&parts).filter(is_text).count();
        if room < texts {
            return fail(
                Status::TooLarge,
                format!(
                    "{texts} fields have text and the template's own words take {fixed} tokens, but max_tokens is \
                     {max_tokens}: no token would be left of a field; raise max_tokens or shorten the template"
                ),
            );
        }
        self.cut_fields(&mut parts, room);
        let ids: Vec<u32> = tokenizer.bos().into_iter().chain(parts.into_iter().flatten()).collect();
        if ids.is_empty() {
            return fail(Status::InvalidExample, "the filled template is empty; at least one field needs text");
        }
        Ok(ids)
    }

    /// Cuts the longest fields to one length so that all fields together take at most `room` tokens, which is enough for
    /// one of each. What is left of the room after that goes to the first of them, one token each: as if the longest lost a
    /// token again and again.
    fn cut_fields(&self, parts: &mut [Vec<u32>], room: usize) {
        let is_field = |at: &usize| matches!(self.parts[*at], Part::Field(_));
        let fields: Vec<usize> = (0..parts.len()).filter(is_field).collect();
        let kept = |level: usize| fields.iter().map(|at| parts[*at].len().min(level)).sum::<usize>();
        if kept(usize::MAX) <= room {
            return;
        }
        let (mut level, mut above) = (0, room + 1);
        while above - level > 1 {
            let middle = level + (above - level) / 2;
            if kept(middle) <= room { level = middle } else { above = middle }
        }
        let mut spare = room - kept(level);
        for at in fields {
            if parts[at].len() > level {
                let extra = usize::from(spare > 0);
                parts[at].truncate(level + extra);
                spare -= extra;
            }
        }
    }
}

/// The name up to the closing brace, and what follows.
fn field_name(rest: &str) -> Result<(&str, &str)> {
    let Some((name, after)) = rest.split_once('}') else {
        return fail(Status::InvalidTask, "template: a '{' is never closed; write '{{' for a literal brace");
    };
    if name.trim().is_empty() || name.contains('{') {
        return fail(
            Status::InvalidTask,
            "template: a field needs a name in braces, e.g. {text}; write '{{' for a literal brace",
        );
    }
    Ok((name, after))
}

fn field_text<'a>(fields: &'a BTreeMap<String, String>, name: &str) -> Result<&'a str> {
    let Some(text) = fields.get(name) else {
        return fail(Status::InvalidExample, format!("field {name:?} is missing; the template needs it"));
    };
    if text.len() > MAX_FIELD_BYTES {
        return fail(
            Status::TooLarge,
            format!("field {name:?}: at most {MAX_FIELD_BYTES} bytes are accepted, {} came", text.len()),
        );
    }
    Ok(text)
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
