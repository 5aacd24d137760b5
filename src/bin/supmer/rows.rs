//! Rows from a file or a pipe, a chunk at a time, so that the input may be endless.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use supmer::limits::MAX_LINE_BYTES;
use supmer::{Error, Example, Result, Status, Task};

use crate::failure::{Outcome, at};

const READ_BYTES: usize = 256 << 10;
/// A chunk is closed when its lines reach this size.
const CHUNK_BYTES: usize = 4 << 20;

/// Reads JSON Lines with the fields of a task's template; a known `label` is taken along.
pub struct RowReader<R> {
    lines: BufReader<R>,
    source: String,
    task: Task,
    line: usize,
    failed: Option<Error>,
}

/// Rows in the order of the input.
#[derive(Debug, Default)]
pub struct Chunk {
    pub rows: Vec<Example>,
    /// The number of each row's line, from 1.
    pub lines: Vec<usize>,
}

/// Opens `path`, or standard input for `-`, for rows of `task`.
pub fn open(path: &Path, task: &Task) -> Outcome<RowReader<Box<dyn Read>>> {
    let (source, input): (String, Box<dyn Read>) = if path.as_os_str() == "-" {
        ("standard input".to_owned(), Box::new(std::io::stdin()))
    } else {
        (path.display().to_string(), Box::new(std::fs::File::open(path).map_err(at(path))?))
    };
    Ok(RowReader::new(input, source, task.clone()))
}

impl<R: Read> RowReader<R> {
    /// Reads rows of `task` from `input`, which errors call `source`.
    pub fn new(input: R, source: String, task: Task) -> Self {
        let lines = BufReader::with_capacity(READ_BYTES, input);
        Self { lines, source, task, line: 0, failed: None }
    }

    /// Up to `count` rows with the numbers of their lines; none at the end of the input.
    ///
    /// Waits for the first row only: what a pipe has not delivered yet comes with the next chunk. Blank lines are passed
    /// over. Rows before a bad line are still given; the next call then returns its error, which names source and line.
    pub fn chunk(&mut self, count: usize) -> Result<Chunk> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let Chunk { mut rows, mut lines } = Chunk::default();
        let mut bytes = 0;
        while rows.len() < count && bytes < CHUNK_BYTES && (rows.is_empty() || self.line_is_waiting()) {
            match self.row() {
                Ok(Some((row, length))) => {
                    rows.push(row);
                    lines.push(self.line);
                    bytes += length;
                }
                Ok(None) => break,
                Err(error) if rows.is_empty() => return Err(error),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        Ok(Chunk { rows, lines })
    }

    /// Where `line` is, for messages.
    pub fn place(&self, line: usize) -> String {
        format!("{} line {line}", self.source)
    }

    fn line_is_waiting(&self) -> bool {
        self.lines.buffer().contains(&b'\n')
    }

    /// The next row and the length of its line.
    fn row(&mut self) -> Result<Option<(Example, usize)>> {
        loop {
            let mut line = Vec::new();
            self.line += 1;
            let limit = MAX_LINE_BYTES as u64 + 1;
            let read = self.lines.by_ref().take(limit).read_until(b'\n', &mut line);
            read.map_err(|e| Error::new(Status::Io, e.to_string()).context(self.place(self.line)))?;
            if line.is_empty() {
                return Ok(None);
            }
            if line.len() > MAX_LINE_BYTES {
                let message = format!("the line is longer than {MAX_LINE_BYTES} bytes; split or shorten it");
                return Err(Error::new(Status::TooLarge, message).context(self.place(self.line)));
            }
            let bytes = if self.line == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line) } else { &line };
            let Ok(text) = std::str::from_utf8(bytes) else {
                let message = "the line is not UTF-8; convert the input to UTF-8";
                return Err(Error::new(Status::InvalidUtf8, message).context(self.place(self.line)));
            };
            if !text.trim().is_empty() {
                let row = self.task.parse_row(text.trim(), false).map_err(|e| e.context(self.place(self.line)))?;
                return Ok(Some((row, line.len())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use supmer::Label;

    use super::*;

    fn task() -> Task {
        let label = |name: &str| Label { name: name.to_owned(), verbalizer: format!(" {name}") };
        Task::new("t", "{text}\nIt is", vec![label("x"), label("y")]).unwrap()
    }

    fn reader<R: Read>(input: R) -> RowReader<R> {
        RowReader::new(input, "rows.jsonl".to_owned(), task())
    }

    fn texts(chunk: &Chunk) -> Vec<&str> {
        chunk.rows.iter().map(|row| row.fields["text"].as_str()).collect()
    }

    #[test]
    fn rows_come_in_chunks_and_blank_lines_do_not_count() {
        let lines =
            "\u{feff}{\"text\":\"a\"}\r\n\n{\"text\":\"b\",\"label\":\"x\",\"n\":3}\n{\"text\":\"c\",\"label\":\"z\"}";
        let mut rows = reader(lines.as_bytes());
        let first = rows.chunk(2).unwrap();
        assert_eq!((texts(&first), &first.lines[..]), (vec!["a", "b"], &[1, 3][..]));
        assert_eq!(first.rows[1].label.as_deref(), Some("x"));
        let second = rows.chunk(2).unwrap();
        assert_eq!((texts(&second), &second.lines[..]), (vec!["c"], &[4][..]));
        assert_eq!(rows.place(second.lines[0]), "rows.jsonl line 4");
        assert!(rows.chunk(2).unwrap().rows.is_empty());
    }

    #[test]
    fn rows_before_a_bad_line_are_given_first() {
        let mut rows = reader(b"{\"text\":\"a\"}\nsecret words\n".as_slice());
        assert_eq!(rows.chunk(8).unwrap().rows.len(), 1);
        let message = rows.chunk(8).unwrap_err().to_string();
        assert!(message.starts_with("rows.jsonl line 2: "), "{message}");
        assert!(!message.contains("secret"), "{message}");
    }

    #[test]
    fn a_bad_line_has_the_status_of_its_fault() {
        let cases: [(&[u8], Status); 3] = [
            (b"{\"other\":\"a\"}", Status::InvalidExample),
            (b"{\"text\":\"\xff\"}", Status::InvalidUtf8),
            (b"{\"text\":\"a\"", Status::InvalidExample),
        ];
        for (line, status) in cases {
            assert_eq!(reader(line).chunk(1).unwrap_err().status(), status);
        }
    }

    #[test]
    fn an_endless_line_is_refused_in_bounded_memory() {
        assert_eq!(reader(std::io::repeat(b'a')).chunk(1).unwrap_err().status(), Status::TooLarge);
    }

    #[test]
    fn a_chunk_does_not_wait_for_a_slow_pipe() {
        struct Slow(Vec<&'static [u8]>);
        impl Read for Slow {
            fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
                let piece = self.0.remove(0);
                out[..piece.len()].copy_from_slice(piece);
                Ok(piece.len())
            }
        }
        let pieces: Vec<&[u8]> = vec![b"{\"text\":\"a\"}\n{\"text\":\"b\"}\n{\"te", b"xt\":\"c\"}\n", b""];
        let mut rows = reader(Slow(pieces));
        assert_eq!(texts(&rows.chunk(8).unwrap()), ["a", "b"]);
        assert_eq!(texts(&rows.chunk(8).unwrap()), ["c"]);
        assert!(rows.chunk(8).unwrap().rows.is_empty());
    }
}
