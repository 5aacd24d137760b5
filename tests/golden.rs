//! Files of every format version that was ever written stay readable, and mean the same: `tests/fixtures/golden`.
//!
//! When a version is added, `SUPMER_WRITE_GOLDEN=1 cargo test --test golden` writes its folder, which is committed and
//! from then on never written again.

use std::path::{Path, PathBuf};

use supmer::adapt::AnswerLoss;
use supmer::adapter::Lineage;
use supmer::backbone::Fingerprint;
use supmer::bundle::{Advice, Origin, Regularization};
use supmer::gradient_regularizer::{Rescaling, Shape};
use supmer::{
    AdaptOptions, Adapter, Bundle, Control, Example, GradientRegularizer, Label, LabelHead, Model, ModelOptions,
    PredictOptions, SoftPrompt, Task, adapt, adapter, bundle, predict,
};

/// Width of the tiny model.
const WIDTH: usize = 32;
/// What the adapter of each version says of [`TEXTS`], as computed when it was written.
const PROBABILITIES: [[[f32; 3]; 2]; 2] = [
    [[0.08422015, 0.7261138, 0.189666], [0.2447184, 0.4684931, 0.2867885]],
    [[0.7012439, 0.21897455, 0.07978156], [0.058877695, 0.92303, 0.018092267]],
];
const TEXTS: [&str; 2] = ["rain from the west", "a clear night"];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn folder(version: u32) -> PathBuf {
    fixtures().join(format!("golden/v{version}"))
}

/// Numbers that every machine computes alike, some of them awkward.
fn values(count: usize) -> Vec<f32> {
    let mut values: Vec<f32> = (0..count).map(|i| ((i * 37 % 101) as f32 - 50.0) / 64.0).collect();
    (values[0], values[1], values[2]) = (-0.0, f32::MIN_POSITIVE / 4.0, 1.0 + f32::EPSILON);
    values
}

/// The family of the tiny model.
fn fingerprint() -> Fingerprint {
    let text = |text: &str| text.to_owned();
    Fingerprint {
        architecture: text("llama"),
        shape: text("3x32 heads 4/2x8 ff 40 vocab 320"),
        tokenizer: text("71add62bbea52ab557672e8ff35139d7063ee5679bfe78af7bbd313b3f658fc7"),
        weights: text("74513734586a99309154bea9f67c90165c957167956cf779be26a80365db08d4"),
    }
}

/// Since version 2 there may be a label head.
fn golden_adapter(version: u32) -> Adapter {
    let label = |name: &str, verbalizer: &str| Label { name: name.to_owned(), verbalizer: verbalizer.to_owned() };
    let labels = vec![label("dry", " dry"), label("naß", " rain"), label("\"?\"", " rainless")];
    let lineage = Lineage {
        method: "supmer".to_owned(),
        seed: u64::MAX,
        steps: 30,
        train_examples: 24,
        dev_accuracy: Some(0.875),
        dev_loss: Some(0.1),
        max_tokens: 48,
        bundle: Some(golden_bundle().digest().unwrap()),
    };
    let task = Task::new("weather", "{text}\nSo:", labels).unwrap();
    let adapter = Adapter::new(SoftPrompt::new(4, WIDTH, values(4 * WIDTH)).unwrap(), task, lineage, fingerprint());
    if version < 2 {
        return adapter;
    }
    adapter.with_head(LabelHead::new(WIDTH, values(3 * WIDTH), vec![0.25, -0.5, 0.125]).unwrap()).unwrap()
}

fn golden_bundle() -> Bundle {
    let shape = Shape { width: WIDTH, rank: 2, layers: 1 };
    let regularizer = GradientRegularizer::new(shape, values(shape.count())).unwrap();
    let origin = Origin {
        fingerprint: Some(fingerprint()),
        adaptation: Some(Advice { steps: 5, learning_rate: 0.25, batch_size: 3, answer_loss: AnswerLoss::Vocabulary }),
        corpus_digest: Some("c0ffee".repeat(10)),
        recipe: serde_json::json!({ "seed": 1, "notes": ["ä", null, 0.5] }),
    };
    let psi = Regularization { regularizer, rescaling: Rescaling::RowL2 };
    Bundle::new(SoftPrompt::new(4, WIDTH, values(4 * WIDTH)).unwrap(), Some(psi), origin).unwrap()
}

fn model() -> std::sync::Arc<Model> {
    Model::load(fixtures().join("tiny-llama-tied"), &ModelOptions::default()).unwrap()
}

/// Writes the golden files of the newest versions where there are none.
fn write_missing() {
    for version in [*adapter::FORMAT_VERSIONS.end(), *bundle::FORMAT_VERSIONS.end()] {
        std::fs::create_dir_all(folder(version)).unwrap();
    }
    let adapter_path = folder(*adapter::FORMAT_VERSIONS.end()).join("adapter.supmer");
    let bundle_path = folder(*bundle::FORMAT_VERSIONS.end()).join("bundle.supmer");
    if !adapter_path.exists() {
        golden_adapter(*adapter::FORMAT_VERSIONS.end()).save(adapter_path).unwrap();
    }
    if !bundle_path.exists() {
        golden_bundle().save(bundle_path).unwrap();
    }
}

#[test]
fn adapters_of_every_version_are_read_and_predict_the_same() {
    if std::env::var_os("SUPMER_WRITE_GOLDEN").is_some() {
        write_missing();
    }
    let model = model();
    for version in adapter::FORMAT_VERSIONS {
        let expected = golden_adapter(version);
        let read = Adapter::load(folder(version).join("adapter.supmer")).unwrap();
        let bits = |prompt: &SoftPrompt| prompt.values().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(read.prompt()), bits(expected.prompt()), "version {version}");
        assert_eq!((read.prompt().rows(), read.prompt().width()), (4, WIDTH));
        assert_eq!(read.head(), expected.head(), "version {version}");
        assert_eq!(read.task(), expected.task(), "version {version}");
        assert_eq!(read.lineage(), expected.lineage(), "version {version}");
        assert_eq!(read.fingerprint(), expected.fingerprint(), "version {version}");
        assert_eq!(read.check(model.backbone()).unwrap(), None, "version {version}");

        let rows = TEXTS.map(|text| Example::text(text, None));
        let made = predict(&model, &read, &rows, &PredictOptions::default()).unwrap();
        for (prediction, expected) in made.iter().zip(PROBABILITIES[version as usize - 1]) {
            let close = prediction.probabilities.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5);
            assert!(close, "version {version}: {:?}", prediction.probabilities);
        }
    }
}

#[test]
fn bundles_of_every_version_are_read_and_start_an_adaptation() {
    if std::env::var_os("SUPMER_WRITE_GOLDEN").is_some() {
        write_missing();
    }
    let (model, expected) = (model(), golden_bundle());
    for version in bundle::FORMAT_VERSIONS {
        let read = Bundle::load(folder(version).join("bundle.supmer")).unwrap();
        assert_eq!(read, expected, "version {version}");
        assert!(read.check(model.backbone()).unwrap().is_empty(), "version {version}");
        let task = golden_adapter(1).task().clone();
        let train = task.labels().iter().map(|label| Example::text("some weather", Some(&label.name)));
        let options = AdaptOptions { bundle: Some(std::sync::Arc::new(read)), ..expected.advised() };
        let made = adapt(&model, &task, &train.collect::<Vec<_>>(), None, &options, Control::default()).unwrap();
        assert_eq!((made.adapter.prompt().rows(), made.report.steps.len()), (4, 5), "version {version}");
    }
}
