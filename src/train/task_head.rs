//! Label heads of tasks: fitted to a task's support set, read on its query set (deviation: the method tells the answers of a
//! task apart by its label words alone). It is what adaptation does with a label head, one fit at a time, but
//! begins at the row of an answer's first token where adaptation takes the mean over all: anchor tasks have answers of one. Two
//! tasks are mixed in the answer states that one head of both reads.

use crate::adapt::AnswerLoss;
use crate::backbone::{Backbone, LossAndGradient, Mixture, Sequence, Wanted};
use crate::error::{Error, Result, Status, fail};
use crate::label_head::{AnswerStates, LabelHead, fit, verbalizer_rows};
use crate::predict::scoring::{highest, softmax};
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// Penalty of what a head adds to the label words.
const STRENGTH: f64 = 100.0;

/// The head of a task, or of two.
pub struct TaskHead {
    /// The answer token of each label.
    answers: Vec<u32>,
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
    /// The head fitted to the states of all `support` sets under `prompt`. A label is known by its first answer token; one
    /// that two tasks share is one label.
    ///
    /// Errors: `InvalidArgument` for no sequence at all and for sequences that do not say what their answers are told apart
    /// from ([`AnswerLoss::Head`]); those of the network.
    pub(super) fn fit(
        network: Network<'_>,
        prompt: &SoftPrompt,
        support: &[&[Vec<Sequence>]],
        cancel: &Cancel,
    ) -> Result<Self> {
        let sequences: Vec<Sequence> = support.iter().copied().flatten().flatten().cloned().collect();
        if sequences.is_empty() {
            return fail(
                Status::InvalidArgument,
                "the support set of a task is empty; a label head takes at least one example",
            );
        }
        let mut answers: Vec<u32> = Vec::new();
        for sequence in &sequences {
            let among = sequence.among.first().ok_or_else(no_answers)?;
            let new: Vec<u32> = among.iter().copied().filter(|answer| !answers.contains(answer)).collect();
            answers.extend(new);
        }
        let labels = sequences.iter().map(|sequence| label(&answers, sequence)).collect::<Result<Vec<usize>>>()?;
        let states = network.states(prompt, &sequences, cancel)?;
        let prior = verbalizer_rows(network.backbone, answers.chunks(1));
        let head = fit(&states, &labels, &prior, &[STRENGTH], cancel)?.remove(0);
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

    /// KL(T || softmax(logits)) of the answer states of `mixture`, mixed pair by pair, to the mixed labels, entropy of T
    /// included, mean over pairs, and its gradient; the head is a constant. As [`Backbone::mixture_loss`], with the head in
    /// the place of the vocabulary.
    pub(super) fn mixture_loss(
        &self,
        network: Network<'_>,
        prompt: &SoftPrompt,
        mixture: Mixture<'_>,
        cancel: &Cancel,
    ) -> Result<LossAndGradient> {
        mixture.check()?;
        let Mixture { own, other, lambda } = mixture;
        let labels = |batch: &[Sequence]| batch.iter().map(|s| label(&self.answers, s)).collect::<Result<Vec<usize>>>();
        let (golds, partners) = (labels(own)?, labels(other)?);
        let (d, share) = (self.head.width(), 1.0 / own.len() as f32);
        // The partners' states are needed in the pass of their own, and their gradient is known after it.
        let partner_states = network.states(prompt, other, cancel)?;
        let partner_states: Vec<&[f32]> = partner_states.rows().collect();
        let mut dmixed = vec![0.0; own.len() * d];
        let mut mix = |first: usize, states: &[f32], dstates: &mut [f32]| {
            let mut loss = 0.0;
            for (i, (state, dstate)) in states.chunks_exact(d).zip(dstates.chunks_exact_mut(d)).enumerate() {
                let pair = first + i;
                let mixed: Vec<f32> =
                    state.iter().zip(partner_states[pair]).map(|(a, b)| lambda * a + (1.0 - lambda) * b).collect();
                let dmixed = &mut dmixed[pair * d..][..d];
                loss += self.head.divergence(&mixed, &target(golds[pair], partners[pair], lambda), share, dmixed).0;
                dstate.iter_mut().zip(&*dmixed).for_each(|(d, mixed)| *d = lambda * mixed);
            }
            loss
        };
        let Network { backbone, memory_limit } = network;
        let mut made = backbone.state_loss(prompt, own, &mut mix, Wanted::Gradient, memory_limit, cancel)?;
        let mut give = |first: usize, _: &[f32], dstates: &mut [f32]| {
            let given = dstates.iter_mut().zip(&dmixed[first * d..]);
            given.for_each(|(d, mixed)| *d = (1.0 - lambda) * mixed);
            0.0
        };
        let more = backbone.state_loss(prompt, other, &mut give, Wanted::Gradient, memory_limit, cancel)?;
        made.gradient.iter_mut().zip(&more.gradient).for_each(|(sum, g)| *sum += g);
        Ok(made)
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

/// `lambda` for the label `gold` and the rest for `partner`, those that have a share.
fn target(gold: usize, partner: usize, lambda: f32) -> Vec<(usize, f32)> {
    match (gold == partner, [(gold, lambda), (partner, 1.0 - lambda)]) {
        (true, _) => vec![(gold, 1.0)],
        (false, both) => both.into_iter().filter(|&(_, weight)| weight > 0.0).collect(),
    }
}

fn label(answers: &[u32], sequence: &Sequence) -> Result<usize> {
    answers.iter().position(|answer| sequence.answer.first() == Some(answer)).ok_or_else(no_answers)
}

fn no_answers() -> Error {
    Error::new(
        Status::InvalidArgument,
        format!(
            "the sequences of a task with a label head say what their one answer is told apart from ({:?}), and it is one \
                 that the head was fitted to",
            AnswerLoss::Head
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;
    use std::sync::Arc;

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
        let head = TaskHead::fit(network, &prompt, &[&[batch[..6].to_vec(), batch[6..].to_vec()]], &cancel).unwrap();
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

    /// `batch` with the answers 3 and 4 in the place of 0 and 1.
    fn partner(toy: &Toy) -> Vec<Sequence> {
        let among: Arc<[u32]> = vec![3, 2, 4].into();
        let moved = |sequence: Sequence| {
            let answer = sequence.answer.iter().map(|&a| [3, 4, 2][a as usize]).collect();
            Sequence { answer, among: vec![among.clone()], ..sequence }
        };
        batch(toy).into_iter().rev().map(moved).collect()
    }

    #[test]
    fn one_head_of_two_tasks_reads_their_mixture_with_the_gradient_of_finite_differences() {
        let toy = Toy::new();
        let (network, cancel) = (Network { backbone: &toy, memory_limit: 0 }, Cancel::new());
        let (prompt, own, other) = (toy.prompt(5), batch(&toy), partner(&toy));
        let head = TaskHead::fit(network, &prompt, &[from_ref(&own), from_ref(&other)], &cancel).unwrap();
        assert_eq!(head.answers, [0, 1, 2, 3, 4]);
        let mixed = |prompt: &SoftPrompt, lambda| {
            head.mixture_loss(network, prompt, Mixture { own: &own, other: &other, lambda }, &cancel).unwrap()
        };
        let made = mixed(&prompt, 0.7);
        assert!(made.loss > 0.0);
        for at in 0..toy.width() {
            let moved = |by: f32| {
                let mut prompt = prompt.clone();
                prompt.values_mut()[at] += by;
                mixed(&prompt, 0.7).loss
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((slope - made.gradient[at]).abs() < 1e-3, "{at}: {slope} is not {}", made.gradient[at]);
        }
        for (lambda, alone) in [(1.0, &own), (0.0, &other)] {
            let (mixed, plain) =
                (mixed(&prompt, lambda), head.loss(network, &prompt, alone, Wanted::Gradient, &cancel).unwrap());
            assert!((mixed.loss - plain.loss).abs() < 1e-6);
            assert!(mixed.gradient.iter().zip(&plain.gradient).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }

    #[test]
    fn two_labels_share_a_target_and_one_has_it_whole() {
        assert_eq!(target(1, 2, 0.75), [(1, 0.75), (2, 0.25)]);
        assert_eq!(target(1, 1, 0.75), [(1, 1.0)]);
        assert_eq!(target(1, 2, 1.0), [(1, 1.0)]);
        assert_eq!(target(1, 2, 0.0), [(2, 1.0)]);
    }

    #[test]
    fn a_partner_whose_labels_the_head_does_not_know_is_refused() {
        let toy = Toy::new();
        let (network, cancel) = (Network { backbone: &toy, memory_limit: 0 }, Cancel::new());
        let (prompt, own, other) = (toy.prompt(5), batch(&toy), partner(&toy));
        let head = TaskHead::fit(network, &prompt, &[from_ref(&own)], &cancel).unwrap();
        let mixture = Mixture { own: &own, other: &other, lambda: 0.5 };
        let error = head.mixture_loss(network, &prompt, mixture, &cancel).unwrap_err();
        assert_eq!(error.status(), Status::InvalidArgument);
    }

    #[test]
    fn an_empty_support_set_is_refused() {
        let toy = Toy::new();
        let network = Network { backbone: &toy, memory_limit: 0 };
        let empty: [&[Vec<Sequence>]; 2] = [&[], &[Vec::new()]];
        for support in empty {
            let error = TaskHead::fit(network, &toy.prompt(5), &[support], &Cancel::new()).err().unwrap();
            assert_eq!(error.status(), Status::InvalidArgument);
        }
    }

    #[test]
    fn sequences_that_do_not_say_their_answers_are_refused() {
        let toy = Toy::new();
        let network = Network { backbone: &toy, memory_limit: 0 };
        let plain = toy.examples(&[2, 2]).sequences;
        let error = TaskHead::fit(network, &toy.prompt(5), &[&[plain]], &Cancel::new()).err().unwrap();
        assert_eq!(error.status(), Status::InvalidArgument);
    }
}
