//! Damaged and hostile model files: every one is refused with a clear error, in bounded memory, without a panic.

mod folder;
mod gguf_file;
mod gguf_files;
mod model_folders;
mod t5_folders;

use std::path::Path;

use supmer::Status;
use supmer::backbone::inspect::inspect;
use supmer::backbone::source::Source;

/// Most bytes that the peak of resident memory may grow by while a hostile file is refused.
const MEMORY: u64 = 64 << 20;

/// Opens what must be refused; gives back the status and the message.
fn refusal(path: &Path, case: &str) -> (Status, String) {
    // The summary reads the same bytes; it may succeed, but not panic.
    let _ = inspect(path);
    let before = supmer::runtime::peak_bytes();
    let Err(error) = Source::open(path) else { panic!("{case}: opened") };
    let grown = supmer::runtime::peak_bytes().saturating_sub(before);
    assert!(grown < MEMORY, "{case}: {grown} bytes more for {error}");
    assert!(error.to_string().len() < 1000, "{case}: {error}");
    (error.status(), error.to_string())
}

/// Checks that `path` is refused with `status` and a message that holds all `words`.
#[track_caller]
fn assert_refused(path: &Path, status: Status, words: &[&str]) {
    let case = words.join(", ");
    let (found, message) = refusal(path, &case);
    assert_eq!(found, status, "{case}: {message}");
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
}
