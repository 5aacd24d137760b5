//! Merges the cells into `results.json`, a table for people and, where asked for, every row's probabilities.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value, json};
use supmer::{Error, Status};

use super::Arguments;
use super::cell::{Cell, Cells, Place};
use super::method::Method;
use super::metrics::likeliest;
use super::plan::Plan;
use crate::console::{Console, human_bytes, json_failure, pretty, short_json};
use crate::failure::{Failure, Outcome};
use crate::files::{self, NewFile};
use crate::options::Settings;
use crate::predict::Probabilities;
use crate::statistics::Summary;

/// Version of the form of `results.json`.
const RESULTS_FORMAT: u32 = 2;

/// A method with its cells: one for every seed, or a single one where seeds change nothing.
pub struct Measured {
    method: Method,
    cells: Vec<Cell>,
}

/// Writes the results and prints them.
pub fn report(arguments: &Arguments, plan: &Plan, measured: &[Measured], console: &Console) -> Outcome<()> {
    let results = describe(arguments, plan, measured)?;
    if let Some(path) = &arguments.predictions {
        let mut file = NewFile::create(path)?;
        write_predictions(arguments, plan, measured, |line| file.write(line))?;
        file.keep()?;
    }
    files::write(&arguments.out, (pretty(&results)? + "\n").as_bytes())?;
    for one in measured {
        for (seed, cell) in one.per_seed(&arguments.seeds) {
            cell.warnings.iter().for_each(|w| console.warn(&format!("{}, seed {seed}: {w}", one.method)));
        }
    }
    if console.json { console.print_json(&results) } else { console.print(&table(arguments, plan, measured)) }
}

fn describe(arguments: &Arguments, plan: &Plan, measured: &[Measured]) -> Outcome<Value> {
    let mut methods = Vec::with_capacity(measured.len());
    for one in measured {
        let mut described = one.described(&arguments.seeds);
        for name in ["adapt", "bundle", "init_text", "encoder"] {
            if let Some(value) = one.cells.first().and_then(|cell| cell.settings.get(name)) {
                described[if name == "adapt" { "settings" } else { name }] = value.clone();
            }
        }
        methods.push(described);
    }
    let backbone = measured.iter().flat_map(|one| &one.cells).find_map(|cell| cell.backbone.as_ref());
    let mut settings = json!({
        "model": arguments.model.model.file_name().map(|n| n.to_string_lossy()),
        "weights": arguments.model.weights.name(),
        "shots": arguments.shots,
        "seeds": arguments.seeds,
        "max_test": arguments.max_test,
        "test_rows": plan.test.len(),
        "trial": arguments.trial,
        "task_digest": plan.task_digest,
        "data_digest": plan.data_digest,
        "template": plan.task.template(),
        "labels": plan.task.labels(),
    });
    let adapt = short_json(&Settings::from(&arguments.adapt.options(None, 0)))?;
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
    /// Reads the cells that the process of `method` left at `places`.
    pub fn read(method: &Method, places: &[Place], cells: &Cells) -> Outcome<Self> {
        let read = |place: &Place| {
            cells.kept(place).ok_or_else(|| {
                let message =
                    format!("{}: the result of {method}{} is gone", cells.folder().display(), place.seed_text());
                Failure::Work(Error::new(Status::Internal, message))
            })
        };
        Ok(Self { method: method.clone(), cells: places.iter().map(read).collect::<Outcome<_>>()? })
    }

    /// The cell of every seed; the only one again and again where seeds change nothing.
    fn per_seed<'a>(&'a self, seeds: &'a [u64]) -> impl Iterator<Item = (u64, &'a Cell)> {
        seeds.iter().copied().zip(self.cells.iter().cycle())
    }

    fn described(&self, seeds: &[u64]) -> Value {
        let mut described = json!({
            "name": self.method.to_string(),
            "accuracy": self.score(seeds, |cell| cell.accuracy),
            "macro_f1": self.score(seeds, |cell| cell.macro_f1),
            "calibration_error": self.mean(|cell| cell.calibration_error),
            "seconds": self.mean(|cell| cell.adapt_seconds + cell.predict_seconds),
            "adapt_seconds": self.mean(|cell| cell.adapt_seconds),
            "predict_seconds": self.mean(|cell| cell.predict_seconds),
            "peak_bytes": self.peak_bytes(),
            "threads": self.cells.iter().map(|cell| cell.threads).collect::<BTreeSet<_>>(),
        });
        let steps = self.steps();
        if !steps.is_empty() {
            let at = |step: &usize| (step.to_string(), json!(self.summary(|cell| cell.accuracy_at_steps[step])));
            described["accuracy_at_steps"] = steps.iter().map(at).collect();
        }
        described
    }

    fn score(&self, seeds: &[u64], of: impl Fn(&Cell) -> f64) -> Value {
        let Summary { mean, std, ci95 } = self.summary(&of);
        let per_seed: Map<String, Value> =
            self.per_seed(seeds).map(|(seed, cell)| (seed.to_string(), json!(of(cell)))).collect();
        json!({ "mean": mean, "std": std, "ci95": ci95, "per_seed": per_seed })
    }

    /// Over what was measured: a method that no seed changes has one value and no spread.
    fn summary(&self, of: impl Fn(&Cell) -> f64) -> Summary {
        Summary::of(&self.cells.iter().map(of).collect::<Vec<_>>())
    }

    fn mean(&self, of: impl Fn(&Cell) -> f64) -> f64 {
        self.summary(of).mean
    }

    fn peak_bytes(&self) -> u64 {
        self.cells.iter().map(|cell| cell.peak_bytes).max().unwrap_or(0)
    }

    /// The steps after which every cell was tested.
    fn steps(&self) -> Vec<usize> {
        let Some((first, others)) = self.cells.split_first() else { return Vec::new() };
        let all = |step: &usize| others.iter().all(|cell| cell.accuracy_at_steps.contains_key(step));
        first.accuracy_at_steps.keys().copied().filter(all).collect()
    }
}

fn table(arguments: &Arguments, plan: &Plan, measured: &[Measured]) -> String {
    let mut text = format!(
        "{}: {} shots, {} seeds, {} test rows{}; mean and 95% interval\n{:<24}{:>16}{:>16}{:>9}{:>10}{:>10}",
        plan.task.name().escape_debug(),
        arguments.shots,
        arguments.seeds.len(),
        plan.test.len(),
        if arguments.trial { " of train.jsonl" } else { "" },
        "method",
        "accuracy %",
        "macro F1 %",
        "ECE",
        "s / seed",
        "peak"
    );
    for one in measured {
        text += &format!(
            "\n{:<24}{:>16}{:>16}{:>9.3}{:>10.1}{:>10}",
            one.method.to_string(),
            percent(one.summary(|cell| cell.accuracy)),
            percent(one.summary(|cell| cell.macro_f1)),
            one.mean(|cell| cell.calibration_error),
            one.mean(|cell| cell.adapt_seconds + cell.predict_seconds),
            human_bytes(one.peak_bytes()),
        );
    }
    for one in measured {
        let steps = one.steps();
        if !steps.is_empty() {
            text += &format!("\n{}, accuracy % after steps:", one.method);
        }
        for step in steps {
            text += &format!("  {step}: {}", percent(one.summary(|cell| cell.accuracy_at_steps[&step])));
        }
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
    method: String,
    seed: u64,
    /// Position in the file of the test rows, from 0.
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
        for (seed, cell) in one.per_seed(&arguments.seeds) {
            for (i, values) in cell.probabilities.iter().flatten().enumerate() {
                let line = serde_json::to_string(&PredictionRow {
                    method: one.method.to_string(),
                    seed,
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
    fn a_method_is_described_with_its_seeds_and_steps() {
        let at = |accuracy, steps: &[(usize, f64)]| {
            let accuracy_at_steps = steps.iter().copied().collect();
            Cell { accuracy_at_steps, ..cell("prompt-tuning", 13, accuracy) }
        };
        let cells = vec![at(0.5, &[(0, 0.25), (5, 0.5)]), at(0.75, &[(0, 0.75)])];
        let described = Measured { method: Method::PromptTuning, cells }.described(&[13, 21]);
        assert_eq!(described["name"], "prompt-tuning");
        assert_eq!(described["accuracy"]["mean"], 0.625);
        assert_eq!(described["accuracy"]["per_seed"], json!({"13": 0.5, "21": 0.75}));
        assert_eq!(described["calibration_error"], 0.125);
        assert_eq!(described["seconds"], 3.0);
        assert_eq!(described["peak_bytes"], 1_000_000);
        assert_eq!(described["accuracy_at_steps"]["0"]["mean"], 0.5);
        assert_eq!(described["accuracy_at_steps"]["5"], Value::Null);
    }

    #[test]
    fn one_cell_is_listed_for_all_seeds_and_has_no_spread() {
        let measured = Measured { method: Method::ZeroShot, cells: vec![cell("zero-shot", 0, 0.5)] };
        let described = measured.described(&[13, 21]);
        let per_seed = json!({"13": 0.5, "21": 0.5});
        assert_eq!(described["accuracy"], json!({"mean": 0.5, "std": null, "ci95": null, "per_seed": per_seed}));
    }

    #[test]
    fn a_missing_cell_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let cells = Cells::new(folder.path().to_owned());
        let place = Place::of("t", &Method::PromptTuning, Some(13), &json!(1));
        let failure = Measured::read(&Method::PromptTuning, &[place], &cells).err().unwrap();
        assert!(failure.message().unwrap().contains("prompt-tuning, seed 13"));
    }
}
