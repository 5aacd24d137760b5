//! The vectors that stand for clusters in a text (method section 9).

use std::sync::Arc;

use super::options::CenterRows;
use crate::backbone::Backbone;
use crate::error::{Result, Status, fail};
use crate::train::{Clusters, SentenceStore};

/// Most tokens of a sentence that count.
const MAX_TOKENS: usize = 128;

/// One vector of the backbone's width for each cluster.
///
/// Errors: `InvalidOption` when the centres are to be fed as they are and have another width.
pub(super) fn center_rows(
    kind: CenterRows,
    sentences: &SentenceStore,
    clusters: &Clusters,
    backbone: &dyn Backbone,
) -> Result<Vec<Arc<[f32]>>> {
    let d = backbone.width();
    match kind {
        CenterRows::SentenceEncoder if clusters.width() == d => {
            Ok(clusters.centers().chunks_exact(d).map(Arc::from).collect())
        }
        CenterRows::SentenceEncoder => fail(
            Status::InvalidOption,
            format!(
                "centres of width {} cannot be fed to a backbone of width {d}: take a sentence encoder of that width, or \
                 center_rows = backbone",
                clusters.width()
            ),
        ),
        CenterRows::Backbone => in_embedding_space(sentences, clusters, backbone),
    }
}

/// The mean over members near the centre of their mean token embedding; less the mean over clusters, since what all
/// sentences share would hide what tells clusters apart; scaled to the mean norm of the embedding table's rows.
fn in_embedding_space(
    sentences: &SentenceStore,
    clusters: &Clusters,
    backbone: &dyn Backbone,
) -> Result<Vec<Arc<[f32]>>> {
    let (d, count) = (backbone.width(), clusters.count());
    let mut means = vec![0.0f64; count * d];
    let mut embedding = vec![0.0; d];
    for (cluster, mean) in means.chunks_exact_mut(d).enumerate() {
        let members = clusters.nearest(cluster);
        for &member in members {
            let ids = backbone.tokenizer().encode_at_most(&sentences.text(member)?, MAX_TOKENS)?;
            let weight = 1.0 / (members.len() * ids.len().max(1)) as f64;
            for id in ids {
                backbone.embed(id, &mut embedding);
                mean.iter_mut().zip(&embedding).for_each(|(sum, &x)| *sum += weight * f64::from(x));
            }
        }
    }
    let filled = (0..count).filter(|&cluster| !clusters.members(cluster).is_empty()).count();
    let mut shared = vec![0.0f64; d];
    for mean in means.chunks_exact(d) {
        shared.iter_mut().zip(mean).for_each(|(sum, x)| *sum += x / filled.max(1) as f64);
    }
    let norm = mean_row_norm(backbone);
    let row = |mean: &[f64]| {
        let mut row: Vec<f64> = mean.iter().zip(&shared).map(|(x, shared)| x - shared).collect();
        let scale = norm / row.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        row.iter_mut().for_each(|x| *x *= scale);
        row.into_iter().map(|x| x as f32).collect()
    };
    Ok(means.chunks_exact(d).map(row).collect())
}

/// The mean Euclidean norm of the input embeddings that plain text uses.
fn mean_row_norm(backbone: &dyn Backbone) -> f64 {
    let ids = backbone.tokenizer().plain_ids();
    let mut row = vec![0.0; backbone.width()];
    let mut sum = 0.0;
    for &id in &ids {
        backbone.embed(id, &mut row);
        sum += row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    }
    sum / ids.len().max(1) as f64
}
