//! A T5 that learns as published: padding computed, cluster centres in the place of negative ids.

use crate::backbone::t5::batch::Example;
use crate::backbone::t5::network::{EncoderOutput, T5Network};
use crate::backbone::{LossAndGradient, Wanted};
use crate::error::Result;
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;
use crate::train::Learner;

/// The network and the centres, (C, d).
pub(super) struct PublishedT5<'a> {
    pub network: &'a T5Network,
    pub centers: Vec<f32>,
}

/// A plain pass over a batch.
pub(super) struct Pass {
    pub encoder: EncoderOutput,
    /// Decoder positions x vocabulary, examples one after another.
    pub logits: Vec<f32>,
    pub loss: f32,
    /// d loss / d prompt, (P, d).
    pub gradient: Vec<f32>,
}

impl PublishedT5<'_> {
    /// The plain loss of `batch`, with all that was computed for it.
    pub fn pass(&self, prompt: &SoftPrompt, batch: &[Example], cancel: &Cancel) -> Result<Pass> {
        let encoded = self.network.encode(prompt, batch, &self.centers, cancel)?;
        let decoded = self.network.decode(&encoded.output, batch, cancel)?;
        let logits = decoded.logits.clone();
        let (loss, dlogits) = self.network.plain_loss(decoded.logits.clone(), batch)?;
        let dhidden = self.network.decode_backward(&encoded.output, &decoded, &dlogits, cancel)?;
        let gradient = self.network.encode_backward(&encoded, &dhidden, cancel)?;
        Ok(Pass { encoder: encoded.output, logits, loss, gradient })
    }
}

impl Learner for PublishedT5<'_> {
    type Batch = Vec<Example>;
    type Head = ();

    fn head(&self, _: &SoftPrompt, _: &[&[Vec<Example>]], _: &Cancel) -> Result<()> {
        Ok(())
    }

    fn loss(
        &self,
        prompt: &SoftPrompt,
        batch: &Vec<Example>,
        (): &(),
        _: Wanted,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        let Pass { encoder, loss, gradient, .. } = self.pass(prompt, batch, cancel)?;
        Ok(LossAndGradient { loss, gradient, pooled: encoder.pooled() })
    }

    fn mixture_loss(
        &self,
        prompt: &SoftPrompt,
        (own, other): (&Vec<Example>, &Vec<Example>),
        (): &(),
        lambda: f32,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        let mixed = self.network.mixture(prompt, (own, other), &self.centers, lambda, cancel)?;
        Ok(LossAndGradient { loss: mixed.loss, gradient: mixed.gradient, pooled: Vec::new() })
    }
}
