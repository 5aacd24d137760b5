//! GGUF files: truncated, with every field lying, and with settings that are not supported.

use supmer::Status;
use supmer::backbone::llama_source::LlamaSource;
use supmer::backbone::source::Source;

use super::assert_refused;
use super::gguf_file::{Entry, GgufFile, array, float, number, string, text};

#[test]
fn the_valid_file_opens() {
    let folder = tempfile::tempdir().unwrap();
    let source = LlamaSource::open(&GgufFile::new().write(folder.path())).unwrap();
    assert_eq!(source.config.shape(), "2x32 heads 4/2x8 ff 48 vocab 258");
    assert!(source.is_gguf && source.head.is_none());
    assert_eq!(source.tokenizer.encode("ab").unwrap(), [257]);
    let mut row = [0.0; 2];
    source.layers[1].down.expand(0, 0, &mut row);
    assert_eq!(row, [-1.0, half::f16::from_f32(37.0 / 50.0 - 1.0).to_f32()]);
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (tables, bytes) = GgufFile::new().bytes();
    let path = folder.path().join("model.gguf");
    let in_tables = (0..tables).step_by(7);
    let in_data = (tables..bytes.len()).step_by(997).chain([bytes.len() - 1]);
    for length in in_tables.chain(in_data) {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert_refused(&path, Status::CorruptFile, &["model.gguf"]);
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let (tables, bytes) = GgufFile::new().bytes();
    let path = folder.path().join("model.gguf");
    for at in (0..tables).step_by(5) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at / 5 % 8);
        std::fs::write(&path, &bytes).unwrap();
        // Some changes are harmless, such as another letter in a token.
        if let Err(error) = Source::open(&path) {
            assert!(error.to_string().contains("model.gguf"), "{error}");
        }
    }
}

#[test]
fn headers_that_lie_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let corrupt = |file: GgufFile, words: &[&str]| {
        assert_refused(&file.write(folder.path()), Status::CorruptFile, &[&["model.gguf"], words].concat());
    };
    corrupt(GgufFile { magic: *b"GGML", ..GgufFile::new() }, &["GGML"]);
    for huge in [u64::MAX, 1 << 40, 1 << 20] {
        corrupt(GgufFile { counts: (Some(huge), None), ..GgufFile::new() }, &["number of tensors"]);
        corrupt(GgufFile { counts: (None, Some(huge)), ..GgufFile::new() }, &["number of metadata entries"]);
        let length = huge.to_le_bytes().to_vec();
        corrupt(GgufFile::new().entry(("a.text".into(), 8, length.clone())), &["a.text"]);
        corrupt(GgufFile::new().entry(array("an.array", 8, huge, Vec::new())), &["an.array"]);
        corrupt(GgufFile::new().entry(array("an.array", 12, huge, Vec::new())), &["an.array"]);
    }
    corrupt(GgufFile::new().entry(("odd".into(), 77, Vec::new())), &["odd", "77"]);
    corrupt(GgufFile::new().entry(("flag".into(), 7, vec![3])), &["flag"]);
    corrupt(
        GgufFile::new().entry(("bad\ntext".into(), 8, [&1u64.to_le_bytes()[..], &[0xff]].concat())),
        &["bad\\ntext"],
    );
    for alignment in [0, 7, 1 << 30] {
        corrupt(GgufFile::new().entry(number("general.alignment", alignment)), &["general.alignment"]);
    }
    let mut twice = GgufFile::new();
    twice.entries.push(number("llama.block_count", 2));
    corrupt(twice, &["llama.block_count", "twice"]);
    for version in [0, 1, 4, 99, 3u32.swap_bytes()] {
        let path = GgufFile { version, ..GgufFile::new() }.write(folder.path());
        assert_refused(&path, Status::Unsupported, &["model.gguf"]);
    }
}

#[test]
fn tensors_that_lie_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |status, file: GgufFile, words: &[&str]| {
        assert_refused(&file.write(folder.path()), status, &[&["model.gguf"], words].concat());
    };
    let name = "blk.1.attn_q.weight";
    let changed = |dimensions: &[u64]| GgufFile::new().tensor(name, |t| t.dimensions = dimensions.to_vec());
    for dimensions in [&[u64::MAX, 2][..], &[1 << 33, 1 << 33], &[0, 32], &[], &[1; 9], &[32, 16], &[32], &[32, 32, 1]]
    {
        refused(Status::CorruptFile, changed(dimensions), &[name]);
    }
    refused(Status::CorruptFile, changed(&[16, 64]), &[name, "32 x 32", "64 x 16"]);
    refused(Status::CorruptFile, changed(&[1 << 20, 1 << 20]), &[name]);
    for offset in [1, u64::MAX, u64::MAX - 31, 1 << 40] {
        refused(Status::CorruptFile, GgufFile::new().tensor(name, |t| t.offset = Some(offset)), &[name]);
    }
    refused(Status::CorruptFile, GgufFile::new().tensor(name, |t| t.offset = Some(0)), &[name, "token_embd.weight"]);
    refused(Status::CorruptFile, GgufFile::new().tensor(name, |t| t.name = "token_embd.weight".into()), &["twice"]);
    refused(Status::CorruptFile, GgufFile::new().tensor(name, |t| t.name = "other".into()), &[name, "missing"]);
    refused(Status::CorruptFile, GgufFile::new().tensor("token_embd.weight", |t| t.name = "e".into()), &["token_embd"]);
    // 32 columns are no whole block of 256.
    refused(Status::CorruptFile, GgufFile::new().tensor(name, |t| t.kind = 12), &[name, "Q4_K"]);
    refused(Status::Unsupported, GgufFile::new().tensor(name, |t| t.kind = 13), &[name, "Q5_K"]);
    refused(Status::Unsupported, GgufFile::new().tensor(name, |t| t.kind = 999), &[name, "type 999"]);
    refused(
        Status::Unsupported,
        GgufFile::new().tensor("output_norm.weight", |t| t.kind = 8),
        &["output_norm.weight", "Q8_0"],
    );
    let mut biased = GgufFile::new();
    let mut bias = biased.tensors[1].clone();
    bias.name = "blk.0.attn_q.bias".into();
    biased.tensors.push(bias);
    refused(Status::Unsupported, biased, &["blk.0.attn_q.bias"]);
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, at, bytes) in [
        ("output_norm.weight", 124, &f32::NAN.to_le_bytes()[..]),
        ("blk.0.ffn_norm.weight", 0, &f32::INFINITY.to_le_bytes()),
        ("blk.1.ffn_down.weight", 48 * 32 * 2 - 2, &half::f16::NAN.to_le_bytes()),
        ("token_embd.weight", 0, &half::f16::NEG_INFINITY.to_le_bytes()),
    ] {
        let file = GgufFile::new().tensor(name, |t| t.bytes[at..at + bytes.len()].copy_from_slice(bytes));
        assert_refused(&file.write(folder.path()), Status::NotFinite, &["model.gguf", name]);
    }
    // A scale of a quantized block: 32 columns are one block of Q8_0.
    let file = GgufFile::new().tensor("blk.0.attn_k.weight", |t| {
        t.kind = 8;
        t.bytes = vec![0; 16 * 34];
        t.bytes[15 * 34..15 * 34 + 2].copy_from_slice(&half::f16::NAN.to_le_bytes());
    });
    assert_refused(&file.write(folder.path()), Status::NotFinite, &["model.gguf", "blk.0.attn_k.weight"]);
}

#[test]
fn settings_are_checked_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |status, file: GgufFile, words: &[&str]| {
        assert_refused(&file.write(folder.path()), status, &[&["model.gguf"], words].concat());
    };
    let supported = |entry: Entry, words: &[&str]| refused(Status::Unsupported, GgufFile::new().entry(entry), words);
    supported(text("general.architecture", "qwen2"), &["qwen2"]);
    supported(text("llama.rope.scaling.type", "yarn"), &["llama.rope.scaling.type", "yarn"]);
    supported(number("llama.rope.dimension_count", 4), &["llama.rope.dimension_count", "4"]);
    supported(number("llama.attention.value_length", 16), &["llama.attention.value_length", "16"]);
    supported(number("llama.expert_count", 8), &["llama.expert_count", "8"]);
    supported(number("split.count", 2), &["split"]);
    supported(array("llama.attention.head_count_kv", 4, 2, [2, 0, 0, 0, 1, 0, 0, 0].to_vec()), &["head_count_kv"]);

    for key in [
        "llama.block_count",
        "llama.embedding_length",
        "llama.attention.head_count",
        "llama.feed_forward_length",
        "llama.context_length",
    ] {
        refused(Status::CorruptFile, GgufFile::new().without(key), &[key]);
        refused(Status::CorruptFile, GgufFile::new().entry(number(key, 0)), &[key]);
        refused(Status::CorruptFile, GgufFile::new().entry((key.into(), 5, (-2i32).to_le_bytes().to_vec())), &[key]);
        refused(Status::CorruptFile, GgufFile::new().entry(text(key, "2")), &[key]);
    }
    for key in ["llama.block_count", "llama.feed_forward_length", "llama.context_length"] {
        refused(Status::TooLarge, GgufFile::new().entry(number(key, u32::MAX)), &[key]);
    }
    let corrupt = |entry: Entry, words: &[&str]| refused(Status::CorruptFile, GgufFile::new().entry(entry), words);
    corrupt(number("llama.block_count", 3), &["blk.2.", "missing"]);
    corrupt(number("llama.attention.head_count_kv", 3), &["head_count_kv"]);
    corrupt(float("llama.attention.layer_norm_rms_epsilon", f32::NAN), &["layer_norm_rms_epsilon"]);
    corrupt(float("llama.rope.freq_base", 0.0), &["llama.rope.freq_base"]);
    corrupt(float("llama.rope.scaling.factor", f32::INFINITY), &["llama.rope.scaling.factor"]);
}

#[test]
fn vocabularies_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let corrupt = |file: GgufFile, words: &[&str]| {
        assert_refused(&file.write(folder.path()), Status::CorruptFile, &[&["model.gguf"], words].concat());
    };
    let tokens = "tokenizer.ggml.tokens";
    corrupt(GgufFile::new().without(tokens), &[tokens]);
    corrupt(GgufFile::new().without("tokenizer.ggml.model"), &["tokenizer.ggml.model"]);
    corrupt(GgufFile::new().entry(array(tokens, 4, 1, vec![0; 4])), &[tokens]);
    corrupt(GgufFile::new().entry(array(tokens, 8, 0, Vec::new())), &[tokens]);
    corrupt(GgufFile::new().entry(array(tokens, 8, 1, [&1u64.to_le_bytes()[..], &[0xff]].concat())), &[tokens]);
    corrupt(GgufFile::new().entry(number("tokenizer.ggml.bos_token_id", 258)), &["tokenizer.ggml.bos_token_id", "258"]);
    corrupt(GgufFile::new().entry(array("tokenizer.ggml.token_type", 5, 2, vec![1; 8])), &["model.gguf"]);
    corrupt(GgufFile::new().entry(array("tokenizer.ggml.merges", 8, 1, string("nospace"))), &["model.gguf"]);
    // More tokens than rows: one row less in the embedding.
    let file = GgufFile::new().tensor("token_embd.weight", |t| {
        t.dimensions[1] = 257;
        t.bytes.truncate(257 * 64);
    });
    corrupt(file, &["258", "257"]);
}
