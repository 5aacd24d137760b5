//! How much memory a backbone and its passes take, known before anything is computed.

/// Rows whose logits over the whole vocabulary a scoring pass holds at a time.
pub const LOGIT_ROWS: usize = 64;

/// Bytes of a backbone and its work. Keeping a pass below a memory limit counts with the same numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// The frozen weights, as they are held.
    pub weights: usize,
    /// The state of a prompt's row, kept for prediction.
    pub state_row: usize,
    /// A pass with its gradient.
    pub training: PassBytes,
    /// A scoring pass, without the logits that verbalizers of several tokens are read off from.
    pub scoring: PassBytes,
    /// A row of those logits; at most [`LOGIT_ROWS`] are held at a time.
    pub logit_row: usize,
}

/// Bytes of activations of one pass, buffers included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassBytes {
    /// A row of the prompt, whatever the number of texts.
    pub shared_prompt_row: usize,
    /// A row of the prompt, for every text.
    pub prompt_row: usize,
    /// A token of the text.
    pub text_row: usize,
    /// A row that the head reads over the whole vocabulary: its own activations, and in a pass with its gradient its logits.
    pub answer_row: usize,
}

impl PassBytes {
    /// A pass over texts of so many tokens and answers each, under a prompt of `prompt` rows.
    pub fn of(&self, prompt: usize, lengths: impl IntoIterator<Item = (usize, usize)>) -> usize {
        let texts = lengths.into_iter().map(|(text, answer)| {
            prompt * self.prompt_row + text.saturating_mul(self.text_row) + answer * self.answer_row
        });
        texts.fold(prompt * self.shared_prompt_row, usize::saturating_add)
    }
}
