//! Hostile and damaged task.json, JSONL and texts: clear errors that name file, line and field and show no text.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use supmer::{Error, Example, Label, Status, Task};

/// Words that must never turn up in a message.
const SECRET: &str = "zebra-secret";

fn task() -> Task {
    let label = |name: &str| Label { name: name.to_owned(), verbalizer: format!(" {name}") };
    Task::new("t", "{text_a} {text_b}:", vec![label("good"), label("bad")]).unwrap()
}

fn write(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn read(bytes: impl AsRef<[u8]>, labelled: bool) -> Result<Vec<Example>, Error> {
    let (_folder, path) = write(bytes.as_ref());
    task().read_examples(&path, labelled)
}

fn refused(bytes: impl AsRef<[u8]>, status: Status, places: &[&str]) {
    let error = read(bytes, true).unwrap_err();
    let message = error.to_string();
    assert_eq!(error.status(), status, "{message}");
    assert!(!message.contains(SECRET), "{message}");
    assert!(message.contains("rows.jsonl line "), "{message}");
    assert!(message.len() < 600, "{} bytes of message", message.len());
    for place in places {
        assert!(message.contains(place), "{place:?} is not in {message:?}");
    }
}

fn row(text_a: &str, label: &str) -> String {
    serde_json::json!({"text_a": text_a, "text_b": "b", "label": label}).to_string()
}

#[test]
fn what_is_sensible_is_read() {
    let marked = format!("\u{feff}{}\r\n\r\n  \n{}", row("a", "good"), row("", "bad"));
    let rows = read(marked, true).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].fields["text_a"], "a");
    assert_eq!(rows[1].label.as_deref(), Some("bad"));
    assert!(read("", true).unwrap().is_empty());
    let numbers = read(r#"{"text_a": -3, "text_b": 0.5, "label": "good", "nested": [[{}]]}"#, true).unwrap();
    assert_eq!((numbers[0].fields["text_a"].as_str(), numbers[0].fields["text_b"].as_str()), ("-3", "0.5"));
    let long = "word ".repeat(20_000);
    assert_eq!(read(row(&long, "good"), true).unwrap()[0].fields["text_a"], long);
}

#[test]
fn unlabelled_rows_need_no_known_label() {
    let rows =
        read(format!("{}\n{{\"text_a\": \"a\", \"text_b\": \"b\"}}\n{}", row("a", "odd"), row("a", "bad")), false)
            .unwrap();
    let labels: Vec<Option<&str>> = rows.iter().map(|row| row.label.as_deref()).collect();
    assert_eq!(labels, [None, None, Some("bad")]);
}

#[test]
fn missing_and_wrong_fields_are_named() {
    let good = row("a", "good");
    let second = |line: &str| format!("{good}\n\n{line}\n");
    for (line, places) in [
        (format!(r#"{{"text_a": "{SECRET}", "label": "good"}}"#), ["line 3", "text_b"]),
        (format!(r#"{{"text_a": ["{SECRET}"], "text_b": "b", "label": "good"}}"#), ["text_a", "a list"]),
        (format!(r#"{{"text_a": {{"{SECRET}": 1}}, "text_b": "b", "label": "good"}}"#), ["text_a", "an object"]),
        (format!(r#"{{"text_a": null, "text_b": "{SECRET}", "label": "good"}}"#), ["text_a", "null"]),
        (format!(r#"{{"text_a": "{SECRET}", "text_b": "b"}}"#), ["label", "missing"]),
        (format!(r#"{{"text_a": "{SECRET}", "text_b": "b", "label": "{SECRET}"}}"#), ["label", "\"good\""]),
        (format!(r#"{{"text_a": "{SECRET}", "text_b": "b", "label": 1}}"#).replace("1}", "[1]}"), ["label", "a list"]),
    ] {
        refused(second(&line), Status::InvalidExample, &places);
    }
}

#[test]
fn lines_that_are_no_objects_are_refused() {
    let deep = "[".repeat(1_000_000);
    let deep_field = format!(r#"{{"text_a": {deep}"#);
    let deep_other = format!(r#"{{"other": {deep}"#);
    for line in [
        format!("\"{SECRET}\""),
        format!("[\"{SECRET}\"]"),
        format!("{{\"text_a\": \"{SECRET}"),
        format!("{{\"text_a\": \"{SECRET}\"}} {SECRET}"),
        SECRET.to_owned(),
        format!("{{\"text_a\": \"\\ud800{SECRET}\"}}"),
        format!("{{{SECRET}: 1}}"),
        "null".to_owned(),
        deep,
        deep_field,
        deep_other,
    ] {
        refused(&line, Status::InvalidExample, &["line 1"]);
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused_with_the_line() {
    let mut bytes = format!("{}\n", row("a", "good")).into_bytes();
    bytes.extend(format!("{{\"text_a\": \"{SECRET}").bytes());
    bytes.extend([0xFF, b'"', b'}']);
    refused(&bytes, Status::InvalidUtf8, &["line 2"]);
    let utf16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(row("a", "good").bytes().flat_map(|byte| [byte, 0])).collect();
    refused(utf16, Status::InvalidUtf8, &["line 1"]);
}

#[test]
fn huge_lines_and_fields_are_refused_in_bounded_time() {
    let start = Instant::now();
    refused(row(&"x".repeat(supmer::limits::MAX_FIELD_BYTES + 1), "good"), Status::TooLarge, &["text_a"]);
    refused("x".repeat(supmer::limits::MAX_LINE_BYTES + 1), Status::TooLarge, &["line 1"]);
    refused(" ".repeat(supmer::limits::MAX_LINE_BYTES + 1), Status::TooLarge, &["line 1"]);
    let zeros = format!(r#"{{"text_a": [{}0]}}"#, "0,".repeat(4_000_000));
    refused(zeros, Status::InvalidExample, &["text_a"]);
    assert!(start.elapsed().as_secs() < 20);
}

#[test]
fn every_truncation_of_a_row_is_refused() {
    let whole = row(SECRET, "good");
    for end in 1..whole.len() {
        refused(&whole[..end], Status::InvalidExample, &["line 1"]);
    }
}

#[test]
fn missing_files_and_folders_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(task().read_examples(&folder.path().join("no"), true).unwrap_err().status(), Status::NotFound);
    assert_eq!(task().read_examples(folder.path(), true).unwrap_err().status(), Status::Io);
    assert_eq!(Task::read(&folder.path().join("no")).unwrap_err().status(), Status::NotFound);
}

#[test]
fn verbalizers_without_a_head_have_a_bound_together() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny-llama-tied");
    let model = supmer::Model::load(folder, &supmer::ModelOptions::default()).unwrap();
    let label = |at: usize| Label { name: at.to_string(), verbalizer: format!(" {at:03}{}", "zq".repeat(8)) };
    let task = Task::new("t", "{text}:", (0..900).map(label).collect()).unwrap();
    let rows: Vec<Example> =
        (0..900).map(|at| task.parse_row(&format!(r#"{{"text": "a", "label": "{at}"}}"#), true).unwrap()).collect();
    let adapted = |answer_loss| {
        let options = supmer::AdaptOptions { answer_loss, steps: 1, max_tokens: 8, ..Default::default() };
        supmer::adapt(&model, &task, &rows, None, &options, supmer::Control::default())
    };
    let refused = supmer::predict::zero_shot(&model, &task, &rows[..1], &Default::default()).unwrap_err();
    for error in [refused, adapted(supmer::adapt::AnswerLoss::Vocabulary).err().unwrap()] {
        assert_eq!(error.status(), Status::InvalidTask);
        assert!(error.to_string().contains("together"), "{error}");
    }
    let done = adapted(supmer::adapt::AnswerLoss::Head).unwrap();
    let predicted = supmer::predict(&model, &done.adapter, &rows[..1], &Default::default()).unwrap();
    assert_eq!(predicted[0].probabilities.len(), 900);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_where_a_whole_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(Task::read(&pipe).unwrap_err().status(), Status::InvalidArgument);
    assert_eq!(supmer::Adapter::load(&pipe).unwrap_err().status(), Status::InvalidArgument);
    assert_eq!(supmer::Bundle::load(&pipe).unwrap_err().status(), Status::InvalidArgument);
}

#[test]
fn damaged_task_files_are_refused_with_the_file() {
    let good =
        r#"{"name":"t","template":"{text}:","labels":[{"name":"a","verbalizer":" a"},{"name":"b","verbalizer":" b"}]}"#;
    let read = |bytes: &[u8]| {
        let (_folder, path) = write(bytes);
        Task::read(&path)
    };
    assert_eq!(read(format!("\u{feff}{good}\r\n").as_bytes()).unwrap().labels().len(), 2);
    for end in 0..good.len() {
        assert_eq!(read(&good.as_bytes()[..end]).unwrap_err().status(), Status::InvalidTask, "{end}");
    }
    let deep = format!(r#"{{"name": {}"#, "[".repeat(1_000_000));
    for (text, place) in [
        ("[]".to_owned(), "rows.jsonl"),
        (deep, "rows.jsonl"),
        (good.replace("\"template\"", "\"tempalte\""), "template"),
        (good.replace("{text}", "text"), "template"),
        (good.replace("{text}", "{text"), "template"),
        (good.replace(r#""verbalizer":" b""#, r#""verbalizer":"""#), "labels[1]"),
        (good.replace(r#""name":"b""#, r#""name":"a""#), "labels[1]"),
        (good.replace(r#""labels":["#, r#""labels":[1,"#), "rows.jsonl"),
    ] {
        let error = read(text.as_bytes()).unwrap_err();
        assert_eq!(error.status(), Status::InvalidTask, "{error}");
        assert!(error.to_string().contains(place) && error.to_string().contains("rows.jsonl"), "{error}");
    }
    assert_eq!(read(b"{\"name\": \"\xFF\"}").unwrap_err().status(), Status::InvalidUtf8);
    assert_eq!(read(&vec![b' '; supmer::limits::MAX_JSON_BYTES + 1]).unwrap_err().status(), Status::TooLarge);
}
