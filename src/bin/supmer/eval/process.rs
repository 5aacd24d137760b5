//! Runs the command again as a process of its own for one method, so that its peak of memory is its own.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use supmer::{Error, Status};

use super::cell::Place;
use super::method::Method;
use crate::console::Console;
use crate::failure::{Failure, Outcome};

/// How often the child is looked after.
const TICK: Duration = Duration::from_millis(50);
/// How long a child may take to stop by itself: Ctrl-C on a terminal reaches it too.
const GRACE: Duration = Duration::from_millis(1_500);

/// Measures `method` in a child process with this process's own arguments. It leaves its cells on the disk and says where:
/// one for every seed that changes something.
pub fn measure_apart(method: &Method, console: &Console) -> Outcome<Vec<Place>> {
    let cannot = |error: std::io::Error| {
        let message = format!("cannot run the process of method {method}: {error}");
        Failure::Work(Error::new(Status::Internal, message))
    };
    let program = std::env::current_exe().map_err(cannot)?;
    let mut child = Command::new(program)
        .args(std::env::args_os().skip(1))
        .args(["--only-method", &method.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    // Read beside the wait: a full pipe would stop the child.
    let answer = child.stdout.take().map(|mut pipe| {
        std::thread::spawn(move || {
            let mut answer = Vec::new();
            pipe.read_to_end(&mut answer).map(|_| answer)
        })
    });
    let status = wait(&mut child, console).map_err(cannot)?;
    console.cancel.check()?;
    match status.code() {
        Some(0) => {
            let answer = answer.and_then(|reader| reader.join().ok()).transpose().map_err(cannot)?;
            serde_json::from_slice(&answer.unwrap_or_default()).map_err(|error| cannot(error.into()))
        }
        Some(code) => Err(Failure::Child(u8::try_from(code).unwrap_or(1))),
        None => {
            let message =
                format!("the process of method {method} was ended from outside ({status}), perhaps for memory");
            Err(Failure::Work(Error::new(Status::Internal, message)))
        }
    }
}

/// Waits for the end of `child`, and ends it when this process is cancelled.
fn wait(child: &mut Child, console: &Console) -> std::io::Result<ExitStatus> {
    let mut cancelled: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if console.cancel.is_requested() && cancelled.get_or_insert_with(Instant::now).elapsed() > GRACE {
            child.kill()?;
        }
        std::thread::sleep(TICK);
    }
}
