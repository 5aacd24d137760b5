//! Every kernel on every instruction set of this machine against plain f64 loops, at sizes that leave remainders.

use super::attention::{self, Gradients, Heads, Rows, Segment};
use super::gated::{self, Activation};
use super::linear::{self, Output};
use super::rope::Rope;
use super::{Compute, Isa, cross_entropy, rms_norm};
use crate::backbone::bytes::Bytes;
use crate::backbone::config::RotaryLayout;
use crate::backbone::weights::{Format, FrozenMatrix, Storage};
use crate::runtime::{Random, Threads};

pub(super) fn computes() -> Vec<Compute> {
    let sets = Isa::ALL.into_iter().filter(|isa| isa.is_available());
    sets.flat_map(|isa| [1, 3].map(|count| Compute { threads: Threads::new(count).unwrap(), isa })).collect()
}

pub(super) fn values(count: usize, stream: &str) -> Vec<f32> {
    let mut random = Random::new(7, stream);
    (0..count).map(|_| (random.unit() * 2.0 - 1.0) as f32).collect()
}

fn matrix(rows: usize, columns: usize) -> FrozenMatrix {
    FrozenMatrix::new(rows, columns, Format::F32, Storage::Owned(values(rows * columns, "matrix"))).unwrap()
}

/// Arbitrary blocks, whose scales are halves of ordinary size.
fn stored(rows: usize, columns: usize, format: Format) -> FrozenMatrix {
    let mut random = Random::new(7, "blocks");
    let length = rows * columns / format.block_len() * format.block_bytes();
    // Every second byte may end a half, a bfloat16 or a float, whose largest bit of the exponent stays 0.
    let bytes: Vec<u8> = (0..length).map(|i| random.below(256) as u8 & if i % 2 == 1 { 0xbf } else { 0xff }).collect();
    FrozenMatrix::new(
        rows,
        columns,
        format,
        Storage::Stored { file: Bytes::copied(&bytes).unwrap(), offset: 0, length },
    )
    .unwrap()
}

pub(super) fn assert_close(found: &[f32], expected: &[f64], bound: f64) {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(1e-3, |m: f64, x| m.max(x.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(*f) - e).abs() <= bound * largest, "value {i}: {f}, expected {e}");
    }
}

/// A factor of a product with weights as the instruction set takes it.
fn taken(compute: &Compute, value: f32) -> f64 {
    if compute.isa.is_rounded() { half::bf16::from_f32(value).to_f64() } else { f64::from(value) }
}

/// The bound notices the loss of the third part of a value on AMX, which moves sums by 4e-6 of the largest.
#[test]
fn products_equal_plain_loops() {
    for compute in computes() {
        for (m, n, k) in
            [(1, 3, 5), (7, 50, 67), (13, 97, 130), (6, 48, 1537), (7, 2100, 67), (70, 130, 801), (70, 130, 700)]
        {
            let (w, x, dy) = (matrix(n, k), values(m * k, "x"), values(m * n, "dy"));
            let weights = w.as_f32().unwrap();
            let mut y = vec![1.0; m * n];
            let mut dx = vec![1.0; m * k];
            compute.threads.enter(|| {
                linear::forward(&compute, &x, m, &mut [Output { weight: &w, y: &mut y, accumulate: true }]);
                linear::backward(&compute, m, &[(&w, &dy), (&w, &dy)], &mut dx, true);
            });
            let product = |i: usize, j: usize| {
                (0..k).map(|p| taken(&compute, x[i * k + p]) * taken(&compute, weights[j * k + p])).sum::<f64>()
            };
            let expected: Vec<f64> = (0..m * n).map(|at| 1.0 + product(at / n, at % n)).collect();
            assert_close(&y, &expected, 1e-6);
            let back = |i: usize, p: usize| {
                (0..n).map(|j| taken(&compute, dy[i * n + j]) * taken(&compute, weights[j * k + p])).sum::<f64>()
            };
            let expected: Vec<f64> = (0..m * k).map(|at| 1.0 + 2.0 * back(at / k, at % k)).collect();
            assert_close(&dx, &expected, 1e-6_f64.max(1e-9 * n as f64));
        }
    }
}

/// Tiles, and what emulates them, sum in the order that Intel documents: of each 32 products one chain of fused steps for the
/// first 16, one for the others, both then added to the result. Needs AVX-512 with BF16; elsewhere there is nothing to compare.
#[test]
fn rounded_products_are_summed_as_documented() {
    let (m, n, k) = (35, 70, 83);
    let (w, x) = (matrix(n, k), values(m * k, "x"));
    let weights = w.as_f32().unwrap();
    let rounded = |value: f32| half::bf16::from_f32(value).to_f32();
    let product = |i: usize, j: usize| {
        (0..k).step_by(32).fold(0.0, |sum: f32, first| {
            let chain = |from: usize| {
                (from.min(k)..(from + 16).min(k))
                    .fold(0.0, |sum, p| rounded(x[i * k + p]).mul_add(rounded(weights[j * k + p]), sum))
            };
            sum + (chain(first) + chain(first + 16))
        })
    };
    let expected: Vec<f32> = (0..m * n).map(|at| product(at / n, at % n)).collect();
    for compute in computes().into_iter().filter(|compute| compute.isa.is_rounded()) {
        let mut y = vec![0.0; m * n];
        linear::forward(&compute, &x, m, &mut [Output { weight: &w, y: &mut y, accumulate: false }]);
        assert!(y == expected, "{:?}", compute.isa);
    }
}

/// Weights as they are stored, at sizes that leave parts of panels, rows and steps.
#[test]
fn stored_weights_give_the_products_of_expanded_ones() {
    let k = 768;
    for compute in computes() {
        for (format, (m, n)) in
            Format::ALL.into_iter().flat_map(|format| [(9, 50), (70, 50), (9, 1100)].map(|s| (format, s)))
        {
            let (x, dy, stored) = (values(m * k, "x"), values(m * n, "dy"), stored(n, k, format));
            let products = |weight: &FrozenMatrix| {
                let (mut y, mut dx) = (vec![0.0; m * n], vec![0.0; m * k]);
                linear::forward(&compute, &x, m, &mut [Output { weight, y: &mut y, accumulate: false }]);
                linear::backward(&compute, m, &[(weight, &dy)], &mut dx, false);
                [y, dx].concat()
            };
            let (found, expected) = (products(&stored), products(&stored.expanded().unwrap()));
            assert!(found == expected && found.iter().any(|v| *v != 0.0), "{:?}, {format:?}", compute.isa);
        }
    }
}

/// Formats whose blocks and parts differ, in one call and each alone; backward adds them up in their order.
#[test]
fn weights_of_several_formats_share_a_call() {
    let (m, n, k) = (70, 130, 768);
    let (x, dy) = (values(m * k, "x"), values(m * n, "dy"));
    let weights = [Format::Q4_0, Format::Q4K, Format::BF16, Format::Q8_0, Format::F32].map(|format| match format {
        Format::F32 => matrix(n, k),
        format => stored(n, k, format),
    });
    for compute in computes() {
        let alone = weights.each_ref().map(|weight| {
            let mut y = vec![0.0; m * n];
            linear::forward(&compute, &x, m, &mut [Output { weight, y: &mut y, accumulate: false }]);
            y
        });
        let mut together = vec![vec![0.0; m * n]; weights.len()];
        let outputs = weights.iter().zip(&mut together).map(|(weight, y)| Output { weight, y, accumulate: false });
        linear::forward(&compute, &x, m, &mut outputs.collect::<Vec<_>>());
        assert!(together == alone, "{:?}", compute.isa);

        let inputs = weights.each_ref().map(|weight| (weight, &dy[..]));
        let (mut dx, mut sum) = (vec![0.0; m * k], vec![0.0; m * k]);
        linear::backward(&compute, m, &inputs, &mut dx, false);
        inputs.iter().for_each(|input| linear::backward(&compute, m, &[*input], &mut sum, true));
        let sum: Vec<f64> = sum.into_iter().map(f64::from).collect();
        assert_close(&dx, &sum, 1e-6);
    }
}

/// Other logits are as if they were not there.
#[test]
fn a_target_is_told_apart_from_the_tokens_kept() {
    for compute in computes() {
        let (v, logits) = (37, values(2 * 37, "logits"));
        let (mut gradient, mut few) = (logits.clone(), vec![logits[37 + 3], logits[37 + 30], logits[37 + 36]]);
        cross_entropy::keep_only(&mut gradient, v, [&[][..], &[3, 30, 36]]);
        let losses = cross_entropy::forward_backward(&compute, &mut gradient, v, &[5, 30], 0.5);
        let expected = cross_entropy::forward_backward(&compute, &mut few, 3, &[1], 0.5);
        assert!((losses[1] - expected[0]).abs() < 1e-6, "{losses:?} {expected:?}");
        let of_row = |token: usize| gradient[v + token];
        [3, 30, 36].into_iter().zip(&few).for_each(|(token, g)| assert!((of_row(token) - g).abs() < 1e-6));
        let rest = (0..v).filter(|token| ![3, 30, 36].contains(token)).map(of_row);
        assert!(rest.map(f32::abs).fold(0.0, f32::max) < 1e-30);
        assert!(gradient[..v].iter().all(|g| g.abs() > 1e-6), "the whole vocabulary in the first row");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let (w, x) = (matrix(200, 96), values(70 * 96, "x"));
    let run = |count, isa| {
        let compute = Compute { threads: Threads::new(count).unwrap(), isa };
        let (mut y, mut dx) = (vec![0.0; 70 * 200], vec![0.0; 70 * 96]);
        compute.threads.enter(|| {
            linear::forward(&compute, &x, 70, &mut [Output { weight: &w, y: &mut y, accumulate: false }]);
            linear::backward(&compute, 70, &[(&w, &y)], &mut dx, false);
        });
        y.iter().chain(&dx).map(|v| v.to_bits()).collect::<Vec<_>>()
    };
    for compute in computes() {
        let one = run(1, compute.isa);
        assert!([2, 3, 8].into_iter().all(|count| run(count, compute.isa) == one), "{:?}", compute.isa);
    }
}

/// Rows that go through in other items, alone and among many.
#[test]
fn results_do_not_depend_on_the_other_rows() {
    for compute in computes() {
        let (w, x) = (matrix(130, 801), values(70 * 801, "x"));
        let run = |x: &[f32], m: usize| {
            let (mut y, mut dx) = (vec![0.0; m * 130], vec![0.0; m * 801]);
            linear::forward(&compute, x, m, &mut [Output { weight: &w, y: &mut y, accumulate: false }]);
            linear::backward(&compute, m, &[(&w, &y)], &mut dx, false);
            (y[(m - 1) * 130..].to_vec(), dx[(m - 1) * 801..].to_vec())
        };
        assert!(run(&x, 70) == run(&x[69 * 801..], 1), "{:?}", compute.isa);
    }
}

#[test]
fn products_with_infinite_values_are_not_finite() {
    for compute in computes() {
        let (w, mut x) = (matrix(5, 40), values(2 * 40, "x"));
        x[47] = f32::INFINITY;
        let (mut y, mut dx) = (vec![0.0; 2 * 5], vec![0.0; 2 * 40]);
        linear::forward(&compute, &x, 2, &mut [Output { weight: &w, y: &mut y, accumulate: false }]);
        assert!(y[..5].iter().all(|v| v.is_finite()) && y[5..].iter().all(|v| !v.is_finite()));
        linear::backward(&compute, 2, &[(&w, &y)], &mut dx, false);
        assert!(dx[..40].iter().all(|v| v.is_finite()) && dx[40..].iter().all(|v| !v.is_finite()));
    }
}

#[test]
fn norm_and_gate_gradients_equal_finite_differences() {
    for compute in computes() {
        let (d, rows) = (19, 3);
        let (x, w, dy) = (values(d * rows, "x"), values(d, "w"), values(d * rows, "dy"));
        let norm = |x: &[f64]| -> f64 {
            let row = |(x, dy): (&[f64], &[f32])| {
                let r = (x.iter().map(|v| v * v).sum::<f64>() / d as f64 + 1e-5).sqrt();
                x.iter().zip(&w).zip(dy).map(|((x, w), dy)| x / r * f64::from(*w) * f64::from(*dy)).sum::<f64>()
            };
            x.chunks(d).zip(dy.chunks(d)).map(row).sum()
        };
        let mut dx = vec![0.0; d * rows];
        rms_norm::backward(&compute, &x, &w, 1e-5, &dy, &mut dx);
        assert_close(&dx, &finite_difference(&x, norm), 1e-4);
        let mut y = vec![0.0; d * rows];
        rms_norm::forward(&compute, &x, &w, 1e-5, &mut y);
        let total: f64 = y.iter().zip(&dy).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        assert!((total - norm(&widened(&x))).abs() < 1e-4);

        let up = values(d * rows, "up");
        let silu: fn(f64) -> f64 = |g| g / (1.0 + (-g).exp());
        let gelu: fn(f64) -> f64 =
            |g| 0.5 * g * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (g + 0.044715 * g.powi(3))).tanh());
        let wide: Vec<f32> = x.iter().map(|x| 4.0 * x).collect();
        for (kind, act) in [(Activation::Silu, silu), (Activation::GeluTanh, gelu)] {
            let (mut dh, mut dgate) = (dy.clone(), vec![0.0; d * rows]);
            gated::backward(&compute, kind, &wide, &up, &mut dh, &mut dgate);
            let sum = |gate: &[f64]| {
                gate.iter().zip(&up).zip(&dy).map(|((g, u), d)| act(*g) * f64::from(*u) * f64::from(*d)).sum()
            };
            assert_close(&dgate, &finite_difference(&wide, sum), 1e-4);
            let dup: Vec<f64> = wide.iter().zip(&dy).map(|(g, d)| act(f64::from(*g)) * f64::from(*d)).collect();
            assert_close(&dh, &dup, 1e-5);
            let mut h = vec![0.0; d * rows];
            gated::forward(&compute, kind, &wide, &up, &mut h);
            let expected: Vec<f64> = wide.iter().zip(&up).map(|(g, u)| act(f64::from(*g)) * f64::from(*u)).collect();
            assert_close(&h, &expected, 1e-5);
        }
    }
}

#[test]
fn cross_entropy_is_exact_for_large_logits() {
    for compute in computes() {
        let v = 37;
        let logits: Vec<f32> = values(2 * v, "logits").iter().map(|x| 200.0 * x).collect();
        let mut gradient = logits.clone();
        let losses = cross_entropy::forward_backward(&compute, &mut gradient, v, &[3, 36], 0.5);
        let sums = cross_entropy::log_sum_exp(&compute, &mut logits.clone(), v);
        for (r, target) in [3usize, 36].into_iter().enumerate() {
            let row = widened(&logits[r * v..(r + 1) * v]);
            let largest = row.iter().copied().fold(f64::MIN, f64::max);
            let sum = row.iter().map(|x| (x - largest).exp()).sum::<f64>().ln() + largest;
            assert!((f64::from(losses[r]) - (sum - row[target])).abs() < 1e-3);
            assert!((f64::from(sums[r]) - sum).abs() < 1e-3);
            let expected: Vec<f64> =
                (0..v).map(|i| 0.5 * ((row[i] - sum).exp() - f64::from(u8::from(i == target)))).collect();
            assert_close(&gradient[r * v..(r + 1) * v], &expected, 1e-5);
        }
    }
}

#[test]
fn rotation_back_undoes_rotation() {
    for layout in [RotaryLayout::Halves, RotaryLayout::Interleaved] {
        let compute = Compute { threads: Threads::new(1).unwrap(), isa: Isa::Portable };
        let rope = Rope::new(layout, vec![1.0, 0.1, 0.01]);
        let turns = rope.rotations(&[0, 5, 9]);
        let x = values(3 * 12, "x");
        let mut y = x.clone();
        rope.rotate(&compute, &turns, 2, &mut y, false);
        assert_eq!(x[..12], y[..12], "position 0 does not rotate");
        assert!(x[12..].iter().zip(&y[12..]).any(|(a, b)| (a - b).abs() > 0.1));
        rope.rotate(&compute, &turns, 2, &mut y, true);
        assert_close(&y, &widened(&x), 1e-6);
    }
}

const HEADS: Heads = Heads { queries: 4, keys: 2, width: 6 };

/// Plain f64 attention of one segment with `prefix` rows; `visible(row, key)` over own rows.
fn plain(q: &[f64], k: &[f64], v: &[f64], prefix: usize, visible: impl Fn(usize, usize) -> bool) -> Vec<f64> {
    let (qw, kw, w) = (HEADS.query_width(), HEADS.key_width(), HEADS.width);
    let (keys, queries) = (k.len() / kw, q.len() / qw);
    let mut out = vec![0.0; q.len()];
    for i in 0..queries {
        let row = keys - prefix - queries + i;
        for h in 0..HEADS.queries {
            let g = h / (HEADS.queries / HEADS.keys);
            let seen: Vec<usize> = (0..keys).filter(|&j| j < prefix || visible(row, j - prefix)).collect();
            let score = |j: usize| {
                (0..w).map(|d| q[i * qw + h * w + d] * k[j * kw + g * w + d]).sum::<f64>() / (w as f64).sqrt()
            };
            let weights: Vec<f64> = seen.iter().map(|&j| score(j).exp()).collect();
            let total: f64 = weights.iter().sum();
            for (p, &j) in weights.iter().zip(&seen) {
                for d in 0..w {
                    out[i * qw + h * w + d] += p / total * v[j * kw + g * w + d];
                }
            }
        }
    }
    out
}

#[test]
fn attention_and_its_gradients_equal_finite_differences() {
    let (prefix, length, queries) = (3, 37, 35);
    let (qw, kw) = (HEADS.query_width(), HEADS.key_width());
    let q = values(queries * qw, "q");
    let (k, v) = (values((prefix + length) * kw, "k"), values((prefix + length) * kw, "v"));
    let dout = values(queries * qw, "dout");
    let (prefix_k, own_k) = k.split_at(prefix * kw);
    let (prefix_v, own_v) = v.split_at(prefix * kw);
    let segment = Segment {
        prefix_keys: prefix_k,
        prefix_values: prefix_v,
        start: 0,
        length,
        query_start: 0,
        queries,
        chain: length,
        parents: &[],
    };
    let rows = Rows { q: &q, k: own_k, v: own_v };
    let causal = |row: usize, key: usize| key <= row;
    let sum = |out: Vec<f64>| out.iter().zip(&dout).map(|(a, b)| a * f64::from(*b)).sum::<f64>();
    let (wq, wk, wv) = (widened(&q), widened(&k), widened(&v));
    let expected_out = plain(&wq, &wk, &wv, prefix, causal);
    let expected_dq = finite_difference(&q, |q| sum(plain(q, &wk, &wv, prefix, causal)));
    let expected_dk = finite_difference(&k, |k| sum(plain(&wq, k, &wv, prefix, causal)));
    let expected_dv = finite_difference(&v, |v| sum(plain(&wq, &wk, v, prefix, causal)));
    for compute in computes() {
        let mut out = vec![0.0; queries * qw];
        attention::forward(&compute, HEADS, &[segment], rows, &mut out);
        assert_close(&out, &expected_out, 1e-5);
        let (mut dq, mut dk, mut dv) = (vec![0.0; queries * qw], vec![0.0; length * kw], vec![0.0; length * kw]);
        let mut prefixes = vec![0.0; 2 * prefix * kw];
        let gradients = Gradients { dq: &mut dq, dk: &mut dk, dv: &mut dv, prefixes: &mut prefixes };
        attention::backward(&compute, HEADS, &[segment], rows, &dout, gradients);
        assert_close(&dq, &expected_dq, 1e-4);
        let (pk, pv) = prefixes.split_at(prefix * kw);
        assert_close(&[pk, &dk].concat(), &expected_dk, 1e-4);
        assert_close(&[pv, &dv].concat(), &expected_dv, 1e-4);
    }
}

#[test]
#[should_panic(expected = "dq.len() >= queries")]
fn a_gradient_shorter_than_its_queries_is_refused_before_anything_is_written() {
    let (q, kv) = (values(2 * HEADS.query_width(), "q"), values(2 * HEADS.key_width(), "kv"));
    let segment = Segment {
        prefix_keys: &[],
        prefix_values: &[],
        start: 0,
        length: 2,
        query_start: 0,
        queries: 2,
        chain: 2,
        parents: &[],
    };
    let (mut dk, mut dv) = (vec![0.0; kv.len()], vec![0.0; kv.len()]);
    let gradients = Gradients { dq: &mut [0.0; 1], dk: &mut dk, dv: &mut dv, prefixes: &mut [] };
    attention::backward(&computes()[0], HEADS, &[segment], Rows { q: &q, k: &kv, v: &kv }, &q, gradients);
}

#[test]
fn tree_rows_see_their_ancestors_only() {
    // Text rows 0..4, then a tree: 4 <- 5, 4 <- 6, 7 apart.
    let parents = [None, Some(0), Some(0), None];
    let (length, queries) = (8, 5);
    let (qw, kw) = (HEADS.query_width(), HEADS.key_width());
    let (q, k, v) = (values(queries * qw, "q"), values(length * kw, "k"), values(length * kw, "v"));
    let visible = |row: usize, key: usize| match (row, key) {
        (_, key) if key < 4 => key <= row,
        (5 | 6, 4) => true,
        (row, key) => row == key,
    };
    let expected = plain(&widened(&q), &widened(&k), &widened(&v), 0, visible);
    for compute in computes() {
        let segment = Segment {
            prefix_keys: &[],
            prefix_values: &[],
            start: 0,
            length,
            query_start: 0,
            queries,
            chain: 4,
            parents: &parents,
        };
        let mut out = vec![0.0; queries * qw];
        attention::forward(&compute, HEADS, &[segment], Rows { q: &q, k: &k, v: &v }, &mut out);
        assert_close(&out, &expected, 1e-5);
    }
}

pub(super) fn widened(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&v| f64::from(v)).collect()
}

pub(super) fn finite_difference(x: &[f32], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut x = widened(x);
    let step = 1e-5;
    (0..x.len())
        .map(|i| {
            let at = x[i];
            x[i] = at + step;
            let above = f(&x);
            x[i] = at - step;
            let below = f(&x);
            x[i] = at;
            (above - below) / (2.0 * step)
        })
        .collect()
}
