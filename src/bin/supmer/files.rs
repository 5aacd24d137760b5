//! Files that appear whole or not at all.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use supmer::{Error, Status};

use crate::failure::{Failure, Outcome, at};

/// A file being written beside its place; [`NewFile::keep`] puts it there, dropping it leaves the old state.
///
/// A file that is there gives its permissions to the new one. A path that exists and is no regular file (`/dev/null`, a pipe)
/// is written directly.
pub struct NewFile {
    writer: BufWriter<File>,
    path: PathBuf,
    beside: Option<PathBuf>,
}

impl NewFile {
    /// Starts to write what shall become `path`.
    pub fn create(path: &Path) -> Outcome<Self> {
        check_place(path)?;
        let special = path.metadata().is_ok_and(|m| !m.is_file());
        // A link stays: what it leads to is replaced.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let beside = (!special).then(|| beside(&path));
        let file = File::create(beside.as_deref().unwrap_or(&path)).map_err(at(&path))?;
        let file = Self { writer: BufWriter::new(file), path, beside };
        if let (Some(_), Ok(old)) = (&file.beside, file.path.metadata()) {
            file.writer.get_ref().set_permissions(old.permissions()).map_err(at(&file.path))?;
        }
        Ok(file)
    }

    /// Appends `bytes`.
    pub fn write(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.writer.write_all(bytes).map_err(at(&self.path))
    }

    /// Brings everything to the disk and the file into its place.
    pub fn keep(mut self) -> Outcome<()> {
        self.writer.flush().map_err(at(&self.path))?;
        if let Some(beside) = &self.beside {
            self.writer.get_ref().sync_all().map_err(at(&self.path))?;
            std::fs::rename(beside, &self.path).map_err(at(&self.path))?;
            self.beside = None;
        }
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(beside) = &self.beside {
            // Best effort: the file in place is untouched either way.
            let _ = std::fs::remove_file(beside);
        }
    }
}

/// Writes `bytes` as the whole of `path`.
pub fn write(path: &Path, bytes: &[u8]) -> Outcome<()> {
    let mut file = NewFile::create(path)?;
    file.write(bytes)?;
    file.keep()
}

/// Refuses a `path` that cannot become a file, so that long work does not end in vain.
pub fn check_place(path: &Path) -> Outcome<()> {
    let refuse = |status, why: &str| Err(Failure::Work(Error::new(status, format!("{}: {why}", path.display()))));
    if path.is_dir() {
        return refuse(Status::InvalidArgument, "is a folder; name a file to write");
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            refuse(Status::NotFound, "its folder does not exist; create it first")
        }
        _ => Ok(()),
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("v3.json"), folder.path().join("current.json"));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink("v3.json", &link).unwrap();
        write(&link, b"new").unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
    }

    #[cfg(unix)]
    #[test]
    fn permissions_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.jsonl");
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_dropped_file_leaves_the_old_one_and_no_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.json");
        write(&path, b"old").unwrap();
        let mut file = NewFile::create(&path).unwrap();
        file.write(b"new").unwrap();
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        write(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let missing = check_place(&folder.path().join("missing/out.json")).unwrap_err();
        assert!(missing.message().unwrap().contains("its folder does not exist"));
        let is_folder = check_place(folder.path()).unwrap_err();
        assert!(is_folder.message().unwrap().contains("is a folder"));
        assert!(check_place(Path::new("out.json")).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_special_file_is_written_and_stays_special() {
        use std::os::unix::fs::FileTypeExt;
        write(Path::new("/dev/null"), b"x").unwrap();
        assert!(Path::new("/dev/null").metadata().unwrap().file_type().is_char_device());
    }
}
