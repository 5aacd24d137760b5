//! The parameters of psi: names and shapes of the authors' checkpoint (method section 5), start values, access.

use super::{GATE_WIDTH, GradientRegularizer};
use crate::error::{Result, Status, fail};
use crate::limits::{MAX_REGULARIZER_LAYERS, MAX_WIDTH};
use crate::runtime::Random;

/// Sizes of a regularizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// d, the width of a prompt row.
    pub width: usize,
    /// r, the inner width of every layer, at most d.
    pub rank: usize,
    /// Number of low-rank layers, at least 1 (the authors have 2).
    pub layers: usize,
}

/// One parameter tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterTensor {
    /// As in the authors' checkpoint, e.g. "mlp.layers.0.u".
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its place in [`GradientRegularizer::values`].
    pub range: std::ops::Range<usize>,
}

impl Shape {
    /// Checks the sizes. Errors: `InvalidOption` names the size, its range and what was given.
    pub fn validate(&self) -> Result<()> {
        let Self { width, rank, layers } = *self;
        if width == 0
            || width > MAX_WIDTH
            || rank == 0
            || rank > width
            || layers == 0
            || layers > MAX_REGULARIZER_LAYERS
        {
            return fail(
                Status::InvalidOption,
                format!(
                    "a gradient regularizer has a width of 1 to {MAX_WIDTH}, a rank of 1 to its width and 1 to \
                     {MAX_REGULARIZER_LAYERS} layers; width {width}, rank {rank} and {layers} layers were given"
                ),
            );
        }
        Ok(())
    }

    /// All tensors in the order of their values: u (d, r), v (r, d), bias (d) of every layer, then the gate's.
    pub fn tensors(&self) -> Vec<ParameterTensor> {
        let Self { width: d, rank: r, layers } = *self;
        let layer = |l: usize| {
            [("u", vec![d, r]), ("v", vec![r, d]), ("bias", vec![d])]
                .map(|(name, shape)| (format!("mlp.layers.{l}.{name}"), shape))
        };
        let gate = [
            ("mlp.linear_1.weight", vec![GATE_WIDTH, d]),
            ("mlp.linear_1.bias", vec![GATE_WIDTH]),
            ("mlp.linear_2.weight", vec![1, GATE_WIDTH]),
            ("mlp.linear_2.bias", vec![1]),
        ];
        let gate = gate.map(|(name, shape)| (name.to_owned(), shape));
        let mut start = 0;
        let place = |(name, shape): (String, Vec<usize>)| {
            let range = start..start + shape.iter().product::<usize>();
            start = range.end;
            ParameterTensor { name, shape, range }
        };
        (0..layers).flat_map(layer).chain(gate).map(place).collect()
    }

    /// How many values there are in all.
    pub fn count(&self) -> usize {
        self.gate_start() + GATE_WIDTH * self.width + 2 * GATE_WIDTH + 1
    }

    /// Where the gate's values begin.
    pub(super) fn gate_start(&self) -> usize {
        self.layers * self.layer_len()
    }

    /// Values of one layer.
    pub(super) fn layer_len(&self) -> usize {
        2 * self.width * self.rank + self.width
    }
}

impl GradientRegularizer {
    /// A regularizer of given values, as [`GradientRegularizer::values`] gives them.
    ///
    /// Errors: `InvalidOption` for sizes out of range, `InvalidArgument` for another number of values, `NotFinite`.
    pub fn new(shape: Shape, values: Vec<f32>) -> Result<Self> {
        shape.validate()?;
        if values.len() != shape.count() {
            return fail(
                Status::InvalidArgument,
                format!("a regularizer of {shape:?} has {} values, {} came", shape.count(), values.len()),
            );
        }
        if !values.iter().all(|v| v.is_finite()) {
            return fail(Status::NotFinite, "a regularizer's parameters must be finite; NaN or infinity came");
        }
        Ok(Self { shape, values })
    }

    /// Start values as published ("id", method section 5): u and v standard normal, bias 0, the gate uniform within
    /// 1 / sqrt(inputs) as torch starts a linear layer.
    ///
    /// Errors: `InvalidOption` for sizes out of range.
    pub fn random(shape: Shape, seed: u64) -> Result<Self> {
        shape.validate()?;
        let mut random = Random::new(seed, "gradient regularizer");
        let mut values = Vec::with_capacity(shape.count());
        for _ in 0..shape.layers {
            values.extend((0..2 * shape.width * shape.rank).map(|_| random.normal() as f32));
            values.extend(std::iter::repeat_n(0.0, shape.width));
        }
        for (count, inputs) in [(GATE_WIDTH * shape.width + GATE_WIDTH, shape.width), (GATE_WIDTH + 1, GATE_WIDTH)] {
            let bound = 1.0 / (inputs as f64).sqrt();
            values.extend((0..count).map(|_| (bound * (2.0 * random.unit() - 1.0)) as f32));
        }
        Self::new(shape, values)
    }

    /// Its sizes.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// phi: all parameters, tensor after tensor in the order of [`Shape::tensors`].
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// phi, to be moved by an optimizer.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}
