//! Files that are there whole or not at all: written beside, synced, renamed.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result, Status, fail};

/// Puts a file of `bytes` at `path`. On failure what was there stays and nothing is left beside it.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    if path.file_name().is_none() || path.is_dir() {
        return fail(Status::InvalidArgument, format!("{}: this names a folder, a file is needed", path.display()));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let failed = |e: std::io::Error| Error::io(path, &e);
    let (mut file, beside) = create_beside(folder).map_err(failed)?;
    let written = write_synced(&mut file, bytes);
    drop(file);
    if let Err(error) = written.and_then(|()| fs::rename(&beside, path)) {
        // The first error is the one worth telling.
        let _ = fs::remove_file(&beside);
        return Err(failed(error));
    }
    sync_folder(folder);
    Ok(())
}

/// A new file of a name of its own: process and counter, so that saves at the same time do not meet.
fn create_beside(folder: &Path) -> std::io::Result<(File, PathBuf)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let name =
            OsString::from(format!(".supmer-{}-{}.tmp", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        let beside = folder.join(name);
        match OpenOptions::new().write(true).create_new(true).open(&beside) {
            Ok(file) => return Ok((file, beside)),
            // Left behind by a crashed process of the same number.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

fn write_synced(file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the rename itself last. Some file systems cannot sync a folder; the file is in place either way.
fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    #[cfg(not(unix))]
    let _ = folder;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn the_new_file_takes_the_place_of_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for bytes in [&b"old"[..], b"new, longer"] {
            replace(&path, bytes).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn failures_name_the_file_and_leave_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let missing = replace(&folder.path().join("no/a"), b"x").unwrap_err();
        assert_eq!(missing.status(), Status::NotFound);
        let long = replace(&folder.path().join("n".repeat(300)), b"x").unwrap_err();
        assert_eq!(long.status(), Status::Io);
        let is_folder = replace(folder.path(), b"x").unwrap_err();
        assert_eq!(is_folder.status(), Status::InvalidArgument);
        assert!(names(folder.path()).is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_as_such() {
        let path = Path::new("/dev/full");
        let error = write_synced(&mut OpenOptions::new().write(true).open(path).unwrap(), b"x").unwrap_err();
        assert_eq!(Error::io(path, &error).status(), Status::DiskFull);
    }
}
