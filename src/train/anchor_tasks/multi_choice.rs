//! One right answer among sentences of other clusters (method section 3, nss and scss).

use super::anchor_task::FIELDS;
use super::draw::{Draw, DrawnSets};
use super::options::{Format, SetSizes};
use super::wordings::Wording;
use crate::error::Result;

/// Which sentence follows one of a cluster's? The wrong ones are of other clusters.
pub(super) fn next(draw: &mut Draw<'_>, wording: &Wording, sizes: SetSizes) -> Result<DrawnSets> {
    let cluster = draw.one(draw.part.eligible(Format::NextChoice));
    let asked = draw.distinct(draw.part.followed(cluster), sizes.support + sizes.query)?;
    choose(draw, wording, sizes, cluster, asked, |draw, at, _| draw.sentences.text(at + 1))
}

/// Which sentence is of the same cluster? The wrong ones are of other clusters. Unlike the released code a sentence never
/// is its own answer.
pub(super) fn same_cluster(draw: &mut Draw<'_>, wording: &Wording, sizes: SetSizes) -> Result<DrawnSets> {
    let cluster = draw.one(draw.part.eligible(Format::ClusterChoice));
    let asked = draw.distinct(draw.clusters.members(cluster), sizes.support + sizes.query)?;
    choose(draw, wording, sizes, cluster, asked, |draw, _, text| draw.member_text(cluster, std::slice::from_ref(text)))
}

/// The sets that ask about the sentences `asked`; `right` gives the answer to a sentence and its text.
fn choose<'a>(
    draw: &mut Draw<'a>,
    wording: &Wording,
    sizes: SetSizes,
    cluster: usize,
    asked: Vec<u32>,
    right: impl Fn(&mut Draw<'a>, u32, &String) -> Result<String>,
) -> Result<DrawnSets> {
    let answers = wording.answers(draw.choices);
    let [support, query] = draw.sets(answers.len(), sizes, asked, |draw, at, label| {
        let text = draw.sentences.text(at)?;
        let answer = right(draw, at, &text)?;
        let mut taken = vec![text.clone(), answer.clone()];
        let mut fields = vec![("text", text)];
        for (option, name) in FIELDS[..answers.len()].iter().enumerate() {
            if option == label {
                fields.push((name, answer.clone()));
            } else {
                let wrong = draw.foreign_text(cluster, &taken)?;
                taken.push(wrong.clone());
                fields.push((name, wrong));
            }
        }
        Ok(fields)
    })?;
    Ok(DrawnSets { answers, clusters: vec![cluster], support, query })
}
