//! `supmer train` from outside: text to a bundle, runs that are stopped and go on, what cannot be trained on.

mod run;
mod text;

use serde_json::Value;
use supmer::Bundle;

use run::Run;

#[test]
fn text_becomes_a_bundle_that_adaptation_uses() {
    let run = Run::new(160);
    let trained = run.succeed(&["--steps", "6", "--average-over", "2", "--report", &run.path("report")]);
    assert!(trained.contains("6 steps") && trained.contains("finished"), "{trained}");
    let bundle = Bundle::load(run.path("b.supmer")).unwrap();
    let origin = bundle.origin();
    assert!(bundle.regularization().is_some() && origin.corpus_digest.is_some());
    let recipe = &origin.recipe["train"];
    assert_eq!((origin.recipe["steps_done"].as_u64(), recipe["options"]["average_over"].as_u64()), (Some(6), Some(2)));
    assert_eq!(recipe["tasks"]["files"], serde_json::json!(["a.txt", "b.jsonl"]));
    assert!(recipe["products"].as_str().is_some_and(|products| products.starts_with("f32 ")), "{recipe}");

    let metrics = run.metrics();
    let steps: Vec<&Value> = metrics.iter().filter(|line| line["kind"] == "step").collect();
    assert_eq!(steps.len(), 6);
    for (at, step) in steps.iter().enumerate() {
        assert_eq!(step["step"].as_u64(), Some(at as u64 + 1));
        assert!(step["tasks"].as_array().is_some_and(|tasks| tasks.len() == 2), "{step}");
        for value in ["query_loss", "support_loss", "similarity", "lambda", "gate", "psi_cosine", "prompt_rate"] {
            assert!(step[value].as_f64().is_some_and(f64::is_finite), "{value} of {step}");
        }
    }
    let validations: Vec<&Value> = metrics.iter().filter(|line| line["kind"] == "validation").collect();
    assert_eq!(validations.len(), 2 * 6, "before the first step and after the last, for every format");
    for line in validations {
        let scored = line["format"] != "scc";
        assert_eq!(line["accuracy"].as_f64().is_some_and(|a| (0.0..=1.0).contains(&a)), scored, "{line}");
    }
    let page = std::fs::read_to_string(run.path("report/report.html")).unwrap();
    assert!(page.matches("<svg").count() >= 8 && page.contains("bakery") && !page.contains("http"));
}

#[test]
fn a_stopped_and_resumed_run_is_byte_equal_to_an_uninterrupted_one() {
    let options = ["--steps", "60", "--checkpoint-every", "7", "--average-over", "20", "--validate-every", "25"];
    let whole = Run::new(160);
    whole.succeed(&options);

    let killed = Run::new(160);
    killed.stop_at(20, "KILL", &options);
    killed.stop_at(40, "INT", &[&options[..], &["--resume"]].concat());
    assert!(!killed.exists("b.supmer"), "an interrupted run writes no bundle");
    killed.stop_at(50, "TERM", &[&options[..], &["--resume"]].concat());
    killed.succeed(&[&options[..], &["--resume"]].concat());
    assert_eq!(whole.bytes("run/metrics.jsonl"), killed.bytes("run/metrics.jsonl"));
    assert_eq!(whole.bytes("b.supmer"), killed.bytes("b.supmer"));

    let timed = Run::new(160);
    let said = timed.succeed(&[&options[..], &["--max-hours", "1e-6"]].concat());
    assert!(said.contains("go on with --resume"), "{said}");
    // A limit within the steps, found by doubling: the run on this machine takes what it takes.
    let mut hours = 1e-6;
    while timed.steps_done() == 0 {
        hours *= 2.0;
        timed.succeed(&[&options[..], &["--resume", "--max-hours", &hours.to_string()]].concat());
    }
    assert!(timed.steps_done() < 60, "the run was to stop before its end");
    timed.succeed(&[&options[..], &["--resume", "--threads", "1"]].concat());
    assert_eq!(whole.bytes("b.supmer"), timed.bytes("b.supmer"));
}

#[test]
fn so_is_one_with_label_heads_and_nothing_mixed() {
    let options = [
        &["--answer-loss", "head", "--mixing", "false", "--formats", "nsp,scsp,cloze", "--steps", "30"][..],
        &["--checkpoint-every", "7", "--average-over", "10", "--validate-every", "10"],
    ]
    .concat();
    let whole = Run::new(160);
    whole.succeed(&options);
    let killed = Run::new(160);
    killed.stop_at(15, "KILL", &options);
    killed.succeed(&[&options[..], &["--resume"]].concat());
    assert_eq!(whole.bytes("run/metrics.jsonl"), killed.bytes("run/metrics.jsonl"));
    assert_eq!(whole.bytes("b.supmer"), killed.bytes("b.supmer"));
}

#[test]
fn ablations_change_what_they_say() {
    let run = Run::new(160);
    let bundle = |more: &[&str]| {
        let run = Run::new(160);
        run.succeed(&[&["--steps", "3"], more].concat());
        Bundle::load(run.path("b.supmer")).unwrap()
    };
    let base = bundle(&["--start-share", "0"]);
    assert!(bundle(&["--rank", "0"]).regularization().is_none());
    let default = bundle(&[]);
    for more in [
        &["--similarity", "constant"][..],
        &["--formats", "cloze"],
        &["--last-task"],
        &["--seed", "2"],
        &["--mixing", "false"],
        &["--answer-loss", "head"],
        &["--init-text", ""],
        &["--average-over", "1"],
    ] {
        assert_ne!(bundle(more).prompt(), default.prompt(), "{more:?}");
    }
    let again = Run::new(160);
    again.succeed(&["--steps", "3"]);
    again.succeed(&["--steps", "3", "--resume", "--start-share", "1"]);
    let start = Bundle::load(again.path("b.supmer")).unwrap();
    for ((half, start), trained) in
        default.prompt().values().iter().zip(start.prompt().values()).zip(base.prompt().values())
    {
        assert!((half - 0.5 * (start + trained)).abs() <= 1e-6, "{half} is not between {start} and {trained}");
    }
    assert_ne!(start.prompt(), base.prompt());
    base.save(run.path("start.supmer")).unwrap();
    let start = run.path("start.supmer");
    run.succeed(&["--steps", "1", "--prompt-rate", "0", "--init-bundle", &start]);
    assert_eq!(Bundle::load(run.path("b.supmer")).unwrap().prompt(), base.prompt());
}

#[test]
fn what_cannot_be_trained_on_is_refused_by_name() {
    let run = Run::new(160);
    for (options, wanted) in [
        (&["--clusters", "5000"][..], "clusters"),
        (&["--held-out", "0"], "held_out"),
        (&["--prompt-length", "2000"], "context"),
        (&["--memory-limit", "1"], "memory limit"),
        (&["--steps", "0"], "steps"),
        (&["--files", "missing.txt"], "missing.txt"),
        (&["--resume"], "no checkpoint to resume"),
        (&["--max-tokens", "9"], "shorten the template"),
        (&["--inner-rate", "nan"], "inner_rate"),
        (&["--start-share", "1.5"], "start_share"),
        (&["--most-classes", "3"], "--corpus"),
        (&["--validation-tasks", "1000000000"], "validation_tasks"),
    ] {
        let said = run.fail(options);
        assert!(said.contains(wanted), "{options:?}: {said}");
    }
    run.succeed(&["--steps", "2"]);
    assert!(run.fail(&["--steps", "2"]).contains("holds a run already"));
    assert!(run.fail(&["--steps", "3", "--resume"]).contains("other options"));
    let sentences = run.bytes("run/sentences.json");
    assert!(run.fail(&["--steps", "2", "--resume", "--files", "a.txt"]).contains("other text"));
    assert_eq!(run.bytes("run/sentences.json"), sentences, "what was refused left the run as it was");
    run.succeed(&["--steps", "2", "--resume"]);
}

#[test]
fn labelled_sets_can_take_the_place_of_text() {
    let run = Run::new(8);
    std::fs::create_dir(run.path("set")).unwrap();
    let task = r#"{"name": "tone", "template": "{text}\nTone:", "labels": [
        {"name": "bad", "verbalizer": " e"}, {"name": "good", "verbalizer": " a"}]}"#;
    std::fs::write(run.path("set/task.json"), task).unwrap();
    let row = |at: usize| {
        let (label, text) = [("bad", "it broke again"), ("good", "it works well")][at % 2];
        serde_json::json!({ "text": format!("{text} on day {at}"), "label": label }).to_string() + "\n"
    };
    std::fs::write(run.path("set/train.jsonl"), (0..20).map(row).collect::<String>()).unwrap();
    let set = run.path("set");
    run.succeed_on(&["--labelled", &set], &["--steps", "4"]);
    assert_eq!(Bundle::load(run.path("b.supmer")).unwrap().origin().corpus_digest, None);
    assert!(run.fail_on(&["--labelled", &set], &["--class-examples", "9"]).contains("rows are needed"));
    for of_text in [["--formats", "cloze"], ["--support", "16"], ["--validate-every", "100"]] {
        assert!(run.fail_on(&["--labelled", &set], &of_text).contains("--labelled"), "{of_text:?}");
    }
}

/// The recipe of the shipped bundle, but for steps, validation and what is too large for 200 documents. Three minutes are
/// what they may take on two cores.
#[cfg(feature = "real-model-tests")]
#[test]
fn two_hundred_documents_and_the_real_model() {
    let run = Run::new(200);
    let model = std::env::var("SUPMER_MODEL").expect("SUPMER_MODEL names the demo model; `make test` sets it");
    let steps = ["--steps", "2", "--tasks-per-step", "1", "--validate-every", "0"];
    let options = [&steps[..], &["--clusters", "8", "--held-out", "0.5"]].concat();
    run.succeed_within(std::time::Duration::from_secs(180), &model, &options);
    let bundle = Bundle::load(run.path("b.supmer")).unwrap();
    let prompt = bundle.prompt();
    assert_eq!((prompt.rows(), prompt.width(), bundle.regularization().is_some()), (20, 576, true));
    assert!(bundle.to_bytes().unwrap().len() < 1_000_000);
    let losses: Vec<f64> = run.metrics().iter().filter_map(|line| line["query_loss"].as_f64()).collect();
    assert!(losses.len() == 2 && losses.iter().all(|loss| (0.0..10.0).contains(loss)), "{losses:?}");
}
