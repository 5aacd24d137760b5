//! Relative position biases: distances fall into buckets, exact when near, logarithmic when far.

use super::config::T5Config;

/// Which distances have buckets of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// Keys before and after the query (encoder).
    Both,
    /// Keys before the query only (decoder).
    Past,
}

/// The bucket of a key that stands `offset` places after its query, as transformers computes it (in f32).
pub(super) fn bucket(offset: isize, direction: Direction, buckets: usize, max_distance: usize) -> usize {
    let (side, buckets, distance) = match direction {
        Direction::Both => (if offset > 0 { buckets / 2 } else { 0 }, buckets / 2, offset.unsigned_abs()),
        Direction::Past => (0, buckets, (-offset).max(0) as usize),
    };
    let exact = buckets / 2;
    if distance < exact {
        return side + distance;
    }
    let span = (max_distance as f64 / exact as f64).ln() as f32;
    let far = (distance as f32 / exact as f32).ln() / span * (buckets - exact) as f32;
    side + (exact + far as usize).min(buckets - 1)
}

/// A stack's biases by offset, ready for segments of at most `reach` rows: heads x (2 reach - 1) values (see
/// `kernels::attention::biased::Bias`) out of its table (buckets x heads).
pub(super) fn biases(table: &[f32], config: &T5Config, direction: Direction, reach: usize) -> Vec<f32> {
    let offsets = 2 * reach - 1;
    let mut values = vec![0.0; config.heads * offsets];
    for at in 0..offsets {
        let offset = at as isize - (reach as isize - 1);
        let row = bucket(offset, direction, config.buckets, config.max_distance) * config.heads;
        for (head, &bias) in table[row..row + config.heads].iter().enumerate() {
            values[head * offsets + at] = bias;
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_those_of_transformers() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny-t5/expected.json");
        let expected: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for (name, direction) in [("both", Direction::Both), ("past", Direction::Past)] {
            let expected: Vec<usize> = serde_json::from_value(expected["buckets"][name].clone()).unwrap();
            let found: Vec<usize> = (-300..=300).map(|offset| bucket(offset, direction, 32, 128)).collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn biases_lie_by_head_and_offset() {
        let json = br#"{"model_type": "t5", "num_layers": 1, "vocab_size": 9, "d_model": 4, "num_heads": 2, "d_kv": 2,
            "d_ff": 4, "relative_attention_num_buckets": 8, "relative_attention_max_distance": 16}"#;
        let config = T5Config::parse(json).unwrap();
        let table: Vec<f32> = (0..16).map(|i| i as f32).collect();
        // Offsets -2 to 2 of head 0: buckets 2, 1, 0, 4 + 1, 4 + 2.
        let found = biases(&table, &config, Direction::Both, 3);
        assert_eq!(found, [4.0, 2.0, 0.0, 10.0, 12.0, 5.0, 3.0, 1.0, 11.0, 13.0]);
        assert_eq!(biases(&table, &config, Direction::Past, 2), [2.0, 0.0, 0.0, 3.0, 1.0, 1.0]);
    }
}
