//! D, how alike two tasks' domains are (method section 6, step 4).

use crate::gradient_regularizer::cosine;

/// (1 + cosine of the mean centre of the clusters `own` and that of `other`) / 2, for `centers` of width `width` row by
/// row.
pub fn domain_similarity(centers: &[f32], width: usize, own: &[usize], other: &[usize]) -> f64 {
    let mean = |clusters: &[usize]| {
        let mut mean = vec![0.0; width];
        for cluster in clusters {
            let center = &centers[cluster * width..(cluster + 1) * width];
            mean.iter_mut().zip(center).for_each(|(sum, x)| *sum += x / clusters.len() as f32);
        }
        mean
    };
    (1.0 + cosine(&mean(own), &mean(other))) / 2.0
}
