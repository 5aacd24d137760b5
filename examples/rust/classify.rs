//! Learns one customer's labels from 24 messages, then predicts new ones in one batch. See examples/README.md.

mod customers;

use std::path::Path;
use std::process::ExitCode;

use customers::{Customer, options};
use serde_json::{Value, json};
use supmer::{Model, PredictOptions, Result, predict};

fn main() -> ExitCode {
    customers::run(classify)
}

fn classify(model: &Model, data: &Path) -> Result<Value> {
    let bakery = Customer::read(data, "bakery")?;
    let (adapter, losses) = bakery.learn(model, &options(30))?;
    let predictions = predict(model, &adapter, &bakery.new, &PredictOptions::default())?;
    Ok(json!({
        "program": "classify",
        "examples": bakery.train.len(),
        "losses": losses,
        "labels": predictions.iter().map(|p| bakery.label(p)).collect::<Vec<_>>(),
        "probabilities": predictions.iter().map(|p| &p.probabilities).collect::<Vec<_>>(),
    }))
}
