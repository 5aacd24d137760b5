//! The gate: c = sigmoid(W2 ReLU(W1 e + b1) + b2), with W1 (24, d), b1 (24), W2 (1, 24), b2 (1).

use super::GradientRegularizer;

/// Hidden units of the gate.
pub const GATE_WIDTH: usize = 24;

/// What the backward pass needs.
#[derive(Clone, Debug)]
pub(super) struct GateActivations {
    pooled: Vec<f32>,
    /// After the ReLU.
    hidden: Vec<f32>,
}

/// c for the pooled state `pooled` (d).
pub(super) fn forward(psi: &GradientRegularizer, pooled: &[f32]) -> (f32, GateActivations) {
    let d = psi.shape.width;
    let values = &psi.values[psi.shape.gate_start()..];
    let (weight, rest) = values.split_at(GATE_WIDTH * d);
    let (bias, rest) = rest.split_at(GATE_WIDTH);
    let unit = |(row, b): (&[f32], &f32)| (dot(row, pooled) + f64::from(*b)).max(0.0) as f32;
    let hidden: Vec<f32> = weight.chunks_exact(d).zip(bias).map(unit).collect();
    let z = dot(&rest[..GATE_WIDTH], &hidden) + f64::from(rest[GATE_WIDTH]);
    ((1.0 / (1.0 + (-z).exp())) as f32, GateActivations { pooled: pooled.to_vec(), hidden })
}

/// Adds to the gate's part of `sum` the gradient of a loss whose gradient to c is `gradient`.
pub(super) fn backward(psi: &GradientRegularizer, saved: &GateActivations, c: f32, gradient: f32, sum: &mut [f32]) {
    let (d, start) = (psi.shape.width, psi.shape.gate_start());
    let second = &psi.values[start + GATE_WIDTH * d + GATE_WIDTH..][..GATE_WIDTH];
    let dz = gradient * c * (1.0 - c);
    let (weight, rest) = sum[start..].split_at_mut(GATE_WIDTH * d);
    let (bias, rest) = rest.split_at_mut(GATE_WIDTH);
    for (unit, (row, bias)) in weight.chunks_exact_mut(d).zip(bias).enumerate() {
        rest[unit] += dz * saved.hidden[unit];
        if saved.hidden[unit] > 0.0 {
            let dunit = dz * second[unit];
            *bias += dunit;
            row.iter_mut().zip(&saved.pooled).for_each(|(sum, e)| *sum += dunit * e);
        }
    }
    rest[GATE_WIDTH] += dz;
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}
