//! The form of adapter and bundle files: safetensors with a versioned JSON manifest under the key "supmer" of the metadata.
//!
//! Nothing in the bytes depends on time, host or the order of a map. A reader checks sizes before it allocates.

pub(crate) mod atomic_write;
pub(crate) mod regular_file;
mod tensors;

use std::collections::HashMap;
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, Status, fail};

pub(crate) use tensors::Tensors;

/// Key of the manifest in the file's metadata.
const MANIFEST: &str = "supmer";
/// Room for the tensors' entries in the safetensors header.
const MAX_ENTRIES_BYTES: u64 = 64 << 10;

/// One kind of file.
pub(crate) struct Kind {
    /// What messages call it: "adapter".
    pub name: &'static str,
    /// The manifest's "format": "supmer-adapter".
    pub format: &'static str,
    /// Versions that this build reads.
    pub versions: RangeInclusive<u32>,
    /// Most bytes of a file.
    pub max_bytes: u64,
    /// Most bytes of a manifest.
    pub max_manifest: usize,
}

/// What every manifest of every version starts with.
#[derive(Serialize, Deserialize)]
pub(crate) struct Head {
    format: String,
    version: u64,
    /// Version of the library that wrote the file.
    #[serde(default)]
    tool: String,
}

/// Head and body side by side, one JSON object.
#[derive(Serialize)]
struct Whole<'a, M> {
    #[serde(flatten)]
    head: Head,
    #[serde(flatten)]
    body: &'a M,
}

impl Kind {
    /// The file's bytes, once its size is known to be acceptable. Errors: `NotFound`, `Io`, `TooLarge`.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let failed = |e: std::io::Error| Error::io(path, &e);
        let file = regular_file::open(path)?;
        let mut bytes = Vec::new();
        file.take(self.max_bytes + 1).read_to_end(&mut bytes).map_err(failed)?;
        self.check_size(bytes.len()).map_err(|e| e.context(path.display()))?;
        Ok(bytes)
    }

    /// The bytes of a file of `manifest` and f32 `tensors` (name, shape, values) in the last version.
    pub fn encode<M: Serialize>(&self, manifest: &M, tensors: &[(&str, Vec<usize>, &[f32])]) -> Result<Vec<u8>> {
        self.encode_as(*self.versions.end(), manifest, tensors)
    }

    /// [`Kind::encode`] in an earlier version, which older builds read.
    pub fn encode_as<M: Serialize>(
        &self,
        version: u32,
        manifest: &M,
        tensors: &[(&str, Vec<usize>, &[f32])],
    ) -> Result<Vec<u8>> {
        let broken = |e: &dyn std::fmt::Display| Error::new(Status::Internal, format!("{} file: {e}", self.name));
        let head = Head {
            format: self.format.to_owned(),
            version: u64::from(version),
            tool: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let json = serde_json::to_string(&Whole { head, body: manifest }).map_err(|e| broken(&e))?;
        if json.len() > self.max_manifest {
            let (most, came) = (self.max_manifest, json.len());
            return fail(Status::TooLarge, format!("manifest: at most {most} bytes are written, it has {came}"));
        }
        let data: Vec<Vec<u8>> =
            tensors.iter().map(|(_, _, values)| values.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
        let mut views = Vec::with_capacity(tensors.len());
        for ((name, shape, _), data) in tensors.iter().zip(&data) {
            views.push((*name, TensorView::new(Dtype::F32, shape.clone(), data).map_err(|e| broken(&e))?));
        }
        let bytes = safetensors::serialize(views, Some(HashMap::from([(MANIFEST.to_owned(), json)])))
            .map_err(|e| broken(&e))?;
        self.check_size(bytes.len())?;
        Ok(bytes)
    }

    /// Manifest and tensors of a file: first which kind and version it is, then the rest.
    ///
    /// Errors: `CorruptFile` says what is wrong, `Unsupported` for another kind or version, `TooLarge`.
    pub fn decode<'a, M: DeserializeOwned>(&self, bytes: &'a [u8]) -> Result<(M, Tensors<'a>)> {
        self.check_size(bytes.len())?;
        self.check_header_length(bytes)?;
        let corrupt = |e| Error::new(Status::CorruptFile, format!("not a whole safetensors file: {e}"));
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(corrupt)?;
        let Some(manifest) = metadata.metadata().as_ref().and_then(|metadata| metadata.get(MANIFEST)) else {
            let name = self.name;
            return fail(
                Status::CorruptFile,
                format!("no {MANIFEST:?} manifest in the metadata; it is no {name} file of this library"),
            );
        };
        let manifest = self.parse(manifest)?;
        Ok((manifest, Tensors::new(SafeTensors::deserialize(bytes).map_err(corrupt)?)))
    }

    fn parse<M: DeserializeOwned>(&self, text: &str) -> Result<M> {
        if text.len() > self.max_manifest {
            let (most, came) = (self.max_manifest, text.len());
            return fail(Status::TooLarge, format!("manifest: at most {most} bytes are accepted, {came} came"));
        }
        let wrong = |e: serde_json::Error| Error::new(Status::CorruptFile, format!("manifest: {e}"));
        let head: Head = serde_json::from_str(text).map_err(wrong)?;
        if head.format != self.format {
            let format: String = head.format.chars().take(40).collect();
            return fail(Status::Unsupported, format!("this is a {format:?} file, a {:?} file is needed", self.format));
        }
        let (oldest, newest) = (*self.versions.start(), *self.versions.end());
        if !u32::try_from(head.version).is_ok_and(|version| self.versions.contains(&version)) {
            let (name, version) = (self.name, head.version);
            return fail(
                Status::Unsupported,
                format!("{name} file version {version}: this build reads versions {oldest} to {newest}"),
            );
        }
        serde_json::from_str(text).map_err(wrong)
    }

    fn check_size(&self, bytes: usize) -> Result<()> {
        let Self { name, max_bytes, .. } = self;
        if bytes as u64 <= *max_bytes {
            return Ok(());
        }
        fail(Status::TooLarge, format!("{name} files have at most {max_bytes} bytes, this one has {bytes}"))
    }

    /// The header's own length, before anything of that length is parsed.
    fn check_header_length(&self, bytes: &[u8]) -> Result<()> {
        let name = self.name;
        let Some(length) = bytes.first_chunk::<8>().map(|length| u64::from_le_bytes(*length)) else {
            return fail(
                Status::CorruptFile,
                format!("{name} files start with 8 bytes of header length, {} bytes came", bytes.len()),
            );
        };
        // The manifest's quotes are escaped.
        let most = 2 * self.max_manifest as u64 + MAX_ENTRIES_BYTES;
        if length > most || length > bytes.len() as u64 - 8 {
            return fail(
                Status::CorruptFile,
                format!("the header claims {length} bytes; {} follow and {most} are accepted", bytes.len() - 8),
            );
        }
        Ok(())
    }
}
