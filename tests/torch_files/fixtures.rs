//! Files of torch.save itself (tests/reference/torch_files.py).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use safetensors::SafeTensors;
use serde::Deserialize;
use supmer::Status;
use supmer::interchange::torch_file::{self, Tensor, TorchFile};

use super::assert_refused;

#[derive(Deserialize)]
struct Expected {
    /// Names in order; none for a single tensor.
    accepted: BTreeMap<String, Option<Vec<String>>>,
    /// A word of the message.
    refused: BTreeMap<String, String>,
}

pub fn place(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/torch").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(place(name)).unwrap()
}

fn expected() -> Expected {
    serde_json::from_slice(&bytes("expected.json")).unwrap()
}

/// Same shape and same bits.
#[track_caller]
fn assert_same(tensor: &Tensor, values: &SafeTensors<'_>, name: &str) {
    let wanted = values.tensor(name).unwrap();
    assert_eq!(tensor.shape, wanted.shape(), "{name}");
    let bits: Vec<u8> = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert!(bits == wanted.data(), "{name}: {:?}", tensor.values);
}

#[test]
fn values_are_those_of_torch() {
    let stored = bytes("expected.safetensors");
    let values = SafeTensors::deserialize(&stored).unwrap();
    let expected = expected();
    let mut compared = 0;
    for (file, names) in &expected.accepted {
        match (torch_file::read(place(&format!("{file}.pt"))).unwrap(), names) {
            (TorchFile::Tensor(tensor), None) => {
                assert_same(&tensor, &values, file);
                compared += 1;
            }
            (TorchFile::Named(tensors), Some(names)) => {
                assert!(tensors.iter().map(|(name, _)| name).eq(names), "{file}");
                for (name, tensor) in &tensors {
                    assert_same(tensor, &values, &format!("{file}/{name}"));
                    compared += 1;
                }
            }
            (found, _) => panic!("{file}: {found:?}"),
        }
    }
    assert_eq!(compared, values.len());
}

#[test]
fn what_is_more_than_tensors_is_refused_by_name() {
    let expected = expected();
    assert!(expected.refused.len() >= 5);
    for (file, word) in &expected.refused {
        assert_refused(&bytes(&format!("{file}.pt")), Status::Unsupported, &[word]);
    }
}

#[test]
fn every_cut_is_refused() {
    for file in ["prompt.pt", "protocol5.pt", "legacy.pt"] {
        let whole = bytes(file);
        for length in 0..whole.len() {
            let error = torch_file::from_bytes(&whole[..length]).expect_err(file);
            assert!(matches!(error.status(), Status::CorruptFile | Status::Unsupported), "{file} {length}: {error}");
        }
    }
}

/// One changed byte is noticed or does not matter, with checksums and without.
#[test]
fn every_changed_byte_is_refused_or_harmless() {
    for (file, checked) in [("prompt.pt", true), ("views.pt", true), ("unchecked.pt", false)] {
        let whole = bytes(file);
        let wanted = torch_file::from_bytes(&whole).unwrap();
        for at in 0..whole.len() {
            for flip in [1, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[at] ^= flip;
                if let Ok(found) = torch_file::from_bytes(&changed) {
                    assert!(!checked || found == wanted, "{file}: byte {at}");
                }
            }
        }
    }
}
