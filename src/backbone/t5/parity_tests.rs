//! The network against the numbers of tests/fixtures/parity.

use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::batch::{Example, Padding, Tensors};
use super::network::{EncoderOutput, T5Network};
use crate::kernels::Isa;
use crate::model::{ModelOptions, WeightMode};
use crate::runtime::{Cancel, Random};
use crate::soft_prompt::SoftPrompt;

const CASES: [&str; 2] = ["v10", "v11"];
/// Of each tensor's largest entry (README.md there: fair for everything).
const BOUND: f32 = 1e-4;

fn folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity").join(case)
}

struct Fixture {
    inputs: Vec<u8>,
    expected: Vec<u8>,
}

impl Fixture {
    fn read(case: &str) -> Self {
        let read = |name| std::fs::read(folder(case).join(name)).unwrap();
        Self { inputs: read("inputs.safetensors"), expected: read("expected.safetensors") }
    }

    fn expected(&self, name: &str) -> Vec<f32> {
        floats(&self.expected, name)
    }

    fn input(&self, name: &str) -> Vec<f32> {
        floats(&self.inputs, name)
    }

    fn prompt(&self, values: Vec<f32>) -> SoftPrompt {
        SoftPrompt::new(5, 32, values).unwrap()
    }

    fn batch(&self, prefix: &str, padding: Padding) -> Vec<Example> {
        let tensors = SafeTensors::deserialize(&self.inputs).unwrap();
        let ids = |field: &str| -> Vec<i64> {
            let tensor = tensors.tensor(&format!("{prefix}.{field}")).unwrap();
            assert_eq!(tensor.dtype(), Dtype::I64);
            tensor.data().as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect()
        };
        let count = tensors.tensor(&format!("{prefix}.labels")).unwrap().shape()[0];
        let tensors = Tensors {
            count,
            input_ids: &ids("input_ids"),
            attention_mask: &ids("attention_mask"),
            decoder_input_ids: &ids("decoder_input_ids"),
            decoder_attention_mask: &ids("decoder_attention_mask"),
            labels: &ids("labels"),
            loss_ids: &ids("loss_ids"),
        };
        tensors.examples(padding).unwrap()
    }
}

fn floats(bytes: &[u8], name: &str) -> Vec<f32> {
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let tensor = tensors.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    match tensor.dtype() {
        Dtype::F32 => tensor.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F64 => tensor.data().as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        other => panic!("{name} is {other:?}"),
    }
}

fn load(case: &str, options: &ModelOptions) -> T5Network {
    T5Network::load(&folder(case), options).unwrap()
}

fn assert_close(what: &str, found: &[f32], expected: &[f32], bound: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    assert!(largest > 0.0, "{what}: nothing to compare with");
    let worst = found.iter().zip(expected).map(|(f, e)| (f - e).abs()).fold(0.0, f32::max);
    assert!(worst <= bound * largest, "{what}: off by {worst}, largest entry {largest}");
}

struct Pass {
    output: EncoderOutput,
    logits: Vec<f32>,
    loss: f32,
    gradient: Vec<f32>,
}

/// Plain loss and its gradient to the prompt.
fn run(network: &T5Network, prompt: &SoftPrompt, batch: &[Example], centers: &[f32]) -> Pass {
    let cancel = Cancel::new();
    let encoded = network.encode(prompt, batch, centers, &cancel).unwrap();
    let mut decoded = network.decode(&encoded.output, batch, &cancel).unwrap();
    let logits = decoded.logits.clone();
    let (loss, dlogits) = network.plain_loss(std::mem::take(&mut decoded.logits), batch).unwrap();
    let dhidden = network.decode_backward(&encoded.output, &decoded, &dlogits, &cancel).unwrap();
    let gradient = network.encode_backward(&encoded, &dhidden, &cancel).unwrap();
    Pass { output: encoded.output, logits, loss, gradient }
}

fn options() -> impl Iterator<Item = ModelOptions> {
    let sets = Isa::ALL.into_iter().filter(|isa| isa.is_available() && !isa.is_rounded());
    let modes = [(WeightMode::Stored, 1), (WeightMode::Expanded, 3)];
    sets.flat_map(move |isa| {
        modes.map(|(weights, thread_count)| ModelOptions {
            weights,
            thread_count,
            isa: Some(isa),
            ..Default::default()
        })
    })
}

#[test]
fn encoder_logits_loss_and_gradient_equal_the_published_classes() {
    for case in CASES {
        let fixture = Fixture::read(case);
        let prompt = fixture.prompt(fixture.input("prompt"));
        let centers = fixture.input("cluster_centers");
        for options in options() {
            let network = load(case, &options);
            let close = |name: &str, found: &[f32]| {
                assert_close(&format!("{case} {name} {options:?}"), found, &fixture.expected(name), BOUND);
            };
            let pass = run(&network, &prompt, &fixture.batch("spt", Padding::AsPublished), &[]);
            close("spt.encoder_last_hidden", &pass.output.hidden);
            close("spt.gate_input", &pass.output.pooled());
            close("spt.logits", &pass.logits);
            close("spt.loss", &[pass.loss]);
            close("spt.prompt_grad", &pass.gradient);
            let pass = run(&network, &prompt, &fixture.batch("spt_neg", Padding::AsPublished), &centers);
            close("spt_neg.logits", &pass.logits);
            close("spt_neg.loss", &[pass.loss]);
            close("spt_neg.prompt_grad", &pass.gradient);
        }
    }
}

/// Padding is seen by nobody, so leaving it out changes neither loss nor gradient nor the rows that stay; and where an
/// example has none, nothing at all.
#[test]
fn leaving_padding_out_changes_nothing_that_is_read() {
    for case in CASES {
        let fixture = Fixture::read(case);
        let prompt = fixture.prompt(fixture.input("prompt"));
        let network = load(case, &ModelOptions::default());
        let batch = fixture.batch("spt", Padding::LeftOut);
        let padded = fixture.batch("spt", Padding::AsPublished);
        assert!(batch.iter().any(|e| e.input_ids.len() < 12), "the fixture has padding");
        let (pass, full) = (run(&network, &prompt, &batch, &[]), run(&network, &prompt, &padded, &[]));
        assert_close("logits", &pass.logits, &fixture.expected("spt.logits"), BOUND);
        assert_close("loss", &[pass.loss], &fixture.expected("spt.loss"), BOUND);
        assert_close("gradient", &pass.gradient, &fixture.expected("spt.prompt_grad"), BOUND);
        let mut kept = Vec::new();
        for (i, length) in pass.output.lengths.iter().enumerate() {
            kept.extend_from_slice(&full.output.hidden[i * 17 * 32..][..length * 32]);
        }
        assert_close("hidden", &pass.output.hidden, &kept, 1e-5);

        let bare: Vec<Example> = batch.iter().filter(|e| e.attention_mask.iter().all(|&seen| seen)).cloned().collect();
        let Some(longest) = bare.iter().max_by_key(|e| e.input_ids.len()) else { panic!("no example left") };
        let same = [longest.clone(), longest.clone()];
        let pass = run(&network, &prompt, &same, &[]);
        let mean = |d: usize| (0..pass.output.lengths[0]).map(|row| pass.output.hidden[row * 32 + d]).sum::<f32>();
        let mean: Vec<f32> = (0..32).map(|d| mean(d) / pass.output.lengths[0] as f32).collect();
        assert_close("pooled", &pass.output.pooled(), &mean, 1e-5);
    }
}

/// Mixup (method section 4) out of the four functions: H~ = lambda H + (1 - lambda) H', the larger mask, the decoder
/// inputs of the first batch, KL to the mixed one-hot targets at positions 0 and 1.
#[test]
fn mixing_two_encoder_outputs_gives_the_published_loss_and_gradient() {
    for case in CASES {
        let fixture = Fixture::read(case);
        let network = load(case, &ModelOptions::default());
        let (cancel, v) = (Cancel::new(), network.vocabulary());
        let prompt = fixture.prompt(fixture.expected("mix.adapted_prompt"));
        let lambda = fixture.input("lambda")[0];
        let (query, other) = (fixture.batch("qry", Padding::AsPublished), fixture.batch("aug", Padding::AsPublished));
        let first = network.encode(&prompt, &query, &[], &cancel).unwrap();
        let second = network.encode(&prompt, &other, &[], &cancel).unwrap();
        let (h, h2) = (&first.output, &second.output);
        let mixed = EncoderOutput {
            hidden: h.hidden.iter().zip(&h2.hidden).map(|(a, b)| lambda * a + (1.0 - lambda) * b).collect(),
            lengths: h.lengths.clone(),
            mask: h.mask.iter().zip(&h2.mask).map(|(a, b)| *a || *b).collect(),
        };
        assert_close("mix.hidden", &mixed.hidden, &fixture.expected("mix.hidden"), BOUND);
        let decoded = network.decode(&mixed, &query, &cancel).unwrap();
        assert_close("mix.logits", &decoded.logits, &fixture.expected("mix.logits"), BOUND);

        let (mut loss, mut dlogits) = (0.0f64, vec![0.0; decoded.logits.len()]);
        for (i, (query, other)) in query.iter().zip(&other).enumerate() {
            for position in 0..2 {
                let at = (i * 3 + position) * v;
                let logits = &decoded.logits[at..at + v];
                let largest = logits.iter().copied().fold(f32::MIN, f32::max);
                let sum: f32 = logits.iter().map(|x| (x - largest).exp()).sum();
                for token in 0..v {
                    let hit = |labels: &[i64]| f32::from(u8::from(labels[position] == token as i64));
                    let target = lambda * hit(&query.labels) + (1.0 - lambda) * hit(&other.labels);
                    let log_p = logits[token] - largest - sum.ln();
                    if target > 0.0 {
                        loss += f64::from(target * (target.ln() - log_p)) / 4.0;
                    }
                    dlogits[at + token] = (log_p.exp() - target) / 4.0;
                }
            }
        }
        assert_close("mix.loss", &[loss as f32], &fixture.expected("mix.loss"), BOUND);
        let dmixed = network.decode_backward(&mixed, &decoded, &dlogits, &cancel).unwrap();
        let scaled = |factor: f32| dmixed.iter().map(|x| factor * x).collect::<Vec<f32>>();
        let mut gradient = network.encode_backward(&first, &scaled(lambda), &cancel).unwrap();
        let rest = network.encode_backward(&second, &scaled(1.0 - lambda), &cancel).unwrap();
        gradient.iter_mut().zip(rest).for_each(|(sum, g)| *sum += g);
        assert_close("mix.grad.prompt", &gradient, &fixture.expected("mix.grad.prompt"), BOUND);
    }
}

#[test]
fn gradient_equals_finite_differences() {
    for case in CASES {
        let fixture = Fixture::read(case);
        let network = load(case, &ModelOptions::default());
        let prompt = fixture.prompt(fixture.input("prompt"));
        for padding in [Padding::LeftOut, Padding::AsPublished] {
            let batch = fixture.batch("qry", padding);
            let gradient = run(&network, &prompt, &batch, &[]).gradient;
            let mut random = Random::new(3, "directions");
            let size: f32 = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
            for _ in 0..8 {
                let direction: Vec<f32> = gradient.iter().map(|_| (random.unit() * 2.0 - 1.0) as f32).collect();
                let step = 2e-3;
                let moved = |sign: f32| {
                    let values = prompt.values().iter().zip(&direction).map(|(p, d)| p + sign * step * d);
                    run(&network, &fixture.prompt(values.collect()), &batch, &[]).loss
                };
                let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step);
                let expected: f32 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
                let length: f32 = direction.iter().map(|d| d * d).sum::<f32>().sqrt();
                assert!((slope - expected).abs() < 5e-3 * size * length, "{case}: slope {slope}, gradient {expected}");
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for case in CASES {
        let fixture = Fixture::read(case);
        let prompt = fixture.prompt(fixture.input("prompt"));
        let bits = |thread_count| {
            let network = load(case, &ModelOptions { thread_count, ..Default::default() });
            let pass = run(&network, &prompt, &fixture.batch("spt", Padding::LeftOut), &[]);
            let values = pass.gradient.iter().chain(&pass.logits).chain(&pass.output.hidden).chain([&pass.loss]);
            values.map(|x| x.to_bits()).collect::<Vec<_>>()
        };
        let one = bits(1);
        assert!([2, 3].into_iter().all(|count| bits(count) == one), "{case}");
    }
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let fixture = Fixture::read("v11");
    let network = load("v11", &ModelOptions::default());
    let (prompt, cancel) = (fixture.prompt(fixture.input("prompt")), Cancel::new());
    let refused = |change: &dyn Fn(&mut Example)| {
        let mut batch = fixture.batch("spt", Padding::AsPublished);
        change(&mut batch[1]);
        let encoded = network.encode(&prompt, &batch, &[0.0; 64], &cancel)?;
        let decoded = network.decode(&encoded.output, &batch, &cancel)?;
        network.plain_loss(decoded.logits, &batch).map(|_| ())
    };
    refused(&|example| example.input_ids[0] = -2).unwrap();
    type Change<'a> = &'a dyn Fn(&mut Example);
    let changes: [(Change<'_>, &str); 7] = [
        (&|example| example.input_ids[0] = 128, "128"),
        (&|example| example.input_ids[0] = -3, "-3"),
        (&|example| example.input_ids[0] = i64::MIN, "cluster centres"),
        (&|example| example.attention_mask.truncate(3), "example 2"),
        (&|example| example.decoder_attention_mask[0] = false, "example 2"),
        (&|example| example.decoder_input_ids.clear(), "example 2"),
        (&|example| example.labels[0] = -100, "-100"),
    ];
    for (change, name) in changes {
        let error = refused(change).unwrap_err();
        assert!(error.status() == crate::Status::InvalidArgument && error.to_string().contains(name), "{error}");
    }
    let narrow = SoftPrompt::new(1, 3, vec![0.0; 3]).unwrap();
    let batch = fixture.batch("spt", Padding::LeftOut);
    let error = network.encode(&narrow, &batch, &[], &cancel).err().unwrap();
    assert_eq!(error.status(), crate::Status::BackboneMismatch);
    cancel.request();
    assert_eq!(network.encode(&prompt, &batch, &[], &cancel).err().unwrap().status(), crate::Status::Cancelled);
}

/// Writers drop the copies of a shared tensor, whichever those are; halves are expanded.
#[test]
fn the_embedding_may_have_another_name_and_weights_may_be_halves() {
    let bytes = std::fs::read(folder("v10").join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let fixture = Fixture::read("v10");
    let prompt = fixture.prompt(fixture.input("prompt"));
    let batch = fixture.batch("spt", Padding::LeftOut);
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(folder("v10").join("config.json"), copy.path().join("config.json")).unwrap();
    for (embedding, halves) in [("decoder.embed_tokens.weight", false), ("lm_head.weight", true)] {
        let views = tensors.iter().map(|(name, tensor)| {
            let name = if name == "shared.weight" { embedding } else { name };
            let (dtype, data) = if halves {
                let values = tensor.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b));
                (Dtype::F16, values.flat_map(|x| half::f16::from_f32(x).to_le_bytes()).collect())
            } else {
                (Dtype::F32, tensor.data().to_vec())
            };
            (name.to_owned(), dtype, tensor.shape().to_vec(), data)
        });
        let owned: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = views.collect();
        let views = owned
            .iter()
            .map(|(name, dtype, shape, data)| (name.as_str(), TensorView::new(*dtype, shape.clone(), data).unwrap()));
        let file = safetensors::serialize(views, None).unwrap();
        std::fs::write(copy.path().join("model.safetensors"), file).unwrap();
        for weights in [WeightMode::Stored, WeightMode::Expanded] {
            let network = T5Network::load(copy.path(), &ModelOptions { weights, ..Default::default() }).unwrap();
            let pass = run(&network, &prompt, &batch, &[]);
            let bound = if halves { 2e-2 } else { BOUND };
            assert_close(embedding, &pass.logits, &fixture.expected("spt.logits"), bound);
            assert_close(embedding, &pass.gradient, &fixture.expected("spt.prompt_grad"), bound);
        }
    }
}
