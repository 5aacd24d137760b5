//! Files that are read whole.

use std::fs::{self, File};
use std::path::Path;

use crate::error::{Error, Result, Status, fail};

/// Opens a regular file. Looks before opening: opening a pipe that nobody writes to would wait for ever.
///
/// Errors: `NotFound`, `Io`, `InvalidArgument` for a folder, pipe or device.
pub(crate) fn open(path: &Path) -> Result<File> {
    let kind = fs::metadata(path).map_err(|e| Error::io(path, &e))?;
    if !kind.is_file() {
        return fail(Status::InvalidArgument, format!("{}: expected a regular file", path.display()));
    }
    File::open(path).map_err(|e| Error::io(path, &e))
}
