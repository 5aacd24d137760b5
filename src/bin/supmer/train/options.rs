//! The knobs of meta-training.

use clap::{Args, ValueEnum};
use supmer::bundle::Advice;
use supmer::gradient_regularizer::Rescaling;
use supmer::train::{Curriculum, MetaOptions, PromptGradient, Similarity, TrainOptions};

use crate::options::parse_bytes;

/// How to train; without an option the default for the model's family holds.
#[derive(Args)]
pub struct TrainArguments {
    /// Meta steps; both rates fall linearly to 0 over them [default: 500, T5: 100000]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// eta, the size of an inner step [default: 0.5, T5: 0.1]
    #[arg(long, value_name = "RATE")]
    inner_rate: Option<f32>,
    /// Inner steps of a task
    #[arg(long, value_name = "N", default_value_t = MetaOptions::default().inner_steps)]
    inner_steps: usize,
    /// Largest norm of a support gradient; 0 = no clipping [default: 1, T5: 0]
    #[arg(long, value_name = "NORM")]
    inner_clip: Option<f32>,
    /// First learning rate of the prompt [default: 0.003, T5: 0.1]
    #[arg(long, value_name = "RATE")]
    prompt_rate: Option<f32>,
    /// First learning rate of the regularizer [default: 0.001, T5: 0.0001]
    #[arg(long, value_name = "RATE")]
    phi_rate: Option<f32>,
    /// Largest norm of either gradient; 0 = no clipping
    #[arg(long, value_name = "NORM", default_value_t = MetaOptions::default().clip_norm)]
    clip_norm: f32,
    /// How the regularizer's output is brought to the gradient's size while training
    #[arg(long, value_enum, default_value_t = Scale::RowL2)]
    rescaling: Scale,
    /// The same while adapting with the bundle
    #[arg(long, value_enum, default_value_t = Scale::RowL2)]
    adapt_rescaling: Scale,
    /// Move the prompt by the last task of a step alone, as the authors' code does
    #[arg(long)]
    last_task: bool,
    /// What mixing weights follow
    #[arg(long, value_enum, default_value_t = Follows::Live)]
    similarity: Follows,
    /// Mix every query set with that of another task [default: false, T5: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    mixing: Option<bool>,
    /// Weight of the gate's regularization loss
    #[arg(long, value_name = "WEIGHT", default_value_t = MetaOptions::default().gate_weight)]
    gate_weight: f32,
    /// alpha of the mixing weight's Beta distribution
    #[arg(long, value_name = "ALPHA", default_value_t = Curriculum::default().alpha)]
    mixing_alpha: f64,
    /// m of the curriculum
    #[arg(long, value_name = "M", default_value_t = Curriculum::default().base)]
    curriculum_base: f64,
    /// Average the bundle's prompt and regularizer over so many of the last steps [default: 50, T5: 1]
    #[arg(long, value_name = "N")]
    average_over: Option<usize>,
    /// Share of the start in the bundle's prompt: start and trained prompt are averaged, so weighed [default: 0.5, T5: 0]
    #[arg(long, value_name = "SHARE")]
    start_share: Option<f32>,
    /// Seed of start, clusters, tasks and mixing weights
    #[arg(long, value_name = "N", default_value_t = TrainOptions::default().seed)]
    seed: u64,
    /// Steps between validations on held-out text; 0 = none [default: 100, T5: 1000]
    #[arg(long, value_name = "N", conflicts_with = "labelled")]
    validate_every: Option<usize>,
    /// Steps between checkpoints [default: 25, T5: 100]
    #[arg(long, value_name = "N")]
    checkpoint_every: Option<usize>,
    /// Save and stop after so many hours of meta steps; 0 = no limit
    #[arg(long, value_name = "HOURS", default_value_t = 0.0)]
    max_hours: f64,
    /// Held-out tasks of each format [default: 6, T5: 4]
    #[arg(long, value_name = "N", conflicts_with = "labelled")]
    pub validation_tasks: Option<usize>,
    /// Memory that the activations of one micro-batch may take, such as 200MB; 0 = no limit
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, default_value_t = 0)]
    memory_limit: usize,
    /// Steps of adaptation that the bundle advises [default: 50 with label heads, else those of supmer adapt]
    #[arg(long, value_name = "N")]
    advise_steps: Option<usize>,
    /// Learning rate of adaptation that the bundle advises [default: 0.003 with label heads, else that of supmer adapt]
    #[arg(long, value_name = "RATE")]
    advise_rate: Option<f32>,
}

/// What mixing weights follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Follows {
    /// The similarity of query and support gradients: the curriculum
    Live,
    /// Nothing: they are drawn as at similarity 0.5 in every step
    Constant,
    /// What the authors' code makes of it on torch 1: 0.5 for all but the first task, for the gate as well
    Dead,
}

/// A rescaling by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scale {
    RowL2,
    WholeL2,
    RowMeanAbs,
    WholeMeanAbs,
}

impl From<Scale> for Rescaling {
    fn from(scale: Scale) -> Self {
        match scale {
            Scale::RowL2 => Rescaling::RowL2,
            Scale::WholeL2 => Rescaling::WholeL2,
            Scale::RowMeanAbs => Rescaling::RowMeanAbs,
            Scale::WholeMeanAbs => Rescaling::WholeMeanAbs,
        }
    }
}

impl TrainArguments {
    /// `default` with what was asked for put in.
    pub fn options(&self, default: TrainOptions) -> TrainOptions {
        let steps = self.steps.unwrap_or(default.meta.steps);
        let meta = MetaOptions {
            inner_rate: self.inner_rate.unwrap_or(default.meta.inner_rate),
            inner_steps: self.inner_steps,
            inner_clip: self.inner_clip.unwrap_or(default.meta.inner_clip),
            label_heads: default.meta.label_heads,
            mixing: self.mixing.unwrap_or(default.meta.mixing),
            prompt_rate: self.prompt_rate.unwrap_or(default.meta.prompt_rate),
            phi_rate: self.phi_rate.unwrap_or(default.meta.phi_rate),
            steps,
            clip_norm: self.clip_norm,
            rescaling: self.rescaling.into(),
            prompt_gradient: if self.last_task { PromptGradient::LastTask } else { PromptGradient::MeanOverTasks },
            similarity: match self.similarity {
                Follows::Live => Similarity::Live,
                Follows::Constant => Similarity::Constant,
                Follows::Dead => Similarity::Dead,
            },
            gate_weight: self.gate_weight,
            curriculum: Curriculum { alpha: self.mixing_alpha, base: self.curriculum_base },
        };
        TrainOptions {
            meta,
            seed: self.seed,
            average_over: self.average_over.unwrap_or(default.average_over),
            start_share: self.start_share.unwrap_or(default.start_share),
            adapt_rescaling: self.adapt_rescaling.into(),
            validate_every: self.validate_every.unwrap_or(default.validate_every),
            checkpoint_every: self.checkpoint_every.unwrap_or(default.checkpoint_every),
            max_hours: self.max_hours,
            memory_limit: self.memory_limit,
        }
    }

    /// `default`, what the bundle advises, with what was asked for put in.
    pub fn advice(&self, default: Advice) -> Advice {
        Advice {
            steps: self.advise_steps.unwrap_or(default.steps),
            learning_rate: self.advise_rate.unwrap_or(default.learning_rate),
            ..default
        }
    }
}
