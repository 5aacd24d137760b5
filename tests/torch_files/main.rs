//! PyTorch checkpoints: files that torch wrote give its values; damaged and hostile ones are refused with a clear
//! error, in bounded memory, without a panic, and nothing in them is run.

mod archives;
mod checkpoint;
mod checkpoint_bundle;
mod fixtures;
mod pickles;

use std::sync::{Mutex, PoisonError};

use supmer::interchange::torch_file::{TorchFile, from_bytes};
use supmer::{Result, Status};

/// Most bytes beside the file that the peak of resident memory may grow by.
const MEMORY: u64 = 64 << 20;

/// Reads `bytes` in bounded memory; one file at a time, since the peak is the whole process's.
fn read(bytes: &[u8]) -> Result<TorchFile> {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = supmer::runtime::peak_bytes();
    let result = from_bytes(bytes);
    let grown = supmer::runtime::peak_bytes().saturating_sub(before);
    assert!(grown < bytes.len() as u64 + MEMORY, "{grown} bytes more");
    result
}

/// Checks that `bytes` are refused with `status` and a message of one line that holds all `words`.
#[track_caller]
fn assert_refused(bytes: &[u8], status: Status, words: &[&str]) {
    let case = words.join(", ");
    let Err(error) = read(bytes) else { panic!("{case}: was read") };
    let message = error.to_string();
    assert_eq!(error.status(), status, "{case}: {message}");
    assert!(message.len() < 1000 && !message.contains('\n'), "{case}: {message}");
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
}
