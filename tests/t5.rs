//! A tiny random T5 from the folder to predictions: tokenizer, template, adaptation, adapter file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use supmer::adapt::Control;
use supmer::adapter::Lineage;
use supmer::backbone::{LabelTrie, Readout, Sequence, Wanted};
use supmer::predict::zero_shot;
use supmer::text::Template;
use supmer::{
    AdaptOptions, Adapter, Cancel, Example, Label, Model, ModelOptions, PredictOptions, SoftPrompt, Status, Task,
    adapt, estimate_memory, predict,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-t5")
}

fn model(thread_count: usize) -> Arc<Model> {
    Model::load(folder(), &ModelOptions { thread_count, ..Default::default() }).unwrap()
}

fn task(template: &str) -> Task {
    let label = |name: &str, verbalizer: &str| Label { name: name.to_owned(), verbalizer: verbalizer.to_owned() };
    Task::new("weather", template, vec![label("wet", "rain"), label("dry", "sun")]).unwrap()
}

fn rows(per_class: usize) -> Vec<Example> {
    let row = |i: usize| match i % 2 {
        0 => Example::text(format!("Day {i}: the street shines, umbrellas are up"), Some("wet")),
        _ => Example::text(format!("Day {i}: dust on the road and a blue noon"), Some("dry")),
    };
    (0..2 * per_class).map(row).collect()
}

#[test]
fn texts_become_the_ids_of_transformers() {
    let json = std::fs::read(folder().join("expected.json")).unwrap();
    let expected: Value = serde_json::from_slice(&json).unwrap();
    let model = model(1);
    let tokenizer = model.backbone().tokenizer();
    assert_eq!((tokenizer.bos(), tokenizer.token_count()), (None, 260));
    for sample in expected["tokenizer"].as_array().unwrap() {
        let text = sample["text"].as_str().unwrap();
        let ids: Vec<u32> = serde_json::from_value(sample["ids"].clone()).unwrap();
        assert_eq!(tokenizer.encode_literal(text, false).unwrap(), ids, "{text:?}");
        assert_eq!(tokenizer.encode(text).unwrap() == ids, !text.contains("<extra_id_0>"), "{text:?}");
    }
}

#[test]
fn the_template_holds_the_sentinel_and_a_field_cannot() {
    let model = model(1);
    let tokenizer = model.backbone().tokenizer();
    let sentinel = tokenizer.sentinel("<extra_id_0>").unwrap();
    let template = Template::parse("{text} It was <extra_id_0> ?").unwrap();
    let fields = [("text".to_owned(), "<extra_id_0> the lamp </s>".to_owned())].into();
    let ids = template.fill(&fields, tokenizer, 64).unwrap();
    let end = [tokenizer.encode("It was").unwrap(), vec![sentinel], tokenizer.encode("?").unwrap()].concat();
    assert!(ids.ends_with(&end), "{ids:?}");
    assert_eq!(ids.iter().filter(|&&id| id == sentinel).count(), 1);
    assert!(ids[..ids.len() - end.len()].iter().all(|&id| id > 1), "no control token from text");
}

/// Both labels' scores, and the loss of each as the answer, differ by the same: what comes before is shared.
#[test]
fn loss_and_score_agree_on_single_tokens() {
    let model = model(2);
    let backbone = model.backbone();
    let prompt = SoftPrompt::new(2, backbone.width(), (0..48).map(|i| (i % 7) as f32 * 0.1 - 0.3).collect()).unwrap();
    let texts: [&[u32]; 2] = [&[20, 4, 24, 259, 44], &[21, 15]];
    let labels = [vec![31], vec![88], vec![17]];
    let trie = LabelTrie::new(&labels);
    let cancel = Cancel::new();
    let state = backbone.prompt_state(&prompt, &cancel).unwrap();
    let scores = backbone.score(&[&*state; 2], &texts, &[Readout::Verbalizers(&trie); 2], &cancel).unwrap();
    for (text, scores) in texts.iter().zip(scores) {
        let losses = labels.each_ref().map(|answer| {
            let batch = [Sequence::new(text.to_vec(), answer.clone())];
            backbone.loss(&prompt, &batch, Wanted::Loss, 0, &cancel).unwrap().loss
        });
        for i in 1..3 {
            let (by_score, by_loss) = (scores[i] - scores[0], losses[0] - losses[i]);
            assert!((by_score - by_loss).abs() < 1e-5 * losses[0].max(1.0), "{by_score} {by_loss}");
        }
        assert!(scores.iter().all(|&score| score < 0.0), "log-probabilities: {scores:?}");
    }
}

#[test]
fn a_text_without_the_sentinel_has_it_at_the_end() {
    let model = model(1);
    let prompt = SoftPrompt::empty(model.backbone().width());
    let loss = |text: &[u32]| {
        let batch = [Sequence::new(text.to_vec(), vec![31, 7])];
        model.backbone().loss(&prompt, &batch, Wanted::Loss, 0, &Cancel::new()).unwrap().loss
    };
    assert_eq!(loss(&[20, 4, 24]), loss(&[20, 4, 24, 259]));
    assert_ne!(loss(&[20, 4, 24]), loss(&[20, 259, 4, 24]));
}

#[test]
fn an_adapter_is_made_saved_and_used() {
    let options = AdaptOptions {
        steps: 80,
        learning_rate: 0.05,
        prompt_length: 4,
        max_tokens: 64,
        memory_limit: 2_000_000,
        eval_every: 20,
        ..Default::default()
    };
    let task = task("{text} Sky: <extra_id_0> .");
    let made = |threads| adapt(&model(threads), &task, &rows(24), None, &options, Control::default()).unwrap();
    let done = made(1);
    let losses: Vec<f32> = done.report.steps.iter().map(|step| step.loss).collect();
    let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len() as f32;
    assert!(mean(&losses[70..]) < 0.9 * mean(&losses[..5]), "{losses:?}");
    assert_eq!(done.adapter.to_bytes().unwrap(), made(3).adapter.to_bytes().unwrap());

    let model = model(2);
    let file = tempfile::tempdir().unwrap();
    let path = file.path().join("weather.supmer");
    done.adapter.save(&path).unwrap();
    let adapter = Adapter::load(&path).unwrap();
    assert_eq!(adapter.fingerprint().architecture, "t5");
    let predictions = predict(&model, &adapter, &rows(12), &PredictOptions::default()).unwrap();
    let right = predictions
        .iter()
        .zip(rows(12))
        .filter(|(p, row)| task.labels()[p.label.unwrap()].name == *row.label.as_ref().unwrap());
    assert!(right.count() >= 20, "{predictions:?}");
    let alone = predict(&model, &adapter, &rows(12)[3..4], &PredictOptions::default()).unwrap();
    assert_eq!(alone[0], predictions[3]);
    assert_eq!(zero_shot(&model, &task, &rows(2), &PredictOptions::default()).unwrap().len(), 4);
}

#[test]
fn a_llama_adapter_does_not_fit() {
    let llama = folder().with_file_name("tiny-llama-tied");
    let llama = Model::load(llama, &ModelOptions::default()).unwrap();
    let task = task("{text} Sky: <extra_id_0> .");
    let options = AdaptOptions { steps: 1, prompt_length: 2, max_tokens: 64, ..Default::default() };
    let adapter = adapt(&llama, &task, &rows(3), None, &options, Control::default()).unwrap().adapter;
    let error = predict(&model(1), &adapter, &rows(1), &PredictOptions::default()).unwrap_err();
    assert!(error.status() == Status::BackboneMismatch && error.to_string().contains("architecture"), "{error}");
}

#[test]
fn texts_longer_than_a_t5_is_given_are_refused_before_anything_of_that_size_is_made() {
    let (model, task) = (model(1), task("{text} Sky: <extra_id_0> ."));
    let options = |max_tokens| AdaptOptions { steps: 1, prompt_length: 2, max_tokens, ..Default::default() };
    let adapted = |max_tokens| adapt(&model, &task, &rows(3), None, &options(max_tokens), Control::default());
    let error = adapted(16_384).unwrap_err();
    assert!(error.status() == Status::InvalidOption && error.to_string().contains("16384"), "{error}");
    let estimated = estimate_memory(&model, Some((&task, &rows(3))), &options(16_384), &Cancel::new()).unwrap_err();
    assert_eq!(estimated.to_string(), error.to_string());

    let adapter = adapted(64).unwrap().adapter;
    let lineage = Lineage { max_tokens: 1 << 24, ..adapter.lineage().clone() };
    let (prompt, fingerprint) = (adapter.prompt().clone(), adapter.fingerprint().clone());
    let greedy = Adapter::new(prompt, task.clone(), lineage, fingerprint);
    let greedy = Adapter::from_bytes(&greedy.to_bytes().unwrap()).unwrap();
    let long = [Example::text("noon ".repeat(20_000), None)];
    let error = predict(&model, &greedy, &long, &PredictOptions::default()).unwrap_err();
    assert!(error.status() == Status::InvalidOption && error.to_string().contains("max_tokens"), "{error}");

    let backbone = model.backbone();
    let state = backbone.prompt_state(&SoftPrompt::empty(backbone.width()), &Cancel::new()).unwrap();
    let trie = LabelTrie::new(&[vec![31], vec![88]]);
    let readouts = [Readout::Verbalizers(&trie)];
    let scored = backbone.score(&[&*state], &[&vec![20; 16_384]], &readouts, &Cancel::new());
    assert_eq!(scored.unwrap_err().status(), Status::TooLarge);
}
