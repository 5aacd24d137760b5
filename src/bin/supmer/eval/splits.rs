//! Writes what a seed's run works on, so that another program can run on exactly the same.

use std::path::Path;

use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::{Map, Value, json};
use supmer::adapt::{batches, start_prompt};
use supmer::text::{Template, Tokenizer};
use supmer::{Error, Example, SoftPrompt, Status};

use super::Arguments;
use super::plan::Plan;
use crate::console::{pretty, short_json};
use crate::failure::{Failure, Outcome, at};
use crate::files;
use crate::options::Settings;

/// Writes `task.json`, `settings.json`, `test.jsonl` and, per seed, `seed-<seed>/` with `train.jsonl`, `dev.jsonl`,
/// `start.safetensors` (tensor `prompt`, P x d) and `batches.json` (positions in `train.jsonl`, step by step).
pub fn write(folder: &Path, arguments: &Arguments, plan: &Plan) -> Outcome<()> {
    let model = arguments.model.load()?;
    let tokenizer = model.backbone().tokenizer();
    let rows = Rows { template: plan.task.parts(), tokenizer, max_tokens: arguments.adapt.max_tokens };
    create(folder)?;
    write_json(&folder.join("task.json"), &json!(plan.task))?;
    let mut settings = short_json(&Settings::from(&arguments.adapt.options(None, 0)))?;
    settings["verbalizer_ids"] = json!(plan.task.verbalizer_ids(tokenizer)?);
    write_json(&folder.join("settings.json"), &settings)?;
    rows.write(&folder.join("test.jsonl"), &plan.test)?;
    for &seed in &arguments.seeds {
        let folder = folder.join(format!("seed-{seed}"));
        create(&folder)?;
        let split = plan.split(seed);
        rows.write(&folder.join("train.jsonl"), &plan.rows(&split.train))?;
        rows.write(&folder.join("dev.jsonl"), &plan.rows(&split.dev))?;
        let options = arguments.adapt.options(None, seed);
        write_prompt(&folder.join("start.safetensors"), &start_prompt(&model, &options)?)?;
        write_json(&folder.join("batches.json"), &json!(batches(split.train.len(), &options)))?;
    }
    Ok(())
}

/// Writes rows with their token ids.
struct Rows<'a> {
    template: &'a Template,
    tokenizer: &'a Tokenizer,
    max_tokens: usize,
}

impl Rows<'_> {
    fn write(&self, path: &Path, rows: &[Example]) -> Outcome<()> {
        let mut text = String::new();
        for row in rows {
            let mut object: Map<String, Value> =
                row.fields.iter().map(|(name, text)| (name.clone(), json!(text))).collect();
            object.insert("label".to_owned(), json!(row.label));
            object.insert("ids".to_owned(), json!(self.template.fill(&row.fields, self.tokenizer, self.max_tokens)?));
            text += &format!("{}\n", Value::Object(object));
        }
        files::write(path, text.as_bytes())
    }
}

fn write_prompt(path: &Path, prompt: &SoftPrompt) -> Outcome<()> {
    let internal = |e: safetensors::SafeTensorError| {
        Failure::Work(Error::new(Status::Internal, format!("{}: {e}", path.display())))
    };
    let bytes: Vec<u8> = prompt.values().iter().flat_map(|v| v.to_le_bytes()).collect();
    let tensor = TensorView::new(Dtype::F32, vec![prompt.rows(), prompt.width()], &bytes).map_err(internal)?;
    let file = serialize([("prompt", tensor)], None).map_err(internal)?;
    files::write(path, &file)
}

fn write_json(path: &Path, value: &Value) -> Outcome<()> {
    files::write(path, (pretty(value)? + "\n").as_bytes())
}

fn create(folder: &Path) -> Outcome<()> {
    std::fs::create_dir_all(folder).map_err(at(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_prompt_is_readable_by_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("start.safetensors");
        write_prompt(&path, &SoftPrompt::new(2, 3, vec![0.0, 1.0, 2.0, 3.0, 4.0, -5.5]).unwrap()).unwrap();
        let bytes = std::fs::read(path).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let tensor = file.tensor("prompt").unwrap();
        assert_eq!((tensor.shape(), tensor.dtype()), ([2, 3].as_slice(), Dtype::F32));
        assert_eq!(tensor.data()[20..], (-5.5f32).to_le_bytes());
    }
}
