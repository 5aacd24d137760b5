//! Scoring texts in packed batches: scores of every label, in the order of the texts.

use std::sync::Arc;

use super::prompt_cache::PromptCache;
use crate::backbone::footprint::PassBytes;
use crate::backbone::{Backbone, PromptState, Readout};
use crate::error::{Result, Status, fail};
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// Texts scored together unless the caller says otherwise.
pub(crate) const BATCH_ROWS: usize = 16;
/// The activations of so many tokens are held at a time at most, unless one text alone has more.
const BATCH_TOKENS: usize = 4096;

/// A prompt and how labels are scored under it.
pub(crate) struct Scored<'a> {
    /// Identity of the prompt in the cache.
    pub id: u64,
    pub prompt: &'a SoftPrompt,
    pub readout: Readout<'a>,
}

/// How many texts are scored together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchLimits {
    pub rows: usize,
    /// Bytes of activations, and of the states of other prompts than the first, unless one text alone takes more.
    pub bytes: usize,
    /// What a scoring pass takes.
    pass: PassBytes,
}

impl BatchLimits {
    /// `rows` texts (0 = the library's choice), within `memory_limit` bytes of activations (0 = no limit) of a scoring
    /// pass.
    pub fn new(rows: usize, memory_limit: usize, pass: PassBytes) -> Self {
        let rows = if rows == 0 { BATCH_ROWS } else { rows };
        let most = BATCH_TOKENS.saturating_mul(pass.text_row);
        Self { rows, bytes: if memory_limit == 0 { most } else { memory_limit.min(most) }, pass }
    }

    /// Bytes of activations of a text of so many tokens and answer rows, under a prompt of `prompt` rows.
    pub fn bytes_of(&self, prompt: usize, tokens: usize, answer_rows: usize) -> usize {
        self.pass.of(prompt, [(tokens, answer_rows)])
    }
}

/// Scores of the labels for every text; `texts` pairs the position in `prompts` with token ids.
///
/// A prompt's state is asked of the cache once per run of batches that use it, so also a cache that keeps nothing
/// computes it once per prompt. `tell` hears after every batch how many texts it had; its error ends the call. Errors:
/// `NotFinite`, `Cancelled`, and those of the backbone.
pub(crate) fn score(
    backbone: &dyn Backbone,
    cache: &PromptCache,
    prompts: &[Scored<'_>],
    texts: &[(usize, &[u32])],
    limits: BatchLimits,
    cancel: &Cancel,
    tell: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Vec<Vec<f32>>> {
    let mut scores = vec![Vec::new(); texts.len()];
    let mut states: Vec<(usize, Arc<dyn PromptState>)> = Vec::new();
    let bytes_of = |prompt: usize, tokens: usize| {
        let Scored { prompt, readout, .. } = &prompts[prompt];
        limits.bytes_of(prompt.rows(), tokens, readout.trie().most_rows())
    };
    let state_row = backbone.footprint().state_row;
    let state_bytes = |prompt: usize| prompts[prompt].prompt.rows() * state_row;
    for batch in packed(texts, bytes_of, state_bytes, limits) {
        cancel.check()?;
        // Prompts come one after another: of those of the batch before only its last can be needed again.
        states.retain(|(held, _)| *held == texts[batch[0]].0);
        let mut used: Vec<(usize, Arc<dyn PromptState>)> = Vec::new();
        for &at in &batch {
            let (prompt, _) = texts[at];
            if used.last().is_some_and(|(last, _)| *last == prompt) {
                continue;
            }
            let state = match states.iter().find(|(held, _)| *held == prompt) {
                Some((_, state)) => Arc::clone(state),
                None => cache.get_or_make(prompts[prompt].id, || {
                    log::debug!("a prompt's state is not in the cache and is computed");
                    backbone.prompt_state(prompts[prompt].prompt, cancel)
                })?,
            };
            used.push((prompt, state));
        }
        states = used;
        let row_states: Vec<&dyn PromptState> = batch.iter().map(|&at| state_of(&states, texts[at].0)).collect();
        let row_texts: Vec<&[u32]> = batch.iter().map(|&at| texts[at].1).collect();
        let readouts: Vec<Readout<'_>> = batch.iter().map(|&at| prompts[texts[at].0].readout).collect();
        let given = backbone.score(&row_states, &row_texts, &readouts, cancel)?;
        for (&at, row) in batch.iter().zip(given) {
            if row.iter().any(|score| !score.is_finite()) {
                return fail(Status::NotFinite, "the model gives label scores that are not finite; check its weights");
            }
            scores[at] = row;
        }
        tell(batch.len())?;
    }
    Ok(scores)
}

/// The softmax of `scores`.
pub(crate) fn softmax(scores: &[f32]) -> Vec<f64> {
    let highest = f64::from(scores.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let powers: Vec<f64> = scores.iter().map(|&score| (f64::from(score) - highest).exp()).collect();
    let total: f64 = powers.iter().sum();
    powers.iter().map(|power| power / total).collect()
}

/// Position of the highest of `values`; the first of equals.
pub(crate) fn highest(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

/// Positions of `texts` in batches: one prompt after another, so that few states are needed at a time, and inside a
/// prompt by length, so that the threads share a batch evenly. `bytes_of` tells what a text of so many tokens takes under
/// a prompt, `state_bytes` what the prompt's state does.
fn packed(
    texts: &[(usize, &[u32])],
    bytes_of: impl Fn(usize, usize) -> usize,
    state_bytes: impl Fn(usize) -> usize,
    limits: BatchLimits,
) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|&at| (texts[at].0, texts[at].1.len()));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut held = 0usize;
    let mut last = None;
    for at in order {
        let (prompt, text) = texts[at];
        let (bytes, state) = (bytes_of(prompt, text.len()), state_bytes(prompt));
        held = held.saturating_add(bytes).saturating_add(if last == Some(prompt) { 0 } else { state });
        last = Some(prompt);
        match batches.last_mut() {
            Some(batch) if batch.len() < limits.rows && held <= limits.bytes => batch.push(at),
            _ => {
                batches.push(vec![at]);
                held = bytes;
            }
        }
    }
    batches
}

fn state_of(states: &[(usize, Arc<dyn PromptState>)], prompt: usize) -> &dyn PromptState {
    let at = states.partition_point(|(held, _)| *held < prompt);
    states[at].1.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapt::toy::Toy;

    /// A pass in which tokens and answer rows take a byte each.
    const PASS: PassBytes = PassBytes { shared_prompt_row: 0, prompt_row: 0, text_row: 1, answer_row: 1 };
    const LIMITS: BatchLimits = BatchLimits { rows: 3, bytes: 10, pass: PASS };

    #[test]
    fn batches_keep_both_limits_and_lose_no_row() {
        let long = [7u32; 12];
        let texts: Vec<(usize, &[u32])> =
            [(0, 4), (1, 2), (0, 12), (0, 1), (1, 1), (0, 5), (0, 5)].map(|(p, n)| (p, &long[..n])).to_vec();
        assert_eq!(packed(&texts, |_, tokens| tokens, |_| 0, LIMITS), [vec![3, 0, 5], vec![6], vec![2], vec![4, 1]]);
        let more = |prompt, tokens| if prompt == 0 { tokens + 5 } else { tokens };
        assert_eq!(packed(&texts, more, |_| 0, LIMITS), [vec![3], vec![0], vec![5], vec![6], vec![2], vec![4, 1]]);
    }

    #[test]
    fn states_of_many_prompts_count() {
        let texts: Vec<(usize, &[u32])> = [0, 0, 1, 2, 3].map(|prompt| (prompt, &[7u32; 1][..])).to_vec();
        let state_bytes = |prompt: usize| if prompt == 3 { 20 } else { 4 };
        assert_eq!(packed(&texts, |_, tokens| tokens, state_bytes, LIMITS), [vec![0, 1, 2], vec![3], vec![4]]);
    }

    #[test]
    fn scores_come_back_in_order_and_each_state_is_made_once() {
        let toy = Toy::new();
        let labels = toy.labels();
        let prompts = [toy.prompt(1), toy.prompt(2)];
        let scored: Vec<Scored<'_>> = prompts
            .iter()
            .zip(1..)
            .map(|(prompt, id)| Scored { id, prompt, readout: Readout::Verbalizers(&labels) })
            .collect();
        let owned: Vec<(usize, Vec<u32>)> = (0..40u32).map(|i| (i as usize % 2, vec![i % 9, i % 5, 3])).collect();
        let texts: Vec<(usize, &[u32])> = owned.iter().map(|(p, ids)| (*p, ids.as_slice())).collect();
        let cancel = Cancel::new();
        let all = score(&toy, &PromptCache::new(0), &scored, &texts, LIMITS, &cancel, &mut |_| Ok(())).unwrap();
        assert_eq!(toy.states_made(), 2);
        for (text, scores) in texts.iter().zip(&all) {
            let alone = score(&toy, &PromptCache::new(0), &scored, &[*text], LIMITS, &cancel, &mut |_| Ok(())).unwrap();
            assert_eq!(&alone[0], scores);
        }
        assert_ne!(all[0], all[9]);
        cancel.request();
        let stopped = score(&toy, &PromptCache::new(0), &scored, &texts, LIMITS, &cancel, &mut |_| Ok(())).unwrap_err();
        assert_eq!(stopped.status(), Status::Cancelled);
    }

    #[test]
    fn a_full_cache_makes_no_state_again() {
        let toy = Toy::new();
        let (labels, prompt, cache) = (toy.labels(), toy.prompt(1), PromptCache::new(1 << 20));
        let scored = [Scored { id: 5, prompt: &prompt, readout: Readout::Verbalizers(&labels) }];
        for _ in 0..3 {
            score(&toy, &cache, &scored, &[(0, &[1, 2])], LIMITS, &Cancel::new(), &mut |_| Ok(())).unwrap();
        }
        assert_eq!(toy.states_made(), 1);
    }

    #[test]
    fn a_memory_limit_makes_batches_smaller() {
        let all = BatchLimits { rows: BATCH_ROWS, bytes: BATCH_TOKENS, pass: PASS };
        assert_eq!((BatchLimits::new(0, 0, PASS), BatchLimits::new(0, usize::MAX, PASS)), (all, all));
        assert_eq!(BatchLimits::new(7, 50, PASS), BatchLimits { rows: 7, bytes: 50, pass: PASS });
    }

    #[test]
    fn a_text_counts_with_the_prompts_rows_in_front_of_it_and_its_answers() {
        // As of a T5, whose prompt lies in front of every text.
        let limits = BatchLimits::new(0, 100, PassBytes { prompt_row: 3, text_row: 2, answer_row: 5, ..PASS });
        assert_eq!(limits.bytes_of(10, 4, 1), 43);
        let texts: [(usize, &[u32]); 5] = [(0, &[7; 4]); 5];
        let batches = packed(&texts, |_, tokens| limits.bytes_of(10, tokens, 1), |_| 0, limits);
        assert_eq!(batches, [vec![0, 1], vec![2, 3], vec![4]]);
    }

    #[test]
    fn softmax_sums_to_one_and_survives_large_scores() {
        let p = softmax(&[-1000.0, -1001.0, -3000.0]);
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((p[0] - 0.731_058_578_630_004_9).abs() < 1e-9 && p[2] == 0.0);
        assert_eq!(highest(&[0.2, 0.4, 0.4]), 1);
    }
}
