//! `supmer predict`: labels with probabilities for rows of a file or of standard input.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use supmer::adapter::Lineage;
use supmer::predict::PreparedTask;
use supmer::{AdaptOptions, Adapter, Example, Label, Model, PredictOptions, Prediction, SoftPrompt, Task, predict};

use crate::console::{Console, json_failure, stdout_failure};
use crate::failure::{Failure, Outcome};
use crate::files::NewFile;
use crate::options::{ModelArguments, load_adapter};
use crate::progress::rows_bar;
use crate::rows::{self, Chunk};

/// Rows that are read and predicted before the next are read.
const CHUNK_ROWS: usize = 64;
/// Characters of a row's text that a readable line repeats.
const EXCERPT: usize = 60;

/// Arguments of `supmer predict`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// The adapter to predict with
    #[arg(long, value_name = "FILE", required_unless_present = "task", conflicts_with = "task")]
    adapter: Option<PathBuf>,
    /// Predict zero-shot: this task, no adapter
    #[arg(long, value_name = "TASK.JSON")]
    task: Option<PathBuf>,
    /// JSON Lines with the template's fields, one row a line; - reads standard input
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Write the predictions to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Give no label where the best one's probability is below this
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    abstain_below: f32,
    /// Rows computed together; 0 = chosen by the library
    #[arg(long, value_name = "N", default_value_t = 0)]
    batch_size: usize,
}

/// Predicts chunk by chunk. Where rows carry known labels, the accuracy is noted at the end.
pub fn run(arguments: &Arguments, console: &Console) -> Outcome<()> {
    let given = arguments.adapter.as_deref().map(load_adapter).transpose()?;
    let task = match (&given, &arguments.task) {
        (Some(adapter), _) => adapter.task().clone(),
        (None, Some(path)) => Task::read(path)?,
        (None, None) => return Err(Failure::Usage("give --adapter, or --task to predict without one".to_owned())),
    };
    let mut input = rows::open(&arguments.input, &task)?;
    let mut output = Output::open(arguments, console)?;
    let model = arguments.model.load()?;
    let adapter = given.unwrap_or_else(|| Arc::new(zero_shot(&model, &task, AdaptOptions::default().max_tokens)));
    if let Some(warning) = adapter.check(model.backbone())? {
        console.warn(&warning);
    }

    let tokenizer = model.backbone().tokenizer();
    let prepared = PreparedTask::new(&task, tokenizer, adapter.lineage().max_tokens)?;
    let options = PredictOptions {
        abstain_below: arguments.abstain_below,
        batch_size: arguments.batch_size,
        cancel: console.cancel.clone(),
    };
    let mut tally = Tally::default();
    let bar = rows_bar(console, "predict", None);
    loop {
        console.cancel.check()?;
        let Chunk { rows, lines } = input.chunk(CHUNK_ROWS.max(arguments.batch_size))?;
        if rows.is_empty() {
            break;
        }
        let predictions = predict(&model, &adapter, &rows, &options).map_err(|error| {
            // A row that cannot be read is told by its line and not by its place in the chunk.
            let at_line = |(row, &line)| prepared.fill(row, tokenizer).err().map(|e| e.context(input.place(line)));
            rows.iter().zip(&lines).find_map(at_line).unwrap_or(error)
        })?;
        for (row, prediction) in rows.iter().zip(&predictions) {
            tally.count(&task, row, prediction);
            output.write(&task, row, prediction)?;
        }
        output.flush()?;
        bar.inc(rows.len() as u64);
    }
    bar.finish_and_clear();
    output.keep()?;
    console.note(&tally.text());
    Ok(())
}

/// An adapter without a prompt: the model as it is, on `task`, with templates cut to `max_tokens`.
pub fn zero_shot(model: &Model, task: &Task, max_tokens: usize) -> Adapter {
    let backbone = model.backbone();
    let lineage = Lineage {
        method: "zero-shot".to_owned(),
        seed: 0,
        steps: 0,
        train_examples: 0,
        dev_accuracy: None,
        dev_loss: None,
        max_tokens,
        bundle: None,
    };
    Adapter::new(SoftPrompt::empty(backbone.width()), task.clone(), lineage, backbone.fingerprint().clone())
}

/// Where predictions go.
struct Output {
    file: Option<NewFile>,
    lines: Vec<u8>,
    json: bool,
}

impl Output {
    fn open(arguments: &Arguments, console: &Console) -> Outcome<Self> {
        let file = arguments.out.as_deref().map(NewFile::create).transpose()?;
        Ok(Self { file, lines: Vec::new(), json: console.json })
    }

    fn write(&mut self, task: &Task, row: &Example, prediction: &Prediction) -> Outcome<()> {
        let scored = Scored { labels: task.labels(), prediction };
        let line = if self.json { serde_json::to_string(&scored).map_err(json_failure)? } else { scored.readable(row) };
        self.lines.extend_from_slice(line.as_bytes());
        self.lines.push(b'\n');
        Ok(())
    }

    fn flush(&mut self) -> Outcome<()> {
        match &mut self.file {
            Some(file) => file.write(&self.lines)?,
            None => {
                let mut out = std::io::stdout().lock();
                out.write_all(&self.lines).and_then(|()| out.flush()).map_err(stdout_failure)?;
            }
        }
        self.lines.clear();
        Ok(())
    }

    fn keep(self) -> Outcome<()> {
        self.file.map_or(Ok(()), NewFile::keep)
    }
}

/// A prediction with its labels' names; as JSON `{"label": ..., "probabilities": {...}}`, `null` when abstaining.
struct Scored<'a> {
    labels: &'a [Label],
    prediction: &'a Prediction,
}

impl Scored<'_> {
    /// The decided label first, then the others from likely to unlikely, then the beginning of the row.
    fn readable(&self, row: &Example) -> String {
        let probabilities = &self.prediction.probabilities;
        let mut order: Vec<usize> = (0..self.labels.len()).collect();
        order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
        let named: Vec<String> =
            order.iter().map(|&i| format!("{} {:.3}", self.labels[i].name, probabilities[i])).collect();
        let verdict = if self.prediction.label.is_none() { "(abstains)  " } else { "" };
        format!("{verdict}{}  | {}", named.join("  "), excerpt(row))
    }
}

impl Serialize for Scored<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Prediction", 2)?;
        object.serialize_field("label", &self.prediction.label.map(|i| &self.labels[i].name))?;
        let probabilities = Probabilities { labels: self.labels, values: &self.prediction.probabilities };
        object.serialize_field("probabilities", &probabilities)?;
        object.end()
    }
}

/// Probabilities by label name, in the task's order.
pub struct Probabilities<'a> {
    /// The task's labels.
    pub labels: &'a [Label],
    /// One value for each.
    pub values: &'a [f32],
}

impl Serialize for Probabilities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.labels.iter().map(|label| &label.name).zip(self.values))
    }
}

fn excerpt(row: &Example) -> String {
    let text = row.fields.get("text").or_else(|| row.fields.values().next()).map_or("", String::as_str);
    let mut characters = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut excerpt: String = characters.by_ref().take(EXCERPT).collect();
    if characters.next().is_some() {
        excerpt.push('…');
    }
    excerpt
}

/// How many rows there were, and how many of the labelled ones were right.
#[derive(Default)]
struct Tally {
    rows: usize,
    abstained: usize,
    labelled: usize,
    right: usize,
}

impl Tally {
    fn count(&mut self, task: &Task, row: &Example, prediction: &Prediction) {
        self.rows += 1;
        self.abstained += usize::from(prediction.label.is_none());
        if let Some(gold) = row.label.as_deref().and_then(|name| task.label_index(name)) {
            self.labelled += 1;
            self.right += usize::from(prediction.label == Some(gold));
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{} rows", self.rows);
        if self.abstained > 0 {
            text += &format!(", {} without a label", self.abstained);
        }
        if self.labelled > 0 {
            let percent = 100.0 * self.right as f64 / self.labelled as f64;
            text += &format!(", accuracy {percent:.1} % ({} of {} labelled rows)", self.right, self.labelled);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<Label> {
        ["zebra", "ant"].map(|n| Label { name: n.to_owned(), verbalizer: format!(" {n}") }).to_vec()
    }

    #[test]
    fn json_keeps_the_order_of_the_labels() {
        let prediction = Prediction { label: Some(1), probabilities: vec![0.25, 0.75] };
        let line = serde_json::to_string(&Scored { labels: &labels(), prediction: &prediction }).unwrap();
        assert_eq!(line, r#"{"label":"ant","probabilities":{"zebra":0.25,"ant":0.75}}"#);
    }

    #[test]
    fn an_abstention_has_no_label() {
        let prediction = Prediction { label: None, probabilities: vec![0.5, 0.5] };
        let scored = Scored { labels: &labels(), prediction: &prediction };
        assert!(serde_json::to_string(&scored).unwrap().starts_with(r#"{"label":null"#));
        assert!(scored.readable(&Example::text("x", None)).starts_with("(abstains)"));
    }

    #[test]
    fn a_readable_line_is_one_line() {
        let prediction = Prediction { label: Some(1), probabilities: vec![0.25, 0.75] };
        let scored = Scored { labels: &labels(), prediction: &prediction };
        let line = scored.readable(&Example::text(format!("a\nb\u{1b}[2J{}", "c".repeat(100)), None));
        assert!(line.starts_with("ant 0.750  zebra 0.250  | a b [2Jccc"), "{line}");
        assert!(line.ends_with('…') && !line.contains(['\n', '\u{1b}']), "{line}");
    }

    #[test]
    fn the_tally_speaks_of_accuracy_only_where_labels_are_known() {
        let tally = Tally { rows: 4, abstained: 1, labelled: 0, right: 0 };
        assert_eq!(tally.text(), "4 rows, 1 without a label");
        let tally = Tally { rows: 4, abstained: 0, labelled: 4, right: 3 };
        assert_eq!(tally.text(), "4 rows, accuracy 75.0 % (3 of 4 labelled rows)");
    }
}
