//! Runs the command again as a process of its own for one method, so that its peak of memory is its own.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use supmer::{Error, Status};

use super::Method;
use crate::console::Console;
use crate::failure::{Failure, Outcome};

/// How often the child is looked after.
const TICK: Duration = Duration::from_millis(50);
/// How long a child may take to stop by itself: Ctrl-C on a terminal reaches it too.
const GRACE: Duration = Duration::from_millis(1_500);

/// Measures `method` in a child process with this process's own arguments; it leaves its cells on the disk.
pub fn measure_apart(method: Method, console: &Console) -> Outcome<()> {
    let cannot = |error| {
        let message = format!("cannot run the process of method {method}: {error}");
        Failure::Work(Error::new(Status::Internal, message))
    };
    let program = std::env::current_exe().map_err(cannot)?;
    let mut child = Command::new(program)
        .args(std::env::args_os().skip(1))
        .args(["--only-method", method.name()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(cannot)?;
    let status = wait(&mut child, console).map_err(cannot)?;
    console.cancel.check()?;
    match status.code() {
        Some(0) => Ok(()),
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
