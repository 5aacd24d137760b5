//! Keeps an adapter in a file and in bytes; what a missing and a damaged one give. See examples/README.md.

mod customers;

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, process};

use customers::{Customer, options};
use serde_json::{Value, json};
use supmer::{Adapter, Error, Model, PredictOptions, Result, Status, predict};

fn main() -> ExitCode {
    customers::run(save_load)
}

fn save_load(model: &Model, data: &Path) -> Result<Value> {
    let folder = env::temp_dir().join(format!("supmer-save-load-{}", process::id()));
    fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, &e))?;
    let result = in_folder(model, data, &folder);
    fs::remove_dir_all(&folder).map_err(|e| Error::io(&folder, &e))?;
    result
}

fn in_folder(model: &Model, data: &Path, folder: &Path) -> Result<Value> {
    let bakery = Customer::read(data, "bakery")?;
    let (learned, _) = bakery.learn(model, &options(10))?;
    let path = folder.join("bakery.supmer");
    learned.save(&path)?;
    let from_file = Adapter::load(&path)?;
    let bytes = learned.to_bytes()?;
    let from_bytes = Adapter::from_bytes(&bytes)?;
    let in_file = fs::read(&path).map_err(|e| Error::io(&path, &e))?;

    let predictions = predict(model, &from_file, &bakery.new, &PredictOptions::default())?;
    let mut same_after_loading = true;
    for other in [&learned, &from_bytes] {
        same_after_loading &= predict(model, other, &bakery.new, &PredictOptions::default())? == predictions;
    }
    Ok(json!({
        "program": "save_load",
        "bytes": bytes.len(),
        "file_equals_bytes": in_file == bytes,
        "labels": predictions.iter().map(|p| bakery.label(p)).collect::<Vec<_>>(),
        "probabilities": predictions.iter().map(|p| &p.probabilities).collect::<Vec<_>>(),
        "same_after_loading": same_after_loading,
        "missing_file": status(Adapter::load(folder.join("missing.supmer"))),
        "half_of_the_bytes": status(Adapter::from_bytes(&bytes[..bytes.len() / 2])),
    }))
}

/// Name of how a load ended.
fn status(loaded: Result<Adapter>) -> &'static str {
    loaded.map_or_else(|error| error.status(), |_| Status::Ok).name()
}
