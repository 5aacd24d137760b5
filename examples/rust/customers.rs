//! What the five programs share: their arguments, the model, the customers' messages and the options of adaptation.
#![allow(dead_code)] // no program needs all of it

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use serde_json::Value;
use supmer::adapt::Control;
use supmer::runtime::Stage;
use supmer::{AdaptOptions, Adapter, Error, Example, Model, ModelOptions, Result, Task, adapt};

/// The customers in the order in which programs take them.
pub const NAMES: [&str; 3] = ["bakery", "dentist", "landlord"];

/// One customer's task, labelled messages and messages to predict.
pub struct Customer {
    pub name: &'static str,
    pub task: Task,
    pub train: Vec<Example>,
    pub new: Vec<Example>,
}

impl Customer {
    /// Reads a customer's folder inside `data`.
    pub fn read(data: &Path, name: &'static str) -> Result<Self> {
        let folder = data.join(name);
        let task = Task::read(&folder.join("task.json"))?;
        let train = task.read_examples(&folder.join("train.jsonl"), true)?;
        let new = folder.join("new.txt");
        let new = fs::read_to_string(&new).map_err(|e| Error::io(&new, &e))?;
        let new = new.lines().map(|line| Example::text(line, None)).collect();
        Ok(Self { name, task, train, new })
    }

    /// Learns the customer's labels; the adapter and the loss of every step.
    pub fn learn(&self, model: &Model, options: &AdaptOptions) -> Result<(Adapter, Vec<f32>)> {
        let mut losses = Vec::new();
        let mut progress = |progress: supmer::Progress| {
            if progress.stage == Stage::Step {
                losses.push(progress.loss);
            }
            true
        };
        let control = Control { progress: Some(&mut progress), ..Default::default() };
        let adapted = adapt(model, &self.task, &self.train, None, options, control)?;
        Ok((adapted.adapter, losses))
    }

    /// Name of the label that a prediction gave.
    pub fn label(&self, prediction: &supmer::Prediction) -> &str {
        prediction.label.map_or("", |at| &self.task.labels()[at].name)
    }
}

/// The options that all programs adapt with.
pub fn options(steps: usize) -> AdaptOptions {
    AdaptOptions { steps, learning_rate: 0.01, batch_size: 8, prompt_length: 8, seed: 13, ..Default::default() }
}

/// Runs `program` with the model and the data folder of the command line and prints what it gives.
pub fn run(program: fn(&Model, &Path) -> Result<Value>) -> ExitCode {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [model, data] = arguments.as_slice() else {
        eprintln!("two arguments are needed: MODEL DATA");
        return ExitCode::from(2);
    };
    let options = ModelOptions { thread_count: 1, ..Default::default() };
    match Model::load(model, &options).and_then(|model| program(&model, data)) {
        Ok(result) => {
            println!("{result}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error} ({})", error.status().name());
            ExitCode::FAILURE
        }
    }
}
