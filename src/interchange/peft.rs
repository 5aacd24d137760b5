//! Prompt-tuning adapters as folders of Hugging Face PEFT: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! The weights file has one tensor, `prompt_embeddings`, of `num_transformer_submodules` x P rows. A causal model has one
//! submodule. An encoder-decoder has two unless the configuration says otherwise, but PEFT's prompt tuning only ever puts
//! the first P rows in front of the encoder's text and leaves the decoder's as they were drawn: they are not imported,
//! and exported folders say one submodule.

use std::collections::HashMap;
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::adapter::{Adapter, Lineage};
use crate::backbone::excerpt::excerpt;
use crate::backbone::safetensors_files::read_header;
use crate::backbone::{Backbone, mapped};
use crate::container::atomic_write;
use crate::error::{Error, Result, Status, fail};
use crate::limits::{MAX_ADAPTER_BYTES, MAX_CONTEXT, MAX_NAME_BYTES, MAX_PROMPT_ROWS, within};
use crate::predict::PreparedTask;
use crate::soft_prompt::SoftPrompt;
use crate::task::Task;

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
const PICKLE: &str = "adapter_model.bin";
const PEFT_TYPE: &str = "PROMPT_TUNING";
const PROMPT: &str = "prompt_embeddings";
/// Most bytes of an adapter_config.json; PEFT's have some 600.
const MAX_CONFIG_BYTES: usize = 1 << 20;
/// The lineage's name for adapters that came from PEFT.
const METHOD: &str = "imported from peft";

/// Makes the new folder `folder`, which PEFT's `PeftModel.from_pretrained` loads: the prompt in f32, bit for bit.
/// `base_model` is the name or path that PEFT's automatic classes load the model from. The task does not go along: PEFT
/// has no place for it.
///
/// Errors: `Unsupported` for an architecture that PEFT has no task type for here; `InvalidArgument` for an adapter without
/// rows, a `base_model` that is too long, or when something is at `folder` already; `NotFound`, `Io`, `DiskFull`.
pub fn export_peft(adapter: &Adapter, folder: &Path, base_model: Option<&str>) -> Result<()> {
    let prompt = adapter.prompt();
    if prompt.values().is_empty() {
        return fail(Status::InvalidArgument, "the adapter's prompt has no rows; PEFT needs at least one");
    }
    if adapter.head().is_some() {
        return fail(
            Status::Unsupported,
            "the adapter has a label head, which PEFT's prompt tuning has no place for; adapt without one",
        );
    }
    if let Some(bytes) = base_model.map(str::len).filter(|&bytes| bytes > MAX_NAME_BYTES) {
        let message = format!("the base model's name has {bytes} bytes, at most {MAX_NAME_BYTES} are accepted");
        return fail(Status::InvalidArgument, message);
    }
    let config = Config {
        base_model_name_or_path: base_model,
        inference_mode: true,
        num_transformer_submodules: 1,
        num_virtual_tokens: prompt.rows(),
        peft_type: PEFT_TYPE,
        prompt_tuning_init: "RANDOM",
        task_type: TaskType::of(&adapter.fingerprint().architecture)?.name(),
        token_dim: prompt.width(),
    };
    let broken = |e: &dyn std::fmt::Display| Error::new(Status::Internal, format!("PEFT folder: {e}"));
    let config = serde_json::to_vec_pretty(&config).map_err(|e| broken(&e))?;
    let values: Vec<u8> = prompt.values().iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensor = TensorView::new(Dtype::F32, vec![prompt.rows(), prompt.width()], &values).map_err(|e| broken(&e))?;
    // PyTorch's reader of safetensors asks for this key.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let weights = safetensors::serialize([(PROMPT, tensor)], Some(metadata)).map_err(|e| broken(&e))?;
    atomic_write::create_folder(folder, &[(CONFIG, &config), (WEIGHTS, &weights)])
}

/// Reads a folder that PEFT's `save_pretrained` wrote for a model of `backbone`'s network. PEFT keeps neither labels nor
/// template, so `task` says them; filled templates are cut to `max_tokens` tokens when predicting. f16 and bf16 become
/// f32 exactly.
///
/// Errors: `InvalidOption` for `max_tokens`; `NotFound`, `Io`, `TooLarge`; `CorruptFile` for a damaged file or a wrong
/// size, `Unsupported` for another PEFT method or task type, or a pickle, both naming file and field; `BackboneMismatch`
/// for rows of another width; `NotFinite`; `InvalidTask` for verbalizers that this tokenizer cannot tell apart.
pub fn import_peft(folder: &Path, task: &Task, backbone: &dyn Backbone, max_tokens: usize) -> Result<Adapter> {
    within("max_tokens", max_tokens, 1..=MAX_CONTEXT)?;
    let fingerprint = backbone.fingerprint();
    let prompt = read_prompt(folder, TaskType::of(&fingerprint.architecture)?, backbone.width())?;
    let prepared = PreparedTask::new(task, backbone.tokenizer(), max_tokens)?;
    prepared.check_fits(prompt.rows(), backbone.context_length())?;
    let lineage = Lineage {
        method: METHOD.to_owned(),
        seed: 0,
        steps: 0,
        train_examples: 0,
        dev_accuracy: None,
        dev_loss: None,
        max_tokens,
        bundle: None,
    };
    Ok(Adapter::new(prompt, task.clone(), lineage, fingerprint.clone()))
}

/// The keys that are written; PEFT has defaults for the others, and takes layers and heads from the model.
#[derive(Serialize)]
struct Config<'a> {
    base_model_name_or_path: Option<&'a str>,
    inference_mode: bool,
    num_transformer_submodules: usize,
    num_virtual_tokens: usize,
    peft_type: &'a str,
    prompt_tuning_init: &'a str,
    task_type: &'a str,
    token_dim: usize,
}

/// What PEFT calls the work of an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TaskType {
    CausalLm,
    Seq2SeqLm,
}

impl TaskType {
    fn of(architecture: &str) -> Result<Self> {
        match architecture {
            "llama" => Ok(Self::CausalLm),
            "t5" => Ok(Self::Seq2SeqLm),
            other => {
                let other = excerpt(other);
                let message =
                    format!("architecture {other} cannot be exchanged with PEFT, only \"llama\" and \"t5\" can");
                fail(Status::Unsupported, message)
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::CausalLm => "CAUSAL_LM",
            Self::Seq2SeqLm => "SEQ_2_SEQ_LM",
        }
    }

    /// Most submodules, and how many PEFT takes when the configuration does not say.
    fn submodules(self) -> usize {
        match self {
            Self::CausalLm => 1,
            Self::Seq2SeqLm => 2,
        }
    }
}

/// The prompt in `folder` for a network of `task_type` whose embeddings are `width` wide.
fn read_prompt(folder: &Path, task_type: TaskType, width: usize) -> Result<SoftPrompt> {
    let config_path = folder.join(CONFIG);
    let config = mapped::read(&config_path, MAX_CONFIG_BYTES)?;
    let size = read_config(&config, task_type, width).map_err(|e| e.context(config_path.display()))?;
    let weights_path = folder.join(WEIGHTS);
    if !weights_path.exists() && folder.join(PICKLE).exists() {
        let message = format!(
            "{}: a pickle can run code when it is opened and is not read; load the adapter in PEFT and save it as \
             safetensors, which save_pretrained does by default",
            folder.join(PICKLE).display()
        );
        return fail(Status::Unsupported, message);
    }
    let weights = mapped::read(&weights_path, MAX_ADAPTER_BYTES as usize)?;
    read_weights(&weights, &size, width).map_err(|e| e.context(weights_path.display()))
}

/// How many rows the prompt has, and how many of them in all the tensor keeps.
struct Size {
    rows: usize,
    stored_rows: usize,
}

/// Checks that the configuration is one of prompt tuning for `task_type` and `width`.
fn read_config(bytes: &[u8], task_type: TaskType, width: usize) -> Result<Size> {
    let config: Map<String, Value> = serde_json::from_slice(bytes)
        .map_err(|e| Error::new(Status::CorruptFile, format!("not a JSON object: {}", excerpt(&e.to_string()))))?;
    expect_text(&config, "peft_type", PEFT_TYPE)?;
    expect_text(&config, "task_type", task_type.name())?;
    if let Some(modules) = field(&config, "modules_to_save").filter(|modules| **modules != Value::Array(Vec::new())) {
        let message = format!(
            "modules_to_save: {} is not supported; an adapter is a prompt and no trained layers",
            excerpt(&modules.to_string())
        );
        return fail(Status::Unsupported, message);
    }
    let rows = count(&config, "num_virtual_tokens")?.map_or_else(|| missing("num_virtual_tokens"), Ok)?;
    if rows == 0 {
        return fail(Status::CorruptFile, "num_virtual_tokens: at least 1 is needed, found 0");
    }
    if rows > MAX_PROMPT_ROWS {
        return fail(
            Status::TooLarge,
            format!("num_virtual_tokens: at most {MAX_PROMPT_ROWS} are accepted, found {rows}"),
        );
    }
    let token_dim = count(&config, "token_dim")?.map_or_else(|| missing("token_dim"), Ok)?;
    if token_dim != width {
        let message = format!("token_dim: this model's embeddings are {width} wide, found {token_dim}");
        return fail(Status::BackboneMismatch, message);
    }
    let most = task_type.submodules();
    let submodules = count(&config, "num_transformer_submodules")?.unwrap_or(most);
    if submodules == 0 || submodules > most {
        let message = format!("num_transformer_submodules: {} has 1 to {most}, found {submodules}", task_type.name());
        return fail(Status::Unsupported, message);
    }
    Ok(Size { rows, stored_rows: submodules * rows })
}

/// The first rows of the only tensor, in f32.
fn read_weights(bytes: &[u8], size: &Size, width: usize) -> Result<SoftPrompt> {
    let (header, data_start) = read_header(bytes)?;
    let names = header.offset_keys();
    if let Some(other) = names.iter().find(|name| *name != PROMPT) {
        let message = format!("tensor {}: prompt tuning has {PROMPT:?} and no other", excerpt(other));
        return fail(Status::Unsupported, message);
    }
    let Some(tensor) = header.info(PROMPT) else {
        return fail(Status::CorruptFile, format!("expected the tensor {PROMPT:?}, the file has none"));
    };
    if tensor.shape != [size.stored_rows, width] {
        let message = format!(
            "tensor {PROMPT:?}: {CONFIG} says {} x {width}, the file has {}",
            size.stored_rows,
            excerpt(&format!("{:?}", tensor.shape))
        );
        return fail(Status::CorruptFile, message);
    }
    // Inside the file, and as long as shape and type say: the header was checked against its length.
    let data = &bytes[data_start + tensor.data_offsets.0..data_start + tensor.data_offsets.1];
    let count = size.rows * width;
    let two = || data.as_chunks::<2>().0[..count].iter();
    let values = match tensor.dtype {
        Dtype::F32 => data.as_chunks::<4>().0[..count].iter().map(|value| f32::from_le_bytes(*value)).collect(),
        Dtype::F16 => two().map(|value| f16::from_le_bytes(*value).to_f32()).collect(),
        Dtype::BF16 => two().map(|value| bf16::from_le_bytes(*value).to_f32()).collect(),
        other => {
            let message = format!("tensor {PROMPT:?} is stored as {other:?}; this build reads F32, F16 and BF16");
            return fail(Status::Unsupported, message);
        }
    };
    SoftPrompt::new(size.rows, width, values)
}

/// The value of a field; null counts as absent.
fn field<'a>(config: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    config.get(name).filter(|value| !value.is_null())
}

fn expect_text(config: &Map<String, Value>, name: &str, needed: &str) -> Result<()> {
    match field(config, name) {
        Some(Value::String(text)) if text == needed => Ok(()),
        Some(other) => {
            let found = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
            fail(
                Status::Unsupported,
                format!("{name}: {} is not supported, {needed:?} is needed here", excerpt(&found)),
            )
        }
        None => missing(name),
    }
}

fn count(config: &Map<String, Value>, name: &str) -> Result<Option<usize>> {
    let Some(value) = field(config, name) else { return Ok(None) };
    match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
        Some(n) => Ok(Some(n)),
        None => {
            let found = excerpt(&value.to_string());
            fail(Status::CorruptFile, format!("{name}: expected a whole number of at least 0, found {found}"))
        }
    }
}

fn missing<T>(name: &str) -> Result<T> {
    fail(Status::CorruptFile, format!("{name} is missing; PEFT's save_pretrained writes it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::Fingerprint;
    use crate::task::Label;

    const WIDTH: usize = 2;

    fn adapter(architecture: &str, rows: usize) -> Adapter {
        let label = |name: &str| Label { name: name.to_owned(), verbalizer: format!(" {name}") };
        let task = Task::new("t", "{text}:", vec![label("good"), label("bad")]).unwrap();
        let [shape, tokenizer, weights] = ["s", "t", "w"].map(str::to_owned);
        let fingerprint = Fingerprint { architecture: architecture.to_owned(), shape, tokenizer, weights };
        let method = "prompt-tuning".to_owned();
        let (seed, steps, train_examples, max_tokens) = (0, 1, 2, 8);
        let lineage = Lineage {
            method,
            seed,
            steps,
            train_examples,
            dev_accuracy: None,
            dev_loss: None,
            max_tokens,
            bundle: None,
        };
        let values = (0..rows * WIDTH).map(|i| i as f32 / 3.0 - 1.0).collect();
        Adapter::new(SoftPrompt::new(rows, WIDTH, values).unwrap(), task, lineage, fingerprint)
    }

    #[test]
    fn each_architecture_has_its_task_type_and_others_have_none() {
        let folder = tempfile::tempdir().unwrap();
        for (architecture, task_type) in [("llama", TaskType::CausalLm), ("t5", TaskType::Seq2SeqLm)] {
            let (path, adapter) = (folder.path().join(architecture), adapter(architecture, 3));
            export_peft(&adapter, &path, None).unwrap();
            let config: Value = serde_json::from_slice(&std::fs::read(path.join(CONFIG)).unwrap()).unwrap();
            assert_eq!(config["task_type"], task_type.name());
            assert_eq!(&read_prompt(&path, task_type, WIDTH).unwrap(), adapter.prompt());
        }
        let crossed = read_prompt(&folder.path().join("t5"), TaskType::CausalLm, WIDTH).unwrap_err();
        assert!(
            crossed.status() == Status::Unsupported && crossed.to_string().contains("\"SEQ_2_SEQ_LM\""),
            "{crossed}"
        );
        let other = export_peft(&adapter("gpt2", 3), &folder.path().join("gpt2"), None).unwrap_err();
        assert!(other.status() == Status::Unsupported && other.to_string().contains("\"gpt2\""), "{other}");
        let empty = export_peft(&adapter("llama", 0), &folder.path().join("empty"), None).unwrap_err();
        assert_eq!(empty.status(), Status::InvalidArgument);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn of_an_encoder_decoder_the_encoder_rows_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t5");
        // Four stored rows, of which two are the encoder's.
        export_peft(&adapter("t5", 4), &path, None).unwrap();
        let config = |submodules: &str| {
            let text = format!(
                r#"{{"peft_type": "PROMPT_TUNING", "task_type": "SEQ_2_SEQ_LM", "num_virtual_tokens": 2, "token_dim": 2,
                    "num_transformer_submodules": {submodules}}}"#
            );
            std::fs::write(path.join(CONFIG), text).unwrap();
            read_prompt(&path, TaskType::Seq2SeqLm, WIDTH)
        };
        for submodules in ["2", "null"] {
            let prompt = config(submodules).unwrap();
            assert_eq!((prompt.rows(), prompt.values()), (2, &adapter("t5", 4).prompt().values()[..4]));
        }
        assert_eq!(config("1").unwrap_err().status(), Status::CorruptFile);
        assert!(config("3").unwrap_err().to_string().contains("num_transformer_submodules"));
    }
}
