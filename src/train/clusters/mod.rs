//! Sentences in K clusters by meaning: the domains that anchor tasks are drawn from (method section 2).

mod file;
mod k_means;

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result, Status, fail};
use crate::limits::within;
use crate::runtime::{Cancel, Random};
use crate::train::EmbeddingTable;

/// Members of a cluster that stand for it.
pub(super) const REPRESENTATIVES: usize = 64;
/// Most clusters, and most rows of a batch.
const MOST: usize = 1 << 16;

/// How to cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterOptions {
    /// K (published: 250).
    pub count: usize,
    /// Rows of a mini-batch; the start is drawn from so many rows too, or from 4 K when that is more.
    pub batch: usize,
    /// Mini-batches.
    pub steps: usize,
    /// Share of the clusters, 0 to 0.9, that only validation tasks are drawn from.
    pub held_out: f64,
    /// Seed of the start, the batches and the held-out share.
    pub seed: u64,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self { count: 250, batch: 4096, steps: 100, held_out: 0.1, seed: 1 }
    }
}

/// K centres and who belongs to them. Memory: 8 bytes a sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct Clusters {
    width: usize,
    centers: Vec<f32>,
    /// Cluster of every sentence.
    assignment: Vec<u32>,
    /// Sentences ordered by cluster, then by number.
    members: Vec<u32>,
    /// Where each cluster's members start; one more at the end.
    starts: Vec<usize>,
    /// Up to 64 members of each cluster, nearest to its centre first.
    nearest: Vec<Vec<u32>>,
    held_out: Vec<bool>,
}

impl Clusters {
    /// Clusters the rows of `embeddings`; clusters of the same rows and options that lie in the folder `work` are taken
    /// as they are. `progress` hears how many of how many rows were seen; its error ends the call. The same on any number of
    /// threads (0 = all cores); the processor's best instructions are used.
    ///
    /// Errors: `InvalidOption` (more clusters than rows, for one), `Io`, `DiskFull`, `CorruptFile`, `Cancelled`.
    pub fn build(
        embeddings: &EmbeddingTable,
        options: &ClusterOptions,
        thread_count: usize,
        work: &Path,
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
        cancel: &Cancel,
    ) -> Result<Self> {
        options.check()?;
        options.check_rows(embeddings.len())?;
        let ClusterOptions { count, batch, steps, seed, .. } = options;
        let whole = format!("clusters 1 {} {count} {batch} {steps} {seed}", embeddings.key());
        let key = format!("{:x}", Sha256::digest(whole));
        let path = work.join(format!("clusters-{}.safetensors", &key[..16]));
        let found = match path.exists() {
            true => file::read(&path, *count, embeddings.width(), embeddings.len())?,
            false => {
                let found = k_means::run(embeddings, options, thread_count, progress, cancel)?;
                std::fs::create_dir_all(work).map_err(|e| Error::io(work, &e))?;
                file::write(&path, &found)?;
                found
            }
        };
        Ok(Self::new(found, options))
    }

    fn new(found: Found, options: &ClusterOptions) -> Self {
        let Found { width, centers, assignment, nearest } = found;
        let mut starts = vec![0; options.count + 1];
        assignment.iter().for_each(|&cluster| starts[cluster as usize + 1] += 1);
        (0..options.count).for_each(|cluster| starts[cluster + 1] += starts[cluster]);
        let mut next = starts.clone();
        let mut members = vec![0; assignment.len()];
        for (sentence, &cluster) in assignment.iter().enumerate() {
            members[next[cluster as usize]] = sentence as u32;
            next[cluster as usize] += 1;
        }
        let mut order: Vec<usize> = (0..options.count).collect();
        Random::new(options.seed, "held-out clusters").shuffle(&mut order);
        let mut held_out = vec![false; options.count];
        order[..options.held_out_count()].iter().for_each(|&cluster| held_out[cluster] = true);
        Self { width, centers, assignment, members, starts, nearest, held_out }
    }

    /// K.
    pub fn count(&self) -> usize {
        self.held_out.len()
    }

    /// Values of a centre.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All centres, (K, width) row by row.
    pub fn centers(&self) -> &[f32] {
        &self.centers
    }

    /// The cluster of `sentence`.
    pub fn of(&self, sentence: u32) -> usize {
        self.assignment[sentence as usize] as usize
    }

    /// The sentences of `cluster`, ascending; there may be none.
    pub fn members(&self, cluster: usize) -> &[u32] {
        &self.members[self.starts[cluster]..self.starts[cluster + 1]]
    }

    /// Up to 64 members of `cluster`, nearest to its centre first.
    pub fn nearest(&self, cluster: usize) -> &[u32] {
        &self.nearest[cluster]
    }

    /// Whether `cluster` is kept for validation.
    pub fn is_held_out(&self, cluster: usize) -> bool {
        self.held_out[cluster]
    }

    /// Number of members of every cluster.
    pub fn sizes(&self) -> Vec<usize> {
        self.starts.windows(2).map(|edge| edge[1] - edge[0]).collect()
    }
}

/// What clustering finds.
struct Found {
    width: usize,
    centers: Vec<f32>,
    assignment: Vec<u32>,
    nearest: Vec<Vec<u32>>,
}

impl ClusterOptions {
    /// `InvalidOption` names the option that is out of its range.
    pub(super) fn check(&self) -> Result<()> {
        within("clusters", self.count, 2..=MOST)?;
        within("cluster batch", self.batch, 1..=MOST)?;
        within("cluster steps", self.steps, 0..=1_000_000)?;
        within("held_out", self.held_out, 0.0..=0.9)
    }

    /// `InvalidOption` where there are fewer rows than clusters.
    pub(super) fn check_rows(&self, rows: usize) -> Result<()> {
        if self.count > rows {
            let message = format!("{} clusters need as many sentences, there are {rows}: ask for fewer", self.count);
            return fail(Status::InvalidOption, message);
        }
        Ok(())
    }

    /// How many clusters are held out.
    pub(super) fn held_out_count(&self) -> usize {
        (self.held_out * self.count as f64).round() as usize
    }
}

#[cfg(test)]
mod tests;
