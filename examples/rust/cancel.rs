//! Stops an adaptation from its progress callback; the request stays until it is reset. See examples/README.md.

mod customers;

use std::path::Path;
use std::process::ExitCode;

use customers::{Customer, options};
use serde_json::{Value, json};
use supmer::adapt::Control;
use supmer::runtime::Stage;
use supmer::{Cancel, Model, Progress, Result, Status, adapt};

fn main() -> ExitCode {
    customers::run(cancel)
}

fn cancel(model: &Model, data: &Path) -> Result<Value> {
    let bakery = Customer::read(data, "bakery")?;
    let cancel = Cancel::new();
    let stopped = attempt(model, &bakery, &cancel, 1000);
    let still_set = attempt(model, &bakery, &cancel, 1000);
    cancel.reset();
    let after_reset = attempt(model, &bakery, &cancel, 5);
    Ok(json!({ "program": "cancel", "stopped": stopped, "still_set": still_set, "after_reset": after_reset }))
}

/// Adapts, asking to stop after the third step of a long run; how it ended and how many steps it took.
fn attempt(model: &Model, customer: &Customer, cancel: &Cancel, steps: usize) -> Value {
    let mut seen = 0;
    let mut progress = |progress: Progress| {
        if progress.stage == Stage::Step {
            seen += 1;
            if seen == 3 && steps > 5 {
                cancel.request();
            }
        }
        true
    };
    let control = Control { cancel: cancel.clone(), progress: Some(&mut progress) };
    let ended = adapt(model, &customer.task, &customer.train, None, &options(steps), control);
    let status = ended.map_or_else(|error| error.status(), |_| Status::Ok);
    json!({ "status": status.name(), "steps": seen })
}
