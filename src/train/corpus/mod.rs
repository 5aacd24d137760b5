//! Unlabelled text, streamed paragraph by paragraph from a file or a folder.
//!
//! `.txt` holds one paragraph a line, a blank line ends a document; `.jsonl` one document a line, its paragraphs being the
//! lines of the field `text`. Files are read in the order of their names, one line in memory at a time.

mod lines;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::container::regular_file;
use crate::error::{Error, Result, Status, fail};
use crate::runtime::Cancel;
use lines::Lines;

/// The files of a corpus, in order.
#[derive(Clone, Debug)]
pub struct Corpus {
    files: Vec<PathBuf>,
}

/// One paragraph of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paragraph {
    /// Number of the document in the corpus, from 0; paragraphs of one document follow each other.
    pub document: u32,
    /// Without line ends, not blank.
    pub text: String,
}

/// What [`Paragraphs`] have read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorpusSummary {
    /// SHA-256 (hex) over the files in order: name, length and bytes of each.
    pub digest: String,
    /// Names of the files, without folders.
    pub files: Vec<String>,
    /// Bytes read.
    pub bytes: u64,
    /// Documents with at least one paragraph.
    pub documents: u32,
    /// Paragraphs.
    pub paragraphs: u64,
}

impl Corpus {
    /// The file `path`, or the `.txt` and `.jsonl` files right in the folder `path`. With `names`, only the files so
    /// called: the part of a corpus whose licence suits.
    ///
    /// Errors: `NotFound` for a missing path or a name that is not there, `InvalidArgument` for another kind of file or
    /// when nothing is left, `Io`.
    pub fn open(path: &Path, names: Option<&[String]>) -> Result<Self> {
        let files = if path.is_dir() { files_of(path)? } else { vec![path.to_owned()] };
        let wanted: Option<BTreeSet<&str>> = names.map(|names| names.iter().map(String::as_str).collect());
        let files: Vec<PathBuf> = match &wanted {
            Some(wanted) => files.into_iter().filter(|file| wanted.contains(name_of(file).as_str())).collect(),
            None => files,
        };
        let found: BTreeSet<String> = files.iter().map(|file| name_of(file)).collect();
        if let Some(missing) = wanted.iter().flatten().find(|name| !found.contains(**name)) {
            return fail(Status::NotFound, format!("{}: holds no text file called {missing:?}", path.display()));
        }
        if files.is_empty() {
            let message = format!("{}: no .txt or .jsonl file to read", path.display());
            return fail(Status::InvalidArgument, message);
        }
        for file in &files {
            regular_file::open(file)?;
            kind_of(file)?;
        }
        Ok(Self { files })
    }

    /// The files in the order they are read.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// A stream over all paragraphs.
    pub fn paragraphs(&self) -> Paragraphs<'_> {
        let summary =
            CorpusSummary { files: self.files.iter().map(|file| name_of(file)).collect(), ..Default::default() };
        Paragraphs {
            files: &self.files,
            next_file: 0,
            open: None,
            waiting: Vec::new(),
            begun: false,
            sum: Sha256::new(),
            summary,
        }
    }

    /// The digest that [`CorpusSummary::digest`] has after a whole reading, without looking at the text.
    ///
    /// Errors: `NotFound`, `Io`, `Cancelled`.
    pub fn digest(&self, cancel: &Cancel) -> Result<String> {
        let mut sum = Sha256::new();
        for path in &self.files {
            let failed = |e: std::io::Error| Error::io(path, &e);
            start_file(&mut sum, path)?;
            let mut reader = BufReader::with_capacity(1 << 20, regular_file::open(path)?);
            loop {
                cancel.check()?;
                let block = reader.fill_buf().map_err(failed)?;
                if block.is_empty() {
                    break;
                }
                sum.update(block);
                let length = block.len();
                reader.consume(length);
            }
        }
        Ok(hex(sum))
    }
}

/// An iterator over the paragraphs of a [`Corpus`]; after an error it ends.
///
/// Errors name file and line: `NotFound`, `Io`, `InvalidUtf8`, `TooLarge` for a line beyond
/// [`MAX_LINE_BYTES`](crate::limits::MAX_LINE_BYTES), `CorruptFile` for a line of JSONL without a text.
pub struct Paragraphs<'a> {
    files: &'a [PathBuf],
    next_file: usize,
    open: Option<(Kind, Lines)>,
    /// Paragraphs of a line of JSONL, last first.
    waiting: Vec<String>,
    /// Whether the current document has a paragraph.
    begun: bool,
    sum: Sha256,
    summary: CorpusSummary,
}

impl Paragraphs<'_> {
    /// What was read; the digest is that of the corpus once the iterator has ended.
    pub fn finish(self) -> CorpusSummary {
        CorpusSummary { digest: hex(self.sum), ..self.summary }
    }

    fn advance(&mut self) -> Result<Option<Paragraph>> {
        loop {
            if let Some(text) = self.waiting.pop() {
                return Ok(Some(self.paragraph(text)));
            }
            let Some((kind, lines)) = &mut self.open else {
                let Some(path) = self.files.get(self.next_file) else { return Ok(None) };
                start_file(&mut self.sum, path)?;
                self.open = Some((kind_of(path)?, Lines::open(path)?));
                self.next_file += 1;
                continue;
            };
            let Some(line) = lines.next(&mut self.sum, &mut self.summary.bytes)? else {
                self.open = None;
                self.begun = false;
                continue;
            };
            match kind {
                Kind::Text if line.trim().is_empty() => self.begun = false,
                Kind::Text => {
                    let text = line.trim().to_owned();
                    return Ok(Some(self.paragraph(text)));
                }
                Kind::Json if line.trim().is_empty() => {}
                Kind::Json => {
                    let document: JsonDocument = serde_json::from_str(line).map_err(|e| {
                        let what = format!("a JSON object with a string \"text\" is needed (column {})", e.column());
                        Error::new(Status::CorruptFile, format!("{}: {what}", lines.place()))
                    })?;
                    self.begun = false;
                    let paragraphs = document.text.lines().map(str::trim).filter(|text| !text.is_empty());
                    self.waiting = paragraphs.rev().map(str::to_owned).collect();
                }
            }
        }
    }

    fn paragraph(&mut self, text: String) -> Paragraph {
        if !self.begun {
            self.begun = true;
            self.summary.documents += 1;
        }
        self.summary.paragraphs += 1;
        Paragraph { document: self.summary.documents - 1, text }
    }
}

impl Iterator for Paragraphs<'_> {
    type Item = Result<Paragraph>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            (self.open, self.next_file) = (None, self.files.len());
        }
        next.transpose()
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Json,
}

#[derive(Deserialize)]
struct JsonDocument {
    text: String,
}

fn kind_of(path: &Path) -> Result<Kind> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("txt") => Ok(Kind::Text),
        Some("jsonl") => Ok(Kind::Json),
        _ => fail(Status::InvalidArgument, format!("{}: a .txt or .jsonl file is needed", path.display())),
    }
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: std::io::Error| Error::io(folder, &e);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_file() && kind_of(&path).is_ok() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn start_file(sum: &mut Sha256, path: &Path) -> Result<()> {
    let length = std::fs::metadata(path).map_err(|e| Error::io(path, &e))?.len();
    sum.update(format!("{}\0{length}\0", name_of(path)));
    Ok(())
}

fn hex(sum: Sha256) -> String {
    format!("{:x}", sum.finalize())
}

#[cfg(test)]
mod tests;
