//! Which of several clusters is a sentence of? Clusters are shown by their centres (method section 3, scc), or named by a
//! word that is typical of them (our extension).

use super::anchor_task::FIELDS;
use super::draw::{Draw, DrawnSets};
use super::hidden_word::find_word;
use super::options::{Format, SetSizes};
use super::wordings::Wording;
use crate::error::Result;

/// Typical words of a cluster that its name is drawn from.
const NAMES: usize = 3;

/// The answers are marks of options; each option is a centre.
pub(super) fn cluster_center(draw: &mut Draw<'_>, wording: &Wording, sizes: SetSizes) -> Result<DrawnSets> {
    let answers = wording.answers(draw.choices);
    let clusters = draw.distinct(draw.part.eligible(Format::ClusterCenter), answers.len())?;
    let name = |at: usize| (FIELDS[at], format!("[centre of cluster {}]", clusters[at]));
    let candidates = candidates(draw, sizes, &clusters)?;
    let [support, query] = draw.classes(sizes, candidates, |text, _| {
        Some([("text", text)].into_iter().chain((0..clusters.len()).map(name)).collect())
    })?;
    Ok(DrawnSets { answers, clusters, support, query })
}

/// The answers are words typical of the clusters; no sentence holds one of them.
pub(super) fn topic_word(draw: &mut Draw<'_>, sizes: SetSizes) -> Result<DrawnSets> {
    let count = 2 + draw.random.below(draw.choices - 1);
    let (clusters, words) = draw.until(|draw| {
        let clusters = draw.distinct(draw.part.eligible(Format::TopicWord), count)?;
        let mut words: Vec<usize> = Vec::with_capacity(count);
        for &cluster in &clusters {
            let typical = draw.words()?.typical(cluster).to_vec();
            words.push(typical[draw.random.below(typical.len().min(NAMES))]);
        }
        Ok(draw.words()?.differ(&words).then_some((clusters, words)))
    })?;
    let mut answers = Vec::with_capacity(count);
    for word in words {
        answers.push(draw.words()?.text(word).to_owned());
    }
    let candidates = candidates(draw, sizes, &clusters)?;
    let [support, query] = draw.classes(sizes, candidates, |text, _| {
        answers.iter().all(|word| find_word(&text, word).is_none()).then(|| vec![("text", text)])
    })?;
    Ok(DrawnSets { answers, clusters, support, query })
}

/// Members of each of `clusters` in random order, twice as many as a label can need, as some may not do.
fn candidates(draw: &mut Draw<'_>, sizes: SetSizes, clusters: &[usize]) -> Result<Vec<Vec<u32>>> {
    let most = 2 * (sizes.support + sizes.query);
    let mut candidates = Vec::with_capacity(clusters.len());
    for &cluster in clusters {
        let members = draw.clusters.members(cluster);
        candidates.push(draw.distinct(members, most.min(members.len()))?);
    }
    Ok(candidates)
}
