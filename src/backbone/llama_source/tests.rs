use std::path::PathBuf;

use super::*;
use crate::backbone::config::RotaryLayout;
use crate::backbone::weights::Format;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

#[test]
fn opens_every_fixture_file() {
    for name in ["f32", "f16", "bf16", "q4_0", "q4_1", "q8_0", "kquant", "ropefreqs"] {
        let source = LlamaSource::open(&fixture(&format!("gguf/tiny-{name}.gguf"))).unwrap();
        let config = &source.config;
        assert_eq!((config.vocabulary, config.heads, config.kv_heads), (288, 4, 2), "{name}");
        assert_eq!(config.rotary_layout, RotaryLayout::Interleaved);
        assert_eq!(source.layers.len(), config.layers);
        assert_eq!(source.head.is_some(), name == "q8_0");
        assert!(source.is_gguf);
        assert_eq!(config.rotary_frequencies[0], if name == "q8_0" { 0.5 } else { 1.0 });
        assert!(source.layers.iter().all(|l| l.key.rows() == 2 * config.head_width && l.key.columns() == config.width));
    }
}

#[test]
fn rotary_divisors_mean_what_llama3_scaling_means() {
    let source = LlamaSource::open(&fixture("gguf/tiny-ropefreqs.gguf")).unwrap();
    let json = serde_json::json!({
        "model_type": "llama", "hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 1,
        "intermediate_size": 32, "vocab_size": 288,
        "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64},
    });
    let config = crate::backbone::config::HuggingFaceConfig::parse(json.to_string().as_bytes()).unwrap();
    let pairs = source.config.rotary_frequencies.iter().zip(&config.llama.rotary_frequencies);
    assert_eq!(pairs.len(), 4);
    for (a, b) in pairs {
        assert!((a - b).abs() <= 1e-6 * b, "{a} {b}");
    }
}

#[test]
fn opens_folders_of_one_file_and_of_shards() {
    for (name, format, head) in
        [("tied", Format::F32, false), ("linear", Format::F16, false), ("untied", Format::BF16, true)]
    {
        let source = LlamaSource::open(&fixture(&format!("tiny-llama-{name}"))).unwrap();
        assert_eq!(source.config.rotary_layout, RotaryLayout::Halves);
        assert_eq!(source.embedding.format(), format);
        assert_eq!(source.head.is_some(), head);
        assert_eq!(source.fingerprint.shape, source.config.shape());
        assert!(!source.is_gguf);
    }
}

#[test]
fn expansion_keeps_the_weights() {
    let file = fixture("gguf/tiny-q4_1.gguf");
    let read = |weights| LlamaSource::read(ModelFiles::Path(&file), weights, &mut Control::default()).unwrap();
    let row = |source: &LlamaSource| {
        let mut row = vec![0.0; source.config.feed_forward];
        source.layers[1].down.expand(5, 0, &mut row);
        row
    };
    let (stored, expanded) = (row(&read(WeightMode::Stored)), read(WeightMode::Expanded));
    assert_eq!(row(&expanded), stored);
    assert!(expanded.embedding.as_f32().is_some() && stored.iter().any(|&x| x != 0.0));
}

#[test]
fn files_of_one_family_differ_in_weights_only() {
    use crate::backbone::Match;
    let open = |name: &str| LlamaSource::open(&fixture(name)).unwrap().fingerprint;
    let (f32, f16) = (open("gguf/tiny-f32.gguf"), open("gguf/tiny-f16.gguf"));
    assert_eq!(f32.compare(&f32), Match::Same);
    assert_eq!(f32.compare(&f16), Match::OtherWeights);
    assert!(matches!(f32.compare(&open("gguf/tiny-q4_0.gguf")), Match::OtherFamily { field: "shape", .. }));
}
