//! A Llama-family backbone in a Hugging Face folder: config.json, tokenizer.json and safetensors.

use super::config::HuggingFaceConfig;
use super::config::fields::parse_object;
use super::folder::Folder;
use super::llama_source::LlamaSource;
use super::safetensors_files::SafetensorsFiles;
use super::tensors::{Head, Keep, TensorNames, TensorReader};
use crate::error::{Error, Result, Status};
use crate::limits::{MAX_JSON_BYTES, MAX_TOKENIZER_BYTES};
use crate::runtime::Control;
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

const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// Reads `folder`.
pub(super) fn read(folder: Folder<'_>, expand: bool, control: &mut Control<'_>) -> Result<LlamaSource> {
    let HuggingFaceConfig { llama: config, tied } = config(folder)?;
    let store = SafetensorsFiles::open(folder)?;
    let head = if tied { Head::Tied } else { Head::Separate };
    let weights = TensorReader::new(&store, keep(expand), control).network(&NAMES, &config, head)?;
    LlamaSource::assemble(&folder.place(), config, tokenizer(folder)?, weights, false)
}

/// What becomes of a folder's matrices: most are expanded, and else what was only looked at need not stay in memory.
pub(super) fn keep(expand: bool) -> Keep {
    if expand { Keep::Expanded } else { Keep::Released }
}

/// Reads `config.json` in `folder`.
pub(super) fn config(folder: Folder<'_>) -> Result<HuggingFaceConfig> {
    read_config(folder, HuggingFaceConfig::parse)
}

/// Whether `config.json` in `folder` says that it holds a `model_type`; what cannot be read holds none.
pub(super) fn is_model_type(folder: Folder<'_>, model_type: &str) -> bool {
    let read = read_config(folder, parse_object);
    read.is_ok_and(|fields| fields.get("model_type").is_some_and(|found| found == model_type))
}

/// What `parse` makes of the bytes of `config.json` in `folder`.
pub(super) fn read_config<T>(folder: Folder<'_>, parse: impl Fn(&[u8]) -> Result<T>) -> Result<T> {
    parse(&folder.read(CONFIG, MAX_JSON_BYTES)?).map_err(|e| e.context(folder.place_of(CONFIG)))
}

/// Reads `tokenizer.json`, and `tokenizer_config.json` where there is one, in `folder`.
pub(super) fn tokenizer(folder: Folder<'_>) -> Result<Tokenizer> {
    let bytes = folder.read(TOKENIZER, MAX_TOKENIZER_BYTES)?;
    let config: Option<serde_json::Value> = if folder.has(TOKENIZER_CONFIG) {
        let bytes = folder.read(TOKENIZER_CONFIG, MAX_JSON_BYTES)?;
        let not_json = |e| {
            let message = format!("{}: not valid JSON: {e}", folder.place_of(TOKENIZER_CONFIG));
            Error::new(Status::CorruptFile, message)
        };
        Some(serde_json::from_slice(&bytes).map_err(not_json)?)
    } else {
        None
    };
    Tokenizer::from_json(&bytes, config.as_ref()).map_err(|e| e.context(folder.place_of(TOKENIZER)))
}
