//! The backbone as its own sentence encoder.

use super::{Embedder, normalize_rows};
use crate::backbone::Backbone;
use crate::error::Result;
use crate::runtime::Cancel;

/// Most tokens of a text that are read.
const MAX_TOKENS: usize = 128;

/// Pooled hidden states of a backbone without a prompt ([`Backbone::pooled`]), scaled to length 1. A substitute for a
/// sentence encoder that costs no further download and clusters less by meaning (our extension).
pub struct PooledStates<'a> {
    backbone: &'a dyn Backbone,
}

impl<'a> PooledStates<'a> {
    /// The states of `backbone`.
    pub fn new(backbone: &'a dyn Backbone) -> Self {
        Self { backbone }
    }
}

impl Embedder for PooledStates<'_> {
    fn id(&self) -> String {
        let fingerprint = self.backbone.fingerprint();
        let products = self.backbone.isa().products();
        format!("pooled {} {} {} {products}", fingerprint.shape, fingerprint.tokenizer, fingerprint.weights)
    }

    fn width(&self) -> usize {
        self.backbone.width()
    }

    fn embed(&self, texts: &[&str], cancel: &Cancel) -> Result<Vec<f32>> {
        let tokenizer = self.backbone.tokenizer();
        let mut tokens = Vec::with_capacity(texts.len());
        for text in texts {
            let ids = tokenizer.encode_at_most(text, MAX_TOKENS)?;
            tokens.push(tokenizer.bos().into_iter().chain(ids).collect());
        }
        let mut rows = self.backbone.pooled(&tokens, cancel)?;
        normalize_rows(&mut rows, self.width());
        Ok(rows)
    }
}
