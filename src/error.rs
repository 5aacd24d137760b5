//! The one error type of the library: a pinned status code, what went wrong and what to do.

use std::fmt::Display;
use std::path::Path;

/// What kind of failure an [`Error`] is; the numbers are the C ABI's `supmer_status` and are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
#[non_exhaustive]
pub enum Status {
    /// Success. Never the status of an [`Error`].
    Ok = 0,
    /// An argument is missing, NULL, or of the wrong form.
    InvalidArgument = 10,
    /// Text is not UTF-8.
    InvalidUtf8 = 11,
    /// An option is outside its documented range.
    InvalidOption = 12,
    /// Reading or writing failed.
    Io = 20,
    /// A file or folder does not exist.
    NotFound = 21,
    /// The disk is full; nothing was replaced.
    DiskFull = 22,
    /// A file is truncated, damaged or hostile.
    CorruptFile = 30,
    /// A file is well formed but uses an architecture, setting or version this build does not know.
    Unsupported = 31,
    /// A weight, prompt or loss is NaN or infinite.
    NotFinite = 32,
    /// A task has too few labels, a bad template or clashing verbalizers.
    InvalidTask = 40,
    /// An example lacks a field, names an unknown label or cannot fit.
    InvalidExample = 41,
    /// An adapter or bundle was made for another backbone family.
    BackboneMismatch = 50,
    /// The work does not fit the given memory limit, or the system has not enough memory or threads for it.
    MemoryLimit = 60,
    /// An input is larger than the library accepts.
    TooLarge = 61,
    /// The caller asked to stop.
    Cancelled = 70,
    /// A bug: a panic was caught at the C border.
    Panic = 90,
    /// A bug: an internal invariant does not hold.
    Internal = 91,
}

impl Status {
    /// The code as an integer, as C sees it.
    pub fn code(self) -> i32 {
        self as i32
    }

    /// The stable lower-case name, as in `supmer_status_name`.
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::InvalidArgument => "invalid_argument",
            Status::InvalidUtf8 => "invalid_utf8",
            Status::InvalidOption => "invalid_option",
            Status::Io => "io",
            Status::NotFound => "not_found",
            Status::DiskFull => "disk_full",
            Status::CorruptFile => "corrupt_file",
            Status::Unsupported => "unsupported",
            Status::NotFinite => "not_finite",
            Status::InvalidTask => "invalid_task",
            Status::InvalidExample => "invalid_example",
            Status::BackboneMismatch => "backbone_mismatch",
            Status::MemoryLimit => "memory_limit",
            Status::TooLarge => "too_large",
            Status::Cancelled => "cancelled",
            Status::Panic => "panic",
            Status::Internal => "internal",
        }
    }
}

/// A failure: its [`Status`] and a message that says what was expected, what came and what to do.
///
/// Messages never hold text of examples or inputs.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    status: Status,
    message: String,
}

/// The result of every fallible call.
pub type Result<T> = std::result::Result<T, Error>;

/// Longest message in bytes: one may repeat a name or value of a file, and those of a hostile file have any length.
const MAX_MESSAGE_BYTES: usize = 4 << 10;

impl Error {
    /// An error of kind `status`; a message of more than 4 KiB is cut.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > MAX_MESSAGE_BYTES {
            let end = (0..=MAX_MESSAGE_BYTES).rev().find(|&at| message.is_char_boundary(at)).unwrap_or(0);
            message.truncate(end);
            message.push_str("...");
            message.shrink_to_fit();
        }
        Self { status, message }
    }

    /// The error of a file system call on `path`.
    pub fn io(path: &Path, error: &std::io::Error) -> Self {
        let status = match error.kind() {
            std::io::ErrorKind::NotFound => Status::NotFound,
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Status::DiskFull,
            _ => Status::Io,
        };
        Self::new(status, format!("{}: {error}", path.display()))
    }

    /// The same error with where it happened in front: `"where: message"`.
    pub fn context(self, place: impl Display) -> Self {
        Self { status: self.status, message: format!("{place}: {}", self.message) }
    }

    /// The kind of failure.
    pub fn status(&self) -> Status {
        self.status
    }
}

/// Shorthand for `Err(Error::new(status, format!(...)))`.
pub(crate) fn fail<T>(status: Status, message: impl Into<String>) -> Result<T> {
    Err(Error::new(status, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Task;
    use crate::text::{GgufVocabulary, Tokenizer};

    #[test]
    fn long_messages_are_cut_between_characters() {
        let whole = "é".repeat(MAX_MESSAGE_BYTES / 2);
        assert_eq!(Error::new(Status::Io, whole.clone()).to_string(), whole);
        let cut = Error::new(Status::Io, format!("a{whole}")).to_string();
        assert!(cut.len() < MAX_MESSAGE_BYTES + 3 && cut.starts_with("aéé") && cut.ends_with("é..."));
    }

    #[test]
    fn names_of_hostile_files_do_not_make_messages_long() {
        let name = "x".repeat(1 << 20);
        let gguf =
            |model, pre| Tokenizer::from_gguf(&GgufVocabulary { model, pre, tokens: vec!["a"], ..Default::default() });
        let json = format!(r#"{{"model": {{"type": "BPE", "vocab": {{"a": "{name}"}}}}}}"#);
        let errors = [
            gguf(&name, "").unwrap_err(),
            gguf("gpt2", &name).unwrap_err(),
            Tokenizer::from_json(json.as_bytes(), None).unwrap_err(),
            Task::from_json(format!(r#"{{"template": "", "labels": "{name}"}}"#).as_bytes()).unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().len() <= MAX_MESSAGE_BYTES + 100);
        }
    }
}
