//! The adapter file: the tensor "prompt" (P, d) and a manifest of task, lineage and fingerprint.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{Adapter, Lineage};
use crate::backbone::Fingerprint;
use crate::container::Kind;
use crate::error::{Result, Status, fail};
use crate::limits::{MAX_ADAPTER_BYTES, MAX_JSON_BYTES, MAX_NAME_BYTES, MAX_WIDTH};
use crate::task::Task;

/// Versions of the adapter file that this build reads; it writes the last one.
pub const FORMAT_VERSIONS: RangeInclusive<u32> = 1..=1;

pub(super) const ADAPTER: Kind = Kind {
    name: "adapter",
    format: "supmer-adapter",
    versions: FORMAT_VERSIONS,
    max_bytes: MAX_ADAPTER_BYTES,
    max_manifest: MAX_JSON_BYTES,
};

/// Name of the only tensor.
const PROMPT: &str = "prompt";

/// The manifest of version 1; keys stand in this order.
#[derive(Serialize, Deserialize)]
struct Manifest {
    fingerprint: Fingerprint,
    prompt_length: usize,
    task: Task,
    lineage: Lineage,
}

/// The bytes of `adapter`.
pub(super) fn encode(adapter: &Adapter) -> Result<Vec<u8>> {
    let prompt = &adapter.prompt;
    if prompt.width() == 0 || prompt.width() > MAX_WIDTH {
        return fail(
            Status::InvalidArgument,
            format!("an adapter's prompt has 1 to {MAX_WIDTH} columns, this one has {}", prompt.width()),
        );
    }
    let manifest = Manifest {
        fingerprint: adapter.fingerprint.clone(),
        prompt_length: prompt.rows(),
        task: adapter.task.clone(),
        lineage: adapter.lineage.clone(),
    };
    manifest.check()?;
    ADAPTER.encode(&manifest, &[(PROMPT, vec![prompt.rows(), prompt.width()], prompt.values())])
}

/// The adapter in `bytes`.
pub(super) fn decode(bytes: &[u8]) -> Result<Adapter> {
    let (manifest, tensors) = ADAPTER.decode::<Manifest>(bytes)?;
    manifest.check()?;
    tensors.check_count(1)?;
    let prompt = tensors.prompt(PROMPT, manifest.prompt_length)?;
    Ok(Adapter::new(prompt, manifest.task, manifest.lineage, manifest.fingerprint))
}

impl Manifest {
    fn check(&self) -> Result<()> {
        let Lineage { method, dev_accuracy, dev_loss, max_tokens, bundle, .. } = &self.lineage;
        for (field, value) in [("dev_accuracy", dev_accuracy), ("dev_loss", dev_loss)] {
            if value.is_some_and(|value| !value.is_finite()) {
                return fail(Status::NotFinite, format!("manifest: lineage.{field} is not finite"));
            }
        }
        if *max_tokens == 0 {
            return fail(Status::CorruptFile, "manifest: lineage.max_tokens is 0, at least 1 is needed");
        }
        if [Some(method), bundle.as_ref()].into_iter().flatten().any(|text| text.len() > MAX_NAME_BYTES) {
            return fail(
                Status::CorruptFile,
                format!("manifest: method or bundle has more than {MAX_NAME_BYTES} bytes"),
            );
        }
        self.fingerprint.check_lengths()
    }
}
