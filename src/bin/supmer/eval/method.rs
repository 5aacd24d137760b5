//! The process of one method: adapts and predicts for every seed that is not kept yet.

use std::time::Instant;

use sha2::{Digest, Sha256};
use supmer::adapt::Control;
use supmer::{AdaptOptions, Adapter, Model, PredictOptions, adapt, predict};

use super::cell::{Cell, Cells};
use super::metrics::{accuracy, calibration_error, macro_f1};
use super::plan::Plan;
use super::{Arguments, Method};
use crate::console::Console;
use crate::failure::Outcome;
use crate::predict::zero_shot;
use crate::progress::{AdaptProgress, rows_bar};

/// Changes when cells of an older program cannot be reused.
const CELL_FORMAT: u32 = 1;
/// Test rows that are predicted between two looks at the progress.
const CHUNK_ROWS: usize = 64;

/// Measures `method` on `plan` and keeps a cell for every seed.
pub fn measure(method: Method, arguments: &Arguments, plan: &Plan, cells: &Cells, console: &Console) -> Outcome<()> {
    let model = arguments.model.load()?;
    let mut reused = 0;
    for &seed in method.runs(&arguments.seeds) {
        let settings = settings(method, seed, arguments, plan, &model)?;
        if cells.kept(method, seed, &settings).is_some() {
            reused += 1;
            continue;
        }
        let cell = run(method, seed, settings, arguments, plan, &model, console)?;
        console.note(&format!("{method}, seed {seed}: accuracy {:.1} %", 100.0 * cell.accuracy));
        cells.keep(method, seed, &cell)?;
    }
    if reused > 0 {
        let folder = cells.folder().display();
        console.note(&format!("{method}: {reused} kept results of {folder} reused (--fresh measures anew)"));
    }
    Ok(())
}

fn run(
    method: Method,
    seed: u64,
    settings: String,
    arguments: &Arguments,
    plan: &Plan,
    model: &Model,
    console: &Console,
) -> Outcome<Cell> {
    let start = Instant::now();
    let (adapter, warnings) = match method {
        Method::ZeroShot => (zero_shot(model, &plan.task, arguments.adapt.max_tokens), Vec::new()),
        Method::PromptTuning | Method::Supmer | Method::SupmerNoPsi => {
            tune(method.options(&arguments.adapt, seed)?, seed, plan, model, console)?
        }
    };
    let adapt_seconds = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let probabilities = test(&adapter, plan, model, console)?;
    Ok(Cell {
        settings,
        accuracy: accuracy(&plan.gold, &probabilities),
        macro_f1: macro_f1(plan.task.labels().len(), &plan.gold, &probabilities),
        calibration_error: calibration_error(&plan.gold, &probabilities),
        adapt_seconds,
        predict_seconds: start.elapsed().as_secs_f64(),
        peak_bytes: supmer::runtime::peak_bytes(),
        backbone: model.backbone().fingerprint().clone(),
        warnings,
        probabilities,
    })
}

fn tune(
    options: AdaptOptions,
    seed: u64,
    plan: &Plan,
    model: &Model,
    console: &Console,
) -> Outcome<(Adapter, Vec<String>)> {
    let split = plan.split(seed);
    let mut shown = AdaptProgress::new(console, &format!("seed {seed}"));
    let mut show = |progress| {
        shown.update(progress);
        true
    };
    let control = Control { cancel: console.cancel.clone(), progress: Some(&mut show) };
    let outcome = adapt(model, &plan.task, &plan.rows(&split.train), Some(&plan.rows(&split.dev)), &options, control);
    shown.finish();
    let done = outcome?;
    Ok((done.adapter, done.report.warnings))
}

fn test(adapter: &Adapter, plan: &Plan, model: &Model, console: &Console) -> Outcome<Vec<Vec<f32>>> {
    let options = PredictOptions { cancel: console.cancel.clone(), ..PredictOptions::default() };
    let bar = rows_bar(console, "test", Some(plan.test.len()));
    let mut probabilities = Vec::with_capacity(plan.test.len());
    for chunk in plan.test.chunks(CHUNK_ROWS) {
        console.cancel.check()?;
        probabilities.extend(predict(model, adapter, chunk, &options)?.into_iter().map(|p| p.probabilities));
        bar.inc(chunk.len() as u64);
    }
    bar.finish_and_clear();
    Ok(probabilities)
}

/// SHA-256 (hex) of everything that a cell's result depends on.
fn settings(method: Method, seed: u64, arguments: &Arguments, plan: &Plan, model: &Model) -> Outcome<String> {
    let (seed, options) = match method {
        Method::ZeroShot => (0, format!("{}", arguments.adapt.max_tokens)),
        Method::PromptTuning | Method::Supmer | Method::SupmerNoPsi => {
            (seed, format!("{} {:?}", plan.shots, method.options(&arguments.adapt, seed)?))
        }
    };
    let text = format!(
        "{CELL_FORMAT}\n{}\n{method}\n{seed}\n{options}\n{}\n{:?}\n{}\n{:?}\n{:?}",
        env!("CARGO_PKG_VERSION"),
        arguments.model.threads,
        arguments.model.weights,
        plan.digest,
        plan.test_positions,
        model.backbone().fingerprint(),
    );
    Ok(format!("{:x}", Sha256::digest(text)))
}
