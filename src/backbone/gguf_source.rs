//! A backbone in one GGUF file, tokenizer inside.

use super::bytes::Bytes;
use super::config::LlamaConfig;
use super::excerpt::excerpt;
use super::gguf::{Array, Gguf, Value};
use super::llama_source::LlamaSource;
use super::tensors::{Head, Keep, StoredTensor, TensorNames, TensorReader, TensorStore};
use crate::error::{Error, Result, Status, fail};
use crate::limits::{MAX_VOCABULARY, MAX_WIDTH};
use crate::runtime::Control;
use crate::text::{GgufVocabulary, Tokenizer};

const NAMES: TensorNames = TensorNames {
    embedding: "token_embd.weight",
    final_norm: "output_norm.weight",
    head: "output.weight",
    layer: "blk.",
    attention_norm: "attn_norm.weight",
    query: "attn_q.weight",
    key: "attn_k.weight",
    value: "attn_v.weight",
    output: "attn_output.weight",
    feed_forward_norm: "ffn_norm.weight",
    gate: "ffn_gate.weight",
    up: "ffn_up.weight",
    down: "ffn_down.weight",
};
/// Numbers that the rotary frequencies are divided by, one a pair.
const ROTARY_DIVISORS: &str = "rope_freqs.weight";

/// Reads the GGUF file of `bytes`, which messages call `place`.
pub(super) fn read(bytes: &Bytes, place: &str, expand: bool, control: &mut Control<'_>) -> Result<LlamaSource> {
    let gguf = Gguf::parse(bytes).map_err(|e| e.context(place))?;
    let store = GgufStore { gguf: &gguf, bytes, place };

    let keep = if expand { Keep::Expanded } else { Keep::Stored };
    let mut reader = TensorReader::new(&store, keep, control);
    let divisors = reader.optional_vector(ROTARY_DIVISORS, MAX_WIDTH)?;
    let config = LlamaConfig::from_gguf(&gguf, embedding_rows(&gguf, place)?, divisors.as_deref())
        .map_err(|e| e.context(place))?;
    let vocabulary = vocabulary(&gguf).map_err(|e| e.context(place))?;
    let head = if gguf.tensor(NAMES.head).is_some() { Head::Separate } else { Head::Tied };
    let weights = reader.network(&NAMES, &config, head)?;
    let tokenizer = Tokenizer::from_gguf(&vocabulary).map_err(|e| e.context(place))?;
    LlamaSource::assemble(place, config, tokenizer, weights, true)
}

struct GgufStore<'a> {
    gguf: &'a Gguf<'a>,
    bytes: &'a Bytes,
    place: &'a str,
}

impl TensorStore for GgufStore<'_> {
    fn find(&self, name: &str) -> Result<Option<StoredTensor>> {
        let Some(tensor) = self.gguf.tensor(name) else { return Ok(None) };
        Ok(Some(StoredTensor {
            file: self.place.to_owned(),
            shape: tensor.shape.clone(),
            format: tensor.format().map_err(|e| e.context(self.place))?,
            bytes: self.bytes.clone(),
            offset: tensor.offset,
            length: tensor.length,
        }))
    }

    fn names(&self) -> Vec<&str> {
        self.gguf.tensors().iter().map(|tensor| tensor.name).collect()
    }

    fn place(&self) -> String {
        self.place.to_owned()
    }
}

fn embedding_rows(gguf: &Gguf<'_>, place: &str) -> Result<usize> {
    match gguf.tensor(NAMES.embedding) {
        Some(tensor) => Ok(tensor.shape[0]),
        // Another architecture may well have no such tensor; let that be said first.
        None if gguf.text("general.architecture").is_ok_and(|name| name != Some("llama")) => Ok(1),
        None => {
            let message = format!("{place}: tensor {} is missing", excerpt(NAMES.embedding));
            fail(Status::CorruptFile, message)
        }
    }
}

/// The tokenizer's part of the metadata, borrowed from the file.
fn vocabulary<'a>(gguf: &Gguf<'a>) -> Result<GgufVocabulary<'a>> {
    let needed = |key: &str| Error::new(Status::CorruptFile, format!("metadata {key} is missing"));
    let model_key = "tokenizer.ggml.model";
    let model = gguf.text(model_key)?.ok_or_else(|| needed(model_key))?;
    let pre = gguf.text("tokenizer.ggml.pre")?.unwrap_or_default();
    let tokens_key = "tokenizer.ggml.tokens";
    let tokens = texts(tokens_key, gguf.array(tokens_key, MAX_VOCABULARY)?.ok_or_else(|| needed(tokens_key))?)?;
    if tokens.is_empty() {
        return fail(Status::CorruptFile, format!("metadata {tokens_key}: expected at least one token"));
    }
    let types_key = "tokenizer.ggml.token_type";
    let token_types = gguf.array(types_key, MAX_VOCABULARY)?.map(|a| small_numbers(types_key, a)).transpose()?;
    let scores_key = "tokenizer.ggml.scores";
    let scores = gguf.array(scores_key, MAX_VOCABULARY)?.map(|a| scores(scores_key, a)).transpose()?;
    let merges_key = "tokenizer.ggml.merges";
    let merges = gguf.array(merges_key, 2 * MAX_VOCABULARY)?.map(|a| texts(merges_key, a)).transpose()?;
    let token = |key: &str| match gguf.size(key)? {
        Some(id) if id >= tokens.len() => {
            fail(Status::CorruptFile, format!("metadata {key}: token {id} found, there are {} tokens", tokens.len()))
        }
        id => Ok(id.map(|id| id as u32)),
    };
    let add_bos = gguf.flag("tokenizer.ggml.add_bos_token")?;
    Ok(GgufVocabulary {
        bos: token("tokenizer.ggml.bos_token_id")?,
        unknown: token("tokenizer.ggml.unknown_token_id")?,
        add_bos: add_bos.unwrap_or_else(|| GgufVocabulary::default_add_bos(model, pre)),
        add_space_prefix: gguf.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(true),
        model,
        pre,
        tokens,
        token_types: token_types.unwrap_or_default(),
        merges: merges.unwrap_or_default(),
        scores: scores.unwrap_or_default(),
    })
}

fn texts<'a>(key: &str, array: Array<'a>) -> Result<Vec<&'a str>> {
    let mut texts = Vec::with_capacity(array.len());
    for value in array.values() {
        match value.map_err(|e| e.context(format!("metadata {key}")))? {
            Value::Text(text) => texts.push(text),
            other => return wrong_element(key, "texts", other),
        }
    }
    Ok(texts)
}

fn small_numbers(key: &str, array: Array<'_>) -> Result<Vec<i32>> {
    let mut numbers = Vec::with_capacity(array.len());
    for value in array.values() {
        let value = value.map_err(|e| e.context(format!("metadata {key}")))?;
        let number = match value {
            Value::Unsigned(n) => i32::try_from(n).ok(),
            Value::Signed(n) => i32::try_from(n).ok(),
            _ => None,
        };
        match number {
            Some(number) => numbers.push(number),
            None => return wrong_element(key, "whole numbers of 32 bits", value),
        }
    }
    Ok(numbers)
}

fn scores(key: &str, array: Array<'_>) -> Result<Vec<f32>> {
    let mut scores = Vec::with_capacity(array.len());
    for value in array.values() {
        match value.map_err(|e| e.context(format!("metadata {key}")))? {
            Value::Float(score) if !score.is_nan() => scores.push(score as f32),
            other => return wrong_element(key, "floats", other),
        }
    }
    Ok(scores)
}

fn wrong_element<T>(key: &str, expected: &str, found: Value<'_>) -> Result<T> {
    fail(Status::CorruptFile, format!("metadata {key}: expected an array of {expected}, found {}", found.kind_name()))
}
