//! Comparing computed tensors with expected ones, group by group.

use std::collections::BTreeMap;

use super::Computed;
use super::case::{Tensor, Values};

/// Largest deviation, relative to the expected tensor's largest entry.
pub const BOUND: f64 = 1e-4;
/// Largest entry where zeros are expected.
pub const ZERO_BOUND: f64 = 1e-9;

/// The outcome of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Groups by the first part of their tensors' names.
    pub groups: Vec<Group>,
    /// Expected tensors.
    pub expected: usize,
    /// Those that were computed and lie within the bounds.
    pub within: usize,
    /// What is wrong with the others, a line each.
    pub failures: Vec<String>,
}

/// Tensors whose names start alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The first part of the names, e.g. "meta".
    pub name: String,
    /// How many were expected.
    pub tensors: usize,
    /// The worst deviation relative to a tensor's largest entry.
    pub worst: f64,
    /// The tensor that has it.
    pub worst_tensor: String,
}

pub(super) fn compare(expected: &Computed, computed: &Computed) -> Comparison {
    let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
    let mut comparison = Comparison { groups: Vec::new(), expected: expected.len(), within: 0, failures: Vec::new() };
    for (name, wanted) in expected {
        let key = name.split('.').next().unwrap_or(name);
        let group = groups.entry(key).or_insert_with(|| Group {
            name: key.to_owned(),
            tensors: 0,
            worst: 0.0,
            worst_tensor: name.clone(),
        });
        group.tensors += 1;
        match computed.get(name).ok_or_else(|| "is missing".to_owned()).and_then(|found| deviation(wanted, found)) {
            Ok(deviation) => {
                if deviation > group.worst {
                    (group.worst, group.worst_tensor) = (deviation, name.clone());
                }
                if deviation <= BOUND {
                    comparison.within += 1;
                } else {
                    comparison
                        .failures
                        .push(format!("{name} is off by {deviation:.1e}, at most {BOUND:.0e} is allowed"));
                }
            }
            Err(problem) => comparison.failures.push(format!("{name} {problem}")),
        }
    }
    comparison.groups = groups.into_values().collect();
    comparison
}

/// The largest deviation relative to the largest expected entry, or what else is wrong.
fn deviation(expected: &Tensor, found: &Tensor) -> Result<f64, String> {
    if expected.shape != found.shape {
        return Err(format!("has the shape {:?}, {:?} was computed", expected.shape, found.shape));
    }
    match (&expected.values, &found.values) {
        (Values::Integers(expected), Values::Integers(found)) => match expected == found {
            true => Ok(0.0),
            false => Err("holds other integers than were computed".to_owned()),
        },
        (Values::Reals(expected), Values::Reals(found)) => {
            if let Some(odd) = expected.iter().chain(found).find(|v| !v.is_finite()) {
                return Err(format!("holds {odd} or was computed so"));
            }
            if expected.len() != found.len() {
                return Err(format!("has {} values, {} were computed", expected.len(), found.len()));
            }
            let largest = expected.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            let off = expected.iter().zip(found).fold(0.0f64, |m, (e, f)| m.max((e - f).abs()));
            if largest > 0.0 {
                return Ok(off / largest);
            }
            if off <= ZERO_BOUND { Ok(0.0) } else { Err(format!("is 0, {off:.1e} was computed")) }
        }
        _ => Err("mixes integers and reals with what was computed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(expected: Tensor, found: Option<Tensor>) -> Comparison {
        let expected = Computed::from([("a.b".to_owned(), expected)]);
        compare(&expected, &found.map(|found| ("a.b".to_owned(), found)).into_iter().collect())
    }

    #[test]
    fn bounds_shapes_kinds_and_absence_are_told() {
        let reals = |values: &[f64]| Tensor::reals(&[values.len()], values.to_vec());
        let integers = |values: &[i64]| Tensor::integers(&[values.len()], values.to_vec());
        let good = [
            (reals(&[10.0, 0.0]), reals(&[10.0, 9e-4])),
            (reals(&[0.0, 0.0]), reals(&[1e-10, 0.0])),
            (integers(&[3]), integers(&[3])),
        ];
        for (expected, found) in good {
            let outcome = outcome(expected, Some(found));
            assert!(outcome.within == 1 && outcome.failures.is_empty(), "{outcome:?}");
        }
        let bad = [
            (reals(&[10.0, 0.0]), Some(reals(&[10.0, 2e-3])), "off by 2.0e-4"),
            (reals(&[0.0]), Some(reals(&[1e-8])), "is 0"),
            (reals(&[1.0]), Some(reals(&[f64::NAN])), "NaN"),
            (integers(&[3]), Some(integers(&[4])), "other integers"),
            (integers(&[3]), Some(reals(&[3.0])), "mixes"),
            (reals(&[1.0]), Some(Tensor::scalar(1.0)), "shape"),
            (reals(&[1.0]), None, "missing"),
        ];
        for (expected, found, word) in bad {
            let outcome = outcome(expected, found);
            assert_eq!((outcome.within, outcome.failures.len()), (0, 1));
            assert!(outcome.failures[0].contains(word), "{outcome:?}");
        }
    }
}
