//! A Llama-family backbone in a Hugging Face folder: config.json, tokenizer.json and safetensors.

use std::path::Path;

use super::config::HuggingFaceConfig;
use super::config::fields::parse_object;
use super::llama_source::LlamaSource;
use super::mapped;
use super::safetensors_files::SafetensorsFiles;
use super::tensors::{Head, TensorNames, TensorReader};
use crate::error::{Error, Result, Status};
use crate::limits::{MAX_JSON_BYTES, MAX_TOKENIZER_BYTES};
use crate::text::Tokenizer;

const NAMES: TensorNames = TensorNames {
    embedding: "model.embed_tokens.weight",
    final_norm: "model.norm.weight",
    head: "lm_head.weight",
    layer: "model.layers.",
    attention_norm: "input_layernorm.weight",
    query: "self_attn.q_proj.weight",
    key: "self_attn.k_proj.weight",
    value: "self_attn.v_proj.weight",
    output: "self_attn.o_proj.weight",
    feed_forward_norm: "post_attention_layernorm.weight",
    gate: "mlp.gate_proj.weight",
    up: "mlp.up_proj.weight",
    down: "mlp.down_proj.weight",
};

/// Opens the folder `path`.
pub(super) fn open(path: &Path) -> Result<LlamaSource> {
    let HuggingFaceConfig { llama: config, tied } = config(path)?;
    let store = SafetensorsFiles::open(path)?;
    let head = if tied { Head::Tied } else { Head::Separate };
    // The weights are going to be expanded: what was only looked at need not stay in memory.
    let weights = TensorReader::new(&store, true).network(&NAMES, &config, head)?;
    LlamaSource::assemble(path, config, tokenizer(path)?, weights, false)
}

/// Reads `config.json` in `folder`.
pub(super) fn config(folder: &Path) -> Result<HuggingFaceConfig> {
    read_config(folder, HuggingFaceConfig::parse)
}

/// Whether `config.json` in `folder` says that it holds a `model_type`; what cannot be read holds none.
pub(super) fn is_model_type(folder: &Path, model_type: &str) -> bool {
    let read = read_config(folder, parse_object);
    read.is_ok_and(|fields| fields.get("model_type").is_some_and(|found| found == model_type))
}

/// What `parse` makes of the bytes of `config.json` in `folder`.
pub(super) fn read_config<T>(folder: &Path, parse: impl Fn(&[u8]) -> Result<T>) -> Result<T> {
    let path = folder.join("config.json");
    parse(&mapped::read(&path, MAX_JSON_BYTES)?).map_err(|e| e.context(path.display()))
}

/// Reads `tokenizer.json`, and `tokenizer_config.json` where there is one, in `folder`.
pub(super) fn tokenizer(folder: &Path) -> Result<Tokenizer> {
    let path = folder.join("tokenizer.json");
    let bytes = mapped::read(&path, MAX_TOKENIZER_BYTES)?;
    let config_path = folder.join("tokenizer_config.json");
    let config: Option<serde_json::Value> = if config_path.exists() {
        let bytes = mapped::read(&config_path, MAX_JSON_BYTES)?;
        let not_json = |e| Error::new(Status::CorruptFile, format!("{}: not valid JSON: {e}", config_path.display()));
        Some(serde_json::from_slice(&bytes).map_err(not_json)?)
    } else {
        None
    };
    Tokenizer::from_json(&bytes, config.as_ref()).map_err(|e| e.context(path.display()))
}
