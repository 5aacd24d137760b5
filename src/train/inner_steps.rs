//! From theta to a task's own prompt: plain gradient descent along psi on its support set (method section 6, steps 1 and 2).

use super::learner::Learner;
use super::meta_step::MetaOptions;
use crate::adapt::clip;
use crate::backbone::Wanted;
use crate::error::Result;
use crate::gradient_regularizer::{GradientRegularizer, Regularized};
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// A task after its inner steps.
pub(super) struct Adapted {
    /// theta'.
    pub prompt: SoftPrompt,
    /// Mean support loss before the first step, in nats.
    pub support_loss: f64,
    /// At least one.
    pub steps: Vec<InnerStep>,
}

/// One inner step.
pub(super) struct InnerStep {
    /// G, the mean over the support mini-batches, clipped where that is asked for; (P, d).
    pub raw: Vec<f32>,
    /// psi(G, e); none without psi.
    pub regularized: Option<Regularized>,
}

impl InnerStep {
    /// What the step followed: psi(G, e), or G.
    fn direction(&self) -> &[f32] {
        self.regularized.as_ref().map_or(&self.raw, |done| &done.gradient)
    }
}

impl Adapted {
    /// (theta - theta') / eta: what all steps followed, added up.
    pub fn direction(&self) -> Vec<f32> {
        let mut sum = vec![0.0; self.prompt.values().len()];
        for step in &self.steps {
            sum.iter_mut().zip(step.direction()).for_each(|(sum, d)| *sum += d);
        }
        sum
    }
}

/// theta' = theta - eta psi(G, e), `options.inner_steps` times over, G and e being means over the mini-batches of `support`
/// at the prompt reached so far.
///
/// Errors: those of the network, `Cancelled`.
pub(super) fn inner_steps<L: Learner>(
    learner: &L,
    theta: &SoftPrompt,
    psi: Option<&GradientRegularizer>,
    support: &[L::Batch],
    options: &MetaOptions,
    cancel: &Cancel,
) -> Result<Adapted> {
    let wanted = if psi.is_some() { Wanted::GradientAndPooled } else { Wanted::Gradient };
    let share = 1.0 / support.len() as f32;
    let head = learner.head(theta, &[support], cancel)?;
    let mut adapted = Adapted { prompt: theta.clone(), support_loss: 0.0, steps: Vec::new() };
    for done in 0..options.inner_steps {
        let mut raw = vec![0.0; theta.values().len()];
        let mut pooled = vec![0.0; theta.width()];
        for batch in support {
            let made = learner.loss(&adapted.prompt, batch, &head, wanted, cancel)?;
            if done == 0 {
                adapted.support_loss += f64::from(made.loss) / support.len() as f64;
            }
            raw.iter_mut().zip(&made.gradient).for_each(|(sum, g)| *sum += share * g);
            pooled.iter_mut().zip(&made.pooled).for_each(|(sum, e)| *sum += share * e);
        }
        clip(&mut raw, options.inner_clip);
        let regularized = psi.map(|psi| psi.apply(&raw, &pooled, options.rescaling)).transpose()?;
        let step = InnerStep { raw, regularized };
        let moved = adapted.prompt.values_mut().iter_mut().zip(step.direction());
        moved.for_each(|(p, g)| *p -= options.inner_rate * g);
        adapted.steps.push(step);
    }
    Ok(adapted)
}
