//! Reading a byte slice front to back; every length is checked against what is left before it is used.

use std::fmt::Display;

use crate::error::{Error, Result, Status};

/// A position in the bytes of a file.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    /// The start of `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// How many bytes were read.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// A second cursor over what is left, to look ahead with.
    pub(super) fn rest(&self) -> Cursor<'a> {
        Cursor::new(&self.bytes[self.position..])
    }

    /// The next `length` bytes; `what` is named when the file ends before.
    pub(super) fn take(&mut self, length: u64, what: impl Display) -> Result<&'a [u8]> {
        let left = &self.bytes[self.position..];
        let bytes = usize::try_from(length).ok().and_then(|length| left.get(..length)).ok_or_else(|| {
            let message = format!("{what}: {length} bytes expected, the file has {} left", left.len());
            Error::new(Status::CorruptFile, message)
        })?;
        self.position += bytes.len();
        Ok(bytes)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self, what: impl Display) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64, what)?);
        Ok(array)
    }

    /// The next little-endian u32.
    pub(super) fn u32(&mut self, what: impl Display) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    /// The next little-endian u64.
    pub(super) fn u64(&mut self, what: impl Display) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A count of things that take at least `least` bytes each: refused when the rest of the file cannot hold them.
    pub(super) fn count(&mut self, least: usize, most: usize, what: impl Display) -> Result<usize> {
        let count = self.u64(&what)?;
        let room = (self.bytes.len() - self.position) / least;
        match usize::try_from(count) {
            Ok(count) if count <= room.min(most) => Ok(count),
            _ if count <= room as u64 => {
                Err(Error::new(Status::TooLarge, format!("{what}: {count} given, at most {most} are accepted")))
            }
            _ => {
                let message = format!("{what}: {count} given, the rest of the file has room for at most {room}");
                Err(Error::new(Status::CorruptFile, message))
            }
        }
    }

    /// A string: its length as u64, then its bytes.
    pub(super) fn string(&mut self, what: impl Display) -> Result<&'a [u8]> {
        let length = self.u64(format_args!("length of {what}"))?;
        self.take(length, what)
    }
}

/// `bytes` as UTF-8; `what` is named when they are not.
pub(super) fn utf8(bytes: &[u8], what: impl Display) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|e| Error::new(Status::CorruptFile, format!("{what}: expected UTF-8 text, {e}")))
}
