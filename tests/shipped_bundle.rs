//! The bundle that is shipped, on the model it was made for.

use std::path::PathBuf;
use std::sync::Arc;

use supmer::{
    AdaptOptions, Bundle, Control, Example, Model, ModelOptions, PredictOptions, Prediction, Task, adapt, predict,
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn bundle() -> Bundle {
    Bundle::load(root().join("bundles/smollm2-135m.supmer")).unwrap()
}

#[test]
fn it_is_small_and_names_its_recipe() {
    let bundle = bundle();
    assert!(bundle.to_bytes().unwrap().len() < 1_000_000);
    let origin = bundle.origin();
    let files = origin.recipe.pointer("/train/tasks/files").and_then(|files| files.as_array()).unwrap();
    let readme = std::fs::read_to_string(root().join("bundles/README.md")).unwrap();
    for file in files {
        let file = file.as_str().unwrap();
        assert!(readme.contains(&format!("| {file} |")), "bundles/README.md does not list {file}");
    }
    assert!(readme.contains(origin.corpus_digest.as_deref().unwrap()));
}

#[test]
fn a_few_steps_from_it_tell_support_tickets_apart() {
    let path = std::env::var_os("SUPMER_MODEL").expect("SUPMER_MODEL names the demo model; `make test` sets it");
    let model = Model::load(path, &ModelOptions::default()).unwrap();
    let data = root().join("examples/data/support_tickets");
    let task = Task::read(&data.join("task.json")).unwrap();
    let rows = |name: &str| -> Vec<Example> { task.read_examples(&data.join(name), true).unwrap() };
    let bundle = Arc::new(bundle());
    let options = AdaptOptions { bundle: Some(bundle.clone()), steps: 5, ..bundle.advised() };
    let adapted = adapt(&model, &task, &rows("train.jsonl"), None, &options, Control::default()).unwrap();
    let test = rows("test.jsonl");
    let predicted = predict(&model, &adapted.adapter, &test, &PredictOptions::default()).unwrap();
    let is_right = |(predicted, row): &(&Prediction, &Example)| {
        predicted.label.map(|label| task.labels()[label].name.as_str()) == row.label.as_deref()
    };
    let right = predicted.iter().zip(&test).filter(is_right).count();
    // Chance is a sixth.
    assert!(2 * right > test.len(), "{right} of {} are right", test.len());
}
