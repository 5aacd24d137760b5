//! Writing a sentence store.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::split::split;
use super::store::{INDEX, MANIFEST, Manifest, Record, SentenceStore, TEXTS};
use crate::container::atomic_write;
use crate::error::{Error, Result, Status, fail};
use crate::limits::within;
use crate::runtime::Cancel;
use crate::train::Corpus;

/// Most characters that may be asked for.
const MOST_CHARACTERS: usize = 100_000;

/// Which sentences are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SentenceOptions {
    /// Fewest characters of a sentence.
    pub min_characters: usize,
    /// Most characters of a sentence.
    pub max_characters: usize,
}

impl Default for SentenceOptions {
    fn default() -> Self {
        Self { min_characters: 20, max_characters: 250 }
    }
}

impl SentenceStore {
    /// The sentences of `corpus` in the folder `work`, which is made when it is missing. A store of the same corpus and
    /// options that lies there already is taken as it is; else it is written, whole or not at all.
    ///
    /// Memory: one line of the corpus. Errors: those of reading the corpus; `InvalidArgument` when no sentence is left;
    /// `InvalidOption`; `TooLarge` beyond 2^32 sentences; `Io`, `DiskFull`, `Cancelled`.
    pub fn build(corpus: &Corpus, options: &SentenceOptions, work: &Path, cancel: &Cancel) -> Result<Self> {
        within("min_characters", options.min_characters, 1..=MOST_CHARACTERS)?;
        within("max_characters", options.max_characters, options.min_characters..=MOST_CHARACTERS)?;
        std::fs::create_dir_all(work).map_err(|e| Error::io(work, &e))?;
        let digest = corpus.digest(cancel)?;
        let key = key(&digest, options);
        if let Some(store) = SentenceStore::open(work)?
            && store.key() == key
        {
            return Ok(store);
        }
        let manifest = write(corpus, options, &key, work, cancel)?;
        if manifest.corpus.digest != digest {
            return fail(Status::Io, "the corpus was changed while it was read; start again");
        }
        if manifest.sentences == 0 {
            let message = format!(
                "the corpus has no sentence of {} to {} characters; give more text or other limits",
                options.min_characters, options.max_characters
            );
            return fail(Status::InvalidArgument, message);
        }
        let json = serde_json::to_vec_pretty(&manifest).map_err(|e| Error::new(Status::Internal, e.to_string()))?;
        atomic_write::replace(&work.join(MANIFEST), &json)?;
        match SentenceStore::open(work)? {
            Some(store) => Ok(store),
            None => fail(Status::Internal, "the sentences just written are not there"),
        }
    }

    /// Whether the store in `work` is of `corpus` and `options`; not, where there is none. Errors: those of reading.
    pub fn is_of(corpus: &Corpus, options: &SentenceOptions, work: &Path, cancel: &Cancel) -> Result<bool> {
        let key = key(&corpus.digest(cancel)?, options);
        Ok(SentenceStore::open(work)?.is_some_and(|store| store.key() == key))
    }
}

/// Tells stores of different text or options apart.
fn key(digest: &str, options: &SentenceOptions) -> String {
    let SentenceOptions { min_characters, max_characters } = options;
    let whole = format!("sentences 1 {digest} {min_characters} {max_characters}");
    format!("{:x}", Sha256::digest(whole))
}

/// Writes texts and index; without its manifest a store does not count.
fn write(corpus: &Corpus, options: &SentenceOptions, key: &str, work: &Path, cancel: &Cancel) -> Result<Manifest> {
    let manifest_path = work.join(MANIFEST);
    if manifest_path.exists() {
        std::fs::remove_file(&manifest_path).map_err(|e| Error::io(&manifest_path, &e))?;
    }
    let (texts_path, index_path) = (work.join(TEXTS), work.join(INDEX));
    let create = |path: &Path| File::create(path).map(BufWriter::new).map_err(|e| Error::io(path, &e));
    let (mut texts, mut index) = (create(&texts_path)?, create(&index_path)?);
    let (mut offset, mut sentences, mut dropped) = (0u64, 0u32, 0u64);
    let (mut document, mut place) = (None, 0u32);
    let mut paragraphs = corpus.paragraphs();
    for paragraph in paragraphs.by_ref() {
        cancel.check()?;
        let paragraph = paragraph?;
        if document != Some(paragraph.document) {
            (document, place) = (Some(paragraph.document), 0);
        }
        for sentence in split(&paragraph.text) {
            let characters = sentence.chars().count();
            if (options.min_characters..=options.max_characters).contains(&characters) {
                let Some(next) = sentences.checked_add(1) else {
                    return fail(Status::TooLarge, "a corpus has at most 2^32 sentences");
                };
                let record = Record { offset, length: sentence.len() as u32, document: paragraph.document, place };
                index.write_all(&record.to_bytes()).map_err(|e| Error::io(&index_path, &e))?;
                texts.write_all(sentence.as_bytes()).map_err(|e| Error::io(&texts_path, &e))?;
                (offset, sentences) = (offset + sentence.len() as u64, next);
            } else {
                dropped += 1;
            }
            place = place.saturating_add(1);
        }
    }
    for (file, path) in [(texts, &texts_path), (index, &index_path)] {
        let file = file.into_inner().map_err(|e| Error::io(path, e.error()))?;
        file.sync_all().map_err(|e| Error::io(path, &e))?;
    }
    Ok(Manifest { key: key.to_owned(), sentences, dropped, options: options.clone(), corpus: paragraphs.finish() })
}
