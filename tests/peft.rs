//! Folders of Hugging Face PEFT: bit-exact round trips, clear refusals of damaged and foreign folders, and the command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use half::{bf16, f16};
use serde_json::{Value, json};
use supmer::adapter::Lineage;
use supmer::interchange::peft::{export_peft, import_peft};
use supmer::{Adapter, Label, Model, ModelOptions, SoftPrompt, Status, Task};
use tempfile::TempDir;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny-llama-tied");
const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
/// Width of the model's embeddings.
const WIDTH: usize = 32;
const ROWS: usize = 3;

/// A scratch folder with an adapter of the tiny model and the PEFT folder made from it.
struct Scratch {
    folder: TempDir,
    model: Arc<Model>,
    adapter: Adapter,
}

impl Scratch {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let model = Model::load(MODEL, &ModelOptions::default()).unwrap();
        let adapter = adapter(&model);
        export_peft(&adapter, &folder.path().join("peft"), Some("tiny/llama")).unwrap();
        Self { folder, model, adapter }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn import(&self) -> supmer::Result<Adapter> {
        import_peft(&self.path("peft"), self.adapter.task(), self.model.backbone(), 64)
    }

    /// The configuration with one key changed.
    fn configure(&self, key: &str, value: Value) {
        let path = self.path("peft").join(CONFIG);
        let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        config[key] = value;
        fs::write(path, config.to_string()).unwrap();
    }

    /// The weights file with this header and data.
    fn store(&self, header: &Value, data: &[u8]) {
        let header = header.to_string();
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat();
        fs::write(self.path("peft").join(WEIGHTS), bytes).unwrap();
    }

    #[track_caller]
    fn refuses(&self, status: Status, words: &[&str]) {
        let error = self.import().expect_err(words[0]);
        assert_eq!(error.status(), status, "{error}");
        assert!(words.iter().all(|word| error.to_string().contains(word)), "expected {words:?} in: {error}");
    }
}

fn adapter(model: &Model) -> Adapter {
    let label = |name: &str| Label { name: name.into(), verbalizer: format!(" {name}") };
    let task = Task::new("reviews", "{text}\nSentiment:", vec![label("terrible"), label("great")]).unwrap();
    let mut values: Vec<f32> = (0..(ROWS * WIDTH) as u32).map(|i| f32::from_bits(0x3c80_0001 + 7919 * i)).collect();
    // Zero with a sign, and the smallest number there is.
    (values[0], values[1]) = (-0.0, f32::from_bits(1));
    let method = "prompt-tuning".to_owned();
    let (seed, steps, train_examples, max_tokens) = (1, 2, 3, 64);
    let lineage =
        Lineage { method, seed, steps, train_examples, dev_accuracy: None, dev_loss: None, max_tokens, bundle: None };
    let prompt = SoftPrompt::new(ROWS, WIDTH, values).unwrap();
    Adapter::new(prompt, task, lineage, model.backbone().fingerprint().clone())
}

/// The entry of a tensor of ROWS x WIDTH values of `bytes` bytes each.
fn entry(dtype: &str, bytes: usize) -> Value {
    json!({"dtype": dtype, "shape": [ROWS, WIDTH], "data_offsets": [0, ROWS * WIDTH * bytes]})
}

fn bits(adapter: &Adapter) -> Vec<u32> {
    adapter.prompt().values().iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_round_trip_keeps_every_bit() {
    let scratch = Scratch::new();
    let imported = scratch.import().unwrap();
    assert_eq!(bits(&imported), bits(&scratch.adapter));
    assert_eq!(imported.task(), scratch.adapter.task());
    assert_eq!(imported.fingerprint(), scratch.adapter.fingerprint());
    assert_eq!((imported.lineage().method.as_str(), imported.lineage().max_tokens), ("imported from peft", 64));
    export_peft(&imported, &scratch.path("again"), Some("tiny/llama")).unwrap();
    for name in [CONFIG, WEIGHTS] {
        let read = |folder: &str| fs::read(scratch.path(folder).join(name)).unwrap();
        assert!(read("again") == read("peft"), "{name}");
    }
}

#[test]
fn the_folder_says_what_peft_asks_for() {
    let scratch = Scratch::new();
    let config: Value = serde_json::from_slice(&fs::read(scratch.path("peft").join(CONFIG)).unwrap()).unwrap();
    for (key, value) in [
        ("peft_type", json!("PROMPT_TUNING")),
        ("task_type", json!("CAUSAL_LM")),
        ("num_virtual_tokens", json!(ROWS)),
        ("token_dim", json!(WIDTH)),
        ("num_transformer_submodules", json!(1)),
        ("inference_mode", json!(true)),
        ("base_model_name_or_path", json!("tiny/llama")),
    ] {
        assert_eq!(config[key], value, "{key}");
    }
    let weights = fs::read(scratch.path("peft").join(WEIGHTS)).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&weights).unwrap();
    assert_eq!((tensors.len(), tensors.tensor("prompt_embeddings").unwrap().shape()), (1, &[ROWS, WIDTH][..]));
}

#[test]
fn half_precision_becomes_f32_exactly() {
    let scratch = Scratch::new();
    let prompt = scratch.adapter.prompt().values();
    let halves: Vec<f16> = prompt.iter().map(|&value| f16::from_f32(value)).collect();
    let data: Vec<u8> = halves.iter().flat_map(|value| value.to_le_bytes()).collect();
    scratch.store(&json!({"prompt_embeddings": entry("F16", 2)}), &data);
    assert_eq!(scratch.import().unwrap().prompt().values(), halves.iter().map(|v| v.to_f32()).collect::<Vec<_>>());
    let brains: Vec<bf16> = prompt.iter().map(|&value| bf16::from_f32(value)).collect();
    let data: Vec<u8> = brains.iter().flat_map(|value| value.to_le_bytes()).collect();
    scratch.store(&json!({"prompt_embeddings": entry("BF16", 2)}), &data);
    assert_eq!(scratch.import().unwrap().prompt().values(), brains.iter().map(|v| v.to_f32()).collect::<Vec<_>>());
}

#[test]
fn keys_that_do_not_matter_are_passed_over() {
    let scratch = Scratch::new();
    for key in ["num_layers", "tokenizer_name_or_path", "of_a_later_version"] {
        scratch.configure(key, json!(7));
    }
    scratch.configure("num_transformer_submodules", Value::Null);
    scratch.configure("modules_to_save", json!([]));
    assert_eq!(bits(&scratch.import().unwrap()), bits(&scratch.adapter));
}

#[test]
fn other_configurations_are_refused_by_name() {
    use Status::{BackboneMismatch, CorruptFile, TooLarge, Unsupported};
    let cases = [
        ("peft_type", json!("LORA"), Unsupported, "\"LORA\""),
        ("peft_type", json!("PREFIX_TUNING"), Unsupported, "\"PREFIX_TUNING\""),
        ("peft_type", json!("P_TUNING"), Unsupported, "\"P_TUNING\""),
        ("peft_type", Value::Null, CorruptFile, "missing"),
        ("task_type", json!("SEQ_2_SEQ_LM"), Unsupported, "\"CAUSAL_LM\" is needed"),
        ("task_type", json!(["CAUSAL_LM"]), Unsupported, "\"CAUSAL_LM\" is needed"),
        ("task_type", Value::Null, CorruptFile, "missing"),
        ("num_virtual_tokens", Value::Null, CorruptFile, "missing"),
        ("num_virtual_tokens", json!(0), CorruptFile, "found 0"),
        ("num_virtual_tokens", json!(-3), CorruptFile, "-3"),
        ("num_virtual_tokens", json!(2.5), CorruptFile, "2.5"),
        ("num_virtual_tokens", json!(u64::MAX), TooLarge, "4096"),
        ("token_dim", Value::Null, CorruptFile, "missing"),
        ("token_dim", json!("wide"), CorruptFile, "wide"),
        ("token_dim", json!(768), BackboneMismatch, "32 wide, found 768"),
        ("num_transformer_submodules", json!(2), Unsupported, "found 2"),
        ("modules_to_save", json!(["classifier"]), Unsupported, "classifier"),
    ];
    for (key, value, status, words) in cases {
        let scratch = Scratch::new();
        scratch.configure(key, value);
        scratch.refuses(status, &[CONFIG, key, words]);
    }
    let scratch = Scratch::new();
    scratch.configure("num_virtual_tokens", json!(4));
    scratch.refuses(CorruptFile, &[WEIGHTS, "4 x 32", "[3, 32]"]);
}

#[test]
fn damaged_configurations_are_refused() {
    let scratch = Scratch::new();
    let path = scratch.path("peft").join(CONFIG);
    let whole = fs::read(&path).unwrap();
    for length in 1..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        scratch.refuses(Status::CorruptFile, &[CONFIG]);
    }
    let nested = "[".repeat(100_000);
    for (text, status) in [
        ("", Status::CorruptFile),
        ("[1]", Status::CorruptFile),
        ("\u{0}", Status::CorruptFile),
        (&nested, Status::CorruptFile),
        (&" ".repeat(2 << 20), Status::TooLarge),
    ] {
        fs::write(&path, text).unwrap();
        scratch.refuses(status, &[CONFIG]);
    }
    fs::remove_file(&path).unwrap();
    scratch.refuses(Status::NotFound, &[CONFIG]);
}

#[test]
fn damaged_weights_are_refused() {
    let scratch = Scratch::new();
    let path = scratch.path("peft").join(WEIGHTS);
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        scratch.refuses(Status::CorruptFile, &[WEIGHTS]);
    }
    fs::write(&path, [&whole[..], b"more"].concat()).unwrap();
    scratch.refuses(Status::CorruptFile, &[WEIGHTS]);
    for length in [u64::MAX, u64::MAX / 2, 1 << 40, whole.len() as u64] {
        fs::write(&path, [&length.to_le_bytes()[..], &whole[8..]].concat()).unwrap();
        scratch.refuses(Status::CorruptFile, &[WEIGHTS, "header"]);
    }
    for (at, value) in [(0, f32::NAN), (ROWS * WIDTH - 1, f32::NEG_INFINITY)] {
        let mut bytes = whole.clone();
        let start = bytes.len() - ROWS * WIDTH * 4 + at * 4;
        bytes[start..start + 4].copy_from_slice(&value.to_le_bytes());
        fs::write(&path, bytes).unwrap();
        scratch.refuses(Status::NotFinite, &[WEIGHTS, "not finite"]);
    }
}

#[test]
fn other_tensors_are_refused_by_name() {
    use Status::{CorruptFile, Unsupported};
    let scratch = Scratch::new();
    let zeros = vec![0; ROWS * WIDTH * 4];
    let mut turned = entry("F32", 4);
    turned["shape"] = json!([WIDTH, ROWS]);
    let mut lying = entry("F32", 4);
    lying["shape"] = json!([u64::MAX, u64::MAX]);
    let empty = json!({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]});
    for (header, data, status, words) in [
        (json!({"lora_A.weight": entry("F32", 4)}), &zeros[..], Unsupported, "lora_A.weight"),
        (json!({"prompt_embeddings": entry("F32", 4), "classifier": empty}), &zeros, Unsupported, "classifier"),
        (json!({"prompt_embeddings": entry("I32", 4)}), &zeros, Unsupported, "I32"),
        (json!({"prompt_embeddings": turned}), &zeros, CorruptFile, "3 x 32"),
        (json!({"prompt_embeddings": lying}), &zeros, CorruptFile, "header"),
        (json!({"prompt_embeddings": entry("F32", 2)}), &zeros[..ROWS * WIDTH * 2], CorruptFile, "header"),
        (json!({}), &[], CorruptFile, "has none"),
    ] {
        scratch.store(&header, data);
        scratch.refuses(status, &[WEIGHTS, words]);
    }
}

#[test]
fn a_pickle_is_not_opened() {
    let scratch = Scratch::new();
    fs::rename(scratch.path("peft").join(WEIGHTS), scratch.path("peft").join("adapter_model.bin")).unwrap();
    scratch.refuses(Status::Unsupported, &["adapter_model.bin", "safetensors"]);
    fs::remove_file(scratch.path("peft").join("adapter_model.bin")).unwrap();
    scratch.refuses(Status::NotFound, &[WEIGHTS]);
}

#[test]
fn the_task_and_the_length_have_to_fit_the_model() {
    let scratch = Scratch::new();
    let import =
        |task: &Task, max_tokens| import_peft(&scratch.path("peft"), task, scratch.model.backbone(), max_tokens);
    for max_tokens in [0, 1 << 23, usize::MAX] {
        assert_eq!(import(scratch.adapter.task(), max_tokens).unwrap_err().status(), Status::InvalidOption);
    }
    let label = |name: &str| Label { name: name.into(), verbalizer: " same".into() };
    let same = Task::new("t", "{text}", vec![label("a"), label("b")]).unwrap();
    assert_eq!(import(&same, 64).unwrap_err().status(), Status::InvalidTask);
}

fn supmer(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_supmer")).args(arguments).output().unwrap()
}

#[track_caller]
fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn assert_fails(output: &Output, code: i32, words: &str) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert!(message.contains(words) && output.stdout.is_empty(), "expected '{words}' in: {message}");
}

#[test]
fn the_command_exports_and_imports() {
    let scratch = Scratch::new();
    let [adapter, task, folder, out] = ["a.supmer", "task.json", "made", "b.supmer"].map(|name| scratch.path(name));
    scratch.adapter.save(&adapter).unwrap();
    fs::write(&task, serde_json::to_string(scratch.adapter.task()).unwrap()).unwrap();

    let export = ["export-peft", "--adapter", adapter.to_str().unwrap(), "--out"].map(Path::new);
    let with_base = ["--base-model", "tiny/llama", "--json"].map(Path::new);
    let described: Value =
        serde_json::from_str(&stdout(&supmer(&[&export[..], &[&folder], &with_base].concat()))).unwrap();
    assert_eq!((&described["num_virtual_tokens"], &described["token_dim"]), (&json!(ROWS), &json!(WIDTH)));
    for name in [CONFIG, WEIGHTS] {
        assert!(fs::read(folder.join(name)).unwrap() == fs::read(scratch.path("peft").join(name)).unwrap(), "{name}");
    }
    assert_fails(&supmer(&[&export[..], &[&folder]].concat()), 2, "exists already");
    assert_fails(&supmer(&[&export[..], &[&scratch.path("no/made")]].concat()), 3, "does not exist");
    assert!(stdout(&supmer(&[&export[..], &[&scratch.path("plain")]].concat())).contains("3 rows of 32 values"));

    let import = |more: &[&str]| {
        let line = ["import-peft".as_ref(), "--model".as_ref(), MODEL.as_ref(), "--peft".as_ref(), folder.as_path()];
        let rest = ["--task".as_ref(), task.as_path(), "--out".as_ref(), out.as_path()];
        supmer(&[&line[..], &rest, &more.iter().map(Path::new).collect::<Vec<_>>()].concat())
    };
    let described: Value = serde_json::from_str(&stdout(&import(&["--json", "--max-tokens", "64"]))).unwrap();
    assert_eq!(described["prompt_length"], json!(ROWS));
    assert_eq!(described["labels"], json!(["terrible", "great"]));
    let lineage = &described["lineage"];
    assert_eq!((&lineage["method"], &lineage["max_tokens"]), (&json!("imported from peft"), &json!(64)));
    assert_eq!(bits(&Adapter::load(&out).unwrap()), bits(&scratch.adapter));

    fs::remove_file(&out).unwrap();
    assert_fails(&import(&["--max-tokens", "0"]), 2, "max_tokens");
    let config = fs::read_to_string(folder.join(CONFIG)).unwrap();
    fs::write(folder.join(CONFIG), config.replace("PROMPT_TUNING", "LORA")).unwrap();
    assert_fails(&import(&[]), 3, "\"LORA\" is not supported");
    assert!(!out.exists());
}
