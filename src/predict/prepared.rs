//! A task in the tokens of one model: what adaptation and prediction both start from.

use crate::backbone::LabelTrie;
use crate::error::{Error, Result, Status, fail};
use crate::limits::{MAX_ANSWER_TOKENS, MAX_FIELD_BYTES};
use crate::task::{Example, Task};
use crate::text::{Template, Tokenizer};

/// A task's template and verbalizers, tokenized for one model.
#[derive(Clone, Debug)]
pub struct PreparedTask {
    template: Template,
    verbalizers: Vec<Vec<u32>>,
    trie: LabelTrie,
    max_tokens: usize,
}

impl PreparedTask {
    /// Prepares `task`; filled templates get at most `max_tokens` tokens.
    ///
    /// Errors: `InvalidTask` when a verbalizer is empty, too long or the same as another.
    pub fn new(task: &Task, tokenizer: &Tokenizer, max_tokens: usize) -> Result<Self> {
        let template = Template::parse(task.template())?;
        let verbalizers = task.verbalizer_ids(tokenizer)?;
        let trie = LabelTrie::new(&verbalizers);
        Ok(Self { template, verbalizers, trie, max_tokens })
    }

    /// Token ids of every label's verbalizer, in the task's order.
    pub fn verbalizers(&self) -> &[Vec<u32>] {
        &self.verbalizers
    }

    /// The verbalizers as a trie.
    pub fn trie(&self) -> &LabelTrie {
        &self.trie
    }

    /// Checks that a prompt of `prompt_rows` rows, the longest text and the longest verbalizer fit `context_length`.
    ///
    /// Errors: `InvalidOption` names the four numbers.
    pub fn check_fits(&self, prompt_rows: usize, context_length: usize) -> Result<()> {
        let longest = self.verbalizers.iter().map(Vec::len).max().unwrap_or(0);
        let rows = [self.max_tokens, longest].iter().fold(prompt_rows, |sum, &n| sum.saturating_add(n));
        if rows <= context_length {
            return Ok(());
        }
        fail(
            Status::InvalidOption,
            format!(
                "{prompt_rows} prompt rows, max_tokens {} and a verbalizer of {longest} tokens need a context of {rows}, \
                 the model has {context_length}: lower max_tokens or prompt_length",
                self.max_tokens
            ),
        )
    }

    /// Checks that labels can be read off their verbalizers, as they are where there is no label head.
    ///
    /// Errors: `InvalidTask` when all verbalizers together have more than [`MAX_ANSWER_TOKENS`] tokens.
    pub fn check_verbalizers(&self) -> Result<()> {
        let tokens = self.verbalizers.iter().map(Vec::len).sum::<usize>();
        if tokens <= MAX_ANSWER_TOKENS {
            return Ok(());
        }
        let message = format!(
            "the verbalizers of all labels have {tokens} tokens together, at most {MAX_ANSWER_TOKENS} can be read off; shorten \
             them, or adapt with a label head (answer_loss)"
        );
        fail(Status::InvalidTask, message)
    }

    /// Token ids of `example` in the template, cut to the most tokens.
    ///
    /// Errors: `InvalidExample` for a missing field or a text without tokens, `TooLarge` for a field beyond
    /// [`MAX_FIELD_BYTES`] or literal parts that alone exceed the most tokens.
    pub fn fill(&self, example: &Example, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
        if let Some((field, text)) = example.fields.iter().find(|(_, text)| text.len() > MAX_FIELD_BYTES) {
            let message = format!("field {field:?} has {} bytes, at most {MAX_FIELD_BYTES} are accepted", text.len());
            return fail(Status::TooLarge, message);
        }
        let ids = self.template.fill(&example.fields, tokenizer, self.max_tokens)?;
        if ids.is_empty() {
            return fail(Status::InvalidExample, "the filled template gives no tokens; put a word into the template");
        }
        Ok(ids)
    }

    /// Whether `ids`, as [`PreparedTask::fill`] gave them for `example`, lack tokens of its text.
    pub fn was_cut(&self, ids: &[u32], example: &Example, tokenizer: &Tokenizer) -> Result<bool> {
        if ids.len() < self.max_tokens {
            return Ok(false);
        }
        Ok(self.template.fill(&example.fields, tokenizer, self.max_tokens + 1)?.len() > self.max_tokens)
    }
}

/// Puts the row (counted from 1) in front of an error about one of several rows.
pub(crate) fn in_row(rows: &str, position: usize) -> impl Fn(Error) -> Error {
    move |error| error.context(format!("{rows} row {}", position + 1))
}
