//! `supmer eval` and the page that `supmer results` makes of its cells.

use std::path::Path;

use serde_json::json;

use crate::{Scratch, TASK, assert_fails, assert_success, parsed, stderr, stdout, supmer};

#[test]
fn eval_measures_dumps_and_goes_on_where_it_stopped() {
    let scratch = Scratch::new();
    let (predictions, splits) = (scratch.path("predictions.jsonl"), scratch.path("splits"));
    let mut line = vec!["--shots", "2", "--seeds", "13,21", "--max-test", "9", "--steps", "5", "--prompt-length", "3"];
    line.extend(["--predictions", &predictions, "--dump-splits", &splits, "--json"]);
    let first = scratch.eval(&line);
    assert_success(&first);
    let results = parsed(&scratch.read("results.json"));
    assert_eq!(results, parsed(&stdout(&first)));
    assert_eq!(results["task"], "reviews");
    assert_eq!(results["settings"]["steps"], 5);
    let methods = results["methods"].as_array().unwrap();
    assert_eq!(methods.iter().map(|m| &m["name"]).collect::<Vec<_>>(), ["zero-shot", "prompt-tuning"]);
    for method in methods {
        for score in ["accuracy", "macro_f1"] {
            assert!(["13", "21"].iter().all(|seed| method[score]["per_seed"][seed].is_number()), "{method}");
            assert!(method[score]["mean"].is_number(), "{method}");
            let has_spread = method["name"] != "zero-shot";
            assert!(["std", "ci95"].iter().all(|field| method[score][field].is_number() == has_spread), "{method}");
        }
        assert!(["calibration_error", "seconds"].iter().all(|field| method[field].is_number()), "{method}");
        assert!(!cfg!(target_os = "linux") || method["peak_bytes"].as_u64() > Some(1_000_000), "{method}");
    }
    assert_eq!(scratch.read("predictions.jsonl").lines().count(), 2 * 2 * 9);
    let row = parsed(scratch.read("predictions.jsonl").lines().next().unwrap());
    assert!(["method", "seed", "row", "gold", "probabilities"].iter().all(|field| !row[field].is_null()), "{row}");
    check_splits(&scratch);

    let again = scratch.eval(&line);
    assert_success(&again);
    assert_eq!(stdout(&again), stdout(&first));
    assert!(stderr(&again).contains("prompt-tuning: 2 kept results"), "{}", stderr(&again));
    line.extend(["--learning-rate", "0.25"]);
    let other = scratch.eval(&line);
    assert_success(&other);
    assert!(stderr(&other).contains("zero-shot: 1 kept results"), "{}", stderr(&other));
    assert!(!stderr(&other).contains("prompt-tuning: 2 kept results"), "{}", stderr(&other));
}

#[test]
fn what_is_measured_again_for_more_keeps_what_it_had() {
    let scratch = Scratch::new();
    let (predictions, cells) = (scratch.path("predictions.jsonl"), scratch.path("cells"));
    let line = ["--shots", "2", "--seeds", "13", "--max-test", "4", "--methods", "prompt-tuning", "--steps", "3"];
    let line = [&line, ["--prompt-length", "3", "--cells", &cells].as_slice()].concat();
    let (steps, more_steps, predicted) =
        (["--at-steps", "0,2"], ["--at-steps", "1"], ["--predictions", predictions.as_str()]);
    let asked: [(&[&str], bool); 6] =
        [(&steps, false), (&predicted, false), (&more_steps, false), (&steps, true), (&predicted, true), (&[], true)];
    for (more, is_kept) in asked {
        let run = scratch.eval(&[&line, more].concat());
        assert_success(&run);
        assert_eq!(stderr(&run).contains("1 kept results"), is_kept, "{more:?}: {}", stderr(&run));
    }
    assert_eq!(scratch.read("predictions.jsonl").lines().count(), 4);
    let results = parsed(&scratch.read("results.json"));
    let steps = results["methods"][0]["accuracy_at_steps"].as_object().unwrap();
    assert_eq!(steps.keys().collect::<Vec<_>>(), ["0", "1", "2"]);
}

#[test]
fn the_page_of_results_is_that_of_the_kept_cells() {
    let scratch = Scratch::new();
    let kept = |name: &str| format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    let (cells, trials, page) = (kept("results/cells"), kept("results/trials"), scratch.path("RESULTS.md"));
    let made = ["results", "--cells", &cells, "--trials", &trials, "--out", &page];
    let baselines = ["--baseline", "prompt-tuning", "--baseline", "text-init+head"];
    assert_success(&supmer(&[made.as_slice(), &baselines].concat()));
    let committed = std::fs::read_to_string(kept("RESULTS.md")).unwrap();
    assert!(
        scratch.read("RESULTS.md") == committed,
        "docs/RESULTS.md is not of these cells; `make results STAGES=page` writes it"
    );
}

fn check_splits(scratch: &Scratch) {
    assert_eq!(parsed(&scratch.read("splits/task.json")), parsed(TASK));
    let settings = parsed(&scratch.read("splits/settings.json"));
    for field in ["steps", "learning_rate", "clip_norm", "weight_decay", "batch_size", "eval_every", "max_tokens"] {
        assert!(settings[field].is_number(), "{field}: {settings}");
    }
    assert_eq!(settings["prompt_length"], 3);
    assert_eq!(settings["verbalizer_ids"].as_array().unwrap().len(), 2);
    assert_eq!(scratch.read("splits/test.jsonl").lines().count(), 9);
    let mut drawn = Vec::new();
    for seed in [13, 21] {
        let train = scratch.read(&format!("splits/seed-{seed}/train.jsonl"));
        let dev = scratch.read(&format!("splits/seed-{seed}/dev.jsonl"));
        assert_eq!((train.lines().count(), dev.lines().count()), (4, 4));
        assert!(train.lines().all(|line| !dev.contains(line)));
        let row = parsed(train.lines().next().unwrap());
        assert!(row["text"].is_string() && row["label"].is_string() && row["ids"][0].is_u64(), "{row}");
        let batches = parsed(&scratch.read(&format!("splits/seed-{seed}/batches.json")));
        assert_eq!(batches.as_array().unwrap().len(), 5);
        let mut rows = batches.as_array().unwrap().iter().flat_map(|batch| batch.as_array().unwrap());
        assert!(rows.all(|row| row.as_u64() < Some(4)), "{batches}");
        let start = std::fs::read(scratch.path(&format!("splits/seed-{seed}/start.safetensors"))).unwrap();
        let start = safetensors::SafeTensors::deserialize(&start).unwrap();
        assert_eq!(start.tensor("prompt").unwrap().shape(), [3, 32]);
        drawn.push(train);
    }
    assert_ne!(drawn[0], drawn[1]);
}

#[test]
fn eval_compares_many_methods_and_keeps_their_cells_for_the_page_of_results() {
    let scratch = Scratch::new();
    let (a, b, cells) = (scratch.bundle("a.supmer", 0.25), scratch.bundle("b.supmer", -0.5), scratch.path("cells"));
    let named = format!("second={b}");
    let mut line = vec!["--shots", "2", "--seeds", "13,21", "--max-test", "9", "--max-tokens", "24", "--cells", &cells];
    line.extend(["--bundle", &a, "--bundle", &named, "--at-steps", "0,3,99"]);
    let methods = "majority,zero-shot,in-context,text-init,prompt-tuning,supmer,supmer:second,supmer-no-psi:second";
    assert_success(&scratch.eval(&[line.as_slice(), &["--methods", methods, "--steps", "6"]].concat()));
    let results = parsed(&scratch.read("results.json"));
    let method = |name: &str| results["methods"].as_array().unwrap().iter().find(|m| m["name"] == name).unwrap();
    assert_ne!(method("supmer")["bundle"], method("supmer:second")["bundle"]);
    assert_eq!(method("supmer:second")["bundle"], method("supmer-no-psi:second")["bundle"]);
    assert_eq!(method("text-init")["settings"]["prompt_start"], "text");
    assert_eq!(method("text-init")["init_text"], "Classify the text as {labels}:", "as every task's cells have it");
    assert!(method("majority")["accuracy"]["mean"].as_f64() >= Some(0.5), "{results}");
    assert_eq!(method("prompt-tuning")["settings"]["prompt_length"], 20);
    let steps =
        |name: &str| method(name)["accuracy_at_steps"].as_object().map(|s| s.keys().cloned().collect::<Vec<_>>());
    assert_eq!(steps("supmer").unwrap(), ["0", "3"]);
    assert_eq!(steps("in-context"), None);
    assert_eq!(std::fs::read_dir(&cells).unwrap().count(), 6 * 2 + 2);

    let more = [line.as_slice(), &["--methods", "supmer", "--steps", "6"]].concat();
    let again = scratch.eval(&more);
    assert_success(&again);
    assert!(stderr(&again).contains("supmer: 2 kept results"), "{}", stderr(&again));
    let deeper = scratch.eval(&[more.as_slice(), &["--at-steps", "6"]].concat());
    assert_success(&deeper);
    assert!(!stderr(&deeper).contains("kept results"), "{}", stderr(&deeper));
    assert_eq!(std::fs::read_dir(&cells).unwrap().count(), 6 * 2 + 2);

    let page = scratch.path("RESULTS.md");
    let made = supmer(&["results", "--cells", &cells, "--out", &page, "--json"]);
    assert_success(&made);
    assert_eq!(parsed(&stdout(&made)), json!({ "out": page, "cells": 14, "unfinished": [] }));
    let text = scratch.read("RESULTS.md");
    for part in ["| reviews |", "## Difference to prompt-tuning", "| supmer:second | 6 |", "## Spread over seeds"] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    let unknown = supmer(&["results", "--cells", &cells, "--out", &page, "--method", "supmer:third"]);
    assert_fails(&unknown, 2, "no cell is of method supmer:third");
    assert_success(&scratch.eval(&[line.as_slice(), &["--methods", "supmer", "--steps", "5"]].concat()));
    assert_fails(&supmer(&["results", "--cells", &cells, "--out", &page]), 2, "settings");
}

#[cfg(feature = "train")]
#[test]
fn eval_fits_a_classifier_on_sentence_embeddings() {
    let scratch = Scratch::new();
    let encoder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny-bert");
    let line =
        ["--shots", "3", "--seeds", "13,21", "--methods", "minilm-logreg", "--encoder", encoder, "--threads", "1"];
    assert_success(&scratch.eval(&line));
    let results = parsed(&scratch.read("results.json"));
    let method = &results["methods"][0];
    assert!(method["accuracy"]["mean"].as_f64() > Some(0.6), "{method}");
    assert!(method["encoder"].as_str().unwrap().starts_with("bert "), "{method}");
    assert!(results["versions"]["backbone"].is_null(), "{results}");
    for cell in std::fs::read_dir(scratch.path("results.json.cells")).unwrap() {
        let cell = parsed(&std::fs::read_to_string(cell.unwrap().path()).unwrap());
        assert_eq!(cell["threads"], 1);
    }
    let on_two = [&line[..8], &["--threads", "2"]].concat();
    assert!(stderr(&scratch.eval(&on_two)).contains("minilm-logreg: 2 kept results"));
    assert_fails(&scratch.eval(&line[..6]), 2, "needs --encoder");
}

#[test]
fn a_trial_never_reads_the_test_file_and_its_cells_make_no_page() {
    let scratch = Scratch::new();
    std::fs::remove_file(scratch.path("test.jsonl")).unwrap();
    let line = ["--shots", "2", "--seeds", "13", "--steps", "2", "--methods", "prompt-tuning"];
    assert_fails(&scratch.eval(&line), 3, "test.jsonl");
    assert_success(&scratch.eval(&[line.as_slice(), &["--trial"]].concat()));
    let results = parsed(&scratch.read("results.json"));
    assert_eq!((&results["settings"]["trial"], &results["settings"]["test_rows"]), (&json!(true), &json!(4)));
    let (cells, page) = (scratch.path("results.json.cells"), scratch.path("page.md"));
    assert_fails(&supmer(&["results", "--cells", &cells, "--out", &page]), 2, "--trial");
    let measured = scratch.path("measured");
    scratch.write("test.jsonl", scratch.read("train.jsonl"));
    assert_success(&scratch.eval(&[line.as_slice(), &["--cells", &measured]].concat()));
    let line = ["results", "--cells", &measured, "--out", &page, "--method", "prompt-tuning", "--trials"];
    assert_fails(&supmer(&[line.as_slice(), &[&measured]].concat()), 2, "--trials takes");
    assert!(!Path::new(&page).exists());
    assert_success(&supmer(&[line.as_slice(), &[&cells]].concat()));
    assert!(
        scratch.read("page.md").contains("| prompt-tuning | 2 | 0.02 | - | 1 | 1 |"),
        "{}",
        scratch.read("page.md")
    );
}

#[test]
fn eval_refuses_what_does_not_go_together() {
    let scratch = Scratch::new();
    for (line, words) in [
        (["--methods", "supmer:x"], "needs --bundle x=FILE"),
        (["--methods", "fine-tuning"], "expected one of"),
        (["--methods", "minilm-logreg"], "minilm-logreg needs"),
        (["--context-examples", "0"], "--context-examples"),
    ] {
        assert_fails(&scratch.eval(&line), 2, words);
    }
    assert_fails(&scratch.eval(&["--at-steps", "1", "--patience", "2"]), 2, "--at-steps");
    let crowded = ["--methods", "in-context", "--context-examples", "4", "--shots", "2"];
    assert_fails(&scratch.eval(&crowded), 2, "no class has more than 2");
}
