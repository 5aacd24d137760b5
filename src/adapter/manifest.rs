//! What an adapter file says about itself: JSON under the key "supmer" of the safetensors metadata.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{Adapter, Lineage};
use crate::backbone::Fingerprint;
use crate::error::{Error, Result, Status, fail};
use crate::limits::{MAX_JSON_BYTES, MAX_NAME_BYTES};
use crate::task::Task;

/// Versions of the adapter file that this build reads; it writes the last one.
pub const FORMAT_VERSIONS: RangeInclusive<u32> = 1..=1;

const FORMAT: &str = "supmer-adapter";

/// The manifest of version 1; keys stand in this order.
#[derive(Serialize, Deserialize)]
pub(super) struct Manifest {
    format: String,
    version: u32,
    /// Version of the library that wrote the file.
    tool: String,
    pub(super) fingerprint: Fingerprint,
    pub(super) prompt_length: usize,
    pub(super) task: Task,
    pub(super) lineage: Lineage,
}

/// What every version has.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u64,
}

impl Manifest {
    pub(super) fn of(adapter: &Adapter) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: *FORMAT_VERSIONS.end(),
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            fingerprint: adapter.fingerprint.clone(),
            prompt_length: adapter.prompt.rows(),
            task: adapter.task.clone(),
            lineage: adapter.lineage.clone(),
        }
    }

    /// Reads the manifest: first which kind and version it is, then the rest.
    pub(super) fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_JSON_BYTES {
            return fail(
                Status::TooLarge,
                format!("manifest: at most {MAX_JSON_BYTES} bytes are accepted, {} came", text.len()),
            );
        }
        let wrong = |e: serde_json::Error| Error::new(Status::CorruptFile, format!("manifest: {e}"));
        let head: Head = serde_json::from_str(text).map_err(wrong)?;
        if head.format != FORMAT {
            let format: String = head.format.chars().take(40).collect();
            return fail(Status::Unsupported, format!("this is a {format:?} file, a {FORMAT:?} file is needed"));
        }
        let (oldest, newest) = (*FORMAT_VERSIONS.start(), *FORMAT_VERSIONS.end());
        if !u32::try_from(head.version).is_ok_and(|version| FORMAT_VERSIONS.contains(&version)) {
            return fail(
                Status::Unsupported,
                format!("adapter file version {}: this build reads versions {oldest} to {newest}", head.version),
            );
        }
        let manifest: Self = serde_json::from_str(text).map_err(wrong)?;
        manifest.check()?;
        Ok(manifest)
    }

    pub(super) fn to_json(&self) -> Result<String> {
        self.check()?;
        let json = serde_json::to_string(self).map_err(|e| Error::new(Status::Internal, format!("manifest: {e}")))?;
        if json.len() > MAX_JSON_BYTES {
            return fail(
                Status::TooLarge,
                format!("manifest: at most {MAX_JSON_BYTES} bytes are written, it has {}", json.len()),
            );
        }
        Ok(json)
    }

    fn check(&self) -> Result<()> {
        let Lineage { method, dev_accuracy, dev_loss, max_tokens, .. } = &self.lineage;
        for (field, value) in [("dev_accuracy", dev_accuracy), ("dev_loss", dev_loss)] {
            if value.is_some_and(|value| !value.is_finite()) {
                return fail(Status::NotFinite, format!("manifest: lineage.{field} is not finite"));
            }
        }
        if *max_tokens == 0 {
            return fail(Status::CorruptFile, "manifest: lineage.max_tokens is 0, at least 1 is needed");
        }
        let print = &self.fingerprint;
        let texts = [&self.tool, method, &print.architecture, &print.shape, &print.tokenizer, &print.weights];
        if texts.iter().any(|text| text.len() > MAX_NAME_BYTES) {
            return fail(
                Status::CorruptFile,
                format!("manifest: tool, method or fingerprint have more than {MAX_NAME_BYTES} bytes"),
            );
        }
        Ok(())
    }
}
