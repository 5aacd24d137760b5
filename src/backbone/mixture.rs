//! Two batches to be mixed (method section 4).

use super::Sequence;
use crate::error::{Result, Status, fail};

/// Two batches, paired by position, to be mixed.
#[derive(Clone, Copy, Debug)]
pub struct Mixture<'a> {
    /// The task's own examples.
    pub own: &'a [Sequence],
    /// As many examples of the other task, each with as many answer tokens as its partner.
    pub other: &'a [Sequence],
    /// Weight of `own`, 0 to 1; `other` has the rest.
    pub lambda: f32,
}

impl Mixture<'_> {
    /// `InvalidArgument` unless the batches pair, answer token by answer token, and lambda lies in 0..1.
    pub(crate) fn check(&self) -> Result<()> {
        let Self { own, other, lambda } = self;
        let pairs = own.len() == other.len() && own.iter().zip(*other).all(|(a, b)| a.answer.len() == b.answer.len());
        if pairs && (0.0..=1.0).contains(lambda) {
            return Ok(());
        }
        fail(
            Status::InvalidArgument,
            format!(
                "a mixture takes two batches of as many examples, answers of as many tokens, and a lambda of 0 to 1; \
                 batches of {} and {} and a lambda of {lambda} came",
                own.len(),
                other.len()
            ),
        )
    }

    /// For each answer token of each pair the tokens that it is told apart from: see [`joined`].
    pub(super) fn rivals(&self) -> Vec<Vec<u32>> {
        let own = self.own.iter().flat_map(Sequence::rivals);
        own.zip(self.other.iter().flat_map(Sequence::rivals)).map(|(own, other)| joined(own, other)).collect()
    }
}

/// The tokens that a mixed answer token is told apart from: those of both sides; all (an empty list) where a side has all.
pub(super) fn joined(own: &[u32], other: &[u32]) -> Vec<u32> {
    if own.is_empty() || other.is_empty() {
        return Vec::new();
    }
    let mut tokens = [own, other].concat();
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

/// The loss KL(T || p) at one position, where T gives `lambda` to one label and the rest to a partner: `cross` is the
/// cross entropy to the label, `gap` the label's logit less the partner's, and `same` says that they are one.
pub(super) fn divergence(lambda: f32, cross: f32, gap: f32, same: bool) -> f64 {
    let part = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    let entropy = if same { 0.0 } else { part(f64::from(lambda)) + part(1.0 - f64::from(lambda)) };
    f64::from(cross) + f64::from(1.0 - lambda) * f64::from(gap) - entropy
}
