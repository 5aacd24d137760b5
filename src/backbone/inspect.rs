//! What a model file or folder holds, without loading it.

use std::path::Path;

use serde::Serialize;

use super::folder::Folder;
use super::gguf::Gguf;
use super::safetensors_files::SafetensorsFiles;
use super::tensors::TensorStore;
use super::{folder_source, mapped, t5};
use crate::error::Result;

/// A summary of a GGUF file or a model folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelSummary {
    /// "GGUF 3", or "Hugging Face folder".
    pub format: String,
    /// Names and values, the values shortened to a line.
    pub metadata: Vec<(String, String)>,
    /// All tensors, in the order of the file or of their names.
    pub tensors: Vec<TensorSummary>,
}

/// One tensor of a [`ModelSummary`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TensorSummary {
    /// Its name.
    pub name: String,
    /// How its elements are stored, e.g. "Q4_1".
    pub format: String,
    /// Sizes, slowest dimension first: (rows, columns) for a matrix.
    pub shape: Vec<usize>,
    /// Bytes in the file; 0 for formats this build cannot read.
    pub bytes: usize,
}

/// Reads the tables of the GGUF file or model folder `path`. Of a file anything well formed is shown, loadable or not; a
/// folder must have a supported config.json.
///
/// Errors: `NotFound`, `Io`, `CorruptFile`, `TooLarge`, `Unsupported`.
pub fn inspect(path: &Path) -> Result<ModelSummary> {
    if path.is_dir() { inspect_folder(path) } else { inspect_gguf(path) }
}

fn inspect_gguf(path: &Path) -> Result<ModelSummary> {
    let map = mapped::map(path)?;
    let gguf = Gguf::parse(&map).map_err(|e| e.context(path.display()))?;
    let tensors = gguf.tensors().iter().map(|tensor| TensorSummary {
        name: tensor.name.to_owned(),
        format: tensor.type_name(),
        shape: tensor.shape.clone(),
        bytes: tensor.length,
    });
    Ok(ModelSummary {
        format: format!("GGUF {}", gguf.version()),
        metadata: gguf.metadata().map(|(key, value)| (key.to_owned(), value.to_string())).collect(),
        tensors: tensors.collect(),
    })
}

fn inspect_folder(path: &Path) -> Result<ModelSummary> {
    let folder = Folder::OnDisk(path);
    let metadata = if folder_source::is_model_type(folder, t5::MODEL_TYPE) {
        t5::summary(folder)?
    } else {
        let config = folder_source::config(folder)?;
        vec![
            ("architecture", "llama".to_owned()),
            ("shape", config.llama.shape()),
            ("context", config.llama.context.to_string()),
            ("norm_epsilon", config.llama.norm_epsilon.to_string()),
            ("tied_head", config.tied.to_string()),
        ]
    };
    let store = SafetensorsFiles::open(folder)?;
    let mut tensors = Vec::new();
    for name in store.names() {
        if let Some(tensor) = store.find(name)? {
            tensors.push(TensorSummary {
                name: name.to_owned(),
                format: tensor.format.name().to_owned(),
                shape: tensor.shape,
                bytes: tensor.length,
            });
        }
    }
    let metadata = metadata.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Ok(ModelSummary { format: "Hugging Face folder".to_owned(), metadata, tensors })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
    }

    #[test]
    fn lists_a_file_and_a_folder() {
        let file = inspect(&fixture("gguf/tiny-kquant.gguf")).unwrap();
        assert_eq!(file.format, "GGUF 3");
        assert!(file.metadata.contains(&("llama.context_length".into(), "512".into())));
        let tokens = file.metadata.iter().find(|(key, _)| key == "tokenizer.ggml.tokens").unwrap();
        assert!(tokens.1.starts_with("288 x Text [\"<|endoftext|>\","), "{}", tokens.1);
        let embedding = file.tensors.iter().find(|t| t.name == "token_embd.weight").unwrap();
        assert_eq!(
            (embedding.format.as_str(), &embedding.shape[..], embedding.bytes),
            ("Q6_K", &[288, 256][..], 60480)
        );
        assert_eq!(file.tensors.len(), 11);

        let folder = inspect(&fixture("tiny-llama-untied")).unwrap();
        assert_eq!(folder.tensors.len(), 21);
        assert!(folder.metadata.contains(&("shape".into(), "2x64 heads 4/2x16 ff 96 vocab 320".into())));
        assert!(folder.tensors.iter().all(|t| t.format == "BF16"));

        let t5 = inspect(&fixture("parity/v11")).unwrap();
        assert!(t5.metadata.contains(&("shape".into(), "2+2x32 heads 4x8 ff 64 vocab 128".into())));
        assert!(t5.metadata.contains(&("feed_forward".into(), "gated-gelu".into())));
    }
}
