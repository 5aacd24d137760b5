//! The embeddings of all sentences: a file of f32 rows that is written once and read in pieces.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::Embedder;
use crate::error::{Error, Result, Status, fail};
use crate::runtime::Cancel;
use crate::train::SentenceStore;

/// Sentences embedded, written and synced together; a resumed run starts at a multiple of it.
const CHUNK: usize = 1024;
/// Sentences of similar length that the embedder sees at once.
const BATCH: usize = 32;

/// Rows of f32, one a sentence, in a file.
pub struct EmbeddingTable {
    path: PathBuf,
    file: Mutex<File>,
    rows: usize,
    width: usize,
    key: String,
}

impl EmbeddingTable {
    /// The embeddings of `sentences` in the folder `work`: taken as they are when they lie there, continued where an
    /// earlier call was stopped, else computed. `progress` hears how many of how many sentences are done; its
    /// error ends the call.
    ///
    /// Memory: 1024 sentences. Errors: those of the embedder, `NotFinite`, `Io`, `DiskFull`, `Cancelled`.
    pub fn build(
        sentences: &SentenceStore,
        embedder: &dyn Embedder,
        work: &Path,
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
        cancel: &Cancel,
    ) -> Result<Self> {
        let (rows, width) = (sentences.len(), embedder.width());
        let key = format!("{:x}", Sha256::digest(format!("embeddings 1 {} {}", sentences.key(), embedder.id())));
        let path = work.join(format!("embeddings-{}.f32", &key[..16]));
        if !path.exists() {
            write(sentences, embedder, &path, progress, cancel)?;
        }
        let file = File::open(&path).map_err(|e| Error::io(&path, &e))?;
        let length = file.metadata().map_err(|e| Error::io(&path, &e))?.len();
        if length != (rows * width * 4) as u64 {
            let message = format!("{}: {length} bytes are not {rows} rows of {width}; delete it", path.display());
            return fail(Status::CorruptFile, message);
        }
        Ok(Self { path, file: Mutex::new(file), rows, width, key })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Values of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// SHA-256 (hex) of the sentences' key and the embedder's id.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Rows `start..start + count`, which must exist, one behind the other. Errors: `Io`, `CorruptFile`.
    pub fn rows(&self, start: usize, count: usize) -> Result<Vec<f32>> {
        let mut bytes = vec![0; count * self.width * 4];
        let mut file = self.file.lock();
        file.seek(SeekFrom::Start((start * self.width * 4) as u64))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|e| Error::io(&self.path, &e))?;
        let value = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        let values: Vec<f32> = bytes.chunks_exact(4).map(value).collect();
        if values.iter().all(|x| x.is_finite()) {
            return Ok(values);
        }
        fail(Status::CorruptFile, format!("{}: a value is not finite; delete it", self.path.display()))
    }

    /// The rows at `positions`, one behind the other.
    pub fn gather(&self, positions: &[u32]) -> Result<Vec<f32>> {
        let mut values = Vec::with_capacity(positions.len() * self.width);
        for &at in positions {
            values.extend(self.rows(at as usize, 1)?);
        }
        Ok(values)
    }
}

/// Computes what is missing beside `path` and moves the whole into place.
fn write(
    sentences: &SentenceStore,
    embedder: &dyn Embedder,
    path: &Path,
    progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    cancel: &Cancel,
) -> Result<()> {
    let part = path.with_extension("part");
    let failed = |e: std::io::Error| Error::io(&part, &e);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&part).map_err(failed)?;
    let row = embedder.width() * 4;
    let there = file.metadata().map_err(failed)?.len() as usize / (row * CHUNK) * CHUNK;
    let mut done = there.min(sentences.len() / CHUNK * CHUNK);
    file.set_len((done * row) as u64).and_then(|()| file.seek(SeekFrom::End(0))).map_err(failed)?;
    while done < sentences.len() {
        let texts = sentences.texts(done as u32, CHUNK.min(sentences.len() - done))?;
        let rows = embed_chunk(embedder, &texts, cancel)?;
        let bytes: Vec<u8> = rows.iter().flat_map(|x| x.to_le_bytes()).collect();
        file.write_all(&bytes).and_then(|()| file.sync_data()).map_err(failed)?;
        done += texts.len();
        progress(done, sentences.len())?;
    }
    file.sync_all().map_err(failed)?;
    std::fs::rename(&part, path).map_err(failed)
}

/// The rows of `texts`, which the embedder sees sorted by length: little padding, and batches that depend on the chunk
/// alone.
fn embed_chunk(embedder: &dyn Embedder, texts: &[String], cancel: &Cancel) -> Result<Vec<f32>> {
    let width = embedder.width();
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|&at| texts[at].len());
    let mut rows = vec![0.0; texts.len() * width];
    for batch in order.chunks(BATCH) {
        let batch_texts: Vec<&str> = batch.iter().map(|&at| texts[at].as_str()).collect();
        let made = embedder.embed(&batch_texts, cancel)?;
        if made.len() != batch.len() * width || !made.iter().all(|x| x.is_finite()) {
            return fail(Status::NotFinite, "the embedder gave values that are not finite, or another number of them");
        }
        for (&at, row) in batch.iter().zip(made.chunks_exact(width)) {
            rows[at * width..(at + 1) * width].copy_from_slice(row);
        }
    }
    Ok(rows)
}
