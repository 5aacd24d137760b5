//! Mini-batch K-means (Sculley 2010) with a k-means++ start, over rows that stay on disk.

use super::{ClusterOptions, Found, REPRESENTATIVES};
use crate::backbone::weights::{Format, FrozenMatrix, Storage};
use crate::error::Result;
use crate::kernels::linear::{self, Output};
use crate::kernels::{Compute, Isa};
use crate::runtime::{Cancel, Random, Threads};
use crate::train::EmbeddingTable;

/// Rows assigned together in the last pass.
const CHUNK: usize = 4096;

/// Start, mini-batches, then one pass that gives every row its cluster.
pub(super) fn run(
    embeddings: &EmbeddingTable,
    options: &ClusterOptions,
    thread_count: usize,
    progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    cancel: &Cancel,
) -> Result<Found> {
    let compute = Compute { threads: Threads::new(thread_count)?, isa: Isa::select(None)? };
    let (width, rows) = (embeddings.width(), embeddings.len());
    let mut random = Random::new(options.seed, "k-means");
    let mut means = Means::start(&compute, embeddings, options, &mut random, cancel)?;
    let batch = options.batch.min(rows);
    let total = options.steps * batch + rows;
    for step in 0..options.steps {
        cancel.check()?;
        let mut drawn: Vec<u32> = (0..batch).map(|_| random.below(rows) as u32).collect();
        drawn.sort_unstable();
        means.learn(&compute, &embeddings.gather(&drawn)?)?;
        progress((step + 1) * batch, total)?;
    }
    let mut assignment = Vec::with_capacity(rows);
    let mut nearest: Vec<Vec<(f32, u32)>> = vec![Vec::new(); options.count];
    for start in (0..rows).step_by(CHUNK) {
        cancel.check()?;
        let chunk = embeddings.rows(start, CHUNK.min(rows - start))?;
        for (cluster, distance) in closest(&compute, &chunk, &means.centers, width)? {
            keep_nearest(&mut nearest[cluster], distance, assignment.len() as u32);
            assignment.push(cluster as u32);
        }
        progress(options.steps * batch + assignment.len(), total)?;
    }
    let nearest = nearest.into_iter().map(|list| list.into_iter().map(|(_, row)| row).collect()).collect();
    Ok(Found { width, centers: means.centers, assignment, nearest })
}

/// Centres, each the mean of the rows it has taken in.
struct Means {
    width: usize,
    centers: Vec<f32>,
    taken: Vec<u64>,
}

impl Means {
    /// k-means++ (Arthur and Vassilvitskii 2007) on a sample: each next centre is a row, drawn with a probability that
    /// grows with its squared distance to the nearest centre so far.
    fn start(
        compute: &Compute,
        embeddings: &EmbeddingTable,
        options: &ClusterOptions,
        random: &mut Random,
        cancel: &Cancel,
    ) -> Result<Self> {
        let (width, count) = (embeddings.width(), options.count);
        let size = options.batch.max(4 * count).min(embeddings.len());
        let sample = embeddings.gather(&random_positions(embeddings.len(), size, random))?;
        let row = |at: usize| &sample[at * width..(at + 1) * width];
        let mut centers = row(random.below(size)).to_vec();
        let mut distances = vec![f32::INFINITY; size];
        while centers.len() < count * width {
            cancel.check()?;
            let newest = &centers[centers.len() - width..];
            for (distance, (_, new)) in distances.iter_mut().zip(closest(compute, &sample, newest, width)?) {
                *distance = distance.min(new);
            }
            let total: f64 = distances.iter().map(|&distance| f64::from(distance)).sum();
            let mut rest = random.unit() * total;
            // Where all rows are centres already, rounding decides: any row will do.
            let next = distances.iter().position(|&distance| {
                rest -= f64::from(distance);
                rest < 0.0
            });
            centers.extend_from_slice(row(next.unwrap_or_else(|| random.below(size))));
        }
        Ok(Self { width, centers, taken: vec![0; count] })
    }

    /// Takes in a mini-batch: every row moves its nearest centre, the mean of all it took in so far.
    fn learn(&mut self, compute: &Compute, batch: &[f32]) -> Result<()> {
        let width = self.width;
        let closest = closest(compute, batch, &self.centers, width)?;
        for (row, (cluster, _)) in batch.chunks_exact(width).zip(closest) {
            self.taken[cluster] += 1;
            let rate = (1.0 / self.taken[cluster] as f64) as f32;
            let center = &mut self.centers[cluster * width..(cluster + 1) * width];
            center.iter_mut().zip(row).for_each(|(c, x)| *c += rate * (x - *c));
        }
        Ok(())
    }
}

/// `size` different positions below `rows`, ascending (Floyd's sampling).
fn random_positions(rows: usize, size: usize, random: &mut Random) -> Vec<u32> {
    let mut chosen = std::collections::BTreeSet::new();
    for top in rows - size..rows {
        let drawn = random.below(top + 1) as u32;
        if !chosen.insert(drawn) {
            chosen.insert(top as u32);
        }
    }
    chosen.into_iter().collect()
}

/// The nearest centre of every row and the squared distance to it; of equals the first.
fn closest(compute: &Compute, rows: &[f32], centers: &[f32], width: usize) -> Result<Vec<(usize, f32)>> {
    let (m, count) = (rows.len() / width, centers.len() / width);
    let weight = FrozenMatrix::new(count, width, Format::F32, Storage::Owned(centers.to_vec()))?;
    let mut products = vec![0.0; m * count];
    let mut outputs = [Output { weight: &weight, y: &mut products, accumulate: false }];
    compute.threads.enter(|| linear::forward(compute, rows, m, &mut outputs));
    let squares: Vec<f32> = centers.chunks_exact(width).map(square).collect();
    let nearest = |(row, products): (&[f32], &[f32])| {
        let (mut best, mut least) = (0, f32::INFINITY);
        for (cluster, (product, square)) in products.iter().zip(&squares).enumerate() {
            let distance = square - 2.0 * product;
            if distance < least {
                (best, least) = (cluster, distance);
            }
        }
        (best, (least + square(row)).max(0.0))
    };
    Ok(rows.chunks_exact(width).zip(products.chunks_exact(count)).map(nearest).collect())
}

fn square(row: &[f32]) -> f32 {
    row.iter().map(|x| x * x).sum()
}

/// Keeps the nearest rows, nearest first; of equals the earlier.
fn keep_nearest(list: &mut Vec<(f32, u32)>, distance: f32, row: u32) {
    let at = list.partition_point(|&(other, _)| other <= distance);
    if at < REPRESENTATIVES {
        list.truncate(REPRESENTATIVES - 1);
        list.insert(at, (distance, row));
    }
}
