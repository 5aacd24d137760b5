//! Files and folders that are there whole or not at all: written beside, synced, renamed.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result, Status, fail};

/// Puts a file of `bytes` at `path`. A file that is there gives its permissions to the new one, and a link stays a link: the
/// file that it leads to is replaced. On failure what was there stays and nothing is left beside it.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    if path.file_name().is_none() || path.is_dir() {
        return fail(Status::InvalidArgument, format!("{}: this names a folder, a file is needed", path.display()));
    }
    if path.exists() && !path.is_file() {
        let message = format!("{}: this is a pipe or device and cannot be replaced, a file is needed", path.display());
        return fail(Status::InvalidArgument, message);
    }
    let failed = |e: std::io::Error| Error::io(path, &e);
    let old = fs::canonicalize(path).ok();
    let target = old.as_deref().unwrap_or(path);
    let folder = folder_of(target);
    let create = |beside: &Path| OpenOptions::new().write(true).create_new(true).open(beside);
    let (mut file, beside) = create_beside(folder, create).map_err(failed)?;
    let permissions = |file: &File| match fs::metadata(target) {
        Ok(old) => file.set_permissions(old.permissions()),
        Err(_) => Ok(()),
    };
    let written = permissions(&file).and_then(|()| write_synced(&mut file, bytes));
    drop(file);
    if let Err(error) = written.and_then(|()| fs::rename(&beside, target)) {
        // The first error is the one worth telling.
        let _ = fs::remove_file(&beside);
        return Err(failed(error));
    }
    sync_folder(folder);
    Ok(())
}

/// Makes the new folder `path` of `files` (name and bytes). On failure nothing is left of it.
///
/// Errors: `InvalidArgument` when something is at `path` already, `NotFound` for a missing parent, `Io`, `DiskFull`.
pub(crate) fn create_folder(path: &Path, files: &[(&str, &[u8])]) -> Result<()> {
    let refuse = |status, why: &str| fail(status, format!("{}: {why}", path.display()));
    if path.file_name().is_none() || fs::symlink_metadata(path).is_ok() {
        return refuse(Status::InvalidArgument, "exists already and is left as it is; name a new folder");
    }
    let parent = folder_of(path);
    if !parent.is_dir() {
        return refuse(Status::NotFound, "the folder it is to lie in does not exist; create that first");
    }
    let failed = |e: std::io::Error| Error::io(path, &e);
    let ((), beside) = create_beside(parent, |beside| fs::create_dir(beside)).map_err(failed)?;
    let fill = || {
        for (name, bytes) in files {
            let mut file = OpenOptions::new().write(true).create_new(true).open(beside.join(name))?;
            write_synced(&mut file, bytes)?;
        }
        sync_folder(&beside);
        fs::rename(&beside, path)
    };
    if let Err(error) = fill() {
        let _ = fs::remove_dir_all(&beside);
        return Err(failed(error));
    }
    sync_folder(parent);
    Ok(())
}

/// The folder that `path` lies in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Something new in `folder` under a name of its own: process and counter, so that saves at the same time do not meet.
fn create_beside<T>(folder: &Path, create: impl Fn(&Path) -> std::io::Result<T>) -> std::io::Result<(T, PathBuf)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let name =
            OsString::from(format!(".supmer-{}-{}.tmp", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        let beside = folder.join(name);
        match create(&beside) {
            Ok(made) => return Ok((made, beside)),
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

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_permissions_stay_and_a_device_is_refused() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("v3"), folder.path().join("current"));
        replace(&file, b"old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        symlink("v3", &link).unwrap();
        replace(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        symlink("nowhere", folder.path().join("dangling")).unwrap();
        replace(&folder.path().join("dangling"), b"new").unwrap();
        assert_eq!(fs::read(folder.path().join("dangling")).unwrap(), b"new");
        let device = replace(Path::new("/dev/null"), b"x").unwrap_err();
        assert_eq!(device.status(), Status::InvalidArgument);
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

    #[test]
    fn a_new_folder_comes_whole_and_never_takes_the_place_of_anything() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        create_folder(&path, &[("a", b"1"), ("b", b"22")]).unwrap();
        assert_eq!((fs::read(path.join("a")).unwrap(), fs::read(path.join("b")).unwrap()), (b"1".into(), b"22".into()));
        let (empty, file) = (folder.path().join("empty"), folder.path().join("file"));
        fs::create_dir(&empty).unwrap();
        fs::write(&file, b"x").unwrap();
        for taken in [&path, &empty, &file, &folder.path().join("..")] {
            let error = create_folder(taken, &[("c", b"3")]).unwrap_err();
            assert_eq!(error.status(), Status::InvalidArgument, "{error}");
            assert!(error.to_string().contains("exists already"), "{error}");
        }
        let missing = create_folder(&folder.path().join("no/new"), &[("c", b"3")]).unwrap_err();
        assert_eq!(missing.status(), Status::NotFound);
        let broken = create_folder(&folder.path().join("broken"), &[("d", b"4"), ("no/such", b"5")]).unwrap_err();
        assert_eq!(broken.status(), Status::NotFound);
        let mut left = names(folder.path());
        left.sort();
        assert_eq!(left, ["empty", "file", "new"]);
        assert!(names(&empty).is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_as_such() {
        let path = Path::new("/dev/full");
        let error = write_synced(&mut OpenOptions::new().write(true).open(path).unwrap(), b"x").unwrap_err();
        assert_eq!(Error::io(path, &error).status(), Status::DiskFull);
    }
}
