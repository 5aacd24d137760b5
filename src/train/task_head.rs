//! Label heads of tasks: fitted to a task's support set, read on its query set (deviation: the method tells the answers of a
//! task apart by its label words alone). It is what adaptation does with a label head, one fit at a time.

use std::sync::Arc;

use crate::adapt::AnswerLoss;
use crate::backbone::{Backbone, LossAndGradient, Sequence, Wanted};
use crate::error::{Error, Result, Status};
use crate::label_head::{AnswerStates, LabelHead, fit, verbalizer_rows};
use crate::predict::scoring::{highest, softmax};
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// Penalty of what a head adds to the label words.
const STRENGTH: f64 = 100.0;

/// The head of a task.
pub struct TaskHead {
    /// The answer token of each label.
    answers: Arc<[u32]>,
    head: LabelHead,
}

/// A network and the memory that its passes may take.
#[derive(Clone, Copy)]
pub(super) struct Network<'a> {
    pub backbone: &'a dyn Backbone,
    pub memory_limit: usize,
}

impl Network<'_> {
    fn states(self, prompt: &SoftPrompt, examples: &[Sequence], cancel: &Cancel) -> Result<AnswerStates> {
        AnswerStates::of(self.backbone, prompt, examples, self.memory_limit, cancel)
    }
}

impl TaskHead {
    /// The head fitted to the states of `support` under `prompt`.
    ///
    /// Errors: `InvalidArgument` for sequences that do not say what their answers are told apart from
    /// ([`AnswerLoss::Head`]); those of the network.
    pub(super) fn fit(
        network: Network<'_>,
        prompt: &SoftPrompt,
        support: &[Vec<Sequence>],
        cancel: &Cancel,
    ) -> Result<Self> {
        let sequences: Vec<&Sequence> = support.iter().flatten().collect();
        let answers = sequences.first().and_then(|sequence| sequence.among.first()).ok_or_else(no_answers)?.clone();
        let labels = sequences.iter().map(|sequence| label(&answers, sequence)).collect::<Result<Vec<usize>>>()?;
        let states = network.states(prompt, &support.concat(), cancel)?;
        let prior = verbalizer_rows(network.backbone, answers.chunks(1));
        let head = fit(&states, &labels, &prior, &[STRENGTH])?.remove(0);
        Ok(Self { answers, head })
    }

    /// Cross entropy over the labels, in nats, mean over `batch`, and what else is wanted; the head is a constant.
    pub(super) fn loss(
        &self,
        network: Network<'_>,
        prompt: &SoftPrompt,
        batch: &[Sequence],
        wanted: Wanted,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        let labels = batch.iter().map(|sequence| label(&self.answers, sequence)).collect::<Result<Vec<usize>>>()?;
        let (d, share) = (self.head.width(), 1.0 / batch.len() as f32);
        let mut loss = |first: usize, states: &[f32], dstates: &mut [f32]| {
            let rows = states.chunks_exact(d).zip(dstates.chunks_exact_mut(d)).zip(&labels[first..]);
            rows.map(|((state, dstate), &gold)| self.head.cross_entropy(state, gold, share, dstate).0).sum()
        };
        network.backbone.state_loss(prompt, batch, &mut loss, wanted, network.memory_limit, cancel)
    }

    /// How many of `batch` get their gold label.
    pub(super) fn right(
        &self,
        network: Network<'_>,
        prompt: &SoftPrompt,
        batch: &[Sequence],
        cancel: &Cancel,
    ) -> Result<usize> {
        let states = network.states(prompt, batch, cancel)?;
        let mut right = 0;
        for (scores, sequence) in states.scores(&self.head).iter().zip(batch) {
            right += usize::from(highest(&softmax(scores)) == label(&self.answers, sequence)?);
        }
        Ok(right)
    }
}

fn label(answers: &[u32], sequence: &Sequence) -> Result<usize> {
    answers.iter().position(|answer| sequence.answer.first() == Some(answer)).ok_or_else(no_answers)
}

fn no_answers() -> Error {
    Error::new(
        Status::InvalidArgument,
        format!(
            "the sequences of a task with a label head say what their one answer is told apart from ({:?})",
            AnswerLoss::Head
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapt::toy::Toy;

    fn batch(toy: &Toy) -> Vec<Sequence> {
        let among: Arc<[u32]> = vec![0, 1, 2].into();
        let sequences = toy.examples(&[4, 4, 4]).sequences.into_iter();
        sequences.map(|sequence| Sequence { among: vec![among.clone()], ..sequence }).collect()
    }

    #[test]
    fn a_head_learns_its_support_set_and_its_loss_has_the_gradient_of_finite_differences() {
        let toy = Toy::new();
        let (network, cancel) = (Network { backbone: &toy, memory_limit: 0 }, Cancel::new());
        let (prompt, batch) = (toy.prompt(5), batch(&toy));
        let head = TaskHead::fit(network, &prompt, &[batch[..6].to_vec(), batch[6..].to_vec()], &cancel).unwrap();
        let made = head.loss(network, &prompt, &batch, Wanted::Gradient, &cancel).unwrap();
        assert!(made.loss < 3f32.ln());
        assert_eq!(head.right(network, &prompt, &batch, &cancel).unwrap(), batch.len());
        for at in 0..toy.width() {
            let moved = |by: f32| {
                let mut prompt = prompt.clone();
                prompt.values_mut()[at] += by;
                head.loss(network, &prompt, &batch, Wanted::Loss, &cancel).unwrap().loss
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((slope - made.gradient[at]).abs() < 1e-3, "{at}: {slope} is not {}", made.gradient[at]);
        }
    }

    #[test]
    fn sequences_that_do_not_say_their_answers_are_refused() {
        let toy = Toy::new();
        let network = Network { backbone: &toy, memory_limit: 0 };
        let plain = toy.examples(&[2, 2]).sequences;
        let error = TaskHead::fit(network, &toy.prompt(5), &[plain], &Cancel::new()).err().unwrap();
        assert_eq!(error.status(), Status::InvalidArgument);
    }
}
