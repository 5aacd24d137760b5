//! Where results, notes and warnings go, and how Ctrl-C reaches the work.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use supmer::{Cancel, Error, Status};

use crate::failure::{Failure, Outcome};

/// How long a cancelled call may take to end by itself. Nothing is lost afterwards: files are renamed into place whole.
pub const GRACE: Duration = Duration::from_secs(2);
/// The same for training, which saves after the micro-batch at hand.
#[cfg(feature = "train")]
pub const TRAIN_GRACE: Duration = Duration::from_secs(60);

/// The two streams of the process and the flag that Ctrl-C sets.
pub struct Console {
    /// Whether results are printed as JSON.
    pub json: bool,
    /// Whether notes and progress are left out.
    pub quiet: bool,
    /// Set by Ctrl-C.
    pub cancel: Cancel,
}

impl Console {
    /// A console that nothing has interrupted yet.
    pub fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet, cancel: Cancel::new() }
    }

    /// Makes Ctrl-C, SIGTERM and SIGHUP set the cancel flag, and end the process when the work does not stop soon after.
    pub fn stop_on_interrupt(&self, grace: Duration) -> Result<(), ctrlc::Error> {
        let cancel = self.cancel.clone();
        ctrlc::set_handler(move || {
            cancel.request();
            std::thread::sleep(grace);
            std::process::exit(130);
        })
    }

    /// Prints `text` and a line end on standard output.
    pub fn print(&self, text: &str) -> Outcome<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).map_err(stdout_failure)
    }

    /// Prints `value` as JSON on standard output.
    pub fn print_json(&self, value: &impl Serialize) -> Outcome<()> {
        self.print(&pretty(value)?)
    }

    /// Tells the person something that is not a result.
    pub fn note(&self, message: &str) {
        if !self.quiet {
            eprintln!("{message}");
        }
    }

    /// Tells the person something that may be wrong.
    pub fn warn(&self, message: &str) {
        eprintln!("warning: {message}");
    }
}

/// `value` as indented JSON.
pub fn pretty(value: &impl Serialize) -> Outcome<String> {
    serde_json::to_string_pretty(value).map_err(json_failure)
}

/// `value` as a JSON value whose f32 numbers keep their short form (0.1, not 0.10000000149011612).
pub fn short_json(value: &impl Serialize) -> Outcome<Value> {
    let text = serde_json::to_string(value).map_err(json_failure)?;
    serde_json::from_str(&text).map_err(json_failure)
}

/// The failure of turning a result into JSON.
pub fn json_failure(error: serde_json::Error) -> Failure {
    Failure::Work(Error::new(Status::Internal, format!("cannot write the result as JSON: {error}")))
}

/// The failure of writing to standard output; a reader that has gone (`| head`) is no error.
pub fn stdout_failure(error: std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::NobodyListens,
        ErrorKind::StorageFull => Failure::Work(Error::new(Status::DiskFull, format!("standard output: {error}"))),
        _ => Failure::Work(Error::new(Status::Io, format!("standard output: {error}"))),
    }
}

/// Bytes for a person: `"310 MB"`.
pub fn human_bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..10_000_000_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_silent_success() {
        let failure = stdout_failure(ErrorKind::BrokenPipe.into());
        assert!(matches!(failure, Failure::NobodyListens));
        assert!(failure.message().is_none());
    }

    #[test]
    fn short_json_keeps_numbers_short() {
        assert_eq!(short_json(&[0.1f32, 0.05]).unwrap().to_string(), "[0.1,0.05]");
    }

    #[test]
    fn bytes_are_rounded_for_people() {
        assert_eq!(human_bytes(999), "999 bytes");
        assert_eq!(human_bytes(46_080), "46.1 kB");
        assert_eq!(human_bytes(309_600_000), "310 MB");
        assert_eq!(human_bytes(16_000_000_000), "16.0 GB");
    }
}
