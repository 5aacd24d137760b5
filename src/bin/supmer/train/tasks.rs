//! Where the tasks of a run come from: text that is clustered, or labelled sets.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use supmer::adapt::AnswerLoss;
use supmer::train::{AnchorOptions, CenterRows, ClusterOptions, LabelledOptions, SentenceOptions};

use crate::failure::Outcome;
use crate::options::Answers;

/// What to train on.
#[derive(Args)]
pub struct TaskArguments {
    /// Text: a folder of .txt files (a paragraph a line, an empty line ends a document) and .jsonl files ("text"), or a file
    #[arg(long, value_name = "PATH", required_unless_present = "labelled")]
    pub corpus: Option<PathBuf>,
    /// Read only the files of these names [default: all]
    #[arg(long, value_name = "NAME", num_args = 1.., conflicts_with = "labelled")]
    pub files: Option<Vec<String>>,
    /// Folder of a MiniLM sentence encoder [default: the model's own pooled states]
    #[arg(long, value_name = "DIR", conflicts_with = "labelled")]
    pub encoder: Option<PathBuf>,
    /// Folders of labelled tasks (task.json and train.jsonl each) to train on instead of text
    #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with = "corpus")]
    pub labelled: Vec<PathBuf>,
    /// K, the number of clusters
    #[arg(long, conflicts_with = "labelled", value_name = "K", default_value_t = ClusterOptions::default().count)]
    clusters: usize,
    /// Share of the clusters that only validation tasks are drawn from
    #[arg(long, conflicts_with = "labelled", value_name = "SHARE", default_value_t = ClusterOptions::default().held_out)]
    held_out: f64,
    /// Mini-batches of K-means
    #[arg(long, conflicts_with = "labelled", value_name = "N", default_value_t = ClusterOptions::default().steps)]
    cluster_steps: usize,
    /// Fewest characters of a sentence
    #[arg(long, conflicts_with = "labelled", value_name = "N", default_value_t = SentenceOptions::default().min_characters)]
    min_characters: usize,
    /// Most characters of a sentence
    #[arg(long, conflicts_with = "labelled", value_name = "N", default_value_t = SentenceOptions::default().max_characters)]
    max_characters: usize,
    /// Formats of anchor tasks and how often each is drawn, such as nsp=1,scss=2; others are off.
    /// Known: nsp nss scsp scss scc, and of our own topic cloze
    /// [default: topic=1,cloze=1,nsp=0.5,scsp=0.5, T5: the first five]
    #[arg(long, conflicts_with = "labelled", value_name = "NAME=WEIGHT,...")]
    formats: Option<String>,
    /// Support examples of a task [default: 16]
    #[arg(long, conflicts_with = "labelled", value_name = "N")]
    support: Option<usize>,
    /// Query examples of a task [default: 16]
    #[arg(long, conflicts_with = "labelled", value_name = "N")]
    query: Option<usize>,
    /// Examples of a support mini-batch [default: 8, T5: by format]
    #[arg(long, conflicts_with = "labelled", value_name = "N")]
    support_batch: Option<usize>,
    /// Examples of a query mini-batch, which has one mixing weight [default: 16, T5: by format]
    #[arg(long, conflicts_with = "labelled", value_name = "N")]
    query_batch: Option<usize>,
    /// Answers of multi-choice and single-sentence tasks
    #[arg(long, conflicts_with = "labelled", value_name = "N", default_value_t = AnchorOptions::default().choices)]
    choices: usize,
    /// Tasks of one step [default: 2, T5: 4, labelled: 1]
    #[arg(long, value_name = "N")]
    tasks_per_step: Option<usize>,
    /// Let the tasks of one step be of different formats [default: true, T5: false]
    #[arg(long, conflicts_with = "labelled", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    mix_formats: Option<bool>,
    /// What the loss tells an answer apart from, in training and in the adaptation that the bundle advises
    /// [default: head, T5: vocabulary]
    #[arg(long, value_enum)]
    pub answer_loss: Option<Answers>,
    /// Most tokens of a filled template [default: 96, T5: 412; labelled tasks: 128]
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
    /// What stands for a cluster in single-sentence tasks
    #[arg(long, conflicts_with = "labelled", value_enum, default_value_t = Centers::Backbone)]
    center_rows: Centers,
    /// Most classes of a labelled task
    #[arg(long, conflicts_with = "corpus", value_name = "N", default_value_t = LabelledOptions::default().most_classes)]
    most_classes: usize,
    /// Support and query examples of a class of a labelled task
    #[arg(long, conflicts_with = "corpus", value_name = "N", default_value_t = LabelledOptions::default().support)]
    class_examples: usize,
}

/// What stands for a cluster in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Centers {
    /// A vector in the space of the model's embeddings
    Backbone,
    /// The centre as it is; the encoder's width must be the model's
    SentenceEncoder,
}

impl TaskArguments {
    /// Which sentences are kept.
    pub fn sentences(&self) -> SentenceOptions {
        SentenceOptions { min_characters: self.min_characters, max_characters: self.max_characters }
    }

    /// How they are clustered.
    pub fn clustering(&self, seed: u64) -> ClusterOptions {
        ClusterOptions {
            count: self.clusters,
            held_out: self.held_out,
            steps: self.cluster_steps,
            seed,
            ..ClusterOptions::default()
        }
    }

    /// `default` with what was asked for put in.
    pub fn anchor(&self, default: AnchorOptions, seed: u64) -> Outcome<AnchorOptions> {
        let mut options = AnchorOptions {
            tasks_per_step: self.tasks_per_step.unwrap_or(default.tasks_per_step),
            one_format_a_step: self.mix_formats.map_or(default.one_format_a_step, |mix| !mix),
            choices: self.choices,
            max_tokens: self.max_tokens.unwrap_or(default.max_tokens),
            center_rows: match self.center_rows {
                Centers::Backbone => CenterRows::Backbone,
                Centers::SentenceEncoder => CenterRows::SentenceEncoder,
            },
            seed,
            ..default
        };
        if let Some(formats) = &self.formats {
            options.weigh_formats(formats)?;
        }
        for sizes in options.formats.values_mut() {
            sizes.support = self.support.unwrap_or(sizes.support);
            sizes.query = self.query.unwrap_or(sizes.query);
            sizes.support_batch = self.support_batch.unwrap_or(sizes.support_batch);
            sizes.query_batch = self.query_batch.unwrap_or(sizes.query_batch);
        }
        Ok(options)
    }

    /// How labelled tasks are drawn.
    pub fn labelled(&self, seed: u64, answer_loss: AnswerLoss) -> LabelledOptions {
        let default = LabelledOptions::default();
        LabelledOptions {
            seed,
            tasks_per_step: self.tasks_per_step.unwrap_or(default.tasks_per_step),
            most_classes: self.most_classes,
            support: self.class_examples,
            query: self.class_examples,
            max_tokens: self.max_tokens.unwrap_or(default.max_tokens),
            answer_loss,
        }
    }
}
