//! Label heads on real networks: the gradient through the answer states, scores, and adapters that hold a head.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use supmer::adapt::{AnswerLoss, Control};
use supmer::backbone::{LabelTrie, Readout, Sequence, Wanted};
use supmer::interchange::peft::export_peft;
use supmer::runtime::Random;
use supmer::{
    AdaptOptions, Adapter, Cancel, Example, Label, LabelHead, Model, ModelOptions, PredictOptions, SoftPrompt, Status,
    Task, WeightMode, adapt, predict,
};

const TEXTS: [&[u32]; 3] = [&[5, 9, 12, 40], &[7, 7, 31], &[60, 2, 19, 8, 33, 21]];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The texts, with answers that nobody reads.
fn batch() -> Vec<Sequence> {
    TEXTS.iter().zip(1..).map(|(text, length)| Sequence::new(text.to_vec(), vec![3; length])).collect()
}

fn model(name: &str, options: ModelOptions) -> Arc<Model> {
    Model::load(fixture(name), &options).unwrap()
}

fn prompt(model: &Model) -> SoftPrompt {
    let (d, mut random) = (model.backbone().width(), Random::new(4, "prompt"));
    SoftPrompt::new(3, d, (0..3 * d).map(|_| 0.4 * random.normal() as f32).collect()).unwrap()
}

/// Half the sum over texts of the squared distance of the state from a place of the text's own.
fn distance(d: usize) -> impl FnMut(usize, &[f32], &mut [f32]) -> f32 {
    move |first, states, gradient| {
        let mut sum = 0.0;
        for (i, (state, gradient)) in states.chunks_exact(d).zip(gradient.chunks_exact_mut(d)).enumerate() {
            for (j, (x, g)) in state.iter().zip(gradient).enumerate() {
                let gap = x - ((first + i) as f32 - j as f32 / d as f32);
                (*g, sum) = (gap, sum + 0.5 * gap * gap);
            }
        }
        sum
    }
}

#[test]
fn the_gradient_of_a_loss_of_answer_states_equals_finite_differences() {
    // The T5's weights bend the loss more.
    for (name, step) in [("tiny-llama-tied", 1e-3), ("tiny-llama-untied", 1e-3), ("tiny-t5", 2e-4)] {
        for weights in [WeightMode::Stored, WeightMode::Expanded] {
            let model = model(name, ModelOptions { weights, ..ModelOptions::default() });
            let (backbone, prompt) = (model.backbone(), prompt(&model));
            let loss = |prompt: &SoftPrompt, wanted, limit| {
                let mut distance = distance(backbone.width());
                backbone.state_loss(prompt, &batch(), &mut distance, wanted, limit, &Cancel::new())
            };
            let made = loss(&prompt, Wanted::Gradient, 0).unwrap();
            let size = made.gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
            let mut random = Random::new(6, "directions");
            for _ in 0..8 {
                let direction: Vec<f32> = prompt.values().iter().map(|_| random.normal() as f32).collect();
                let moved = |step: f32| {
                    let mut moved = prompt.clone();
                    moved.values_mut().iter_mut().zip(&direction).for_each(|(p, d)| *p += step * d);
                    loss(&moved, Wanted::Loss, 0).unwrap().loss
                };
                let slope = (moved(step) - moved(-step)) / (2.0 * step);
                let expected: f32 = made.gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
                let length = direction.iter().map(|d| d * d).sum::<f32>().sqrt();
                assert!((slope - expected).abs() < 1e-2 * size * length, "{name}: {slope} is not {expected}");
            }
            let limited = loss(&prompt, Wanted::Gradient, if name == "tiny-t5" { 400_000 } else { 60_000 }).unwrap();
            assert!((limited.loss - made.loss).abs() < 1e-4 * made.loss, "{name}");
            let worst = limited.gradient.iter().zip(&made.gradient).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4 * size, "{name}: {worst} of {size}");
            assert_eq!(loss(&prompt, Wanted::Gradient, 1_000).unwrap_err().status(), Status::MemoryLimit);
            let pooled = loss(&prompt, Wanted::GradientAndPooled, 0).unwrap();
            assert_eq!(pooled.pooled.len(), backbone.width());
        }
    }
}

#[test]
fn a_given_embedding_stands_for_a_token_in_an_answer_state() {
    for name in ["tiny-llama-tied", "tiny-t5"] {
        let model = model(name, ModelOptions::default());
        let (backbone, prompt) = (model.backbone(), prompt(&model));
        let loss = |batch: &[Sequence]| {
            let mut distance = distance(backbone.width());
            backbone.state_loss(&prompt, batch, &mut distance, Wanted::Loss, 0, &Cancel::new()).unwrap().loss
        };
        let mut row = vec![0.0; backbone.width()];
        backbone.embed(TEXTS[0][1], &mut row);
        let mut given = batch();
        given[0].text[1] = 2;
        assert_ne!(loss(&given), loss(&batch()), "{name}");
        given[0].given = vec![(1, row.into())];
        assert_eq!(loss(&given), loss(&batch()), "{name}");
    }
}

#[test]
fn a_head_of_the_verbalizers_rows_scores_like_the_verbalizers_also_beside_them() {
    for name in ["tiny-llama-tied", "tiny-llama-untied", "tiny-t5"] {
        let model = model(name, ModelOptions::default());
        let (backbone, d) = (model.backbone(), model.backbone().width());
        let tokens = [11u32, 17, 23];
        let mut rows = vec![0.0; tokens.len() * d];
        rows.chunks_exact_mut(d).zip(tokens).for_each(|(row, token)| backbone.output_row(token, row));
        let head = LabelHead::new(d, rows, vec![0.0; tokens.len()]).unwrap();
        let trie = LabelTrie::new(&tokens.map(|token| vec![token]));
        let long = LabelTrie::new(&[vec![11, 12], vec![17]]);
        let state = backbone.prompt_state(&prompt(&model), &Cancel::new()).unwrap();
        let score = |readouts: &[Readout<'_>]| {
            let texts = &TEXTS[..readouts.len()];
            backbone.score(&vec![&*state; texts.len()], texts, readouts, &Cancel::new()).unwrap()
        };
        let (by_head, by_trie) = (score(&[Readout::Head(&head); 3]), score(&[Readout::Verbalizers(&trie); 3]));
        for (head, trie) in by_head.iter().zip(&by_trie) {
            // Both are logits up to one constant a text.
            for c in 1..3 {
                let (a, b) = (head[c] - head[0], trie[c] - trie[0]);
                assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{name}: {a} is not {b}");
            }
        }
        let mixed = score(&[Readout::Verbalizers(&long), Readout::Head(&head), Readout::Verbalizers(&trie)]);
        let alone = score(&[Readout::Verbalizers(&long)]);
        for (a, b) in [(&mixed[0], &alone[0]), (&mixed[1], &by_head[1]), (&mixed[2], &by_trie[2])] {
            assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4), "{name}: {a:?}, {b:?}");
        }
        let narrow = LabelHead::new(d - 1, vec![0.0; d - 1], vec![0.0]).unwrap();
        let refused = backbone.score(&[&*state], &TEXTS[..1], &[Readout::Head(&narrow)], &Cancel::new()).unwrap_err();
        assert_eq!(refused.status(), Status::BackboneMismatch);
    }
}

fn task() -> Task {
    let label = |name: &str, verbalizer: &str| Label { name: name.to_owned(), verbalizer: verbalizer.to_owned() };
    Task::new("weather", "{text} So:", vec![label("wet", " rain"), label("dry", " no rain at all")]).unwrap()
}

fn rows(per_class: usize) -> Vec<Example> {
    let words = [["umbrellas", "puddles", "a soaked collar"], ["dust", "sun", "a clear sky"]];
    let row = |i: usize| Example::text(format!("{} on day {i}", words[i % 2][i / 2 % 3]), Some(["wet", "dry"][i % 2]));
    (0..2 * per_class).map(row).collect()
}

fn adapted(model: &Model) -> Adapter {
    let options = AdaptOptions {
        steps: 12,
        learning_rate: 0.02,
        prompt_length: 4,
        answer_loss: AnswerLoss::Head,
        dev_per_class: 4,
        ..AdaptOptions::default()
    };
    let done = adapt(model, &task(), &rows(14), None, &options, Control::default()).unwrap();
    assert_eq!((done.report.train_examples, done.report.dev_examples), (20, 8));
    done.adapter
}

#[test]
fn an_adapter_with_a_head_is_made_saved_and_used() {
    for name in ["tiny-llama-tied", "tiny-t5"] {
        let model = model(name, ModelOptions::default());
        let adapter = adapted(&model);
        let head = adapter.head().unwrap();
        assert_eq!((head.labels(), head.width()), (2, model.backbone().width()));
        let bytes = adapter.to_bytes().unwrap();
        let read = Adapter::from_bytes(&bytes).unwrap();
        assert_eq!(read.to_bytes().unwrap(), bytes);
        assert_eq!(read.head(), adapter.head());

        let predicted = |adapter: &Adapter| predict(&model, adapter, &rows(6), &PredictOptions::default()).unwrap();
        assert_eq!(predicted(&adapter), predicted(&read));
        let names = ["wet", "dry"];
        let mut right = 0;
        for (prediction, row) in predicted(&read).iter().zip(rows(6)) {
            right += usize::from(prediction.label.is_some_and(|label| row.label.as_deref() == Some(names[label])));
        }
        assert!(right >= 11, "{name}: {right} of 12");

        let peft = tempfile::tempdir().unwrap();
        let refused = export_peft(&adapter, &peft.path().join("peft"), None).unwrap_err();
        assert_eq!(refused.status(), Status::Unsupported);
        let other = LabelHead::new(head.width(), vec![0.0; 3 * head.width()], vec![0.0; 3]).unwrap();
        assert_eq!(adapter.with_head(other).unwrap_err().status(), Status::InvalidArgument);
    }
}

#[test]
fn the_file_does_not_depend_on_the_threads() {
    let bytes = |thread_count| {
        let options = ModelOptions { thread_count, ..ModelOptions::default() };
        adapted(&model("tiny-llama-tied", options)).to_bytes().unwrap()
    };
    let one = bytes(1);
    for thread_count in [2, 3, 8] {
        assert!(bytes(thread_count) == one, "{thread_count} threads");
    }
}
