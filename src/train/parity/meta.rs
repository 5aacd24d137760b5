//! The groups `meta`, `metalegacy` and `metaaccum`: whole meta steps in the three readings of the released code.

use super::Computed;
use super::case::{Case, Tensor};
use super::primitives::put_phi;
use super::published_t5::PublishedT5;
use crate::backbone::t5::batch::Example;
use crate::backbone::t5::network::T5Network;
use crate::error::{Result, Status, fail};
use crate::runtime::Cancel;
use crate::train::{MetaOptions, MetaRecord, MetaState, MetaTask, PromptGradient, Similarity, domain_similarity};

const READINGS: [(&str, PromptGradient, Similarity); 3] = [
    ("meta", PromptGradient::LastTask, Similarity::Live),
    ("metalegacy", PromptGradient::LastTask, Similarity::Dead),
    ("metaaccum", PromptGradient::MeanOverTasks, Similarity::Live),
];

pub(super) fn compute(network: &T5Network, case: &Case, out: &mut Computed) -> Result<()> {
    let learner = PublishedT5 { network, centers: case.floats("cluster_centers")? };
    let steps: Vec<Vec<Task>> = (0..)
        .take_while(|step| case.has(&format!("meta.step{step}.task0.lambdas")))
        .map(|step| read_tasks(case, step))
        .collect::<Result<_>>()?;
    for (name, prompt_gradient, similarity) in READINGS {
        let options = MetaOptions {
            inner_rate: case.number("inner_lr")? as f32,
            steps: case.count("meta_schedule_steps")?.max(1),
            prompt_gradient,
            similarity,
            ..MetaOptions::default()
        };
        let mut state = MetaState::new(case.prompt()?, Some(case.regularizer()?));
        for (step, tasks) in steps.iter().enumerate() {
            let mut given = tasks.iter().flat_map(|task| task.lambdas.iter().copied());
            let mut draw = |_: f64| given.next().unwrap_or(1.0);
            let batch: Vec<_> = tasks.iter().map(|task| task.task.clone()).collect();
            let record = state.step(&learner, &batch, &options, &mut draw, &Cancel::new())?;
            put_step(out, &format!("{name}.step{step}"), name == "meta", &state, &record, tasks);
        }
        if let ("meta", Some(last)) = (name, steps.last()) {
            let mut losses = Vec::with_capacity(last.len());
            for task in last {
                losses.push(state.validate(&learner, &task.task, &options, &Cancel::new())?);
            }
            let mean = losses.iter().sum::<f64>() / losses.len() as f64;
            out.insert("meta.eval.loss".to_owned(), Tensor::scalar(mean));
            out.insert("meta.eval.task_losses".to_owned(), Tensor::reals(&[losses.len()], losses));
        }
    }
    Ok(())
}

/// A task with the mixing weights that stand in for draws.
struct Task {
    task: MetaTask<Vec<Example>>,
    lambdas: Vec<f64>,
}

fn read_tasks(case: &Case, step: usize) -> Result<Vec<Task>> {
    (0..)
        .map(|task| format!("meta.step{step}.task{task}"))
        .take_while(|prefix| case.has(&format!("{prefix}.lambdas")))
        .map(|prefix| read_task(case, &prefix))
        .collect()
}

fn read_task(case: &Case, prefix: &str) -> Result<Task> {
    let lambdas = case.reals(&format!("{prefix}.lambdas"))?.to_vec();
    let parts = |set: &str| case.mini_batches(&format!("{prefix}.{set}"), lambdas.len());
    let query = parts("qry")?.into_iter().zip(parts("aug")?).collect();
    let [centers, width] = case.matrix("cluster_centers")?;
    let [_, per_task] = case.matrix(&format!("{prefix}.domains"))?;
    let mut clusters = Vec::new();
    for &id in case.integers(&format!("{prefix}.domains"))? {
        match usize::try_from(id) {
            Ok(id) if id < centers => clusters.push(id),
            _ => return fail(Status::CorruptFile, format!("{prefix}.domains: {id} is none of {centers} clusters")),
        }
    }
    if clusters.len() != 2 * per_task || per_task == 0 {
        return fail(Status::CorruptFile, format!("{prefix}.domains has two rows of clusters"));
    }
    let (own, other) = clusters.split_at(per_task);
    let domain_similarity = domain_similarity(&case.floats("cluster_centers")?, width, own, other);
    Ok(Task {
        task: MetaTask { support: parts("spt")?, query, partner_support: Vec::new(), domain_similarity },
        lambdas,
    })
}

/// What every reading expects of a step, and with `whole` all the rest.
fn put_step(out: &mut Computed, prefix: &str, whole: bool, state: &MetaState, record: &MetaRecord, tasks: &[Task]) {
    let shape = [state.prompt.rows(), state.prompt.width()];
    let psi = state.regularizer.as_ref();
    if let Some(psi) = psi {
        put_phi(out, &format!("{prefix}.phi"), psi.shape(), psi.values());
        if whole {
            put_phi(out, &format!("{prefix}.phi_grad"), psi.shape(), &record.phi_gradient);
        }
    }
    let mut put = |name: &str, tensor: Tensor| out.insert(format!("{prefix}.{name}"), tensor);
    let per_task = |values: Vec<f64>| Tensor::reals(&[values.len()], values);
    let draws = tasks.iter().map(|task| task.lambdas.len()).sum();
    put("beta_b", Tensor::reals(&[draws], vec![record.beta_b; draws]));
    put("prompt", Tensor::of(&shape, state.prompt.values()));
    put("prompt_grad", Tensor::of(&shape, &record.prompt_gradient));
    put("prompt_grad_norm", Tensor::scalar(f64::from(record.prompt_norm)));
    put("phi_grad_norm", Tensor::scalar(f64::from(record.phi_norm)));
    put("qry_spt_sim", per_task(record.tasks.iter().map(|task| task.similarity).collect()));
    put("sim_ema", Tensor::scalar(record.similarity));
    if whole {
        let losses: Vec<f64> = record.tasks.iter().map(|task| task.query_loss).collect();
        put("loss", Tensor::scalar(losses.iter().sum::<f64>() / losses.len() as f64));
        put("task_losses", per_task(losses));
        put("lr", Tensor::reals(&[2], vec![record.prompt_rate, record.phi_rate]));
        put("coeff", per_task(record.tasks.iter().filter_map(|task| task.gate.map(f64::from)).collect()));
        put("reg_loss", per_task(record.tasks.iter().filter_map(|task| task.gate_loss).collect()));
        put("domain_sim", per_task(tasks.iter().map(|task| task.task.domain_similarity).collect()));
    }
}
