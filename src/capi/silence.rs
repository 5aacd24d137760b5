//! Keeps Rust's panic hook from printing a panic that is caught: its message may quote a customer's text.

use std::cell::Cell;
use std::panic::{set_hook, take_hook};
use std::sync::Once;
use std::thread;

use crate::runtime::WORKER_NAME;

static INSTALLED: Once = Once::new();

thread_local! {
    /// Whether this thread is inside the library, called from C.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `body`, which must not unwind, as work of the library: its panics and those of models' workers are not printed.
pub(super) fn inside<R>(body: impl FnOnce() -> R) -> R {
    // A thread that unwinds may not set the hook; another call will.
    if !thread::panicking() {
        INSTALLED.call_once(install);
    }
    marked(true, body)
}

/// Runs a callback of the program, whose panics are its own affair.
pub(super) fn outside<R>(callback: impl FnOnce() -> R) -> R {
    marked(false, callback)
}

fn marked<R>(is_inside: bool, body: impl FnOnce() -> R) -> R {
    let before = INSIDE.replace(is_inside);
    let result = body();
    INSIDE.set(before);
    result
}

/// The hook that was set before is called for every other panic.
fn install() {
    let others = take_hook();
    set_hook(Box::new(move |panic| {
        let is_worker = thread::current().name().is_some_and(|name| name.starts_with(WORKER_NAME));
        if !INSIDE.get() && !is_worker {
            others(panic);
        }
    }));
}
