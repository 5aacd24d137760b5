//! Merges the cells into `results.json`, a table for people and, where asked for, every row's probabilities.

use serde::Serialize;
use serde_json::{Map, Value, json};
use supmer::{Error, Status};

use super::cell::{Cell, Cells};
use super::metrics::likeliest;
use super::plan::Plan;
use super::statistics::Summary;
use super::{Arguments, Method};
use crate::console::{Console, human_bytes, json_failure, pretty, short_json};
use crate::failure::{Failure, Outcome};
use crate::files::{self, NewFile};
use crate::options::Settings;
use crate::predict::Probabilities;

/// Version of the form of `results.json`.
const RESULTS_FORMAT: u32 = 1;

/// A method with its cell for every seed.
struct Measured {
    method: Method,
    cells: Vec<Cell>,
}

/// Writes the results and prints them.
pub fn report(arguments: &Arguments, plan: &Plan, cells: &Cells, console: &Console) -> Outcome<()> {
    let measured: Vec<Measured> =
        arguments.methods.iter().map(|&method| gather(method, &arguments.seeds, cells)).collect::<Outcome<_>>()?;
    let results = describe(arguments, plan, &measured)?;
    if let Some(path) = &arguments.predictions {
        let mut file = NewFile::create(path)?;
        write_predictions(arguments, plan, &measured, |line| file.write(line))?;
        file.keep()?;
    }
    files::write(&arguments.out, (pretty(&results)? + "\n").as_bytes())?;
    for one in &measured {
        for (seed, cell) in arguments.seeds.iter().zip(&one.cells) {
            cell.warnings.iter().for_each(|w| console.warn(&format!("{}, seed {seed}: {w}", one.method)));
        }
    }
    if console.json { console.print_json(&results) } else { console.print(&table(arguments, plan, &measured)) }
}

fn gather(method: Method, seeds: &[u64], cells: &Cells) -> Outcome<Measured> {
    let read = |&seed: &u64| {
        cells.read(method, seed).ok_or_else(|| {
            let message = format!("{}: the result of {method}, seed {seed} is gone", cells.folder().display());
            Failure::Work(Error::new(Status::Internal, message))
        })
    };
    Ok(Measured { method, cells: seeds.iter().map(read).collect::<Outcome<_>>()? })
}

fn describe(arguments: &Arguments, plan: &Plan, measured: &[Measured]) -> Outcome<Value> {
    let mut methods = Vec::with_capacity(measured.len());
    for one in measured {
        let mut described = one.described(&arguments.seeds);
        if one.method.needs_bundle() {
            described["settings"] = short_json(&Settings::from(&one.method.options(&arguments.adapt, 0)?))?;
        }
        methods.push(described);
    }
    let backbone = measured.first().and_then(|one| one.cells.first()).map(|cell| &cell.backbone);
    let mut settings = json!({
        "model": arguments.model.model.file_name().map(|n| n.to_string_lossy()),
        "weights": arguments.model.weights.name(),
        "threads": arguments.model.threads,
        "shots": arguments.shots,
        "seeds": arguments.seeds,
        "max_test": arguments.max_test,
        "test_rows": plan.test.len(),
        "data_digest": plan.digest,
        "template": plan.task.template(),
        "labels": plan.task.labels(),
    });
    let adapt = short_json(&Settings::from(&arguments.adapt.plain_options(0)?))?;
    if let (Value::Object(all), Value::Object(adapt)) = (&mut settings, adapt) {
        all.extend(adapt);
    }
    Ok(json!({
        "format": RESULTS_FORMAT,
        "task": plan.task.name(),
        "settings": settings,
        "versions": { "supmer": env!("CARGO_PKG_VERSION"), "backbone": backbone },
        "methods": methods,
    }))
}

impl Measured {
    fn described(&self, seeds: &[u64]) -> Value {
        json!({
            "name": self.method.name(),
            "accuracy": self.score(seeds, |cell| cell.accuracy),
            "macro_f1": self.score(seeds, |cell| cell.macro_f1),
            "calibration_error": self.mean(|cell| cell.calibration_error),
            "seconds": self.mean(|cell| cell.adapt_seconds + cell.predict_seconds),
            "adapt_seconds": self.mean(|cell| cell.adapt_seconds),
            "predict_seconds": self.mean(|cell| cell.predict_seconds),
            "peak_bytes": self.peak_bytes(),
        })
    }

    fn score(&self, seeds: &[u64], of: impl Fn(&Cell) -> f64) -> Value {
        let Summary { mean, std, ci95 } = self.summary(&of);
        let per_seed: Map<String, Value> =
            seeds.iter().zip(&self.cells).map(|(seed, cell)| (seed.to_string(), json!(of(cell)))).collect();
        json!({ "mean": mean, "std": std, "ci95": ci95, "per_seed": per_seed })
    }

    fn summary(&self, of: impl Fn(&Cell) -> f64) -> Summary {
        Summary::of(&self.cells.iter().map(of).collect::<Vec<_>>())
    }

    fn mean(&self, of: impl Fn(&Cell) -> f64) -> f64 {
        self.summary(of).mean
    }

    fn peak_bytes(&self) -> u64 {
        self.cells.iter().map(|cell| cell.peak_bytes).max().unwrap_or(0)
    }
}

fn table(arguments: &Arguments, plan: &Plan, measured: &[Measured]) -> String {
    let mut text = format!(
        "{}: {} shots, {} seeds, {} test rows; mean and 95% interval\n{:<15}{:>16}{:>16}{:>9}{:>10}{:>10}",
        plan.task.name().escape_debug(),
        arguments.shots,
        arguments.seeds.len(),
        plan.test.len(),
        "method",
        "accuracy %",
        "macro F1 %",
        "ECE",
        "s / seed",
        "peak"
    );
    for one in measured {
        text += &format!(
            "\n{:<15}{:>16}{:>16}{:>9.3}{:>10.1}{:>10}",
            one.method.name(),
            percent(one.summary(|cell| cell.accuracy)),
            percent(one.summary(|cell| cell.macro_f1)),
            one.mean(|cell| cell.calibration_error),
            one.mean(|cell| cell.adapt_seconds + cell.predict_seconds),
            human_bytes(one.peak_bytes()),
        );
    }
    text
}

fn percent(summary: Summary) -> String {
    match summary.ci95 {
        Some(half) => format!("{:.1} ± {:.1}", 100.0 * summary.mean, 100.0 * half),
        None => format!("{:.1}", 100.0 * summary.mean),
    }
}

/// What one method with one seed makes of one test row.
#[derive(Serialize)]
struct PredictionRow<'a> {
    method: &'static str,
    seed: u64,
    /// Position in `test.jsonl`, from 0.
    row: usize,
    gold: &'a str,
    predicted: &'a str,
    probabilities: Probabilities<'a>,
}

/// One line per method, seed and test row.
fn write_predictions(
    arguments: &Arguments,
    plan: &Plan,
    measured: &[Measured],
    mut write: impl FnMut(&[u8]) -> Outcome<()>,
) -> Outcome<()> {
    let labels = plan.task.labels();
    for one in measured {
        for (seed, cell) in arguments.seeds.iter().zip(&one.cells) {
            for (i, values) in cell.probabilities.iter().enumerate() {
                let line = serde_json::to_string(&PredictionRow {
                    method: one.method.name(),
                    seed: *seed,
                    row: plan.test_positions[i],
                    gold: &labels[plan.gold[i]].name,
                    predicted: &labels[likeliest(values)].name,
                    probabilities: Probabilities { labels, values },
                });
                let line = line.map_err(json_failure)?;
                write(format!("{line}\n").as_bytes())?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::cell::tests::cell;
    use super::*;

    #[test]
    fn a_method_is_described_with_its_seeds() {
        let cells = vec![cell("a", 0.5), cell("a", 0.75)];
        let described = Measured { method: Method::PromptTuning, cells }.described(&[13, 21]);
        assert_eq!(described["name"], "prompt-tuning");
        assert_eq!(described["accuracy"]["mean"], 0.625);
        assert_eq!(described["accuracy"]["per_seed"], json!({"13": 0.5, "21": 0.75}));
        assert_eq!(described["calibration_error"], 0.125);
        assert_eq!(described["seconds"], 3.0);
        assert_eq!(described["peak_bytes"], 1_000_000);
    }

    #[test]
    fn a_single_seed_has_null_spread() {
        let described = Measured { method: Method::ZeroShot, cells: vec![cell("a", 0.5)] }.described(&[13]);
        assert_eq!(described["accuracy"]["std"], Value::Null);
        assert_eq!(described["accuracy"]["ci95"], Value::Null);
    }

    #[test]
    fn a_missing_cell_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let cells = Cells::of(&folder.path().join("r.json"));
        let failure = gather(Method::PromptTuning, &[13], &cells).err().unwrap();
        assert!(failure.message().unwrap().contains("prompt-tuning, seed 13"));
    }
}
