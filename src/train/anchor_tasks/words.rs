//! Words that can be labels: frequent in the text, one token each, typical of a cluster or hidden in sentences.

use std::collections::HashMap;

use super::wordings::verbalizer;
use crate::error::Result;
use crate::runtime::{Cancel, Random};
use crate::text::Tokenizer;
use crate::train::{Clusters, SentenceStore};

/// Characters of a word.
const LENGTH: std::ops::RangeInclusive<usize> = 4..=12;
/// Words that are kept.
const WORDS: usize = 4000;
/// Words counted at once; beyond that the rarest are forgotten.
const COUNTED: usize = 1 << 20;
/// Fewest sentences of a word.
const LEAST_SENTENCES: u32 = 16;
/// A word in more than one of so many sentences says little, unless the text is short.
const COMMON: u32 = 50;
/// So many sentences of a word are never too many.
const NOT_TOO_MANY: u32 = 64;
/// Example sentences kept of each word.
const EXAMPLES: usize = 256;
/// Typical words kept of each cluster.
const TYPICAL: usize = 8;
/// Fewest sentences of a cluster that hold a word typical of it.
const LEAST_IN_CLUSTER: u32 = 4;
/// How much denser a word is in a cluster that it is typical of than in the whole text, at least.
const DENSER: f64 = 3.0;
/// Sentences read at once.
const BLOCK: usize = 4096;

/// The words, in alphabetic order. Memory: a count for every word and cluster and up to 512 sentence numbers a word while it
/// is made, then up to 256.
pub(super) struct WordTable {
    words: Vec<Word>,
    /// Positions of the most typical words of every cluster, most typical first.
    typical: Vec<Vec<usize>>,
}

struct Word {
    text: String,
    /// The token that is the answer.
    token: u32,
    /// Sentences that hold it and are of the same part, training or held out, as its home; a random choice.
    examples: Vec<u32>,
    /// The cluster it is most typical of.
    home: usize,
}

impl WordTable {
    /// Counts the words of all sentences, in two passes.
    pub fn count(
        sentences: &SentenceStore,
        clusters: &Clusters,
        tokenizer: &Tokenizer,
        is_t5: bool,
        seed: u64,
        cancel: &Cancel,
    ) -> Result<Self> {
        let mut words = frequent(sentences, tokenizer, is_t5, cancel)?;
        let Located { counts, examples } = locate(sentences, clusters, &words, seed, cancel)?;
        let count = clusters.count();
        let of_word: Vec<u32> = counts.chunks_exact(count).map(|row| row.iter().sum()).collect();
        let sizes = clusters.sizes();
        let here = |word: usize, cluster: usize| counts[word * count + cluster];
        let density = |word: usize, cluster: usize| {
            let expected = f64::from(of_word[word]) * sizes[cluster] as f64 / sentences.len() as f64;
            if expected > 0.0 { f64::from(here(word, cluster)) / expected } else { 0.0 }
        };
        // Sentences of the cluster with the word, times the logarithm of how much denser it is there.
        let score = |word: usize, cluster: usize| match density(word, cluster) {
            denser if denser > 0.0 => f64::from(here(word, cluster)) * denser.ln(),
            _ => 0.0,
        };
        for (at, (word, [training, held_out])) in words.iter_mut().zip(examples).enumerate() {
            word.home =
                (0..count).fold(0, |best, cluster| if score(at, cluster) > score(at, best) { cluster } else { best });
            word.examples = if clusters.is_held_out(word.home) { held_out } else { training };
        }
        let typical = (0..count).map(|cluster| {
            let enough = |&word: &usize| here(word, cluster) >= LEAST_IN_CLUSTER && density(word, cluster) >= DENSER;
            // Training and validation have words of their own.
            let own = |&word: &usize| clusters.is_held_out(words[word].home) == clusters.is_held_out(cluster);
            let mut list: Vec<usize> = (0..words.len()).filter(enough).filter(own).collect();
            list.sort_by(|&a, &b| score(b, cluster).total_cmp(&score(a, cluster)).then(a.cmp(&b)));
            list.truncate(TYPICAL);
            list
        });
        let typical = typical.collect();
        Ok(Self { words, typical })
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// The word at `at`, in lower case.
    pub fn text(&self, at: usize) -> &str {
        &self.words[at].text
    }

    /// Up to 256 sentences that hold the word at `at`: of training clusters when its home is one, else of held-out ones.
    pub fn examples(&self, at: usize) -> &[u32] {
        &self.words[at].examples
    }

    /// The cluster that the word at `at` is most typical of.
    pub fn home(&self, at: usize) -> usize {
        self.words[at].home
    }

    /// The words most typical of `cluster`, most typical first; their homes are training clusters when it is one, else
    /// held-out ones.
    pub fn typical(&self, cluster: usize) -> &[usize] {
        &self.typical[cluster]
    }

    /// Whether no two of `words` are the same answer.
    pub fn differ(&self, words: &[usize]) -> bool {
        (1..words.len())
            .all(|at| words[..at].iter().all(|&other| self.words[other].token != self.words[words[at]].token))
    }
}

/// The most frequent words that are not too common, each a single token where there are such.
fn frequent(sentences: &SentenceStore, tokenizer: &Tokenizer, is_t5: bool, cancel: &Cancel) -> Result<Vec<Word>> {
    let mut counts: HashMap<String, u32> = HashMap::new();
    each_sentence(sentences, cancel, |_, text| {
        for word in words_of(text) {
            *counts.entry(word).or_insert(0) += 1;
        }
        if counts.len() > COUNTED {
            forget_rare(&mut counts, COUNTED / 2);
        }
    })?;
    let most = (sentences.len() as u32 / COMMON).max(NOT_TOO_MANY);
    let mut candidates: Vec<(u32, String, Vec<u32>)> = Vec::new();
    for (word, count) in counts {
        if (LEAST_SENTENCES..=most).contains(&count) {
            let ids = tokenizer.encode_continuation(&verbalizer(&word, is_t5))?;
            candidates.push((count, word, ids));
        }
    }
    if candidates.iter().any(|(_, _, ids)| ids.len() == 1) {
        candidates.retain(|(_, _, ids)| ids.len() == 1);
    }
    candidates.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    candidates.truncate(WORDS);
    candidates.sort_by(|a, b| a.1.cmp(&b.1));
    let word = |(_, text, ids): (u32, String, Vec<u32>)| {
        ids.last().map(|&token| Word { text, token, examples: Vec::new(), home: 0 })
    };
    Ok(candidates.into_iter().filter_map(word).collect())
}

/// Leaves `most` words at the most, the most frequent ones: the floor below which a word is forgotten doubles until so many
/// are gone, so that the next scan is far away (after the lossy counting of Manku and Motwani, 2002).
fn forget_rare(counts: &mut HashMap<String, u32>, most: usize) {
    let mut floor: u32 = 1;
    while counts.len() > most {
        counts.retain(|_, count| *count > floor);
        floor = floor.saturating_mul(2);
    }
}

/// Where words stand.
struct Located {
    /// Sentences with each word in each cluster, (words, K) row by row.
    counts: Vec<u32>,
    /// Up to 256 sentences of every word in training clusters, and in held-out ones.
    examples: Vec<[Vec<u32>; 2]>,
}

/// Counts `words` cluster by cluster and draws their examples (reservoir sampling).
fn locate(
    sentences: &SentenceStore,
    clusters: &Clusters,
    words: &[Word],
    seed: u64,
    cancel: &Cancel,
) -> Result<Located> {
    let index: HashMap<String, usize> = words.iter().enumerate().map(|(at, word)| (word.text.clone(), at)).collect();
    let count = clusters.count();
    let mut counts = vec![0u32; words.len() * count];
    let mut seen = vec![[0usize; 2]; words.len()];
    let mut examples = vec![[Vec::new(), Vec::new()]; words.len()];
    let mut random = Random::new(seed, "word examples");
    each_sentence(sentences, cancel, |sentence, text| {
        for word in words_of(text) {
            let Some(&at) = index.get(&word) else { continue };
            let cluster = clusters.of(sentence);
            let part = usize::from(clusters.is_held_out(cluster));
            counts[at * count + cluster] += 1;
            seen[at][part] += 1;
            let examples: &mut Vec<u32> = &mut examples[at][part];
            if examples.len() < EXAMPLES {
                examples.push(sentence);
            } else if let place = random.below(seen[at][part])
                && place < EXAMPLES
            {
                examples[place] = sentence;
            }
        }
    })?;
    Ok(Located { counts, examples })
}

fn each_sentence(sentences: &SentenceStore, cancel: &Cancel, mut each: impl FnMut(u32, &str)) -> Result<()> {
    for start in (0..sentences.len()).step_by(BLOCK) {
        cancel.check()?;
        let texts = sentences.texts(start as u32, BLOCK.min(sentences.len() - start))?;
        (start as u32..).zip(&texts).for_each(|(at, text)| each(at, text));
    }
    Ok(())
}

/// The words of `text` that could be labels, in lower case, each once.
fn words_of(text: &str) -> Vec<String> {
    let whole = text.split(|c: char| !c.is_alphanumeric() && c != '\'');
    let fits = |word: &&str| LENGTH.contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphabetic());
    let mut words: Vec<String> = whole.filter(fits).map(str::to_ascii_lowercase).collect();
    words.sort_unstable();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarest_words_are_forgotten_until_few_enough_are_left() {
        let counted = || (1..=64u32).map(|count| (format!("word{count}"), count)).collect::<HashMap<String, u32>>();
        for (most, left) in [(64, 64), (63, 63), (62, 62), (61, 60), (32, 32), (31, 0)] {
            let mut counts = counted();
            forget_rare(&mut counts, most);
            assert_eq!(counts.len(), left, "{most}");
            assert!(counts.values().all(|&count| count as usize > 64 - left));
        }
    }
}
