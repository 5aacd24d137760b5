//! Writing a small valid GGUF model, with one part or another made wrong.

use std::path::{Path, PathBuf};

/// One metadata entry: key, kind code, bytes of the value.
pub type Entry = (String, u32, Vec<u8>);

/// A tensor and its bytes.
#[derive(Clone)]
pub struct Tensor {
    pub name: String,
    /// Fastest first, as in the file.
    pub dimensions: Vec<u64>,
    pub kind: u32,
    pub bytes: Vec<u8>,
    /// Instead of where the bytes are.
    pub offset: Option<u64>,
}

/// All parts of a file; [`GgufFile::new`] is valid.
#[derive(Clone)]
pub struct GgufFile {
    pub magic: [u8; 4],
    pub version: u32,
    /// Instead of the true numbers of tensors and entries.
    pub counts: (Option<u64>, Option<u64>),
    pub entries: Vec<Entry>,
    pub tensors: Vec<Tensor>,
}

pub const WIDTH: u64 = 32;
const FEED_FORWARD: u64 = 48;
const LAYERS: u32 = 2;

impl GgufFile {
    /// Two layers of width 32, four heads of 8, two of them for keys; all bytes as tokens and one merge.
    pub fn new() -> Self {
        let tokens = tokens();
        let count = tokens.len() as u64;
        let mut types = 3i32.to_le_bytes().to_vec();
        types.extend(1i32.to_le_bytes().repeat(tokens.len() - 1));
        let entries = vec![
            text("general.architecture", "llama"),
            number("llama.block_count", LAYERS),
            number("llama.context_length", 64),
            number("llama.embedding_length", WIDTH as u32),
            number("llama.feed_forward_length", FEED_FORWARD as u32),
            number("llama.attention.head_count", 4),
            number("llama.attention.head_count_kv", 2),
            float("llama.rope.freq_base", 10_000.0),
            number("llama.rope.dimension_count", 8),
            float("llama.attention.layer_norm_rms_epsilon", 1e-5),
            text("tokenizer.ggml.model", "gpt2"),
            text("tokenizer.ggml.pre", "smollm"),
            array("tokenizer.ggml.tokens", 8, count, tokens.iter().flat_map(|t| string(t)).collect()),
            array("tokenizer.ggml.token_type", 5, count, types),
            array("tokenizer.ggml.merges", 8, 1, string("a b")),
            number("tokenizer.ggml.bos_token_id", 0),
        ];
        let mut tensors = vec![matrix("token_embd.weight", WIDTH, count), norm("output_norm.weight")];
        for layer in 0..LAYERS {
            let name = |part: &str| format!("blk.{layer}.{part}.weight");
            tensors.extend([norm(&name("attn_norm")), norm(&name("ffn_norm"))]);
            for (part, columns, rows) in [
                ("attn_q", WIDTH, WIDTH),
                ("attn_k", WIDTH, WIDTH / 2),
                ("attn_v", WIDTH, WIDTH / 2),
                ("attn_output", WIDTH, WIDTH),
                ("ffn_gate", WIDTH, FEED_FORWARD),
                ("ffn_up", WIDTH, FEED_FORWARD),
                ("ffn_down", FEED_FORWARD, WIDTH),
            ] {
                tensors.push(matrix(&name(part), columns, rows));
            }
        }
        Self { magic: *b"GGUF", version: 3, counts: (None, None), entries, tensors }
    }

    /// Sets or adds a metadata entry.
    pub fn entry(mut self, entry: Entry) -> Self {
        self.entries.retain(|(key, ..)| *key != entry.0);
        self.entries.push(entry);
        self
    }

    /// Takes an entry out.
    pub fn without(mut self, key: &str) -> Self {
        self.entries.retain(|(name, ..)| name != key);
        self
    }

    /// Changes the tensor `name`.
    pub fn tensor(mut self, name: &str, change: impl FnOnce(&mut Tensor)) -> Self {
        change(self.tensors.iter_mut().find(|t| t.name == name).unwrap());
        self
    }

    /// The bytes of the file up to the tensors' data, and those of the whole file.
    pub fn bytes(&self) -> (usize, Vec<u8>) {
        let mut bytes = self.magic.to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.counts.0.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        bytes.extend(self.counts.1.unwrap_or(self.entries.len() as u64).to_le_bytes());
        for (key, kind, value) in &self.entries {
            bytes.extend(string(key));
            bytes.extend(kind.to_le_bytes());
            bytes.extend(value);
        }
        let mut offset = 0;
        for tensor in &self.tensors {
            bytes.extend(string(&tensor.name));
            bytes.extend((tensor.dimensions.len() as u32).to_le_bytes());
            tensor.dimensions.iter().for_each(|d| bytes.extend(d.to_le_bytes()));
            bytes.extend(tensor.kind.to_le_bytes());
            bytes.extend(tensor.offset.unwrap_or(offset).to_le_bytes());
            offset += (tensor.bytes.len() as u64).next_multiple_of(32);
        }
        let tables = bytes.len();
        for tensor in &self.tensors {
            bytes.resize(bytes.len().next_multiple_of(32), 0);
            bytes.extend(&tensor.bytes);
        }
        (tables, bytes)
    }

    /// Writes the file into `folder`.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("model.gguf");
        std::fs::write(&path, self.bytes().1).unwrap();
        path
    }
}

pub fn text(key: &str, value: &str) -> Entry {
    (key.to_owned(), 8, string(value))
}

pub fn number(key: &str, value: u32) -> Entry {
    (key.to_owned(), 4, value.to_le_bytes().to_vec())
}

pub fn float(key: &str, value: f32) -> Entry {
    (key.to_owned(), 6, value.to_le_bytes().to_vec())
}

pub fn array(key: &str, kind: u32, count: u64, elements: Vec<u8>) -> Entry {
    let mut value = kind.to_le_bytes().to_vec();
    value.extend(count.to_le_bytes());
    value.extend(elements);
    (key.to_owned(), 9, value)
}

pub fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// A matrix of f16 values between -1 and 1.
fn matrix(name: &str, columns: u64, rows: u64) -> Tensor {
    let values = (0..columns * rows).map(|i| half::f16::from_f32((i * 37 % 101) as f32 / 50.0 - 1.0));
    let bytes = values.flat_map(half::f16::to_le_bytes).collect();
    Tensor { name: name.to_owned(), dimensions: vec![columns, rows], kind: 1, bytes, offset: None }
}

fn norm(name: &str) -> Tensor {
    let bytes = 1f32.to_le_bytes().repeat(WIDTH as usize);
    Tensor { name: name.to_owned(), dimensions: vec![WIDTH], kind: 0, bytes, offset: None }
}

/// A special token, the 256 bytes in GPT-2's spelling, and "ab".
pub fn tokens() -> Vec<String> {
    let printable = |b: u32| (33..=126).contains(&b) || (161..=172).contains(&b) || (174..=255).contains(&b);
    let mut shifted = 256;
    let bytes = (0..256).map(|byte| {
        let code = if printable(byte) { byte } else { shifted };
        shifted += u32::from(!printable(byte));
        char::from_u32(code).unwrap().to_string()
    });
    std::iter::once("<|endoftext|>".to_owned()).chain(bytes).chain(["ab".to_owned()]).collect()
}
