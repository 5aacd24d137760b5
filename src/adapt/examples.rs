//! Labelled rows in the tokens of a model.

use std::borrow::Cow;

use super::options::AnswerLoss;
use crate::backbone::{LabelTrie, Sequence};
use crate::error::{Result, Status, fail};
use crate::limits::MAX_EXAMPLES;
use crate::predict::{PreparedTask, in_row};
use crate::task::{Example, Task};
use crate::text::Tokenizer;

/// Labelled examples ready to train on or to score.
#[derive(Clone, Debug, Default)]
pub struct TokenizedExamples {
    /// Filled template and gold verbalizer of every row.
    pub sequences: Vec<Sequence>,
    /// Position of every row's gold label.
    pub labels: Vec<usize>,
    /// How many rows were cut to the most tokens.
    pub cut: usize,
}

/// Tokenizes `rows` of `task`; `part` ("train", "dev") names them in errors.
///
/// Errors: `InvalidExample` for a row without a label, with an unknown label or a missing field, naming the row (from 1);
/// `TooLarge` for too many rows or too long a field.
pub fn tokenize(
    task: &Task,
    prepared: &PreparedTask,
    tokenizer: &Tokenizer,
    rows: &[Example],
    part: &str,
) -> Result<TokenizedExamples> {
    if rows.len() > MAX_EXAMPLES {
        return fail(Status::TooLarge, format!("{part} has {} rows, at most {MAX_EXAMPLES} are accepted", rows.len()));
    }
    let mut examples = TokenizedExamples::default();
    for (position, row) in rows.iter().enumerate() {
        let label = gold(task, row).map_err(in_row(part, position))?;
        let text = prepared.fill(row, tokenizer).map_err(in_row(part, position))?;
        examples.cut += usize::from(prepared.was_cut(&text, row, tokenizer)?);
        examples.sequences.push(Sequence::new(text, prepared.verbalizers()[label].clone()));
        examples.labels.push(label);
    }
    Ok(examples)
}

impl TokenizedExamples {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The sequences at `positions`.
    pub fn batch(&self, positions: &[usize]) -> Vec<Sequence> {
        positions.iter().map(|&at| self.sequences[at].clone()).collect()
    }

    /// All rows, or of more than `most` so many at the most, evenly spread.
    pub(super) fn at_most(&self, most: usize) -> Cow<'_, Self> {
        match self.len().div_ceil(most) {
            0 | 1 => Cow::Borrowed(self),
            stride => Cow::Owned(self.select(&(0..self.len()).step_by(stride).collect::<Vec<_>>())),
        }
    }

    /// The rows at `positions`; how many of them were cut is not known.
    pub(super) fn select(&self, positions: &[usize]) -> Self {
        Self { sequences: self.batch(positions), labels: positions.iter().map(|&at| self.labels[at]).collect(), cut: 0 }
    }

    /// Sets what the loss tells every row's label apart from; `trie` is that of the labels' verbalizers.
    pub fn tell_apart(&mut self, loss: AnswerLoss, trie: &LabelTrie) {
        let rivals = |label: usize| match loss {
            AnswerLoss::Vocabulary => Vec::new(),
            AnswerLoss::Labels | AnswerLoss::Head => trie.rivals(label),
        };
        let of_label: Vec<_> = (0..trie.labels.len()).map(rivals).collect();
        for (sequence, &label) in self.sequences.iter_mut().zip(&self.labels) {
            sequence.among.clone_from(&of_label[label]);
        }
    }

    /// How many rows each of `class_count` labels has.
    pub fn per_class(&self, class_count: usize) -> Vec<usize> {
        let mut counts = vec![0; class_count];
        self.labels.iter().for_each(|&label| counts[label] += 1);
        counts
    }
}

/// Position of the row's gold label.
fn gold(task: &Task, row: &Example) -> Result<usize> {
    let Some(name) = &row.label else {
        return fail(Status::InvalidExample, "the row has no label; adaptation needs labelled rows");
    };
    match task.label_index(name) {
        Some(label) => Ok(label),
        None => fail(Status::InvalidExample, "the row's label is not one of the task's labels"),
    }
}

#[cfg(test)]
mod tests {
    use crate::adapt::toy::Toy;

    #[test]
    fn more_rows_than_wanted_are_thinned_evenly() {
        let examples = Toy::new().examples(&[5, 5]);
        assert_eq!(examples.at_most(10).labels, examples.labels);
        let thinned: Vec<usize> = examples.labels.iter().copied().step_by(3).collect();
        assert_eq!((examples.at_most(4).labels.clone(), thinned.len()), (thinned, 4));
    }
}
