//! Sentences by number, read from their file when they are asked for.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::build::SentenceOptions;
use crate::error::{Error, Result, Status, fail};
use crate::train::CorpusSummary;

pub(super) const MANIFEST: &str = "sentences.json";
pub(super) const TEXTS: &str = "sentences.txt";
pub(super) const INDEX: &str = "sentences.index";

/// Sentences numbered from 0 in the order of the corpus. Texts and their places stay on disk.
pub struct SentenceStore {
    manifest: Manifest,
    texts: Mutex<File>,
    index: Mutex<File>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub key: String,
    pub sentences: u32,
    pub dropped: u64,
    pub options: SentenceOptions,
    pub corpus: CorpusSummary,
}

/// Where a sentence lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// First byte in the texts.
    pub offset: u64,
    /// Bytes.
    pub length: u32,
    /// Number of the document.
    pub document: u32,
    /// Place in the document, sentences that were dropped counted too.
    pub place: u32,
}

impl SentenceStore {
    /// The store that lies in `work`, if there is one. Errors: `Io`, `CorruptFile`.
    pub(super) fn open(work: &Path) -> Result<Option<Self>> {
        let path = work.join(MANIFEST);
        let json = match std::fs::read(&path) {
            Ok(json) => json,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(&path, &e)),
        };
        let corrupt = |what: String| {
            Error::new(Status::CorruptFile, format!("{}: {what}; delete the work folder", path.display()))
        };
        let manifest: Manifest = serde_json::from_slice(&json).map_err(|e| corrupt(e.to_string()))?;
        let open = |name: &str| File::open(work.join(name)).map_err(|e| Error::io(&work.join(name), &e));
        let (texts, index) = (open(TEXTS)?, open(INDEX)?);
        let length = index.metadata().map_err(|e| Error::io(&work.join(INDEX), &e))?.len();
        if length != u64::from(manifest.sentences) * Record::BYTES as u64 {
            return Err(corrupt(format!("{INDEX} has {length} bytes, not those of {} sentences", manifest.sentences)));
        }
        Ok(Some(Self { manifest, texts: Mutex::new(texts), index: Mutex::new(index) }))
    }

    /// Number of sentences, at least 1.
    pub fn len(&self) -> usize {
        self.manifest.sentences as usize
    }

    /// Whether there is no sentence: never, a store without one is not made.
    pub fn is_empty(&self) -> bool {
        self.manifest.sentences == 0
    }

    /// Sentences that were too short or too long.
    pub fn dropped(&self) -> u64 {
        self.manifest.dropped
    }

    /// What the sentences were made from.
    pub fn corpus(&self) -> &CorpusSummary {
        &self.manifest.corpus
    }

    /// SHA-256 (hex) of the corpus digest and the options.
    pub fn key(&self) -> &str {
        &self.manifest.key
    }

    /// The text of sentence `at`. Errors: `Internal` beyond the last, `Io`, `CorruptFile`.
    pub fn text(&self, at: u32) -> Result<String> {
        self.text_of(self.record(at)?)
    }

    /// The texts of sentences `start..start + count`, which must exist.
    pub fn texts(&self, start: u32, count: usize) -> Result<Vec<String>> {
        self.records(start, count)?.into_iter().map(|record| self.text_of(record)).collect()
    }

    /// The document that sentence `at` belongs to.
    pub fn document(&self, at: u32) -> Result<u32> {
        Ok(self.record(at)?.document)
    }

    /// For every sentence whether the one numbered next follows it in its document, with nothing dropped between.
    /// Memory: one byte a sentence.
    pub fn continues(&self) -> Result<Vec<bool>> {
        let mut continues = vec![false; self.len()];
        let mut last: Option<Record> = None;
        for start in (0..self.len()).step_by(BLOCK) {
            let records = self.records(start as u32, BLOCK.min(self.len() - start))?;
            for (at, record) in (start..).zip(records) {
                if let Some(last) = last {
                    continues[at - 1] = last.document == record.document && last.place + 1 == record.place;
                }
                last = Some(record);
            }
        }
        Ok(continues)
    }

    fn record(&self, at: u32) -> Result<Record> {
        Ok(self.records(at, 1)?[0])
    }

    fn records(&self, start: u32, count: usize) -> Result<Vec<Record>> {
        if start as usize + count > self.len() {
            return fail(Status::Internal, format!("sentence {start} + {count} of {}", self.len()));
        }
        let bytes = read_at(&self.index, u64::from(start) * Record::BYTES as u64, count * Record::BYTES, INDEX)?;
        Ok(bytes.chunks_exact(Record::BYTES).map(Record::from_bytes).collect())
    }

    fn text_of(&self, record: Record) -> Result<String> {
        let most = 4 * self.manifest.options.max_characters;
        if record.length as usize > most {
            return fail(Status::CorruptFile, format!("{INDEX}: a sentence of {} bytes", record.length));
        }
        let bytes = read_at(&self.texts, record.offset, record.length as usize, TEXTS)?;
        String::from_utf8(bytes).map_err(|_| Error::new(Status::CorruptFile, format!("{TEXTS}: not UTF-8")))
    }
}

/// Records read at once.
const BLOCK: usize = 4096;

impl Record {
    pub const BYTES: usize = 20;

    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.document.to_le_bytes());
        bytes[16..].copy_from_slice(&self.place.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let offset = u64::from(number(0)) | u64::from(number(4)) << 32;
        Self { offset, length: number(8), document: number(12), place: number(16) }
    }
}

fn read_at(file: &Mutex<File>, offset: u64, length: usize, name: &str) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut file = file.lock();
    file.seek(SeekFrom::Start(offset))
        .and_then(|_| file.read_exact(&mut bytes))
        .map_err(|e| Error::new(Status::Io, format!("{name} of the work folder: {e}")))?;
    Ok(bytes)
}
