//! Pairs of sentences: does the second follow the first, or are both of one cluster? (method section 3, nsp and scsp)

use super::draw::{Draw, DrawnSets};
use super::options::{Format, SetSizes};
use super::wordings::Wording;
use crate::error::Result;

/// A cluster's sentences with what follows them (label 0), with another sentence of the cluster (label 1 of three; our
/// reading of the middle class) or with one of another cluster (the last label).
pub(super) fn next(draw: &mut Draw<'_>, wording: &Wording, sizes: SetSizes) -> Result<DrawnSets> {
    let cluster = draw.one(draw.part.eligible(Format::NextPair));
    let asked = draw.distinct(draw.part.followed(cluster), sizes.support + sizes.query)?;
    let answers = wording.answers(draw.choices);
    let [support, query] = draw.sets(answers.len(), sizes, asked, |draw, at, label| {
        let taken = [draw.sentences.text(at)?, draw.sentences.text(at + 1)?];
        let second = match label {
            0 => taken[1].clone(),
            label if label + 1 < answers.len() => draw.member_text(cluster, &taken)?,
            _ => draw.foreign_text(cluster, &taken)?,
        };
        let [first, _] = taken;
        Ok(vec![("first", first), ("second", second)])
    })?;
    Ok(DrawnSets { answers, clusters: vec![cluster], support, query })
}

/// A cluster's sentences with another of the cluster (label 0) or of another cluster (label 1). Unlike the released code
/// a sentence never meets itself.
pub(super) fn same_cluster(draw: &mut Draw<'_>, wording: &Wording, sizes: SetSizes) -> Result<DrawnSets> {
    let cluster = draw.one(draw.part.eligible(Format::ClusterPair));
    let asked = draw.distinct(draw.clusters.members(cluster), sizes.support + sizes.query)?;
    let answers = wording.answers(draw.choices);
    let [support, query] = draw.sets(answers.len(), sizes, asked, |draw, at, label| {
        let taken = [draw.sentences.text(at)?];
        let second = match label {
            0 => draw.member_text(cluster, &taken)?,
            _ => draw.foreign_text(cluster, &taken)?,
        };
        let [first] = taken;
        Ok(vec![("first", first), ("second", second)])
    })?;
    Ok(DrawnSets { answers, clusters: vec![cluster], support, query })
}
