//! psi against the numbers of the authors' classes (tests/fixtures/parity), and by finite differences.

use std::path::Path;

use safetensors::SafeTensors;

use super::*;
use crate::runtime::Random;

const CASES: [&str; 2] = ["v10", "v11"];

struct Case {
    inputs: Vec<u8>,
    expected: Vec<u8>,
}

impl Case {
    fn read(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity").join(name);
        let read = |file| std::fs::read(folder.join(file)).unwrap();
        Self { inputs: read("inputs.safetensors"), expected: read("expected.safetensors") }
    }

    fn input(&self, name: &str) -> Vec<f64> {
        values(&self.inputs, name)
    }

    fn input_f32(&self, name: &str) -> Vec<f32> {
        self.input(name).iter().map(|&v| v as f32).collect()
    }

    fn expected(&self, name: &str) -> Vec<f32> {
        values(&self.expected, name).iter().map(|&v| v as f32).collect()
    }

    fn regularizer(&self) -> GradientRegularizer {
        let file = SafeTensors::deserialize(&self.inputs).unwrap();
        let u = file.tensor("phi.mlp.layers.0.u").unwrap();
        let layers = file.names().iter().filter(|name| name.ends_with(".u")).count();
        let shape = Shape { width: u.shape()[0], rank: u.shape()[1], layers };
        let values = shape.tensors().iter().flat_map(|t| self.input_f32(&format!("phi.{}", t.name))).collect();
        GradientRegularizer::new(shape, values).unwrap()
    }

    fn compare_phi(&self, prefix: &str, shape: Shape, gradient: &[f32]) {
        for tensor in shape.tensors() {
            close(&gradient[tensor.range], &self.expected(&format!("{prefix}.{}", tensor.name)), &tensor.name);
        }
    }
}

fn values(file: &[u8], name: &str) -> Vec<f64> {
    let file = SafeTensors::deserialize(file).unwrap();
    let tensor = file.tensor(name).unwrap();
    match tensor.dtype() {
        safetensors::Dtype::F32 => {
            tensor.data().as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect()
        }
        safetensors::Dtype::F64 => tensor.data().as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        other => panic!("{name} is {other:?}"),
    }
}

fn close(got: &[f32], want: &[f32], what: &str) {
    let largest = want.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    assert_eq!(got.len(), want.len(), "{what}");
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= 1e-5 * largest + 1e-9, "{what}: {got} is not {want}");
    }
}

#[test]
fn all_rescalings_and_the_gate_follow_the_authors() {
    for case in CASES.map(Case::read) {
        let psi = case.regularizer();
        let (gradient, pooled) = (case.expected("spt.prompt_grad"), case.expected("spt.gate_input"));
        for rescaling in Rescaling::ALL {
            let done = psi.apply(&gradient, &pooled, rescaling).unwrap();
            let name = format!("psi.choice{}", rescaling as usize);
            close(&done.gradient, &case.expected(&format!("{name}.grad")), &name);
            close(&[done.gate], &case.expected(&format!("{name}.coeff")), &name);
            close(done.unscaled(), &case.expected("psi.unscaled"), "psi.unscaled");
        }
    }
}

#[test]
fn parameter_gradients_follow_the_authors() {
    for case in CASES.map(Case::read) {
        let psi = case.regularizer();
        let (gradient, pooled) = (case.expected("spt.prompt_grad"), case.expected("spt.gate_input"));
        let done = psi.apply(&gradient, &pooled, Rescaling::RowL2).unwrap();
        let eta = case.input("inner_lr")[0] as f32;
        let output: Vec<f32> = case.expected("mix.grad.prompt").iter().map(|g| -eta * g).collect();
        let mut sum = vec![0.0; psi.shape().count()];
        psi.backward(&done, &output, 0.0, &mut sum);
        case.compare_phi("mix.grad.phi", psi.shape(), &sum);

        let similarity = values(&case.expected, "reg.qry_spt_sim")[0];
        let (loss, gate) = gate_loss(case.input("domain_sim")[0], similarity, done.gate);
        close(&[loss as f32], &case.expected("reg.loss"), "reg.loss");
        let mut alone = vec![0.0; sum.len()];
        psi.backward(&done, &vec![0.0; output.len()], gate, &mut alone);
        case.compare_phi("reg.grad.phi", psi.shape(), &alone);
        sum.iter_mut().zip(&alone).for_each(|(sum, more)| *sum += more);
        case.compare_phi("total.grad.phi", psi.shape(), &sum);
    }
}

#[test]
fn finite_differences_confirm_every_rescaling() {
    let shape = Shape { width: 7, rank: 3, layers: 3 };
    let psi = GradientRegularizer::random(shape, 5).unwrap();
    let mut random = Random::new(1, "test");
    let mut draw = |n: usize| (0..n).map(|_| random.normal() as f32).collect::<Vec<_>>();
    let (gradient, pooled, weights) = (draw(4 * 7), draw(7), draw(4 * 7));
    for rescaling in Rescaling::ALL {
        let loss = |psi: &GradientRegularizer| {
            let done = psi.apply(&gradient, &pooled, rescaling).unwrap();
            done.gradient.iter().zip(&weights).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum::<f64>()
        };
        let mut sum = vec![0.0; shape.count()];
        psi.backward(&psi.apply(&gradient, &pooled, rescaling).unwrap(), &weights, 0.0, &mut sum);
        let largest = sum.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        assert!(largest > 0.0);
        for (at, &found) in sum.iter().enumerate() {
            let moved = |by: f32| {
                let mut psi = psi.clone();
                psi.values_mut()[at] += by;
                loss(&psi)
            };
            let slope = ((moved(1e-4) - moved(-1e-4)) / 2e-4) as f32;
            assert!((slope - found).abs() < 2e-2 * largest, "{rescaling:?} {at}: {slope} is not {found}");
        }
    }
}

#[test]
fn a_dead_transform_gives_zeros_and_no_nan() {
    let shape = Shape { width: 4, rank: 2, layers: 2 };
    let psi = GradientRegularizer::new(shape, vec![0.0; shape.count()]).unwrap();
    for rescaling in Rescaling::ALL {
        let done = psi.apply(&[1.0; 8], &[1.0; 4], rescaling).unwrap();
        assert_eq!((done.gate, &done.gradient), (0.5, &vec![0.5; 8]));
        let mut sum = vec![0.0; shape.count()];
        psi.backward(&done, &[1.0; 8], 0.0, &mut sum);
        assert!(sum.iter().all(|v| v.is_finite()));
    }
}

#[test]
fn wrong_sizes_are_refused() {
    let shape = Shape { width: 4, rank: 2, layers: 1 };
    let psi = GradientRegularizer::random(shape, 1).unwrap();
    assert_eq!(shape.tensors().last().unwrap().range.end, shape.count());
    for (gradient, pooled) in [(7, 4), (8, 3), (0, 4)] {
        let refused = psi.apply(&vec![0.0; gradient], &vec![0.0; pooled], Rescaling::RowL2);
        assert_eq!(refused.unwrap_err().status(), Status::InvalidArgument);
    }
    for shape in [Shape { rank: 5, ..shape }, Shape { rank: 0, ..shape }, Shape { layers: 0, ..shape }] {
        assert_eq!(GradientRegularizer::random(shape, 1).unwrap_err().status(), Status::InvalidOption);
    }
    let nan = GradientRegularizer::new(shape, vec![f32::NAN; shape.count()]);
    assert_eq!(nan.unwrap_err().status(), Status::NotFinite);
}
