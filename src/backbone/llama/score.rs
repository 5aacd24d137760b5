//! Scoring labels without gradients, under cached prompt states.

use std::any::Any;
use std::ops::Range;

use super::Llama;
use super::head::HeadBuffers;
use super::layer::{self, Activations, Buffers, Pass, gather, heads, resize};
use super::packed::{Packed, Span};
use crate::backbone::{LabelTrie, PromptState, Readout, check_text};
use crate::error::{Error, Result, Status, fail};
use crate::runtime::Cancel;
use crate::soft_prompt::SoftPrompt;

/// Rows of the largest pass whose memory is kept.
const KEPT_ROWS: usize = 1_024;

/// Keys and values of a prompt's rows in every layer.
pub(super) struct LlamaState {
    rows: usize,
    /// Rotated keys, layers x rows x key width.
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl PromptState for LlamaState {
    fn bytes(&self) -> usize {
        4 * (self.keys.len() + self.values.len())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Memory of a scoring pass, kept between calls.
#[derive(Default)]
pub(super) struct ScoringMemory {
    activations: Activations,
    buffers: Buffers,
    head: HeadBuffers,
    hidden: Vec<f32>,
    /// Rows of `hidden` that one product of the head reads.
    chosen: Vec<f32>,
}

impl Llama {
    pub(super) fn compute_state(&self, prompt: &SoftPrompt, cancel: &Cancel) -> Result<LlamaState> {
        self.check_prompt(prompt)?;
        let config = &self.source.config;
        let size = config.layers * prompt.rows() * heads(config).key_width();
        let mut state =
            LlamaState { rows: prompt.rows(), keys: Vec::with_capacity(size), values: Vec::with_capacity(size) };
        if prompt.rows() == 0 {
            return Ok(state);
        }
        let rows = prompt.rows();
        let packed = Packed {
            positions: (0..rows).collect(),
            spans: vec![Span { start: 0, length: rows, answers: 0, chain: rows, parents: Vec::new() }],
            ..Packed::default()
        };
        self.compute.threads.enter_unless_cancelled(cancel, || {
            let mut memory = self.take_scoring_memory();
            resize(&mut memory.activations.x, prompt.values().len()).copy_from_slice(prompt.values());
            self.run_layers(&packed, None, cancel, &mut memory, |activations| {
                state.keys.extend_from_slice(&activations.k);
                state.values.extend_from_slice(&activations.v);
            })?;
            self.keep_scoring_memory(memory, packed.rows());
            Ok(state)
        })
    }

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
        readouts.iter().try_for_each(|readout| readout.check(self.source.config.width))?;
        let labels: Vec<&LabelTrie> = readouts.iter().map(|readout| readout.trie()).collect();
        let states: Vec<&LlamaState> = states.iter().map(|s| downcast(*s)).collect::<Result<_>>()?;
        for ((state, text), trie) in states.iter().zip(texts).zip(&labels) {
            check_text(text)?;
            let longest = trie.labels.iter().map(Vec::len).max().unwrap_or(0);
            self.check_tokens(state.rows, text.len() + longest, text)?;
            self.check_tokens(0, trie.tokens.len(), &trie.tokens)?;
            let ends: Vec<u32> = trie.labels.iter().flatten().map(|&(_, token)| token).collect();
            self.check_tokens(0, 1, &ends)?;
        }
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let prompts: Vec<usize> = states.iter().map(|s| s.rows).collect();
        let packed = Packed::for_scores(&prompts, texts, &labels);
        self.compute.threads.enter_unless_cancelled(cancel, || {
            let mut memory = self.take_scoring_memory();
            let x = resize(&mut memory.activations.x, packed.rows() * self.source.config.width);
            self.embed_all(&packed.tokens, x);
            self.run_layers(&packed, Some(&states), cancel, &mut memory, |_| ())?;
            let scores = self.label_scores(&packed, readouts, &mut memory)?;
            self.keep_scoring_memory(memory, packed.rows());
            Ok(scores)
        })
    }

    /// All layers over `memory.activations.x`; the answer rows' final hidden states end in `memory.hidden`.
    fn run_layers(
        &self,
        packed: &Packed,
        states: Option<&[&LlamaState]>,
        cancel: &Cancel,
        memory: &mut ScoringMemory,
        mut after_layer: impl FnMut(&Activations),
    ) -> Result<()> {
        let config = &self.source.config;
        let answer_rows = packed.answer_rows();
        let answer_positions: Vec<usize> = answer_rows.iter().map(|&row| packed.positions[row]).collect();
        let pass = Pass {
            compute: &self.compute,
            config,
            rope: &self.rope,
            rotations: &self.rope.rotations(&packed.positions),
            answer_rotations: &self.rope.rotations(&answer_positions),
            spans: &packed.spans,
            rows: packed.rows(),
            answer_rows: &answer_rows,
            prompt: 0,
        };
        let depth = self.source.layers.len();
        for (l, weights) in self.source.layers.iter().enumerate() {
            cancel.check()?;
            let last = l + 1 == depth;
            let prefixes: Option<Vec<_>> =
                states.map(|states| states.iter().map(|s| s.layer(l, heads(config).key_width())).collect());
            let ScoringMemory { activations, buffers, hidden, .. } = memory;
            layer::forward(&pass, weights, prefixes.as_deref(), last, activations, buffers, hidden);
            after_layer(activations);
            if !last {
                std::mem::swap(&mut activations.x, hidden);
            }
        }
        Ok(())
    }

    /// Mean token log-probability of every label (up to one constant a text when all its labels have one token), or its
    /// logit by a head.
    fn label_scores(
        &self,
        packed: &Packed,
        readouts: &[Readout<'_>],
        memory: &mut ScoringMemory,
    ) -> Result<Vec<Vec<f32>>> {
        let mut end = 0;
        let answers: Vec<Range<usize>> = packed
            .spans
            .iter()
            .map(|span| {
                let start = end;
                end += span.answers;
                start..end
            })
            .collect();
        let mut scores = vec![Vec::new(); readouts.len()];
        let (mut by_head, mut by_verbalizers) = (Vec::new(), Vec::new());
        for (i, readout) in readouts.iter().enumerate() {
            match readout {
                Readout::Verbalizers(trie) => by_verbalizers.push((i, *trie)),
                Readout::Head(head) => by_head.push((i, *head)),
            }
        }
        let (positions, heads): (Vec<usize>, Vec<_>) = by_head.into_iter().unzip();
        let rows: Vec<usize> = positions.iter().map(|&i| answers[i].start).collect();
        gather(&memory.hidden, self.source.config.width, &rows, &mut memory.chosen);
        for (i, logits) in positions.into_iter().zip(self.head_scores(&memory.chosen, &heads, &mut memory.head)) {
            scores[i] = logits;
        }
        // Texts of one kind share one product, whatever their labels: adapters of many tasks cost no more than one.
        for single in [true, false] {
            let mut chosen = by_verbalizers.clone();
            chosen.retain(|(_, trie)| trie.is_single_token() == single);
            if chosen.is_empty() {
                continue;
            }
            let ends = chosen.iter().flat_map(|(_, trie)| trie.labels.iter().flatten().map(|&(_, token)| token));
            let mut tokens: Vec<u32> = ends.collect();
            tokens.sort_unstable();
            tokens.dedup();
            let column = |token: u32| tokens.binary_search(&token).unwrap_or_default();
            let rows: Vec<usize> = chosen.iter().flat_map(|&(i, _)| answers[i].clone()).collect();
            gather(&memory.hidden, self.source.config.width, &rows, &mut memory.chosen);
            let table = self.token_scores(&memory.chosen, &tokens, !single, &mut memory.head)?;
            let mut rest = &table[..];
            for &(i, trie) in &chosen {
                let (text, after) = rest.split_at(answers[i].len() * tokens.len());
                rest = after;
                let score = |path: &Vec<(Option<usize>, u32)>| {
                    let sum: f32 =
                        path.iter().map(|&(row, t)| text[row.map_or(0, |r| r + 1) * tokens.len() + column(t)]).sum();
                    sum / path.len() as f32
                };
                scores[i] = trie.labels.iter().map(score).collect();
            }
        }
        Ok(scores)
    }

    fn take_scoring_memory(&self) -> ScoringMemory {
        self.scoring_memory.lock().pop().unwrap_or_default()
    }

    /// Keeps `memory` of a pass over `rows` for the next one; of large passes, or beyond one for each thread, it is given
    /// back, so that a peak of traffic leaves nothing behind.
    fn keep_scoring_memory(&self, memory: ScoringMemory, rows: usize) {
        let mut kept = self.scoring_memory.lock();
        if rows <= KEPT_ROWS && kept.len() < self.compute.threads.count() {
            kept.push(memory);
        }
    }
}

impl LlamaState {
    fn layer(&self, l: usize, key_width: usize) -> (&[f32], &[f32]) {
        let size = self.rows * key_width;
        (&self.keys[l * size..(l + 1) * size], &self.values[l * size..(l + 1) * size])
    }
}

fn downcast(state: &dyn PromptState) -> Result<&LlamaState> {
    state
        .as_any()
        .downcast_ref()
        .ok_or_else(|| Error::new(Status::Internal, "a prompt state of another kind of backbone"))
}
