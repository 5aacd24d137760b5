//! The adapter file: the tensor "prompt" (P, d) and a manifest of task, lineage and fingerprint; since version 2 also a
//! label head, the tensors "head.rows" (C, d) and "head.biases" (C).

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{Adapter, Lineage};
use crate::backbone::Fingerprint;
use crate::container::Kind;
use crate::error::{Result, Status, fail};
use crate::label_head::LabelHead;
use crate::limits::{MAX_ADAPTER_BYTES, MAX_CONTEXT, MAX_JSON_BYTES, MAX_NAME_BYTES, MAX_WIDTH};
use crate::task::Task;

/// Versions of the adapter file that this build reads. It writes the first that can hold the adapter: 2 with a label head, 1
/// without.
pub const FORMAT_VERSIONS: RangeInclusive<u32> = 1..=2;
/// The version of an adapter without a label head.
const WITHOUT_HEAD: u32 = 1;

pub(super) const ADAPTER: Kind = Kind {
    name: "adapter",
    format: "supmer-adapter",
    versions: FORMAT_VERSIONS,
    max_bytes: MAX_ADAPTER_BYTES,
    max_manifest: MAX_JSON_BYTES,
};

const PROMPT: &str = "prompt";
const HEAD_ROWS: &str = "head.rows";
const HEAD_BIASES: &str = "head.biases";

/// The manifest; keys stand in this order.
#[derive(Serialize, Deserialize)]
struct Manifest {
    fingerprint: Fingerprint,
    prompt_length: usize,
    /// Whether there is a label head; version 1 does not know of it.
    #[serde(default, skip_serializing_if = "is_false")]
    label_head: bool,
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
        label_head: adapter.head.is_some(),
        task: adapter.task.clone(),
        lineage: adapter.lineage.clone(),
    };
    manifest.check()?;
    let prompt = (PROMPT, vec![prompt.rows(), prompt.width()], prompt.values());
    match &adapter.head {
        None => ADAPTER.encode_as(WITHOUT_HEAD, &manifest, &[prompt]),
        Some(head) => {
            let rows = (HEAD_ROWS, vec![head.labels(), head.width()], head.rows());
            ADAPTER.encode(&manifest, &[prompt, rows, (HEAD_BIASES, vec![head.labels()], head.biases())])
        }
    }
}

/// The adapter in `bytes`.
pub(super) fn decode(bytes: &[u8]) -> Result<Adapter> {
    let (manifest, tensors) = ADAPTER.decode::<Manifest>(bytes)?;
    manifest.check()?;
    tensors.check_count(if manifest.label_head { 3 } else { 1 })?;
    let prompt = tensors.prompt(PROMPT, manifest.prompt_length)?;
    let (labels, width) = (manifest.task.labels().len(), prompt.width());
    let adapter = Adapter::new(prompt, manifest.task, manifest.lineage, manifest.fingerprint);
    if !manifest.label_head {
        return Ok(adapter);
    }
    let (rows, biases) = (tensors.take(HEAD_ROWS, &[labels, width])?, tensors.take(HEAD_BIASES, &[labels])?);
    adapter.with_head(LabelHead::new(width, rows, biases)?)
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Manifest {
    fn check(&self) -> Result<()> {
        let Lineage { method, dev_accuracy, dev_loss, max_tokens, bundle, .. } = &self.lineage;
        for (field, value) in [("dev_accuracy", dev_accuracy), ("dev_loss", dev_loss)] {
            if value.is_some_and(|value| !value.is_finite()) {
                return fail(Status::NotFinite, format!("manifest: lineage.{field} is not finite"));
            }
        }
        if !(1..=MAX_CONTEXT).contains(max_tokens) {
            let message = format!("manifest: lineage.max_tokens is {max_tokens}, 1 to {MAX_CONTEXT} are accepted");
            return fail(Status::CorruptFile, message);
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
