//! Files from outside: mapped or read whole, with their kind and size checked before anything is touched.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::Read;
use std::path::Path;

use memmap2::Mmap;

use super::bytes::Bytes;
use crate::container::regular_file;
use crate::error::{Error, Result, Status, fail};

/// Maps the regular file `path` read-only.
///
/// Errors: `NotFound`, `Io`, `InvalidArgument` when it is no regular file, `CorruptFile` when it is empty.
pub(crate) fn map(path: &Path) -> Result<Bytes> {
    let file = open(path)?.0;
    // SAFETY: the mapping is read-only and private. What remains is that another process could cut or rewrite the file
    // while it is mapped; model files and checkpoints are documented as immutable while they are loaded, as with every
    // mapped format.
    let map = unsafe { Mmap::map(&file) }.map_err(|e| Error::io(path, &e))?;
    Ok(Bytes::mapped(map))
}

/// Reads the regular file `path` of at most `most` bytes.
///
/// Errors: as [`map`], and `TooLarge`.
pub(crate) fn read(path: &Path, most: usize) -> Result<Vec<u8>> {
    let (file, length) = open(path)?;
    let too_large = || Error::new(Status::TooLarge, format!("{}: more than {most} bytes", path.display()));
    if length > most as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|e| Error::io(path, &e))?;
    if bytes.len() > most { Err(too_large()) } else { Ok(bytes) }
}

/// Tells the system that `map[offset..offset + length]` is not needed soon, so that its pages stop counting as resident.
/// The bytes stay readable: they come from the file again. Does nothing where the system has no such call.
pub(super) fn release(map: &Mmap, offset: usize, length: usize) {
    #[cfg(unix)]
    if offset.checked_add(length).is_some_and(|end| end <= map.len()) && length > 0 {
        // SAFETY: the range lies inside the mapping, and the mapping is read-only and never written, so dropping its
        // pages cannot change what the bytes say.
        let _ = unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, offset, length) };
    }
    #[cfg(not(unix))]
    let _ = (map, offset, length);
}

/// `bytes` as little-endian f32 values without a copy; `None` when not aligned or on a big-endian machine.
pub(super) fn as_f32(bytes: &[u8]) -> Option<&[f32]> {
    if cfg!(target_endian = "big") {
        return None;
    }
    // SAFETY: every bit pattern is a valid f32, and `align_to` puts only whole, aligned values in the middle.
    let (before, values, after) = unsafe { bytes.align_to::<f32>() };
    (before.is_empty() && after.is_empty()).then_some(values)
}

/// The memory of `values`.
pub(super) fn as_bytes(values: &[f32]) -> &[u8] {
    // SAFETY: an f32 has no padding, u8 has no alignment, and the length is that of the same memory.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

/// Opens a regular file that is not empty, and its length.
fn open(path: &Path) -> Result<(File, u64)> {
    let file = regular_file::open(path)?;
    let length = file.metadata().map_err(|e| Error::io(path, &e))?.len();
    if length == 0 {
        return fail(Status::CorruptFile, format!("{}: the file is empty", path.display()));
    }
    Ok((file, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_folders_missing_empty_and_large_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        assert_eq!(map(folder.path()).err().unwrap().status(), Status::InvalidArgument);
        assert_eq!(map(&file).err().unwrap().status(), Status::NotFound);
        std::fs::write(&file, []).unwrap();
        assert_eq!(map(&file).err().unwrap().status(), Status::CorruptFile);
        std::fs::write(&file, [7; 100]).unwrap();
        assert_eq!(read(&file, 99).unwrap_err().status(), Status::TooLarge);
        assert_eq!(read(&file, 100).unwrap(), [7; 100]);
    }

    #[test]
    fn released_pages_read_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        let bytes: Vec<u8> = (0..40_000u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(&file, &bytes).unwrap();
        let map = map(&file).unwrap();
        map.release(5000, 20_000);
        map.release(39_999, 2);
        assert_eq!(&map[..], bytes);
    }

    #[test]
    fn views_keep_values() {
        let values = [1.5f32, -2.0];
        if cfg!(target_endian = "little") {
            assert_eq!(as_f32(as_bytes(&values)), Some(&values[..]));
            assert_eq!(as_f32(&as_bytes(&values)[1..5]), None);
            assert_eq!(as_f32(&as_bytes(&values)[..6]), None);
        }
    }
}
