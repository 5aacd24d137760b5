//! Prints the loss of a batch under a prompt and writes its gradient, for comparisons with other implementations.
//!
//! `gradient --model M --prompt prompt.safetensors --batch batch.json --out gradient.safetensors`, where the batch is
//! `{"examples": [{"text_ids": [..], "answer_ids": [..]}]}`; the output holds `loss` (1) and `prompt_grad` (P, d).

use std::collections::HashMap;
use std::error::Error;
use std::fs;

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize_to_file};
use serde::Deserialize;
use supmer::backbone::{Sequence, Wanted};
use supmer::{Cancel, Model, ModelOptions, SoftPrompt};

#[derive(Deserialize)]
struct Batch {
    examples: Vec<Ids>,
}

#[derive(Deserialize)]
struct Ids {
    text_ids: Vec<u32>,
    answer_ids: Vec<u32>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options: HashMap<&str, &str> = arguments.chunks_exact(2).map(|p| (p[0].as_str(), p[1].as_str())).collect();
    let option = |name: &str| options.get(name).copied().ok_or_else(|| format!("{name} is missing"));

    let model = Model::load(option("--model")?, &ModelOptions::default())?;
    let file = fs::read(option("--prompt")?)?;
    let tensors = SafeTensors::deserialize(&file)?;
    let tensor = tensors.tensor("prompt")?;
    let values = tensor.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let prompt = SoftPrompt::new(tensor.shape()[0], tensor.shape()[1], values)?;
    let batch: Batch = serde_json::from_slice(&fs::read(option("--batch")?)?)?;
    let batch: Vec<Sequence> =
        batch.examples.into_iter().map(|ids| Sequence::new(ids.text_ids, ids.answer_ids)).collect();

    let result = model.backbone().loss(&prompt, &batch, Wanted::Gradient, 0, &Cancel::new())?;
    println!("{}", result.loss);
    let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let (loss, gradient) = (bytes(&[result.loss]), bytes(&result.gradient));
    let outputs = [
        ("loss", TensorView::new(Dtype::F32, vec![1], &loss)?),
        ("prompt_grad", TensorView::new(Dtype::F32, vec![prompt.rows(), prompt.width()], &gradient)?),
    ];
    serialize_to_file(outputs, None, option("--out")?.as_ref())?;
    Ok(())
}
