//! Options that several commands share, and how they become the library's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde::Serialize;
use supmer::adapt::{AnswerLoss, PromptStart};
use supmer::kernels::Isa;
use supmer::{AdaptOptions, Adapter, Bundle, Model, ModelOptions, WeightMode};

use crate::failure::Outcome;

/// Which model, and how it runs.
#[derive(Args)]
pub struct ModelArguments {
    /// The frozen model: a GGUF file or a Hugging Face folder
    #[arg(long, value_name = "PATH")]
    pub model: PathBuf,
    /// Worker threads; 0 takes every core. Results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// How the frozen weights are held in memory
    #[arg(long, value_enum, default_value_t = Weights::Auto)]
    pub weights: Weights,
    /// Instructions of the processor
    #[arg(long, value_enum, default_value_t = Instructions::Auto)]
    pub instructions: Instructions,
}

/// Instructions that the kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Instructions {
    /// The best that the processor has, AMX left out
    Auto,
    /// Those that every processor of the family has
    Portable,
    /// AVX2 with FMA
    Avx2,
    /// AVX-512
    Avx512,
    /// AMX tiles on top of AVX-512
    Amx,
    /// AMX tiles, products rounded to bf16: fastest, third digits differ
    AmxBf16,
    /// What amx-bf16 gives, on AVX-512 with BF16 and at its speed: to repeat it on a processor without tiles
    EmulatedAmxBf16,
}

/// How the frozen weights are held in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Weights {
    /// Stored for a GGUF file, expanded for a folder
    Auto,
    /// As in the file, expanded a tile at a time: least memory
    Stored,
    /// Expanded once to f32: four bytes a weight, no faster than 4-bit weights as stored
    Expanded,
}

/// What the loss tells a gold label apart from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Answers {
    /// Every token of the vocabulary
    Vocabulary,
    /// The other labels alone: fewer steps go further
    Labels,
    /// The other labels alone, by trained rows in the place of the verbalizers
    Head,
}

impl Answers {
    /// The library's name of it.
    pub fn loss(self) -> AnswerLoss {
        match self {
            Answers::Vocabulary => AnswerLoss::Vocabulary,
            Answers::Labels => AnswerLoss::Labels,
            Answers::Head => AnswerLoss::Head,
        }
    }
}

impl ModelArguments {
    /// Loads the model.
    pub fn load(&self) -> Outcome<Arc<Model>> {
        let options = ModelOptions {
            thread_count: self.threads,
            weights: self.weights.mode(),
            isa: self.instructions.isa(),
            ..ModelOptions::default()
        };
        Ok(Model::load(&self.model, &options)?)
    }
}

impl Weights {
    /// The library's name of it.
    pub fn mode(self) -> WeightMode {
        match self {
            Weights::Auto => WeightMode::Auto,
            Weights::Stored => WeightMode::Stored,
            Weights::Expanded => WeightMode::Expanded,
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Weights::Auto => "auto",
            Weights::Stored => "stored",
            Weights::Expanded => "expanded",
        }
    }
}

/// What one adaptation starts from.
#[derive(Args)]
pub struct StartArguments {
    /// A meta-trained bundle to start from, its regularizer applied to every gradient
    #[arg(long, value_name = "FILE", conflicts_with = "prompt_length")]
    pub bundle: Option<PathBuf>,
    /// Use the bundle's prompt, but not its regularizer
    #[arg(long, requires = "bundle")]
    pub no_regularizer: bool,
    /// Start from the prompt of this adapter
    #[arg(long, value_name = "FILE", conflicts_with_all = ["prompt_text", "prompt_length"])]
    pub warm_start: Option<PathBuf>,
    /// Start from the embedded tokens of this text
    #[arg(long, value_name = "TEXT")]
    pub prompt_text: Option<String>,
}

impl Instructions {
    /// The library's name of it.
    fn isa(self) -> Option<Isa> {
        match self {
            Instructions::Auto => None,
            Instructions::Portable => Some(Isa::Portable),
            Instructions::Avx2 => Some(Isa::Avx2),
            Instructions::Avx512 => Some(Isa::Avx512),
            Instructions::Amx => Some(Isa::Amx),
            Instructions::AmxBf16 => Some(Isa::AmxBf16),
            Instructions::EmulatedAmxBf16 => Some(Isa::EmulatedAmxBf16),
        }
    }
}

/// How to adapt.
#[derive(Args)]
pub struct AdaptArguments {
    /// Optimizer steps [default: 100, or what the bundle advises]
    #[arg(long, value_name = "N")]
    pub steps: Option<usize>,
    /// First learning rate of AdamW, which decays linearly to 0; for --answer-loss head trials chose 0.003 [default: 0.02, or
    /// what the bundle advises]
    #[arg(long, value_name = "RATE")]
    pub learning_rate: Option<f32>,
    /// Examples a step [default: 8, or what the bundle advises]
    #[arg(long, value_name = "N")]
    pub batch_size: Option<usize>,
    /// What the loss tells a gold label apart from [default: vocabulary, or what the bundle advises]
    #[arg(long, value_enum)]
    pub answer_loss: Option<Answers>,
    /// Rows of the soft prompt; a bundle or a warm start brings its own [default: 20]
    #[arg(long, value_name = "ROWS")]
    pub prompt_length: Option<usize>,
    /// Most tokens of a filled template; the longest field is cut
    #[arg(long, value_name = "N", default_value_t = AdaptOptions::default().max_tokens)]
    pub max_tokens: usize,
    /// Score the dev part every so many steps
    #[arg(long, value_name = "STEPS", default_value_t = AdaptOptions::default().eval_every)]
    pub eval_every: usize,
    /// Stop after so many dev scores without a better one; 0 = never
    #[arg(long, value_name = "N", default_value_t = AdaptOptions::default().patience)]
    pub patience: usize,
    /// Seconds after which the best prompt so far is taken; 0 = no limit
    #[arg(long, value_name = "SECONDS", default_value_t = AdaptOptions::default().time_limit)]
    pub time_limit: f64,
    /// Memory that the activations of one micro-batch may take, such as 200MB; 0 = no limit
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, default_value_t = AdaptOptions::default().memory_limit)]
    pub memory_limit: usize,
}

impl StartArguments {
    /// The library's options for a run with `seed`.
    pub fn options(&self, adapt: &AdaptArguments, seed: u64) -> Outcome<AdaptOptions> {
        let bundle = self.bundle.as_deref().map(Bundle::load).transpose()?.map(Arc::new);
        let start = match (&self.warm_start, &self.prompt_text) {
            (Some(path), _) => PromptStart::Adapter(load_adapter(path)?),
            (None, Some(text)) => PromptStart::Text(text.clone()),
            (None, None) => PromptStart::Auto,
        };
        Ok(AdaptOptions { start, regularize: !self.no_regularizer, ..adapt.options(bundle, seed) })
    }
}

impl AdaptArguments {
    /// The library's options for a run with `seed` from `bundle`, whose advice fills in what was not given; plain
    /// prompt tuning without it.
    pub fn options(&self, bundle: Option<Arc<Bundle>>, seed: u64) -> AdaptOptions {
        let default = bundle.as_ref().map_or_else(AdaptOptions::default, |bundle| bundle.advised());
        let own_length = bundle.as_ref().map(|bundle| bundle.prompt().rows());
        AdaptOptions {
            steps: self.steps.unwrap_or(default.steps),
            learning_rate: self.learning_rate.unwrap_or(default.learning_rate),
            batch_size: self.batch_size.unwrap_or(default.batch_size),
            answer_loss: self.answer_loss.map_or(default.answer_loss, Answers::loss),
            prompt_length: own_length.or(self.prompt_length).unwrap_or(default.prompt_length),
            bundle,
            seed,
            eval_every: self.eval_every,
            patience: self.patience,
            time_limit: self.time_limit,
            memory_limit: self.memory_limit,
            max_tokens: self.max_tokens,
            ..default
        }
    }
}

/// What a reader of results needs to know of the options.
#[derive(Serialize)]
pub struct Settings {
    steps: usize,
    learning_rate: f32,
    batch_size: usize,
    answer_loss: AnswerLoss,
    prompt_length: usize,
    prompt_start: &'static str,
    clip_norm: f32,
    weight_decay: f32,
    eval_every: usize,
    patience: usize,
    time_limit: f64,
    memory_limit: usize,
    max_tokens: usize,
}

impl From<&AdaptOptions> for Settings {
    fn from(options: &AdaptOptions) -> Self {
        let (prompt_start, prompt_length) = match &options.start {
            PromptStart::Auto if options.bundle.is_some() => ("bundle", options.prompt_length),
            PromptStart::Auto | PromptStart::Vocabulary => ("vocabulary", options.prompt_length),
            PromptStart::Text(_) => ("text", options.prompt_length),
            PromptStart::Adapter(adapter) => ("adapter", adapter.prompt().rows()),
            PromptStart::Prompt(prompt) => ("prompt", prompt.rows()),
        };
        Self {
            steps: options.steps,
            learning_rate: options.learning_rate,
            batch_size: options.batch_size,
            answer_loss: options.answer_loss,
            prompt_length,
            prompt_start,
            clip_norm: options.clip_norm,
            weight_decay: options.weight_decay,
            eval_every: options.eval_every,
            patience: options.patience,
            time_limit: options.time_limit,
            memory_limit: options.memory_limit,
            max_tokens: options.max_tokens,
        }
    }
}

/// Reads an adapter; errors name the file.
pub fn load_adapter(path: &Path) -> Outcome<Arc<Adapter>> {
    Ok(Arc::new(Adapter::load(path)?))
}

/// Parses `300000000`, `300MB` or `512MiB`.
pub fn parse_bytes(text: &str) -> Result<usize, String> {
    let wrong = || format!("expected bytes such as 300000000, 300MB or 512MiB, not '{text}'");
    let text_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(text_end);
    let scale: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let bytes = number * scale as f64;
    if bytes < usize::MAX as f64 { Ok(bytes as usize) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        start: StartArguments,
        #[command(flatten)]
        adapt: AdaptArguments,
    }

    #[test]
    fn bytes_take_decimal_and_binary_units() {
        assert_eq!(parse_bytes("300000000"), Ok(300_000_000));
        assert_eq!(parse_bytes("300MB"), Ok(300_000_000));
        assert_eq!(parse_bytes("1.5 gb"), Ok(1_500_000_000));
        assert_eq!(parse_bytes("512MiB"), Ok(512 << 20));
        for wrong in ["", "MB", "-1", "3 parsecs", "1e99", "99999999999999999999GB", "1.2.3"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong} was taken");
        }
    }

    #[test]
    fn given_options_reach_the_library_and_others_keep_their_defaults() {
        let line = ["x", "--steps", "7", "--learning-rate", "0.25", "--prompt-text", "a b", "--memory-limit", "1KB"];
        let line = Line::try_parse_from(line).ok().unwrap();
        let options = line.start.options(&line.adapt, 42).ok().unwrap();
        let defaults = AdaptOptions::default();
        assert_eq!((options.steps, options.learning_rate, options.seed), (7, 0.25, 42));
        assert_eq!(options.memory_limit, 1_000);
        assert!(matches!(&options.start, PromptStart::Text(text) if text == "a b"));
        assert_eq!(options.prompt_length, defaults.prompt_length);
        assert_eq!(options.dev_per_class, defaults.dev_per_class);
    }

    #[test]
    fn two_starts_exclude_each_other() {
        assert!(Line::try_parse_from(["x", "--prompt-text", "a", "--warm-start", "b.supmer"]).is_err());
    }
}
