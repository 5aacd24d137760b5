//! The configuration in GGUF metadata.

use super::{FieldNames, LlamaConfig, RotaryLayout, default_head_width, missing, rotary};
use crate::backbone::excerpt::excerpt;
use crate::backbone::gguf::Gguf;
use crate::error::{Result, Status, fail};

const NAMES: FieldNames = FieldNames {
    layers: "metadata llama.block_count",
    width: "metadata llama.embedding_length",
    heads: "metadata llama.attention.head_count",
    kv_heads: "metadata llama.attention.head_count_kv",
    head_width: "metadata llama.attention.key_length",
    feed_forward: "metadata llama.feed_forward_length",
    vocabulary: "rows of tensor \"token_embd.weight\"",
    context: "metadata llama.context_length",
    norm_epsilon: "metadata llama.attention.layer_norm_rms_epsilon",
};

impl LlamaConfig {
    /// The configuration of a llama GGUF file whose embedding has `vocabulary` rows; `divisors` are the values of the
    /// tensor `rope_freqs.weight`.
    ///
    /// Errors: `Unsupported` names the architecture or setting, `CorruptFile` and `TooLarge` the field.
    pub fn from_gguf(gguf: &Gguf<'_>, vocabulary: usize, divisors: Option<&[f32]>) -> Result<Self> {
        check_supported(gguf)?;
        let size = |name: &str| gguf.size(name.trim_start_matches("metadata "));
        let needed = |name: &str| size(name)?.map_or_else(|| missing(name), Ok);
        let (width, heads) = (needed(NAMES.width)?, needed(NAMES.heads)?);
        let head_width = match size(NAMES.head_width)? {
            Some(head_width) => head_width,
            None => default_head_width(width, heads, &NAMES)?,
        };
        let epsilon = gguf.float("llama.attention.layer_norm_rms_epsilon")?;
        let mut config = Self {
            layers: needed(NAMES.layers)?,
            width,
            heads,
            kv_heads: size(NAMES.kv_heads)?.unwrap_or(heads),
            head_width,
            feed_forward: needed(NAMES.feed_forward)?,
            vocabulary,
            context: needed(NAMES.context)?,
            norm_epsilon: epsilon.map_or_else(|| missing(NAMES.norm_epsilon), Ok)? as f32,
            rotary_layout: RotaryLayout::Interleaved,
            rotary_frequencies: Vec::new(),
        };
        config.check(&NAMES)?;
        check_head_parts(gguf, head_width)?;
        config.rotary_frequencies = frequencies(gguf, head_width, divisors)?;
        Ok(config)
    }
}

/// Refuses by name what the network here would compute wrongly.
fn check_supported(gguf: &Gguf<'_>) -> Result<()> {
    let Some(architecture) = gguf.text("general.architecture")? else {
        return missing("metadata general.architecture");
    };
    if architecture != "llama" {
        let message = format!("architecture {} is not supported, only \"llama\" is", excerpt(architecture));
        return fail(Status::Unsupported, message);
    }
    let parts = gguf.size("split.count")?.unwrap_or(1);
    if parts > 1 {
        let message = format!("the model is split over {parts} files; merge them into one (llama-gguf-split --merge)");
        return fail(Status::Unsupported, message);
    }
    for key in ["llama.expert_count", "llama.attention.sliding_window"] {
        if let Some(n @ 1..) = gguf.size(key)? {
            return fail(Status::Unsupported, format!("metadata {key}: {n} is not supported, only 0 is"));
        }
    }
    for (key, plain) in [("llama.attention.scale", 0.0), ("llama.rope.scaling.attn_factor", 1.0)] {
        if let Some(value) = gguf.float(key)?.filter(|&value| value != plain) {
            return fail(Status::Unsupported, format!("metadata {key}: {value} is not supported, only {plain} is"));
        }
    }
    if gguf.flag("llama.attention.causal")? == Some(false) {
        return fail(Status::Unsupported, "metadata llama.attention.causal: false is not supported");
    }
    Ok(())
}

/// Keys, values and the rotated part must be as wide as a head.
fn check_head_parts(gguf: &Gguf<'_>, head_width: usize) -> Result<()> {
    for key in ["llama.attention.value_length", "llama.rope.dimension_count"] {
        if let Some(found) = gguf.size(key)?.filter(|&n| n != head_width) {
            let message =
                format!("metadata {key}: {found} is not supported, only the width of a head ({head_width}) is");
            return fail(Status::Unsupported, message);
        }
    }
    Ok(())
}

fn frequencies(gguf: &Gguf<'_>, head_width: usize, divisors: Option<&[f32]>) -> Result<Vec<f32>> {
    let base = "llama.rope.freq_base";
    let theta = gguf.float(base)?.unwrap_or(10_000.0);
    let mut frequencies = rotary::frequencies(head_width, theta, &format!("metadata {base}"))?;
    let kind = gguf.text("llama.rope.scaling.type")?.unwrap_or("linear");
    match kind {
        "none" => {}
        "linear" => {
            // The second key is the older spelling; 0 means no scaling in both.
            for key in ["llama.rope.scaling.factor", "llama.rope.scale_linear"] {
                if let Some(factor) = gguf.float(key)?.filter(|&factor| factor != 0.0) {
                    rotary::linear(&mut frequencies, factor, &format!("metadata {key}"))?;
                    break;
                }
            }
        }
        other => {
            let message = format!(
                "metadata llama.rope.scaling.type: {} is not supported, only \"none\" and \"linear\" are",
                excerpt(other)
            );
            return fail(Status::Unsupported, message);
        }
    }
    if let Some(divisors) = divisors {
        rotary::divide(&mut frequencies, divisors, "tensor \"rope_freqs.weight\"")?;
    }
    rotary::check(&frequencies)?;
    Ok(frequencies)
}
