use serde_json::json;

use super::*;
use crate::text::GgufVocabulary;

fn file() -> Value {
    json!({
        "version": "1.0",
        "truncation": {"max_length": 1},
        "added_tokens": [
            {"id": 0, "content": "<s>", "special": true, "rstrip": true},
            {"id": 7, "content": "<u>", "special": false}],
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": null,
        "model": {"type": "BPE", "vocab": {"<s>": 0, "a": 1, "b": 2, "ab": 3, "<": 4, "s": 5, ">": 6}, "merges": ["a b"]},
    })
}

fn load(file: &Value, config: Option<&Value>) -> Result<Tokenizer> {
    Tokenizer::from_json(file.to_string().as_bytes(), config)
}

fn with(path: &str, value: Value) -> Value {
    let mut changed = file();
    *changed.pointer_mut(path).unwrap() = value;
    changed
}

#[test]
fn text_is_never_truncated_and_never_becomes_a_special_token() {
    let tokenizer = load(&file(), None).unwrap();
    assert_eq!(tokenizer.encode("abab<s><u>").unwrap(), [3, 3, 4, 5, 6, 7]);
    assert_eq!((tokenizer.bos(), tokenizer.token_count()), (None, 8));
}

#[test]
fn special_tokens_that_nothing_becomes_do_not_count() {
    let mut padded = file();
    padded["added_tokens"].as_array_mut().unwrap().push(json!({"id": 8, "content": "[PAD]", "special": true}));
    let tokenizer = load(&padded, None).unwrap();
    assert_eq!(tokenizer.token_count(), 8);
    assert!(!tokenizer.encode("[PAD]").unwrap().contains(&8));
    let config = json!({"add_bos_token": true, "bos_token": "[PAD]"});
    assert_eq!(load(&padded, Some(&config)).unwrap().token_count(), 9);
}

#[test]
fn both_forms_of_merges_give_the_same_tokenizer() {
    let pairs = with("/model/merges", json!([["a", "b"]]));
    assert_eq!(load(&pairs, None).unwrap().digest(), load(&file(), None).unwrap().digest());
}

#[test]
fn the_digest_is_that_of_the_gguf_form() {
    let gguf = GgufVocabulary {
        model: "gpt2",
        pre: "gpt-2",
        tokens: vec!["<s>", "a", "b", "ab", "<", "s", ">", "<u>", "[PAD8]"],
        token_types: vec![3, 1, 1, 1, 1, 1, 1, 4, 5],
        merges: vec!["a b"],
        bos: Some(0),
        ..Default::default()
    };
    assert_eq!(Tokenizer::from_gguf(&gguf).unwrap().digest(), load(&file(), None).unwrap().digest());
    let with_bos = GgufVocabulary { add_bos: true, ..gguf };
    assert_ne!(Tokenizer::from_gguf(&with_bos).unwrap().digest(), load(&file(), None).unwrap().digest());
}

#[test]
fn a_bos_comes_from_the_template_or_from_the_configuration() {
    let template = json!({"type": "Sequence", "processors": [{"type": "ByteLevel"}, {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}}]});
    let templated = with("/post_processor", template);
    assert_eq!(load(&templated, None).unwrap().bos(), Some(0));
    assert_eq!(load(&templated, Some(&json!({"add_bos_token": false}))).unwrap().bos(), None);
    for token in [json!("<s>"), json!({"content": "<s>"})] {
        let config = json!({"add_bos_token": true, "bos_token": token});
        assert_eq!(load(&file(), Some(&config)).unwrap().bos(), Some(0));
    }
    let error = load(&file(), Some(&json!({"add_bos_token": true}))).err().unwrap();
    assert_eq!(error.status(), Status::CorruptFile);
}

#[test]
fn spaces_in_front_are_for_the_start_of_text_only() {
    let mut llama = with(
        "/normalizer",
        json!({"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "▁"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}),
    );
    llama["pre_tokenizer"] = Value::Null;
    llama["model"] = json!({"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true,
        "vocab": {"<unk>": 0, "<0x0A>": 1, "▁": 2, "a": 3, "▁a": 4}, "merges": ["▁ a"]});
    let tokenizer = load(&llama, None).unwrap();
    assert_eq!(tokenizer.encode("a a\n").unwrap(), [4, 4, 1]);
    assert_eq!(tokenizer.encode_continuation("a a").unwrap(), [3, 4]);
    assert_eq!(tokenizer.encode(" a").unwrap(), [2, 4]);
}

#[test]
fn every_truncation_is_refused() {
    let text = file().to_string();
    for end in 0..text.len() {
        assert_eq!(Tokenizer::from_json(&text.as_bytes()[..end], None).err().unwrap().status(), Status::CorruptFile);
    }
}

#[test]
fn hostile_files_are_refused() {
    let deep = format!("{{\"normalizer\": {}1{}, \"model\": {{}}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(Tokenizer::from_json(deep.as_bytes(), None).err().unwrap().status(), Status::CorruptFile);
    for (path, value, status) in [
        ("/model", json!([]), Status::CorruptFile),
        ("/model/type", json!("WordPiece"), Status::Unsupported),
        ("/model/type", json!("Unigram"), Status::CorruptFile),
        ("/model/vocab", json!([["a", 0.0]]), Status::CorruptFile),
        ("/model/vocab", json!({}), Status::CorruptFile),
        ("/model/vocab", json!({"a": -1}), Status::CorruptFile),
        ("/model/vocab", json!({"a": 4294967295u32}), Status::CorruptFile),
        ("/model/vocab", json!("a"), Status::CorruptFile),
        ("/model/merges", json!(["a  b"]), Status::CorruptFile),
        ("/model/merges", json!([["a"]]), Status::CorruptFile),
        ("/model/merges", json!(["a q"]), Status::CorruptFile),
        ("/added_tokens", json!([{"id": 4294967295u32, "content": "x"}]), Status::CorruptFile),
        ("/added_tokens", json!([{"id": 1, "content": ""}]), Status::CorruptFile),
        ("/added_tokens", json!([{"id": 1, "content": "x", "lstrip": true}]), Status::Unsupported),
        ("/added_tokens", json!({}), Status::CorruptFile),
        ("/normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"}), Status::Unsupported),
    ] {
        let error = load(&with(path, value), None).err().unwrap_or_else(|| panic!("{path} was accepted"));
        assert_eq!(error.status(), status, "{error}");
        assert!(error.to_string().starts_with("tokenizer.json: "), "{error}");
    }
    let template =
        json!({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "gone"}}], "special_tokens": {}});
    assert_eq!(load(&with("/post_processor", template), None).unwrap().bos(), None);
}

fn unigrams() -> Value {
    json!({
        "added_tokens": [
            {"id": 0, "content": "</s>", "special": true},
            {"id": 1, "content": "<unk>", "special": true},
            {"id": 7, "content": "<extra_id_0>", "special": true}],
        "normalizer": {"type": "Strip", "strip_left": false, "strip_right": true},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "WhitespaceSplit"},
            {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}]},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [0], "tokens": ["</s>"]}}},
        "model": {"type": "Unigram", "unk_id": 1, "vocab": [
            ["</s>", 0.0], ["<unk>", 0.0], ["▁", -2.0], ["a", -3.0], ["▁a", -3.5], ["b", -3.0], [".", -4.0],
            ["<extra_id_0>", 0.0]]},
    })
}

#[test]
fn every_part_of_a_unigram_text_starts_a_word_and_none_ends_it() {
    let tokenizer = load(&unigrams(), None).unwrap();
    assert_eq!((tokenizer.bos(), tokenizer.token_count()), (None, 8));
    for text in ["a ab.", " a  ab. ", "a\nab."] {
        assert_eq!(tokenizer.encode(text).unwrap(), [4, 4, 5, 6]);
        assert_eq!(tokenizer.encode_continuation(text).unwrap(), [4, 4, 5, 6]);
    }
    assert_eq!(tokenizer.plain_ids(), [2, 3, 4, 5, 6]);
    // Older files say the same otherwise; without the first step runs of spaces are joined, or stay.
    let older = json!({"type": "Metaspace", "replacement": "▁", "add_prefix_space": true});
    for steps in [json!([{"type": "WhitespaceSplit"}, older]), json!([older])] {
        let mut file = unigrams();
        file["pre_tokenizer"]["pretokenizers"] = steps;
        assert_eq!(load(&file, None).unwrap().encode_continuation(" a ab. ").unwrap(), [4, 4, 5, 6]);
    }
}

#[test]
fn sentinels_come_from_a_template_only() {
    let tokenizer = load(&unigrams(), None).unwrap();
    assert_eq!(tokenizer.sentinel("<extra_id_0>"), Some(7));
    assert_eq!(tokenizer.sentinel("</s>"), None);
    assert_eq!(tokenizer.encode_literal("a <extra_id_0> .", true).unwrap(), [4, 7, 2, 6]);
    assert_eq!(tokenizer.encode("a <extra_id_0>").unwrap(), [4, 2, 1, 3, 1]);
    assert_eq!(tokenizer.encode_literal("</s>", false).unwrap(), [2, 1]);
    let template = crate::text::Template::parse("{text} a <extra_id_0>.").unwrap();
    let fields = std::collections::BTreeMap::from([("text".to_owned(), "b <extra_id_0>".to_owned())]);
    assert_eq!(template.fill(&fields, &tokenizer, 100).unwrap(), [2, 5, 2, 1, 3, 1, 4, 7, 2, 6]);
    assert_eq!(template.fill(&fields, &tokenizer, 5).unwrap(), [2, 4, 7, 2, 6]);
}

#[test]
fn hostile_unigram_files_are_refused() {
    for (path, value, status) in [
        ("/model/vocab", json!([]), Status::CorruptFile),
        ("/model/vocab", json!([["a"]]), Status::CorruptFile),
        ("/model/vocab", json!([["a", "b"]]), Status::CorruptFile),
        ("/model/vocab", json!({"a": 0}), Status::CorruptFile),
        ("/model/unk_id", json!(8), Status::CorruptFile),
        ("/model/unk_id", Value::Null, Status::CorruptFile),
        ("/normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"}), Status::CorruptFile),
        ("/normalizer", json!({"type": "Precompiled"}), Status::CorruptFile),
        ("/normalizer", json!({"type": "Prepend", "prepend": "▁"}), Status::Unsupported),
    ] {
        let mut file = unigrams();
        *file.pointer_mut(path).unwrap() = value;
        let error = load(&file, None).err().unwrap_or_else(|| panic!("{path} was accepted"));
        assert_eq!(error.status(), status, "{error}");
    }
    let mut file = unigrams();
    file["model"]["byte_fallback"] = json!(true);
    assert_eq!(load(&file, None).err().unwrap().status(), Status::Unsupported);
    let text = unigrams().to_string();
    for end in 0..text.len() {
        assert_eq!(Tokenizer::from_json(&text.as_bytes()[..end], None).err().unwrap().status(), Status::CorruptFile);
    }
}
