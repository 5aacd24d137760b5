//! examples/c/adapt_and_predict.c, compiled and run.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::{c_compiler, library_folder, root, run};

#[test]
fn the_example_tells_the_whole_story_with_the_shared_library() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("shared");
    let library = library_folder();
    let mut compiler = c_compiler("c11");
    compiler.arg(example()).arg("-L").arg(&library).arg("-lsupmer").arg("-o").arg(&program);
    compiler.arg(format!("-Wl,-rpath,{}", library.display()));
    run(&mut compiler);
    tell(&program, folder.path());
}

#[test]
#[cfg(target_os = "linux")]
fn the_example_tells_the_whole_story_with_the_static_library() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("static");
    let mut compiler = c_compiler("c11");
    compiler.arg(example()).arg(library_folder().join("libsupmer.a")).arg("-o").arg(&program);
    run(compiler.args(["-lpthread", "-ldl", "-lm"]));
    tell(&program, folder.path());
}

#[test]
fn the_example_says_what_went_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("failing");
    let library = library_folder();
    let mut compiler = c_compiler("c11");
    compiler.arg(example()).arg("-L").arg(&library).arg("-lsupmer").arg("-o").arg(&program);
    run(compiler.arg(format!("-Wl,-rpath,{}", library.display())));
    let missing = folder.path().join("no_such_model.gguf");
    let output = Command::new(&program).arg(&missing).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("no_such_model.gguf") && said.contains("(not_found)"), "{said}");
}

fn example() -> PathBuf {
    root().join("examples/c/adapt_and_predict.c")
}

/// Runs the program on the tiny model and checks what it prints.
fn tell(program: &Path, folder: &Path) {
    let model = root().join("tests/fixtures/tiny-llama-tied");
    let adapter = folder.join("reviews.supmer");
    let output = run(Command::new(program).arg(model).arg(&adapter).arg("12"));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains(&format!("supmer {}\n", env!("CARGO_PKG_VERSION"))), "{said}");
    assert!(said.contains("16 examples\n") && said.contains("step 12 of 12, loss "), "{said}");
    assert!(adapter.is_file());

    let predictions: Vec<_> = said.lines().filter_map(|line| line.split_once("  negative ")).collect();
    assert_eq!(predictions.len(), 3, "{said}");
    for (text_and_label, probabilities) in predictions {
        let (negative, positive) = probabilities.split_once("  positive ").unwrap();
        let (negative, positive): (f32, f32) = (negative.parse().unwrap(), positive.parse().unwrap());
        assert!((negative + positive - 1.0).abs() < 2e-4, "{said}");
        let best = if negative > positive { "negative" } else { "positive" };
        assert!((negative - positive).abs() < 2e-4 || text_and_label.ends_with(best), "{said}");
    }
}
