//! The weights of a Hugging Face folder: one safetensors file, or many with an index.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde::Deserialize;

use super::bytes::Bytes;
use super::excerpt::excerpt;
use super::folder::Folder;
use super::tensors::{StoredTensor, TensorStore};
use super::weights::Format;
use crate::error::{Error, Result, Status, fail};
use crate::limits::{MAX_JSON_BYTES, MAX_WEIGHT_FILES};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Bytes before the header: its length.
const LENGTH_BYTES: usize = 8;

/// The tensors of all files of a folder.
pub(super) struct SafetensorsFiles {
    files: Vec<WeightFile>,
    /// Which file holds each tensor.
    by_name: BTreeMap<String, usize>,
    place: String,
}

/// One safetensors file, its header checked against its size.
struct WeightFile {
    path: String,
    bytes: Bytes,
    header: Metadata,
    data_start: usize,
}

/// The part of model.safetensors.index.json that is read.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl SafetensorsFiles {
    /// Opens `model.safetensors`, or else the files that `model.safetensors.index.json` names.
    ///
    /// Errors: `NotFound` when there is neither, `CorruptFile` names the file and what is wrong with it.
    pub(super) fn open(folder: Folder<'_>) -> Result<Self> {
        if folder.has(SINGLE) {
            let file = WeightFile::open(folder, SINGLE)?;
            let by_name = file.header.offset_keys().into_iter().map(|name| (name, 0)).collect();
            return Ok(Self { files: vec![file], by_name, place: folder.place_of(SINGLE) });
        }
        if !folder.has(INDEX) {
            let message = format!(
                "{}: expected {SINGLE} or {INDEX}, found neither; save the model as safetensors",
                folder.place()
            );
            return fail(Status::NotFound, message);
        }
        let place = folder.place_of(INDEX);
        Self::open_sharded(folder, &place).map(|(files, by_name)| Self { files, by_name, place })
    }

    fn open_sharded(folder: Folder<'_>, place: &str) -> Result<(Vec<WeightFile>, BTreeMap<String, usize>)> {
        let corrupt = |message: String| Error::new(Status::CorruptFile, format!("{place}: {message}"));
        let bytes = folder.read(INDEX, MAX_JSON_BYTES)?;
        let index: Index = serde_json::from_slice(&bytes).map_err(|e| corrupt(e.to_string()))?;
        let names: BTreeSet<&str> = index.weight_map.values().map(String::as_str).collect();
        if names.len() > MAX_WEIGHT_FILES {
            let message = format!("{place}: {} files, at most {MAX_WEIGHT_FILES} are accepted", names.len());
            return fail(Status::TooLarge, message);
        }
        if let Some(name) = names.iter().find(|name| !is_plain_file_name(name)) {
            return Err(corrupt(format!(
                "weight_map: expected plain names of files in the folder, found {}",
                excerpt(name)
            )));
        }
        let mut files = Vec::with_capacity(names.len());
        let mut numbers = BTreeMap::new();
        for name in names {
            numbers.insert(name, files.len());
            files.push(WeightFile::open(folder, name).map_err(|e| e.context(format!("{place}: weight_map")))?);
        }
        let mut by_name = BTreeMap::new();
        for (tensor, file) in &index.weight_map {
            let number = numbers[file.as_str()];
            if files[number].header.info(tensor).is_none() {
                return Err(corrupt(format!("tensor {} is not in {}", excerpt(tensor), excerpt(file))));
            }
            by_name.insert(tensor.clone(), number);
        }
        Ok((files, by_name))
    }
}

impl TensorStore for SafetensorsFiles {
    fn find(&self, name: &str) -> Result<Option<StoredTensor>> {
        let Some(file) = self.by_name.get(name).map(|&number| &self.files[number]) else { return Ok(None) };
        let Some(info) = file.header.info(name) else { return Ok(None) };
        let format = match info.dtype {
            Dtype::F32 => Format::F32,
            Dtype::F16 => Format::F16,
            Dtype::BF16 => Format::BF16,
            other => {
                let message = format!(
                    "{}: tensor {} is stored as {other:?}; this build reads F32, F16 and BF16",
                    file.path,
                    excerpt(name)
                );
                return fail(Status::Unsupported, message);
            }
        };
        // Inside the file: the header was checked against its length.
        let (start, end) = info.data_offsets;
        Ok(Some(StoredTensor {
            file: file.path.clone(),
            shape: info.shape.clone(),
            format,
            bytes: file.bytes.clone(),
            offset: file.data_start + start,
            length: end - start,
        }))
    }

    fn names(&self) -> Vec<&str> {
        self.by_name.keys().map(String::as_str).collect()
    }

    fn place(&self) -> String {
        self.place.clone()
    }
}

impl WeightFile {
    fn open(folder: Folder<'_>, name: &str) -> Result<Self> {
        let (path, bytes) = (folder.place_of(name), folder.bytes(name)?);
        let (header, data_start) = read_header(&bytes).map_err(|e| e.context(&path))?;
        Ok(Self { path, bytes, header, data_start })
    }
}

/// The header and where the data starts. The crate checks that tensors follow each other and have the size their
/// shape says; here their end is compared with the file's.
pub(crate) fn read_header(bytes: &[u8]) -> Result<(Metadata, usize)> {
    let corrupt = |message: String| Error::new(Status::CorruptFile, message);
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return Err(corrupt(format!("{} bytes are too few for a safetensors file", bytes.len())));
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_JSON_BYTES as u64 {
        return Err(corrupt(format!("safetensors header: length {length}, at most {MAX_JSON_BYTES} is accepted")));
    }
    let Some((header, data)) = rest.split_at_checked(length as usize) else {
        return Err(corrupt(format!("safetensors header: {length} bytes expected, the file has {} left", rest.len())));
    };
    let header: Metadata = serde_json::from_slice(header)
        .map_err(|e| corrupt(format!("safetensors header: {}", excerpt(&e.to_string()))))?;
    if header.data_len() != data.len() {
        let message =
            format!("safetensors header describes {} bytes of tensors, the file has {}", header.data_len(), data.len());
        return Err(corrupt(message));
    }
    Ok((header, LENGTH_BYTES + length as usize))
}

/// Whether `name` stays in its folder on every system.
fn is_plain_file_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    let one = matches!(components.next(), Some(Component::Normal(part)) if part == name) && components.next().is_none();
    one && name.ends_with(".safetensors") && !name.contains(['/', '\\', ':', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_of_safetensors_files() {
        for name in ["model-00001-of-00002.safetensors", "a b.safetensors"] {
            assert!(is_plain_file_name(name), "{name}");
        }
        for name in [
            "../a.safetensors",
            "/a.safetensors",
            "x/a.safetensors",
            "./a.safetensors",
            "c:a.safetensors",
            "",
            "..",
            "a.bin",
        ] {
            assert!(!is_plain_file_name(name), "{name}");
        }
        assert!(!is_plain_file_name("x\\a.safetensors") && !is_plain_file_name("a\0.safetensors"));
    }

    #[test]
    fn header_sizes_that_would_wrap_around_are_refused() {
        // Nine tensors of 2^61 bytes each: their end does not fit 64 bits.
        let size = 1u64 << 61;
        let mut entries: Vec<String> = Vec::new();
        for i in 0..9u64 {
            let (start, end) = (i.wrapping_mul(size), (i + 1).wrapping_mul(size));
            let shape = size / 4;
            entries.push(format!(r#""t{i}":{{"dtype":"F32","shape":[{shape}],"data_offsets":[{start},{end}]}}"#));
        }
        for count in 1..=9 {
            let header = format!("{{{}}}", entries[..count].join(","));
            let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(&[0; 64]);
            assert_eq!(read_header(&bytes).unwrap_err().status(), Status::CorruptFile, "{count}");
        }
    }
}
