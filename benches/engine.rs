//! Times of the engine on the model that `SUPMER_MODEL` names (`make bench` sets it): one adaptation step, one prompt state,
//! one prediction, on the instruction sets of this machine. Comparisons with other libraries are made by `make bench-peers`.

#![allow(missing_docs)] // criterion's macros make a public function

use criterion::{Criterion, criterion_group, criterion_main};
use supmer::backbone::{LabelTrie, PromptState, Readout, Sequence, Wanted};
use supmer::kernels::Isa;
use supmer::runtime::Random;
use supmer::{Cancel, Model, ModelOptions, SoftPrompt, WeightMode};

const PROMPT_ROWS: usize = 20;

fn engine(c: &mut Criterion) {
    let path = std::env::var("SUPMER_MODEL").expect("SUPMER_MODEL names a model file; run `make bench`");
    let sets = Isa::ALL.into_iter().filter(|isa| *isa != Isa::Portable && isa.is_available());
    let modes = [("stored", WeightMode::Stored), ("expanded", WeightMode::Expanded)];
    for (isa, (name, weights)) in sets.flat_map(|isa| modes.map(|mode| (isa, mode))) {
        let model = Model::load(&path, &ModelOptions { weights, isa: Some(isa), ..ModelOptions::default() }).unwrap();
        let backbone = model.backbone();
        let mut random = Random::new(7, "bench");
        let mut values = vec![0.0; PROMPT_ROWS * backbone.width()];
        for row in values.chunks_exact_mut(backbone.width()) {
            backbone.embed(random.below(backbone.vocabulary()) as u32, row);
        }
        let prompt = SoftPrompt::new(PROMPT_ROWS, backbone.width(), values).unwrap();
        let mut group = c.benchmark_group(format!("{name}, {isa:?}"));
        group.sample_size(10);
        for length in [25, 100] {
            let batch: Vec<Sequence> = (0..8).map(|_| sequence(&mut random, backbone.vocabulary(), length)).collect();
            group.bench_function(format!("adaptation step, 8 texts of {length} tokens"), |b| {
                b.iter(|| backbone.loss(&prompt, &batch, Wanted::Gradient, 0, &Cancel::new()).unwrap());
            });
        }
        group.bench_function("prompt state", |b| b.iter(|| backbone.prompt_state(&prompt, &Cancel::new()).unwrap()));
        let state = backbone.prompt_state(&prompt, &Cancel::new()).unwrap();
        let labels = LabelTrie::new(&[vec![1], vec![2]]);
        for count in [1, 16] {
            let texts: Vec<Sequence> = (0..count).map(|_| sequence(&mut random, backbone.vocabulary(), 25)).collect();
            let texts: Vec<&[u32]> = texts.iter().map(|s| &s.text[..]).collect();
            let states: Vec<&dyn PromptState> = vec![&*state; count];
            group.bench_function(format!("prediction, {count} texts of 25 tokens"), |b| {
                b.iter(|| {
                    backbone
                        .score(&states, &texts, &vec![Readout::Verbalizers(&labels); count], &Cancel::new())
                        .unwrap()
                });
            });
        }
        group.finish();
    }
}

fn sequence(random: &mut Random, vocabulary: usize, length: usize) -> Sequence {
    Sequence::new((0..length).map(|_| random.below(vocabulary) as u32).collect(), vec![1])
}

criterion_group!(benches, engine);
criterion_main!(benches);
