//! The process of one method: adapts and predicts for every seed that is not kept yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use supmer::adapt::{Control, Learned};
use supmer::kernels::Isa;
use supmer::{AdaptOptions, Adapter, Bundle, Model, PredictOptions, adapt, predict};

use super::cell::{Cell, Cells, Place};
use super::in_context::{self, Choice};
use super::method::Method;
use super::metrics::{accuracy, calibration_error, macro_f1};
#[cfg(feature = "train")]
use super::minilm_logreg::MinilmLogreg;
use super::plan::{Plan, TestRows};
use super::{Arguments, bundles};
use crate::console::{Console, short_json};
use crate::failure::Outcome;
use crate::options::Settings;
use crate::predict::zero_shot;
use crate::progress::{AdaptProgress, rows_bar};

/// Changes when cells of an older program cannot be reused.
const CELL_FORMAT: u32 = 4;
/// Test rows that are predicted between two looks at the progress.
const CHUNK_ROWS: usize = 256;

/// Measures `method` on `plan`, keeps a cell for every seed that changes something, and gives their places.
pub fn measure(
    method: &Method,
    arguments: &Arguments,
    plan: &Plan,
    cells: &Cells,
    console: &Console,
) -> Outcome<Vec<Place>> {
    let bench = Bench::set_up(method, arguments, plan, console)?;
    let seeds: Vec<Option<u64>> =
        if method.has_seeds() { arguments.seeds.iter().copied().map(Some).collect() } else { vec![None] };
    let mut places = Vec::with_capacity(seeds.len());
    let mut reused = 0;
    for seed in seeds {
        let settings = bench.settings(seed)?;
        let place = Place::of(plan.task.name(), method, seed, &settings);
        let kept = if arguments.fresh { None } else { cells.kept(&place) };
        if kept.as_ref().is_some_and(|cell| bench.is_answered_by(cell, seed)) {
            reused += 1;
        } else {
            let cell = bench.cell(&place, settings, kept)?;
            console.note(&format!("{method}{}: accuracy {:.1} %", place.seed_text(), 100.0 * cell.accuracy));
            cells.keep(&place, &cell)?;
        }
        places.push(place);
    }
    if reused > 0 {
        let folder = cells.folder().display();
        console.note(&format!("{method}: {reused} kept results of {folder} reused (--fresh measures anew)"));
    }
    Ok(places)
}

/// Everything that the seeds of one method share.
struct Bench<'a> {
    method: &'a Method,
    arguments: &'a Arguments,
    plan: &'a Plan,
    console: &'a Console,
    bundle: Option<Arc<Bundle>>,
    learner: Learner,
}

/// What learns.
enum Learner {
    /// Nobody.
    Nobody,
    /// The language model.
    Model(Arc<Model>),
    /// A classifier on embeddings; its encoder's digest goes into the settings.
    #[cfg(feature = "train")]
    Embeddings(Box<MinilmLogreg>),
}

/// What one seed gives.
#[derive(Default)]
struct Solved {
    probabilities: Vec<Vec<f32>>,
    accuracy_at_steps: BTreeMap<usize, f64>,
    adapt_seconds: f64,
    predict_seconds: f64,
    chosen: BTreeMap<String, f64>,
    warnings: Vec<String>,
}

impl<'a> Bench<'a> {
    fn set_up(method: &'a Method, arguments: &'a Arguments, plan: &'a Plan, console: &'a Console) -> Outcome<Self> {
        let bundle = bundles::load(method, &arguments.bundles)?;
        let learner = match &arguments.encoder {
            _ if *method == Method::Majority => Learner::Nobody,
            #[cfg(feature = "train")]
            Some(folder) if *method == Method::MinilmLogreg => Learner::Embeddings(Box::new(MinilmLogreg::open(
                folder,
                plan,
                arguments.model.threads,
                console.cancel.clone(),
            )?)),
            _ => Learner::Model(arguments.model.load()?),
        };
        Ok(Self { method, arguments, plan, console, bundle, learner })
    }

    /// Everything that the result of `seed` depends on.
    fn settings(&self, seed: Option<u64>) -> Outcome<Value> {
        let Self { method, arguments, plan, .. } = self;
        let mut settings = json!({
            "format": CELL_FORMAT,
            "version": env!("CARGO_PKG_VERSION"),
            "method": method.to_string(),
            "seed": seed,
            "task_digest": plan.task_digest,
            "data_digest": plan.data_digest,
            "test_rows": plan.test.len(),
            "max_tokens": arguments.adapt.max_tokens,
        });
        if method.has_seeds() {
            settings["shots"] = json!(plan.shots);
        }
        match &self.learner {
            Learner::Nobody => {}
            Learner::Model(model) => {
                settings["backbone"] = json!(model.backbone().fingerprint());
                settings["weights"] = json!(arguments.model.weights.name());
                settings["products"] = json!(model.backbone().isa().products());
            }
            #[cfg(feature = "train")]
            Learner::Embeddings(embeddings) => settings["encoder"] = json!(embeddings.encoder()),
        }
        if let Some(bundle) = &self.bundle {
            settings["bundle"] = json!(bundle.digest()?);
        }
        if *method == &Method::InContext {
            settings["context_examples"] = json!(arguments.context_examples);
        }
        if *method == &Method::TextInit {
            settings["init_text"] = json!(arguments.init_text);
        }
        if let Some(options) = self.options(seed) {
            settings["adapt"] = short_json(&Settings::from(&options))?;
        }
        Ok(settings)
    }

    /// The options of adaptation, where the method adapts a prompt; no iterates are asked for yet.
    fn options(&self, seed: Option<u64>) -> Option<AdaptOptions> {
        let options = self.arguments.adapt.options(self.bundle.clone(), seed.unwrap_or_default());
        match self.method {
            Method::PromptTuning | Method::Supmer(_) => Some(options),
            Method::PromptTuningAllRows => Some(AdaptOptions { dev_per_class: 0, dev_fraction: 0.0, ..options }),
            Method::TextInit => {
                Some(AdaptOptions { start: self.arguments.init_text_start(&self.plan.task), ..options })
            }
            Method::SupmerNoPsi(_) => Some(AdaptOptions { regularize: false, ..options }),
            Method::Majority | Method::ZeroShot | Method::InContext | Method::MinilmLogreg => None,
        }
    }

    /// Whether `cell`, whose settings are right, holds all that is asked for: what was learned after some steps, and
    /// predictions.
    fn is_answered_by(&self, cell: &Cell, seed: Option<u64>) -> bool {
        let looked_at = self.options(seed).is_none_or(|options| {
            let mut asked = self.arguments.at_steps.iter().filter(|step| **step <= options.steps);
            asked.all(|step| cell.accuracy_at_steps.contains_key(step))
        });
        looked_at && (cell.probabilities.is_some() || self.arguments.predictions.is_none())
    }

    /// Measures the cell at `place`. What `kept`, the one that was there, was asked for is measured again with the rest.
    fn cell(&self, place: &Place, settings: Value, kept: Option<Cell>) -> Outcome<Cell> {
        let plan = self.plan;
        let (known_steps, had_probabilities) =
            kept.map_or_else(Default::default, |cell| (cell.accuracy_at_steps, cell.probabilities.is_some()));
        let at_steps: BTreeSet<usize> =
            known_steps.into_keys().chain(self.arguments.at_steps.iter().copied()).collect();
        let solved = self.solve(place.seed, at_steps.into_iter().collect())?;
        let with_probabilities = had_probabilities || self.arguments.predictions.is_some();
        let backbone = match &self.learner {
            Learner::Model(model) => Some(model.backbone()),
            _ => None,
        };
        Ok(Cell {
            task: place.task.clone(),
            method: place.method.clone(),
            seed: place.seed,
            trial: plan.test_rows == TestRows::Train,
            key: place.key.clone(),
            settings,
            accuracy: accuracy(&plan.gold, &solved.probabilities),
            macro_f1: macro_f1(plan.task.labels().len(), &plan.gold, &solved.probabilities),
            calibration_error: calibration_error(&plan.gold, &solved.probabilities),
            accuracy_at_steps: solved.accuracy_at_steps,
            threads: self.arguments.model.threads,
            emulated: backbone.is_some_and(|backbone| backbone.isa() == Isa::EmulatedAmxBf16),
            adapt_seconds: solved.adapt_seconds,
            predict_seconds: solved.predict_seconds,
            peak_bytes: supmer::runtime::peak_bytes(),
            chosen: solved.chosen,
            backbone: backbone.map(|backbone| backbone.fingerprint().clone()),
            warnings: solved.warnings,
            probabilities: with_probabilities.then_some(solved.probabilities),
        })
    }

    fn solve(&self, seed: Option<u64>, at_steps: Vec<usize>) -> Outcome<Solved> {
        let model = match &self.learner {
            Learner::Nobody => {
                let probabilities = vec![self.plan.label_shares(); self.plan.test.len()];
                return Ok(Solved { probabilities, ..Solved::default() });
            }
            Learner::Model(model) => model,
            #[cfg(feature = "train")]
            Learner::Embeddings(embeddings) => {
                let fitted = embeddings.fit(self.plan, &self.plan.split(seed.unwrap_or_default()))?;
                return Ok(Solved {
                    probabilities: fitted.probabilities,
                    adapt_seconds: fitted.fit_seconds,
                    predict_seconds: fitted.test_seconds,
                    chosen: BTreeMap::from([("strength".to_owned(), fitted.strength)]),
                    ..Solved::default()
                });
            }
        };
        let start = Instant::now();
        let Solution { adapter, iterates, watch_seconds, chosen, warnings } = self.learn(seed, at_steps, model)?;
        let adapt_seconds = start.elapsed().as_secs_f64() - watch_seconds;
        let start = Instant::now();
        let probabilities = self.test(&adapter, model)?;
        let predict_seconds = start.elapsed().as_secs_f64();
        let mut accuracy_at_steps = BTreeMap::new();
        for (step, learned) in iterates {
            let (lineage, fingerprint) = (adapter.lineage().clone(), adapter.fingerprint().clone());
            let adapter = learned.into_adapter(self.plan.task.clone(), lineage, fingerprint)?;
            accuracy_at_steps.insert(step, accuracy(&self.plan.gold, &self.test(&adapter, model)?));
        }
        Ok(Solved { probabilities, accuracy_at_steps, adapt_seconds, predict_seconds, chosen, warnings })
    }

    fn learn(&self, seed: Option<u64>, at_steps: Vec<usize>, model: &Model) -> Outcome<Solution> {
        let Self { plan, arguments, .. } = self;
        let max_tokens = arguments.adapt.max_tokens;
        let split = plan.split(seed.unwrap_or_default());
        if let Some(options) = self.options(seed) {
            return self.tune(&AdaptOptions { iterates_at: at_steps, ..options }, model);
        }
        if *self.method == Method::ZeroShot {
            return Ok(Solution::plain(zero_shot(model, &plan.task, max_tokens)));
        }
        let choice = Choice { plan, split: &split, per_class: arguments.context_examples, max_tokens };
        let (adapter, shown) = in_context::choose(&choice, model, &self.predict_options())?;
        let chosen = BTreeMap::from([("examples_per_class".to_owned(), shown as f64)]);
        Ok(Solution { chosen, ..Solution::plain(adapter) })
    }

    fn tune(&self, options: &AdaptOptions, model: &Model) -> Outcome<Solution> {
        let Self { plan, console, .. } = self;
        let split = plan.split(options.seed);
        let mut shown = AdaptProgress::new(console, &format!("seed {}", options.seed));
        let mut show = |progress| {
            shown.update(progress);
            true
        };
        let control = Control { cancel: console.cancel.clone(), progress: Some(&mut show) };
        let (mut train, dev) = (plan.rows(&split.train), plan.rows(&split.dev));
        let chooses = *self.method != Method::PromptTuningAllRows;
        if !chooses {
            train.extend_from_slice(&dev);
        }
        let outcome = adapt(model, &plan.task, &train, chooses.then_some(&dev), options, control);
        shown.finish();
        let done = outcome?;
        let chosen = BTreeMap::from([("step".to_owned(), done.report.kept_step as f64)]);
        Ok(Solution {
            adapter: done.adapter,
            iterates: done.iterates,
            watch_seconds: done.watch_seconds,
            chosen,
            warnings: done.report.warnings,
        })
    }

    fn test(&self, adapter: &Adapter, model: &Model) -> Outcome<Vec<Vec<f32>>> {
        let Self { plan, console, .. } = self;
        let options = self.predict_options();
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

    fn predict_options(&self) -> PredictOptions {
        PredictOptions { cancel: self.console.cancel.clone(), ..PredictOptions::default() }
    }
}

/// What predicts the test rows, and how it came to be.
struct Solution {
    adapter: Adapter,
    /// What was learned after the steps of `--at-steps`. A label head among it is the one that the dev rows choose after
    /// that step, fitted with them.
    iterates: Vec<(usize, Learned)>,
    /// Seconds of learning that nothing but `iterates` needed.
    watch_seconds: f64,
    chosen: BTreeMap<String, f64>,
    warnings: Vec<String>,
}

impl Solution {
    fn plain(adapter: Adapter) -> Self {
        Self { adapter, iterates: Vec::new(), watch_seconds: 0.0, chosen: BTreeMap::new(), warnings: Vec::new() }
    }
}
