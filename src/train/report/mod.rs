//! A run as one HTML page that needs nothing else: curves as pictures, cluster sizes, sample tasks as text.

mod chart;

use chart::{Line, bars, escaped, lines};

use super::{Metric, StepMetric, ValidationMetric};

/// What a report shows besides the metrics.
#[derive(Clone, Debug, Default)]
pub struct ReportParts {
    /// Heading.
    pub title: String,
    /// The recipe, as JSON.
    pub recipe: String,
    /// Sentences in every cluster; empty where there are no clusters.
    pub cluster_sizes: Vec<usize>,
    /// Tasks as text.
    pub samples: Vec<String>,
}

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:1360px;margin:24px auto;padding:0 16px;color:#222}\
h1{font-size:22px}h2{font-size:17px;margin-top:28px}.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:16px}\
figure{margin:0;border:1px solid #ddd;border-radius:6px;padding:10px}figcaption{font-weight:600}svg{width:100%;height:auto}\
svg text{font:11px system-ui,sans-serif;fill:#555}.legend{margin:4px 0 0;font-size:13px}.legend span{margin-right:12px;white-space:nowrap}\
.legend i{display:inline-block;width:10px;height:10px;margin-right:4px;border-radius:2px}\
table{border-collapse:collapse}td,th{padding:3px 10px;border-bottom:1px solid #ddd;text-align:right}td:first-child,th:first-child{text-align:left}\
pre{background:#f6f6f6;padding:10px;white-space:pre-wrap;overflow-wrap:anywhere;border-radius:6px}";

/// The page.
pub fn page(metrics: &[Metric], parts: &ReportParts) -> String {
    let steps: Vec<&StepMetric> = metrics.iter().filter_map(Metric::step).collect();
    let validations: Vec<&ValidationMetric> = metrics.iter().filter_map(Metric::validation).collect();
    let mut html = format!(
        "<!doctype html>\n<html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style>\n<h1>{title}</h1>\n<p>{} steps</p>\n<div class=charts>\n",
        steps.last().map_or(0, |step| step.step),
        title = escaped(&parts.title),
    );
    for chart in step_charts(&steps).into_iter().chain(validation_charts(&validations)) {
        html += &chart;
    }
    if !parts.cluster_sizes.is_empty() {
        let mut sizes: Vec<f64> = parts.cluster_sizes.iter().map(|&size| size as f64).collect();
        sizes.sort_by(|a, b| b.total_cmp(a));
        html += &bars("Sentences in every cluster, largest first", &sizes);
    }
    html += "</div>\n";
    html += &last_validation(&validations);
    if !parts.samples.is_empty() {
        html += "<h2>Sample tasks</h2>\n";
        for sample in &parts.samples {
            html += &format!("<pre>{}</pre>\n", escaped(sample));
        }
    }
    html + &format!("<h2>Recipe</h2>\n<pre>{}</pre>\n</html>\n", escaped(&parts.recipe))
}

fn step_charts(steps: &[&StepMetric]) -> Vec<String> {
    let curve = |name: &str, of: &dyn Fn(&StepMetric) -> Option<f64>| Line {
        name: name.to_owned(),
        points: steps.iter().filter_map(|step| Some((step.step as f64, of(step)?))).collect(),
        dashed: false,
    };
    let mut losses = Vec::new();
    for format in formats(steps.iter().flat_map(|step| &step.tasks).map(|task| task.format.as_str())) {
        let mean = |step: &StepMetric| {
            let own: Vec<f64> =
                step.tasks.iter().filter(|task| task.format == format).map(|task| task.query_loss).collect();
            (!own.is_empty()).then(|| own.iter().sum::<f64>() / own.len() as f64)
        };
        losses.push(curve(&format, &mean));
    }
    let mut chances: Vec<f64> = steps.iter().flat_map(|step| &step.tasks).map(|task| task.chance_loss).collect();
    chances.sort_by(f64::total_cmp);
    chances.dedup_by(|a, b| (*a - *b).abs() < 1e-9);
    if let (Some(first), Some(last)) = (steps.first(), steps.last()) {
        for chance in chances.into_iter().take(3) {
            let points = vec![(first.step as f64, chance), (last.step as f64, chance)];
            losses.push(Line { name: format!("guessing: {chance:.2}"), points, dashed: true });
        }
    }
    vec![
        lines("Query loss after the inner steps, nats; mixed where the run mixes", "steps", &losses),
        lines(
            "Similarity and mixing weight",
            "steps",
            &[
                curve("similarity, smoothed", &|step| Some(step.similarity)),
                curve("of the step's tasks", &|step| Some(step.task_similarity)),
                curve("lambda", &|step| Some(step.lambda)),
            ],
        ),
        lines(
            "Gradient regularizer",
            "steps",
            &[curve("gate", &|step| step.gate), curve("cos(psi(G), G)", &|step| step.psi_cosine)],
        ),
        lines(
            "Norms of gradients before clipping",
            "steps",
            &[
                curve("prompt", &|step| Some(step.prompt_gradient_norm.into())),
                curve("regularizer", &|step| Some(step.phi_gradient_norm.into())),
            ],
        ),
        lines("Mean norm of a prompt row", "steps", &[curve("prompt", &|step| Some(step.prompt_row_norm.into()))]),
        lines(
            "Learning rates",
            "steps",
            &[curve("prompt", &|step| Some(step.prompt_rate)), curve("regularizer", &|step| Some(step.phi_rate))],
        ),
    ]
}

fn validation_charts(validations: &[&ValidationMetric]) -> Vec<String> {
    if validations.is_empty() {
        return Vec::new();
    }
    let (mut losses, mut accuracies) = (Vec::new(), Vec::new());
    for format in formats(validations.iter().map(|v| v.format.as_str())) {
        let curve = |name: String, of: &dyn Fn(&ValidationMetric) -> Option<f64>| Line {
            name,
            points: validations
                .iter()
                .filter(|v| v.format == format)
                .filter_map(|v| Some((v.step as f64, of(v)?)))
                .collect(),
            dashed: false,
        };
        losses.push(curve(format!("{format}, before"), &|v| Some(v.loss_before)));
        losses.push(curve(format!("{format}, after"), &|v| Some(v.loss_after)));
        accuracies.push(curve(format.clone(), &|v| v.accuracy));
    }
    vec![
        lines("Held-out tasks: query loss before and after the inner steps, nats", "steps", &losses),
        lines("Held-out tasks: accuracy after the inner steps", "steps", &accuracies),
    ]
}

fn last_validation(validations: &[&ValidationMetric]) -> String {
    let Some(last) = validations.last() else { return String::new() };
    let mut html = format!(
        "<h2>Held-out tasks after {} steps</h2>\n<table><tr><th>format<th>loss before<th>loss after<th>guessing<th>accuracy</tr>\n",
        last.step
    );
    for v in validations.iter().filter(|v| v.step == last.step) {
        let accuracy = v.accuracy.map_or("not scored".to_owned(), |a| format!("{:.1} %", 100.0 * a));
        html += &format!(
            "<tr><td>{}<td>{:.3}<td>{:.3}<td>{:.3}<td>{accuracy}</tr>\n",
            escaped(&v.format),
            v.loss_before,
            v.loss_after,
            v.chance_loss
        );
    }
    html + "</table>\n"
}

/// The names in order of their first appearance.
fn formats<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in names {
        if !found.iter().any(|other| other == name) {
            found.push(name.to_owned());
        }
    }
    found
}
