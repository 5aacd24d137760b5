//! `supmer inspect`: what is in a GGUF file, a model folder, an adapter or a bundle.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};
use supmer::backbone::inspect::inspect;
use supmer::backbone::source::Source;
use supmer::{Adapter, Bundle, Error, SoftPrompt, Status};

use crate::console::{Console, human_bytes, short_json};
use crate::failure::{Failure, Outcome, at};

/// Arguments of `supmer inspect`.
#[derive(Args)]
pub struct Arguments {
    /// A GGUF file, a Hugging Face folder, an adapter or a bundle
    #[arg(value_name = "FILE")]
    path: PathBuf,
}

/// Describes what lies at the path.
pub fn run(arguments: &Arguments, console: &Console) -> Outcome<()> {
    let path = &arguments.path;
    let description = match Kind::of(path)? {
        Kind::Gguf => describe_model("gguf", path)?,
        Kind::Folder => describe_model("hugging_face_folder", path)?,
        Kind::Safetensors => describe_own(path)?,
    };
    if console.json { console.print_json(&description) } else { console.print(readable(&description, 0).trim_end()) }
}

/// What a path holds, told by its first bytes.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Gguf,
    Folder,
    Safetensors,
}

impl Kind {
    fn of(path: &Path) -> Outcome<Self> {
        if path.metadata().map_err(at(path))?.is_dir() {
            return Ok(Kind::Folder);
        }
        let mut start = Vec::new();
        File::open(path).map_err(at(path))?.take(9).read_to_end(&mut start).map_err(at(path))?;
        match start.as_slice() {
            [b'G', b'G', b'U', b'F', ..] => Ok(Kind::Gguf),
            // Eight bytes of header length, then the header, which is JSON.
            [_, _, _, _, _, _, _, _, b'{'] => Ok(Kind::Safetensors),
            _ => {
                let message = format!(
                    "{}: neither a GGUF file nor an adapter or bundle; for a Hugging Face model name its folder",
                    path.display()
                );
                Err(Failure::Work(Error::new(Status::Unsupported, message)))
            }
        }
    }
}

/// Tables of the file or folder, and what this build makes of it; a model it cannot run is described all the same.
fn describe_model(kind: &str, path: &Path) -> Outcome<Value> {
    let summary = inspect(path)?;
    let mut matrices: BTreeMap<&str, usize> = BTreeMap::new();
    let mut weights: u64 = 0;
    for tensor in &summary.tensors {
        *matrices.entry(&tensor.format).or_default() += 1;
        weights = weights.saturating_add(tensor.shape.iter().fold(1, |n: u64, &side| n.saturating_mul(side as u64)));
    }
    let metadata: Map<String, Value> =
        summary.metadata.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let mut description = json!({
        "kind": kind,
        "format": summary.format,
        "metadata": metadata,
        "tensors": matrices,
        "weights": weights,
        "weight_bytes": summary.tensors.iter().map(|tensor| tensor.bytes as u64).sum::<u64>(),
        "file_bytes": bytes_on_disk(path)?,
    });
    match Source::open(path) {
        Ok(source) => {
            description["usable"] = json!(true);
            let (fingerprint, tokenizer) = (source.fingerprint(), source.tokenizer());
            description["architecture"] = json!(fingerprint.architecture);
            description["sizes"] =
                source.sizes().into_iter().map(|(name, size)| (name.to_owned(), json!(size))).collect();
            description["separate_head"] = json!(source.has_separate_head());
            description["tokenizer"] = json!({ "tokens": tokenizer.token_count(), "bos": tokenizer.bos() });
            description["fingerprint"] = json!(fingerprint);
        }
        Err(error) => {
            description["usable"] = json!(false);
            description["why_not"] = json!(error.to_string());
        }
    }
    Ok(description)
}

/// An adapter, or else a bundle.
fn describe_own(path: &Path) -> Outcome<Value> {
    match Bundle::load(path) {
        Ok(bundle) => describe_bundle(path, &bundle),
        // Another kind of file: an adapter, or what its own reader has to say.
        Err(error) if error.status() == Status::Unsupported => describe_adapter(path),
        Err(error) => Err(error.into()),
    }
}

fn describe_bundle(path: &Path, bundle: &Bundle) -> Outcome<Value> {
    let prompt = bundle.prompt();
    let regularizer = bundle.regularization().map(|psi| {
        let shape = psi.regularizer.shape();
        json!({ "rank": shape.rank, "layers": shape.layers, "rescaling": psi.rescaling, "values": shape.count() })
    });
    Ok(json!({
        "kind": "bundle",
        "origin": short_json(bundle.origin())?,
        "prompt": { "rows": prompt.rows(), "width": prompt.width(), "row_norms": short_json(&row_norms(prompt))? },
        "regularizer": regularizer,
        "digest": bundle.digest()?,
        "file_bytes": bytes_on_disk(path)?,
    }))
}

fn describe_adapter(path: &Path) -> Outcome<Value> {
    let adapter = Adapter::load(path)?;
    let prompt = adapter.prompt();
    Ok(json!({
        "kind": "adapter",
        "task": adapter.task(),
        "lineage": short_json(adapter.lineage())?,
        "fingerprint": adapter.fingerprint(),
        "label_head": adapter.head().is_some(),
        "prompt": { "rows": prompt.rows(), "width": prompt.width(), "row_norms": short_json(&row_norms(prompt))? },
        "file_bytes": bytes_on_disk(path)?,
    }))
}

/// Euclidean norm of every row.
fn row_norms(prompt: &SoftPrompt) -> Vec<f32> {
    prompt.values().chunks(prompt.width().max(1)).map(|row| row.iter().map(|v| v * v).sum::<f32>().sqrt()).collect()
}

/// The size of a file, or of the files that lie directly in a folder.
fn bytes_on_disk(path: &Path) -> Outcome<u64> {
    let about = path.metadata().map_err(at(path))?;
    if !about.is_dir() {
        return Ok(about.len());
    }
    let mut bytes = 0;
    for entry in path.read_dir().map_err(at(path))? {
        let entry = entry.map_err(at(path))?.path();
        bytes += entry.metadata().ok().filter(|m| m.is_file()).map_or(0, |m| m.len());
    }
    Ok(bytes)
}

/// JSON as indented lines for a person: `name: value`.
fn readable(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let mut text = String::new();
    let Value::Object(object) = value else { return format!("{indent}{}\n", leaf("", value)) };
    for (name, value) in object {
        match value {
            Value::Object(_) => text += &format!("{indent}{name}:\n{}", readable(value, depth + 1)),
            Value::Array(items) if items.iter().any(Value::is_object) => {
                text += &format!("{indent}{name}:\n");
                for item in items {
                    text += &format!("{indent}  {}\n", leaf(name, item));
                }
            }
            _ => text += &format!("{indent}{name}: {}\n", leaf(name, value)),
        }
    }
    text
}

fn leaf(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        Value::Number(number) if name.ends_with("_bytes") => number.as_u64().map_or(number.to_string(), human_bytes),
        Value::Number(number) if number.is_f64() => format!("{:.4}", number.as_f64().unwrap_or(f64::NAN)),
        Value::Array(items) => items.iter().map(|v| leaf(name, v)).collect::<Vec<_>>().join(" "),
        Value::Object(object) => {
            object.iter().map(|(n, v)| format!("{n}: {}", leaf(n, v))).collect::<Vec<_>>().join(", ")
        }
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    }
}

/// `text` with control characters escaped, so that a file cannot steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_told_by_the_first_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let kind = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Kind::of(&path)
        };
        assert_eq!(kind(b"GGUF\x03\0\0\0").unwrap(), Kind::Gguf);
        assert_eq!(kind(b"\x40\0\0\0\0\0\0\0{\"__metadata__\"").unwrap(), Kind::Safetensors);
        assert_eq!(Kind::of(folder.path()).unwrap(), Kind::Folder);
        for bytes in [b"".as_slice(), b"GGU", b"\x40\0\0\0\0\0\0\0", b"{\"name\": 1}"] {
            assert!(
                kind(bytes).unwrap_err().message().unwrap().contains("neither a GGUF file nor an adapter or bundle")
            );
        }
    }

    #[test]
    fn row_norms_are_euclidean() {
        let prompt = SoftPrompt::new(2, 2, vec![3.0, 4.0, 0.0, -2.0]).unwrap();
        assert_eq!(row_norms(&prompt), [5.0, 2.0]);
        assert!(row_norms(&SoftPrompt::empty(4)).is_empty());
    }

    #[test]
    fn people_get_indented_lines() {
        let value =
            json!({"a": {"file_bytes": 2_500_000, "x": [1.5, 2.0]}, "b": [{"name": "n\n", "id": 1}], "c": null});
        let lines = "a:\n  file_bytes: 2 MB\n  x: 1.5000 2.0000\nb:\n  id: 1, name: n\\n\nc: none\n";
        assert_eq!(readable(&value, 0), lines);
    }
}
