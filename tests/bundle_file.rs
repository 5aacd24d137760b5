//! Bundle files: bit-exact round trips, refusals of damaged files in bounded memory, and adaptation from a bundle.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use supmer::adapt::AnswerLoss;
use supmer::adapt::{Control, PromptStart};
use supmer::backbone::Fingerprint;
use supmer::bundle::{Advice, Origin, Regularization};
use supmer::gradient_regularizer::{Rescaling, Shape};
use supmer::{
    AdaptOptions, Adaptation, Bundle, Example, GradientRegularizer, Label, Model, ModelOptions, SoftPrompt, Status,
    Task, adapt,
};

const WIDTH: usize = 32;

fn model() -> Arc<Model> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-llama-tied");
    Model::load(path, &ModelOptions::default()).unwrap()
}

/// A bundle of `width` for `fingerprint`.
fn bundle(width: usize, fingerprint: Option<Fingerprint>) -> Bundle {
    let values: Vec<f32> = (0..4 * width).map(|i| 0.1 * (i as f32 * 0.7).sin()).collect();
    let regularizer = GradientRegularizer::random(Shape { width, rank: 3, layers: 2 }, 7).unwrap();
    let origin = Origin {
        fingerprint,
        adaptation: Some(Advice { steps: 9, learning_rate: 0.02, batch_size: 4, answer_loss: AnswerLoss::Labels }),
        corpus_digest: Some("ab".repeat(32)),
        recipe: json!({ "seed": 1, "note": "\"quoted\" \u{e4}" }),
    };
    let regularization = Regularization { regularizer, rescaling: Rescaling::WholeL2 };
    Bundle::new(SoftPrompt::new(4, width, values).unwrap(), Some(regularization), origin).unwrap()
}

fn header_of(bytes: &[u8]) -> (Value, &[u8]) {
    let (length, rest) = bytes.split_first_chunk().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    (serde_json::from_slice(header).unwrap(), data)
}

fn file(header: &Value, data: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// `bytes` must be refused, and the memory for it stay within the file's size and 64 MB.
fn refused(bytes: &[u8], case: &str) -> Status {
    let before = supmer::runtime::peak_bytes();
    let Err(error) = Bundle::from_bytes(bytes) else { panic!("{case}: accepted") };
    let grown = supmer::runtime::peak_bytes().saturating_sub(before);
    assert!(grown < bytes.len() as u64 + (64 << 20), "{case}: {grown} bytes more");
    assert!(error.to_string().len() < 1_000, "{case}: {error}");
    error.status()
}

#[test]
fn a_round_trip_changes_no_bit() {
    let fingerprint = model().backbone().fingerprint().clone();
    for bundle in [bundle(WIDTH, Some(fingerprint)), bundle(5, None)] {
        let bytes = bundle.to_bytes().unwrap();
        let read = Bundle::from_bytes(&bytes).unwrap();
        assert_eq!(read, bundle);
        assert_eq!(read.to_bytes().unwrap(), bytes);
    }
    let plain = Bundle::new(SoftPrompt::new(1, 2, vec![1.0, -0.0]).unwrap(), None, Origin::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.supmer");
    plain.save(&path).unwrap();
    let read = Bundle::load(&path).unwrap();
    assert_eq!(read.prompt().values()[1].to_bits(), (-0.0f32).to_bits());
    assert_eq!(read.digest().unwrap(), plain.digest().unwrap());
}

#[test]
fn the_digest_is_that_of_the_file_whichever_version_wrote_it() {
    let bundle = bundle(WIDTH, None);
    let bytes = bundle.to_bytes().unwrap();
    let now = format!(r#"\"tool\":\"{}\""#, env!("CARGO_PKG_VERSION"));
    let earlier = now.replace(env!("CARGO_PKG_VERSION"), &"9".repeat(env!("CARGO_PKG_VERSION").len()));
    let at = bytes.windows(now.len()).position(|part| part == now.as_bytes()).unwrap();
    let old = [&bytes[..at], earlier.as_bytes(), &bytes[at + now.len()..]].concat();
    let read = Bundle::from_bytes(&old).unwrap();
    assert_eq!(read, bundle);
    assert_eq!(read.digest().unwrap(), format!("{:x}", Sha256::digest(&old)));
    assert_eq!(bundle.digest().unwrap(), format!("{:x}", Sha256::digest(&bytes)));
}

#[test]
fn every_truncation_is_refused() {
    let bytes = bundle(WIDTH, None).to_bytes().unwrap();
    for end in (0..bytes.len()).step_by(64).chain([bytes.len() - 1]) {
        assert_eq!(refused(&bytes[..end], &format!("{end} bytes")), Status::CorruptFile);
    }
    assert_eq!(refused(&[&bytes[..], &[0]].concat(), "one byte more"), Status::CorruptFile);
}

#[test]
fn every_altered_field_of_the_header_is_refused() {
    let bytes = bundle(WIDTH, Some(model().backbone().fingerprint().clone())).to_bytes().unwrap();
    let (header, data) = header_of(&bytes);
    let manifest: Value = serde_json::from_str(header["__metadata__"]["supmer"].as_str().unwrap()).unwrap();
    let with_manifest = |manifest: &Value| {
        let mut header = header.clone();
        header["__metadata__"]["supmer"] = json!(manifest.to_string());
        file(&header, data)
    };
    Bundle::from_bytes(&with_manifest(&manifest)).unwrap();
    let wrong = [json!(-1), json!(0), json!(1e30), json!(u64::MAX), json!("x"), json!([[]]), json!({"a": 1})];
    let pointers = [
        "/format",
        "/version",
        "/prompt_length",
        "/regularizer",
        "/regularizer/rank",
        "/regularizer/layers",
        "/regularizer/rescaling",
        "/fingerprint",
        "/fingerprint/architecture",
        "/fingerprint/shape",
        "/adaptation",
        "/adaptation/steps",
        "/adaptation/learning_rate",
        "/adaptation/batch_size",
        "/corpus_digest",
    ];
    for pointer in pointers {
        for value in &wrong {
            let text = ["architecture", "shape", "corpus_digest"].iter().any(|field| pointer.ends_with(field));
            if text && value.is_string() || pointer == "/adaptation/learning_rate" && value == &json!(0) {
                continue;
            }
            let mut altered = manifest.clone();
            *altered.pointer_mut(pointer).unwrap() = value.clone();
            let status = refused(&with_manifest(&altered), &format!("{pointer} = {value}"));
            let kind = pointer == "/format" || pointer == "/version";
            assert!(status == Status::CorruptFile || kind && status == Status::Unsupported, "{pointer}: {status:?}");
        }
    }
    for name in header.as_object().unwrap().keys().filter(|name| *name != "__metadata__") {
        for (field, value) in [
            ("dtype", json!("F16")),
            ("dtype", json!("I64")),
            ("shape", json!([])),
            ("shape", json!([1, 1])),
            ("shape", json!([u64::MAX, 4])),
            ("data_offsets", json!([0, 4])),
            ("data_offsets", json!([8, 0])),
            ("data_offsets", json!([0, u64::MAX])),
        ] {
            let mut altered = header.clone();
            altered[name][field] = value.clone();
            if altered != header {
                assert_eq!(refused(&file(&altered, data), &format!("{name} {field} {value}")), Status::CorruptFile);
            }
        }
        let mut missing = header.clone();
        missing.as_object_mut().unwrap().remove(name);
        assert_eq!(refused(&file(&missing, data), &format!("without {name}")), Status::CorruptFile);
    }
    let mut nan = data.to_vec();
    nan[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    assert_eq!(refused(&file(&header, &nan), "NaN"), Status::NotFinite);
    let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    let mut header = header.clone();
    let text = manifest.to_string().replace(&manifest["recipe"].to_string(), &deep);
    header["__metadata__"]["supmer"] = json!(text);
    assert_eq!(refused(&file(&header, data), "a deep recipe"), Status::CorruptFile);
}

fn adapted(model: &Model, options: &AdaptOptions) -> Adaptation {
    let label = |name: &str, verbalizer: &str| Label { name: name.to_owned(), verbalizer: verbalizer.to_owned() };
    let task = Task::new("weather", "{text}\nSky:", vec![label("wet", " rain"), label("dry", " sun")]).unwrap();
    let rows: Vec<Example> = (0..8)
        .map(|i| Example::text(format!("Day {i}: {}", ["umbrellas", "dust"][i % 2]), Some(["wet", "dry"][i % 2])))
        .collect();
    adapt(model, &task, &rows, None, options, Control::default()).unwrap()
}

#[test]
fn adaptation_starts_from_theta_and_applies_psi() {
    let model = model();
    let bundle = Arc::new(bundle(WIDTH, Some(model.backbone().fingerprint().clone())));
    let options = AdaptOptions { bundle: Some(Arc::clone(&bundle)), ..bundle.advised() };
    let with = adapted(&model, &options);
    let lineage = with.adapter.lineage();
    assert_eq!((lineage.method.as_str(), lineage.steps), ("supmer", 9));
    assert_eq!(lineage.bundle, Some(bundle.digest().unwrap()));
    for step in &with.report.steps {
        let done = step.regularized.unwrap();
        assert!(done.gate > 0.0 && done.gate < 1.0 && done.cosine.abs() < 1.0, "{done:?}");
    }

    let without = adapted(&model, &AdaptOptions { regularize: false, ..options.clone() });
    let start = PromptStart::Prompt(bundle.prompt().clone());
    let plain = adapted(&model, &AdaptOptions { bundle: None, start, ..options.clone() });
    assert_eq!(without.adapter.lineage().method, "supmer-no-psi");
    assert_eq!(without.adapter.prompt(), plain.adapter.prompt());
    assert_ne!(with.adapter.prompt(), plain.adapter.prompt());
    // psi keeps the gradient's size when its gate is shut; here it stays within it.
    assert!(with.report.steps[0].gradient_norm <= 1.001 * plain.report.steps[0].gradient_norm);

    let elsewhere = PromptStart::Vocabulary;
    let drawn = adapted(&model, &AdaptOptions { start: elsewhere, ..options });
    assert_ne!(drawn.adapter.prompt(), with.adapter.prompt());
}

#[test]
fn a_bundle_of_another_family_is_refused_and_an_unknown_one_warns() {
    let model = model();
    let mut other = model.backbone().fingerprint().clone();
    other.shape = "other".to_owned();
    let error = bundle(WIDTH, Some(other)).check(model.backbone()).unwrap_err();
    assert_eq!(error.status(), Status::BackboneMismatch);
    assert_eq!(bundle(5, None).check(model.backbone()).unwrap_err().status(), Status::BackboneMismatch);
    let warnings = bundle(WIDTH, None).check(model.backbone()).unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("which model"), "{warnings:?}");
}
