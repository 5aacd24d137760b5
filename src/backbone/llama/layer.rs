//! One transformer layer over packed rows, forward and backward.

use super::packed::Span;
use crate::backbone::config::LlamaConfig;
use crate::backbone::llama_source::LayerWeights;
use crate::kernels::attention::{self, Gradients, Heads, Rows, Segment};
use crate::kernels::gated::{self, Activation};
use crate::kernels::linear::{self, Output};
use crate::kernels::rope::{Rope, Rotations};
use crate::kernels::{Compute, rms_norm};

/// What a layer computes from, besides its weights.
pub(super) struct Pass<'a> {
    pub compute: &'a Compute,
    pub config: &'a LlamaConfig,
    pub rope: &'a Rope,
    /// Rotations of all rows.
    pub rotations: &'a Rotations,
    /// Rotations of the answer rows.
    pub answer_rotations: &'a Rotations,
    /// Spans of the batch.
    pub spans: &'a [Span],
    /// All rows of the batch.
    pub rows: usize,
    /// The rows the head reads.
    pub answer_rows: &'a [usize],
    /// Rows at the front that are the shared prefix of all spans but the first.
    pub prompt: usize,
}

/// Keys and values of the spans' prefixes in one layer when they are not rows of the batch, span by span.
pub(super) type Prefixes<'a> = Option<&'a [(&'a [f32], &'a [f32])]>;

/// What the forward pass of one layer leaves for its backward pass; row counts as in [`Pass`].
#[derive(Default)]
pub(super) struct Activations {
    /// Input of the layer (set by the caller).
    pub x: Vec<f32>,
    /// Rotated queries: all rows, or the answer rows in the last layer.
    q: Vec<f32>,
    /// Rotated keys, all rows.
    pub k: Vec<f32>,
    /// Values, all rows.
    pub v: Vec<f32>,
    /// After attention: as many rows as `q`.
    mid: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
}

impl Activations {
    /// Values kept for each row of the batch.
    pub(super) fn values_per_row(config: &LlamaConfig) -> usize {
        let heads = heads(config);
        2 * config.width + heads.query_width() + 2 * heads.key_width() + 2 * config.feed_forward
    }
}

/// Buffers that live no longer than one layer; kept between calls so that memory is not asked for again.
#[derive(Default)]
pub(super) struct Buffers {
    normed: Vec<f32>,
    attended: Vec<f32>,
    hidden: Vec<f32>,
    selected: Vec<f32>,
    dgate: Vec<f32>,
    dnormed: Vec<f32>,
    dq: Vec<f32>,
    dk: Vec<f32>,
    dv: Vec<f32>,
    dprefixes: Vec<f32>,
}

impl Buffers {
    /// Values of the buffers for each row of the batch.
    pub(super) fn values_per_row(config: &LlamaConfig) -> usize {
        let heads = heads(config);
        3 * config.width + 2 * heads.query_width() + 2 * heads.key_width() + 2 * config.feed_forward
    }
}

/// Head counts and width of the network.
pub(super) fn heads(config: &LlamaConfig) -> Heads {
    Heads { queries: config.heads, keys: config.kv_heads, width: config.head_width }
}

/// Sets the length, keeping the memory where it suffices and asking for no more than that; the content is arbitrary.
pub(super) fn resize(buffer: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if buffer.capacity() < length {
        *buffer = Vec::new();
        buffer.reserve_exact(length);
    }
    buffer.resize(length, 0.0);
    buffer
}

/// Runs the layer on `saved.x` and writes its output to `out`: all rows, or with `last` the answer rows only.
pub(super) fn forward(
    pass: &Pass<'_>,
    weights: &LayerWeights,
    prefixes: Prefixes<'_>,
    last: bool,
    saved: &mut Activations,
    buffers: &mut Buffers,
    out: &mut Vec<f32>,
) {
    let (compute, config, rows) = (pass.compute, pass.config, pass.rows);
    let (d, heads) = (config.width, heads(config));
    let queries = if last { pass.answer_rows.len() } else { rows };
    let normed = resize(&mut buffers.normed, rows * d);
    rms_norm::forward(compute, &saved.x, &weights.attention_norm, config.norm_epsilon, normed);
    let q = resize(&mut saved.q, queries * heads.query_width());
    let k = resize(&mut saved.k, rows * heads.key_width());
    let v = resize(&mut saved.v, rows * heads.key_width());
    let key = Output { weight: &weights.key, y: k, accumulate: false };
    let value = Output { weight: &weights.value, y: v, accumulate: false };
    let query = Output { weight: &weights.query, y: q, accumulate: false };
    if last {
        gather(&buffers.normed, d, pass.answer_rows, &mut buffers.selected);
        linear::forward(compute, &buffers.normed, rows, &mut [key, value]);
        linear::forward(compute, &buffers.selected, queries, &mut [query]);
        gather(&saved.x, d, pass.answer_rows, &mut saved.mid);
    } else {
        linear::forward(compute, &buffers.normed, rows, &mut [query, key, value]);
        resize(&mut saved.mid, rows * d).copy_from_slice(&saved.x);
    }
    let rotations = if last { pass.answer_rotations } else { pass.rotations };
    pass.rope.rotate(compute, rotations, heads.queries, &mut saved.q, false);
    pass.rope.rotate(compute, pass.rotations, heads.keys, &mut saved.k, false);

    let attended = resize(&mut buffers.attended, queries * heads.query_width());
    let (packed, segments) = segments(pass, prefixes, last, saved);
    attention::forward(compute, heads, &segments, packed, attended);
    let mid = Output { weight: &weights.output, y: &mut saved.mid, accumulate: true };
    linear::forward(compute, attended, queries, &mut [mid]);

    let normed = resize(&mut buffers.normed, queries * d);
    rms_norm::forward(compute, &saved.mid, &weights.feed_forward_norm, config.norm_epsilon, normed);
    let size = queries * config.feed_forward;
    let gate = Output { weight: &weights.gate, y: resize(&mut saved.gate, size), accumulate: false };
    let up = Output { weight: &weights.up, y: resize(&mut saved.up, size), accumulate: false };
    linear::forward(compute, normed, queries, &mut [gate, up]);
    let hidden = resize(&mut buffers.hidden, size);
    gated::forward(compute, Activation::Silu, &saved.gate, &saved.up, hidden);
    resize(out, queries * d).copy_from_slice(&saved.mid);
    linear::forward(compute, hidden, queries, &mut [Output { weight: &weights.down, y: out, accumulate: true }]);
}

/// From the gradient of the layer's output (`dx`: all rows, or with `last` the answer rows) to that of its input, in
/// place. With `first` only the prompt's rows of the input gradient are computed; the others are left out.
pub(super) fn backward(
    pass: &Pass<'_>,
    weights: &LayerWeights,
    (first, last): (bool, bool),
    saved: &Activations,
    buffers: &mut Buffers,
    dx: &mut Vec<f32>,
) {
    let (compute, config) = (pass.compute, pass.config);
    let (d, heads) = (config.width, heads(config));
    let queries = if last { pass.answer_rows.len() } else { pass.rows };
    let size = queries * config.feed_forward;
    let dhidden = resize(&mut buffers.hidden, size);
    linear::backward(compute, queries, &[(&weights.down, &dx[..])], dhidden, false);
    let dgate = resize(&mut buffers.dgate, size);
    gated::backward(compute, Activation::Silu, &saved.gate, &saved.up, dhidden, dgate);
    let dnormed = resize(&mut buffers.dnormed, queries * d);
    linear::backward(compute, queries, &[(&weights.gate, dgate), (&weights.up, dhidden)], dnormed, false);
    rms_norm::backward(compute, &saved.mid, &weights.feed_forward_norm, config.norm_epsilon, dnormed, dx);

    let dattended = resize(&mut buffers.attended, queries * heads.query_width());
    linear::backward(compute, queries, &[(&weights.output, &dx[..])], dattended, false);
    let (packed, segments) = segments(pass, None, last, saved);
    let part = pass.prompt * heads.key_width();
    let gradients = Gradients {
        dq: resize(&mut buffers.dq, queries * heads.query_width()),
        dk: resize(&mut buffers.dk, pass.rows * heads.key_width()),
        dv: resize(&mut buffers.dv, pass.rows * heads.key_width()),
        prefixes: resize(&mut buffers.dprefixes, segments.len() * 2 * part),
    };
    attention::backward(compute, heads, &segments, packed, dattended, gradients);
    for span in buffers.dprefixes.chunks_exact(2 * part.max(1)).skip(1) {
        add(&mut buffers.dk[..part], &span[..part]);
        add(&mut buffers.dv[..part], &span[part..]);
    }

    let rows = if first { pass.prompt } else { pass.rows };
    let rotations = if last { pass.answer_rotations } else { pass.rotations };
    buffers.dk.truncate(rows * heads.key_width());
    pass.rope.rotate(compute, pass.rotations, heads.keys, &mut buffers.dk, true);
    let (key, value) = ((&weights.key, &buffers.dk[..]), (&weights.value, &buffers.dv[..]));
    if last {
        pass.rope.rotate(compute, rotations, heads.queries, &mut buffers.dq, true);
        let dnormed = resize(&mut buffers.dnormed, pass.rows * d);
        linear::backward(compute, rows, &[key, value], dnormed, false);
        let selected = resize(&mut buffers.selected, queries * d);
        linear::backward(compute, queries, &[(&weights.query, &buffers.dq)], selected, false);
        scatter_add(selected, d, pass.answer_rows, dnormed);
        selected.copy_from_slice(&dx[..queries * d]);
        resize(dx, pass.rows * d).fill(0.0);
        scatter_add(selected, d, pass.answer_rows, dx);
    } else {
        buffers.dq.truncate(rows * heads.query_width());
        pass.rope.rotate(compute, rotations, heads.queries, &mut buffers.dq, true);
        let dnormed = resize(&mut buffers.dnormed, rows * d);
        linear::backward(compute, rows, &[(&weights.query, &buffers.dq), key, value], dnormed, false);
    }
    let (x, dnormed) = (&saved.x[..rows * d], &buffers.dnormed[..rows * d]);
    rms_norm::backward(compute, x, &weights.attention_norm, config.norm_epsilon, dnormed, dx);
}

fn segments<'a>(
    pass: &'a Pass<'_>,
    prefixes: Prefixes<'a>,
    last: bool,
    saved: &'a Activations,
) -> (Rows<'a>, Vec<Segment<'a>>) {
    let shared = pass.prompt * heads(pass.config).key_width();
    let mut query_start = 0;
    let segments = pass.spans.iter().enumerate().map(|(i, span)| {
        let (prefix_keys, prefix_values) = match prefixes {
            Some(prefixes) => prefixes[i],
            None if pass.prompt > 0 && i > 0 => (&saved.k[..shared], &saved.v[..shared]),
            None => (&[][..], &[][..]),
        };
        let queries = if last { span.answers } else { span.length };
        let start = query_start;
        query_start += queries;
        let Span { start: own, length, chain, ref parents, .. } = *span;
        Segment { prefix_keys, prefix_values, start: own, length, query_start: start, queries, chain, parents }
    });
    let segments = segments.collect();
    (Rows { q: &saved.q, k: &saved.k, v: &saved.v }, segments)
}

/// Copies rows of width `d` out of `from`.
pub(super) fn gather(from: &[f32], d: usize, rows: &[usize], to: &mut Vec<f32>) {
    to.clear();
    rows.iter().for_each(|&row| to.extend_from_slice(&from[row * d..(row + 1) * d]));
}

/// Adds rows of width `d` of `from` to those rows of `to`.
pub(super) fn scatter_add(from: &[f32], d: usize, rows: &[usize], to: &mut [f32]) {
    for (from, &row) in from.chunks_exact(d).zip(rows) {
        add(&mut to[row * d..(row + 1) * d], from);
    }
}

fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}
