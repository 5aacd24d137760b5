//! Cross entropy over the vocabulary, or over some of its tokens.

use super::Compute;
use super::isa::{Kernel, dispatch};
use super::lanes::Lanes;
use super::shared::Shared;

/// Turns each row of `logits` (rows x vocabulary) into its gradient and returns the rows' losses in nats:
/// loss = logsumexp(logits) - logits[target]; gradient = weight (softmax - onehot(target)).
pub(crate) fn forward_backward(
    compute: &Compute,
    logits: &mut [f32],
    vocabulary: usize,
    targets: &[u32],
    weight: f32,
) -> Vec<f32> {
    assert_eq!(logits.len(), vocabulary * targets.len());
    let mut losses = vec![0.0; targets.len()];
    let (rows, out) = (Shared::new(logits), Shared::new(&mut losses));
    compute.threads.run(targets.len(), |item| {
        // SAFETY: every item has its own row and loss.
        let (row, out) = unsafe { (rows.part(item * vocabulary, vocabulary), out.part(item, 1)) };
        let target = targets[item] as usize;
        let score = row[target];
        // SAFETY: `isa` was checked.
        let (largest, sum) = unsafe { dispatch(compute.isa, Exponentials { row }) };
        out[0] = largest + sum.ln() - score;
        let factor = weight / sum;
        row.iter_mut().for_each(|x| *x *= factor);
        row[target] -= weight;
    });
    losses
}

/// Leaves only `among[row]` in each row of `logits` (rows x vocabulary), where that is not empty: other logits become minus
/// infinity, their gradient nothing.
pub(crate) fn keep_only<'a>(logits: &mut [f32], vocabulary: usize, among: impl IntoIterator<Item = &'a [u32]>) {
    for (row, tokens) in logits.chunks_exact_mut(vocabulary).zip(among) {
        if !tokens.is_empty() {
            let kept: Vec<f32> = tokens.iter().map(|&token| row[token as usize]).collect();
            row.fill(f32::NEG_INFINITY);
            tokens.iter().zip(kept).for_each(|(&token, logit)| row[token as usize] = logit);
        }
    }
}

/// logsumexp of each row of `logits` (rows x vocabulary); the logits are lost.
pub(crate) fn log_sum_exp(compute: &Compute, logits: &mut [f32], vocabulary: usize) -> Vec<f32> {
    let count = logits.len() / vocabulary;
    let mut sums = vec![0.0; count];
    let (rows, out) = (Shared::new(logits), Shared::new(&mut sums));
    compute.threads.run(count, |item| {
        // SAFETY: every item has its own row and sum.
        let (row, out) = unsafe { (rows.part(item * vocabulary, vocabulary), out.part(item, 1)) };
        // SAFETY: `isa` was checked.
        let (largest, sum) = unsafe { dispatch(compute.isa, Exponentials { row }) };
        out[0] = largest + sum.ln();
    });
    sums
}

/// Replaces a row by exp(x - largest); gives the largest value and the sum.
struct Exponentials<'a> {
    row: &'a mut [f32],
}

impl Kernel for Exponentials<'_> {
    type Output = (f32, f32);

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> (f32, f32) {
        let (data, length) = (self.row.as_mut_ptr(), self.row.len());
        // SAFETY: all offsets are within the row.
        unsafe {
            let mut largest = f32::NEG_INFINITY;
            let mut i = 0;
            let mut most = L::splat(f32::NEG_INFINITY);
            while i + L::N <= length {
                most = L::max(most, L::load(data.add(i)));
                i += L::N;
            }
            largest = largest.max(L::largest(most));
            largest = self.row[i..].iter().copied().fold(largest, f32::max);
            let shift = L::splat(-largest);
            let mut sum = L::splat(0.0);
            i = 0;
            while i + L::N <= length {
                let e = L::exp(L::add(L::load(data.add(i)), shift));
                sum = L::add(sum, e);
                L::store(data.add(i), e);
                i += L::N;
            }
            let mut total = L::sum(sum);
            for x in &mut self.row[i..] {
                *x = (*x - largest).exp();
                total += *x;
            }
            (largest, total)
        }
    }
}
