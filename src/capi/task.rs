//! What to learn: labels, each with the word the model shall say for it (its verbalizer), a template that turns a text
//! into a question, and labelled examples. A task is built up step by step and then only read; `supmer_adapt` takes a
//! copy, so a task may be changed or freed afterwards.

use std::collections::BTreeMap;
use std::ffi::c_char;

use parking_lot::Mutex;

use super::arguments::{self, Out};
use super::error::supmer_error;
use super::guard::{guard, guard_value};
use super::handle::{self, Handle, State};
use super::status::supmer_status;
use crate::error::{Result, Status, fail};
use crate::limits::{MAX_EXAMPLES, MAX_FIELD_BYTES, MAX_LABELS, MAX_NAME_BYTES};
use crate::task::{Example, Label, Task, check_label};

/// A task with its examples.
pub struct supmer_task {
    state: State,
    parts: Mutex<Parts>,
}

/// What was added so far.
#[derive(Default)]
struct Parts {
    name: String,
    template: String,
    labels: Vec<Label>,
    examples: Vec<Example>,
    /// The task of these labels and this template, once it was asked for.
    task: Option<Task>,
}

impl Handle for supmer_task {
    const NAME: &'static str = "supmer_task";
    fn state(&self) -> &State {
        &self.state
    }
}

impl supmer_task {
    /// The task, validated, and its examples.
    pub(super) fn finish(&self) -> Result<(Task, Vec<Example>)> {
        let mut parts = self.parts.lock();
        if parts.examples.is_empty() {
            return fail(Status::InvalidTask, "the task has no examples; add some with supmer_task_add_example");
        }
        Ok((parts.task()?.clone(), parts.examples.clone()))
    }
}

/// Makes a task without labels, template or examples.
///
/// - `name`, `name_length`: what to call it, at most 1,024 bytes; kept in adapters.
/// - `out`: receives the task, yours to free with `supmer_task_free`.
/// - Errors: `INVALID_TASK` for a name that is too long, `INVALID_ARGUMENT`, `INVALID_UTF8`.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_task_new(
    name: *const c_char,
    name_length: usize,
    out: *mut *mut supmer_task,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |_| {
            let out = Out::required(out, "out")?;
            let name = arguments::text(name, name_length, "name")?;
            if name.len() > MAX_NAME_BYTES {
                let message = format!("name has {} bytes, at most {MAX_NAME_BYTES} are accepted", name.len());
                return fail(Status::InvalidTask, message);
            }
            out.write(give(Parts { name: name.to_owned(), ..Parts::default() }));
            Ok(())
        })
    }
}

/// Reads name, template and labels from a `task.json` file:
/// `{"name": "...", "template": "{text}\nSentiment:", "labels": [{"name": "...", "verbalizer": " ..."}, ...]}`.
///
/// - `path`, `path_length`: the file.
/// - `out`: receives the task, without examples, yours to free with `supmer_task_free`.
/// - Errors: `NOT_FOUND`, `IO`, `TOO_LARGE`, `INVALID_TASK`, `INVALID_ARGUMENT`, `INVALID_UTF8`.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_task_read(
    path: *const c_char,
    path_length: usize,
    out: *mut *mut supmer_task,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |_| {
            let out = Out::required(out, "out")?;
            let task = Task::read(arguments::path(path, path_length)?)?;
            out.write(give(Parts {
                name: task.name().to_owned(),
                template: task.template().to_owned(),
                labels: task.labels().to_vec(),
                ..Parts::default()
            }));
            Ok(())
        })
    }
}

/// Adds a label, of at most 1,000. Predictions list labels in the order in which they were added.
///
/// - `name`, `name_length`: the label as examples name it, at most 1,024 bytes.
/// - `verbalizer`, `verbalizer_length`: what the model shall say, usually a space and one common word: " great". At
///   most 1,024 bytes and 32 tokens, and those of all labels at most 4,096 tokens together unless a label head takes their
///   place (`SUPMER_ANSWER_LOSS_HEAD`): calls that put them into tokens give `INVALID_TASK`.
/// - Errors: `INVALID_TASK` for a repeated name, and for a name or verbalizer that is empty, blank or too long,
///   `TOO_LARGE` for too many labels, `INVALID_ARGUMENT`, `INVALID_UTF8`.
/// - Threads: one at a time for one task.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_task_add_label(
    task: *mut supmer_task,
    name: *const c_char,
    name_length: usize,
    verbalizer: *const c_char,
    verbalizer_length: usize,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |call| {
            let task = call.handle(task.cast_const())?;
            let name = arguments::text(name, name_length, "name")?;
            let verbalizer = arguments::text(verbalizer, verbalizer_length, "verbalizer")?;
            task.parts.lock().add_label(name, verbalizer)
        })
    }
}

/// Sets the template: text with fields in braces, such as "{text}\nSentiment:". The model reads it, filled in, before
/// it says the verbalizer.
///
/// - `template_text`, `template_length`: the template, at most 64 KiB; checked by `supmer_adapt`.
/// - Errors: `INVALID_ARGUMENT`, `INVALID_UTF8`, `TOO_LARGE`.
/// - Threads: one at a time for one task.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_task_set_template(
    task: *mut supmer_task,
    template_text: *const c_char,
    template_length: usize,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |call| {
            let task = call.handle(task.cast_const())?;
            let template = arguments::text(template_text, template_length, "template_text")?;
            check_size(template, "template_text")?;
            let mut parts = task.parts.lock();
            parts.template = template.to_owned();
            parts.task = None;
            Ok(())
        })
    }
}

/// Adds an example for a template with the field `{text}`.
///
/// - `text`, `text_length`: the example, at most 4 MiB.
/// - `label`, `label_length`: name of a label that was added before.
/// - Errors: `INVALID_EXAMPLE` for an unknown label, `TOO_LARGE`, `INVALID_ARGUMENT`, `INVALID_UTF8`.
/// - Threads: one at a time for one task.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_task_add_example(
    task: *mut supmer_task,
    text: *const c_char,
    text_length: usize,
    label: *const c_char,
    label_length: usize,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |call| {
            let task = call.handle(task.cast_const())?;
            let text = arguments::text(text, text_length, "text")?;
            let label = arguments::text(label, label_length, "label")?;
            check_size(text, "text")?;
            task.parts.lock().add_example(Example::text(text, Some(label)))
        })
    }
}

/// Adds an example for a template with the fields `{text_a}` and `{text_b}`.
///
/// - `text_a`, `text_a_length`, `text_b`, `text_b_length`: the two texts.
/// - `label`, `label_length`: name of a label that was added before.
/// - Errors: as `supmer_task_add_example`.
/// - Threads: one at a time for one task.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_task_add_example_pair(
    task: *mut supmer_task,
    text_a: *const c_char,
    text_a_length: usize,
    text_b: *const c_char,
    text_b_length: usize,
    label: *const c_char,
    label_length: usize,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |call| {
            let task = call.handle(task.cast_const())?;
            let text_a = arguments::text(text_a, text_a_length, "text_a")?;
            let text_b = arguments::text(text_b, text_b_length, "text_b")?;
            let label = arguments::text(label, label_length, "label")?;
            check_size(text_a, "text_a")?;
            check_size(text_b, "text_b")?;
            let fields =
                [("text_a", text_a), ("text_b", text_b)].map(|(name, text)| (name.to_owned(), text.to_owned()));
            task.parts.lock().add_example(Example { fields: BTreeMap::from(fields), label: Some(label.to_owned()) })
        })
    }
}

/// Adds an example with any fields, as a JSON object such as `{"title": "...", "body": "...", "label": "..."}`. Add the
/// labels and set the template first: members that the template does not name are left out; numbers, true and false are
/// taken as text.
///
/// - `json`, `json_length`: the object; "label" names a label of the task.
/// - Errors: `INVALID_TASK` when the task has fewer than two labels or no template yet, `INVALID_EXAMPLE` when this is no
///   JSON object, lacks a field or has an unknown label, `TOO_LARGE`, `INVALID_ARGUMENT`, `INVALID_UTF8`.
/// - Threads: one at a time for one task.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_task_add_example_json(
    task: *mut supmer_task,
    json: *const c_char,
    json_length: usize,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |call| {
            let task = call.handle(task.cast_const())?;
            let json = arguments::text(json, json_length, "json")?;
            let mut parts = task.parts.lock();
            let example = parts.task()?.parse_row(json, true)?;
            parts.add_example(example)
        })
    }
}

/// How many examples a task has.
///
/// - Returns: 0 for NULL.
/// - Errors: none.
/// - Threads: any, when the task is not being changed.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_task_count(task: *const supmer_task) -> usize {
    // SAFETY: NULL or a live task, says the caller.
    let task = unsafe { task.as_ref() };
    guard_value(0, || task.map_or(0, |t| t.parts.lock().examples.len()))
}

/// Frees a task. NULL is a no-op.
///
/// - Errors: none.
/// - Threads: any, when no call uses this handle.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_task_free(task: *mut supmer_task) {
    // SAFETY: NULL or a live task that is not used again, says the caller.
    unsafe { handle::free(task) };
}

impl Parts {
    /// The task, validated. Errors: `InvalidTask`.
    fn task(&mut self) -> Result<&Task> {
        let task = match self.task.take() {
            Some(task) => task,
            None => Task::new(&self.name, &self.template, self.labels.clone())?,
        };
        Ok(self.task.insert(task))
    }

    fn add_label(&mut self, name: &str, verbalizer: &str) -> Result<()> {
        if self.labels.len() == MAX_LABELS {
            return fail(Status::TooLarge, format!("a task has at most {MAX_LABELS} labels"));
        }
        let at = self.labels.len();
        let label = Label { name: name.to_owned(), verbalizer: verbalizer.to_owned() };
        check_label(&label).map_err(|e| e.context(format!("label {at}")))?;
        if let Some(first) = self.labels.iter().position(|l| l.name == name) {
            return fail(Status::InvalidTask, format!("label {at} has the same name as label {first}"));
        }
        self.labels.push(label);
        self.task = None;
        Ok(())
    }

    fn add_example(&mut self, example: Example) -> Result<()> {
        let at = self.examples.len();
        if at == MAX_EXAMPLES {
            return fail(Status::TooLarge, format!("a task has at most {MAX_EXAMPLES} examples"));
        }
        if !self.labels.iter().any(|l| Some(&l.name) == example.label.as_ref()) {
            let message = format!(
                "example {at}: its label is none of the task's {} labels; add labels first, then their examples",
                self.labels.len()
            );
            return fail(Status::InvalidExample, message);
        }
        self.examples.push(example);
        Ok(())
    }
}

fn give(parts: Parts) -> *mut supmer_task {
    handle::give(supmer_task { state: State::new(), parts: Mutex::new(parts) })
}

fn check_size(text: &str, name: &str) -> Result<()> {
    if text.len() <= MAX_FIELD_BYTES {
        return Ok(());
    }
    fail(Status::TooLarge, format!("{name} has {} bytes, at most {MAX_FIELD_BYTES} are accepted", text.len()))
}
