//! T5 folders: settings that are not supported, wrong sizes, missing and left-over tensors, cut files.

use std::fs::{copy, read, read_dir, write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use supmer::Status;
use supmer::backbone::source::Source;

use super::assert_refused;

const PARTS: [&str; 2] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-t5")
}

/// A copy of the tiny T5.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in read_dir(fixture()).unwrap() {
        let path = entry.unwrap().path();
        copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

fn change(folder: &Path, file: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.join(file);
    let mut json: Value = serde_json::from_slice(&read(fixture().join(file)).unwrap()).unwrap();
    change(&mut json);
    write(path, json.to_string()).unwrap();
}

#[test]
fn the_valid_folder_opens() {
    let source = Source::open(folder().path()).unwrap();
    assert_eq!(source.fingerprint().shape, "2+3x24 heads 3x10 ff 36 vocab 272");
    assert!(source.has_separate_head());
}

#[test]
fn settings_are_refused_by_name() {
    let folder = folder();
    for (field, value, status) in [
        ("feed_forward_proj", json!("gated-silu"), Status::Unsupported),
        ("feed_forward_proj", json!("gelu"), Status::Unsupported),
        ("feed_forward_proj", json!(7), Status::CorruptFile),
        ("dense_act_fn", json!("relu"), Status::Unsupported),
        ("is_gated_act", json!(false), Status::Unsupported),
        ("is_encoder_decoder", json!(false), Status::Unsupported),
        ("architectures", json!(["T5EncoderModel"]), Status::Unsupported),
        ("quantization_config", json!({}), Status::Unsupported),
        ("d_model", json!(null), Status::CorruptFile),
        ("d_model", json!(0), Status::CorruptFile),
        ("d_kv", json!(1u64 << 40), Status::TooLarge),
        ("num_layers", json!(u64::MAX), Status::TooLarge),
        ("num_heads", json!(1 << 17), Status::TooLarge),
        ("vocab_size", json!(1u64 << 40), Status::TooLarge),
        ("relative_attention_num_buckets", json!(3), Status::CorruptFile),
        ("relative_attention_max_distance", json!(16), Status::CorruptFile),
        ("layer_norm_epsilon", json!(0), Status::CorruptFile),
        ("decoder_start_token_id", json!(272), Status::CorruptFile),
        ("tie_word_embeddings", json!("no"), Status::CorruptFile),
    ] {
        change(folder.path(), "config.json", |config| config[field] = value.clone());
        assert_refused(folder.path(), status, &[field]);
    }
}

#[test]
fn tensors_must_fit_the_configuration() {
    let folder = folder();
    for (field, value, tensor) in [
        ("d_ff", json!(40), "encoder.block.0.layer.1.DenseReluDense.wi_0.weight"),
        ("vocab_size", json!(300), "shared.weight"),
        ("relative_attention_num_buckets", json!(128), "relative_attention_bias"),
        ("num_decoder_layers", json!(4), "decoder.block.3.layer.0"),
    ] {
        change(folder.path(), "config.json", |config| config[field] = value.clone());
        assert_refused(folder.path(), Status::CorruptFile, &[tensor]);
    }
    for (field, value, tensor) in [
        ("num_decoder_layers", json!(2), "decoder.block.2.layer.0"),
        ("num_layers", json!(1), "encoder.block.1.layer.0"),
    ] {
        change(folder.path(), "config.json", |config| config[field] = value.clone());
        assert_refused(folder.path(), Status::Unsupported, &[tensor, "plain T5"]);
    }
    change(folder.path(), "config.json", |config| config["feed_forward_proj"] = json!("relu"));
    assert_refused(folder.path(), Status::CorruptFile, &["DenseReluDense.wi.weight", "missing"]);
    // As transformers 5 writes v1.1: always tied, but not scaled; the head that is there counts.
    change(folder.path(), "config.json", |config| {
        config["tie_word_embeddings"] = json!(true);
        config["scale_decoder_outputs"] = json!(false);
    });
    assert!(Source::open(folder.path()).unwrap().has_separate_head());
}

#[test]
fn cut_weights_and_tokenizers_without_sentinel_are_refused() {
    let folder = folder();
    for part in PARTS {
        let whole = read(fixture().join(part)).unwrap();
        for end in [1, 8, 100, whole.len() / 2, whole.len() - 1] {
            write(folder.path().join(part), &whole[..end]).unwrap();
            assert_refused(folder.path(), Status::CorruptFile, &[part]);
        }
        write(folder.path().join(part), whole).unwrap();
    }
    change(folder.path(), "tokenizer.json", |tokenizer| tokenizer["added_tokens"] = json!([]));
    assert_refused(folder.path(), Status::Unsupported, &["<extra_id_0>"]);
    change(folder.path(), "tokenizer.json", |tokenizer| {
        tokenizer["added_tokens"][0] = json!({"id": 272, "content": "<more>", "special": false});
    });
    assert_refused(folder.path(), Status::CorruptFile, &["273 rows", "has 272"]);
    change(folder.path(), "tokenizer.json", |tokenizer| {
        tokenizer["normalizer"]["precompiled_charsmap"] = json!("AAQAAP////8=");
    });
    assert_refused(folder.path(), Status::CorruptFile, &["precompiled_charsmap"]);
}
