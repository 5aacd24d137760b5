//! psi_phi, the learned transform of the prompt gradient (method section 5): low-rank ReLU layers on every row, rescaled to
//! the gradient's size, and a gate from the pooled hidden state that mixes the result with the raw gradient.
//!
//! psi(G, e) = (1 - c(e)) * rescaled(layers(G)) + c(e) * G, with G (P, d), e (d) and the gate c in 0..1.

mod gate;
mod parameters;
mod rescaling;
mod transform;

use crate::error::{Result, Status, fail};

pub use gate::GATE_WIDTH;
pub use parameters::{ParameterTensor, Shape};
pub use rescaling::{EPSILON, Rescaling};

use gate::GateActivations;
use transform::TransformActivations;

/// psi_phi: its shape and its parameters phi.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientRegularizer {
    shape: Shape,
    /// All parameters, tensor after tensor in the order of [`Shape::tensors`].
    values: Vec<f32>,
}

/// What psi makes of a gradient, with what its backward pass needs.
#[derive(Clone, Debug)]
pub struct Regularized {
    /// psi(G, e), (P, d) row by row.
    pub gradient: Vec<f32>,
    /// c, the weight of the raw gradient, in 0..1.
    pub gate: f32,
    /// The layers' output brought to the size of G.
    rescaled: Vec<f32>,
    rescaling: Rescaling,
    layers: TransformActivations,
    gate_layers: GateActivations,
}

impl Regularized {
    /// The layers' output before any rescaling, (P, d).
    pub fn unscaled(&self) -> &[f32] {
        self.layers.output()
    }
}

impl GradientRegularizer {
    /// psi(G, e) for `gradient` = G, (P, d) row by row, and the pooled hidden state `pooled` = e, (d).
    ///
    /// Errors: `InvalidArgument` when a length does not fit the width d.
    pub fn apply(&self, gradient: &[f32], pooled: &[f32], rescaling: Rescaling) -> Result<Regularized> {
        let d = self.shape.width;
        if pooled.len() != d || gradient.is_empty() || !gradient.len().is_multiple_of(d) {
            return fail(
                Status::InvalidArgument,
                format!(
                    "a regularizer of width {d} takes rows and a pooled state of {d} values; a gradient of {} and a \
                     state of {} came",
                    gradient.len(),
                    pooled.len()
                ),
            );
        }
        let layers = transform::forward(self, gradient);
        let rescaled = rescaling.forward(layers.output(), gradient, d);
        let (c, gate_layers) = gate::forward(self, pooled);
        let mixed = rescaled.iter().zip(gradient).map(|(x, g)| (1.0 - c) * x + c * g).collect();
        Ok(Regularized { gradient: mixed, gate: c, rescaled, rescaling, layers, gate_layers })
    }

    /// Adds to `sum` (as [`GradientRegularizer::values`]) the gradient to phi of a loss whose gradient to psi(G, e) is
    /// `output` (P, d), and to the gate, beyond that, `gate`. G and e are constants (first order).
    pub fn backward(&self, done: &Regularized, output: &[f32], gate: f32, sum: &mut [f32]) {
        let c = done.gate;
        let raw = done.layers.input();
        let through = output.iter().zip(&done.rescaled).zip(raw).map(|((o, x), g)| f64::from(o * (g - x))).sum::<f64>();
        gate::backward(self, &done.gate_layers, c, through as f32 + gate, sum);
        let dx: Vec<f32> = output.iter().map(|o| (1.0 - c) * o).collect();
        let dx = done.rescaling.backward(done.layers.output(), raw, &dx, self.shape.width);
        transform::backward(self, &done.layers, dx, sum);
    }
}

/// The regularization loss of the gate, (0.5 D + 0.5 s - c)^2, and its gradient to c (method section 6, step 5).
///
/// D is the similarity of the domains and s that of the query gradient and psi's, both constants in 0..1.
pub fn gate_loss(domain_similarity: f64, gradient_similarity: f64, gate: f32) -> (f64, f32) {
    let off = 0.5 * domain_similarity + 0.5 * gradient_similarity - f64::from(gate);
    (off * off, (-2.0 * off) as f32)
}

/// The cosine of the angle between `a` and `b`, of the same length; 0 when one of them is 0.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let sizes = (dot(a, a) * dot(b, b)).sqrt();
    if sizes > 0.0 { dot(a, b) / sizes } else { 0.0 }
}

#[cfg(test)]
mod tests;
