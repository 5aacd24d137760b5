//! The groups `spt`, `spt_neg`, `psi`, `mix`, `reg` and `total`: one support batch, psi of its gradient, one mixture at the
//! adapted prompt.

use super::Computed;
use super::case::{Case, Tensor};
use super::published_t5::{Pass, PublishedT5};
use crate::backbone::t5::network::T5Network;
use crate::error::Result;
use crate::gradient_regularizer::{GradientRegularizer, Rescaling, Shape, cosine, gate_loss};
use crate::runtime::Cancel;

pub(super) fn compute(network: &T5Network, case: &Case, out: &mut Computed) -> Result<()> {
    let cancel = Cancel::new();
    let (prompt, psi) = (case.prompt()?, case.regularizer()?);
    let (rows, d) = (prompt.rows(), prompt.width());
    let learner = PublishedT5 { network, centers: case.floats("cluster_centers")? };
    let mut put = |name: &str, tensor: Tensor| out.insert(name.to_owned(), tensor);

    let pass = learner.pass(&prompt, &case.batch("spt")?, &cancel)?;
    let [examples, length] = case.matrix("spt.input_ids")?;
    let encoder_shape = [examples, rows + length, d];
    let logits_shape = [examples, case.matrix("spt.labels")?[1], network.vocabulary()];
    let pooled = pass.encoder.pooled();
    put("spt.encoder_last_hidden", Tensor::of(&encoder_shape, &pass.encoder.hidden));
    put("spt.gate_input", Tensor::of(&[d], &pooled));
    put("spt.logits", Tensor::of(&logits_shape, &pass.logits));
    put("spt.loss", Tensor::scalar(f64::from(pass.loss)));
    put("spt.prompt_grad", Tensor::of(&[rows, d], &pass.gradient));

    let Pass { logits, loss, gradient, .. } = learner.pass(&prompt, &case.batch("spt_neg")?, &cancel)?;
    let [neg_examples, neg_positions] = case.matrix("spt_neg.labels")?;
    put("spt_neg.logits", Tensor::of(&[neg_examples, neg_positions, network.vocabulary()], &logits));
    put("spt_neg.loss", Tensor::scalar(f64::from(loss)));
    put("spt_neg.prompt_grad", Tensor::of(&[rows, d], &gradient));

    for rescaling in Rescaling::ALL {
        let done = psi.apply(&pass.gradient, &pooled, rescaling)?;
        let choice = rescaling as usize;
        put(&format!("psi.choice{choice}.grad"), Tensor::of(&[rows, d], &done.gradient));
        put(&format!("psi.choice{choice}.coeff"), Tensor::of(&[1], &[done.gate]));
        put("psi.unscaled", Tensor::of(&[rows, d], done.unscaled()));
    }

    let done = psi.apply(&pass.gradient, &pooled, Rescaling::RowL2)?;
    let (inner_rate, lambda) = (case.number("inner_lr")? as f32, case.number("lambda")? as f32);
    let mut adapted = prompt.clone();
    adapted.values_mut().iter_mut().zip(&done.gradient).for_each(|(p, g)| *p -= inner_rate * g);
    let (own, other) = (case.batch("qry")?, case.batch("aug")?);
    let mixed = network.mixture(&adapted, (&own, &other), &learner.centers, lambda, &cancel)?;
    let mask: Vec<i64> = mixed.mixture.mask.iter().map(|&seen| i64::from(seen)).collect();
    put("mix.adapted_prompt", Tensor::of(&[rows, d], adapted.values()));
    put("mix.encoder_qry", Tensor::of(&encoder_shape, &mixed.own.hidden));
    put("mix.encoder_aug", Tensor::of(&encoder_shape, &mixed.other.hidden));
    put("mix.hidden", Tensor::of(&encoder_shape, &mixed.mixture.hidden));
    put("mix.attention_mask", Tensor::integers(&encoder_shape[..2], mask));
    put("mix.logits", Tensor::of(&logits_shape, &mixed.logits));
    put("mix.per_example", Tensor::of(&[examples], &mixed.per_example));
    put("mix.loss", Tensor::scalar(f64::from(mixed.loss)));
    put("mix.grad.prompt", Tensor::of(&[rows, d], &mixed.gradient));

    let cosines: Vec<f64> =
        mixed.gradient.chunks_exact(d).zip(done.gradient.chunks_exact(d)).map(|(a, b)| cosine(a, b)).collect();
    let similarity = (1.0 + cosines.iter().sum::<f64>() / rows as f64) / 2.0;
    let (loss, to_gate) = gate_loss(case.number("domain_sim")?, similarity, done.gate);
    put("reg.row_cosine", Tensor::reals(&[rows], cosines));
    put("reg.qry_spt_sim", Tensor::scalar(similarity));
    put("reg.coeff", Tensor::of(&[1], &[done.gate]));
    put("reg.loss", Tensor::reals(&[1], vec![loss]));

    let through_step: Vec<f32> = mixed.gradient.iter().map(|g| -inner_rate * g).collect();
    let gradient_of = |psi: &GradientRegularizer, output: &[f32], gate| {
        let mut sum = vec![0.0; psi.values().len()];
        psi.backward(&done, output, gate, &mut sum);
        sum
    };
    let none = vec![0.0; through_step.len()];
    for (group, gradient) in [
        ("mix", gradient_of(&psi, &through_step, 0.0)),
        ("reg", gradient_of(&psi, &none, to_gate)),
        ("total", gradient_of(&psi, &through_step, to_gate)),
    ] {
        put_phi(out, &format!("{group}.grad.phi"), psi.shape(), &gradient);
    }
    Ok(())
}

/// The tensors of phi, or of its gradient, under `prefix`.
pub(super) fn put_phi(out: &mut Computed, prefix: &str, shape: Shape, values: &[f32]) {
    for tensor in shape.tensors() {
        out.insert(format!("{prefix}.{}", tensor.name), Tensor::of(&tensor.shape, &values[tensor.range]));
    }
}
