//! A customer's task: labels with verbalizers, a template, and labelled examples.

mod examples;
mod row;

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, Status, fail};
use crate::limits::{MAX_JSON_BYTES, MAX_LABELS, MAX_NAME_BYTES, MAX_VERBALIZER_TOKENS};
use crate::text::{Template, Tokenizer};

pub use row::Example;

/// One label and the words that stand for it in the model's vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The label as it stands in the examples.
    pub name: String,
    /// What the model is asked to say; usually starts with a space.
    pub verbalizer: String,
}

/// Labels and template, validated: at least two labels, distinct names, at least one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TaskFile", into = "TaskFile")]
pub struct Task {
    name: String,
    template: String,
    labels: Vec<Label>,
    parts: Template,
}

/// The form of `task.json`; other keys are accepted and not kept.
#[derive(Serialize, Deserialize)]
struct TaskFile {
    #[serde(default)]
    name: String,
    template: String,
    labels: Vec<Label>,
}

impl Task {
    /// A task from its parts.
    ///
    /// Errors: `InvalidTask` says what is wrong: fewer than two labels or more than [`MAX_LABELS`], a name that is
    /// empty, repeated or beyond [`MAX_NAME_BYTES`], an empty verbalizer, a template without a field.
    pub fn new(name: &str, template: &str, labels: Vec<Label>) -> Result<Self> {
        if labels.len() < 2 || labels.len() > MAX_LABELS {
            return fail(Status::InvalidTask, format!("labels: 2 to {MAX_LABELS} are needed, {} came", labels.len()));
        }
        if name.len() > MAX_NAME_BYTES {
            return fail(
                Status::InvalidTask,
                format!("name: at most {MAX_NAME_BYTES} bytes are accepted, {} came", name.len()),
            );
        }
        let mut seen = HashMap::with_capacity(labels.len());
        for (index, label) in labels.iter().enumerate() {
            check_label(label).map_err(|e| e.context(format_args!("labels[{index}]")))?;
            if let Some(earlier) = seen.insert(label.name.as_str(), index) {
                return fail(
                    Status::InvalidTask,
                    format!("labels[{index}]: the name {:?} is that of labels[{earlier}] already", label.name),
                );
            }
        }
        let parts = Template::parse(template)?;
        Ok(Self { name: name.to_owned(), template: template.to_owned(), labels, parts })
    }

    /// Reads a `task.json`: {"name", "template", "labels": [{"name", "verbalizer"}]}.
    ///
    /// Errors: `NotFound`, `Io`, `TooLarge`, `InvalidUtf8`, `InvalidTask` with the file's name and what is wrong where.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = examples::read_bounded(path, MAX_JSON_BYTES)?;
        Self::from_json(&bytes).map_err(|e| e.context(path.display()))
    }

    /// A task from the bytes of a `task.json`. Errors as for [`Task::read`].
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let Ok(text) = std::str::from_utf8(bytes) else {
            return fail(Status::InvalidUtf8, "a task is JSON in UTF-8; these bytes are not UTF-8");
        };
        let file: TaskFile = serde_json::from_str(text).map_err(|e| Error::new(Status::InvalidTask, e.to_string()))?;
        Self::try_from(file)
    }

    /// Name of the task.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The template's text.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// The template in parts, ready to fill.
    pub fn parts(&self) -> &Template {
        &self.parts
    }

    /// Labels in order; predictions use the same order.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// Position of the label called `name`.
    pub fn label_index(&self, name: &str) -> Option<usize> {
        self.labels.iter().position(|label| label.name == name)
    }

    /// Token ids of every verbalizer, tokenized apart from the template.
    ///
    /// Errors: `InvalidTask` when one is empty, longer than [`MAX_VERBALIZER_TOKENS`], or two have the same ids.
    pub fn verbalizer_ids(&self, tokenizer: &Tokenizer) -> Result<Vec<Vec<u32>>> {
        let mut seen: HashMap<Vec<u32>, &str> = HashMap::with_capacity(self.labels.len());
        let mut all = Vec::with_capacity(self.labels.len());
        for Label { name, verbalizer } in &self.labels {
            let ids = tokenizer.encode_continuation(verbalizer)?;
            if ids.is_empty() || ids.len() > MAX_VERBALIZER_TOKENS {
                return fail(
                    Status::InvalidTask,
                    format!(
                        "label {name:?}: a verbalizer has 1 to {MAX_VERBALIZER_TOKENS} tokens, this one has {}",
                        ids.len()
                    ),
                );
            }
            if let Some(other) = seen.insert(ids.clone(), name) {
                return fail(
                    Status::InvalidTask,
                    format!(
                        "labels {other:?} and {name:?} have verbalizers with the same tokens; give one of them other words"
                    ),
                );
            }
            all.push(ids);
        }
        Ok(all)
    }

    /// How many of `examples` each label has, in the task's order; rows without a label are not counted.
    ///
    /// Errors: `InvalidExample` with the number of the row (from 1) that has a label the task does not know.
    pub fn count_per_label(&self, examples: &[Example]) -> Result<Vec<usize>> {
        let index: HashMap<&str, usize> =
            self.labels.iter().enumerate().map(|(at, label)| (label.name.as_str(), at)).collect();
        let mut counts = vec![0; self.labels.len()];
        for (row, example) in examples.iter().enumerate() {
            match example.label.as_deref().map(|name| index.get(name)) {
                Some(Some(at)) => counts[*at] += 1,
                Some(None) => {
                    return fail(Status::InvalidExample, format!("example {}: {}", row + 1, self.unknown_label()));
                }
                None => {}
            }
        }
        Ok(counts)
    }

    /// Says which labels there are; the unknown one is not repeated, it came with the customer's rows.
    fn unknown_label(&self) -> String {
        let names: Vec<String> = self.labels.iter().take(8).map(|label| format!("{:?}", label.name)).collect();
        let more = if self.labels.len() > 8 { ", ..." } else { "" };
        format!("field \"label\" is none of the task's {} labels ({}{more})", self.labels.len(), names.join(", "))
    }
}

/// Checks a label's texts on their own. Errors: `InvalidTask`.
pub(crate) fn check_label(label: &Label) -> Result<()> {
    for (what, text) in [("name", &label.name), ("verbalizer", &label.verbalizer)] {
        if text.trim().is_empty() || text.len() > MAX_NAME_BYTES {
            return fail(
                Status::InvalidTask,
                format!("{what}: 1 to {MAX_NAME_BYTES} bytes, not all of them spaces, are needed, {} came", text.len()),
            );
        }
    }
    Ok(())
}

impl TryFrom<TaskFile> for Task {
    type Error = Error;

    fn try_from(file: TaskFile) -> Result<Self> {
        Self::new(&file.name, &file.template, file.labels)
    }
}

impl From<Task> for TaskFile {
    fn from(task: Task) -> Self {
        Self { name: task.name, template: task.template, labels: task.labels }
    }
}

#[cfg(test)]
mod tests;
