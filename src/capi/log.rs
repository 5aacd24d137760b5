//! What the library has to say while it works: a model was loaded, an adaptation began or ended, a warning. It says
//! nothing until a callback is set, and never writes anywhere itself. Messages never hold text of examples or inputs.

use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::sync::LazyLock;

use log::{Level, LevelFilter, Log, Metadata, Record};
use parking_lot::RwLock;

use super::error::supmer_error;
use super::guard::guard;
use super::handle;
use super::silence;
use super::status::supmer_status;
use crate::error::{Result, Status, fail};

/// How important a message is: one of `SUPMER_LOG_...`.
pub type supmer_log_level = i32;

/// A bug in the library.
pub const SUPMER_LOG_ERROR: supmer_log_level = 1;
/// Something that a person should look at, such as a task that was not learned.
pub const SUPMER_LOG_WARNING: supmer_log_level = 2;
/// What long calls did.
pub const SUPMER_LOG_INFO: supmer_log_level = 3;
/// Details, for those who look for a fault.
pub const SUPMER_LOG_DEBUG: supmer_log_level = 4;

/// Receives a message: one line of UTF-8 text ending in NUL that lives until the callback returns. It may be called from
/// several threads at once, must return (no longjmp, no C++ exception), and must not set a log callback.
pub type supmer_log_callback =
    Option<unsafe extern "C" fn(user_data: *mut c_void, level: supmer_log_level, message: *const c_char)>;

/// Sets the process's log callback. When it returns, the callback that was set before is not called any more and what
/// it used may be freed.
///
/// - `callback`: receives the messages; NULL = none.
/// - `user_data`: handed to `callback`.
/// - `level`: the least important messages that are wanted, such as `SUPMER_LOG_INFO`; not read when `callback` is NULL.
/// - Errors: `INVALID_OPTION` for a level that is none, `INVALID_ARGUMENT` from inside a log callback, `UNSUPPORTED` in
///   a Rust program that has a logger of its own, which gets the messages instead.
/// - Threads: any; waits for callbacks that are running.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_set_log_callback(
    callback: supmer_log_callback,
    user_data: *mut c_void,
    level: supmer_log_level,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: `error` is NULL or writable, says the caller.
    unsafe {
        guard(error, |_| {
            if INSIDE.get() {
                return fail(Status::InvalidArgument, "a log callback must not set the log callback");
            }
            let (sink, level) = match callback {
                Some(callback) => (Some(Sink { callback, user_data }), filter(level)?),
                None => (None, LevelFilter::Off),
            };
            if !*INSTALLED {
                return fail(Status::Unsupported, "this program has a Rust logger, which receives the messages");
            }
            let mut set = SINK.write();
            *set = sink;
            log::set_max_level(level);
            Ok(())
        })
    }
}

static SINK: RwLock<Option<Sink>> = RwLock::new(None);

/// Whether the `log` crate gives its messages to [`Callback`].
static INSTALLED: LazyLock<bool> = LazyLock::new(|| log::set_logger(&Callback).is_ok());

thread_local! {
    /// Whether this thread is inside the callback.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

struct Sink {
    callback: unsafe extern "C" fn(*mut c_void, supmer_log_level, *const c_char),
    user_data: *mut c_void,
}

// SAFETY: the header says that the callback, with its user data, is called from any thread.
unsafe impl Send for Sink {}
// SAFETY: as above, from several at once.
unsafe impl Sync for Sink {}

/// Hands this library's messages to the sink. The lock is held meanwhile, so that setting another one waits.
struct Callback;

impl Log for Callback {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        (target == "supmer" || target.starts_with("supmer::")) && !INSIDE.get()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let sink = SINK.read();
        let Some(Sink { callback, user_data }) = &*sink else { return };
        let level = match record.level() {
            Level::Error => SUPMER_LOG_ERROR,
            Level::Warn => SUPMER_LOG_WARNING,
            Level::Info => SUPMER_LOG_INFO,
            Level::Debug | Level::Trace => SUPMER_LOG_DEBUG,
        };
        let message = handle::c_string(&record.args().to_string());
        INSIDE.set(true);
        // SAFETY: the program gave a function of this type and vouched for its user data.
        silence::outside(|| unsafe { callback(*user_data, level, message.as_ptr()) });
        INSIDE.set(false);
    }

    fn flush(&self) {}
}

fn filter(level: supmer_log_level) -> Result<LevelFilter> {
    match level {
        SUPMER_LOG_ERROR => Ok(LevelFilter::Error),
        SUPMER_LOG_WARNING => Ok(LevelFilter::Warn),
        SUPMER_LOG_INFO => Ok(LevelFilter::Info),
        SUPMER_LOG_DEBUG => Ok(LevelFilter::Debug),
        other => fail(Status::InvalidOption, format!("level is {other}, a SUPMER_LOG value was expected")),
    }
}
