//! Against plain f64 loops on every instruction set, at sizes that leave remainders and need several blocks.

use super::*;
use crate::kernels::tests::{assert_close, computes, finite_difference, values, widened};

const HEADS: usize = 3;
const WIDTH: usize = 5;
const ROW: usize = HEADS * WIDTH;

fn plain(pattern: &Pattern<'_>, q: &[f64], k: &[f64], v: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; q.len()];
    for s in pattern.segments {
        for (i, h) in (0..s.queries).flat_map(|i| (0..HEADS).map(move |h| (i, h))) {
            let at = (s.query_start + i) * ROW + h * WIDTH;
            let sees = |j: usize| !(pattern.causal && j > i) && pattern.mask.is_none_or(|mask| mask[s.key_start + j]);
            let seen: Vec<usize> = (0..s.keys).filter(|&j| sees(j)).collect();
            let weight = |&j: &usize| {
                let key = (s.key_start + j) * ROW + h * WIDTH;
                let bias = pattern.bias.map_or(0.0, |bias| {
                    let offset = j as isize - i as isize + bias.reach as isize - 1;
                    f64::from(bias.values[h * (2 * bias.reach - 1) + offset as usize])
                });
                ((0..WIDTH).map(|d| q[at + d] * k[key + d]).sum::<f64>() + bias).exp()
            };
            let weights: Vec<f64> = seen.iter().map(weight).collect();
            let total: f64 = weights.iter().sum();
            for (p, &j) in weights.iter().zip(&seen) {
                let key = (s.key_start + j) * ROW + h * WIDTH;
                (0..WIDTH).for_each(|d| out[at + d] += p / total * v[key + d]);
            }
        }
    }
    out
}

fn check(pattern: &Pattern<'_>, queries: usize, keys: usize) {
    let (q, dout) = (values(queries * ROW, "q"), values(queries * ROW, "dout"));
    let (k, v) = (values(keys * ROW, "k"), values(keys * ROW, "v"));
    let sum = |out: Vec<f64>| out.iter().zip(&dout).map(|(a, b)| a * f64::from(*b)).sum::<f64>();
    let (wq, wk, wv) = (widened(&q), widened(&k), widened(&v));
    let expected = plain(pattern, &wq, &wk, &wv);
    let expected_dq = finite_difference(&q, |q| sum(plain(pattern, q, &wk, &wv)));
    let expected_dk = finite_difference(&k, |k| sum(plain(pattern, &wq, k, &wv)));
    let expected_dv = finite_difference(&v, |v| sum(plain(pattern, &wq, &wk, v)));
    for compute in computes() {
        let rows = Rows { q: &q, k: &k, v: &v };
        let mut out = vec![7.0; q.len()];
        compute.threads.enter(|| forward(&compute, pattern, rows, &mut out));
        assert_close(&out, &expected, 1e-5);
        let (mut dq, mut dk, mut dv) = (vec![7.0; q.len()], vec![7.0; k.len()], vec![7.0; v.len()]);
        let gradients = Gradients { dq: &mut dq, dk: &mut dk, dv: &mut dv };
        compute.threads.enter(|| backward(&compute, pattern, rows, &dout, gradients));
        assert_close(&dq, &expected_dq, 1e-4);
        assert_close(&dk, &expected_dk, 1e-4);
        assert_close(&dv, &expected_dv, 1e-4);
    }
}

fn own(start: usize, length: usize) -> Segment {
    Segment { query_start: start, queries: length, key_start: start, keys: length }
}

#[test]
fn both_ways_with_bias_and_mask() {
    let segments = [own(0, 37), own(37, 2)];
    let bias = values(HEADS * (2 * 40 - 1), "bias");
    let mask: Vec<bool> = (0..39).map(|row| row % 5 != 3).collect();
    let pattern = Pattern {
        heads: HEADS,
        width: WIDTH,
        segments: &segments,
        bias: Some(Bias { values: &bias, reach: 40 }),
        causal: false,
        mask: Some(&mask),
    };
    check(&pattern, 39, 39);
}

#[test]
fn causal_with_bias_and_mask() {
    let segments = [own(0, 35), own(35, 1), own(36, 4)];
    let bias = values(HEADS * (2 * 35 - 1), "bias");
    let mask: Vec<bool> = (0..40).map(|row| row != 2 && row != 39).collect();
    let pattern = Pattern {
        heads: HEADS,
        width: WIDTH,
        segments: &segments,
        bias: Some(Bias { values: &bias, reach: 35 }),
        causal: true,
        mask: Some(&mask),
    };
    check(&pattern, 40, 40);
}

#[test]
fn across_without_bias() {
    let segments = [
        Segment { query_start: 0, queries: 2, key_start: 0, keys: 9 },
        Segment { query_start: 2, queries: 33, key_start: 9, keys: 5 },
    ];
    let pattern = Pattern { heads: HEADS, width: WIDTH, segments: &segments, bias: None, causal: false, mask: None };
    check(&pattern, 35, 14);
}
