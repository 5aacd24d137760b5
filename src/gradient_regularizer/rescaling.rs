//! Bringing the layers' output to the size of the raw gradient (method section 5, step 3).

use serde::{Deserialize, Serialize};

/// Added to both sizes, so that a dead row or matrix stays 0 where the published choices 1 to 3 divide 0 by 0 (deviation).
pub const EPSILON: f32 = 1e-8;

/// Which size is kept: x / (size(x) + epsilon) * (size(g) + epsilon). The numbers are the authors' `choice`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rescaling {
    /// 0: the Euclidean norm of every row. The authors' meta-training.
    #[default]
    #[serde(rename = "row-l2")]
    RowL2 = 0,
    /// 1: the Euclidean norm of the whole matrix. The authors' downstream adaptation.
    #[serde(rename = "whole-l2")]
    WholeL2 = 1,
    /// 2: the mean absolute value of every row.
    #[serde(rename = "row-mean-abs")]
    RowMeanAbs = 2,
    /// 3: the mean absolute value of the whole matrix.
    #[serde(rename = "whole-mean-abs")]
    WholeMeanAbs = 3,
}

impl Rescaling {
    /// All four, by number.
    pub const ALL: [Self; 4] = [Self::RowL2, Self::WholeL2, Self::RowMeanAbs, Self::WholeMeanAbs];

    /// `x` at the size of `g`; both (P, d) row by row.
    pub(super) fn forward(self, x: &[f32], g: &[f32], d: usize) -> Vec<f32> {
        let block = self.block(x.len(), d);
        let scaled = x.chunks_exact(block).zip(g.chunks_exact(block)).flat_map(|(x, g)| {
            let factor = (self.size(g) + EPSILON) / (self.size(x) + EPSILON);
            x.iter().map(move |x| x * factor)
        });
        scaled.collect()
    }

    /// The gradient to `x` from that to the rescaled `x`, `output`.
    pub(super) fn backward(self, x: &[f32], g: &[f32], output: &[f32], d: usize) -> Vec<f32> {
        let block = self.block(x.len(), d);
        let mut dx = Vec::with_capacity(x.len());
        for ((x, g), output) in x.chunks_exact(block).zip(g.chunks_exact(block)).zip(output.chunks_exact(block)) {
            let size = self.size(x);
            let factor = (self.size(g) + EPSILON) / (size + EPSILON);
            let along = output.iter().zip(x).map(|(o, x)| f64::from(*o) * f64::from(*x)).sum::<f64>() as f32;
            let pull = factor * along / (size + EPSILON);
            let slope = |x: f32| match self {
                Self::RowL2 | Self::WholeL2 if size > 0.0 => x / size,
                Self::RowMeanAbs | Self::WholeMeanAbs if x != 0.0 => x.signum() / block as f32,
                _ => 0.0,
            };
            dx.extend(output.iter().zip(x).map(|(o, &x)| factor * o - pull * slope(x)));
        }
        dx
    }

    /// Values that share one size.
    fn block(self, len: usize, d: usize) -> usize {
        match self {
            Self::RowL2 | Self::RowMeanAbs => d,
            Self::WholeL2 | Self::WholeMeanAbs => len,
        }
    }

    fn size(self, values: &[f32]) -> f32 {
        let values = values.iter().map(|&v| f64::from(v));
        match self {
            Self::RowL2 | Self::WholeL2 => values.map(|v| v * v).sum::<f64>().sqrt() as f32,
            Self::RowMeanAbs | Self::WholeMeanAbs => {
                let count = values.len() as f64;
                (values.map(f64::abs).sum::<f64>() / count) as f32
            }
        }
    }
}
