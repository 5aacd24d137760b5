//! Every number of the authors' own classes (tests/fixtures/parity), through the runner that the command uses.

use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use supmer::train::parity::{self, Comparison};

fn fixture(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity").join(case)
}

/// A copy of the folder whose expected tensor `name` has one byte changed at `byte`.
fn altered(case: &str, name: &str, byte: usize, to: u8) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(fixture(case)).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let path = folder.path().join("expected.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let start = {
        let tensor = SafeTensors::deserialize(&bytes).unwrap();
        let data = tensor.tensor(name).unwrap().data();
        data.as_ptr() as usize - bytes.as_ptr() as usize
    };
    assert_ne!(bytes[start + byte], to);
    bytes[start + byte] = to;
    std::fs::write(path, bytes).unwrap();
    folder
}

fn assert_whole(comparison: &Comparison) {
    assert!(comparison.failures.is_empty(), "{:#?}", comparison.failures);
    assert_eq!(comparison.within, comparison.expected);
}

#[test]
fn all_tensors_of_both_cases_are_reproduced() {
    for case in ["v10", "v11"] {
        let comparison = parity::run(&fixture(case)).unwrap();
        assert_whole(&comparison);
        assert_eq!(comparison.expected, 327, "{case}");
        let names: Vec<&str> = comparison.groups.iter().map(|g| g.name.as_str()).collect();
        let groups =
            ["ds", "dsplain", "meta", "metaaccum", "metalegacy", "mix", "psi", "reg", "spt", "spt_neg", "total"];
        assert_eq!(names, groups);
    }
}

#[test]
fn one_changed_value_is_found() {
    // The top byte of a float's exponent, a class in a list of integers, and a value where all are zero.
    for (name, byte, to) in
        [("meta.step2.prompt", 3, 0x7e), ("ds.eval.pred", 0, 0xff), ("reg.grad.phi.mlp.layers.0.u", 3, 0x3f)]
    {
        let folder = altered("v11", name, byte, to);
        let comparison = parity::run(folder.path()).unwrap();
        assert_eq!(comparison.within, comparison.expected - 1);
        assert!(
            comparison.failures.len() == 1 && comparison.failures[0].starts_with(name),
            "{:?}",
            comparison.failures
        );
    }
}
