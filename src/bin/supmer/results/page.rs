//! The page of results in Markdown.

use std::collections::BTreeSet;
use std::fmt::Display;

use serde_json::Value;

use super::comparison::{Comparison, task_means};
use super::curve::Curve;
use super::scores::Scores;
use super::trials::Trials;
use crate::console::human_bytes;
use crate::eval::cell::Cell;
use crate::statistics::{RESAMPLES, Summary, median};

/// The baseline that the page's advice is drawn from.
const ENCODER: &str = "minilm-logreg";
/// What a method has to be above to have learned anything.
const FLOOR: &str = "majority";
/// What stands where there is no number.
pub const NONE: &str = "-";

/// The whole page: all methods, compared with each of `baselines`, of which the first is the goal of the curves, and what
/// the settings were chosen from.
pub fn write(scores: &Scores, trials: &Trials, method: &str, baselines: &[String]) -> String {
    let mut sections = vec![introduction(scores), accuracies(scores), settings(scores), trials.section()];
    sections.extend(baselines.iter().map(|baseline| differences(scores, baseline)));
    sections.extend([per_task(scores, method, baselines), spread(scores)]);
    sections.extend(baselines.first().map(|baseline| steps(scores, method, baseline)));
    sections.extend([cost(scores), advice(scores, method)]);
    sections.into_iter().filter(|section| !section.is_empty()).collect::<Vec<_>>().join("\n")
}

fn introduction(scores: &Scores) -> String {
    let shots = distinct(scores.all(), "shots");
    let models: BTreeSet<&str> =
        scores.all().filter_map(|cell| cell.backbone.as_ref()).map(|backbone| backbone.shape.as_str()).collect();
    let products = distinct(scores.all(), "products");
    let rows = scores.all().map(Cell::test_rows).max().unwrap_or(0);
    let floor = if scores.methods().contains(&FLOOR) {
        format!(" {FLOOR} gives every row the label that most test rows have, which no method is told.")
    } else {
        String::new()
    };
    let unfinished = match scores.unfinished() {
        [] => String::new(),
        some => format!("\nLeft out, since not measured on every task yet: {}.\n", some.join(", ")),
    };
    format!(
        "# Results\n\nWritten by `supmer results` from the cells of `supmer eval`; change nothing by hand.\n\n\
         {shots} train and {shots} dev examples of each class, {} tasks, at most {rows} test rows each. The dev examples choose \
         which prompt is kept; a label head and {ENCODER} are fitted to them as well in the end, so these learn from twice \
         the examples that a prompt with label words learns from, unless that has all rows. Model: {}; its products: \
         {products}. All numbers in percent unless said otherwise; ± is half the 95% t interval over seeds, which does not know that \
         other test rows would give another accuracy too ({rows} rows: a standard error of up to {:.1} points). Every method \
         has one setting for all tasks.{floor}\n{unfinished}",
        scores.tasks().len(),
        models.into_iter().collect::<Vec<_>>().join(", "),
        50.0 / (rows.max(1) as f64).sqrt(),
    )
}

fn accuracies(scores: &Scores) -> String {
    let methods = scores.methods();
    let mut table = Table::new("## Accuracy\n", std::iter::once("Task").chain(methods.iter().copied()));
    for task in scores.tasks() {
        let of = |method: &&str| values(scores.cells(method, task), |cell| cell.accuracy);
        table.row(task, methods.iter().map(|method| of(method).map_or(NONE.to_owned(), percent)));
    }
    let overall = |method: &&str| overall(scores, method, |cell| cell.accuracy).map_or(NONE.to_owned(), percent);
    table.row("mean over tasks", methods.iter().map(overall));
    let f1 = |method: &&str| overall_mean(scores, method, |cell| 100.0 * cell.macro_f1, 1);
    table.row("macro F1, mean over tasks", methods.iter().map(f1));
    let error = |method: &&str| overall_mean(scores, method, |cell| cell.calibration_error, 3);
    table.row("calibration error, mean over tasks", methods.iter().map(error));
    let seeds = |method: &&str| match seeds_of(scores, method) {
        0 => NONE.to_owned(),
        count => count.to_string(),
    };
    table.row("seeds", methods.iter().map(seeds));
    table.text
}

fn settings(scores: &Scores) -> String {
    let names = [
        "Method",
        "Steps",
        "Learning rate",
        "Loss over",
        "Batch",
        "Prompt rows",
        "Start",
        "Dev scores every",
        "Bundle",
    ];
    let mut table = Table::new("## Settings\n", names);
    for method in scores.methods() {
        let adapt = scores.of_method(method).find_map(|cell| cell.settings.get("adapt"));
        let of = |name: &str| adapt.and_then(|adapt| adapt.get(name)).map_or(NONE.to_owned(), plain);
        let bundle = scores.of_method(method).find_map(|cell| cell.settings.get("bundle")?.as_str());
        let adapted =
            ["steps", "learning_rate", "answer_loss", "batch_size", "prompt_length", "prompt_start", "eval_every"]
                .map(of);
        let bundle = bundle.map_or(NONE.to_owned(), |digest| digest.chars().take(12).collect());
        table.row(method, adapted.into_iter().chain([bundle]));
    }
    table.text
}

fn differences(scores: &Scores, baseline: &str) -> String {
    let title = format!(
        "## Difference to {baseline}\n\nPoints of accuracy on the mean over the tasks that both were measured on, paired by seed. Beside the t interval \
         over seeds stands the bootstrap over tasks and seeds ({RESAMPLES} resamples), which has no correction for few of them.\n"
    );
    let names =
        ["Method", "Tasks", "Seeds", "Difference", "95% interval over seeds", "95% interval over tasks and seeds"];
    let mut table = Table::new(&title, names);
    for method in scores.methods().into_iter().filter(|method| *method != baseline) {
        if let Some(Comparison { per_task, overall, bootstrap, seeds }) = Comparison::of(scores, method, baseline) {
            let half = |half| range(overall.mean - half, overall.mean + half);
            let counts = [per_task.len(), seeds].map(|count| count.to_string());
            let intervals = [
                overall.ci95.map_or(NONE.to_owned(), half),
                bootstrap.map_or(NONE.to_owned(), |(low, high)| range(low, high)),
            ];
            table.row(method, counts.into_iter().chain([points(overall.mean)]).chain(intervals));
        }
    }
    table.text_if_filled()
}

fn per_task(scores: &Scores, method: &str, baselines: &[String]) -> String {
    let others: Vec<&str> = baselines.iter().map(String::as_str).filter(|name| *name != method).collect();
    let title = format!("## {method} task by task\n\nPoints of accuracy above each, paired by seed.\n");
    let mut table = Table::new(&title, std::iter::once("Task").chain(others.iter().copied()));
    let compared: Vec<Option<Comparison>> = others.iter().map(|name| Comparison::of(scores, method, name)).collect();
    for task in scores.tasks() {
        let of = |compared: &Option<Comparison>| compared.as_ref()?.difference(task);
        let differences: Vec<Option<Summary>> = compared.iter().map(of).collect();
        if differences.iter().any(Option::is_some) {
            table.row(task, differences.into_iter().map(|difference| difference.map_or(NONE.to_owned(), signed)));
        }
    }
    table.text_if_filled()
}

fn spread(scores: &Scores) -> String {
    let title = "## Spread over seeds\n\nStandard deviation over seeds: of a task's accuracy, root of the mean variance over tasks; \
                 and of the mean over tasks.\n";
    let mut table = Table::new(title, ["Method", "Seeds", "One task", "Mean over tasks"]);
    for method in scores.methods() {
        let of_task = |task: &&str| values(scores.cells(method, task), |cell| cell.accuracy)?.std.map(|std| std * std);
        let variances: Option<Vec<f64>> = scores.tasks().iter().map(of_task).collect();
        let of_mean = overall(scores, method, |cell| cell.accuracy).and_then(|summary| summary.std);
        if let (Some(variances), Some(of_mean)) = (variances, of_mean) {
            let one = 100.0 * Summary::of(&variances).mean.sqrt();
            table.row(
                method,
                [seeds_of(scores, method).to_string(), format!("{one:.2}"), format!("{:.2}", 100.0 * of_mean)],
            );
        }
    }
    table.text_if_filled()
}

fn steps(scores: &Scores, method: &str, baseline: &str) -> String {
    let curves: Vec<(&str, Curve)> =
        scores.methods().into_iter().filter_map(|name| Some((name, Curve::of(scores, name)?))).collect();
    let all: BTreeSet<usize> = curves.iter().flat_map(|(_, curve)| curve.accuracies.keys()).copied().collect();
    let title = "## Accuracy against adaptation steps\n\nOf what is learned after so many steps, whether or not the dev rows \
                 would keep it; a label head is still chosen by the dev rows, and fitted with them. Mean over tasks and seeds.\n";
    let columns = ["Method", "Seeds"].map(str::to_owned).into_iter().chain(all.iter().map(ToString::to_string));
    let mut table = Table::new(title, columns);
    for (name, curve) in &curves {
        let at = |step: &usize| curve.accuracies.get(step).map_or(NONE.to_owned(), |a| format!("{:.1}", 100.0 * a));
        table.row(name, std::iter::once(curve.seeds.len().to_string()).chain(all.iter().map(at)));
    }
    let text = table.text_if_filled();
    let Some((_, curve)) = curves.iter().find(|(name, _)| *name == method) else { return text };
    let Some(goal) = curve.end_of(scores, baseline) else { return text };
    let when = match curve.first_to_reach(goal) {
        Some(step) => format!("at the latest after {step} steps"),
        None => "at none of these steps".to_owned(),
    };
    let goal = 100.0 * goal;
    format!(
        "{text}\n{method} reaches what {baseline} has in the end with the same seeds ({goal:.1}, of the prompts that the dev \
         rows keep or of the last ones, whichever is more) {when}.\n"
    )
}

fn cost(scores: &Scores) -> String {
    let title = "## Cost\n\nWall seconds of one adaptation (choosing included) and of a hundred predictions, mean over tasks of \
                 the median over seeds, with so many threads (0 = every core) and beside whatever else ran, so that only large \
                 differences mean something; those of emulated tiles are left out. The peak is the largest of a process.\n";
    let names = ["Method", "Adaptation, s", "100 predictions, s", "Peak memory", "Threads"];
    let mut table = Table::new(title, names);
    for method in scores.methods() {
        let adapt = seconds(scores, method, |cell| cell.adapt_seconds);
        let per_row = |cell: &Cell| 100.0 * cell.predict_seconds / cell.test_rows().max(1) as f64;
        let predict = seconds(scores, method, per_row);
        let peak = scores.of_method(method).map(|cell| cell.peak_bytes).max().unwrap_or(0);
        let threads: BTreeSet<usize> = scores.of_method(method).map(|cell| cell.threads).collect();
        let threads: Vec<String> = threads.iter().map(ToString::to_string).collect();
        table.row(method, [adapt, predict, human_bytes(peak), threads.join(", ")]);
    }
    table.text
}

fn advice(scores: &Scores, method: &str) -> String {
    let Some(compared) = Comparison::of(scores, method, ENCODER) else { return String::new() };
    let title = format!(
        "## When not to use {method}\n\nAgainst sentence embeddings of MiniLM with logistic regression on the same examples; \
         points of accuracy, paired by seed.\n"
    );
    let mut table = Table::new(&title, ["Task", "Difference"]);
    let accuracy = |method: &str, task: &str| values(scores.cells(method, task), |cell| cell.accuracy).map(|a| a.mean);
    let [mut worse, mut better, mut open, mut untaught] = [const { Vec::new() }; 4];
    for (task, difference) in &compared.per_task {
        table.row(task, [signed(*difference)]);
        let half = difference.ci95.unwrap_or(f64::INFINITY);
        let floor = accuracy(FLOOR, task);
        let is_floored = |method| floor.is_some_and(|floor| accuracy(method, task).is_some_and(|mean| mean <= floor));
        let side = match difference.mean {
            _ if is_floored(method) && is_floored(ENCODER) => &mut untaught,
            mean if mean + half < 0.0 => &mut worse,
            mean if mean - half > 0.0 => &mut better,
            _ => &mut open,
        };
        side.push(task.as_str());
    }
    table.row("mean over tasks", [signed(compared.overall)]);
    let list = |tasks: &[&str]| if tasks.is_empty() { "none of these tasks".to_owned() } else { tasks.join(", ") };
    let seconds = |method: &str| seconds(scores, method, |cell| cell.adapt_seconds);
    let untaught = if untaught.is_empty() {
        String::new()
    } else {
        format!(
            " Neither is above {FLOOR} on {}: so few examples teach that to neither, and neither should be used for it.",
            list(&untaught)
        )
    };
    format!(
        "{}\nFor tasks where the interval is below zero take the sentence encoder: {}. It is above zero on {}, and does not \
         decide on {}.{untaught} Learning a task takes {} s with {method} and {} s with the sentence encoder.\n",
        table.text,
        list(&worse),
        list(&better),
        list(&open),
        seconds(method),
        seconds(ENCODER),
    )
}

/// Mean over the tasks of `method` of the median over seeds, in seconds; none where a task has those of emulated tiles alone.
fn seconds(scores: &Scores, method: &str, of: impl Fn(&Cell) -> f64) -> String {
    let of_task = |task: &str| median(scores.cells(method, task).filter(|cell| !cell.emulated).map(&of).collect());
    let tasks = scores.tasks().into_iter().filter(|task| scores.cells(method, task).next().is_some());
    let medians: Option<Vec<f64>> = tasks.map(of_task).collect();
    medians.filter(|medians| !medians.is_empty()).map_or(NONE.to_owned(), |of| format!("{:.1}", Summary::of(&of).mean))
}

/// How many seeds `method` was measured with; 0 where none changes anything.
fn seeds_of(scores: &Scores, method: &str) -> usize {
    scores.of_method(method).filter_map(|cell| cell.seed).collect::<BTreeSet<u64>>().len()
}

/// Summary over cells; none without any.
fn values<'a>(cells: impl Iterator<Item = &'a Cell>, of: impl Fn(&Cell) -> f64) -> Option<Summary> {
    let values: Vec<f64> = cells.map(of).collect();
    (!values.is_empty()).then(|| Summary::of(&values))
}

/// Summary over seeds of the mean over tasks; none where a task is missing.
fn overall(scores: &Scores, method: &str, of: impl Fn(&Cell) -> f64) -> Option<Summary> {
    let tasks = scores.tasks();
    if scores.of_method(method).all(|cell| cell.seed.is_none()) {
        let means: Option<Vec<f64>> = tasks.iter().map(|task| scores.cells(method, task).next().map(&of)).collect();
        return means.map(|means| Summary { std: None, ci95: None, ..Summary::of(&means) });
    }
    let seeds = scores.common_seeds(&[method], &tasks);
    let cell = |task: &&str, seed: &u64| scores.cell(method, task, *seed).map(&of);
    let row = |task| seeds.iter().map(|seed| cell(task, seed)).collect();
    let table: Vec<Vec<f64>> = tasks.iter().map(row).collect::<Option<_>>()?;
    (!seeds.is_empty()).then(|| Summary::of(&task_means(&table)))
}

fn overall_mean(scores: &Scores, method: &str, of: impl Fn(&Cell) -> f64, digits: usize) -> String {
    overall(scores, method, of).map_or(NONE.to_owned(), |summary| format!("{:.digits$}", summary.mean))
}

/// The values of a setting that occur in `cells`.
fn distinct<'a>(cells: impl Iterator<Item = &'a Cell>, name: &str) -> String {
    let values: BTreeSet<String> = cells.filter_map(|cell| cell.settings.get(name)).map(plain).collect();
    if values.is_empty() { NONE.to_owned() } else { values.into_iter().collect::<Vec<_>>().join(", ") }
}

/// A value as people write it.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn percent(summary: Summary) -> String {
    let half = summary.ci95.map(|half| format!(" ± {:.1}", 100.0 * half)).unwrap_or_default();
    format!("{:.1}{half}", 100.0 * summary.mean)
}

fn signed(summary: Summary) -> String {
    let half = summary.ci95.map(|half| format!(" ± {:.1}", 100.0 * half)).unwrap_or_default();
    format!("{}{half}", points(summary.mean))
}

fn points(difference: f64) -> String {
    format!("{:+.1}", 100.0 * difference)
}

fn range(low: f64, high: f64) -> String {
    format!("{} to {}", points(low), points(high))
}

/// A Markdown table that grows.
pub struct Table {
    text: String,
    rows: usize,
}

impl Table {
    /// An empty table below `title`; all columns but the first hold numbers.
    pub fn new(title: &str, columns: impl IntoIterator<Item = impl Display>) -> Self {
        let columns: Vec<String> = columns.into_iter().map(|column| escaped(&column.to_string())).collect();
        let numbers = "---:|".repeat(columns.len().saturating_sub(1));
        Self { text: format!("{title}\n| {} |\n|---|{numbers}\n", columns.join(" | ")), rows: 0 }
    }

    /// Adds a row.
    pub fn row(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        let values: Vec<String> = std::iter::once(escaped(name)).chain(values).collect();
        self.text += &format!("| {} |\n", values.join(" | "));
        self.rows += 1;
    }

    /// The table; nothing where it has no rows.
    pub fn text_if_filled(self) -> String {
        if self.rows == 0 { String::new() } else { self.text }
    }
}

/// `text` as it may stand in a table.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::super::scores::tests::add;
    use super::*;

    fn scores() -> Scores {
        let mut scores = Scores::default();
        add(&mut scores, "prompt-tuning", &[("x", 1, 0.5), ("x", 2, 0.7), ("y", 1, 0.5), ("y", 2, 0.5)]);
        add(&mut scores, "supmer", &[("x", 1, 0.6), ("x", 2, 0.8), ("y", 1, 0.5), ("y", 2, 0.5)]);
        add(&mut scores, ENCODER, &[("x", 1, 0.9), ("x", 2, 0.9), ("y", 1, 0.4), ("y", 2, 0.4)]);
        scores
    }

    #[test]
    fn the_page_holds_means_differences_and_advice() {
        let baselines = ["prompt-tuning", ENCODER].map(str::to_owned);
        let page = write(&scores(), &Trials::default(), "supmer", &baselines);
        for line in [
            "| Task | minilm-logreg | prompt-tuning | supmer |",
            "| x | 90.0 ± 0.0 | 60.0 ± 127.1 | 70.0 ± 127.1 |",
            "| mean over tasks | 65.0 ± 0.0 | 55.0 ± 63.5 | 60.0 ± 63.5 |",
            "| seeds | 2 | 2 | 2 |",
            "| supmer | 2 | 2 | +5.0 | +5.0 to +5.0 | +0.0 to +10.0 |",
            "| Task | prompt-tuning | minilm-logreg |",
            "| y | +0.0 ± 0.0 | +10.0 ± 0.0 |",
            "take the sentence encoder: none of these tasks. It is above zero on y, and does not decide on x.",
        ] {
            assert!(page.contains(line), "{line} is missing:\n{page}");
        }
        assert!(!page.contains("adaptation steps"), "{page}");
        assert!(page.lines().filter(|line| line.starts_with('|')).all(|line| line.ends_with('|')));
    }

    #[test]
    fn the_curve_says_when_the_goal_is_reached_with_the_same_seeds() {
        let mut scores = Scores::default();
        let cell = crate::eval::cell::tests::cell;
        let at = |method: &str, accuracy: f64, steps: [f64; 3]| Cell {
            accuracy_at_steps: [0, 5, 10].into_iter().zip(steps).collect(),
            ..cell(method, 13, accuracy)
        };
        scores.add(at("supmer", 0.875, [0.5, 0.75, 0.875])).unwrap();
        scores.add(cell("prompt-tuning", 21, 1.0)).unwrap();
        let section = steps(&scores, "supmer", "prompt-tuning");
        assert!(section.contains("| Method | Seeds | 0 | 5 | 10 |"), "{section}");
        assert!(section.contains("| supmer | 1 | 50.0 | 75.0 | 87.5 |") && !section.contains("reaches"), "{section}");
        scores.add(at("prompt-tuning", 0.75, [0.25, 0.5, 0.75])).unwrap();
        scores.add(cell("supmer", 21, 0.5)).unwrap();
        let section = steps(&scores, "supmer", "prompt-tuning");
        assert!(section.contains("| supmer | 1 | 50.0 | 75.0 | 87.5 |"), "{section}");
        assert!(
            section.contains("(75.0, of the prompts") && section.contains("at the latest after 5 steps"),
            "{section}"
        );
    }

    #[test]
    fn seconds_of_emulated_tiles_do_not_count() {
        let mut scores = Scores::default();
        let cell = |task: &str, seed: u64, emulated: bool, adapt_seconds: f64| {
            let cell = crate::eval::cell::tests::cell("supmer", seed, 0.5);
            Cell { task: task.to_owned(), emulated, adapt_seconds, ..cell }
        };
        let found = |scores: &Scores| seconds(scores, "supmer", |cell| cell.adapt_seconds);
        scores.add(cell("x", 1, false, 2.0)).unwrap();
        scores.add(cell("x", 2, true, 8.0)).unwrap();
        assert_eq!(found(&scores), "2.0");
        scores.add(cell("y", 1, true, 8.0)).unwrap();
        assert_eq!(found(&scores), NONE);
        scores.add(cell("y", 2, false, 4.0)).unwrap();
        assert_eq!(found(&scores), "3.0");
    }

    #[test]
    fn nothing_is_advised_where_no_method_is_above_the_floor() {
        let mut scores = scores();
        for (task, accuracy) in [("x", 0.85), ("y", 0.5)] {
            let cell = crate::eval::cell::tests::cell(FLOOR, 0, accuracy);
            scores.add(Cell { seed: None, task: task.to_owned(), ..cell }).unwrap();
        }
        let section = advice(&scores, "supmer");
        assert!(section.contains("It is above zero on none of these tasks, and does not decide on x."), "{section}");
        assert!(section.contains("Neither is above majority on y:"), "{section}");
    }

    #[test]
    fn a_method_without_seeds_and_one_with_a_gap_are_shown_as_far_as_they_go() {
        let mut scores = scores();
        let cell = crate::eval::cell::tests::cell("zero-shot", 0, 0.25);
        scores.add(Cell { seed: None, task: "x".to_owned(), ..cell }).unwrap();
        let page = accuracies(&scores);
        assert!(page.contains("| x | 25.0 |") && page.contains("| y | - |"), "{page}");
        assert!(page.contains("| mean over tasks | - |"), "{page}");
    }
}
