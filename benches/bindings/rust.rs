//! A worker of `make bench-bindings`: the time of a prediction called from Rust.
//!
//!     rust MODEL ADAPTER CALLS
//!
//! Prints the median of CALLS calls in microseconds. Workers in other languages do exactly this.

use std::time::Instant;

use supmer::{Adapter, Example, Model, ModelOptions, PredictOptions, predict};

const TEXT: &str = "rain from the west";
const WARM_UP: usize = 50;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, model, adapter, calls] = &arguments[..] else { panic!("rust MODEL ADAPTER CALLS") };
    let model = Model::load(model, &ModelOptions { thread_count: 1, ..ModelOptions::default() }).unwrap();
    let adapter = Adapter::load(adapter).unwrap();
    let options = PredictOptions::default();
    let mut times = Vec::new();
    for call in 0..WARM_UP + calls.parse::<usize>().expect("CALLS is a number") {
        let began = Instant::now();
        let made = predict(&model, &adapter, &[Example::text(TEXT, None)], &options).unwrap();
        let took = began.elapsed().as_secs_f64() * 1e6;
        assert_eq!(made.len(), 1);
        if call >= WARM_UP {
            times.push(took);
        }
    }
    times.sort_by(f64::total_cmp);
    println!("{:.3}", times[times.len() / 2]);
}
