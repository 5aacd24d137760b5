//! A BERT sentence encoder (all-MiniLM-L6-v2 and its like): mean over the tokens of the last layer, then length 1.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use sha2::{Digest, Sha256};
use tokenizers::{Tokenizer, TruncationParams};

use super::{Embedder, normalize_rows};
use crate::backbone::mapped;
use crate::error::{Error, Result, Status, fail};
use crate::limits::{MAX_JSON_BYTES, MAX_TOKENIZER_BYTES};
use crate::runtime::{Cancel, Threads};

/// Most bytes of the encoder's weights.
const MAX_WEIGHT_BYTES: usize = 4 << 30;
/// Texts that a thread takes at once.
const SHARE: usize = 8;
/// Most tokens of a text, as the encoder was trained.
const MAX_TOKENS: usize = 256;
/// Tokens that a tokenizer may put around a text.
const SPECIAL_TOKENS: usize = 8;

/// A BERT and its tokenizer.
pub struct MiniLm {
    model: BertModel,
    tokenizer: Tokenizer,
    threads: Threads,
    width: usize,
    id: String,
}

impl MiniLm {
    /// Loads `config.json`, `tokenizer.json` and `model.safetensors` of `folder`; `thread_count` threads share a call's
    /// texts, 0 = one per core.
    ///
    /// Errors: `InvalidOption` for too many threads; `NotFound` for a missing file, `CorruptFile` for one that is no BERT's,
    /// `TooLarge`, `Io`.
    pub fn load(folder: &Path, thread_count: usize) -> Result<Self> {
        let threads = Threads::apart(thread_count)?;
        let (config_path, tokenizer_path) = (folder.join("config.json"), folder.join("tokenizer.json"));
        let weights_path = folder.join("model.safetensors");
        let config = mapped::read(&config_path, MAX_JSON_BYTES)?;
        let config: Config = serde_json::from_slice(&config).map_err(|e| corrupt(&config_path, &e))?;
        check(&config).map_err(|what| corrupt(&config_path, &what))?;
        let vocabulary = mapped::read(&tokenizer_path, MAX_TOKENIZER_BYTES)?;
        let mut tokenizer = Tokenizer::from_bytes(&vocabulary).map_err(|e| corrupt(&tokenizer_path, &e))?;
        let max_length = MAX_TOKENS.min(config.max_position_embeddings);
        tokenizer
            .with_truncation(Some(TruncationParams { max_length, ..TruncationParams::default() }))
            .map_err(|e| corrupt(&tokenizer_path, &e))?;
        tokenizer.with_padding(None);
        if tokenizer.get_vocab_size(true) > config.vocab_size {
            let message = format!("{} more tokens than the weights have rows", tokenizer.get_vocab_size(true));
            return Err(corrupt(&tokenizer_path, &message));
        }
        let weights = mapped::read(&weights_path, MAX_WEIGHT_BYTES)?;
        let digest = Sha256::new().chain_update(&vocabulary).chain_update(&weights).finalize();
        let model = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)
            .and_then(|weights| BertModel::load(weights, &config))
            .map_err(|e| corrupt(&weights_path, &e))?;
        Ok(Self { model, tokenizer, threads, width: config.hidden_size, id: format!("bert {digest:x}") })
    }

    /// Last hidden states averaged over each text's tokens. `tokens` have one length after padding with id 0.
    fn pool(&self, tokens: &[Vec<u32>]) -> candle_core::Result<Vec<f32>> {
        let longest = tokens.iter().map(Vec::len).max().unwrap_or(0);
        let shape = (tokens.len(), longest);
        let padded = |value: &dyn Fn(u32) -> u32| -> Vec<u32> {
            let row = |ids: &Vec<u32>| ids.iter().map(|&id| value(id)).chain(vec![0; longest - ids.len()]).collect();
            tokens.iter().flat_map(|ids| -> Vec<u32> { row(ids) }).collect()
        };
        let ids = Tensor::from_vec(padded(&|id| id), shape, &Device::Cpu)?;
        let mask = Tensor::from_vec(padded(&|_| 1), shape, &Device::Cpu)?;
        let hidden = self.model.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
        let mask = mask.to_dtype(DType::F32)?.unsqueeze(2)?;
        let mean = hidden.broadcast_mul(&mask)?.sum(1)?.broadcast_div(&mask.sum(1)?)?;
        mean.flatten_all()?.to_vec1()
    }
}

impl Embedder for MiniLm {
    fn id(&self) -> String {
        self.id.clone()
    }

    fn width(&self) -> usize {
        self.width
    }

    fn embed(&self, texts: &[&str], cancel: &Cancel) -> Result<Vec<f32>> {
        let mut tokens = Vec::with_capacity(texts.len());
        for text in texts {
            let encoding = self.tokenizer.encode(*text, true);
            let encoding = encoding.map_err(|e| Error::new(Status::Internal, format!("sentence tokenizer: {e}")))?;
            tokens.push(encoding.get_ids().to_vec());
        }
        if tokens.iter().any(Vec::is_empty) {
            return fail(Status::InvalidArgument, "a text without tokens has no embedding");
        }
        let failed = |e: candle_core::Error| Error::new(Status::Internal, format!("sentence encoder: {e}"));
        let shares: Vec<&[Vec<u32>]> = tokens.chunks(SHARE).collect();
        let pooled = self.threads.enter_unless_cancelled(cancel, || {
            cancel.check()?;
            Ok(self.threads.map(shares.len(), |share| self.pool(shares[share])))
        })?;
        let mut rows = pooled.into_iter().collect::<candle_core::Result<Vec<_>>>().map_err(failed)?.concat();
        normalize_rows(&mut rows, self.width);
        Ok(rows)
    }
}

/// What the encoder and its tokenizer divide by or take away from without a look.
fn check(config: &Config) -> std::result::Result<(), String> {
    let Config { hidden_size, num_attention_heads: heads, max_position_embeddings: positions, .. } = config;
    if *hidden_size == 0 || *heads == 0 || hidden_size % heads != 0 {
        return Err(format!("hidden_size {hidden_size} is not one or more times num_attention_heads {heads}"));
    }
    if *positions <= SPECIAL_TOKENS {
        return Err(format!("max_position_embeddings {positions} leaves no place for a text"));
    }
    Ok(())
}

fn corrupt(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::new(Status::CorruptFile, format!("{}: no part of a BERT sentence encoder: {error}", path.display()))
}
