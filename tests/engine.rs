//! The engine against numbers from transformers: tiny random networks as Hugging Face folders and GGUF files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::SafeTensors;
use serde::Deserialize;
use supmer::backbone::{LabelTrie, Mixture, Readout, Sequence, Wanted};
use supmer::kernels::Isa;
use supmer::{Cancel, Model, ModelOptions, SoftPrompt, Status, WeightMode};

#[derive(Deserialize)]
struct Expected {
    prompt_rows: usize,
    examples: Vec<Ids>,
    labels: Vec<Vec<u32>>,
    #[serde(default)]
    files: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Ids {
    text_ids: Vec<u32>,
    answer_ids: Vec<u32>,
}

impl Expected {
    fn read(folder: &Path) -> (Self, Vec<u8>) {
        let json = std::fs::read(folder.join("expected.json")).unwrap();
        (serde_json::from_slice(&json).unwrap(), std::fs::read(folder.join("expected.safetensors")).unwrap())
    }

    fn batch(&self) -> Vec<Sequence> {
        self.examples.iter().map(|e| Sequence::new(e.text_ids.clone(), e.answer_ids.clone())).collect()
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn tensor(tensors: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let bytes = tensors.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}")).data();
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

fn assert_close(what: &str, found: &[f32], expected: &[f32], bound: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    assert!(largest > 0.0, "{what}: nothing to compare with");
    let worst = found.iter().zip(expected).map(|(f, e)| (f - e).abs()).fold(0.0, f32::max);
    assert!(worst <= bound * largest, "{what}: off by {worst}, largest entry {largest}");
}

/// Every way to run a model: instruction sets that this machine has, stored and expanded weights, thread counts.
fn options() -> Vec<ModelOptions> {
    let sets = Isa::ALL.into_iter().filter(|isa| isa.is_available());
    let modes = [(WeightMode::Stored, 1), (WeightMode::Expanded, 3)];
    sets.flat_map(|isa| {
        modes.map(|(weights, thread_count)| ModelOptions {
            thread_count,
            weights,
            isa: Some(isa),
            ..ModelOptions::default()
        })
    })
    .collect()
}

fn check_model(path: &Path, expected: &Expected, tensors: &SafeTensors<'_>, prefix: &str) {
    let batch = expected.batch();
    for options in options() {
        let model = Model::load(path, &options).unwrap();
        let backbone = model.backbone();
        let what = |name: &str| format!("{}: {name} ({options:?})", path.display());
        // Rounded to bf16, factors keep 8 bits of 24; the random T5, whose loss is 15 nats, needs the widest bounds.
        let is_rounded = options.isa.is_some_and(Isa::is_rounded);
        let bound = |exact, rounded| if is_rounded { rounded } else { exact };
        let values = tensor(tensors, &format!("{prefix}prompt"));
        let prompt = SoftPrompt::new(expected.prompt_rows, backbone.width(), values).unwrap();
        let result = backbone.loss(&prompt, &batch, Wanted::Gradient, 0, &Cancel::new()).unwrap();
        assert_close(&what("loss"), &[result.loss], &tensor(tensors, &format!("{prefix}loss")), bound(1e-5, 1e-2));
        let gradient = tensor(tensors, &format!("{prefix}prompt_grad"));
        assert_close(&what("prompt gradient"), &result.gradient, &gradient, bound(1e-4, 1e-1));
        let only_loss = backbone.loss(&prompt, &batch, Wanted::Loss, 0, &Cancel::new()).unwrap();
        assert_eq!(only_loss.loss, result.loss);
        assert!(only_loss.gradient.is_empty());

        let trie = LabelTrie::new(&expected.labels);
        let texts: Vec<&[u32]> = batch.iter().map(|e| &e.text[..]).collect();
        for (prompt, prefix) in
            [(prompt, prefix.to_owned()), (SoftPrompt::empty(backbone.width()), format!("{prefix}noprompt."))]
        {
            let state = backbone.prompt_state(&prompt, &Cancel::new()).unwrap();
            let scores = backbone
                .score(
                    &vec![&*state; texts.len()],
                    &texts,
                    &vec![Readout::Verbalizers(&trie); texts.len()],
                    &Cancel::new(),
                )
                .unwrap();
            for (i, scores) in scores.iter().enumerate() {
                let name = format!("{prefix}label_scores.{i}");
                assert_close(&what(&name), scores, &tensor(tensors, &name), bound(2e-5, 2e-2));
            }
        }
    }
}

#[test]
fn folders_equal_transformers() {
    for name in ["tiny-llama-tied", "tiny-llama-untied", "tiny-llama-linear", "tiny-t5"] {
        let folder = fixtures().join(name);
        let (expected, bytes) = Expected::read(&folder);
        check_model(&folder, &expected, &SafeTensors::deserialize(&bytes).unwrap(), "");
    }
}

#[test]
fn gguf_files_of_every_format_equal_transformers() {
    let folder = fixtures().join("gguf");
    let (expected, bytes) = Expected::read(&folder);
    assert!(expected.files.len() >= 8);
    for name in expected.files.keys() {
        let path = folder.join(format!("{name}.gguf"));
        check_model(&path, &expected, &SafeTensors::deserialize(&bytes).unwrap(), &format!("{name}."));
    }
}

fn loss(model: &Model, prompt: &SoftPrompt, batch: &[Sequence]) -> f32 {
    model.backbone().loss(prompt, batch, Wanted::Loss, 0, &Cancel::new()).unwrap().loss
}

/// Central differences along random directions, through the whole network in both weight modes; the models have grouped
/// queries, so several query heads share the keys whose gradient is checked.
#[test]
fn gradient_equals_finite_differences() {
    check_gradient(|batch| batch);
}

#[test]
fn gradient_of_the_loss_over_labels_equals_finite_differences() {
    check_gradient(told_apart);
}

/// `batch` with every answer token told apart from two others.
fn told_apart(mut batch: Vec<Sequence>) -> Vec<Sequence> {
    for sequence in &mut batch {
        sequence.among = sequence.answer.iter().map(|&token| [token, 11, 17].into()).collect();
    }
    batch
}

fn check_gradient(change: impl Fn(Vec<Sequence>) -> Vec<Sequence>) {
    // The T5's weights bend the loss more.
    for (name, step) in [("tiny-llama-tied", 2e-3), ("tiny-llama-untied", 2e-3), ("tiny-t5", 3e-4)] {
        let folder = fixtures().join(name);
        let (expected, bytes) = Expected::read(&folder);
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let batch = change(expected.batch());
        for weights in [WeightMode::Stored, WeightMode::Expanded] {
            let model = Model::load(&folder, &ModelOptions { weights, ..ModelOptions::default() }).unwrap();
            let prompt =
                SoftPrompt::new(expected.prompt_rows, model.backbone().width(), tensor(&tensors, "prompt")).unwrap();
            let gradient =
                model.backbone().loss(&prompt, &batch, Wanted::Gradient, 0, &Cancel::new()).unwrap().gradient;
            let mut random = supmer::runtime::Random::new(3, "directions");
            let size: f32 = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
            for _ in 0..8 {
                let direction: Vec<f32> = gradient.iter().map(|_| (random.unit() * 2.0 - 1.0) as f32).collect();
                let moved = |sign: f32| {
                    let mut moved = prompt.clone();
                    moved.values_mut().iter_mut().zip(&direction).for_each(|(p, d)| *p += sign * step * d);
                    loss(&model, &moved, &batch)
                };
                let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step);
                let expected: f32 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
                let length: f32 = direction.iter().map(|d| d * d).sum::<f32>().sqrt();
                assert!((slope - expected).abs() < 5e-3 * size * length, "{name}: slope {slope}, gradient {expected}");
            }
        }
    }
}

/// Prompt, batch and model of a fixture.
fn fixture(name: &str) -> (Arc<Model>, SoftPrompt, Vec<Sequence>) {
    let folder = fixtures().join(name);
    let (expected, bytes) = Expected::read(&folder);
    let model = Model::load(&folder, &ModelOptions::default()).unwrap();
    let values = tensor(&SafeTensors::deserialize(&bytes).unwrap(), "prompt");
    let prompt = SoftPrompt::new(expected.prompt_rows, model.backbone().width(), values).unwrap();
    (model, prompt, expected.batch())
}

/// e is the mean over examples of the mean of their final hidden states at prompt and text rows.
#[test]
fn the_pooled_state_is_the_mean_of_the_final_hidden_states() {
    for name in ["tiny-llama-tied", "tiny-llama-untied", "tiny-llama-linear"] {
        let (model, prompt, batch) = fixture(name);
        let (_, bytes) = Expected::read(&fixtures().join(name));
        let (tensors, d) = (SafeTensors::deserialize(&bytes).unwrap(), prompt.width());
        let mut expected = vec![0.0; d];
        for (i, example) in batch.iter().enumerate() {
            let rows = tensor(&tensors, &format!("final_hidden.{i}"));
            assert_eq!(rows.len(), (prompt.rows() + example.text.len()) * d);
            let share = d as f32 / (rows.len() * batch.len()) as f32;
            rows.chunks_exact(d).for_each(|row| expected.iter_mut().zip(row).for_each(|(e, x)| *e += share * x));
        }
        for limit in [0, 400_000] {
            let made = model.backbone().loss(&prompt, &batch, Wanted::GradientAndPooled, limit, &Cancel::new());
            assert_close(name, &made.unwrap().pooled, &expected, 1e-5);
        }
    }
}

#[test]
fn a_batch_mixed_with_itself_has_its_own_loss() {
    for (name, limit) in [("tiny-llama-untied", 260_000), ("tiny-t5", 2_000_000)] {
        let (model, prompt, mut batch) = fixture(name);
        let (backbone, cancel) = (model.backbone(), Cancel::new());
        // Of longer answers a T5 mixes the first token alone.
        batch.iter_mut().for_each(|e| e.answer.truncate(1));
        let plain = backbone.loss(&prompt, &batch, Wanted::GradientAndPooled, 0, &cancel).unwrap();
        let cheap = backbone.loss(&prompt, &batch, Wanted::Gradient, 0, &cancel).unwrap();
        assert_close("gradient beside the pooled state", &plain.gradient, &cheap.gradient, 1e-5);
        for (lambda, limit) in [(0.0, 0), (0.3, 0), (1.0, limit)] {
            let mixture = Mixture { own: &batch, other: &batch, lambda };
            let mixed = backbone.mixture_loss(&prompt, mixture, limit, &cancel).unwrap();
            assert_close("loss", &[mixed.loss], &[plain.loss], 1e-5);
            assert_close("gradient", &mixed.gradient, &plain.gradient, 1e-4);
        }
        let short = Mixture { own: &batch, other: &batch[1..], lambda: 0.5 };
        let refused = backbone.mixture_loss(&prompt, short, 0, &cancel).unwrap_err();
        assert_eq!(refused.status(), supmer::Status::InvalidArgument);
    }
}

#[test]
fn a_task_that_weighs_nothing_changes_nothing() {
    for name in ["tiny-llama-untied", "tiny-t5"] {
        let (model, prompt, mut own) = fixture(name);
        let (backbone, cancel) = (model.backbone(), Cancel::new());
        own.iter_mut().for_each(|e| e.answer.truncate(1));
        let other: Vec<Sequence> = own.iter().cloned().rev().collect();
        assert!(own.iter().zip(&other).any(|(a, b)| a.text.len() < b.text.len()));
        let plain = backbone.loss(&prompt, &own, Wanted::Gradient, 0, &cancel).unwrap();
        let mixture = Mixture { own: &own, other: &other, lambda: 1.0 };
        let mixed = backbone.mixture_loss(&prompt, mixture, 0, &cancel).unwrap();
        assert_close("loss", &[mixed.loss], &[plain.loss], 1e-5);
        assert_close("gradient", &mixed.gradient, &plain.gradient, 1e-4);
    }
}

/// Central differences along random directions for two batches that differ, and the entropy of the mixed target: at the
/// same hidden states KL(T || p) = lambda CE(y) + (1 - lambda) CE(y') - H(T).
#[test]
fn the_gradient_of_a_mixture_equals_finite_differences() {
    for name in ["tiny-llama-tied", "tiny-t5"] {
        check_mixture(name, |batch| batch);
        check_mixture(name, told_apart);
    }
}

fn check_mixture(name: &str, change: impl Fn(Vec<Sequence>) -> Vec<Sequence>) {
    let (model, prompt, batch) = fixture(name);
    let (backbone, cancel) = (model.backbone(), Cancel::new());
    let one_token = |at: usize, answer: u32| Sequence::new(batch[at].text.clone(), vec![answer]);
    let batch_of = |sequences: [Sequence; 2]| change(sequences.to_vec());
    let (own, other) = (batch_of([one_token(0, 5), one_token(1, 6)]), batch_of([one_token(1, 7), one_token(0, 6)]));
    let of = |prompt: &SoftPrompt, lambda| {
        backbone.mixture_loss(prompt, Mixture { own: &own, other: &other, lambda }, 0, &cancel).unwrap()
    };
    let (at, gradient) = (of(&prompt, 0.7).loss, of(&prompt, 0.7).gradient);
    let swapped = Mixture { own: &other, other: &own, lambda: 0.3 };
    assert_close("swapped", &[backbone.mixture_loss(&prompt, swapped, 0, &cancel).unwrap().loss], &[at], 1e-5);

    // What is told apart must be the same for the sum below to hold.
    let all = |sequences: Vec<Sequence>| -> Vec<Sequence> {
        sequences.into_iter().map(|s| Sequence::new(s.text, s.answer)).collect()
    };
    let (own, same_text) = (all(own.clone()), [one_token(0, 8), one_token(1, 9)]);
    let same = Mixture { own: &own, other: &same_text, lambda: 0.7 };
    let cross = 0.7 * loss(&model, &prompt, &own) + 0.3 * loss(&model, &prompt, &same_text);
    let entropy = -(0.7f32.ln() * 0.7 + 0.3f32.ln() * 0.3);
    let mixed = backbone.mixture_loss(&prompt, same, 0, &cancel).unwrap().loss;
    assert_close("KL", &[mixed], &[cross - entropy], 1e-5);

    let mut random = supmer::runtime::Random::new(4, "directions");
    let size: f32 = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
    for _ in 0..8 {
        let direction: Vec<f32> = gradient.iter().map(|_| (random.unit() * 2.0 - 1.0) as f32).collect();
        let moved = |step: f32| {
            let mut moved = prompt.clone();
            moved.values_mut().iter_mut().zip(&direction).for_each(|(p, d)| *p += step * d);
            of(&moved, 0.7).loss
        };
        let slope = (moved(2e-3) - moved(-2e-3)) / 4e-3;
        let expected: f32 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
        let length: f32 = direction.iter().map(|d| d * d).sum::<f32>().sqrt();
        assert!((slope - expected).abs() < 5e-3 * size * length, "slope {slope}, gradient {expected}");
    }
}

#[test]
fn a_given_embedding_stands_for_a_token() {
    for name in ["tiny-llama-tied", "tiny-t5"] {
        let (model, prompt, batch) = fixture(name);
        let backbone = model.backbone();
        let mut given = batch.clone();
        let mut row = vec![0.0; backbone.width()];
        backbone.embed(given[1].text[0], &mut row);
        given[1].text[0] = 0;
        given[1].given.push((0, row.into()));
        assert_eq!(loss(&model, &prompt, &given), loss(&model, &prompt, &batch), "{name}");
        given[1].given[0].0 = given[1].text.len();
        let refused = backbone.loss(&prompt, &given, Wanted::Loss, 0, &Cancel::new()).unwrap_err();
        assert_eq!(refused.status(), supmer::Status::InvalidArgument);
    }
}

#[test]
fn micro_batches_and_thread_counts_change_nothing_that_matters() {
    // The limits hold some of the examples, but not all.
    for (name, limit) in [("tiny-llama-tied", 120_000), ("tiny-t5", 1_000_000)] {
        check_micro_batches_and_thread_counts(name, limit);
    }
}

fn check_micro_batches_and_thread_counts(name: &str, limit: usize) {
    let folder = fixtures().join(name);
    let (expected, bytes) = Expected::read(&folder);
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let batch = expected.batch();
    let load = |thread_count| Model::load(&folder, &ModelOptions { thread_count, ..ModelOptions::default() }).unwrap();
    let run = |model: &Arc<Model>, limit| {
        let prompt =
            SoftPrompt::new(expected.prompt_rows, model.backbone().width(), tensor(&tensors, "prompt")).unwrap();
        model.backbone().loss(&prompt, &batch, Wanted::Gradient, limit, &Cancel::new())
    };
    let one = run(&load(1), 0).unwrap();
    for count in [2, 3, 8] {
        let other = run(&load(count), 0).unwrap();
        assert_eq!(one.loss.to_bits(), other.loss.to_bits());
        let bits = |g: &[f32]| g.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&one.gradient), bits(&other.gradient), "gradient with {count} threads");
    }
    let model = load(2);
    let limited = run(&model, limit).unwrap();
    assert_close("limited gradient", &limited.gradient, &one.gradient, 1e-5);
    let error = run(&model, 1_000).unwrap_err();
    assert_eq!(error.status(), supmer::Status::MemoryLimit);
}

#[test]
fn a_requested_cancel_stops_the_pass() {
    for name in ["tiny-llama-tied", "tiny-t5"] {
        let model = Model::load(fixtures().join(name), &ModelOptions::default()).unwrap();
        let cancel = Cancel::new();
        cancel.request();
        let batch = [Sequence::new(vec![1, 2], vec![3])];
        let prompt = SoftPrompt::empty(model.backbone().width());
        let error = model.backbone().loss(&prompt, &batch, Wanted::Gradient, 0, &cancel).unwrap_err();
        assert_eq!(error.status(), supmer::Status::Cancelled);
    }
}

#[test]
fn texts_answers_and_labels_without_tokens_are_refused() {
    for name in ["tiny-llama-tied", "tiny-t5"] {
        let model = Model::load(fixtures().join(name), &ModelOptions::default()).unwrap();
        let (backbone, cancel) = (model.backbone(), Cancel::new());
        let prompt = SoftPrompt::empty(backbone.width());
        let whole = Sequence::new(vec![5, 6], vec![7]);
        for (text, answer) in [(vec![], vec![7]), (vec![5], vec![])] {
            let batch = [whole.clone(), Sequence::new(text, answer)];
            let refused = backbone.loss(&prompt, &batch, Wanted::Gradient, 0, &cancel).unwrap_err();
            assert_eq!(refused.status(), Status::InvalidArgument, "{name}");
            let mixture = Mixture { own: &batch, other: &batch, lambda: 0.5 };
            assert_eq!(backbone.mixture_loss(&prompt, mixture, 0, &cancel).unwrap_err().status(), refused.status());
        }
        let unread = [whole, Sequence::new(vec![], vec![7])];
        let refused = backbone.state_loss(&prompt, &unread, &mut |_, _, _| 0.0, Wanted::Loss, 0, &cancel).unwrap_err();
        assert_eq!(refused.status(), Status::InvalidArgument, "{name}");
        let state = backbone.prompt_state(&prompt, &cancel).unwrap();
        let (trie, hollow) = (LabelTrie::new(&[vec![7], vec![8]]), LabelTrie::new(&[vec![7], vec![]]));
        for (text, trie) in [(&[][..], &trie), (&[5][..], &hollow)] {
            let readouts = [Readout::Verbalizers(trie); 2];
            let refused = backbone.score(&[&*state; 2], &[&[5, 6], text], &readouts, &cancel).unwrap_err();
            assert_eq!(refused.status(), Status::InvalidArgument, "{name}");
        }
    }
}

#[test]
fn a_step_fits_the_memory_that_its_footprint_says_with_the_prompts_gradient_for_every_span() {
    let model = Model::load(fixtures().join("tiny-llama-tied"), &ModelOptions::default()).unwrap();
    let backbone = model.backbone();
    let training = backbone.footprint().training;
    // 2 key heads of 8: gradients to keys and values, f32.
    assert_eq!(training.prompt_row, 4 * 2 * 16);
    let prompt = SoftPrompt::new(3, backbone.width(), vec![0.1; 3 * backbone.width()]).unwrap();
    let batch = [Sequence::new(vec![5, 6, 7], vec![8])];
    // The answer's only token is predicted, not read.
    let needed = training.of(3, [(3, 1)]) - training.text_row;
    let step = |limit| backbone.loss(&prompt, &batch, Wanted::Gradient, limit, &Cancel::new());
    assert_eq!(step(needed - 1).unwrap_err().status(), Status::MemoryLimit);
    step(needed).unwrap();
}
