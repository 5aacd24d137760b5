//! Adaptation of a tiny random Llama from end to end.

use std::path::PathBuf;
use std::sync::Arc;

use supmer::adapt::{Control, PromptStart, Stopped, start_prompt, tokenize};
use supmer::predict::PreparedTask;
use supmer::{
    AdaptOptions, Adaptation, Cancel, Example, Label, Model, ModelOptions, Result, SoftPrompt, Status, Task, adapt,
    estimate_memory,
};

fn model(fixture: &str, thread_count: usize) -> Arc<Model> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(fixture);
    Model::load(path, &ModelOptions { thread_count, ..Default::default() }).unwrap()
}

fn task() -> Task {
    let label = |name: &str, verbalizer: &str| Label { name: name.to_owned(), verbalizer: verbalizer.to_owned() };
    Task::new("weather", "{text}\nSky:", vec![label("wet", " rain"), label("dry", " sun")]).unwrap()
}

/// `per_class` rows of each label, labels taking turns.
fn rows(per_class: usize) -> Vec<Example> {
    let row = |i: usize| match i % 2 {
        0 => Example::text(format!("Day {i}: the street shines, umbrellas are up"), Some("wet")),
        _ => Example::text(format!("Day {i}: dust on the road and a blue noon"), Some("dry")),
    };
    (0..2 * per_class).map(row).collect()
}

fn options() -> AdaptOptions {
    AdaptOptions { steps: 12, learning_rate: 0.05, prompt_length: 4, max_tokens: 64, ..Default::default() }
}

fn adapted(model: &Model, train: &[Example], options: &AdaptOptions) -> Result<Adaptation> {
    adapt(model, &task(), train, None, options, Control::default())
}

#[test]
fn the_loss_falls_and_the_report_tells_the_story() {
    let done = adapted(&model("tiny-llama-tied", 1), &rows(7), &AdaptOptions { steps: 40, ..options() }).unwrap();
    let losses: Vec<f32> = done.report.steps.iter().map(|step| step.loss).collect();
    let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len() as f32;
    assert_eq!(losses.len(), 40);
    assert!(mean(&losses[30..]) < 0.9 * mean(&losses[..5]), "{losses:?}");
    assert_eq!((done.report.kept_step, done.report.stopped), (40, Stopped::Steps));
    assert!(done.report.warnings.iter().any(|w| w.contains("fixed number of 40 steps")), "{:?}", done.report.warnings);
    assert!(done.report.seconds > 0.0);
    assert_eq!((done.adapter.lineage().steps, done.adapter.lineage().train_examples), (40, 14));
    assert_eq!(done.adapter.lineage().dev_accuracy, None);
}

#[test]
fn a_large_enough_train_part_gives_a_dev_part() {
    let model = model("tiny-llama-tied", 2);
    let done = adapted(&model, &rows(24), &AdaptOptions { eval_every: 5, ..options() }).unwrap();
    assert_eq!((done.report.train_examples, done.report.dev_examples), (16, 32));
    assert_eq!(done.report.dev.iter().map(|r| r.step).collect::<Vec<_>>(), [0, 5, 10, 12]);
    let kept = done.report.dev.iter().find(|r| r.step == done.report.kept_step).unwrap();
    assert_eq!(done.adapter.lineage().dev_accuracy, Some(kept.accuracy));
    assert_eq!(done.adapter.lineage().dev_loss, Some(kept.loss));
    assert!(done.report.dev.iter().all(|r| r.accuracy <= kept.accuracy));
}

#[test]
fn the_thread_count_changes_no_byte() {
    for fixture in ["tiny-llama-untied", "gguf/tiny-q4_1.gguf"] {
        let bytes = |threads| {
            let options = AdaptOptions { eval_every: 4, memory_limit: 400_000, ..options() };
            adapted(&model(fixture, threads), &rows(24), &options).unwrap().adapter.to_bytes().unwrap()
        };
        let one = bytes(1);
        for threads in [2, 3, 8] {
            assert!(bytes(threads) == one, "{fixture} with {threads} threads");
        }
    }
}

#[test]
fn the_seed_changes_the_adapter() {
    let model = model("tiny-llama-tied", 1);
    let bytes = |seed| {
        let options = AdaptOptions { steps: 2, seed, ..options() };
        adapted(&model, &rows(3), &options).unwrap().adapter.to_bytes().unwrap()
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn neither_adapter_nor_report_holds_text_of_examples() {
    let done = adapted(&model("tiny-llama-tied", 1), &rows(3), &AdaptOptions { steps: 2, ..options() }).unwrap();
    let file = done.adapter.to_bytes().unwrap();
    let report = serde_json::to_string(&done.report).unwrap();
    for word in ["umbrellas", "dust on"] {
        assert!(!file.windows(word.len()).any(|window| window == word.as_bytes()));
        assert!(!report.contains(word));
    }
}

#[test]
fn a_warm_start_goes_on_where_the_adapter_ended() {
    let model = model("tiny-llama-tied", 1);
    let first = adapted(&model, &rows(7), &options()).unwrap().adapter;
    let start = PromptStart::Adapter(Arc::new(first));
    let warm = AdaptOptions { start: start.clone(), prompt_length: 9, ..options() };
    let PromptStart::Adapter(first) = start else { unreachable!() };
    assert_eq!(start_prompt(&model, &warm).unwrap(), *first.prompt());
    let second = adapted(&model, &rows(7), &warm).unwrap();
    assert_eq!((second.report.prompt_length, second.adapter.prompt().rows()), (4, 4));

    let other = self::model("tiny-llama-linear", 1);
    assert_eq!(adapted(&other, &rows(7), &warm).unwrap_err().status(), Status::BackboneMismatch);
}

#[test]
fn a_start_text_is_embedded_and_repeated() {
    let model = model("tiny-llama-tied", 1);
    let ids = model.backbone().tokenizer().encode("in the").unwrap();
    let start = PromptStart::Text("in the".to_owned());
    let prompt = start_prompt(&model, &AdaptOptions { start, prompt_length: 2 * ids.len() + 1, ..options() }).unwrap();
    let width = model.backbone().width();
    let mut row = vec![0.0; width];
    for (at, values) in prompt.values().chunks_exact(width).enumerate() {
        model.backbone().embed(ids[at % ids.len()], &mut row);
        assert_eq!(values, row);
    }
    let empty = AdaptOptions { start: PromptStart::Text(String::new()), ..options() };
    assert_eq!(start_prompt(&model, &empty).unwrap_err().status(), Status::InvalidOption);
}

#[test]
fn bad_rows_are_named_without_their_text() {
    let model = model("tiny-llama-tied", 1);
    let refused = |train: &[Example]| adapted(&model, train, &options()).unwrap_err();

    let one_sided: Vec<Example> = rows(3).into_iter().filter(|row| row.label.as_deref() == Some("wet")).collect();
    let error = refused(&one_sided);
    assert!(error.status() == Status::InvalidExample && error.to_string().contains("label \"dry\""), "{error}");

    for label in [None, Some("umbrellas are up")] {
        let mut train = rows(3);
        train[4] = Example::text("umbrellas", label);
        let error = refused(&train);
        assert!(error.status() == Status::InvalidExample && error.to_string().starts_with("train row 5: "), "{error}");
        assert!(!error.to_string().contains("umbrellas"), "{error}");
    }
    let mut train = rows(3);
    train[1].fields.clear();
    assert!(refused(&train).to_string().starts_with("train row 2: "));
    assert_eq!(refused(&[]).status(), Status::InvalidExample);
}

#[test]
fn texts_are_cut_and_counted_and_must_fit_the_context() {
    let model = model("tiny-llama-tied", 1);
    let mut train = rows(3);
    train[0] = Example::text("and the rain ".repeat(500), Some("wet"));
    let done = adapted(&model, &train, &AdaptOptions { steps: 1, ..options() }).unwrap();
    assert_eq!(done.report.cut_examples, 1);
    assert!(done.report.warnings.iter().any(|w| w.starts_with("1 examples were cut to max_tokens 64")));

    let error = adapted(&model, &train, &AdaptOptions { max_tokens: 512, ..options() }).unwrap_err();
    assert!(error.status() == Status::InvalidOption && error.to_string().contains("the model has 512"), "{error}");
}

#[test]
fn a_memory_limit_below_one_example_is_refused() {
    let model = model("tiny-llama-tied", 1);
    let error = adapted(&model, &rows(3), &AdaptOptions { memory_limit: 1_000, ..options() }).unwrap_err();
    assert_eq!(error.status(), Status::MemoryLimit);
}

#[test]
fn a_stop_is_seen_while_rows_are_tokenized_and_while_a_prompts_state_is_made() {
    let (model, cancel) = (model("tiny-llama-tied", 1), Cancel::new());
    cancel.request();
    let backbone = model.backbone();
    let prepared = PreparedTask::new(&task(), backbone.tokenizer(), 64).unwrap();
    let tokenized = tokenize(&task(), &prepared, backbone.tokenizer(), &rows(3), "train", &cancel);
    assert_eq!(tokenized.unwrap_err().status(), Status::Cancelled);
    let estimated = estimate_memory(&model, Some((&task(), &rows(3))), &options(), &cancel);
    assert_eq!(estimated.unwrap_err().status(), Status::Cancelled);
    let prompt = SoftPrompt::new(1, backbone.width(), vec![0.1; backbone.width()]).unwrap();
    assert_eq!(backbone.prompt_state(&prompt, &cancel).err().unwrap().status(), Status::Cancelled);
}
