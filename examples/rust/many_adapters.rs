//! Three customers, one model in memory, their messages mixed in one batch. See examples/README.md.

mod customers;

use std::path::Path;
use std::process::ExitCode;

use customers::{Customer, NAMES, options};
use serde_json::{Value, json};
use supmer::predict::predict_mixed;
use supmer::{Adapter, Example, Model, PredictOptions, Result, predict};

fn main() -> ExitCode {
    customers::run(many_adapters)
}

fn many_adapters(model: &Model, data: &Path) -> Result<Value> {
    let mut learned: Vec<(Customer, Adapter)> = Vec::new();
    for name in NAMES {
        let customer = Customer::read(data, name)?;
        let (adapter, _) = customer.learn(model, &options(10))?;
        learned.push((customer, adapter));
    }

    // Every customer's first message, then every customer's second, and so on.
    let messages = learned[0].0.new.len();
    let turns: Vec<(&Customer, &Adapter, &Example)> =
        (0..messages).flat_map(|at| learned.iter().map(move |(c, adapter)| (c, adapter, &c.new[at]))).collect();
    let rows: Vec<(&Adapter, &Example)> = turns.iter().map(|(_, adapter, text)| (*adapter, *text)).collect();
    let mixed = predict_mixed(model, &rows, &PredictOptions::default())?;

    let mut same_alone = true;
    for ((_, adapter, text), together) in turns.iter().zip(&mixed) {
        let alone = predict(model, adapter, std::slice::from_ref(*text), &PredictOptions::default())?;
        let pairs = together.probabilities.iter().zip(&alone[0].probabilities);
        same_alone &= pairs.into_iter().all(|(together, alone)| (together - alone).abs() <= 1e-5);
    }

    let rows: Vec<Value> = turns
        .iter()
        .zip(&mixed)
        .map(|((customer, ..), prediction)| {
            json!({
                "customer": customer.name,
                "label": customer.label(prediction),
                "probabilities": prediction.probabilities,
            })
        })
        .collect();
    Ok(json!({ "program": "many_adapters", "rows": rows, "same_alone": same_alone }))
}
