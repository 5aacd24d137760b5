//! One outer step of meta-training (method section 6): for each task support gradient -> psi -> inner step -> mixed query
//! loss; then both clips, both optimizers, both schedules and the smoothed similarity.
//!
//! First order: dL/dtheta = dL/dtheta', and dL/dphi = -eta dL/dtheta' dpsi/dphi, the support gradient being a constant.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::curriculum::{Curriculum, SmoothedSimilarity};
use super::inner_steps::inner_steps;
use super::learner::Learner;
use crate::adapt::{AdamW, clip, linear_decay};
use crate::backbone::Wanted;
use crate::error::{Result, Status, fail};
use crate::gradient_regularizer::{GradientRegularizer, Rescaling, cosine, gate_loss};
use crate::limits::within;
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// Inner steps that may be asked for.
pub(super) const INNER_STEPS: RangeInclusive<usize> = 1..=100;
/// s of gradients that have nothing in common.
const UNRELATED: f64 = 0.5;

/// Which tasks of a step move theta.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PromptGradient {
    /// The mean over the tasks, as the method describes it.
    #[default]
    #[serde(rename = "mean")]
    MeanOverTasks,
    /// The last task alone, still divided by their number, as the released code does it.
    #[serde(rename = "last-task")]
    LastTask,
}

/// Where the similarity of query and regularized support gradients comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Similarity {
    /// Computed for every task (the released code on torch 2).
    #[default]
    #[serde(rename = "live")]
    Live,
    /// Computed for every task, which the gate learns from, but mixing weights are drawn as at s = 0.5 in every step: no
    /// curriculum (our extension).
    #[serde(rename = "constant")]
    Constant,
    /// 0.5 for every task but the very first, so that the curriculum soon stands still (the released code on torch 1).
    #[serde(rename = "dead")]
    Dead,
}

/// How to meta-train; `Default` is the published setting where paper and code agree, the described one elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetaOptions {
    /// eta, the size of an inner step.
    pub inner_rate: f32,
    /// Inner steps of a task, 1 to 100 (published: 1). With more, phi learns from each of them, their gradients being
    /// constants.
    pub inner_steps: usize,
    /// Largest norm of a support gradient, in front of psi; 0 = no clipping (published). Gradients of tasks differ in size
    /// by a factor of 100, so one eta suits few of them without.
    pub inner_clip: f32,
    /// First learning rate of theta.
    pub prompt_rate: f32,
    /// First learning rate of phi.
    pub phi_rate: f32,
    /// Outer steps over which both rates fall linearly to 0.
    pub steps: usize,
    /// Whether labels are read off with a head fitted to the task's support set, before the inner steps, and after them
    /// again, then to the other task's as well where they are mixed (published: no). See
    /// [`BackboneLearner`](super::BackboneLearner).
    pub label_heads: bool,
    /// Whether query sets are mixed with those of another task (published: yes).
    pub mixing: bool,
    /// Largest norm of theta's gradient, and of phi's; 0 = no clipping.
    pub clip_norm: f32,
    /// How psi's output is brought to the gradient's size.
    pub rescaling: Rescaling,
    /// Which tasks move theta.
    pub prompt_gradient: PromptGradient,
    /// Where the similarity comes from.
    pub similarity: Similarity,
    /// Weight of the gate's regularization loss.
    pub gate_weight: f32,
    /// The distribution of the mixing weight.
    pub curriculum: Curriculum,
}

impl Default for MetaOptions {
    fn default() -> Self {
        Self {
            inner_rate: 0.1,
            inner_steps: 1,
            inner_clip: 0.0,
            prompt_rate: 0.1,
            phi_rate: 1e-4,
            steps: 100_000,
            label_heads: false,
            mixing: true,
            clip_norm: 1.0,
            rescaling: Rescaling::RowL2,
            prompt_gradient: PromptGradient::MeanOverTasks,
            similarity: Similarity::Live,
            gate_weight: 1.0,
            curriculum: Curriculum::default(),
        }
    }
}

/// One task of a step.
#[derive(Clone, Debug)]
pub struct MetaTask<B> {
    /// Mini-batches of the support set, at least one.
    pub support: Vec<B>,
    /// Mini-batches of the query set, each with the batch that it is mixed with: of another task of the same format, or of
    /// labelled tasks examples of the same query set. Where nothing is mixed, that batch may be empty.
    pub query: Vec<(B, B)>,
    /// Mini-batches of the other task's support set: a label head of the mixture is fitted to them as well. Empty where
    /// there are no label heads or nothing is mixed, and of labelled tasks, which are mixed with themselves: the head fitted
    /// to `support` knows all labels.
    pub partner_support: Vec<B>,
    /// D in 0..1: (1 + cosine of the mean cluster centres of the task and of the other one) / 2; 1 without another one.
    pub domain_similarity: f64,
}

/// theta, phi and everything that the next step depends on.
#[derive(Clone, Debug)]
pub struct MetaState {
    /// theta, (P, d).
    pub prompt: SoftPrompt,
    /// psi_phi; without it the inner step follows the raw gradient.
    pub regularizer: Option<GradientRegularizer>,
    /// s.
    pub similarity: SmoothedSimilarity,
    /// Steps done.
    pub step: usize,
    /// Adam of theta.
    pub(super) prompt_optimizer: AdamW,
    /// Adam of phi.
    pub(super) phi_optimizer: AdamW,
}

/// What a step did to one task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskRecord {
    /// Mean mixed query loss, in nats.
    pub query_loss: f64,
    /// Mean support loss before the inner step, in nats.
    pub support_loss: f64,
    /// s of this task: (1 + mean over rows of the cosine of query and regularized support gradient) / 2.
    pub similarity: f64,
    /// c of the first inner step; none without psi.
    pub gate: Option<f32>,
    /// (0.5 D + 0.5 s - c)^2, not weighted, mean over inner steps; none without psi.
    pub gate_loss: Option<f64>,
    /// cos(psi(G), G) over the whole matrix, at the first inner step; none without psi.
    pub psi_cosine: Option<f64>,
    /// The mixing weight of every query mini-batch.
    pub lambdas: Vec<f64>,
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetaRecord {
    /// All tasks, in order.
    pub tasks: Vec<TaskRecord>,
    /// b of the step's mixing weights.
    pub beta_b: f64,
    /// s after the step.
    pub similarity: f64,
    /// Learning rate of theta.
    pub prompt_rate: f64,
    /// Learning rate of phi.
    pub phi_rate: f64,
    /// Norm of theta's gradient before clipping.
    pub prompt_norm: f32,
    /// Joint norm of phi's gradient before clipping.
    pub phi_norm: f32,
    /// theta's gradient before clipping, (P, d).
    #[serde(skip)]
    pub prompt_gradient: Vec<f32>,
    /// phi's gradient before clipping, query and gate losses together; empty without psi.
    #[serde(skip)]
    pub phi_gradient: Vec<f32>,
}

impl MetaState {
    /// The state before the first step.
    pub fn new(prompt: SoftPrompt, regularizer: Option<GradientRegularizer>) -> Self {
        let prompt_optimizer = AdamW::new(prompt.values().len(), 0.0);
        let phi_optimizer = AdamW::new(regularizer.as_ref().map_or(0, |psi| psi.values().len()), 0.0);
        Self { prompt, regularizer, similarity: Default::default(), step: 0, prompt_optimizer, phi_optimizer }
    }

    /// One outer step on `tasks`; `draw` gives the mixing weight of the next query mini-batch for b.
    ///
    /// Errors: `InvalidOption` for a number of inner steps out of range, `InvalidArgument` for a task without support
    /// examples, those of the network, `Cancelled`; the state is then unchanged.
    pub fn step<L: Learner>(
        &mut self,
        learner: &L,
        tasks: &[MetaTask<L::Batch>],
        options: &MetaOptions,
        draw: &mut dyn FnMut(f64) -> f64,
        cancel: &Cancel,
    ) -> Result<MetaRecord> {
        tasks.iter().try_for_each(|task| check(task, options))?;
        let beta_b = options.curriculum.b(match options.similarity {
            Similarity::Constant => UNRELATED,
            Similarity::Live | Similarity::Dead => self.similarity.value(),
        });
        let mut prompt_gradient = vec![0.0; self.prompt.values().len()];
        let mut phi_gradient = vec![0.0; self.regularizer.as_ref().map_or(0, |psi| psi.values().len())];
        let mut records = Vec::with_capacity(tasks.len());
        for task in tasks {
            let lambdas = task.query.iter().map(|_| if options.mixing { draw(beta_b) } else { 1.0 }).collect();
            let first_ever = !self.similarity.has_begun() && records.is_empty();
            let (record, gradient) =
                self.learn(learner, task, lambdas, (tasks.len(), first_ever), options, &mut phi_gradient, cancel)?;
            if options.prompt_gradient == PromptGradient::LastTask {
                prompt_gradient.fill(0.0);
            }
            prompt_gradient.iter_mut().zip(&gradient).for_each(|(sum, g)| *sum += g);
            records.push(record);
        }

        let (prompt_rate, phi_rate) = (
            linear_decay(options.prompt_rate, self.step, options.steps),
            linear_decay(options.phi_rate, self.step, options.steps),
        );
        let (mut clipped_prompt, mut clipped_phi) = (prompt_gradient.clone(), phi_gradient.clone());
        let prompt_norm = clip(&mut clipped_prompt, options.clip_norm);
        let phi_norm = clip(&mut clipped_phi, options.clip_norm);
        self.prompt_optimizer.step(self.prompt.values_mut(), &clipped_prompt, prompt_rate);
        if let Some(psi) = &mut self.regularizer {
            self.phi_optimizer.step(psi.values_mut(), &clipped_phi, phi_rate);
        }
        self.similarity.add(records.iter().map(|r| r.similarity).sum::<f64>() / records.len() as f64);
        self.step += 1;
        Ok(MetaRecord {
            tasks: records,
            beta_b,
            similarity: self.similarity.value(),
            prompt_rate,
            phi_rate,
            prompt_norm,
            phi_norm,
            prompt_gradient,
            phi_gradient,
        })
    }

    /// The validation loss of a task: the inner steps on its support set, then the plain loss of its query set, unmixed.
    ///
    /// Errors: as [`MetaState::step`].
    pub fn validate<L: Learner>(
        &self,
        learner: &L,
        task: &MetaTask<L::Batch>,
        options: &MetaOptions,
        cancel: &Cancel,
    ) -> Result<f64> {
        let adapted = self.adapted(learner, task, options, cancel)?;
        let head = learner.head(&adapted, &[&task.support], cancel)?;
        query_loss(learner, &adapted, task, &head, cancel)
    }

    /// theta after the inner steps on the support set of `task`. Errors: as [`MetaState::step`].
    pub fn adapted<L: Learner>(
        &self,
        learner: &L,
        task: &MetaTask<L::Batch>,
        options: &MetaOptions,
        cancel: &Cancel,
    ) -> Result<SoftPrompt> {
        check(task, options)?;
        Ok(inner_steps(learner, &self.prompt, self.regularizer.as_ref(), &task.support, options, cancel)?.prompt)
    }

    /// One task: its record and its share of theta's gradient; its share of phi's is added to `phi_gradient`.
    #[allow(clippy::too_many_arguments)]
    fn learn<L: Learner>(
        &self,
        learner: &L,
        task: &MetaTask<L::Batch>,
        lambdas: Vec<f64>,
        (task_count, first_ever): (usize, bool),
        options: &MetaOptions,
        phi_gradient: &mut [f32],
        cancel: &Cancel,
    ) -> Result<(TaskRecord, Vec<f32>)> {
        let adapted = inner_steps(learner, &self.prompt, self.regularizer.as_ref(), &task.support, options, cancel)?;
        let both = [task.support.as_slice(), &task.partner_support];
        let head = learner.head(&adapted.prompt, if options.mixing { &both } else { &both[..1] }, cancel)?;
        let share = 1.0 / (task.query.len() * task_count) as f32;
        let mut gradient = vec![0.0; self.prompt.values().len()];
        let mut query_loss = 0.0;
        for ((own, other), &lambda) in task.query.iter().zip(&lambdas) {
            let made = match options.mixing {
                true => learner.mixture_loss(&adapted.prompt, (own, other), &head, lambda as f32, cancel)?,
                false => learner.loss(&adapted.prompt, own, &head, Wanted::Gradient, cancel)?,
            };
            query_loss += f64::from(made.loss) / task.query.len() as f64;
            gradient.iter_mut().zip(&made.gradient).for_each(|(sum, g)| *sum += share * g);
        }
        let similarity = match options.similarity {
            Similarity::Dead if !first_ever => UNRELATED,
            _ => row_similarity(&gradient, &adapted.direction(), self.prompt.width()),
        };
        let (first, count) = (&adapted.steps[0], adapted.steps.len());
        let mut gate_loss_value = None;
        if let Some(psi) = &self.regularizer {
            let through_step: Vec<f32> = gradient.iter().map(|g| -options.inner_rate * g).collect();
            for done in adapted.steps.iter().filter_map(|step| step.regularized.as_ref()) {
                let (loss, to_gate) = gate_loss(task.domain_similarity, similarity, done.gate);
                *gate_loss_value.get_or_insert(0.0) += loss / count as f64;
                let to_gate = options.gate_weight * to_gate / (count * task_count) as f32;
                psi.backward(done, &through_step, to_gate, phi_gradient);
            }
        }
        let record = TaskRecord {
            query_loss,
            support_loss: adapted.support_loss,
            similarity,
            gate: first.regularized.as_ref().map(|done| done.gate),
            gate_loss: gate_loss_value,
            psi_cosine: first.regularized.as_ref().map(|done| cosine(&done.gradient, &first.raw)),
            lambdas,
        };
        Ok((record, gradient))
    }
}

/// The plain loss of the query set of `task` under `prompt` and `head`, in nats, mean over mini-batches.
///
/// Errors: those of the network, `Cancelled`.
pub(super) fn query_loss<L: Learner>(
    learner: &L,
    prompt: &SoftPrompt,
    task: &MetaTask<L::Batch>,
    head: &L::Head,
    cancel: &Cancel,
) -> Result<f64> {
    let mut sum = 0.0;
    for (own, _) in &task.query {
        sum += f64::from(learner.loss(prompt, own, head, Wanted::Loss, cancel)?.loss);
    }
    Ok(sum / task.query.len() as f64)
}

/// Whether inner steps on `task` can be taken.
fn check<B>(task: &MetaTask<B>, options: &MetaOptions) -> Result<()> {
    within("inner_steps", options.inner_steps, INNER_STEPS)?;
    if task.support.is_empty() {
        return fail(
            Status::InvalidArgument,
            "the support set of a task is empty; a meta step takes at least one mini-batch",
        );
    }
    Ok(())
}

/// (1 + mean over the rows of width `d` of the cosine of `a` and `b`) / 2.
fn row_similarity(a: &[f32], b: &[f32], d: usize) -> f64 {
    let rows = a.len() / d;
    let cosines = a.chunks_exact(d).zip(b.chunks_exact(d)).map(|(a, b)| cosine(a, b));
    (1.0 + cosines.sum::<f64>() / rows as f64) / 2.0
}
