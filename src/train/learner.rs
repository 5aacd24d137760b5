//! What the meta step asks of a network: plain losses for support sets, mixed losses for query sets.

use crate::backbone::{Backbone, LossAndGradient, Mixture, Sequence, Wanted};
use crate::error::Result;
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// A network that can be learned on in batches of a form of its own.
pub trait Learner {
    /// A mini-batch.
    type Batch;

    /// As [`Backbone::loss`].
    fn loss(
        &self,
        prompt: &SoftPrompt,
        batch: &Self::Batch,
        wanted: Wanted,
        cancel: &Cancel,
    ) -> Result<LossAndGradient>;

    /// As [`Backbone::mixture_loss`]; `lambda` is the weight of `own`.
    fn mixture_loss(
        &self,
        prompt: &SoftPrompt,
        own: &Self::Batch,
        other: &Self::Batch,
        lambda: f32,
        cancel: &Cancel,
    ) -> Result<LossAndGradient>;
}

/// A backbone whose micro-batches stay within a memory limit.
pub struct BackboneLearner<'a> {
    /// The network.
    pub backbone: &'a dyn Backbone,
    /// Bytes that activations of one micro-batch may take; 0 = no limit.
    pub memory_limit: usize,
}

impl Learner for BackboneLearner<'_> {
    type Batch = Vec<Sequence>;

    fn loss(
        &self,
        prompt: &SoftPrompt,
        batch: &Vec<Sequence>,
        wanted: Wanted,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        self.backbone.loss(prompt, batch, wanted, self.memory_limit, cancel)
    }

    fn mixture_loss(
        &self,
        prompt: &SoftPrompt,
        own: &Vec<Sequence>,
        other: &Vec<Sequence>,
        lambda: f32,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        self.backbone.mixture_loss(prompt, Mixture { own, other, lambda }, self.memory_limit, cancel)
    }
}
