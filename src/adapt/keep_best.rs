//! Scoring labelled rows under a prompt, and keeping the best prompt by it.

use super::examples::TokenizedExamples;
use super::learned::Learned;
use super::options::AdaptOptions;
use super::report::DevRecord;
use crate::backbone::{Backbone, LabelTrie, Readout};
use crate::error::Result;
use crate::predict::PromptCache;
use crate::predict::scoring::{BatchLimits, Scored, highest, score, softmax};
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// How well a prompt predicts labelled rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quality {
    /// Share of rows whose best label is the gold one.
    pub accuracy: f32,
    /// Minus the log of the gold label's probability, mean over rows.
    pub loss: f32,
    /// Whether all rows are given one label although their gold labels differ.
    pub one_class: bool,
}

impl Quality {
    /// Scores `examples` under `prompt`. Errors: `NotFinite`, `Cancelled`.
    pub fn of(
        backbone: &dyn Backbone,
        prompt: &SoftPrompt,
        examples: &TokenizedExamples,
        labels: &LabelTrie,
        options: &AdaptOptions,
        cancel: &Cancel,
    ) -> Result<Self> {
        let texts: Vec<(usize, &[u32])> = examples.sequences.iter().map(|s| (0, s.text.as_slice())).collect();
        let limits = BatchLimits::new(0, options.memory_limit, backbone.footprint().scoring);
        let scored = [Scored { id: 0, prompt, readout: Readout::Verbalizers(labels) }];
        let scores = score(backbone, &PromptCache::new(0), &scored, &texts, limits, cancel, &mut |_| Ok(()))?;
        Ok(Self::of_scores(&scores, &examples.labels))
    }

    /// The quality of `scores` (of all labels, row by row) for rows of these gold `labels`.
    pub fn of_scores(scores: &[Vec<f32>], labels: &[usize]) -> Self {
        let (mut right, mut loss, mut predicted) = (0usize, 0.0, Vec::with_capacity(scores.len()));
        for (scores, &gold) in scores.iter().zip(labels) {
            let probabilities = softmax(scores);
            let best = highest(&probabilities);
            right += usize::from(best == gold);
            loss -= probabilities[gold].max(f64::MIN_POSITIVE).ln();
            predicted.push(best);
        }
        let rows = scores.len() as f64;
        Self {
            accuracy: (right as f64 / rows) as f32,
            loss: (loss / rows) as f32,
            one_class: is_one_class(&predicted) && !is_one_class(labels),
        }
    }

    /// Higher accuracy, or the same with a lower loss.
    fn beats(&self, other: &Self) -> bool {
        self.accuracy > other.accuracy || (self.accuracy == other.accuracy && self.loss < other.loss)
    }
}

/// The best so far by the dev part; of equals the earlier.
pub(super) struct KeepBest {
    /// What is kept.
    pub learned: Learned,
    /// Steps that made it.
    pub step: usize,
    /// Its quality.
    pub quality: Quality,
    /// Scorings since it was found.
    pub without_gain: usize,
    /// All scorings.
    pub records: Vec<DevRecord>,
}

impl KeepBest {
    /// Starts with the start prompt.
    pub fn new(start: Learned, quality: Quality) -> Self {
        let records = vec![DevRecord { step: 0, accuracy: quality.accuracy, loss: quality.loss }];
        Self { learned: start, step: 0, quality, without_gain: 0, records }
    }

    /// Takes what `step` learned when it is better than what is kept.
    pub fn offer(&mut self, step: usize, learned: Learned, quality: Quality) {
        self.records.push(DevRecord { step, accuracy: quality.accuracy, loss: quality.loss });
        self.without_gain += 1;
        if quality.beats(&self.quality) {
            (self.step, self.quality, self.without_gain) = (step, quality, 0);
            self.learned = learned;
        }
    }
}

fn is_one_class(labels: &[usize]) -> bool {
    labels.iter().all(|label| *label == labels[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapt::toy::Toy;

    fn quality(accuracy: f32, loss: f32) -> Quality {
        Quality { accuracy, loss, one_class: false }
    }

    #[test]
    fn accuracy_then_loss_decide_and_ties_keep_the_earlier() {
        let learned = |step: usize| Learned { prompt: SoftPrompt::new(1, 1, vec![step as f32]).unwrap(), head: None };
        let mut best = KeepBest::new(learned(0), quality(0.5, 1.0));
        let offers = [(1, 0.5, 1.0, 0), (2, 0.5, 0.9, 2), (3, 0.4, 0.1, 2), (4, 0.6, 3.0, 4), (5, 0.6, 3.0, 4)];
        for (step, accuracy, loss, kept) in offers {
            best.offer(step, learned(step), quality(accuracy, loss));
            assert_eq!((best.step, &best.learned), (kept, &learned(kept)));
        }
        assert_eq!((best.without_gain, best.records.len()), (1, 6));
    }

    #[test]
    fn quality_is_accuracy_and_cross_entropy_over_labels() {
        let toy = Toy::new();
        let examples = toy.examples(&[4, 4]);
        let labels = toy.labels_of(2);
        let of = |prompt| Quality::of(&toy, &prompt, &examples, &labels, &AdaptOptions::default(), &Cancel::new());
        let blind = of(SoftPrompt::empty(toy.width())).unwrap();
        assert!((blind.loss - 2f32.ln()).abs() < 1e-6);
        assert!(blind.accuracy == 0.5 && blind.one_class);
        let good = of(toy.perfect_prompt()).unwrap();
        assert!(good.accuracy == 1.0 && good.loss < blind.loss && !good.one_class);
    }
}
