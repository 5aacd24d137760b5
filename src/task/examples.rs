//! Reading rows from a JSONL file, line by line and bounded.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::{Example, Task};
use crate::container::regular_file;
use crate::error::{Error, Result, Status, fail};
use crate::limits::{MAX_EXAMPLE_BYTES, MAX_EXAMPLES, MAX_LINE_BYTES};

impl Task {
    /// Reads a JSONL file of rows for this task. With `labelled`, each row needs a known `label`.
    ///
    /// Empty lines are skipped; a byte order mark and CRLF line ends are accepted. Errors name file, line and field,
    /// never the text: `NotFound`, `Io`, `InvalidUtf8`, `InvalidExample`, and `TooLarge` beyond [`MAX_LINE_BYTES`],
    /// [`MAX_EXAMPLES`] or [`MAX_EXAMPLE_BYTES`].
    pub fn read_examples(&self, path: &Path, labelled: bool) -> Result<Vec<Example>> {
        let file = File::open(path).map_err(|e| Error::io(path, &e))?;
        let mut examples = Vec::new();
        let mut kept = 0u64;
        let mut lines = Lines { reader: BufReader::new(file), number: 0, line: Vec::new() };
        while let Some((number, line)) = lines.next(path)? {
            if line.trim().is_empty() {
                continue;
            }
            let place = |e: Error| e.context(format_args!("{} line {}", path.display(), number));
            let example = self.parse_row(line, labelled).map_err(&place)?;
            kept += example.fields.values().map(|text| text.len() as u64).sum::<u64>();
            if examples.len() == MAX_EXAMPLES || kept > MAX_EXAMPLE_BYTES {
                let message =
                    format!("a file has at most {MAX_EXAMPLES} rows and {MAX_EXAMPLE_BYTES} bytes of text; split it");
                return fail(Status::TooLarge, message).map_err(place);
            }
            examples.push(example);
        }
        Ok(examples)
    }
}

/// The file's bytes when it has at most `limit` of them.
pub(super) fn read_bounded(path: &Path, limit: usize) -> Result<Vec<u8>> {
    let file = regular_file::open(path)?;
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|e| Error::io(path, &e))?;
    if bytes.len() > limit {
        return fail(Status::TooLarge, format!("{}: at most {limit} bytes are accepted", path.display()));
    }
    Ok(bytes)
}

/// The lines of a file, one in memory at a time.
struct Lines<R> {
    reader: BufReader<R>,
    /// Number of the current line, from 1.
    number: usize,
    line: Vec<u8>,
}

impl<R: Read> Lines<R> {
    /// Number (from 1) and text of the next line without its end; `None` at the end of the file.
    fn next(&mut self, path: &Path) -> Result<Option<(usize, &str)>> {
        self.line.clear();
        let mut bounded = (&mut self.reader).take(MAX_LINE_BYTES as u64 + 2);
        if bounded.read_until(b'\n', &mut self.line).map_err(|e| Error::io(path, &e))? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let mut line = self.line.as_slice();
        line = line.strip_suffix(b"\n").unwrap_or(line);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.number == 1 {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        let place = || format!("{} line {}", path.display(), self.number);
        if line.len() > MAX_LINE_BYTES {
            return fail(Status::TooLarge, format!("{}: a line has at most {MAX_LINE_BYTES} bytes", place()));
        }
        match std::str::from_utf8(line) {
            Ok(line) => Ok(Some((self.number, line))),
            Err(e) => fail(Status::InvalidUtf8, format!("{}: not UTF-8 from byte {} on", place(), e.valid_up_to() + 1)),
        }
    }
}
