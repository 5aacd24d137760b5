//! How a command can fail, and the exit code that tells a script.

use std::path::Path;
use std::process::ExitCode;

use supmer::{Error, Status};

/// The result of a command.
pub type Outcome<T> = Result<T, Failure>;

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// Options that do not go together.
    Usage(String),
    /// The library, a file or a row.
    Work(Error),
    /// Another process of the command failed and has said why.
    Child(u8),
    /// The reader of standard output has gone; there is nobody to tell.
    NobodyListens,
}

impl Failure {
    /// The process's exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    /// What to tell the person, if anything.
    pub fn message(&self) -> Option<String> {
        match self {
            Failure::Usage(message) => Some(message.clone()),
            Failure::Work(error) if error.status() == Status::Cancelled => Some("stopped".to_owned()),
            Failure::Work(error) => Some(format!("{error} ({})", error.status().name())),
            Failure::Child(_) | Failure::NobodyListens => None,
        }
    }

    fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Work(error) => code_of(error.status()),
            Failure::Child(code) => *code,
            Failure::NobodyListens => 0,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Work(error)
    }
}

/// The failure of a file system call on `path`.
pub fn at(path: &Path) -> impl FnOnce(std::io::Error) -> Failure + '_ {
    move |error| Failure::Work(Error::io(path, &error))
}

fn code_of(status: Status) -> u8 {
    match status {
        Status::InvalidArgument | Status::InvalidOption => 2,
        Status::InvalidUtf8
        | Status::Io
        | Status::NotFound
        | Status::CorruptFile
        | Status::Unsupported
        | Status::NotFinite
        | Status::InvalidTask
        | Status::InvalidExample
        | Status::BackboneMismatch
        | Status::TooLarge => 3,
        Status::Cancelled => 130,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_follow_the_kind_of_failure() {
        let code = |status| Failure::from(Error::new(status, "x")).code();
        assert_eq!(code(Status::InvalidOption), 2);
        assert_eq!(code(Status::NotFound), 3);
        assert_eq!(code(Status::BackboneMismatch), 3);
        assert_eq!(code(Status::DiskFull), 1);
        assert_eq!(code(Status::MemoryLimit), 1);
        assert_eq!(code(Status::Cancelled), 130);
    }

    #[test]
    fn the_message_names_the_status() {
        let failure = Failure::from(Error::new(Status::NotFound, "no such model"));
        assert_eq!(failure.message().unwrap(), "no such model (not_found)");
    }
}
