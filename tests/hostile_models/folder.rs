//! Writing a small valid Hugging Face folder, with one part or another made wrong.

use std::path::Path;

use serde_json::{Value, json};

use super::gguf_file::tokens;

/// One tensor: name, shape, bytes of f32 values.
pub type Tensor = (String, Vec<usize>, Vec<u8>);

pub const HIDDEN: usize = 32;
const FEED_FORWARD: usize = 48;

/// A folder's parts; [`Folder::new`] is valid.
pub struct Folder {
    pub config: Value,
    pub tensors: Vec<Tensor>,
}

impl Folder {
    /// One layer of width 32, four heads of 8, two of them for keys, a head of its own.
    pub fn new() -> Self {
        let vocabulary = tokens().len();
        let config = json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_act": "silu",
            "hidden_size": HIDDEN,
            "intermediate_size": FEED_FORWARD,
            "max_position_embeddings": 64,
            "num_attention_heads": 4,
            "num_hidden_layers": 1,
            "num_key_value_heads": 2,
            "rms_norm_eps": 1e-5,
            "vocab_size": vocabulary,
        });
        let layer = |part: &str| format!("model.layers.0.{part}.weight");
        let tensors = vec![
            tensor("model.embed_tokens.weight", &[vocabulary, HIDDEN]),
            tensor("lm_head.weight", &[vocabulary, HIDDEN]),
            tensor("model.norm.weight", &[HIDDEN]),
            tensor(&layer("input_layernorm"), &[HIDDEN]),
            tensor(&layer("post_attention_layernorm"), &[HIDDEN]),
            tensor(&layer("self_attn.q_proj"), &[HIDDEN, HIDDEN]),
            tensor(&layer("self_attn.k_proj"), &[HIDDEN / 2, HIDDEN]),
            tensor(&layer("self_attn.v_proj"), &[HIDDEN / 2, HIDDEN]),
            tensor(&layer("self_attn.o_proj"), &[HIDDEN, HIDDEN]),
            tensor(&layer("mlp.gate_proj"), &[FEED_FORWARD, HIDDEN]),
            tensor(&layer("mlp.up_proj"), &[FEED_FORWARD, HIDDEN]),
            tensor(&layer("mlp.down_proj"), &[HIDDEN, FEED_FORWARD]),
        ];
        Self { config, tensors }
    }

    /// Sets a field of config.json.
    pub fn config(mut self, field: &str, value: Value) -> Self {
        self.config[field] = value;
        self
    }

    /// Changes the tensor `name`.
    pub fn tensor(mut self, name: &str, change: impl FnOnce(&mut Tensor)) -> Self {
        change(self.tensors.iter_mut().find(|t| t.0 == name).unwrap());
        self
    }

    /// Writes everything into `folder`, the weights as one file.
    pub fn write(&self, folder: &Path) {
        std::fs::write(folder.join("config.json"), self.config.to_string()).unwrap();
        std::fs::write(folder.join("tokenizer.json"), tokenizer()).unwrap();
        std::fs::write(folder.join("model.safetensors"), self.weights("F32")).unwrap();
    }

    /// The bytes of a safetensors file of elements called `kind`.
    pub fn weights(&self, kind: &str) -> Vec<u8> {
        let mut header = serde_json::Map::new();
        let mut end = 0;
        for (name, shape, bytes) in &self.tensors {
            let offsets = [end, end + bytes.len()];
            header.insert(name.clone(), json!({"dtype": kind, "shape": shape, "data_offsets": offsets}));
            end += bytes.len();
        }
        let data: Vec<u8> = self.tensors.iter().flat_map(|t| t.2.clone()).collect();
        safetensors(&Value::Object(header).to_string(), &data)
    }
}

/// A safetensors file from its header and data.
pub fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn tensor(name: &str, shape: &[usize]) -> Tensor {
    let count = shape.iter().product::<usize>();
    let bytes = (0..count).flat_map(|i| ((i * 31 % 97) as f32 / 48.0 - 1.0).to_le_bytes()).collect();
    (name.to_owned(), shape.to_vec(), bytes)
}

fn tokenizer() -> String {
    let vocabulary: serde_json::Map<String, Value> =
        tokens().into_iter().enumerate().map(|(id, token)| (token, json!(id))).collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [{"id": 0, "content": "<|endoftext|>", "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true}],
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocabulary,
            "merges": [["a", "b"]]},
    })
    .to_string()
}
