//! Prediction with a tiny random Llama: caching, mixing adapters, bad input.

use std::path::PathBuf;
use std::sync::Arc;

use supmer::adapt::Control;
use supmer::predict::{predict_mixed, zero_shot};
use supmer::{
    AdaptOptions, Adapter, Cancel, Example, Label, Model, ModelOptions, PredictOptions, Prediction, Status, Task,
    adapt, predict,
};

fn model(fixture: &str, prompt_cache_bytes: usize) -> Arc<Model> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(fixture);
    Model::load(path, &ModelOptions { thread_count: 2, prompt_cache_bytes, ..Default::default() }).unwrap()
}

fn tied() -> Arc<Model> {
    model("tiny-llama-tied", 1 << 20)
}

/// A task whose verbalizers share their first tokens, and one of other labels.
fn tasks() -> [Task; 2] {
    let label = |verbalizer: &str| Label { name: verbalizer.trim().to_owned(), verbalizer: verbalizer.to_owned() };
    [
        Task::new("one", "{text}\nSky:", vec![label(" rain"), label(" rainless"), label(" the")]).unwrap(),
        Task::new("two", "{text} =>", vec![label(" to"), label(" on")]).unwrap(),
    ]
}

fn adapter(model: &Model, task: &Task, seed: u64) -> Adapter {
    let train: Vec<Example> = task
        .labels()
        .iter()
        .flat_map(|label| (0..2).map(move |i| Example::text(format!("row {i}"), Some(&label.name))))
        .collect();
    let options =
        AdaptOptions { steps: 3, learning_rate: 0.1, prompt_length: 3, max_tokens: 48, seed, ..Default::default() };
    adapt(model, task, &train, None, &options, Control::default()).unwrap().adapter
}

/// Texts of very different lengths.
fn texts(count: usize) -> Vec<Example> {
    (0..count).map(|i| Example::text(format!("{i} {}", "rain and ".repeat(i * 7 % 11)), None)).collect()
}

fn assert_close(left: &[Prediction], right: &[Prediction]) {
    assert_eq!(left.len(), right.len());
    for (row, (l, r)) in left.iter().zip(right).enumerate() {
        for (a, b) in l.probabilities.iter().zip(&r.probabilities) {
            assert!((a - b).abs() < 1e-5, "row {row}: {l:?} {r:?}");
        }
    }
}

#[test]
fn batches_and_single_rows_agree_and_probabilities_sum_to_one() {
    let model = tied();
    let adapter = adapter(&model, &tasks()[0], 1);
    let rows = texts(40);
    let options = PredictOptions::default();
    let together = predict(&model, &adapter, &rows, &options).unwrap();
    let alone: Vec<Prediction> =
        rows.iter().flat_map(|row| predict(&model, &adapter, std::slice::from_ref(row), &options).unwrap()).collect();
    assert_close(&together, &alone);
    assert_ne!(together[0].probabilities, together[1].probabilities);
    for prediction in &together {
        assert_eq!(prediction.probabilities.len(), 3);
        assert!((prediction.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        let best = prediction.probabilities.iter().copied().fold(0.0, f32::max);
        assert_eq!(prediction.probabilities[prediction.label.unwrap()], best);
    }
}

#[test]
fn rows_of_different_adapters_and_tasks_share_a_call() {
    let model = tied();
    let [one, two] = tasks();
    let adapters = [adapter(&model, &one, 1), adapter(&model, &two, 1), adapter(&model, &one, 2)];
    let rows = texts(30);
    let mixed: Vec<(&Adapter, &Example)> = rows.iter().enumerate().map(|(i, row)| (&adapters[i % 3], row)).collect();
    let options = PredictOptions::default();
    let together = predict_mixed(&model, &mixed, &options).unwrap();
    let alone: Vec<Prediction> = mixed
        .iter()
        .flat_map(|(adapter, row)| predict(&model, adapter, std::slice::from_ref(*row), &options).unwrap())
        .collect();
    assert_close(&together, &alone);
    assert_eq!(together[1].probabilities.len(), 2);
}

#[test]
fn the_cache_changes_no_prediction_under_sixteen_threads() {
    let (roomy, none) = (tied(), model("tiny-llama-tied", 0));
    // One state is 3 layers x 3 rows x 16 values x 2, in bytes 1152: two fit.
    let tight = model("tiny-llama-tied", 2_400);
    let adapters: Vec<Adapter> = (0..4).map(|seed| adapter(&roomy, &tasks()[0], seed)).collect();
    let rows = texts(6);
    let options = PredictOptions::default();
    let expected: Vec<_> = adapters.iter().map(|a| predict(&none, a, &rows, &options).unwrap()).collect();
    for model in [&roomy, &tight, &none] {
        std::thread::scope(|scope| {
            for thread in 0..16 {
                let (adapters, expected, rows, options) = (&adapters, &expected, &rows, &options);
                scope.spawn(move || {
                    for turn in 0..8 {
                        let at = (thread + turn * (1 + thread % 3)) % adapters.len();
                        assert_eq!(predict(model, &adapters[at], rows, options).unwrap(), expected[at]);
                    }
                });
            }
        });
    }
}

#[test]
fn no_rows_give_no_predictions() {
    let model = tied();
    let adapter = adapter(&model, &tasks()[0], 1);
    let options = PredictOptions::default();
    assert!(predict(&model, &adapter, &[], &options).unwrap().is_empty());
    assert!(predict_mixed(&model, &[], &options).unwrap().is_empty());
    assert!(zero_shot(&model, &tasks()[0], &[], &options).unwrap().is_empty());
}

#[test]
fn zero_shot_needs_no_adapter() {
    let model = tied();
    let rows = texts(5);
    let predictions = zero_shot(&model, &tasks()[0], &rows, &PredictOptions::default()).unwrap();
    assert_eq!(predictions.len(), 5);
    assert!(predictions.iter().all(|p| (p.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5));
}

#[test]
fn low_confidence_abstains() {
    let model = tied();
    let rows = texts(8);
    let of = |abstain_below| {
        let options = PredictOptions { abstain_below, ..Default::default() };
        zero_shot(&model, &tasks()[1], &rows, &options).unwrap()
    };
    assert!(of(0.0).iter().all(|p| p.label.is_some()));
    assert!(of(1.0).iter().all(|p| p.label.is_none()));
}

#[test]
fn bad_calls_are_refused_by_name() {
    let model = tied();
    let adapter = adapter(&model, &tasks()[0], 1);
    let options = PredictOptions::default();
    let mut rows = texts(3);
    rows[1].fields.clear();
    let error = predict(&model, &adapter, &rows, &options).unwrap_err();
    assert!(error.status() == Status::InvalidExample && error.to_string().starts_with("input row 2: "), "{error}");

    let other = self::model("tiny-llama-linear", 0);
    let error = predict(&other, &adapter, &texts(1), &options).unwrap_err();
    assert_eq!(error.status(), Status::BackboneMismatch);

    let cancel = Cancel::new();
    cancel.request();
    let error = predict(&model, &adapter, &texts(1), &PredictOptions { cancel, ..Default::default() }).unwrap_err();
    assert_eq!(error.status(), Status::Cancelled);
}
