//! A task as text, and in the tokens of a backbone.

use std::sync::Arc;

use super::options::Format;
use super::wordings::{Wording, Words, verbalizer};
use crate::adapt::AnswerLoss;
use crate::backbone::Sequence;
use crate::error::{Error, Result, Status, fail};
use crate::predict::PreparedTask;
use crate::task::{Example, Label, Task};
use crate::text::{Template, Tokenizer};

/// An anchor task as text: what a customer would have written down for it.
#[derive(Clone, Debug)]
pub struct AnchorTask {
    /// Its kind.
    pub format: Format,
    /// Template and labels. In [`Format::ClusterCenter`] the fields of the options are centres, fed as embeddings.
    pub task: Task,
    /// The support set.
    pub support: Vec<Example>,
    /// The query set.
    pub query: Vec<Example>,
    /// The clusters it is drawn from.
    pub clusters: Vec<usize>,
}

/// The names of the fields of options.
pub(super) const FIELDS: [&str; super::options::MOST_CHOICES] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];

/// `wording` as a task with these answers (without spaces in front), its label names being the answers.
pub(super) fn task_of(format: Format, wording: &Wording, answers: &[String], is_t5: bool) -> Result<Task> {
    let options: String = match wording.words {
        Words::Letters | Words::Digits => {
            let option =
                |(at, mark): (usize, &String)| wording.option.replace("[n]", mark).replace("[field]", FIELDS[at]);
            answers.iter().enumerate().map(option).collect()
        }
        Words::Listed(_) | Words::Drawn => String::new(),
    };
    let template = wording.template.replace("[options]", &options).replace("[list]", &listed(answers));
    let label = |answer: &String| Label { name: answer.clone(), verbalizer: verbalizer(answer, is_t5) };
    let labels = answers.iter().map(label).collect();
    Task::new(format.name(), &template, labels)
}

impl AnchorTask {
    /// `example` as a reader sees it, the gold answer at the end.
    pub fn render(&self, example: &Example) -> String {
        let mut text = self.task.template().to_owned();
        for (name, value) in &example.fields {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        format!("{text} => {}", example.label.as_deref().unwrap_or("?"))
    }

    /// The answer token of every label.
    pub(super) fn answers(&self, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
        let verbalizers = self.task.verbalizer_ids(tokenizer)?;
        let answers: Vec<u32> = verbalizers.iter().filter_map(|ids| ids.last().copied()).collect();
        if (1..answers.len()).any(|at| answers[..at].contains(&answers[at])) {
            let message = format!("{}: two labels end in the same token of this tokenizer", self.format.name());
            return fail(Status::InvalidTask, message);
        }
        Ok(answers)
    }

    /// Position of the gold label of each of `examples`.
    pub(super) fn gold(&self, examples: &[Example]) -> Result<Vec<usize>> {
        let gold = |example: &Example| example.label.as_deref().and_then(|label| self.task.label_index(label));
        let missing = || Error::new(Status::Internal, "an anchor example without its label");
        examples.iter().map(|example| gold(example).ok_or_else(missing)).collect()
    }

    /// `examples` in tokens, each with an answer of one token so that any two can be mixed: a label's last token where a
    /// small vocabulary needs several. `centers` are the vectors of all clusters; `loss` says what the answers are told
    /// apart from.
    ///
    /// Errors: `InvalidTask` when two labels share that token, `TooLarge` when the question alone exceeds `max_tokens`.
    pub(super) fn sequences(
        &self,
        examples: &[Example],
        tokenizer: &Tokenizer,
        max_tokens: usize,
        centers: &[Arc<[f32]>],
        loss: AnswerLoss,
    ) -> Result<Vec<Sequence>> {
        let answers = self.answers(tokenizer)?;
        let among: Vec<Arc<[u32]>> = match loss {
            AnswerLoss::Vocabulary => Vec::new(),
            AnswerLoss::Labels | AnswerLoss::Head => vec![answers.as_slice().into()],
        };
        let prepared = PreparedTask::new(&self.task, tokenizer, max_tokens)?;
        let mut sequences = Vec::with_capacity(examples.len());
        for (example, label) in examples.iter().zip(self.gold(examples)?) {
            let answer = vec![answers[label]];
            let sequence = match self.format {
                Format::ClusterCenter => {
                    let rows: Vec<Arc<[f32]>> = self.clusters.iter().map(|&cluster| centers[cluster].clone()).collect();
                    Sequence { answer, ..self.with_centers(example, tokenizer, max_tokens, rows)? }
                }
                _ => Sequence::new(prepared.fill(example, tokenizer)?, answer),
            };
            sequences.push(Sequence { among: among.clone(), ..sequence });
        }
        Ok(sequences)
    }

    /// The filled template, without an answer, with a given row for each option's field.
    fn with_centers(
        &self,
        example: &Example,
        tokenizer: &Tokenizer,
        max_tokens: usize,
        rows: Vec<Arc<[f32]>>,
    ) -> Result<Sequence> {
        let mut question = self.task.template();
        let mut between = Vec::with_capacity(rows.len());
        for name in FIELDS[..rows.len()].iter().rev() {
            let Some((before, after)) = question.split_once(&format!("{{{name}}}")) else {
                return fail(Status::Internal, "a template without the field of an option");
            };
            between.push(tokenizer.encode_literal(after, true)?);
            question = before;
        }
        let fixed: usize = between.iter().map(|ids| ids.len() + 1).sum();
        let mut text = Template::parse(question)?.fill(&example.fields, tokenizer, max_tokens.saturating_sub(fixed))?;
        let mut given = Vec::with_capacity(rows.len());
        for (row, after) in rows.into_iter().zip(between.into_iter().rev()) {
            given.push((text.len(), row));
            // Not read: the vector stands in for it.
            text.push(text[0]);
            text.extend(after);
        }
        Ok(Sequence { given, ..Sequence::new(text, Vec::new()) })
    }
}

/// "a, b or c".
fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
