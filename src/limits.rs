//! Caps on what comes from outside, checked before anything is allocated.

use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::error::{Result, Status, fail};

/// Most labels a task may have.
pub const MAX_LABELS: usize = 1_000;
/// Most tokens of one verbalizer.
pub const MAX_VERBALIZER_TOKENS: usize = 32;
/// Most tokens of all verbalizers of a task together, where no label head takes their place: reading a text's labels off takes a
/// row for each.
pub const MAX_ANSWER_TOKENS: usize = 4_096;
/// Most bytes of the name of a task or label, and of a verbalizer.
pub const MAX_NAME_BYTES: usize = 1_024;
/// Most bytes of a template.
pub const MAX_TEMPLATE_BYTES: usize = 64 << 10;
/// Most places of a template where a field goes in.
pub const MAX_TEMPLATE_FIELDS: usize = 64;
/// Most bytes of one field of an example; longer text is refused (100k characters fit).
pub const MAX_FIELD_BYTES: usize = 4 << 20;
/// Most bytes of one line of a JSONL file.
pub const MAX_LINE_BYTES: usize = 16 << 20;
/// Most examples read from one file.
pub const MAX_EXAMPLES: usize = 10_000_000;
/// Most bytes of text kept of the examples of one file.
pub const MAX_EXAMPLE_BYTES: u64 = 1 << 30;
/// Most bytes of a `task.json`, `config.json` or manifest.
pub const MAX_JSON_BYTES: usize = 16 << 20;
/// Most bytes of a bundle's manifest: its recipe is parsed as any JSON, which takes many times its size.
pub const MAX_BUNDLE_MANIFEST_BYTES: usize = 1 << 20;
/// Most bytes of a `tokenizer.json`.
pub const MAX_TOKENIZER_BYTES: usize = 256 << 20;
/// Longest text of an added token of a tokenizer, in bytes.
pub const MAX_ADDED_TOKEN_BYTES: usize = 256;
/// Most rows of a soft prompt: enough for a prompt made of many examples' tokens.
pub const MAX_PROMPT_ROWS: usize = 4_096;
/// Most low-rank layers of a gradient regularizer.
pub const MAX_REGULARIZER_LAYERS: usize = 16;
/// Most worker threads.
pub const MAX_THREADS: usize = 256;
/// Most optimizer steps of one adaptation.
pub const MAX_STEPS: usize = 1_000_000;
/// Most rows of one batch.
pub const MAX_BATCH_ROWS: usize = 4_096;
/// Most layers, and largest width, head count and vocabulary of a backbone.
pub const MAX_LAYERS: usize = 512;
/// Largest width of any layer.
pub const MAX_WIDTH: usize = 1 << 17;
/// Largest vocabulary.
pub const MAX_VOCABULARY: usize = 1 << 21;
/// Most bytes of an adapter or bundle file.
pub const MAX_ADAPTER_BYTES: u64 = 256 << 20;
/// Longest context a backbone may claim, and most tokens that may be asked for per text.
pub const MAX_CONTEXT: usize = 1 << 24;
/// Most rows of a T5's encoder for one text, the prompt's included: relative positions set no limit of their own.
pub const MAX_T5_ROWS: usize = 16_384;
/// Most metadata entries, and most tensors, of a GGUF file.
pub const MAX_GGUF_ENTRIES: usize = 1 << 16;
/// Largest alignment of tensors in a GGUF file, in bytes.
pub const MAX_GGUF_ALIGNMENT: usize = 1 << 16;
/// Most files that the weights of a model folder are spread over.
pub const MAX_WEIGHT_FILES: usize = 1_024;
/// Most bytes of a PyTorch checkpoint.
pub const MAX_TORCH_BYTES: usize = 256 << 20;
/// Most records of a PyTorch checkpoint.
pub const MAX_TORCH_RECORDS: usize = 4_096;
/// Most bytes that the tensors of a PyTorch checkpoint may take as f32 above the size of the file.
pub const MAX_TORCH_EXTRA_BYTES: usize = 32 << 20;
/// Most bytes of a pickle.
pub const MAX_PICKLE_BYTES: usize = 4 << 20;
/// Most operations of a pickle; each takes less than 200 bytes of memory beside the pickle itself.
pub const MAX_PICKLE_STEPS: usize = 1 << 16;

/// `InvalidOption` unless the value of `option` lies in `range`; NaN lies in none.
pub(crate) fn within<T: PartialOrd + Display>(option: &str, value: T, range: RangeInclusive<T>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    let (least, most) = range.into_inner();
    fail(Status::InvalidOption, format!("option {option} must be between {least} and {most}, {value} was given"))
}
