//! The adapter file: safetensors with the tensor "prompt" (P, d) in f32 and a versioned JSON manifest.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::Adapter;
use super::manifest::Manifest;
use crate::error::{Error, Result, Status, fail};
use crate::limits::{MAX_ADAPTER_BYTES, MAX_JSON_BYTES, MAX_PROMPT_ROWS, MAX_WIDTH};
use crate::soft_prompt::SoftPrompt;

/// Key of the manifest in the file's metadata.
const MANIFEST: &str = "supmer";
/// Name of the only tensor.
const PROMPT: &str = "prompt";
/// Largest safetensors header: the manifest, its quotes escaped, and the tensor's entry.
const MAX_HEADER_BYTES: u64 = 2 * MAX_JSON_BYTES as u64 + 4096;

/// The bytes of `adapter`. One metadata key and one tensor: nothing in them depends on the order of a map.
pub(super) fn encode(adapter: &Adapter) -> Result<Vec<u8>> {
    let prompt = &adapter.prompt;
    if prompt.width() == 0 || prompt.width() > MAX_WIDTH {
        return fail(
            Status::InvalidArgument,
            format!("an adapter's prompt has 1 to {MAX_WIDTH} columns, this one has {}", prompt.width()),
        );
    }
    let manifest = Manifest::of(adapter).to_json()?;
    let values: Vec<u8> = prompt.values().iter().flat_map(|value| value.to_le_bytes()).collect();
    let broken = |e| Error::new(Status::Internal, format!("adapter file: {e}"));
    let tensor = TensorView::new(Dtype::F32, vec![prompt.rows(), prompt.width()], &values).map_err(broken)?;
    let bytes = safetensors::serialize([(PROMPT, tensor)], Some(HashMap::from([(MANIFEST.to_owned(), manifest)])))
        .map_err(broken)?;
    if bytes.len() as u64 > MAX_ADAPTER_BYTES {
        return fail(
            Status::TooLarge,
            format!("an adapter file has at most {MAX_ADAPTER_BYTES} bytes, this one has {}", bytes.len()),
        );
    }
    Ok(bytes)
}

/// The adapter in `bytes`.
pub(super) fn decode(bytes: &[u8]) -> Result<Adapter> {
    if bytes.len() as u64 > MAX_ADAPTER_BYTES {
        return fail(
            Status::TooLarge,
            format!("an adapter file has at most {MAX_ADAPTER_BYTES} bytes, {} came", bytes.len()),
        );
    }
    check_header_length(bytes)?;
    let corrupt = |e| Error::new(Status::CorruptFile, format!("not a whole safetensors file: {e}"));
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(corrupt)?;
    let Some(manifest) = metadata.metadata().as_ref().and_then(|metadata| metadata.get(MANIFEST)) else {
        return fail(
            Status::CorruptFile,
            format!("no {MANIFEST:?} manifest in the metadata; this is not an adapter of this library"),
        );
    };
    let manifest = Manifest::parse(manifest)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(corrupt)?;
    let prompt = prompt_of(&tensors, manifest.prompt_length)?;
    Ok(Adapter::new(prompt, manifest.task, manifest.lineage, manifest.fingerprint))
}

/// The file's bytes, once its size is known to be acceptable.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let failed = |e: std::io::Error| Error::io(path, &e);
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_ADAPTER_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_ADAPTER_BYTES {
        return fail(
            Status::TooLarge,
            format!("{}: an adapter file has at most {MAX_ADAPTER_BYTES} bytes", path.display()),
        );
    }
    Ok(bytes)
}

/// The header's own length, before anything of that length is parsed.
fn check_header_length(bytes: &[u8]) -> Result<()> {
    let Some(length) = bytes.first_chunk::<8>().map(|length| u64::from_le_bytes(*length)) else {
        return fail(
            Status::CorruptFile,
            format!("an adapter file starts with 8 bytes of header length, {} bytes came", bytes.len()),
        );
    };
    if length > MAX_HEADER_BYTES || length > bytes.len() as u64 - 8 {
        return fail(
            Status::CorruptFile,
            format!("the header claims {length} bytes; {} follow and {MAX_HEADER_BYTES} are accepted", bytes.len() - 8),
        );
    }
    Ok(())
}

fn prompt_of(tensors: &SafeTensors<'_>, prompt_length: usize) -> Result<SoftPrompt> {
    if tensors.len() != 1 {
        return fail(Status::CorruptFile, format!("one tensor {PROMPT:?} is needed, {} tensors came", tensors.len()));
    }
    let missing = |_| Error::new(Status::CorruptFile, format!("the tensor {PROMPT:?} is missing"));
    let tensor = tensors.tensor(PROMPT).map_err(missing)?;
    if tensor.dtype() != Dtype::F32 {
        return fail(Status::CorruptFile, format!("{PROMPT:?} is F32, {:?} came", tensor.dtype()));
    }
    let &[rows, width] = tensor.shape() else {
        return fail(Status::CorruptFile, format!("{PROMPT:?} has two dimensions, {} came", tensor.shape().len()));
    };
    if rows != prompt_length {
        return fail(
            Status::CorruptFile,
            format!("{PROMPT:?} has {rows} rows, but the manifest says prompt_length {prompt_length}"),
        );
    }
    if rows > MAX_PROMPT_ROWS || width == 0 || width > MAX_WIDTH {
        return fail(
            Status::CorruptFile,
            format!(
                "{PROMPT:?} is {rows} x {width}; at most {MAX_PROMPT_ROWS} rows of 1 to {MAX_WIDTH} values are accepted"
            ),
        );
    }
    let (values, rest) = tensor.data().as_chunks::<4>();
    if !rest.is_empty() {
        return fail(Status::CorruptFile, format!("{PROMPT:?} is not a whole number of values"));
    }
    SoftPrompt::new(rows, width, values.iter().map(|value| f32::from_le_bytes(*value)).collect())
}
