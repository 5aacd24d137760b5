//! Hostile archives around a sound pickle.

use std::fs::File;

use supmer::Status;
use supmer::interchange::torch_file::{self, TorchFile};

use super::checkpoint::{Record, op, record, records, zip, zip_with_count};
use super::{assert_refused, read};

fn sound() -> Vec<Record> {
    records(&op::pickle(&op::tensor(3)), &[1.0, 2.0, 3.0])
}

/// The sound archive with its storage changed.
fn storage(change: impl Fn(&mut Record)) -> Vec<u8> {
    let mut records = sound();
    change(&mut records[1]);
    zip(&records)
}

/// The sound archive and `more` records.
fn with(more: &[Record]) -> Vec<u8> {
    zip(&[sound(), more.to_vec()].concat())
}

#[test]
fn the_sound_archive_is_read() {
    for file in [
        zip(&sound()),
        with(&[record("archive/byteorder", b"little"), record("archive/.data/serialization_id", b"0")]),
        // No checksum was written.
        storage(|r| r.checksum = Some(0)),
    ] {
        let TorchFile::Tensor(tensor) = read(&file).unwrap() else { panic!("not a tensor") };
        assert_eq!((tensor.shape, tensor.values), (vec![3], vec![1.0, 2.0, 3.0]));
    }
}

#[test]
fn packed_records_are_refused_by_name() {
    // A bomb: a few bytes that claim to unpack to 4 GB.
    let bomb = |r: &mut Record| {
        r.method = 8;
        r.sizes = Some((r.bytes.len() as u32, u32::MAX - 1));
    };
    assert_refused(&storage(bomb), Status::Unsupported, &["archive/data/0", "compressed", "save it again"]);
    // Also where the record is not needed.
    let mut unused = record("archive/notes", b"x");
    bomb(&mut unused);
    assert_refused(&with(&[unused]), Status::Unsupported, &["archive/notes", "compressed"]);
    assert_refused(&storage(|r| r.method = 77), Status::Unsupported, &["method 77"]);
    assert_refused(&storage(|r| r.flags = 1), Status::Unsupported, &["encrypted"]);
    let mut code = record("archive/code/a.py", b"x");
    code.method = 8;
    let program = [code, record("archive/constants.pkl", b"")];
    assert_refused(&with(&program), Status::Unsupported, &["exported program"]);
}

#[test]
fn sizes_and_places_are_those_of_the_file() {
    for size in [13, 4096, u32::MAX - 1] {
        assert_refused(&storage(|r| r.sizes = Some((12, size))), Status::CorruptFile, &["12 bytes and claims"]);
    }
    for size in [4096, u32::MAX - 1] {
        let file = storage(|r| r.sizes = Some((size, size)));
        assert_refused(&file, Status::CorruptFile, &["archive/data/0", "not a whole zip archive"]);
    }
    for offset in [1, 4096, u32::MAX - 1] {
        let file = storage(|r| r.offset = Some(offset));
        assert_refused(&file, Status::CorruptFile, &["archive/data/0", "not a whole zip archive"]);
    }
    // Two names for the same bytes: with many of them, a small file would be read as a large one.
    let alias = Record { offset: Some(0), ..sound()[0].clone() };
    let alias = Record { name: "archive/data/1".to_owned(), ..alias };
    assert_refused(&with(&[alias]), Status::CorruptFile, &["share bytes"]);
    assert_refused(&storage(|r| r.checksum = Some(7)), Status::CorruptFile, &["data/0", "checksum"]);
}

#[test]
fn names_and_counts_are_checked() {
    assert_refused(&with(&[record("archive/data/0", b"")]), Status::CorruptFile, &["archive/data/0", "twice"]);
    assert_refused(&with(&[record("b/data.pkl", b"")]), Status::CorruptFile, &["several"]);
    assert_refused(&with(&[record(&"n".repeat(2000), b"")]), Status::TooLarge, &["2000 bytes"]);
    assert_refused(&with(&[record("archive/byteorder", b"big")]), Status::Unsupported, &["big", "little-endian"]);
    let missing: Vec<Record> = sound().drain(1..).collect();
    assert_refused(&zip(&missing), Status::CorruptFile, &["data.pkl"]);
    assert_refused(&zip(&sound()[..1]), Status::CorruptFile, &["data/0", "missing"]);
    assert_refused(&zip(&[]), Status::CorruptFile, &["data.pkl"]);
    for (count, word) in [(2, "has more"), (5, "has 3"), (4097, "at most 4096"), (u16::MAX, "at most 4096")] {
        let file = zip_with_count(&sound(), count);
        let error = read(&file).unwrap_err();
        assert!(error.to_string().contains(word), "{count}: {error}");
    }
    let many: Vec<Record> = (0..5_000).map(|i| record(&format!("archive/{i}"), b"")).collect();
    assert_refused(&with(&many), Status::TooLarge, &["at most 4096"]);
}

#[test]
fn other_files_are_told_apart() {
    let mut tar = vec![0; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    assert_refused(&tar, Status::Unsupported, &["tar archive", "1.6", "again"]);
    assert_refused(
        b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",
        Status::Unsupported,
        &["bare pickle", "1.6", "again"],
    );
    assert_refused(b"GGUF", Status::CorruptFile, &["not a PyTorch checkpoint"]);
    assert_refused(&[], Status::CorruptFile, &["not a PyTorch checkpoint"]);
    // Something that starts otherwise, such as a program, is not a checkpoint even with one behind it.
    let behind = [b"#!/bin/sh\n", &zip(&sound())[..]].concat();
    assert_refused(&behind, Status::CorruptFile, &["not a PyTorch checkpoint"]);
}

#[test]
fn errors_name_the_file_and_large_files_are_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prompt.pt");
    assert_eq!(torch_file::read(&path).unwrap_err().status(), Status::NotFound);
    assert_eq!(torch_file::read(folder.path()).unwrap_err().status(), Status::InvalidArgument);
    let file = File::create(&path).unwrap();
    file.set_len((256 << 20) + 1).unwrap();
    let error = torch_file::read(&path).unwrap_err();
    assert_eq!(error.status(), Status::TooLarge);
    assert!(error.to_string().contains("prompt.pt"), "{error}");
}
