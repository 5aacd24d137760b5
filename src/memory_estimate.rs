//! How much memory adapting and predicting take, before it is done.

use crate::adapt::{AdaptOptions, AnswerLoss, MOST_FITTED_ROWS, start_prompt, tokenize};
use crate::backbone::footprint::LOGIT_ROWS;
use crate::error::Result;
use crate::model::Model;
use crate::predict::PreparedTask;
use crate::predict::scoring::BatchLimits;
use crate::runtime::Cancel;
use crate::task::{Example, Task};

/// Copies of the prompt that a run holds: itself, its gradient, the optimizer's two moments, the best so far.
const PROMPT_COPIES: usize = 5;
/// Copies of a label head's weights that fitting it holds, f64: itself, what it moves to, and the optimizer's memory.
const HEAD_COPIES: usize = 24;

/// Bytes of memory. All but the weights are estimates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// The model's weights, as they are held.
    pub weights: usize,
    /// Intermediate results of an adaptation: of a step, of scoring held-out examples and of fitting label heads.
    pub adapt: usize,
    /// Intermediate results of predicting one text, the longest.
    pub predict: usize,
    /// An adapter's share of the prompt cache.
    pub cached_prompt: usize,
}

/// Estimates what adapting `model` by `options` takes, and predicting with the adapter.
///
/// `task` with its labelled rows tells the lengths; without it every text has as many tokens as the options allow and
/// every label one. Errors: those of [`adapt()`](crate::adapt()) about options, task and rows; `Cancelled`.
pub fn estimate_memory(
    model: &Model,
    task: Option<(&Task, &[Example])>,
    options: &AdaptOptions,
    cancel: &Cancel,
) -> Result<MemoryEstimate> {
    let (backbone, footprint) = (model.backbone(), model.backbone().footprint());
    let prompt = start_prompt(model, options)?.rows();
    let Lengths { mut sequences, scored_rows, read_rows, labels } = match task {
        Some((task, rows)) => Lengths::of(model, prompt, task, rows, options, cancel)?,
        None => Lengths { sequences: vec![(options.max_tokens, 1)], scored_rows: 0, read_rows: 0, labels: 0 },
    };
    let head = match options.answer_loss {
        AnswerLoss::Head => head_fit(sequences.len().min(2 * MOST_FITTED_ROWS), labels, backbone.width()),
        AnswerLoss::Vocabulary | AnswerLoss::Labels => 0,
    };
    sequences.sort_unstable_by_key(|&(text, answer)| std::cmp::Reverse(text + answer));

    let batch = sequences.iter().copied().cycle().take(options.batch_size);
    let whole = footprint.training.of(prompt, batch);
    let step = match options.memory_limit {
        0 => whole,
        limit => whole.min(limit.max(footprint.training.of(prompt, sequences.first().copied()))),
    };
    let limits = BatchLimits::new(0, options.memory_limit, footprint.scoring);
    let (mut texts, mut bytes) = (Vec::new(), 0usize);
    for &(text, _) in sequences.iter().cycle().take(limits.rows) {
        bytes = bytes.saturating_add(limits.bytes_of(prompt, text, read_rows));
        if bytes > limits.bytes && !texts.is_empty() {
            break;
        }
        texts.push((text, scored_rows));
    }
    let longest = texts.first().copied();
    let logits = |texts: usize| (texts * scored_rows).min(LOGIT_ROWS) * footprint.logit_row;
    let dev = footprint.scoring.of(prompt, texts.iter().copied()) + logits(texts.len());
    let prompt_bytes = size_of::<f32>() * prompt * backbone.width();
    Ok(MemoryEstimate {
        weights: footprint.weights,
        adapt: step + dev + PROMPT_COPIES * prompt_bytes + head,
        predict: footprint.scoring.of(prompt, longest) + logits(1),
        cached_prompt: prompt * footprint.state_row,
    })
}

/// What fitting a label head to so many `rows` takes: their states, twice in f32 and once in f64, and the weights.
fn head_fit(rows: usize, labels: usize, width: usize) -> usize {
    rows * width * (2 * size_of::<f32>() + size_of::<f64>()) + HEAD_COPIES * labels * width * size_of::<f64>()
}

/// Tokens of texts and answers, and the number of labels.
struct Lengths {
    sequences: Vec<(usize, usize)>,
    /// Rows over the whole vocabulary that scoring a text takes.
    scored_rows: usize,
    /// Rows that a text counts in a batch beside its tokens.
    read_rows: usize,
    labels: usize,
}

impl Lengths {
    fn of(
        model: &Model,
        prompt: usize,
        task: &Task,
        rows: &[Example],
        options: &AdaptOptions,
        cancel: &Cancel,
    ) -> Result<Self> {
        let tokenizer = model.backbone().tokenizer();
        let prepared = PreparedTask::new(task, tokenizer, options.max_tokens)?;
        prepared.check_fits(prompt, model.backbone().context_length())?;
        let examples = tokenize(task, &prepared, tokenizer, rows, "train", cancel)?;
        let sequences = examples.sequences.iter().map(|s| (s.text.len(), s.answer.len())).collect();
        let (trie, labels) = (prepared.trie(), task.labels().len());
        if trie.is_single_token() || options.answer_loss == AnswerLoss::Head {
            return Ok(Self { sequences, scored_rows: 0, read_rows: 0, labels });
        }
        Ok(Self { sequences, scored_rows: 1 + trie.tokens.len(), read_rows: trie.most_rows(), labels })
    }
}
