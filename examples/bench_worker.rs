//! The supmer side of `make bench-peers`: stays loaded and does one step or prediction whenever it is told to.
//!
//! Reads commands from standard input and answers each with one JSON line: `step` gives the seconds of one optimizer step
//! and its loss, or of one prediction and its probabilities; `quit` gives the peak memory and ends.

use std::collections::HashMap;
use std::error::Error;
use std::io::BufRead;
use std::path::Path;
use std::time::Instant;

use safetensors::SafeTensors;
use serde_json::json;
use supmer::adapt::{AdamW, linear_decay, tokenize};
use supmer::adapter::Lineage;
use supmer::backbone::Wanted;
use supmer::kernels::Isa;
use supmer::predict::PreparedTask;
use supmer::runtime::peak_bytes;
use supmer::{Adapter, Cancel, Model, ModelOptions, PredictOptions, SoftPrompt, Task, WeightMode, predict};

/// Does step or prediction number i and tells of it.
type Step<'a> = dyn FnMut(usize) -> Result<serde_json::Value, Box<dyn Error>> + 'a;

const MAX_TOKENS: usize = 256;

fn main() -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options: HashMap<&str, &str> = arguments.chunks_exact(2).map(|p| (p[0].as_str(), p[1].as_str())).collect();
    let option = |name: &str| options.get(name).copied().ok_or_else(|| format!("{name} is missing"));

    let weights = if option("--weights")? == "expanded" { WeightMode::Expanded } else { WeightMode::Stored };
    let isa = match options.get("--instructions") {
        None => None,
        Some(&"amx") => Some(Isa::Amx),
        Some(&"amx-bf16") => Some(Isa::AmxBf16),
        Some(other) => return Err(format!("--instructions takes amx or amx-bf16, not {other}").into()),
    };
    let model_options =
        ModelOptions { thread_count: option("--threads")?.parse()?, weights, isa, ..ModelOptions::default() };
    let model = Model::load(option("--model")?, &model_options)?;
    let task = Task::read(Path::new(option("--task")?))?;
    let rows = task.read_examples(Path::new(option("--data")?), true)?;
    let prompt = read_prompt(option("--prompt-file")?)?;
    let batch: usize = option("--batch")?.parse()?;

    let mut step: Box<Step> = if option("--mode")? == "meta" {
        meta(&model, &task, &rows, &options)?
    } else if option("--mode")? == "adapt" {
        let order: Vec<Vec<usize>> = serde_json::from_slice(&std::fs::read(option("--order")?)?)?;
        let (steps, rate): (usize, f32) = (option("--steps")?.parse()?, option("--lr")?.parse()?);
        let tokenizer = model.backbone().tokenizer();
        let prepared = PreparedTask::new(&task, tokenizer, MAX_TOKENS)?;
        let examples = tokenize(&task, &prepared, tokenizer, &rows, "train", &Cancel::new())?;
        let (mut prompt, mut optimizer) = (prompt.clone(), AdamW::new(prompt.values().len(), 0.0));
        let model = &model;
        Box::new(move |i| {
            let result =
                model.backbone().loss(&prompt, &examples.batch(&order[i]), Wanted::Gradient, 0, &Cancel::new())?;
            optimizer.step(prompt.values_mut(), &result.gradient, linear_decay(rate, i, steps));
            Ok(json!({ "loss": result.loss }))
        })
    } else {
        let lineage = Lineage {
            method: "bench".to_owned(),
            seed: 0,
            steps: 0,
            train_examples: 0,
            dev_accuracy: None,
            dev_loss: None,
            max_tokens: MAX_TOKENS,
            bundle: None,
        };
        let adapter = Adapter::new(prompt.clone(), task.clone(), lineage, model.backbone().fingerprint().clone());
        let (model, rows) = (&model, &rows);
        Box::new(move |i| {
            let rows: Vec<_> = (0..batch).map(|j| rows[(i * batch + j) % rows.len()].clone()).collect();
            let predictions = predict(model, &adapter, &rows, &PredictOptions::default())?;
            Ok(json!({ "probabilities": predictions.into_iter().map(|p| p.probabilities).collect::<Vec<_>>() }))
        })
    };

    println!("{}", json!({ "ready": true, "startup_seconds": began.elapsed().as_secs_f64() }));
    let mut done = 0;
    for command in std::io::stdin().lock().lines() {
        match command?.trim() {
            "step" => {
                let started = Instant::now();
                let mut answer = step(done)?;
                answer["seconds"] = json!(started.elapsed().as_secs_f64());
                println!("{answer}");
                done += 1;
            }
            _ => break,
        }
    }
    println!("{}", json!({ "peak_bytes": peak_bytes() }));
    Ok(())
}

/// Meta steps on one task: of the rows of a step the first third is its support set, the second its query set, the last
/// what the query set is mixed with.
#[cfg(feature = "train")]
fn meta<'a>(
    model: &'a Model,
    task: &Task,
    rows: &[supmer::Example],
    options: &HashMap<&str, &str>,
) -> Result<Box<Step<'a>>, Box<dyn Error>> {
    use supmer::gradient_regularizer::{GradientRegularizer, Shape};
    use supmer::train::{BackboneLearner, MetaOptions, MetaState, MetaTask};

    const LAMBDA: f64 = 0.75;
    let order: Vec<Vec<usize>> = serde_json::from_slice(&std::fs::read(options["--order"])?)?;
    let tokenizer = model.backbone().tokenizer();
    let prepared = PreparedTask::new(task, tokenizer, MAX_TOKENS)?;
    let examples = tokenize(task, &prepared, tokenizer, rows, "train", &Cancel::new())?;
    let shape = Shape { width: model.backbone().width(), rank: 32, layers: 2 };
    let psi = GradientRegularizer::new(shape, read_tensor(options["--prompt-file"], "phi")?.1)?;
    let mut state = MetaState::new(read_prompt(options["--prompt-file"])?, Some(psi));
    let meta = MetaOptions {
        inner_rate: 0.3,
        prompt_rate: options["--lr"].parse()?,
        phi_rate: 1e-3,
        steps: options["--steps"].parse()?,
        ..MetaOptions::default()
    };
    let learner = BackboneLearner { backbone: model.backbone(), memory_limit: 0, label_heads: false };
    Ok(Box::new(move |i| {
        let third = order[i].len() / 3;
        let part = |at: usize| examples.batch(&order[i][at * third..(at + 1) * third]);
        let query = vec![(part(1), part(2))];
        let task = MetaTask { support: vec![part(0)], query, partner_support: Vec::new(), domain_similarity: 0.5 };
        let record = state.step(&learner, &[task], &meta, &mut |_| LAMBDA, &Cancel::new())?;
        Ok(json!({ "loss": record.tasks[0].query_loss }))
    }))
}

#[cfg(not(feature = "train"))]
fn meta<'a>(
    _: &'a Model,
    _: &Task,
    _: &[supmer::Example],
    _: &HashMap<&str, &str>,
) -> Result<Box<Step<'a>>, Box<dyn Error>> {
    Err("build with the feature train for meta steps".into())
}

/// Shape and values of the f32 tensor `name`.
fn read_tensor(path: &str, name: &str) -> Result<(Vec<usize>, Vec<f32>), Box<dyn Error>> {
    let file = std::fs::read(path)?;
    let tensors = SafeTensors::deserialize(&file)?;
    let tensor = tensors.tensor(name)?;
    let values = tensor.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    Ok((tensor.shape().to_vec(), values))
}

fn read_prompt(path: &str) -> Result<SoftPrompt, Box<dyn Error>> {
    let (shape, values) = read_tensor(path, "prompt")?;
    Ok(SoftPrompt::new(shape[0], shape[1], values)?)
}
