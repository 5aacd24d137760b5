//! The stream of anchor tasks: a function of options, seed and step number alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::anchor_task::AnchorTask;
use super::center_rows::center_rows;
use super::draw::Draw;
use super::options::{AnchorOptions, Format, SetSizes};
use super::wordings::{self, Wording};
use super::words::WordTable;
use crate::adapt::AnswerLoss;
use crate::backbone::{Backbone, Sequence};
use crate::error::{Result, Status, fail};
use crate::runtime::{Cancel, Random};
use crate::train::start::is_t5;
use crate::train::{Clusters, MetaTask, SentenceStore, domain_similarity};

/// Draws anchor tasks from clustered sentences for one backbone.
pub struct AnchorTasks<'a> {
    sentences: &'a SentenceStore,
    clusters: &'a Clusters,
    backbone: &'a dyn Backbone,
    options: AnchorOptions,
    /// None unless a format with words as labels is on.
    words: Option<WordTable>,
    centers: Vec<Arc<[f32]>>,
    training: Part,
    held_out: Part,
    is_t5: bool,
    /// What each format that is on can be asked in.
    wordings: BTreeMap<Format, Vec<&'static Wording>>,
    /// Whether every task comes with another one.
    has_partners: bool,
}

/// A task of a step, with its format.
#[derive(Clone, Debug)]
pub struct StepTask {
    /// Its kind.
    pub format: Format,
    /// How many answers it has to choose from.
    pub answers: usize,
    /// What the meta step learns from.
    pub task: MetaTask<Vec<Sequence>>,
}

/// A task from held-out clusters, to be adapted to and then scored.
#[derive(Clone, Debug)]
pub struct HeldOutTask {
    /// The task as text.
    pub text: AnchorTask,
    /// Support and query mini-batches; no query batch has a partner to be mixed with (they are empty).
    pub task: MetaTask<Vec<Sequence>>,
    /// The answer token of every label.
    pub answers: Vec<u32>,
    /// Position of the gold label of every query example, mini-batches one after another.
    pub gold: Vec<usize>,
}

impl HeldOutTask {
    /// Whether a network can score its texts: not when a text holds vectors in place of tokens.
    pub fn can_be_scored(&self) -> bool {
        self.task.query.iter().flat_map(|(own, _)| own).all(|sequence| sequence.given.is_empty())
    }
}

/// The clusters, sentences and words of training, or those of validation.
pub(super) struct Part {
    /// Clusters with a member.
    pub filled: Vec<usize>,
    /// Positions of words whose home is in this part and that have examples enough of this part for a task.
    pub words: Vec<usize>,
    /// Clusters that each format can ask about, in the order of [`Format::ALL`].
    eligible: Vec<Vec<usize>>,
    /// Members of every cluster that are followed by the sentence numbered next, one of this part as well; empty for
    /// clusters of the other part.
    followed: Vec<Vec<u32>>,
}

impl Part {
    /// Clusters that `format` can ask about.
    pub fn eligible(&self, format: Format) -> &[usize] {
        let at = Format::ALL.iter().position(|&other| other == format).unwrap_or(0);
        &self.eligible[at]
    }

    /// Members of `cluster` that are followed by another sentence of their document and of this part: the one numbered
    /// next.
    pub fn followed(&self, cluster: usize) -> &[u32] {
        &self.followed[cluster]
    }
}

impl<'a> AnchorTasks<'a> {
    /// Gets ready to draw: reads which sentences follow each other, and where a format needs it counts words and embeds
    /// the clusters' members. Memory: 5 bytes a sentence, and what words take.
    ///
    /// Errors: `InvalidOption` for options out of range or a format that no cluster has enough sentences for (the message
    /// names both counts); `InvalidTask` when label words are not told apart by the tokenizer; `Io`, `Cancelled`.
    pub fn new(
        sentences: &'a SentenceStore,
        clusters: &'a Clusters,
        backbone: &'a dyn Backbone,
        options: &AnchorOptions,
        cancel: &Cancel,
    ) -> Result<Self> {
        options.check()?;
        let is_t5 = is_t5(backbone);
        let is_on = |wanted: &[Format]| options.active().any(|(format, _)| wanted.contains(&format));
        let words = match is_on(&[Format::TopicWord, Format::HiddenWord]) {
            true => {
                let tokenizer = backbone.tokenizer();
                Some(WordTable::count(sentences, clusters, tokenizer, is_t5, options.seed, cancel)?)
            }
            false => None,
        };
        let centers = match is_on(&[Format::ClusterCenter]) {
            true => center_rows(options.center_rows, sentences, clusters, backbone)?,
            false => Vec::new(),
        };
        let continues = sentences.continues()?;
        let part = |held_out| Part::new(clusters, &continues, words.as_ref(), options, held_out);
        let (training, held_out) = (part(false), part(true));
        let mut wordings = BTreeMap::new();
        for (format, _) in options.active() {
            wordings.insert(format, wordings::usable(format, options.choices, backbone.tokenizer(), is_t5)?);
        }
        let options = options.clone();
        let tasks = Self {
            sentences,
            clusters,
            backbone,
            options,
            words,
            centers,
            training,
            held_out,
            is_t5,
            wordings,
            has_partners: true,
        };
        for (format, sizes) in tasks.options.active() {
            tasks.check(format, sizes, &tasks.training, "training")?;
            tasks.check_wordings(format, sizes)?;
        }
        Ok(tasks)
    }

    /// The same tasks without others to be mixed with, for a meta step that mixes nothing.
    pub fn unmixed(self) -> Self {
        Self { has_partners: false, ..self }
    }

    /// The tasks of outer step `step`, the same ones however often and in whatever order they are asked for.
    pub fn tasks_at(&self, step: usize) -> Result<Vec<StepTask>> {
        let mut random = Random::new(self.options.seed, &format!("anchor tasks of step {step}"));
        let mut tasks = Vec::with_capacity(self.options.tasks_per_step);
        let mut format = self.draw_format(&mut random);
        for at in 0..self.options.tasks_per_step {
            if at > 0 && !self.options.one_format_a_step {
                format = self.draw_format(&mut random);
            }
            let stream = format!("anchor task {at} of step {step}");
            tasks.push(self.step_task(format, Random::new(self.options.seed, &stream))?);
        }
        Ok(tasks)
    }

    /// The first `count` validation tasks of `format`, always the same ones: from held-out clusters and words, nothing
    /// mixed.
    ///
    /// Errors: `InvalidOption` when the held-out clusters are too few or too small for the format, or it is off.
    pub fn validation(&self, format: Format, count: usize) -> Result<Vec<HeldOutTask>> {
        let sizes = self.sizes(format)?;
        self.check(format, sizes, &self.held_out, "held-out")?;
        (0..count).map(|at| self.validation_task(format, sizes, at)).collect()
    }

    /// A task of `format` for a report, as text: number `at` of an endless row that training never draws from.
    pub fn sample(&self, format: Format, at: usize) -> Result<AnchorTask> {
        let sizes = self.sizes(format)?;
        let mut draw =
            self.draw(&self.training, Random::new(self.options.seed, &format!("{} sample {at}", format.name())));
        let wording = self.wording(format, &mut draw.random)?;
        draw.task(format, wording, sizes)
    }

    /// What the sequences of all tasks tell their answers apart from.
    pub fn answer_loss(&self) -> AnswerLoss {
        self.options.answer_loss
    }

    /// The formats that are drawn.
    pub fn formats(&self) -> Vec<Format> {
        self.options.active().map(|(format, _)| format).collect()
    }

    fn step_task(&self, format: Format, random: Random) -> Result<StepTask> {
        let sizes = self.sizes(format)?;
        let mut draw = self.draw(&self.training, random);
        let wording = self.wording(format, &mut draw.random)?;
        let own = draw.task(format, wording, sizes)?;
        let support = self.batches(&own, &own.support, sizes.support_batch)?;
        let query = self.batches(&own, &own.query, sizes.query_batch)?.into_iter();
        let answers = own.task.labels().len();
        if !self.has_partners {
            let query = query.map(|batch| (batch, Vec::new())).collect();
            let task = MetaTask { support, query, partner_support: Vec::new(), domain_similarity: 1.0 };
            return Ok(StepTask { format, answers, task });
        }
        let partner_support = if self.options.answer_loss == AnswerLoss::Head { sizes.support } else { 0 };
        let other = draw.task(format, wording, SetSizes { support: partner_support, ..sizes })?;
        let partners = self.batches(&other, &other.query, sizes.query_batch)?;
        let query = query.zip(partners).collect();
        let partner_support = self.batches(&other, &other.support, sizes.support_batch)?;
        let (centers, width) = (self.clusters.centers(), self.clusters.width());
        let domain_similarity = domain_similarity(centers, width, &own.clusters, &other.clusters);
        Ok(StepTask { format, answers, task: MetaTask { support, query, partner_support, domain_similarity } })
    }

    fn validation_task(&self, format: Format, sizes: SetSizes, at: usize) -> Result<HeldOutTask> {
        let stream = format!("{} validation task {at}", format.name());
        let mut draw = self.draw(&self.held_out, Random::new(self.options.seed, &stream));
        let wording = self.wording(format, &mut draw.random)?;
        let text = draw.task(format, wording, sizes)?;
        let support = self.batches(&text, &text.support, sizes.support_batch)?;
        let query = self.batches(&text, &text.query, sizes.query_batch)?;
        let query = query.into_iter().map(|batch| (batch, Vec::new())).collect();
        let (answers, gold) = (text.answers(self.backbone.tokenizer())?, text.gold(&text.query)?);
        let task = MetaTask { support, query, partner_support: Vec::new(), domain_similarity: 1.0 };
        Ok(HeldOutTask { text, task, answers, gold })
    }

    fn batches(&self, task: &AnchorTask, examples: &[crate::Example], size: usize) -> Result<Vec<Vec<Sequence>>> {
        let (tokenizer, max_tokens) = (self.backbone.tokenizer(), self.options.max_tokens);
        let sequences = task.sequences(examples, tokenizer, max_tokens, &self.centers, self.options.answer_loss)?;
        Ok(sequences.chunks(size).map(<[Sequence]>::to_vec).collect())
    }

    fn draw<'d>(&'d self, part: &'d Part, random: Random) -> Draw<'d> {
        Draw {
            random,
            sentences: self.sentences,
            clusters: self.clusters,
            part,
            words: self.words.as_ref(),
            choices: self.options.choices,
            is_t5: self.is_t5,
        }
    }

    fn draw_format(&self, random: &mut Random) -> Format {
        let total: f64 = self.options.active().map(|(_, sizes)| sizes.weight).sum();
        let mut rest = random.unit() * total;
        let mut last = Format::NextPair;
        for (format, sizes) in self.options.active() {
            last = format;
            rest -= sizes.weight;
            if rest < 0.0 {
                break;
            }
        }
        last
    }

    fn wording(&self, format: Format, random: &mut Random) -> Result<&'static Wording> {
        match self.wordings.get(&format).map(Vec::as_slice) {
            Some(all) if !all.is_empty() => Ok(all[random.below(all.len())]),
            _ => fail(Status::Internal, "a format without wordings was drawn"),
        }
    }

    /// Sizes of a format that is on.
    fn sizes(&self, format: Format) -> Result<SetSizes> {
        match self.options.active().find(|&(active, _)| active == format) {
            Some((_, sizes)) => Ok(sizes),
            None => fail(Status::InvalidOption, format!("format {} is off: it has no tasks", format.name())),
        }
    }

    /// The error of the first wording that cannot be put into tokens, so that no later step fails on it.
    fn check_wordings(&self, format: Format, sizes: SetSizes) -> Result<()> {
        for &wording in self.wordings.get(&format).into_iter().flatten() {
            let stream = format!("{} check of wordings", format.name());
            let mut draw = self.draw(&self.training, Random::new(self.options.seed, &stream));
            let task = draw.task(format, wording, sizes)?;
            self.batches(&task, &task.query, sizes.query_batch).map_err(|e| e.context(format.name()))?;
        }
        Ok(())
    }

    /// `InvalidOption` unless `part` has what a task of `format` takes.
    fn check(&self, format: Format, sizes: SetSizes, part: &Part, kind: &str) -> Result<()> {
        let (needed, found, what) = match format {
            Format::HiddenWord => (self.options.choices, part.words.len(), "words"),
            Format::ClusterCenter | Format::TopicWord => {
                (self.options.choices, part.eligible(format).len(), "clusters with sentences enough")
            }
            _ => (1, part.eligible(format).len(), "clusters with sentences enough"),
        };
        let (others, has_others) = (part.filled.len(), part.filled.len() >= 2);
        if found >= needed && has_others {
            return Ok(());
        }
        fail(
            Status::InvalidOption,
            format!(
                "{}: sets of {} and {} examples take {needed} {kind} {what}, there are {found} (and {others} {kind} clusters \
                 in all, 2 are needed); give more text, ask for fewer clusters, hold out more of them or lower the sizes",
                format.name(),
                sizes.support,
                sizes.query
            ),
        )
    }
}

impl Part {
    fn new(
        clusters: &Clusters,
        continues: &[bool],
        words: Option<&WordTable>,
        options: &AnchorOptions,
        held_out: bool,
    ) -> Self {
        let own = |&cluster: &usize| clusters.is_held_out(cluster) == held_out;
        let all: Vec<usize> = (0..clusters.count()).filter(own).collect();
        let is_followed = |&at: &u32| continues[at as usize] && own(&clusters.of(at + 1));
        let mut followed = vec![Vec::new(); clusters.count()];
        for &cluster in &all {
            followed[cluster] = clusters.members(cluster).iter().copied().filter(is_followed).collect();
        }
        let mut part = Self { filled: Vec::new(), words: Vec::new(), eligible: Vec::new(), followed };
        part.filled = all.iter().copied().filter(|&cluster| !clusters.members(cluster).is_empty()).collect();
        for format in Format::ALL {
            let sizes = options.formats.get(&format);
            let (support, query) = sizes.map_or((1, 1), |sizes| (sizes.support, sizes.query));
            let of_a_label = |labels: usize| support.div_ceil(labels) + query.div_ceil(labels);
            let suits = |&cluster: &usize| {
                let members = clusters.members(cluster).len();
                match format {
                    Format::NextPair | Format::NextChoice => part.followed[cluster].len() >= support + query,
                    Format::ClusterPair | Format::ClusterChoice => members > support + query,
                    Format::ClusterCenter => members >= of_a_label(options.choices),
                    // Half of the sentences may hold the cluster's own name.
                    Format::TopicWord => {
                        members >= 2 * of_a_label(2) && words.is_some_and(|words| !words.typical(cluster).is_empty())
                    }
                    Format::HiddenWord => false,
                }
            };
            let list = part.filled.iter().copied().filter(suits).collect();
            if let (Format::HiddenWord, Some(words)) = (format, words) {
                let home = |&word: &usize| own(&words.home(word));
                // Some sentences hold a word twice, or two of the task's words.
                let enough = |&word: &usize| 4 * words.examples(word).len() >= 5 * of_a_label(2);
                part.words = (0..words.len()).filter(home).filter(enough).collect();
            }
            part.eligible.push(list);
        }
        part
    }
}
