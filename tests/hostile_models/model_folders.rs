//! Hugging Face folders: damaged configuration, safetensors and index, and settings that are not supported.

use std::fs::{read_to_string, remove_file, write};

use serde_json::{Value, json};
use supmer::Status;
use supmer::backbone::llama_source::LlamaSource;
use supmer::backbone::source::Source;

use super::assert_refused;
use super::folder::{Folder, HIDDEN, safetensors};

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

#[test]
fn the_valid_folder_opens() {
    let folder = tempfile::tempdir().unwrap();
    Folder::new().write(folder.path());
    let source = LlamaSource::open(folder.path()).unwrap();
    assert_eq!(source.config.shape(), "1x32 heads 4/2x8 ff 48 vocab 258");
    assert!(source.head.is_some() && !source.is_gguf);
    // Tied: the head of its own is ignored, or may be missing.
    let mut tied = Folder::new().config("tie_word_embeddings", json!(true));
    tied.write(folder.path());
    assert!(!Source::open(folder.path()).unwrap().has_separate_head());
    tied.tensors.retain(|t| t.0 != "lm_head.weight");
    tied.write(folder.path());
    assert!(!Source::open(folder.path()).unwrap().has_separate_head());
}

#[test]
fn incomplete_folders_say_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    for file in [CONFIG, WEIGHTS, "tokenizer.json"] {
        Folder::new().write(folder.path());
        remove_file(folder.path().join(file)).unwrap();
        assert_refused(folder.path(), Status::NotFound, &[file]);
    }
    assert_refused(&folder.path().join("none"), Status::NotFound, &["none"]);
    Folder::new().write(folder.path());
    assert_refused(&folder.path().join(WEIGHTS), Status::InvalidArgument, &["folder"]);
    for file in [CONFIG, WEIGHTS, "tokenizer.json"] {
        write(folder.path().join(file), "").unwrap();
        assert_refused(folder.path(), Status::CorruptFile, &[file, "empty"]);
        Folder::new().write(folder.path());
    }
    write(folder.path().join("tokenizer_config.json"), "{").unwrap();
    assert_refused(folder.path(), Status::CorruptFile, &["tokenizer_config.json"]);
}

#[test]
fn bad_configurations_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (field, value, status) in [
        ("hidden_size", json!(null), Status::CorruptFile),
        ("hidden_size", json!(0), Status::CorruptFile),
        ("num_hidden_layers", json!(-1), Status::CorruptFile),
        ("num_hidden_layers", json!(u64::MAX), Status::TooLarge),
        ("vocab_size", json!(1u64 << 40), Status::TooLarge),
        ("intermediate_size", json!("48"), Status::CorruptFile),
        ("num_key_value_heads", json!(3), Status::CorruptFile),
        ("rms_norm_eps", json!(0.0), Status::CorruptFile),
        ("model_type", json!("mamba"), Status::Unsupported),
        ("hidden_act", json!("gelu"), Status::Unsupported),
        ("attention_bias", json!(true), Status::Unsupported),
        ("quantization_config", json!({"quant_method": "gptq"}), Status::Unsupported),
        ("rope_scaling", json!({"rope_type": "longrope"}), Status::Unsupported),
    ] {
        Folder::new().config(field, value).write(folder.path());
        assert_refused(folder.path(), status, &[CONFIG, field]);
    }
    for text in ["{", "[]", "{\"hidden_size\": 1e999}", &"[".repeat(100_000)] {
        write(folder.path().join(CONFIG), text).unwrap();
        assert_refused(folder.path(), Status::CorruptFile, &[CONFIG]);
    }
    // One layer more than there are weights for, and a vocabulary that the tokenizer exceeds.
    Folder::new().config("num_hidden_layers", json!(2)).write(folder.path());
    assert_refused(folder.path(), Status::CorruptFile, &[WEIGHTS, "model.layers.1.", "missing"]);
    let mut small = Folder::new().config("vocab_size", json!(200));
    for tensor in &mut small.tensors[..2] {
        tensor.1[0] = 200;
        tensor.2.truncate(200 * HIDDEN * 4);
    }
    small.write(folder.path());
    assert_refused(folder.path(), Status::CorruptFile, &["258", "200"]);
}

#[test]
fn a_special_token_that_no_text_becomes_needs_no_row() {
    let folder = tempfile::tempdir().unwrap();
    Folder::new().write(folder.path());
    let file = folder.path().join("tokenizer.json");
    let whole = read_to_string(&file).unwrap();
    let with_padding = |special: bool| {
        let mut tokenizer: Value = serde_json::from_str(&whole).unwrap();
        let padding = json!({"id": 258, "content": "[PAD]", "special": special});
        tokenizer["added_tokens"].as_array_mut().unwrap().push(padding);
        write(&file, tokenizer.to_string()).unwrap();
    };
    with_padding(true);
    let source = LlamaSource::open(folder.path()).unwrap();
    assert!(source.tokenizer.encode("[PAD]").unwrap().iter().all(|&id| id < 258));
    with_padding(false);
    assert_refused(folder.path(), Status::CorruptFile, &["259 rows", "has 258", "resize"]);
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let name = "model.layers.0.mlp.down_proj.weight";
    let refused = |changed: Folder, status, words: &[&str]| {
        changed.write(folder.path());
        assert_refused(folder.path(), status, &[&[WEIGHTS], words].concat());
    };
    refused(Folder::new().tensor(name, |t| t.1 = vec![48, 32]), Status::CorruptFile, &[name, "32 x 48", "48 x 32"]);
    refused(Folder::new().tensor(name, |t| t.0 = "other".into()), Status::CorruptFile, &[name, "missing"]);
    let mut biased = Folder::new();
    biased.tensors.push(("model.layers.0.self_attn.q_proj.bias".into(), vec![1], vec![0; 4]));
    refused(biased, Status::Unsupported, &["q_proj.bias"]);
    for (name, at) in [("model.norm.weight", 124), (name, 0), ("lm_head.weight", 258 * 32 * 4 - 4)] {
        for bad in [f32::NAN, f32::NEG_INFINITY] {
            let changed = Folder::new().tensor(name, |t| t.2[at..at + 4].copy_from_slice(&bad.to_le_bytes()));
            refused(changed, Status::NotFinite, &[name]);
        }
    }
    write(folder.path().join(WEIGHTS), Folder::new().weights("I32")).unwrap();
    assert_refused(folder.path(), Status::Unsupported, &[WEIGHTS, "I32", "model.embed_tokens.weight"]);
}

#[test]
fn damaged_safetensors_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    Folder::new().write(folder.path());
    let refused = |bytes: &[u8], words: &[&str]| {
        write(folder.path().join(WEIGHTS), bytes).unwrap();
        assert_refused(folder.path(), Status::CorruptFile, &[&[WEIGHTS], words].concat());
    };
    let valid = Folder::new().weights("F32");
    for length in (1..valid.len()).step_by(1009).chain([valid.len() - 1]) {
        refused(&valid[..length], &[]);
    }
    refused(&[&valid[..], &[0]].concat(), &[]);
    for length in [u64::MAX, 1 << 40, 1 << 30, valid.len() as u64] {
        refused(&[&length.to_le_bytes(), &valid[8..]].concat(), &["header"]);
    }
    let entry = |shape: &str, offsets: &str| {
        let header = format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#);
        safetensors(&header, &[0; 64])
    };
    for (shape, offsets) in [
        ("[16]", "[0, 6400]"),
        ("[1600]", "[0, 6400]"),
        ("[16]", "[64, 128]"),
        ("[16]", "[64, 0]"),
        ("[4611686018427387904]", "[0, 18446744073709551615]"),
        ("[18446744073709551615, 18446744073709551615]", "[0, 64]"),
        ("[-16]", "[0, 64]"),
        ("[1.5]", "[0, 64]"),
    ] {
        refused(&entry(shape, offsets), &["header"]);
    }
    for header in ["", "null", "[", "{\"a\": 1}", "\u{0}"] {
        refused(&safetensors(header, &[0; 64]), &["header"]);
    }
}

#[test]
fn an_index_cannot_lead_out_of_the_folder() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("model");
    std::fs::create_dir(&folder).unwrap();
    Folder::new().write(&folder);
    remove_file(folder.join(WEIGHTS)).unwrap();
    write(parent.path().join("outside.safetensors"), Folder::new().weights("F32")).unwrap();
    let outside = parent.path().join("outside.safetensors").display().to_string();
    let index = |file: &str| {
        let map: serde_json::Map<_, _> = Folder::new().tensors.into_iter().map(|t| (t.0, json!(file))).collect();
        write(folder.join(INDEX), json!({"weight_map": map}).to_string()).unwrap();
    };
    for file in ["../outside.safetensors", &outside, "./../outside.safetensors", "a\\b.safetensors", "", "..", CONFIG] {
        index(file);
        assert_refused(&folder, Status::CorruptFile, &[INDEX]);
    }
    index("part.safetensors");
    assert_refused(&folder, Status::NotFound, &[INDEX, "part.safetensors"]);
    write(folder.join("part.safetensors"), Folder::new().weights("F32")).unwrap();
    assert!(Source::open(&folder).is_ok());
    // A tensor that the named file does not hold.
    write(
        folder.join(INDEX),
        json!({"weight_map": {"lm_head.weight": "part.safetensors", "x": "part.safetensors"}}).to_string(),
    )
    .unwrap();
    assert_refused(&folder, Status::CorruptFile, &[INDEX, "\"x\""]);
    for text in ["{", "{}", "{\"weight_map\": []}", "{\"weight_map\": {\"a\": 1}}"] {
        write(folder.join(INDEX), text).unwrap();
        assert_refused(&folder, Status::CorruptFile, &[INDEX]);
    }
    let many: serde_json::Map<_, _> = (0..2000).map(|i| (format!("t{i}"), json!(format!("{i}.safetensors")))).collect();
    write(folder.join(INDEX), json!({"weight_map": many}).to_string()).unwrap();
    assert_refused(&folder, Status::TooLarge, &[INDEX, "2000"]);
}
