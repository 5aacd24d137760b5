//! What the meta step asks of a network: plain losses for support sets, mixed losses for query sets.

use super::task_head::{Network, TaskHead};
use crate::backbone::{Backbone, LossAndGradient, Mixture, Sequence, Wanted};
use crate::error::Result;
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// A network that can be learned on in batches of a form of its own.
pub trait Learner {
    /// A mini-batch.
    type Batch;
    /// What is fitted to a task before its losses are asked for.
    type Head;

    /// What labels are read off with under `prompt`, fitted to the `support` set of their task, or to those of two tasks
    /// that are to be mixed.
    fn head(&self, prompt: &SoftPrompt, support: &[&[Self::Batch]], cancel: &Cancel) -> Result<Self::Head>;

    /// As [`Backbone::loss`].
    fn loss(
        &self,
        prompt: &SoftPrompt,
        batch: &Self::Batch,
        head: &Self::Head,
        wanted: Wanted,
        cancel: &Cancel,
    ) -> Result<LossAndGradient>;

    /// As [`Backbone::mixture_loss`] of a pair, a task's own batch and another's; `lambda` is the weight of the first.
    fn mixture_loss(
        &self,
        prompt: &SoftPrompt,
        pair: (&Self::Batch, &Self::Batch),
        head: &Self::Head,
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
    /// Whether labels are read off with a head fitted to support sets; query sets are then mixed in the answer states.
    pub label_heads: bool,
}

impl BackboneLearner<'_> {
    pub(super) fn network(&self) -> Network<'_> {
        Network { backbone: self.backbone, memory_limit: self.memory_limit }
    }
}

impl Learner for BackboneLearner<'_> {
    type Batch = Vec<Sequence>;
    type Head = Option<TaskHead>;

    fn head(&self, prompt: &SoftPrompt, support: &[&[Vec<Sequence>]], cancel: &Cancel) -> Result<Option<TaskHead>> {
        self.label_heads.then(|| TaskHead::fit(self.network(), prompt, support, cancel)).transpose()
    }

    fn loss(
        &self,
        prompt: &SoftPrompt,
        batch: &Vec<Sequence>,
        head: &Option<TaskHead>,
        wanted: Wanted,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        match head {
            Some(head) => head.loss(self.network(), prompt, batch, wanted, cancel),
            None => self.backbone.loss(prompt, batch, wanted, self.memory_limit, cancel),
        }
    }

    fn mixture_loss(
        &self,
        prompt: &SoftPrompt,
        (own, other): (&Vec<Sequence>, &Vec<Sequence>),
        head: &Option<TaskHead>,
        lambda: f32,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        let mixture = Mixture { own, other, lambda };
        match head {
            Some(head) => head.mixture_loss(self.network(), prompt, mixture, cancel),
            None => self.backbone.mixture_loss(prompt, mixture, self.memory_limit, cancel),
        }
    }
}
