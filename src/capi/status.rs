//! What a fallible call returns. Values are pinned: they never change and are never used again for something else.
//! New ones may be added, so treat an unknown status as a failure.

use std::ffi::{CStr, c_char};

use crate::error::Status;

/// The outcome of a call: `SUPMER_STATUS_OK` or the kind of failure.
pub type supmer_status = i32;

/// Success.
pub const SUPMER_STATUS_OK: supmer_status = 0;
/// An argument is missing, NULL, too small, or of the wrong form.
pub const SUPMER_STATUS_INVALID_ARGUMENT: supmer_status = 10;
/// Text is not UTF-8.
pub const SUPMER_STATUS_INVALID_UTF8: supmer_status = 11;
/// An option is outside its documented range.
pub const SUPMER_STATUS_INVALID_OPTION: supmer_status = 12;
/// Reading or writing failed.
pub const SUPMER_STATUS_IO: supmer_status = 20;
/// A file or folder does not exist.
pub const SUPMER_STATUS_NOT_FOUND: supmer_status = 21;
/// The disk is full; nothing was replaced.
pub const SUPMER_STATUS_DISK_FULL: supmer_status = 22;
/// A file is truncated, damaged or hostile.
pub const SUPMER_STATUS_CORRUPT_FILE: supmer_status = 30;
/// A file is well formed but uses an architecture, setting or version this build does not know.
pub const SUPMER_STATUS_UNSUPPORTED: supmer_status = 31;
/// A weight, prompt or loss is NaN or infinite.
pub const SUPMER_STATUS_NOT_FINITE: supmer_status = 32;
/// A task has too few labels, a bad template or clashing verbalizers.
pub const SUPMER_STATUS_INVALID_TASK: supmer_status = 40;
/// An example lacks a field, names an unknown label or cannot fit.
pub const SUPMER_STATUS_INVALID_EXAMPLE: supmer_status = 41;
/// An adapter or bundle was made for another backbone family.
pub const SUPMER_STATUS_BACKBONE_MISMATCH: supmer_status = 50;
/// The work does not fit the given memory limit, or the system has not enough memory or threads for it.
pub const SUPMER_STATUS_MEMORY_LIMIT: supmer_status = 60;
/// An input is larger than the library accepts.
pub const SUPMER_STATUS_TOO_LARGE: supmer_status = 61;
/// The caller asked to stop.
pub const SUPMER_STATUS_CANCELLED: supmer_status = 70;
/// A bug in the library: a panic was caught. The handles of that call refuse further work; free them.
pub const SUPMER_STATUS_PANIC: supmer_status = 90;
/// A bug in the library: something that always holds does not.
pub const SUPMER_STATUS_INTERNAL: supmer_status = 91;

const _: () = {
    assert!(SUPMER_STATUS_OK == Status::Ok as i32);
    assert!(SUPMER_STATUS_INVALID_ARGUMENT == Status::InvalidArgument as i32);
    assert!(SUPMER_STATUS_INVALID_UTF8 == Status::InvalidUtf8 as i32);
    assert!(SUPMER_STATUS_INVALID_OPTION == Status::InvalidOption as i32);
    assert!(SUPMER_STATUS_IO == Status::Io as i32);
    assert!(SUPMER_STATUS_NOT_FOUND == Status::NotFound as i32);
    assert!(SUPMER_STATUS_DISK_FULL == Status::DiskFull as i32);
    assert!(SUPMER_STATUS_CORRUPT_FILE == Status::CorruptFile as i32);
    assert!(SUPMER_STATUS_UNSUPPORTED == Status::Unsupported as i32);
    assert!(SUPMER_STATUS_NOT_FINITE == Status::NotFinite as i32);
    assert!(SUPMER_STATUS_INVALID_TASK == Status::InvalidTask as i32);
    assert!(SUPMER_STATUS_INVALID_EXAMPLE == Status::InvalidExample as i32);
    assert!(SUPMER_STATUS_BACKBONE_MISMATCH == Status::BackboneMismatch as i32);
    assert!(SUPMER_STATUS_MEMORY_LIMIT == Status::MemoryLimit as i32);
    assert!(SUPMER_STATUS_TOO_LARGE == Status::TooLarge as i32);
    assert!(SUPMER_STATUS_CANCELLED == Status::Cancelled as i32);
    assert!(SUPMER_STATUS_PANIC == Status::Panic as i32);
    assert!(SUPMER_STATUS_INTERNAL == Status::Internal as i32);
};

/// Name of a status in lower case, such as "invalid_utf8", for logs.
///
/// - `status`: what a call returned.
/// - Returns: static text, not to be freed; "unknown" for a value this version does not know.
/// - Errors: none.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn supmer_status_name(status: supmer_status) -> *const c_char {
    name(status).as_ptr()
}

fn name(status: supmer_status) -> &'static CStr {
    match status {
        SUPMER_STATUS_OK => c"ok",
        SUPMER_STATUS_INVALID_ARGUMENT => c"invalid_argument",
        SUPMER_STATUS_INVALID_UTF8 => c"invalid_utf8",
        SUPMER_STATUS_INVALID_OPTION => c"invalid_option",
        SUPMER_STATUS_IO => c"io",
        SUPMER_STATUS_NOT_FOUND => c"not_found",
        SUPMER_STATUS_DISK_FULL => c"disk_full",
        SUPMER_STATUS_CORRUPT_FILE => c"corrupt_file",
        SUPMER_STATUS_UNSUPPORTED => c"unsupported",
        SUPMER_STATUS_NOT_FINITE => c"not_finite",
        SUPMER_STATUS_INVALID_TASK => c"invalid_task",
        SUPMER_STATUS_INVALID_EXAMPLE => c"invalid_example",
        SUPMER_STATUS_BACKBONE_MISMATCH => c"backbone_mismatch",
        SUPMER_STATUS_MEMORY_LIMIT => c"memory_limit",
        SUPMER_STATUS_TOO_LARGE => c"too_large",
        SUPMER_STATUS_CANCELLED => c"cancelled",
        SUPMER_STATUS_PANIC => c"panic",
        SUPMER_STATUS_INTERNAL => c"internal",
        _ => c"unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_rust_statuses() {
        let statuses = [
            Status::Ok,
            Status::InvalidArgument,
            Status::InvalidUtf8,
            Status::InvalidOption,
            Status::Io,
            Status::NotFound,
            Status::DiskFull,
            Status::CorruptFile,
            Status::Unsupported,
            Status::NotFinite,
            Status::InvalidTask,
            Status::InvalidExample,
            Status::BackboneMismatch,
            Status::MemoryLimit,
            Status::TooLarge,
            Status::Cancelled,
            Status::Panic,
            Status::Internal,
        ];
        for status in statuses {
            assert_eq!(name(status.code()).to_str(), Ok(status.name()));
        }
        assert_eq!(name(-1), c"unknown");
    }
}
