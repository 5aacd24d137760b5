//! Labelled rows in the tokens of a model.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::options::AnswerLoss;
use crate::backbone::{LabelTrie, Sequence};
use crate::error::{Result, Status, fail};
use crate::limits::MAX_EXAMPLES;
use crate::predict::{PreparedTask, in_row};
use crate::runtime::Cancel;
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
/// `TooLarge` for too many rows or too long a field; `Cancelled`, which is looked for at every row.
pub fn tokenize(
    task: &Task,
    prepared: &PreparedTask,
    tokenizer: &Tokenizer,
    rows: &[Example],
    part: &str,
    cancel: &Cancel,
) -> Result<TokenizedExamples> {
    if rows.len() > MAX_EXAMPLES {
        return fail(Status::TooLarge, format!("{part} has {} rows, at most {MAX_EXAMPLES} are accepted", rows.len()));
    }
    let mut examples = TokenizedExamples::default();
    for (position, row) in rows.iter().enumerate() {
        cancel.check()?;
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

    /// All rows; of more than `most` every k-th of each label, so that about `most` remain and no label is lost.
    pub(super) fn at_most(&self, most: usize) -> Cow<'_, Self> {
        let stride = self.len().div_ceil(most);
        if stride <= 1 {
            return Cow::Borrowed(self);
        }
        let mut passed = BTreeMap::new();
        let is_kept = |at: &usize| {
            let count = passed.entry(self.labels[*at]).or_insert(0);
            *count += 1;
            (*count - 1) % stride == 0
        };
        Cow::Owned(self.select(&(0..self.len()).filter(is_kept).collect::<Vec<_>>()))
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
    fn more_rows_than_wanted_are_thinned_within_each_label() {
        let mut examples = Toy::new().examples(&[6, 6, 1]);
        assert_eq!(examples.at_most(13).labels, examples.labels);
        // Labels that take turns, at the stride that would meet one of them alone.
        examples.labels = [0, 1].into_iter().cycle().take(12).chain([2]).collect();
        let thinned = examples.at_most(7);
        assert_eq!(thinned.per_class(3), [3, 3, 1]);
        assert_eq!(thinned.sequences[..2], examples.sequences[..2]);
        assert_eq!(thinned.sequences[2], examples.sequences[4]);
    }
}
