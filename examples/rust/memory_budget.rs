//! Asks what an adaptation needs, halves it, and sees a budget that is too small. See examples/README.md.

mod customers;

use std::path::Path;
use std::process::ExitCode;

use customers::{Customer, options};
use serde_json::{Value, json};
use supmer::{AdaptOptions, Cancel, Model, Result, Status, estimate_memory};

fn main() -> ExitCode {
    customers::run(memory_budget)
}

fn memory_budget(model: &Model, data: &Path) -> Result<Value> {
    let bakery = Customer::read(data, "bakery")?;
    let within = |memory_limit: usize| AdaptOptions { memory_limit, ..options(5) };
    let memory = estimate_memory(model, Some((&bakery.task, &bakery.train)), &within(0), &Cancel::new())?;
    let (_, losses) = bakery.learn(model, &within(0))?;
    let (_, losses_at_half) = bakery.learn(model, &within(memory.adapt / 2))?;
    let status = bakery.learn(model, &within(1)).map_or_else(|error| error.status(), |_| Status::Ok);
    Ok(json!({
        "program": "memory_budget",
        "weights_bytes": memory.weights,
        "adapt_bytes": memory.adapt,
        "predict_bytes": memory.predict,
        "cached_prompt_bytes": memory.cached_prompt,
        "losses": losses,
        "losses_at_half": losses_at_half,
        "limit_of_one_byte": status.name(),
    }))
}
