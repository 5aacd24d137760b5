//! The configuration in a Hugging Face config.json.

use serde_json::Map;

use super::fields::{Fields, parse_object};
use super::rotary::{self, Llama3};
use super::{FieldNames, LlamaConfig, RotaryLayout, default_head_width, missing};
use crate::backbone::excerpt::excerpt;
use crate::error::{Result, Status, fail};

const NAMES: FieldNames = FieldNames {
    layers: "num_hidden_layers",
    width: "hidden_size",
    heads: "num_attention_heads",
    kv_heads: "num_key_value_heads",
    head_width: "head_dim",
    feed_forward: "intermediate_size",
    vocabulary: "vocab_size",
    context: "max_position_embeddings",
    norm_epsilon: "rms_norm_eps",
};

/// A configuration read from config.json.
pub struct HuggingFaceConfig {
    /// Shape and settings.
    pub llama: LlamaConfig,
    /// Whether the output head is the embedding.
    pub tied: bool,
}

impl HuggingFaceConfig {
    /// Reads the bytes of a config.json; absent fields have transformers' defaults, sizes must be there.
    ///
    /// Errors: `Unsupported` names the architecture or setting, `CorruptFile` and `TooLarge` the field.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let fields = parse_object(bytes)?;
        let fields = Fields { fields: &fields, prefix: "" };
        check_supported(&fields)?;
        let needed = |name: &str| fields.size(name)?.map_or_else(|| missing(name), Ok);
        let (width, heads) = (needed(NAMES.width)?, needed(NAMES.heads)?);
        let head_width = match fields.size(NAMES.head_width)? {
            Some(head_width) => head_width,
            None => default_head_width(width, heads, &NAMES)?,
        };
        let mut llama = LlamaConfig {
            layers: needed(NAMES.layers)?,
            width,
            heads,
            kv_heads: fields.size(NAMES.kv_heads)?.unwrap_or(heads),
            head_width,
            feed_forward: needed(NAMES.feed_forward)?,
            vocabulary: needed(NAMES.vocabulary)?,
            context: fields.size(NAMES.context)?.unwrap_or(2048),
            norm_epsilon: fields.number(NAMES.norm_epsilon)?.unwrap_or(1e-6) as f32,
            rotary_layout: RotaryLayout::Halves,
            rotary_frequencies: Vec::new(),
        };
        llama.check(&NAMES)?;
        llama.rotary_frequencies = frequencies(&fields, head_width)?;
        Ok(Self { llama, tied: fields.flag("tie_word_embeddings")?.unwrap_or(false) })
    }
}

/// Refuses by name what the network here would compute wrongly.
fn check_supported(fields: &Fields<'_>) -> Result<()> {
    match fields.text("model_type")? {
        Some("llama") => {}
        Some(other) => return fields.unsupported("model_type", &excerpt(other), "\"llama\" or \"t5\""),
        None => return missing("model_type"),
    }
    if let Some(names) = fields.get("architectures") {
        let first = names.as_array().and_then(|names| names.first()?.as_str());
        if first != Some("LlamaForCausalLM") {
            let found = first.map_or("a value of another form".to_owned(), excerpt);
            return fields.unsupported("architectures", &found, "[\"LlamaForCausalLM\"]");
        }
    }
    if let Some(act) = fields.text("hidden_act")?.filter(|&act| act != "silu") {
        return fields.unsupported("hidden_act", &excerpt(act), "\"silu\"");
    }
    for name in ["attention_bias", "mlp_bias"] {
        if fields.flag(name)? == Some(true) {
            return fields.unsupported(name, "true", "false");
        }
    }
    if let Some(n @ 2..) = fields.size("pretraining_tp")? {
        return fields.unsupported("pretraining_tp", &n.to_string(), "1");
    }
    if fields.get("quantization_config").is_some() {
        let message =
            "quantization_config: quantized folders are not supported; use f32, f16 or bf16 weights, or a GGUF file";
        return fail(Status::Unsupported, message);
    }
    if fields.get("sliding_window").is_some() {
        return fail(Status::Unsupported, "sliding_window is not supported");
    }
    Ok(())
}

/// The scaling object may be called `rope_scaling` or, with the base inside, `rope_parameters`.
fn frequencies(fields: &Fields<'_>, head_width: usize) -> Result<Vec<f32>> {
    let rope = match fields.object("rope_scaling", "rope_scaling.")? {
        Some(rope) if !rope.fields.is_empty() => Some(rope),
        _ => fields.object("rope_parameters", "rope_parameters.")?,
    };
    let empty = Map::new();
    let rope = rope.unwrap_or(Fields { fields: &empty, prefix: "" });
    if let Some((name, _)) = rope.fields.iter().find(|(_, value)| value.is_object()) {
        return fail(
            Status::Unsupported,
            format!("{}{}: a scaling per layer is not supported", rope.prefix, excerpt(name)),
        );
    }
    for part in [fields, &rope] {
        if let Some(factor) = part.number("partial_rotary_factor")?.filter(|&factor| factor != 1.0) {
            return part.unsupported("partial_rotary_factor", &factor.to_string(), "1");
        }
    }
    let theta = match rope.number("rope_theta")? {
        Some(theta) => theta,
        None => fields.number("rope_theta")?.unwrap_or(10_000.0),
    };
    let mut frequencies = rotary::frequencies(head_width, theta, "rope_theta")?;
    let kind = match rope.text("rope_type")? {
        Some(kind) => kind,
        None => rope.text("type")?.unwrap_or("default"),
    };
    let needed = |name: &str| rope.number(name)?.map_or_else(|| missing(&format!("{}{name}", rope.prefix)), Ok);
    match kind {
        "default" => {}
        "linear" => rotary::linear(&mut frequencies, needed("factor")?, &format!("{}factor", rope.prefix))?,
        "llama3" => {
            let original = match fields.number("original_max_position_embeddings")? {
                Some(original) => original,
                None => needed("original_max_position_embeddings")?,
            };
            let scaling = Llama3 {
                factor: needed("factor")?,
                low_frequency_factor: needed("low_freq_factor")?,
                high_frequency_factor: needed("high_freq_factor")?,
                original_context: original,
            };
            rotary::llama3(&mut frequencies, &scaling)?;
        }
        other => {
            return rope.unsupported("rope_type", &excerpt(other), "\"default\", \"linear\" or \"llama3\"");
        }
    }
    rotary::check(&frequencies)?;
    Ok(frequencies)
}

#[cfg(test)]
mod tests;
