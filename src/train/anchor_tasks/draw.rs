//! Drawing one task: its random numbers, the clusters it may use, and the sentences in them.

use std::collections::BTreeMap;

use super::anchor_task::{AnchorTask, task_of};
use super::options::{Format, SetSizes};
use super::source::Part;
use super::wordings::Wording;
use super::words::WordTable;
use super::{hidden_word, multi_choice, sentence_pair, single_sentence};
use crate::error::{Error, Result, Status, fail};
use crate::runtime::Random;
use crate::task::Example;
use crate::train::{Clusters, SentenceStore};

/// Draws in a row that may fail before a task counts as impossible.
const PATIENCE: usize = 1000;
/// Tasks in a row that may fail before their format counts as impossible.
const ATTEMPTS: usize = 20;

/// What a task is drawn from.
pub(super) struct Draw<'a> {
    pub random: Random,
    pub sentences: &'a SentenceStore,
    pub clusters: &'a Clusters,
    pub part: &'a Part,
    pub words: Option<&'a WordTable>,
    /// Answers to choose from.
    pub choices: usize,
    pub is_t5: bool,
}

/// An example before it gets its task: field values and the position of its label.
pub(super) struct Drawn {
    pub fields: Fields,
    pub label: usize,
}

/// Names and texts of an example's fields.
pub(super) type Fields = Vec<(&'static str, String)>;

/// Answers, clusters and the examples of a support and a query set.
pub(super) struct DrawnSets {
    pub answers: Vec<String>,
    pub clusters: Vec<usize>,
    pub support: Vec<Drawn>,
    pub query: Vec<Drawn>,
}

impl Draw<'_> {
    /// A task of `format` in words `wording` with sets of these sizes; no support set where `sizes.support` is 0. One that
    /// cannot be finished, as its sentences repeat each other, is drawn anew.
    pub fn task(&mut self, format: Format, wording: &Wording, sizes: SetSizes) -> Result<AnchorTask> {
        let mut made = self.attempt(format, wording, sizes);
        for _ in 1..ATTEMPTS {
            if made.as_ref().is_err_and(|e| e.status() == Status::InvalidOption) {
                made = self.attempt(format, wording, sizes);
            }
        }
        made.map_err(|e| e.context(format.name()))
    }

    fn attempt(&mut self, format: Format, wording: &Wording, sizes: SetSizes) -> Result<AnchorTask> {
        let DrawnSets { answers, clusters, support, query } = match format {
            Format::NextPair => sentence_pair::next(self, wording, sizes),
            Format::ClusterPair => sentence_pair::same_cluster(self, wording, sizes),
            Format::NextChoice => multi_choice::next(self, wording, sizes),
            Format::ClusterChoice => multi_choice::same_cluster(self, wording, sizes),
            Format::ClusterCenter => single_sentence::cluster_center(self, wording, sizes),
            Format::TopicWord => single_sentence::topic_word(self, sizes),
            Format::HiddenWord => hidden_word::hidden_word(self, sizes),
        }?;
        let task = task_of(format, wording, &answers, self.is_t5)?;
        let examples = |drawn: Vec<Drawn>| -> Vec<Example> {
            drawn.into_iter().map(|Drawn { fields, label }| example(fields, &answers[label])).collect()
        };
        Ok(AnchorTask { format, support: examples(support), query: examples(query), task, clusters })
    }

    /// A support and a query set about the sentences `asked`, one example each: `fields` are those of a sentence with a
    /// label below `labels`.
    pub fn sets(
        &mut self,
        labels: usize,
        sizes: SetSizes,
        asked: Vec<u32>,
        mut fields: impl FnMut(&mut Self, u32, usize) -> Result<Fields>,
    ) -> Result<[Vec<Drawn>; 2]> {
        let mut asked = asked.into_iter();
        let [support, query] = self.labels(labels, sizes).map(|labels| {
            let drawn = labels.into_iter().zip(asked.by_ref());
            drawn
                .map(|(label, at)| Ok(Drawn { fields: fields(self, at, label)?, label }))
                .collect::<Result<Vec<Drawn>>>()
        });
        Ok([support?, query?])
    }

    /// A support and a query set in which each label has sentences of its own, `candidates[label]`, none used twice:
    /// `fields` are those of a sentence with a label, `None` for one that will not do.
    ///
    /// Errors: `InvalidOption` when a label's candidates run out.
    pub fn classes(
        &mut self,
        sizes: SetSizes,
        mut candidates: Vec<Vec<u32>>,
        fields: impl Fn(String, usize) -> Option<Fields>,
    ) -> Result<[Vec<Drawn>; 2]> {
        let labels = self.labels(candidates.len(), sizes);
        let mut one = |label: usize| {
            while let Some(at) = candidates[label].pop() {
                if let Some(fields) = fields(self.sentences.text(at)?, label) {
                    return Ok(Drawn { fields, label });
                }
            }
            fail(Status::InvalidOption, "a label has too few sentences that do; ask for smaller sets or give more text")
        };
        let [support, query] = labels.map(|labels| labels.into_iter().map(&mut one).collect::<Result<Vec<Drawn>>>());
        Ok([support?, query?])
    }

    /// Labels of a support and a query set in random order, each of `count` labels as often as the others or once more.
    fn labels(&mut self, count: usize, sizes: SetSizes) -> [Vec<usize>; 2] {
        [sizes.support, sizes.query].map(|size| {
            let mut order: Vec<usize> = (0..count).collect();
            self.random.shuffle(&mut order);
            let mut labels: Vec<usize> = order.into_iter().cycle().take(size).collect();
            self.random.shuffle(&mut labels);
            labels
        })
    }

    /// One of `items`.
    pub fn one(&mut self, items: &[usize]) -> usize {
        items[self.random.below(items.len())]
    }

    /// `count` different ones of `items`, in random order. Errors: `InvalidOption` when there are fewer.
    pub fn distinct<T: Copy>(&mut self, items: &[T], count: usize) -> Result<Vec<T>> {
        if items.len() < count {
            return fail(Status::InvalidOption, format!("{count} are to be drawn, there are {}", items.len()));
        }
        // The first places of a shuffle; what was moved is kept in a map, so that long lists are not copied.
        let mut moved: BTreeMap<usize, usize> = BTreeMap::new();
        let mut drawn = Vec::with_capacity(count);
        for at in 0..count {
            let from = at + self.random.below(items.len() - at);
            let chosen = moved.get(&from).copied().unwrap_or(from);
            let replaced = moved.get(&at).copied().unwrap_or(at);
            moved.insert(from, replaced);
            drawn.push(items[chosen]);
        }
        Ok(drawn)
    }

    /// A cluster of the part, not `own`.
    pub fn other_cluster(&mut self, own: usize) -> Result<usize> {
        let part = self.part;
        self.until(|draw| {
            let drawn = draw.one(&part.filled);
            Ok((drawn != own).then_some(drawn))
        })
    }

    /// The text of a member of `cluster` that is none of `taken`.
    pub fn member_text(&mut self, cluster: usize, taken: &[String]) -> Result<String> {
        let members = self.clusters.members(cluster);
        self.until(|draw| {
            let text = draw.sentences.text(members[draw.random.below(members.len())])?;
            Ok((!taken.contains(&text)).then_some(text))
        })
    }

    /// The text of a member of a cluster of the part other than `own`, none of `taken`.
    pub fn foreign_text(&mut self, own: usize, taken: &[String]) -> Result<String> {
        self.until(|draw| {
            let cluster = draw.other_cluster(own)?;
            let members = draw.clusters.members(cluster);
            let text = draw.sentences.text(members[draw.random.below(members.len())])?;
            Ok((!taken.contains(&text)).then_some(text))
        })
    }

    /// Draws until something comes. Errors: `InvalidOption` when nothing does for long.
    pub fn until<T>(&mut self, mut attempt: impl FnMut(&mut Self) -> Result<Option<T>>) -> Result<T> {
        for _ in 0..PATIENCE {
            if let Some(found) = attempt(self)? {
                return Ok(found);
            }
        }
        let message =
            format!("{PATIENCE} draws gave no fitting sentence: the text repeats itself, or clusters are too small");
        fail(Status::InvalidOption, message)
    }

    /// The words of extension formats.
    pub fn words(&self) -> Result<&WordTable> {
        self.words.ok_or_else(|| Error::new(Status::Internal, "words were not counted"))
    }
}

fn example(fields: Fields, answer: &str) -> Example {
    let fields = fields.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    Example { fields, label: Some(answer.to_owned()) }
}
