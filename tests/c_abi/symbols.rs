//! What the shared library exports.

use std::fs;
use std::process::Command;

use crate::build::{library_folder, root, run, shared_library_name};

/// The list is written by hand: a symbol that goes or comes is a decision.
#[test]
#[cfg(target_os = "linux")]
fn exported_symbols_are_the_listed_ones() {
    let library = library_folder().join(shared_library_name());
    let output = run(Command::new("nm").args(["-D", "--defined-only"]).arg(library));
    let mut exported: Vec<_> =
        str::from_utf8(&output.stdout).unwrap().lines().map(|line| line.split(' ').next_back().unwrap()).collect();
    exported.sort_unstable();
    let read = |name: &str| fs::read_to_string(root().join("tests/abi").join(name)).unwrap();
    let (always, train) = (read("symbols.txt"), read("symbols_train.txt"));
    for list in [&always, &train] {
        assert!(list.lines().is_sorted() && list.lines().all(|name| name.starts_with("supmer_")));
    }
    let train = if cfg!(feature = "train") { train.as_str() } else { "" };
    let mut listed: Vec<_> = always.lines().chain(train.lines()).collect();
    listed.sort_unstable();
    assert_eq!(exported, listed);
}

/// The loader's name of the library holds the ABI version.
#[test]
#[cfg(target_os = "linux")]
fn the_loader_knows_the_library_by_its_abi() {
    let output = run(Command::new("readelf").arg("-d").arg(library_folder().join(shared_library_name())));
    let dynamic = String::from_utf8(output.stdout).unwrap();
    let expected = format!("[libsupmer.so.{}]", supmer::capi::SUPMER_ABI_VERSION);
    assert!(dynamic.lines().any(|line| line.contains("SONAME") && line.ends_with(&expected)), "{dynamic}");
}
