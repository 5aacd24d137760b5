//! The lines of a text file, one in memory at a time, checked and hashed on the way.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::container::regular_file;
use crate::error::{Error, Result, Status, fail};
use crate::limits::MAX_LINE_BYTES;

pub(super) struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    /// Number of the current line, from 1.
    number: usize,
    line: Vec<u8>,
}

impl Lines {
    pub fn open(path: &Path) -> Result<Self> {
        let file = regular_file::open(path)?;
        Ok(Self { path: path.to_owned(), reader: BufReader::with_capacity(1 << 18, file), number: 0, line: Vec::new() })
    }

    /// The next line, which may end in CRLF; a byte order mark is skipped. Its bytes go to `sum`, their number to `read`.
    pub fn next(&mut self, sum: &mut Sha256, read: &mut u64) -> Result<Option<&str>> {
        self.line.clear();
        let mut bounded = (&mut self.reader).take(MAX_LINE_BYTES as u64 + 1);
        if bounded.read_until(b'\n', &mut self.line).map_err(|e| Error::io(&self.path, &e))? == 0 {
            return Ok(None);
        }
        self.number += 1;
        sum.update(&self.line);
        *read += self.line.len() as u64;
        if self.line.len() > MAX_LINE_BYTES {
            let message =
                format!("{}: a line has at most {MAX_LINE_BYTES} bytes; break it into paragraphs", self.place());
            return fail(Status::TooLarge, message);
        }
        match std::str::from_utf8(&self.line) {
            Ok(line) if self.number == 1 => Ok(Some(line.strip_prefix('\u{feff}').unwrap_or(line))),
            Ok(line) => Ok(Some(line)),
            Err(e) => {
                let message =
                    format!("{}: not UTF-8 from byte {} on; convert the file", self.place(), e.valid_up_to() + 1);
                fail(Status::InvalidUtf8, message)
            }
        }
    }

    /// File and line for messages.
    pub fn place(&self) -> String {
        format!("{} line {}", self.path.display(), self.number)
    }
}
