//! What a T5 looks like, from config.json.

use crate::backbone::config::fields::{Fields, parse_object};
use crate::backbone::excerpt::excerpt;
use crate::error::{Result, Status, fail};
use crate::limits::{MAX_CONTEXT, MAX_LAYERS, MAX_VOCABULARY, MAX_WIDTH};

/// How the feed-forward layers work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FeedForward {
    /// relu(x W^T) (T5 v1.0).
    Relu,
    /// gelu_tanh(x W0^T) * (x W1^T) (v1.1, LM-adapted, Flan).
    GatedGelu,
}

/// Where the output head comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// It is the embedding; a tensor of its own is a copy.
    Tied,
    /// It is a tensor that must be there.
    Separate,
    /// It is a tensor where there is one, else the embedding: files of transformers 5 always say that it is tied.
    AsStored,
}

/// Shape and settings of a T5, validated (no zero, no absurd size).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct T5Config {
    /// Layers of the encoder.
    pub encoder_layers: usize,
    /// Layers of the decoder.
    pub decoder_layers: usize,
    /// d, the width of the residual stream.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of one head; `heads` of them need not be as wide as d.
    pub head_width: usize,
    /// Width of the feed-forward layers.
    pub feed_forward_width: usize,
    /// How they work.
    pub feed_forward: FeedForward,
    /// Number of token ids.
    pub vocabulary: usize,
    /// Rows of the relative position bias table.
    pub buckets: usize,
    /// Distance from which on all positions share the last bucket.
    pub max_distance: usize,
    /// Epsilon of the RMS norms.
    pub norm_epsilon: f32,
    /// Where the head comes from.
    pub head: Head,
    /// Whether the decoder's output is multiplied by d^-0.5 before the head.
    pub scaled_output: bool,
    /// The token every decoder sequence starts with.
    pub decoder_start: u32,
}

impl T5Config {
    /// Reads the bytes of a config.json; absent settings have transformers' defaults, sizes must be there.
    ///
    /// Errors: `Unsupported` names the setting, `CorruptFile` and `TooLarge` the field.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let fields = parse_object(bytes)?;
        let fields = Fields { fields: &fields, prefix: "" };
        let feed_forward = feed_forward(&fields)?;
        check_supported(&fields)?;
        let size = |name: &str, most: usize, default: Option<usize>| sized(&fields, name, most, default);
        let encoder_layers = size("num_layers", MAX_LAYERS, None)?;
        let vocabulary = size("vocab_size", MAX_VOCABULARY, None)?;
        let tied = fields.flag("tie_word_embeddings")?.unwrap_or(true);
        let scaled_output = fields.flag("scale_decoder_outputs")?.unwrap_or(tied);
        let head = match (tied, scaled_output) {
            (false, _) => Head::Separate,
            (true, true) => Head::Tied,
            (true, false) => Head::AsStored,
        };
        let config = Self {
            encoder_layers,
            decoder_layers: size("num_decoder_layers", MAX_LAYERS, Some(encoder_layers))?,
            width: size("d_model", MAX_WIDTH, None)?,
            heads: size("num_heads", MAX_WIDTH, None)?,
            head_width: size("d_kv", MAX_WIDTH, None)?,
            feed_forward_width: size("d_ff", MAX_WIDTH, None)?,
            feed_forward,
            vocabulary,
            buckets: size("relative_attention_num_buckets", MAX_WIDTH, Some(32))?,
            max_distance: size("relative_attention_max_distance", MAX_CONTEXT, Some(128))?,
            norm_epsilon: fields.number("layer_norm_epsilon")?.unwrap_or(1e-6) as f32,
            head,
            scaled_output,
            decoder_start: decoder_start(&fields, vocabulary)?,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        if self.heads * self.head_width > MAX_WIDTH {
            return fail(Status::TooLarge, format!("num_heads times d_kv: at most {MAX_WIDTH} is accepted"));
        }
        if self.buckets < 4 {
            let message = format!("relative_attention_num_buckets: expected 4 or more, {} found", self.buckets);
            return fail(Status::CorruptFile, message);
        }
        if self.max_distance <= self.buckets / 2 {
            let message = format!(
                "relative_attention_max_distance: expected more than half of relative_attention_num_buckets ({}), {} found",
                self.buckets, self.max_distance
            );
            return fail(Status::CorruptFile, message);
        }
        if !(self.norm_epsilon > 0.0 && self.norm_epsilon < 1.0) {
            let message = format!("layer_norm_epsilon: expected a number between 0 and 1, {} found", self.norm_epsilon);
            return fail(Status::CorruptFile, message);
        }
        Ok(())
    }

    /// Width of a query, key or value row: all heads together.
    pub(super) fn inner_width(&self) -> usize {
        self.heads * self.head_width
    }

    /// The sizes in one line, e.g. "12+12x768 heads 12x64 ff 3072 vocab 32128".
    pub(super) fn shape(&self) -> String {
        let Self { encoder_layers, decoder_layers, width, heads, head_width, feed_forward_width, vocabulary, .. } =
            self;
        format!(
            "{encoder_layers}+{decoder_layers}x{width} heads {heads}x{head_width} ff {feed_forward_width} vocab {vocabulary}"
        )
    }
}

fn sized(fields: &Fields<'_>, name: &str, most: usize, default: Option<usize>) -> Result<usize> {
    match fields.size(name)?.or(default) {
        None => fail(Status::CorruptFile, format!("{name} is missing")),
        Some(0) => fail(Status::CorruptFile, format!("{name}: expected at least 1, 0 found")),
        Some(value) if value > most => {
            fail(Status::TooLarge, format!("{name}: {value} found, at most {most} is accepted"))
        }
        Some(value) => Ok(value),
    }
}

/// `feed_forward_proj` decides; what is derived from it must agree where it is written down.
fn feed_forward(fields: &Fields<'_>) -> Result<FeedForward> {
    let (kind, act, gated) = match fields.text("feed_forward_proj")? {
        None | Some("relu") => (FeedForward::Relu, "relu", false),
        Some("gated-gelu") => (FeedForward::GatedGelu, "gelu_new", true),
        Some(other) => {
            return fields.unsupported("feed_forward_proj", &excerpt(other), "\"relu\" or \"gated-gelu\"");
        }
    };
    if let Some(found) = fields.text("dense_act_fn")?.filter(|&found| found != act) {
        return fields.unsupported("dense_act_fn", &excerpt(found), &format!("\"{act}\" (as feed_forward_proj says)"));
    }
    if let Some(found) = fields.flag("is_gated_act")?.filter(|&found| found != gated) {
        return fields.unsupported("is_gated_act", &found.to_string(), &format!("{gated} (as feed_forward_proj says)"));
    }
    Ok(kind)
}

/// Refuses by name what the network here would compute wrongly.
fn check_supported(fields: &Fields<'_>) -> Result<()> {
    match fields.text("model_type")? {
        Some("t5") => {}
        Some(other) => return fields.unsupported("model_type", &excerpt(other), "\"t5\""),
        None => return fail(Status::CorruptFile, "model_type is missing"),
    }
    if let Some(names) = fields.get("architectures") {
        let known = ["T5ForConditionalGeneration", "T5WithLMHeadModel"];
        let first = names.as_array().and_then(|names| names.first()?.as_str());
        if first.is_none_or(|first| !known.contains(&first)) {
            let found = first.map_or("a value of another form".to_owned(), excerpt);
            return fields.unsupported("architectures", &found, "[\"T5ForConditionalGeneration\"]");
        }
    }
    if fields.flag("is_encoder_decoder")? == Some(false) {
        return fields.unsupported("is_encoder_decoder", "false", "true");
    }
    if fields.get("quantization_config").is_some() {
        let message = "quantization_config: quantized folders are not supported; use f32, f16 or bf16 weights";
        return fail(Status::Unsupported, message);
    }
    Ok(())
}

fn decoder_start(fields: &Fields<'_>, vocabulary: usize) -> Result<u32> {
    let start = match fields.size("decoder_start_token_id")? {
        Some(start) => start,
        None => fields.size("pad_token_id")?.unwrap_or(0),
    };
    match u32::try_from(start) {
        Ok(id) if start < vocabulary => Ok(id),
        _ => fail(
            Status::CorruptFile,
            format!("decoder_start_token_id: {start} is outside the vocabulary of {vocabulary}"),
        ),
    }
}
