//! The meta step on real backbones with real tokenizers: its gradients by finite differences, and a short run from texts
//! to a bundle that adaptation, prediction and evaluation use.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use supmer::adapt::Control;
use supmer::backbone::{Mixture, Sequence, Wanted};
use supmer::bundle::{Origin, Regularization};
use supmer::gradient_regularizer::Shape;
use supmer::predict::PreparedTask;
use supmer::runtime::Random;
use supmer::train::{BackboneLearner, Curriculum, MetaOptions, MetaState, MetaTask, Similarity};
use supmer::{
    AdaptOptions, Bundle, Cancel, Example, GradientRegularizer, Label, Model, ModelOptions, PredictOptions, SoftPrompt,
    Task, adapt, predict,
};

const FIXTURES: [&str; 2] = ["tiny-llama-tied", "tiny-t5"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn model(name: &str) -> Arc<Model> {
    Model::load(fixture(name), &ModelOptions::default()).unwrap()
}

/// A task whose labels are single tokens of both tokenizers, and its texts.
fn task(subject: &str) -> Task {
    let label = |name: &str, verbalizer: &str| Label { name: name.to_owned(), verbalizer: verbalizer.to_owned() };
    Task::new(subject, &format!("{{text}} The {subject} is"), vec![label("wet", "a"), label("dry", "e")]).unwrap()
}

fn rows(count: usize, words: [&str; 2]) -> Vec<Example> {
    (0..count).map(|i| Example::text(format!("{} on day {i}", words[i % 2]), Some(["wet", "dry"][i % 2]))).collect()
}

/// Labelled rows as the meta step reads them, one answer token each.
fn batch(model: &Model, task: &Task, rows: &[Example]) -> Vec<Sequence> {
    let tokenizer = model.backbone().tokenizer();
    let prepared = PreparedTask::new(task, tokenizer, 64).unwrap();
    let mut batch = Vec::new();
    for row in rows {
        let label = task.label_index(row.label.as_deref().unwrap()).unwrap();
        let answer = vec![*prepared.verbalizers()[label].last().unwrap()];
        batch.push(Sequence::new(prepared.fill(row, tokenizer).unwrap(), answer));
    }
    batch
}

fn meta_task(model: &Model) -> MetaTask<Vec<Sequence>> {
    let of = |subject: &str, words| batch(model, &task(subject), &rows(6, words));
    let (rain, wind) = (of("street", ["umbrellas", "dust"]), of("coat", ["a soaked collar", "a warm sleeve"]));
    MetaTask {
        support: vec![rain[..2].to_vec(), rain[2..4].to_vec()],
        query: vec![(rain[4..].to_vec(), wind[..2].to_vec())],
        partner_support: Vec::new(),
        domain_similarity: 0.6,
    }
}

fn start(model: &Model) -> MetaState {
    let d = model.backbone().width();
    let mut random = Random::new(3, "start");
    let values = (0..4 * d).map(|_| 0.3 * random.normal() as f32).collect();
    let psi = GradientRegularizer::random(Shape { width: d, rank: 3, layers: 2 }, 9).unwrap();
    MetaState::new(SoftPrompt::new(4, d, values).unwrap(), Some(psi))
}

/// Moves along the gradient and along random directions must change the loss as the gradient says.
fn check_slopes(what: &str, gradient: &[f32], step: f32, loss: impl Fn(&[f32]) -> f64) {
    let mut random = Random::new(8, "directions");
    let size = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
    assert!(size > 0.0, "{what}");
    for turn in 0..4 {
        let mut direction: Vec<f32> = match turn {
            0 => gradient.to_vec(),
            _ => gradient.iter().map(|g| g + size * random.normal() as f32 / (gradient.len() as f32).sqrt()).collect(),
        };
        let length = direction.iter().map(|x| x * x).sum::<f32>().sqrt();
        direction.iter_mut().for_each(|x| *x *= step / length);
        let back: Vec<f32> = direction.iter().map(|x| -x).collect();
        let slope = (loss(&direction) - loss(&back)) / 2.0;
        let expected: f64 = gradient.iter().zip(&direction).map(|(g, x)| f64::from(g * x)).sum();
        let bound = 0.03 * f64::from(size * step);
        assert!((slope - expected).abs() < bound, "{what}, direction {turn}: {slope:e} is not {expected:e}");
    }
}

#[test]
fn finite_differences_confirm_theta_and_phi_through_psi() {
    for name in FIXTURES {
        let model = model(name);
        let learner = BackboneLearner { backbone: model.backbone(), memory_limit: 0, label_heads: false };
        let (state, task, cancel) = (start(&model), meta_task(&model), Cancel::new());
        let options = MetaOptions { inner_rate: 0.2, gate_weight: 0.0, ..MetaOptions::default() };
        let step = |mut state: MetaState| {
            state.step(&learner, std::slice::from_ref(&task), &options, &mut |_| 0.7, &cancel).unwrap()
        };
        let record = step(state.clone());
        check_slopes(&format!("{name}: phi"), &record.phi_gradient, 2e-3, |by| {
            let mut moved = state.clone();
            let phi = moved.regularizer.as_mut().unwrap().values_mut();
            phi.iter_mut().zip(by).for_each(|(p, by)| *p += by);
            step(moved).tasks[0].query_loss
        });

        // theta' = theta - eta psi(G, e), with G and e held (first order): moving theta moves theta'.
        let mut raw = vec![0.0; state.prompt.values().len()];
        let mut pooled = vec![0.0; state.prompt.width()];
        for batch in &task.support {
            let made = model.backbone().loss(&state.prompt, batch, Wanted::GradientAndPooled, 0, &cancel).unwrap();
            raw.iter_mut().zip(made.gradient).for_each(|(sum, g)| *sum += g / 2.0);
            pooled.iter_mut().zip(made.pooled).for_each(|(sum, e)| *sum += e / 2.0);
        }
        let psi = state.regularizer.as_ref().unwrap().apply(&raw, &pooled, options.rescaling).unwrap();
        check_slopes(&format!("{name}: theta"), &record.prompt_gradient, 2e-3, |by| {
            let mut moved = state.prompt.clone();
            let values = moved.values_mut().iter_mut().zip(&psi.gradient).zip(by);
            values.for_each(|((p, g), by)| *p += by - options.inner_rate * g);
            let (own, other) = &task.query[0];
            let mixture = Mixture { own, other, lambda: 0.7 };
            f64::from(model.backbone().mixture_loss(&moved, mixture, 0, &cancel).unwrap().loss)
        });
    }
}

#[test]
fn two_inner_steps_are_one_after_the_other_and_a_clipped_one_has_its_length() {
    let model = model(FIXTURES[0]);
    let learner = BackboneLearner { backbone: model.backbone(), memory_limit: 0, label_heads: false };
    let (state, task, cancel) = (start(&model), meta_task(&model), Cancel::new());
    let one = MetaOptions { inner_rate: 0.2, ..MetaOptions::default() };
    let adapted = |state: &MetaState, options: &MetaOptions| state.adapted(&learner, &task, options, &cancel).unwrap();
    let mut moved = state.clone();
    moved.prompt = adapted(&state, &one);
    assert_eq!(adapted(&moved, &one), adapted(&state, &MetaOptions { inner_steps: 2, ..one.clone() }));

    let plain = MetaState::new(state.prompt.clone(), None);
    let clipped = adapted(&plain, &MetaOptions { inner_clip: 1e-3, ..one });
    let squares = clipped.values().iter().zip(plain.prompt.values()).map(|(a, b)| f64::from(a - b).powi(2));
    let length = squares.sum::<f64>().sqrt();
    assert!((length - 0.2e-3).abs() < 2e-6, "{length}");
}

#[test]
fn a_step_without_inner_steps_or_support_examples_is_refused() {
    let (model, cancel) = (model(FIXTURES[0]), Cancel::new());
    let (state, task, options) = (start(&model), meta_task(&model), MetaOptions::default());
    let none = MetaOptions { inner_steps: 0, ..options.clone() };
    let empty = MetaTask { support: Vec::new(), ..task.clone() };
    for label_heads in [false, true] {
        let learner = BackboneLearner { backbone: model.backbone(), memory_limit: 0, label_heads };
        for (task, options, status) in
            [(&task, &none, supmer::Status::InvalidOption), (&empty, &options, supmer::Status::InvalidArgument)]
        {
            let mut moved = state.clone();
            let tasks = std::slice::from_ref(task);
            let stepped = moved.step(&learner, tasks, options, &mut |_| 0.5, &cancel).unwrap_err();
            let validated = state.validate(&learner, task, options, &cancel).unwrap_err();
            assert_eq!((stepped.status(), validated.status()), (status, status));
            assert_eq!((moved.step, &moved.prompt), (0, &state.prompt));
        }
    }
}

#[test]
fn without_a_curriculum_mixing_weights_keep_their_distribution_and_the_gate_its_similarity() {
    let model = model(FIXTURES[0]);
    let learner = BackboneLearner { backbone: model.backbone(), memory_limit: 0, label_heads: false };
    let steps = |similarity| {
        let (mut state, tasks) = (start(&model), [meta_task(&model)]);
        let options = MetaOptions { similarity, prompt_rate: 0.0, phi_rate: 0.0, ..MetaOptions::default() };
        [0, 1].map(|_| state.step(&learner, &tasks, &options, &mut |_| 0.5, &Cancel::new()).unwrap())
    };
    let (live, constant, dead) = (steps(Similarity::Live), steps(Similarity::Constant), steps(Similarity::Dead));
    let at_half = Curriculum::default().b(0.5);
    assert_eq!(constant.each_ref().map(|record| record.beta_b), [at_half; 2]);
    assert!(live[0].beta_b < 1e-6 && live[1].beta_b != at_half);
    assert_eq!(constant.each_ref().map(|record| &record.tasks), live.each_ref().map(|record| &record.tasks));
    assert_ne!(live[1].tasks[0].similarity, 0.5);
    assert_eq!(dead[1].tasks[0].similarity, 0.5);
}

#[test]
fn a_short_run_gives_a_bundle_that_all_commands_use() {
    for name in FIXTURES {
        let model = model(name);
        let learner = BackboneLearner { backbone: model.backbone(), memory_limit: 0, label_heads: false };
        let (mut state, task) = (start(&model), meta_task(&model));
        let options = MetaOptions { steps: 30, prompt_rate: 0.02, inner_rate: 0.05, ..MetaOptions::default() };
        let mut random = Random::new(1, "lambda");
        let before = state.validate(&learner, &task, &options, &Cancel::new()).unwrap();
        for _ in 0..options.steps {
            let mut draw = |b| options.curriculum.draw(b, &mut random);
            let tasks = [task.clone(), task.clone()];
            let record = state.step(&learner, &tasks, &options, &mut draw, &Cancel::new()).unwrap();
            assert!(record.tasks.iter().all(|t| (0.0..=1.0).contains(&t.similarity)), "{record:?}");
        }
        let after = state.validate(&learner, &task, &options, &Cancel::new()).unwrap();
        assert!(after < 0.95 * before, "{name}: validation loss {before} -> {after}");

        let fingerprint = Some(model.backbone().fingerprint().clone());
        let psi = Regularization { regularizer: state.regularizer.unwrap(), rescaling: options.rescaling };
        let bundle = Bundle::new(state.prompt, Some(psi), Origin { fingerprint, ..Origin::default() }).unwrap();
        use_everywhere(name, &model, &bundle);
    }
}

#[test]
fn heads_fitted_to_each_task_are_learned_with() {
    for name in FIXTURES {
        let model = model(name);
        let learner = BackboneLearner { backbone: model.backbone(), memory_limit: 0, label_heads: true };
        let (mut state, mut task, cancel) = (start(&model), meta_task(&model), Cancel::new());
        let options = MetaOptions { steps: 30, prompt_rate: 0.05, inner_rate: 0.05, ..MetaOptions::default() };
        let refused = state.validate(&learner, &task, &options, &cancel).unwrap_err();
        assert_eq!(refused.status(), supmer::Status::InvalidArgument, "{name}");

        let answers: Arc<[u32]> = task.support[0].iter().map(|sequence| sequence.answer[0]).collect();
        let (own, other) = &mut task.query[0];
        for sequence in task.support.iter_mut().flatten().chain(own).chain(other) {
            sequence.among = vec![answers.clone()];
        }
        let before = state.validate(&learner, &task, &options, &cancel).unwrap();
        for _ in 0..options.steps {
            state.step(&learner, std::slice::from_ref(&task), &options, &mut |_| 0.5, &cancel).unwrap();
        }
        let after = state.validate(&learner, &task, &options, &cancel).unwrap();
        assert!(after < 0.95 * before, "{name}: validation loss {before} -> {after}");
    }
}

fn use_everywhere(name: &str, model: &Model, bundle: &Bundle) {
    let (task, train) = (task("street"), rows(8, ["umbrellas", "dust"]));
    let shared = Arc::new(bundle.clone());
    let options = AdaptOptions { bundle: Some(shared), steps: 5, max_tokens: 64, ..bundle.advised() };
    let done = adapt(model, &task, &train, None, &options, Control::default()).unwrap();
    assert_eq!(done.adapter.lineage().method, "supmer");
    assert!(done.report.steps.iter().all(|step| step.regularized.is_some()));
    let predictions = predict(model, &done.adapter, &train, &PredictOptions::default()).unwrap();
    assert!(predictions.iter().all(|p| (p.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5));

    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.path().join(file).to_str().unwrap().to_owned();
    bundle.save(path("b.supmer")).unwrap();
    std::fs::write(path("task.json"), serde_json::to_vec(&task).unwrap()).unwrap();
    let lines: String = train
        .iter()
        .map(|row| serde_json::json!({ "text": row.fields["text"], "label": row.label }).to_string() + "\n")
        .collect();
    for file in ["train.jsonl", "test.jsonl"] {
        std::fs::write(path(file), &lines).unwrap();
    }
    let model = fixture(name).to_str().unwrap().to_owned();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_supmer")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let (task, bundle, adapter) = (path("task.json"), path("b.supmer"), path("a.supmer"));
    let common = ["--model", &model, "--task", &task, "--bundle", &bundle, "--steps", "3"];
    run(&[&["adapt", "--train", &path("train.jsonl"), "--out", &adapter], common.as_slice()].concat());
    run(&["predict", "--model", &model, "--adapter", &adapter, "--input", &path("test.jsonl")]);
    let more = ["--shots", "2", "--seeds", "13", "--methods", "zero-shot,supmer,supmer-no-psi"];
    let eval = ["eval", "--data", folder.path().to_str().unwrap(), "--out", &path("results.json")];
    run(&[eval.as_slice(), &more, &common].concat());
    let results: serde_json::Value = serde_json::from_slice(&std::fs::read(path("results.json")).unwrap()).unwrap();
    assert_eq!(results["methods"].as_array().unwrap().len(), 3);
}
