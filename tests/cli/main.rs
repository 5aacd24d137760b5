//! The `supmer` command from outside: what it prints, writes and answers, on a tiny model.

mod eval;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use supmer::adapt::AnswerLoss;
use supmer::bundle::{Advice, Origin, Regularization};
use supmer::gradient_regularizer::{Rescaling, Shape};
use supmer::{Bundle, GradientRegularizer, SoftPrompt};
use tempfile::TempDir;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny-llama-tied");
const GGUF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/gguf/tiny-q4_1.gguf");
const TASK: &str = r#"{"name": "reviews", "template": "{text}\nSentiment:", "labels": [
    {"name": "negative", "verbalizer": " terrible"}, {"name": "positive", "verbalizer": " great"}]}"#;

/// A scratch folder with a task, rows and the paths that commands need.
struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        let scratch = Self(tempfile::tempdir().unwrap());
        scratch.write("task.json", TASK);
        scratch.write("train.jsonl", rows(12));
        scratch.write("test.jsonl", rows(20));
        scratch
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn adapt(&self, out: &str, more: &[&str]) -> Output {
        let (task, train, out) = (self.path("task.json"), self.path("train.jsonl"), self.path(out));
        let line = ["adapt", "--model", MODEL, "--task", &task, "--train", &train, "--out", &out];
        supmer(&[&line, ["--steps", "20", "--learning-rate", "0.05"].as_slice(), more].concat())
    }

    /// An adapter of four rows to predict with.
    fn adapter(&self) -> String {
        assert_success(&self.adapt("a.supmer", &["--prompt-length", "4"]));
        self.path("a.supmer")
    }

    /// A bundle of three rows of `value`, which advises 4 steps.
    fn bundle(&self, name: &str, value: f32) -> String {
        let shape = Shape { width: 32, rank: 2, layers: 1 };
        let regularizer = GradientRegularizer::random(shape, 1).unwrap();
        let psi = Regularization { regularizer, rescaling: Rescaling::RowL2 };
        let advice = Advice { steps: 4, learning_rate: 0.5, batch_size: 2, answer_loss: AnswerLoss::Labels };
        let origin = Origin { adaptation: Some(advice), ..Origin::default() };
        let prompt = SoftPrompt::new(3, 32, vec![value; 96]).unwrap();
        Bundle::new(prompt, Some(psi), origin).unwrap().save(self.path(name)).unwrap();
        self.path(name)
    }

    fn eval(&self, more: &[&str]) -> Output {
        let (task, folder, out) = (self.path("task.json"), self.path("."), self.path("results.json"));
        let line = ["eval", "--model", MODEL, "--task", &task, "--data", &folder, "--out", &out];
        supmer(&[&line, more].concat())
    }
}

/// `count` labelled rows, half of each class, no two alike.
fn rows(count: usize) -> String {
    let row = |i| match i % 2 {
        0 => json!({"text": format!("a bad, dull evening number {i}"), "label": "negative"}),
        _ => json!({"text": format!("a good and lively day number {i}"), "label": "positive"}),
    };
    (0..count).map(|i| format!("{}\n", row(i))).collect()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_supmer"));
    command.args(arguments);
    command
}

fn supmer(arguments: &[&str]) -> Output {
    command(arguments).stdin(Stdio::null()).output().unwrap()
}

fn start(arguments: &[&str]) -> Child {
    command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
fn assert_success(output: &Output) {
    assert!(output.status.success(), "{}: {}", output.status, stderr(output));
}

#[track_caller]
fn assert_fails(output: &Output, code: i32, words: &str) {
    let message = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert!(message.contains(words), "expected '{words}' in: {message}");
    assert!(!message.contains("panicked"), "{message}");
    assert!(stdout(output).is_empty(), "{}", stdout(output));
}

#[track_caller]
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn adapt_writes_an_adapter_and_a_report_whose_loss_falls() {
    let scratch = Scratch::new();
    let output = scratch.adapt("a.supmer", &["--json", "--report", &scratch.path("report.json")]);
    assert_success(&output);
    let result = parsed(&stdout(&output));
    assert_eq!(result["task"], "reviews");
    assert_eq!(result["labels"], json!(["negative", "positive"]));
    assert_eq!(result["report"], parsed(&scratch.read("report.json")));
    let steps = result["report"]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 20);
    let loss = |i: usize| steps[i]["loss"].as_f64().unwrap();
    assert!(loss(19) < loss(0), "{} -> {}", loss(0), loss(19));
    let adapter = std::fs::read(scratch.path("a.supmer")).unwrap();
    for text in [stderr(&output), String::from_utf8_lossy(&adapter).into_owned()] {
        assert!(!text.contains("evening"), "text of an example got out: {text}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_whatever_the_threads() {
    let scratch = Scratch::new();
    for (out, threads, seed) in [("1.supmer", "1", "7"), ("2.supmer", "2", "7"), ("3.supmer", "1", "8")] {
        assert_success(&scratch.adapt(out, &["--threads", threads, "--seed", seed]));
    }
    let bytes = |name| std::fs::read(scratch.path(name)).unwrap();
    assert!(bytes("1.supmer") == bytes("2.supmer"));
    assert!(bytes("1.supmer") != bytes("3.supmer"));
}

#[test]
fn a_warm_start_keeps_the_length_of_its_prompt() {
    let scratch = Scratch::new();
    let (adapter, dev) = (scratch.adapter(), scratch.path("test.jsonl"));
    assert_success(&scratch.adapt("b.supmer", &["--warm-start", &adapter, "--dev", &dev]));
    let described = parsed(&stdout(&supmer(&["inspect", "--json", &scratch.path("b.supmer")])));
    assert_eq!(described["prompt"]["rows"], 4);
    assert!(described["lineage"]["dev_accuracy"].is_number());
}

#[test]
fn predict_reads_files_and_standard_input_alike() {
    let scratch = Scratch::new();
    let (adapter, input) = (scratch.adapter(), scratch.path("test.jsonl"));
    let line = ["predict", "--model", MODEL, "--adapter", &adapter, "--json", "--input"];
    let from_file = supmer(&[&line[..], &[&input]].concat());
    assert_success(&from_file);
    assert!(stderr(&from_file).contains("of 20 labelled rows"), "{}", stderr(&from_file));
    let text = stdout(&from_file);
    assert_eq!(text.lines().count(), 20);
    for line in text.lines() {
        let row = parsed(line);
        let of = |label: &str| row["probabilities"][label].as_f64().unwrap();
        assert!((of("negative") + of("positive") - 1.0).abs() < 1e-5, "{line}");
        assert_eq!(row["label"], if of("positive") > of("negative") { "positive" } else { "negative" });
    }

    let mut child = start(&[&line[..], &["-"]].concat());
    child.stdin.take().unwrap().write_all(scratch.read("test.jsonl").as_bytes()).unwrap();
    let from_pipe = child.wait_with_output().unwrap();
    assert_success(&from_pipe);
    assert_eq!(stdout(&from_pipe), text);

    let to_file = supmer(&[&line[..], &[&input, "--out", &scratch.path("out.jsonl")]].concat());
    assert_success(&to_file);
    assert_eq!(scratch.read("out.jsonl"), text);
    assert!(stdout(&to_file).is_empty());
}

#[test]
fn predict_answers_a_row_before_the_next_one_comes() {
    let scratch = Scratch::new();
    let adapter = scratch.adapter();
    let mut child = start(&["predict", "--model", MODEL, "--adapter", &adapter, "--json", "--input", "-"]);
    let mut input = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        input.write_all(b"{\"text\": \"one at a time\"}\n").unwrap();
        assert!(parsed(&answers.next().unwrap().unwrap())["label"].is_string());
    }
    drop(input);
    assert!(answers.next().is_none());
    assert!(child.wait().unwrap().success());
}

#[test]
fn predict_can_abstain_and_can_do_without_an_adapter() {
    let scratch = Scratch::new();
    let (adapter, task, input) = (scratch.adapter(), scratch.path("task.json"), scratch.path("test.jsonl"));
    let line = ["predict", "--model", MODEL, "--input", &input, "--json"];
    let abstaining = supmer(&[&line[..], &["--adapter", &adapter, "--abstain-below", "1.0"]].concat());
    assert_success(&abstaining);
    assert!(stdout(&abstaining).lines().all(|line| parsed(line)["label"].is_null()));
    let zero_shot = supmer(&[&line[..], &["--task", &task]].concat());
    assert_success(&zero_shot);
    assert_eq!(stdout(&zero_shot).lines().count(), 20);
}

#[test]
fn predict_names_the_bad_line_after_the_rows_before_it() {
    let scratch = Scratch::new();
    let adapter = scratch.adapter();
    let bad = scratch.write("bad.jsonl", "{\"text\": \"fine\"}\n{\"text\": \"well\"}\n{\"txet\": \"private words\"}\n");
    let output = supmer(&["predict", "--model", MODEL, "--adapter", &adapter, "--json", "--input", &bad]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert_eq!(stdout(&output).lines().count(), 2);
    assert!(stderr(&output).contains("bad.jsonl line 3: field \"text\" is missing"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("private"));
}

#[test]
fn predict_names_the_line_of_a_row_that_the_template_cannot_take() {
    let scratch = Scratch::new();
    let task = scratch.write("bare.json", TASK.replace("\\nSentiment:", ""));
    let lines = format!("{}\n{{\"text\": \"\"}}\n", "{\"text\": \"fine\"}\n".repeat(70));
    let input = scratch.write("empty.jsonl", lines);
    let output = supmer(&["predict", "--model", MODEL, "--task", &task, "--input", &input]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("empty.jsonl line 72: the filled template is empty"), "{}", stderr(&output));
}

#[test]
fn adapt_eval_and_inspect_take_a_bundle() {
    let scratch = Scratch::new();
    let path = scratch.bundle("b.supmer", 0.25);
    let described = parsed(&stdout(&supmer(&["inspect", "--json", &path])));
    assert_eq!((&described["kind"], &described["regularizer"]["rank"]), (&json!("bundle"), &json!(2)));

    let adapted = scratch.adapt("a.supmer", &["--bundle", &path, "--json"]);
    assert_success(&adapted);
    let adapted = parsed(&stdout(&adapted));
    assert_eq!(adapted["lineage"]["method"], "supmer");
    assert_eq!(adapted["report"]["prompt_length"], 3);
    assert!(adapted["report"]["steps"][19]["gate"].is_number() && adapted["report"]["steps"][19]["cosine"].is_number());
    let clash = scratch.adapt("a.supmer", &["--bundle", &path, "--prompt-length", "5"]);
    assert_fails(&clash, 2, "cannot be used with");

    let line = ["--shots", "2", "--seeds", "13", "--max-test", "5", "--methods", "prompt-tuning,supmer,supmer-no-psi"];
    assert_fails(&scratch.eval(&line), 2, "needs --bundle");
    assert_success(&scratch.eval(&[line.as_slice(), &["--bundle", &path, "--steps", "3"]].concat()));
    let results = parsed(&scratch.read("results.json"));
    let methods = results["methods"].as_array().unwrap();
    assert_eq!(methods.iter().map(|m| &m["name"]).collect::<Vec<_>>(), ["prompt-tuning", "supmer", "supmer-no-psi"]);
    assert_eq!(results["settings"]["prompt_start"], "vocabulary");
    assert_eq!(
        (&methods[1]["settings"]["prompt_start"], &methods[1]["settings"]["batch_size"]),
        (&json!("bundle"), &json!(2))
    );
}

#[test]
fn inspect_describes_models_and_adapters() {
    let scratch = Scratch::new();
    let folder = parsed(&stdout(&supmer(&["inspect", "--json", MODEL])));
    assert_eq!(folder["kind"], "hugging_face_folder");
    assert_eq!(folder["architecture"], "llama");
    assert_eq!(folder["sizes"]["layers"], 3);
    assert_eq!(folder["usable"], true);
    assert!(folder["tensors"]["F32"].as_u64() > Some(21), "{folder}");

    let gguf = parsed(&stdout(&supmer(&["inspect", "--json", GGUF])));
    assert_eq!(gguf["kind"], "gguf");
    assert!(gguf["tensors"]["Q4_1"].is_u64(), "{gguf}");

    let adapter = scratch.adapter();
    let described = parsed(&stdout(&supmer(&["inspect", "--json", &adapter])));
    assert_eq!(described["task"]["labels"][1]["name"], "positive");
    assert_eq!(described["fingerprint"], folder["fingerprint"]);
    assert_eq!(described["prompt"]["row_norms"].as_array().unwrap().len(), 4);
    let readable = supmer(&["inspect", &adapter]);
    assert_success(&readable);
    assert!(stdout(&readable).contains("row_norms: "), "{}", stdout(&readable));
}

#[test]
fn wrong_usage_ends_with_2() {
    let scratch = Scratch::new();
    assert_fails(&supmer(&["predict", "--model", MODEL, "--input", "-"]), 2, "--adapter");
    assert_fails(&supmer(&["adapt", "--colour", "blue"]), 2, "--colour");
    for (option, value, words) in [
        ("--weights", "heavy", "heavy"),
        ("--memory-limit", "lots", "300MB"),
        ("--batch-size", "0", "batch_size"),
        ("--time-limit", "nan", "time_limit"),
        ("--threads", "100000", "thread_count"),
        ("--prompt-length", "1000000000", "prompt_length"),
    ] {
        assert_fails(&scratch.adapt("a.supmer", &[option, value]), 2, words);
    }
    assert_fails(&scratch.eval(&["--seeds", "1,2,1"]), 2, "names 1 twice");
    assert_fails(&scratch.eval(&["--shots", "0"]), 2, "--shots");
    assert!(!Path::new(&scratch.path("a.supmer")).exists());
}

#[test]
fn unusable_models_and_adapters_end_with_3_and_are_named() {
    let scratch = Scratch::new();
    let missing = scratch.path("missing");
    assert_fails(&supmer(&["inspect", &missing]), 3, "missing");
    assert_fails(&supmer(&["inspect", &scratch.path("task.json")]), 3, "neither a GGUF file nor an adapter or bundle");
    assert_fails(&scratch.adapt("no/such/folder/a.supmer", &[]), 3, "its folder does not exist");

    let adapter = scratch.adapter();
    let bytes = std::fs::read(&adapter).unwrap();
    let cut = scratch.write("cut.supmer", &bytes[..bytes.len() - 5]);
    let (input, latin) = (scratch.path("test.jsonl"), scratch.write("latin.jsonl", b"{\"text\": \"caf\xe9\"}"));
    for (model, adapter, input, words) in [
        (MODEL, &cut, &input, "cut.supmer"),
        (MODEL, &adapter, &missing, "missing"),
        (&missing, &adapter, &input, "missing"),
        (MODEL, &adapter, &latin, "latin.jsonl line 1"),
    ] {
        let line = ["predict", "--model", model, "--adapter", adapter, "--input", input];
        assert_fails(&supmer(&line), 3, words);
    }
}

#[test]
fn unusable_tasks_and_rows_end_with_3_and_are_named() {
    let no_field = TASK.replace("{text}", "text");
    for (file, text, words) in [
        ("train.jsonl", "{\"text\": \"private words\", \"label\": \"funny\"}\n", "train.jsonl"),
        ("train.jsonl", "{\"text\": \"private words\"}\n", "train.jsonl"),
        ("train.jsonl", &rows(12).replace("positive", "negative"), "positive"),
        ("train.jsonl", "", "train"),
        ("task.json", &no_field, "task.json"),
        ("task.json", &TASK[..40], "task.json"),
    ] {
        let scratch = Scratch::new();
        scratch.write(file, text);
        let output = scratch.adapt("a.supmer", &[]);
        assert_fails(&output, 3, words);
        assert!(!stderr(&output).contains("private"), "{}", stderr(&output));
        assert!(!Path::new(&scratch.path("a.supmer")).exists());
    }
    let scratch = Scratch::new();
    scratch.write("train.jsonl", rows(3));
    assert_fails(&scratch.eval(&[]), 3, "label \"positive\" has 1 rows");
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_with_130_and_writes_nothing() {
    let scratch = Scratch::new();
    let (task, train, out) = (scratch.path("task.json"), scratch.path("train.jsonl"), scratch.path("a.supmer"));
    let line = ["adapt", "--model", MODEL, "--task", &task, "--train", &train, "--out", &out, "--steps", "1000000"];
    let mut child = start(&line);
    // Long enough for the command to be at work, and far from its end.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    assert!(child.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(!Path::new(&out).exists());
}
