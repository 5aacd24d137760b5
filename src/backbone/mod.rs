//! Frozen language models: loading, and the one trait that adaptation and prediction need.

pub(crate) mod bytes;
pub mod config;
pub(crate) mod excerpt;
pub mod fingerprint;
mod folder;
mod folder_source;
pub mod footprint;
pub mod gguf;
mod gguf_source;
pub mod inspect;
pub mod label_trie;
mod llama;
pub mod llama_source;
pub(crate) mod mapped;
mod mixture;
mod readout;
pub(crate) mod safetensors_files;
pub mod source;
pub(crate) mod t5;
mod tensors;
pub mod weights;

use std::any::Any;
use std::sync::Arc;

use crate::error::{Result, Status, fail};
use crate::kernels::{Compute, Isa};
use crate::model::{ModelFiles, ModelOptions};
use crate::runtime::{Cancel, Control};
use crate::soft_prompt::SoftPrompt;
use crate::text::Tokenizer;

pub use fingerprint::{Fingerprint, Match};
pub use footprint::Footprint;
pub use label_trie::LabelTrie;
pub use mixture::Mixture;
pub use readout::{Readout, StateLoss};

/// One tokenized example: the filled template, then the answer (the gold label's verbalizer).
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    /// Token ids of the filled template, a BOS included where the model has one. At least one. For T5 the encoder's
    /// text, which holds the sentinel `<extra_id_0>` where the answer belongs (at the end when it holds none).
    pub text: Vec<u32>,
    /// Token ids of the verbalizer. At least one.
    pub answer: Vec<u32>,
    /// Positions of `text` whose input embedding is given, (d) each, instead of looked up: the cluster centres of the
    /// single-sentence format (method section 3). Their token ids are not read.
    pub given: Vec<(usize, Arc<[f32]>)>,
    /// For each token of the answer those that the loss tells it apart from, itself included, each once; empty: the whole
    /// vocabulary. See [`LabelTrie::rivals`].
    pub among: Vec<Arc<[u32]>>,
}

impl Sequence {
    /// A text and its answer, all embeddings looked up.
    pub fn new(text: Vec<u32>, answer: Vec<u32>) -> Self {
        Self { text, answer, given: Vec::new(), among: Vec::new() }
    }

    /// The text alone: an answer of one token is predicted and not read, so that which one does not matter.
    fn unanswered(&self) -> Self {
        Self { given: self.given.clone(), ..Self::new(self.text.clone(), vec![0]) }
    }

    /// For each token of the answer the tokens that the loss tells it apart from; an empty list is the whole vocabulary.
    fn rivals(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.answer.len()).map(|at| self.among.get(at).map_or(&[][..], |tokens| tokens))
    }

    /// `InvalidArgument` unless `among` is empty or has, for each token of the answer, tokens below `vocabulary` with it.
    fn check_among(&self, vocabulary: usize) -> Result<()> {
        let fits = |(tokens, answer): (&Arc<[u32]>, &u32)| {
            tokens.contains(answer) && tokens.iter().all(|&token| (token as usize) < vocabulary)
        };
        let paired = self.among.is_empty() || self.among.len() == self.answer.len();
        if paired && self.among.iter().zip(&self.answer).all(fits) {
            return Ok(());
        }
        fail(
            Status::InvalidArgument,
            format!(
                "an answer is told apart from tokens of the vocabulary of {vocabulary}, itself among them, or from all; \
                 {} lists for {} tokens came",
                self.among.len(),
                self.answer.len()
            ),
        )
    }

    /// `InvalidArgument` for a text or an answer without tokens.
    fn check_filled(&self) -> Result<()> {
        check_text(&self.text)?;
        if self.answer.is_empty() {
            return fail(Status::InvalidArgument, "an answer needs at least one token, none came");
        }
        Ok(())
    }

    /// `InvalidArgument` for given embeddings of another width than `d` or outside their text.
    fn check_given(&self, d: usize) -> Result<()> {
        match self.given.iter().find(|(at, row)| *at >= self.text.len() || row.len() != d) {
            Some((at, row)) => fail(
                Status::InvalidArgument,
                format!(
                    "a given embedding has {d} values and a place in its text of {}; one of {} at {at} came",
                    self.text.len(),
                    row.len()
                ),
            ),
            None => Ok(()),
        }
    }
}

/// `InvalidArgument` for a text without tokens: no row would predict its answer.
fn check_text(text: &[u32]) -> Result<()> {
    if text.is_empty() {
        return fail(Status::InvalidArgument, "a text needs at least one token, none came");
    }
    Ok(())
}

/// What to compute of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The loss alone.
    Loss,
    /// The loss and its gradient.
    Gradient,
    /// Both, and the pooled hidden state that the gate of a gradient regularizer reads.
    GradientAndPooled,
}

/// The loss of a batch and its gradient to the prompt.
#[derive(Clone, Debug)]
pub struct LossAndGradient {
    /// Cross entropy in nats over the whole vocabulary, or over [`Sequence::among`], summed over answer tokens, mean over
    /// examples (method section 1).
    pub loss: f32,
    /// d loss / d theta, (P, d) row by row; empty when it was not wanted.
    pub gradient: Vec<f32>,
    /// e, (d): after the final norm (of a decoder-only network; of the encoder else) the mean over an example's P prompt
    /// rows and L text rows, then over examples; empty when it was not wanted.
    pub pooled: Vec<f32>,
}

impl LossAndGradient {
    /// Nothing added up yet: a gradient and a pooled state of so many values.
    fn zero(gradient: usize, pooled: usize) -> Self {
        Self { loss: 0.0, gradient: vec![0.0; gradient], pooled: vec![0.0; pooled] }
    }

    /// Itself, unless a value is NaN or infinite: `NotFinite`.
    fn finite(self) -> Result<Self> {
        if self.loss.is_finite() && self.gradient.iter().chain(&self.pooled).all(|v| v.is_finite()) {
            return Ok(self);
        }
        fail(
            Status::NotFinite,
            "the loss or its gradient is not finite: lower the learning rate, or the prompt's values have grown too large",
        )
    }
}

/// A prompt's computed state, reusable for any text: keys and values of every layer, or (T5, whose encoder mixes it with
/// the text) the prompt as it is.
pub trait PromptState: Send + Sync {
    /// Memory held, for the cache's bound.
    fn bytes(&self) -> usize;
    /// For the backbone that made it.
    fn as_any(&self) -> &dyn Any;
}

/// A frozen language model that a soft prompt can steer.
pub trait Backbone: Send + Sync {
    /// What the model is, for adapters to be checked against.
    fn fingerprint(&self) -> &Fingerprint;
    /// The model's tokenizer.
    fn tokenizer(&self) -> &Tokenizer;
    /// d, the width of an input embedding.
    fn width(&self) -> usize;
    /// V, the number of token ids.
    fn vocabulary(&self) -> usize;
    /// Most rows (prompt, text and answer together) of one example.
    fn context_length(&self) -> usize;
    /// The instruction set of its products.
    fn isa(&self) -> Isa;
    /// The input embedding of `id`, written to `row` (d values). `id` must be below the vocabulary.
    fn embed(&self, id: u32, row: &mut [f32]);

    /// Loss of `batch` under `prompt` and what else is wanted.
    ///
    /// The batch is cut into micro-batches so that activations stay below `memory_limit` bytes (0 = no limit); the cut
    /// depends on the limit and the lengths only. Errors: `MemoryLimit` when one example alone does not fit,
    /// `TooLarge` beyond the context, `NotFinite`, `Cancelled`.
    fn loss(
        &self,
        prompt: &SoftPrompt,
        batch: &[Sequence],
        wanted: Wanted,
        memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient>;

    /// Loss of the mixture of two batches under `prompt`, and its gradient (method section 4): hidden states are mixed by
    /// lambda, and the loss is KL(T || softmax(logits)) to the mixed label distribution T, entropy of T included, summed
    /// over answer tokens, mean over pairs. A T5 mixes what its encoder gives, as published; a decoder-only network what
    /// its final norm gives at the rows that predict the answers (our extension: the paper has only T5).
    ///
    /// Errors: `InvalidArgument` for batches that do not pair or a lambda outside 0..1, and those of [`Backbone::loss`].
    fn mixture_loss(
        &self,
        prompt: &SoftPrompt,
        mixture: Mixture<'_>,
        memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient>;

    /// A loss of the answer states of `batch` and its gradient to the prompt, as [`Backbone::loss`] gives them of the
    /// answers' tokens; answers are not read. An answer state is what the network predicts the first token of an answer
    /// from: the row behind the final norm of the text's last token, or of the decoder's where there is one.
    ///
    /// Errors: those of [`Backbone::loss`].
    fn state_loss(
        &self,
        prompt: &SoftPrompt,
        batch: &[Sequence],
        loss: &mut StateLoss<'_>,
        wanted: Wanted,
        memory_limit: usize,
        cancel: &Cancel,
    ) -> Result<LossAndGradient>;

    /// The row of the output head for `token`, written to `row` (d values): its logit is their product with the state.
    /// `token` must be below the vocabulary.
    fn output_row(&self, token: u32, row: &mut [f32]);

    /// The pooled state of each text alone, without a prompt: the mean over its rows after the final norm (of the encoder
    /// where there is one), (texts, d) row by row. A sentence embedding.
    ///
    /// Errors: `InvalidArgument` for a text without tokens or ids outside the vocabulary, `TooLarge`, `Cancelled`.
    fn pooled(&self, texts: &[Vec<u32>], cancel: &Cancel) -> Result<Vec<f32>>;

    /// Computes the state of `prompt` that [`Backbone::score`] needs. Errors: `BackboneMismatch`, `Cancelled`.
    fn prompt_state(&self, prompt: &SoftPrompt, cancel: &Cancel) -> Result<Box<dyn PromptState>>;

    /// The score of every label for every text: its mean token log-probability, or its logit by a label head. The i-th
    /// text is scored under `states[i]` by `readouts[i]` (rows of different adapters may share a batch).
    fn score(
        &self,
        states: &[&dyn PromptState],
        texts: &[&[u32]],
        readouts: &[Readout<'_>],
        cancel: &Cancel,
    ) -> Result<Vec<Vec<f32>>>;

    /// How much memory the weights, states and passes take.
    fn footprint(&self) -> Footprint;

    /// Lets go of the working memory that calls keep for the next call.
    fn release_memory(&self) {}
}

/// Loads a GGUF file or a Hugging Face folder as the backbone its configuration names.
pub fn load(files: ModelFiles<'_>, options: &ModelOptions, control: &mut Control<'_>) -> Result<Box<dyn Backbone>> {
    let compute = Compute::new(options)?;
    Ok(match source::Source::read(files, options.weights, control)? {
        source::Source::Llama(source) => Box::new(llama::Llama::new(*source, compute)),
        source::Source::T5(source) => Box::new(t5::T5::new(*source, compute)),
    })
}
