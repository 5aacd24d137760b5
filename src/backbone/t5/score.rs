//! Scoring labels without gradients.

use std::any::Any;

use super::T5;
use super::batch::Example;
use crate::backbone::footprint::LOGIT_ROWS;
use crate::backbone::{LabelTrie, PromptState, Readout, check_text};
use crate::error::{Error, Result, Status, fail};
use crate::kernels::cross_entropy;
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// Decoder rows before the answer: the start id and the sentinel, which predicts the answer's first token.
pub(super) const PREFIX_ROWS: usize = 2;

/// A prompt as it is: the encoder mixes its rows with the text's, so nothing of it can be computed ahead.
pub(super) struct T5State(pub(super) SoftPrompt);

impl PromptState for T5State {
    fn bytes(&self) -> usize {
        size_of_val(self.0.values())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl T5 {
    /// The encoder runs once for each text; the decoder reads start id and sentinel, followed by each branch of the
    /// text's label trie as a sequence of its own.
    pub(super) fn score_texts(
        &self,
        states: &[&dyn PromptState],
        texts: &[&[u32]],
        readouts: &[Readout<'_>],
        cancel: &Cancel,
    ) -> Result<Vec<Vec<f32>>> {
        if states.len() != texts.len() || readouts.len() != texts.len() {
            return fail(Status::Internal, "every text needs one prompt state and one readout");
        }
        texts.iter().try_for_each(|text| check_text(text))?;
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let prompts: Vec<&SoftPrompt> = states.iter().map(|state| downcast(*state)).collect::<Result<_>>()?;
        let read: Vec<Example> = texts.iter().map(|text| self.example(text, &[])).collect();
        prompts.iter().zip(&read).try_for_each(|(prompt, example)| Self::check_rows(prompt.rows(), example))?;
        let (mut said, mut of, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        let mut start = 0;
        for (text, readout) in readouts.iter().enumerate() {
            readout.check(self.network.width())?;
            let trie = readout.trie();
            self.check_ends(trie)?;
            let branches = branches(trie);
            // Of each of the trie's rows (the root first) the decoder row that predicts what follows it.
            let mut places = vec![start + PREFIX_ROWS - 1; trie.tokens.len() + 1];
            for branch in &branches {
                for (depth, &row) in branch.iter().enumerate() {
                    places[row + 1] = start + PREFIX_ROWS + depth;
                }
                let mut answer: Vec<u32> = branch.iter().map(|&row| trie.tokens[row]).collect();
                // The last token of an answer is not read: here the row after the branch is.
                answer.push(self.sentinel);
                let example = self.example(&[], &answer);
                Self::check_rows(0, &example)?;
                said.push(example);
                of.push(text);
                start += PREFIX_ROWS + branch.len();
            }
            rows.push(places);
        }
        let network = &self.network;
        network.compute.threads.enter_unless_cancelled(cancel, || {
            let (memory, _) = network.run_encoder(&prompts, &read, &[], false, cancel)?;
            let (output, _, _) = network.run_decoder(&memory, &said, &of, false, cancel)?;
            Ok(self.label_scores(&output, &rows, readouts))
        })
    }

    /// Mean token log-probability of every label of every text, or its logit by a head; `rows[i]` are text i's rows of
    /// `output`.
    fn label_scores(&self, output: &[f32], rows: &[Vec<usize>], readouts: &[Readout<'_>]) -> Vec<Vec<f32>> {
        let (d, v) = (self.network.width(), self.network.vocabulary());
        let labels: Vec<&LabelTrie> = readouts.iter().map(|readout| readout.trie()).collect();
        // (row of output, text, label, token), all of one row together.
        let mut wanted = Vec::new();
        for (text, (places, trie)) in rows.iter().zip(&labels).enumerate() {
            for (label, path) in trie.labels.iter().enumerate() {
                wanted.extend(path.iter().map(|&(row, t)| (places[row.map_or(0, |r| r + 1)], text, label, t)));
            }
        }
        wanted.sort_unstable();
        let begun = readouts.iter().zip(rows).map(|(readout, places)| match readout {
            Readout::Verbalizers(trie) => vec![0.0; trie.labels.len()],
            Readout::Head(head) => head.logits(&output[places[0] * d..][..d]),
        });
        let mut scores: Vec<Vec<f32>> = begun.collect();
        let same_row: Vec<&[(usize, usize, usize, u32)]> = wanted.chunk_by(|a, b| a.0 == b.0).collect();
        for chunk in same_row.chunks(LOGIT_ROWS) {
            let chosen: Vec<f32> = chunk.iter().flat_map(|same| output[same[0].0 * d..][..d].iter().copied()).collect();
            let mut logits = self.network.logits(&chosen);
            let at = |i: usize, token: u32| i * v + token as usize;
            let found: Vec<Vec<f32>> = chunk
                .iter()
                .enumerate()
                .map(|(i, same)| same.iter().map(|&(_, _, _, token)| logits[at(i, token)]).collect())
                .collect();
            let normalizers = cross_entropy::log_sum_exp(&self.network.compute, &mut logits, v);
            for ((same, found), normalizer) in chunk.iter().zip(found).zip(normalizers) {
                for (&(_, text, label, _), logit) in same.iter().zip(found) {
                    scores[text][label] += (logit - normalizer) / labels[text].labels[label].len() as f32;
                }
            }
        }
        scores
    }

    /// `InvalidArgument` for a label's token outside the vocabulary.
    fn check_ends(&self, trie: &LabelTrie) -> Result<()> {
        let v = self.network.vocabulary();
        match trie.labels.iter().flatten().find(|(_, token)| *token as usize >= v) {
            Some((_, t)) => fail(Status::InvalidArgument, format!("token id {t} is outside the vocabulary of {v}")),
            None => Ok(()),
        }
    }
}

/// Paths of rows from the trie's root to each row without children; one empty path when there are no rows.
fn branches(trie: &LabelTrie) -> Vec<Vec<usize>> {
    let mut is_leaf = vec![true; trie.tokens.len()];
    trie.parents.iter().flatten().for_each(|&parent| is_leaf[parent] = false);
    let mut branches = Vec::new();
    for leaf in (0..trie.tokens.len()).filter(|&row| is_leaf[row]) {
        let mut branch: Vec<usize> = std::iter::successors(Some(leaf), |&row| trie.parents[row]).collect();
        branch.reverse();
        branches.push(branch);
    }
    if branches.is_empty() { vec![Vec::new()] } else { branches }
}

fn downcast(state: &dyn PromptState) -> Result<&SoftPrompt> {
    let state: Option<&T5State> = state.as_any().downcast_ref();
    state
        .map(|state| &state.0)
        .ok_or_else(|| Error::new(Status::Internal, "a prompt state of another kind of backbone"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_cover_every_row_of_the_trie() {
        let trie = LabelTrie::new(&[vec![7, 8, 9], vec![7, 8, 10], vec![7, 11], vec![12], vec![5, 6]]);
        assert_eq!(trie.tokens, [7, 8, 5]);
        assert_eq!(branches(&trie), [vec![0, 1], vec![2]]);
        assert_eq!(branches(&LabelTrie::new(&[vec![1], vec![2]])), [Vec::<usize>::new()]);
    }
}
