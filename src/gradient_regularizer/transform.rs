//! The low-rank layers: x <- ReLU(U (V x) + b) on every row, with U (d, r), V (r, d), b (d).
//!
//! The ReLU also stands behind the last layer, so the output is nowhere negative, as published (method section 5).

use super::GradientRegularizer;

/// What the backward pass needs: the input of every layer and at last the output, (P, d) each, and V x, (P, r) each.
#[derive(Clone, Debug)]
pub(super) struct TransformActivations {
    states: Vec<Vec<f32>>,
    inner: Vec<Vec<f32>>,
}

impl TransformActivations {
    /// The raw gradient.
    pub(super) fn input(&self) -> &[f32] {
        &self.states[0]
    }

    /// What the layers made of it, before any rescaling.
    pub(super) fn output(&self) -> &[f32] {
        &self.states[self.states.len() - 1]
    }
}

/// Runs all layers on the rows of `gradient`.
pub(super) fn forward(psi: &GradientRegularizer, gradient: &[f32]) -> TransformActivations {
    let (d, r) = (psi.shape.width, psi.shape.rank);
    let mut saved = TransformActivations { states: vec![gradient.to_vec()], inner: Vec::new() };
    for l in 0..psi.shape.layers {
        let [u, v, bias] = layer(psi, l);
        let inner = products(&saved.states[l], v, d);
        let mut x = products(&inner, u, r);
        for row in x.chunks_exact_mut(d) {
            row.iter_mut().zip(bias).for_each(|(x, b)| *x = (*x + b).max(0.0));
        }
        saved.inner.push(inner);
        saved.states.push(x);
    }
    saved
}

/// Adds to the layers' part of `sum` the gradient of a loss whose gradient to the output is `dx`.
pub(super) fn backward(psi: &GradientRegularizer, saved: &TransformActivations, mut dx: Vec<f32>, sum: &mut [f32]) {
    let (d, r, length) = (psi.shape.width, psi.shape.rank, psi.shape.layer_len());
    for l in (0..psi.shape.layers).rev() {
        let [u, v, _] = layer(psi, l);
        dx.iter_mut().zip(&saved.states[l + 1]).for_each(|(dx, &x)| *dx = if x > 0.0 { *dx } else { 0.0 });
        let (du, rest) = sum[l * length..(l + 1) * length].split_at_mut(d * r);
        let (dv, dbias) = rest.split_at_mut(r * d);
        add_outer(&dx, &saved.inner[l], d, r, du);
        dx.chunks_exact(d).for_each(|row| add_scaled(dbias, row, 1.0));
        let dinner = combinations(&dx, u, d, r);
        add_outer(&dinner, &saved.states[l], r, d, dv);
        if l > 0 {
            dx = combinations(&dinner, v, r, d);
        }
    }
}

/// u, v and bias of layer `l`.
fn layer(psi: &GradientRegularizer, l: usize) -> [&[f32]; 3] {
    let (d, r, length) = (psi.shape.width, psi.shape.rank, psi.shape.layer_len());
    let (u, rest) = psi.values[l * length..(l + 1) * length].split_at(d * r);
    let (v, bias) = rest.split_at(r * d);
    [u, v, bias]
}

/// Every row of `x` (width `n`) times every row of `weight` (width `n`).
fn products(x: &[f32], weight: &[f32], n: usize) -> Vec<f32> {
    x.chunks_exact(n).flat_map(|x| weight.chunks_exact(n).map(move |w| dot(x, w))).collect()
}

/// Every row of `x` (width `m`) times the matrix `weight` (m, n).
fn combinations(x: &[f32], weight: &[f32], m: usize, n: usize) -> Vec<f32> {
    let mut out = vec![0.0; x.len() / m * n];
    for (out, x) in out.chunks_exact_mut(n).zip(x.chunks_exact(m)) {
        weight.chunks_exact(n).zip(x).for_each(|(row, &x)| add_scaled(out, row, x));
    }
    out
}

/// Adds the sum over rows of the outer products of `a` (width `m`) and `b` (width `n`) to `sum` (m, n).
fn add_outer(a: &[f32], b: &[f32], m: usize, n: usize, sum: &mut [f32]) {
    for (a, b) in a.chunks_exact(m).zip(b.chunks_exact(n)) {
        sum.chunks_exact_mut(n).zip(a).for_each(|(row, &a)| add_scaled(row, b, a));
    }
}

fn add_scaled(to: &mut [f32], from: &[f32], factor: f32) {
    if factor != 0.0 {
        to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from);
    }
}

/// In eight sums side by side, which the compiler turns into vector code.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (a_blocks, a_rest) = a.as_chunks::<8>();
    let (b_blocks, b_rest) = b.as_chunks::<8>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        (0..8).for_each(|i| sums[i] += a[i] * b[i]);
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}
