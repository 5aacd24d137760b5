//! What a Llama-family backbone looks like, from GGUF metadata or config.json.

pub(super) mod fields;
mod gguf;
mod hugging_face;
mod rotary;

pub use hugging_face::HuggingFaceConfig;

use crate::error::{Result, Status, fail};
use crate::limits::{MAX_CONTEXT, MAX_LAYERS, MAX_VOCABULARY, MAX_WIDTH};

/// Which elements of a head rotate together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotaryLayout {
    /// Element i with i + d/2 (Hugging Face).
    Halves,
    /// Element 2i with 2i + 1 (ggml's llama files, whose q and k rows are permuted to match).
    Interleaved,
}

/// Shape and settings of a Llama-family network, validated (no zero, no absurd size, head counts divide).
#[derive(Clone, Debug, PartialEq)]
pub struct LlamaConfig {
    /// Number of layers.
    pub layers: usize,
    /// d, the width of the residual stream.
    pub width: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of one head; even.
    pub head_width: usize,
    /// Width of the gated feed-forward layer.
    pub feed_forward: usize,
    /// Number of token ids.
    pub vocabulary: usize,
    /// Longest sequence the model was trained for.
    pub context: usize,
    /// Epsilon of the RMS norms.
    pub norm_epsilon: f32,
    /// Which elements rotate together.
    pub rotary_layout: RotaryLayout,
    /// Angle per position of each pair (`head_width / 2` values), scaling (linear, llama3, factors in the file) applied.
    pub rotary_frequencies: Vec<f32>,
}

/// What the fields are called where they come from, for messages.
struct FieldNames {
    layers: &'static str,
    width: &'static str,
    heads: &'static str,
    kv_heads: &'static str,
    head_width: &'static str,
    feed_forward: &'static str,
    vocabulary: &'static str,
    context: &'static str,
    norm_epsilon: &'static str,
}

impl LlamaConfig {
    /// Checks everything but the rotary frequencies, which are still empty.
    fn check(&self, names: &FieldNames) -> Result<()> {
        for (name, value, most) in [
            (names.layers, self.layers, MAX_LAYERS),
            (names.width, self.width, MAX_WIDTH),
            (names.heads, self.heads, MAX_WIDTH),
            (names.kv_heads, self.kv_heads, MAX_WIDTH),
            (names.head_width, self.head_width, MAX_WIDTH),
            (names.feed_forward, self.feed_forward, MAX_WIDTH),
            (names.vocabulary, self.vocabulary, MAX_VOCABULARY),
            (names.context, self.context, MAX_CONTEXT),
        ] {
            if value == 0 {
                return fail(Status::CorruptFile, format!("{name}: expected at least 1, 0 found"));
            }
            if value > most {
                return fail(Status::TooLarge, format!("{name}: {value} found, at most {most} is accepted"));
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            let message =
                format!("{} ({}) is no multiple of {} ({})", names.heads, self.heads, names.kv_heads, self.kv_heads);
            return fail(Status::CorruptFile, message);
        }
        if !self.head_width.is_multiple_of(2) {
            return fail(
                Status::CorruptFile,
                format!("{}: expected an even number, {} found", names.head_width, self.head_width),
            );
        }
        if self.heads * self.head_width > MAX_WIDTH {
            let message = format!("{} times {}: at most {MAX_WIDTH} is accepted", names.heads, names.head_width);
            return fail(Status::TooLarge, message);
        }
        if !(self.norm_epsilon > 0.0 && self.norm_epsilon < 1.0) {
            let message =
                format!("{}: expected a number between 0 and 1, {} found", names.norm_epsilon, self.norm_epsilon);
            return fail(Status::CorruptFile, message);
        }
        Ok(())
    }

    /// Names and values of the sizes.
    pub fn sizes(&self) -> Vec<(&'static str, usize)> {
        vec![
            ("layers", self.layers),
            ("width", self.width),
            ("heads", self.heads),
            ("kv_heads", self.kv_heads),
            ("head_width", self.head_width),
            ("feed_forward", self.feed_forward),
            ("vocabulary", self.vocabulary),
            ("context", self.context),
        ]
    }

    /// The sizes in one line, the same for every file of one model, e.g. "30x576 heads 9/3x64 ff 1536 vocab 49152".
    pub fn shape(&self) -> String {
        let Self { layers, width, heads, kv_heads, head_width, feed_forward, vocabulary, .. } = self;
        format!("{layers}x{width} heads {heads}/{kv_heads}x{head_width} ff {feed_forward} vocab {vocabulary}")
    }
}

/// `width / heads` where no head width is given. Errors: `CorruptFile` when it does not divide.
fn default_head_width(width: usize, heads: usize, names: &FieldNames) -> Result<usize> {
    match width.checked_rem(heads) {
        Some(0) => Ok(width / heads),
        Some(_) => {
            fail(Status::CorruptFile, format!("{} ({width}) is no multiple of {} ({heads})", names.width, names.heads))
        }
        None => fail(Status::CorruptFile, format!("{}: expected at least 1, 0 found", names.heads)),
    }
}

/// A missing field.
fn missing<T>(name: &str) -> Result<T> {
    fail(Status::CorruptFile, format!("{name} is missing"))
}
