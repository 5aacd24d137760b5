use serde_json::{Value, json};

use super::*;

fn plain() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 64,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "intermediate_size": 96,
        "vocab_size": 320,
    })
}

fn parse(json: &Value) -> Result<HuggingFaceConfig> {
    HuggingFaceConfig::parse(json.to_string().as_bytes())
}

/// The plain configuration with one field changed, or removed for null.
fn with(name: &str, value: Value) -> Value {
    let mut json = plain();
    json[name] = value;
    json
}

#[test]
fn absent_fields_have_transformers_defaults() {
    let HuggingFaceConfig { llama, tied } = parse(&plain()).unwrap();
    assert!(!tied);
    assert_eq!((llama.kv_heads, llama.head_width, llama.context), (4, 16, 2048));
    assert_eq!(llama.norm_epsilon, 1e-6);
    assert_eq!(llama.rotary_frequencies[..2], [1.0, 1.0 / 10_000f64.powf(0.125) as f32]);
    assert_eq!(llama.shape(), "2x64 heads 4/4x16 ff 96 vocab 320");
}

#[test]
fn both_spellings_of_rotary_settings_mean_the_same() {
    let mut old = with("rope_scaling", json!({"type": "linear", "factor": 2.0}));
    old["rope_theta"] = json!(500000.0);
    let new = with("rope_parameters", json!({"rope_type": "linear", "factor": 2.0, "rope_theta": 500000.0}));
    let (old, new) = (parse(&old).unwrap().llama, parse(&new).unwrap().llama);
    assert_eq!(old, new);
    assert_eq!(old.rotary_frequencies[0], 0.5);
    let base = with("rope_parameters", json!({"rope_type": "default", "rope_theta": 500000.0}));
    assert_eq!(parse(&base).unwrap().llama.rotary_frequencies[1], old.rotary_frequencies[1] * 2.0);
}

#[test]
fn settings_that_would_compute_otherwise_are_refused_by_name() {
    let yarn = json!({"rope_type": "yarn", "factor": 4.0});
    let per_layer = json!({"full_attention": {"rope_type": "default"}});
    for (field, value, word) in [
        ("model_type", json!("qwen2"), "qwen2"),
        ("architectures", json!(["LlamaForSequenceClassification"]), "LlamaForSequenceClassification"),
        ("hidden_act", json!("gelu"), "gelu"),
        ("attention_bias", json!(true), "attention_bias"),
        ("mlp_bias", json!(true), "mlp_bias"),
        ("pretraining_tp", json!(2), "pretraining_tp"),
        ("quantization_config", json!({"bits": 4}), "quantization_config"),
        ("rope_scaling", yarn.clone(), "yarn"),
        ("rope_parameters", yarn, "yarn"),
        ("rope_parameters", per_layer, "full_attention"),
        ("partial_rotary_factor", json!(0.5), "partial_rotary_factor"),
    ] {
        let error = parse(&with(field, value)).err().expect(field);
        assert_eq!(error.status(), Status::Unsupported, "{error}");
        assert!(error.to_string().contains(word) && error.to_string().contains(field), "{error}");
    }
}

#[test]
fn bad_fields_are_named() {
    let llama3 = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0, "high_freq_factor": 1.0,
        "original_max_position_embeddings": 64});
    for (field, value, status) in [
        ("hidden_size", Value::Null, Status::CorruptFile),
        ("hidden_size", json!(0), Status::CorruptFile),
        ("hidden_size", json!(-64), Status::CorruptFile),
        ("hidden_size", json!(64.5), Status::CorruptFile),
        ("hidden_size", json!("64"), Status::CorruptFile),
        ("hidden_size", json!(1u64 << 40), Status::TooLarge),
        ("hidden_size", json!(66), Status::CorruptFile),
        ("num_hidden_layers", json!(0), Status::CorruptFile),
        ("num_hidden_layers", json!(u64::MAX), Status::TooLarge),
        ("num_attention_heads", json!(0), Status::CorruptFile),
        ("num_key_value_heads", json!(3), Status::CorruptFile),
        ("head_dim", json!(15), Status::CorruptFile),
        ("head_dim", json!(1 << 16), Status::TooLarge),
        ("vocab_size", json!(1 << 30), Status::TooLarge),
        ("max_position_embeddings", json!(0), Status::CorruptFile),
        ("rms_norm_eps", json!(0), Status::CorruptFile),
        ("rms_norm_eps", json!(-1e-5), Status::CorruptFile),
        ("rope_theta", json!(0), Status::CorruptFile),
        ("rope_scaling", json!("linear"), Status::CorruptFile),
        ("model_type", Value::Null, Status::CorruptFile),
        ("tie_word_embeddings", json!(1), Status::CorruptFile),
    ] {
        let error = parse(&with(field, value.clone())).err().unwrap_or_else(|| panic!("{field} {value}"));
        assert_eq!(error.status(), status, "{error}");
        assert!(error.to_string().contains(field), "{field}: {error}");
    }
    for (value, word) in [
        (json!({"rope_type": "linear"}), "rope_scaling.factor"),
        (json!({"rope_type": "linear", "factor": 0}), "rope_scaling.factor"),
        (json!({"rope_type": "llama3", "factor": 8.0}), "original_max_position_embeddings"),
        (llama3, "high_freq_factor"),
    ] {
        let error = parse(&with("rope_scaling", value)).err().expect(word);
        assert_eq!(error.status(), Status::CorruptFile, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    for bytes in [&b""[..], b"[]", b"{", b"\xff", b"{\"rope_theta\": 1e999}"] {
        assert_eq!(HuggingFaceConfig::parse(bytes).err().unwrap().status(), Status::CorruptFile);
    }
}
