//! The bytes of a model file: mapped, or a copy in memory.

use std::ops::Deref;
use std::sync::Arc;

use memmap2::Mmap;

use super::mapped;
use crate::error::{Error, Result, Status};

/// Copies start at a multiple of this, so that tensors are aligned as they are in a mapped file.
const ALIGNMENT: usize = 64;

/// A file's bytes. Clones share them; they never change.
#[derive(Clone)]
pub struct Bytes(pub(super) Arc<Held>);

pub(super) enum Held {
    Mapped(Mmap),
    Copied { memory: Vec<u8>, start: usize },
}

impl Bytes {
    /// A copy of `bytes`. Errors: `MemoryLimit` when there is no memory for it.
    pub fn copied(bytes: &[u8]) -> Result<Self> {
        let mut memory: Vec<u8> = Vec::new();
        memory.try_reserve_exact(bytes.len() + ALIGNMENT).map_err(|_| {
            Error::new(Status::MemoryLimit, format!("there is no memory for a copy of {} bytes", bytes.len()))
        })?;
        let start = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        memory.resize(start, 0);
        memory.extend_from_slice(bytes);
        Ok(Self(Arc::new(Held::Copied { memory, start })))
    }

    /// The bytes of a mapped file.
    pub(super) fn mapped(map: Mmap) -> Self {
        Self(Arc::new(Held::Mapped(map)))
    }

    /// Tells the system that `length` bytes from `offset` are not needed soon. They stay readable; a copy stays whole.
    pub(super) fn release(&self, offset: usize, length: usize) {
        if let Held::Mapped(map) = &*self.0 {
            mapped::release(map, offset, length);
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &*self.0 {
            Held::Mapped(map) => map,
            Held::Copied { memory, start } => &memory[*start..],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_aligned_and_whole() {
        for length in [0, 1, 63, 64, 1000] {
            let bytes: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let copy = Bytes::copied(&bytes).unwrap();
            copy.release(0, length);
            assert_eq!(&copy[..], bytes);
            assert_eq!(copy.as_ptr().align_offset(ALIGNMENT), 0, "{length}");
        }
    }
}
