use std::path::Path;

use super::*;
use crate::error::{Result, Status};
use crate::runtime::Cancel;
use crate::train::Corpus;

const TEXT: &str = "The first sentence is here. No. The third one follows it.\nA second paragraph goes on.\n\n\
                    Another document begins now. It has two sentences.\n\nShort.\n\nThe last document has one.\n";

fn build(folder: &Path, options: &SentenceOptions) -> Result<SentenceStore> {
    let corpus = Corpus::open(&folder.join("a.txt"), None)?;
    SentenceStore::build(&corpus, options, &folder.join("work"), &Cancel::new())
}

#[test]
fn sentences_keep_their_order_documents_and_gaps() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), TEXT).unwrap();
    let store = build(folder.path(), &SentenceOptions::default()).unwrap();
    let expected = [
        ("The first sentence is here.", 0, false),
        ("The third one follows it.", 0, true),
        ("A second paragraph goes on.", 0, false),
        ("Another document begins now.", 1, true),
        ("It has two sentences.", 1, false),
        ("The last document has one.", 3, false),
    ];
    assert_eq!((store.len(), store.dropped()), (expected.len(), 2));
    let continues = store.continues().unwrap();
    let texts = store.texts(0, store.len()).unwrap();
    for (at, (text, document, follows)) in expected.into_iter().enumerate() {
        assert_eq!((texts[at].as_str(), store.text(at as u32).unwrap().as_str()), (text, text));
        assert_eq!((store.document(at as u32).unwrap(), continues[at]), (document, follows), "{text}");
    }
    assert_eq!(store.text(6).unwrap_err().status(), Status::Internal);
    assert_eq!((store.corpus().documents, store.corpus().paragraphs), (4, 5));
}

#[test]
fn a_store_is_reused_until_text_or_options_change() {
    let folder = tempfile::tempdir().unwrap();
    let (file, manifest) = (folder.path().join("a.txt"), folder.path().join("work/sentences.json"));
    std::fs::write(&file, TEXT).unwrap();
    let options = SentenceOptions::default();
    let key = build(folder.path(), &options).unwrap().key().to_owned();
    let written = std::fs::metadata(&manifest).unwrap().modified().unwrap();
    assert_eq!(build(folder.path(), &options).unwrap().key(), key);
    assert_eq!(std::fs::metadata(&manifest).unwrap().modified().unwrap(), written);
    let shorter = SentenceOptions { min_characters: 3, ..options.clone() };
    assert_eq!(build(folder.path(), &shorter).unwrap().len(), 8);
    std::fs::write(&file, TEXT.replace("first", "very first")).unwrap();
    let changed = build(folder.path(), &options).unwrap();
    assert_ne!(changed.key(), key);
    assert_eq!(changed.text(0).unwrap(), "The very first sentence is here.");
}

#[test]
fn a_corpus_without_sentences_and_bad_options_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.txt");
    for text in ["", "Short.\n\nToo.\n"] {
        std::fs::write(&file, text).unwrap();
        let error = build(folder.path(), &SentenceOptions::default()).err().unwrap();
        assert_eq!(error.status(), Status::InvalidArgument, "{error}");
        assert!(!folder.path().join("work/sentences.json").exists());
    }
    std::fs::write(&file, b"Good text comes first here.\n\xFF\n").unwrap();
    assert_eq!(build(folder.path(), &SentenceOptions::default()).err().unwrap().status(), Status::InvalidUtf8);
    std::fs::write(&file, TEXT).unwrap();
    for (min_characters, max_characters) in [(0, 10), (11, 10)] {
        let options = SentenceOptions { min_characters, max_characters };
        assert_eq!(build(folder.path(), &options).err().unwrap().status(), Status::InvalidOption);
    }
}

#[test]
fn a_store_with_missing_bytes_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), TEXT).unwrap();
    build(folder.path(), &SentenceOptions::default()).unwrap();
    let index = folder.path().join("work/sentences.index");
    let bytes = std::fs::read(&index).unwrap();
    std::fs::write(&index, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(build(folder.path(), &SentenceOptions::default()).err().unwrap().status(), Status::CorruptFile);
}
