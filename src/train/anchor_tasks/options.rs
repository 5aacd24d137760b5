//! The formats, and how large and how frequent their tasks are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::adapt::AnswerLoss;
use crate::error::{Result, Status, fail};
use crate::limits::{MAX_BATCH_ROWS, MAX_CONTEXT, within};

/// A kind of anchor task. The first five are published; the last two, whose labels are words, are our extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Format {
    /// Whether a sentence follows another.
    #[serde(rename = "nsp")]
    NextPair,
    /// Which of several sentences follows.
    #[serde(rename = "nss")]
    NextChoice,
    /// Whether two sentences are of one cluster.
    #[serde(rename = "scsp")]
    ClusterPair,
    /// Which of several sentences is of the same cluster.
    #[serde(rename = "scss")]
    ClusterChoice,
    /// Which of several clusters, shown by their centres, a sentence is of.
    #[serde(rename = "scc")]
    ClusterCenter,
    /// Which word, typical of a cluster, tells what a sentence is about (extension).
    #[serde(rename = "topic")]
    TopicWord,
    /// Which word is missing in a sentence (extension, after SMLMT of Bansal et al. 2020).
    #[serde(rename = "cloze")]
    HiddenWord,
}

impl Format {
    /// All formats, the published ones first.
    pub const ALL: [Format; 7] = [
        Format::NextPair,
        Format::NextChoice,
        Format::ClusterPair,
        Format::ClusterChoice,
        Format::ClusterCenter,
        Format::TopicWord,
        Format::HiddenWord,
    ];

    /// The short name that options, metrics and reports use.
    pub fn name(self) -> &'static str {
        match self {
            Format::NextPair => "nsp",
            Format::NextChoice => "nss",
            Format::ClusterPair => "scsp",
            Format::ClusterChoice => "scss",
            Format::ClusterCenter => "scc",
            Format::TopicWord => "topic",
            Format::HiddenWord => "cloze",
        }
    }
}

/// Weight and sizes of one format.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetSizes {
    /// How often the format is drawn, against the sum of all weights; 0 = never.
    pub weight: f64,
    /// Examples of the support set; labels differ by one example at most.
    pub support: usize,
    /// Examples of the query set, likewise.
    pub query: usize,
    /// Examples of a support mini-batch.
    pub support_batch: usize,
    /// Examples of a query mini-batch.
    pub query_batch: usize,
}

/// The vectors that stand for clusters in [`Format::ClusterCenter`] (method section 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CenterRows {
    /// The mean input embedding of the tokens of members near the centre, less the mean over clusters, scaled to the mean
    /// norm of the embedding table (deviation: any sentence encoder then serves any backbone).
    #[default]
    #[serde(rename = "backbone")]
    Backbone,
    /// The centres themselves, as published; the sentence encoder's width must be the backbone's.
    #[serde(rename = "sentence-encoder")]
    SentenceEncoder,
}

/// Which anchor tasks to draw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnchorOptions {
    /// Weight and sizes of every format; one left out is off.
    pub formats: BTreeMap<Format, SetSizes>,
    /// Tasks of an outer step (published: 4).
    pub tasks_per_step: usize,
    /// Whether all tasks of a step are of one format, as published.
    pub one_format_a_step: bool,
    /// Answers to choose from in multi-choice and single-sentence tasks (published: 4). Tasks with words as labels have 2
    /// to so many.
    pub choices: usize,
    /// Most tokens of a filled template (published: 412). The longest field is cut.
    pub max_tokens: usize,
    /// What stands for a cluster in single-sentence tasks.
    pub center_rows: CenterRows,
    /// What the loss tells an answer apart from (published: the whole vocabulary).
    pub answer_loss: AnswerLoss,
    /// Seed of all draws.
    pub seed: u64,
}

impl Default for AnchorOptions {
    /// The published formats, sizes and batches; both extensions off.
    fn default() -> Self {
        let sizes = |weight, support_batch, query_batch| SetSizes {
            weight,
            support: 16,
            query: 16,
            support_batch,
            query_batch,
        };
        let of = |format| match format {
            Format::NextPair | Format::ClusterPair | Format::ClusterCenter => sizes(1.0, 16, 8),
            Format::NextChoice | Format::ClusterChoice => sizes(1.0, 8, 4),
            Format::TopicWord | Format::HiddenWord => sizes(0.0, 16, 8),
        };
        Self {
            formats: Format::ALL.into_iter().map(|format| (format, of(format))).collect(),
            tasks_per_step: 4,
            one_format_a_step: true,
            choices: 4,
            max_tokens: 412,
            center_rows: CenterRows::Backbone,
            answer_loss: AnswerLoss::Vocabulary,
            seed: 1,
        }
    }
}

impl AnchorOptions {
    /// For decoder-only networks, as the bundle that is shipped was trained: words as labels and, half as often, pairs of
    /// sentences, read off by label heads, in shorter texts (our choice: docs/lab-notes.md).
    pub fn causal() -> Self {
        let weight = |format| match format {
            Format::TopicWord | Format::HiddenWord => 1.0,
            Format::NextPair | Format::ClusterPair => 0.5,
            Format::NextChoice | Format::ClusterChoice | Format::ClusterCenter => 0.0,
        };
        let sizes = |weight| SetSizes { weight, support: 16, query: 16, support_batch: 8, query_batch: 16 };
        Self {
            formats: Format::ALL.into_iter().map(|format| (format, sizes(weight(format)))).collect(),
            tasks_per_step: 2,
            one_format_a_step: false,
            max_tokens: 96,
            answer_loss: AnswerLoss::Head,
            ..Self::default()
        }
    }

    /// Sets how often each format is drawn from a list such as "nsp=1,scss=2"; one that is not named is off, one without a
    /// weight has 1.
    ///
    /// Errors: `InvalidOption` names what is not a format or not a weight.
    pub fn weigh_formats(&mut self, list: &str) -> Result<()> {
        let mut weights = BTreeMap::new();
        for item in list.split(',') {
            let (name, weight) = item.split_once('=').unwrap_or((item, "1"));
            let Some(format) = Format::ALL.into_iter().find(|format| format.name() == name) else {
                let known: Vec<_> = Format::ALL.iter().map(|format| format.name()).collect();
                let message = format!("no format is called {name:?}; known are {}", known.join(", "));
                return fail(Status::InvalidOption, message);
            };
            let Ok(weight) = weight.parse::<f64>() else {
                return fail(Status::InvalidOption, format!("the weight of {name} must be a number, not {weight:?}"));
            };
            weights.insert(format, weight);
        }
        for (format, sizes) in &mut self.formats {
            sizes.weight = weights.get(format).copied().unwrap_or(0.0);
        }
        Ok(())
    }

    /// The formats that are drawn, with their sizes.
    pub(super) fn active(&self) -> impl Iterator<Item = (Format, SetSizes)> {
        self.formats.iter().filter(|(_, sizes)| sizes.weight > 0.0).map(|(&format, &sizes)| (format, sizes))
    }

    /// `InvalidOption` for a value out of its range, or when every format is off.
    pub(in crate::train) fn check(&self) -> Result<()> {
        within("tasks_per_step", self.tasks_per_step, 1..=1024)?;
        within("choices", self.choices, 2..=MOST_CHOICES)?;
        within("max_tokens", self.max_tokens, 8..=MAX_CONTEXT)?;
        for (format, sizes) in &self.formats {
            let named = |result: Result<()>| result.map_err(|e| e.context(format.name()));
            named(within("weight", sizes.weight, 0.0..=1e6))?;
            for (what, value) in [
                ("support", sizes.support),
                ("query", sizes.query),
                ("support_batch", sizes.support_batch),
                ("query_batch", sizes.query_batch),
            ] {
                named(within(what, value, 1..=MAX_BATCH_ROWS))?;
            }
        }
        if self.active().next().is_none() {
            return fail(Status::InvalidOption, "every format of anchor tasks is off; give one a weight above 0");
        }
        Ok(())
    }
}

/// Most answers to choose from: as many as there are digits to name them.
pub(super) const MOST_CHOICES: usize = 9;
