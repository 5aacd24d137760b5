//! The groups `ds` and `dsplain`: some steps of adaptation, with psi at every step and without.

use super::Computed;
use super::case::{Case, Tensor};
use super::published_t5::{Pass, PublishedT5};
use crate::adapt::{AdamW, clip, linear_decay};
use crate::backbone::t5::network::T5Network;
use crate::error::Result;
use crate::gradient_regularizer::Rescaling;
use crate::runtime::Cancel;

/// As published (method section 7).
const LEARNING_RATE: f32 = 0.1;
const CLIP_NORM: f32 = 1.0;

pub(super) fn compute(network: &T5Network, case: &Case, out: &mut Computed) -> Result<()> {
    let learner = PublishedT5 { network, centers: case.floats("cluster_centers")? };
    let (psi, schedule) = (case.regularizer()?, case.count("ds_schedule_steps")?.max(1));
    for (group, regularize) in [("ds", true), ("dsplain", false)] {
        let mut prompt = case.prompt()?;
        let shape = [prompt.rows(), prompt.width()];
        let mut optimizer = AdamW::new(prompt.values().len(), 0.0);
        for step in (0..).take_while(|step| case.has(&format!("ds.step{step}.input_ids"))) {
            let mut put = |name: &str, tensor| out.insert(format!("{group}.step{step}.{name}"), tensor);
            let batch = case.batch(&format!("ds.step{step}"))?;
            let Pass { encoder, loss, mut gradient, .. } = learner.pass(&prompt, &batch, &Cancel::new())?;
            put("loss", Tensor::scalar(f64::from(loss)));
            put("raw_grad", Tensor::of(&shape, &gradient));
            if regularize {
                let done = psi.apply(&gradient, &encoder.pooled(), Rescaling::WholeL2)?;
                gradient = done.gradient;
                put("new_grad", Tensor::of(&shape, &gradient));
                put("coeff", Tensor::of(&[1], &[done.gate]));
            }
            let rate = linear_decay(LEARNING_RATE, step, schedule);
            put("lr", Tensor::scalar(rate));
            put("grad_norm", Tensor::scalar(f64::from(clip(&mut gradient, CLIP_NORM))));
            optimizer.step(prompt.values_mut(), &gradient, rate);
            put("prompt", Tensor::of(&shape, prompt.values()));
        }
        let v = network.vocabulary();
        let [examples, positions] = case.matrix("ds.eval.labels")?;
        let logits = learner.pass(&prompt, &case.batch("ds.eval")?, &Cancel::new())?.logits;
        let second: Vec<f32> =
            logits.chunks_exact(positions * v).flat_map(|rows| rows[v..].iter().take(v).copied()).collect();
        let best = |row: &[f32]| (0..v).fold(0, |best, id| if row[id] > row[best] { id } else { best }) as i64;
        let predicted = second.chunks_exact(v).map(best).collect();
        out.insert(format!("{group}.eval.logits"), Tensor::of(&[examples, v], &second));
        out.insert(format!("{group}.eval.pred"), Tensor::integers(&[examples], predicted));
    }
    Ok(())
}
