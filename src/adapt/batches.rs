//! Which examples each step sees: seeded permutations, one after another.

use super::options::AdaptOptions;
use crate::runtime::Random;

/// An endless sequence of batches over `n` examples. Every epoch is a new permutation; rows left over at the end of one
/// come first in the next batch, which the following permutation fills up, so no example is ever skipped.
#[derive(Clone, Debug)]
pub struct Batches {
    random: Random,
    order: Vec<usize>,
    at: usize,
    batch_size: usize,
}

impl Batches {
    /// Batches of `batch_size` positions below `n`, drawn by `seed`; neither may be 0.
    pub fn new(n: usize, batch_size: usize, seed: u64) -> Self {
        Self { random: Random::new(seed, "batches"), order: (0..n).collect(), at: n, batch_size }
    }

    /// The positions of the next batch.
    pub fn next_batch(&mut self) -> Vec<usize> {
        let mut batch = Vec::with_capacity(self.batch_size);
        while batch.len() < self.batch_size {
            if self.at == self.order.len() {
                self.random.shuffle(&mut self.order);
                self.at = 0;
            }
            let take = (self.batch_size - batch.len()).min(self.order.len() - self.at);
            batch.extend_from_slice(&self.order[self.at..self.at + take]);
            self.at += take;
        }
        batch
    }
}

/// The batches of a run over `n` training examples, exactly as [`adapt`](super::adapt) draws them; empty when `n` or
/// `batch_size` is 0. Only `batch_size`, `steps` and `seed` matter.
pub fn batches(n: usize, options: &AdaptOptions) -> Vec<Vec<usize>> {
    if n == 0 || options.batch_size == 0 {
        return Vec::new();
    }
    let mut source = Batches::new(n, options.batch_size, options.seed);
    (0..options.steps).map(|_| source.next_batch()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(n: usize, batch_size: usize, steps: usize, seed: u64) -> Vec<Vec<usize>> {
        super::batches(n, &AdaptOptions { batch_size, steps, seed, ..Default::default() })
    }

    #[test]
    fn every_epoch_shows_every_example_once_in_a_new_order() {
        let flat: Vec<usize> = batches(10, 4, 5, 7).concat();
        assert_eq!(flat.len(), 20);
        for epoch in flat.chunks(10) {
            let mut seen = epoch.to_vec();
            seen.sort_unstable();
            assert_eq!(seen, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(flat[..10], flat[10..]);
    }

    #[test]
    fn a_batch_larger_than_the_data_is_filled_with_repeats() {
        let batch = &batches(3, 8, 1, 1)[0];
        assert_eq!(batch.len(), 8);
        assert!((0..3).all(|i| batch.iter().filter(|&&b| b == i).count() >= 2));
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(batches(50, 8, 20, 3), batches(50, 8, 20, 3));
        assert_ne!(batches(50, 8, 20, 3), batches(50, 8, 20, 4));
        assert!(batches(0, 8, 20, 3).is_empty());
    }
}
