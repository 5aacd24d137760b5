//! Many customers over one model (`make bench-mixed`): 32 rows of 32 adapters against 32 rows of one, and the memory of
//! 1,000 adapters. All variants take turns, so that a slow minute of the machine hits them alike.

use std::time::Instant;

use supmer::adapter::Lineage;
use supmer::predict::predict_mixed;
use supmer::runtime::Random;
use supmer::{Adapter, Example, Label, Model, ModelOptions, PredictOptions, SoftPrompt, Task};

const PROMPT_ROWS: usize = 20;
const ROWS: usize = 32;
const ROUNDS: usize = 15;
const LOADED: usize = 1_000;

/// Tasks whose labels have one token, and whose labels have several.
const VERBALIZERS: [(&str, [&str; 3]); 2] = [
    ("labels of one token", [" great", " terrible", " fine"]),
    ("labels of several tokens", [" great value", " terrible service", " fine, but slow"]),
];

fn main() {
    let path = std::env::var("SUPMER_MODEL").expect("SUPMER_MODEL names a model file; run `make bench-mixed`");
    let model = Model::load(&path, &ModelOptions::default()).unwrap();
    // First, while the prompt cache is empty.
    memory(&model);
    for (kind, verbalizers) in VERBALIZERS {
        throughput(&model, kind, verbalizers);
    }
}

/// Milliseconds for 32 rows, the median of rounds that take turns.
fn throughput(model: &Model, kind: &str, verbalizers: [&str; 3]) {
    let texts = texts();
    let mut random = Random::new(7, "mixed");
    let adapters: Vec<Adapter> = (0..ROWS).map(|_| adapter(model, &mut random, verbalizers)).collect();
    let one: Vec<(&Adapter, &Example)> = texts.iter().map(|text| (&adapters[0], text)).collect();
    let many: Vec<(&Adapter, &Example)> = adapters.iter().zip(&texts).collect();
    let run = |rows: &[(&Adapter, &Example)]| {
        let began = Instant::now();
        predict_mixed(model, rows, &PredictOptions::default()).unwrap();
        began.elapsed().as_secs_f64() * 1e3
    };
    run(&one);
    run(&many);
    let (mut single, mut warm, mut cold, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        single.push(run(&one));
        warm.push(run(&many));
        ratios.push(single[single.len() - 1] / warm[warm.len() - 1]);
        // Adapters that no cache knows.
        let fresh: Vec<Adapter> = (0..ROWS).map(|_| adapter(model, &mut random, verbalizers)).collect();
        cold.push(run(&fresh.iter().zip(&texts).collect::<Vec<_>>()));
    }
    let (low, ratio, high) = spread(&mut ratios);
    println!("{kind}, {ROWS} rows of about 25 tokens:");
    println!("  one adapter            {:8.1} ms", spread(&mut single).1);
    println!("  {ROWS} adapters, warm      {:8.1} ms", spread(&mut warm).1);
    println!("  {ROWS} adapters, cold      {:8.1} ms", spread(&mut cold).1);
    println!("  warm over one adapter  {ratio:8.2} x the throughput ({low:.2} to {high:.2})");
}

/// Resident bytes that 1,000 adapters add once each has predicted.
fn memory(model: &Model) {
    let (texts, mut random) = (texts(), Random::new(8, "mixed"));
    // The mapped weights and the working memory of a batch belong to the model.
    let first = adapter(model, &mut random, VERBALIZERS[0].1);
    predict_mixed(model, &texts.iter().map(|text| (&first, text)).collect::<Vec<_>>(), &PredictOptions::default())
        .unwrap();
    let before = resident();
    let bytes = |random: &mut Random| adapter(model, random, VERBALIZERS[0].1).to_bytes().unwrap();
    let adapters: Vec<Adapter> = (0..LOADED).map(|_| Adapter::from_bytes(&bytes(&mut random)).unwrap()).collect();
    let loaded = resident();
    for group in adapters.chunks(ROWS) {
        let rows: Vec<(&Adapter, &Example)> = group.iter().zip(&texts).collect();
        predict_mixed(model, &rows, &PredictOptions::default()).unwrap();
    }
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    println!("{LOADED} adapters over one model, resident beyond it:");
    println!("  loaded                 {:8.1} MB", megabytes(loaded.saturating_sub(before)));
    println!("  each has predicted     {:8.1} MB, prompt cache included", megabytes(resident().saturating_sub(before)));
}

/// An adapter of a random prompt: what is measured does not depend on what was learned.
fn adapter(model: &Model, random: &mut Random, verbalizers: [&str; 3]) -> Adapter {
    let backbone = model.backbone();
    let mut values = vec![0.0; PROMPT_ROWS * backbone.width()];
    for row in values.chunks_exact_mut(backbone.width()) {
        backbone.embed(random.below(backbone.vocabulary()) as u32, row);
    }
    let prompt = SoftPrompt::new(PROMPT_ROWS, backbone.width(), values).unwrap();
    let label = |verbalizer: &str| Label { name: verbalizer.trim().to_owned(), verbalizer: verbalizer.to_owned() };
    let task = Task::new("reviews", "{text}\nSentiment:", verbalizers.map(label).to_vec()).unwrap();
    let lineage = Lineage {
        method: "prompt-tuning".to_owned(),
        seed: 0,
        steps: 0,
        train_examples: 0,
        dev_accuracy: None,
        dev_loss: None,
        max_tokens: 64,
        bundle: None,
    };
    Adapter::new(prompt, task, lineage, backbone.fingerprint().clone())
}

/// 32 reviews of about 25 tokens.
fn texts() -> Vec<Example> {
    let lines = include_str!("peers/texts/infer25.jsonl").lines().take(ROWS);
    let text =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["text"].as_str().unwrap().to_owned();
    lines.map(|line| Example::text(text(line), None)).collect()
}

/// Lowest, median and highest.
fn spread(values: &mut [f64]) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2], values[values.len() - 1])
}

/// Resident bytes of this process; 0 where the system has no /proc.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}
