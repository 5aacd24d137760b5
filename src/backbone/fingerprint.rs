//! Which backbone an adapter belongs to: a family that must match and weights that should.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Backbone;
use super::weights::Format;
use crate::error::{Result, Status, fail};
use crate::limits::MAX_NAME_BYTES;

/// Identity of a backbone on two levels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Architecture name, "llama" or "t5".
    pub architecture: String,
    /// Sizes that must match, e.g. "30x576 heads 9/3x64 ff 1536 vocab 49152".
    pub shape: String,
    /// SHA-256 (hex) over the tokenizer's vocabulary, merges and special tokens (same for GGUF and folder of one model).
    pub tokenizer: String,
    /// SHA-256 (hex) over the weights' formats and a sample of their bytes: differs for other weights or quantization.
    pub weights: String,
}

/// What comparing two fingerprints found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// The same backbone with the same weights.
    Same,
    /// The same family with other weights: another quantization, or another training of the same network.
    OtherWeights,
    /// Another family; nothing made for one works on the other.
    OtherFamily {
        /// The first field that differs: "architecture", "shape" or "tokenizer".
        field: &'static str,
        /// Its value in the fingerprint that was needed.
        expected: String,
        /// Its value in the fingerprint at hand.
        found: String,
    },
}

impl Fingerprint {
    /// Compares the fingerprint that is needed, `self`, with the `other` that is at hand.
    pub fn compare(&self, other: &Fingerprint) -> Match {
        for (field, expected, found) in [
            ("architecture", &self.architecture, &other.architecture),
            ("shape", &self.shape, &other.shape),
            ("tokenizer", &self.tokenizer, &other.tokenizer),
        ] {
            if expected != found {
                return Match::OtherFamily { field, expected: expected.clone(), found: found.clone() };
            }
        }
        if self.weights == other.weights { Match::Same } else { Match::OtherWeights }
    }

    /// Checks that `what` ("adapter", "bundle"), made for this fingerprint with prompt rows of `width`, belongs to
    /// `backbone`'s family. `Ok(Some(warning))` when only the weights differ. Errors: `BackboneMismatch`.
    pub(crate) fn check(&self, what: &str, width: usize, backbone: &dyn Backbone) -> Result<Option<String>> {
        let found = self.compare(backbone.fingerprint());
        if let Match::OtherFamily { field, expected, found } = found {
            return mismatch(what, field, &expected, &found);
        }
        Self::check_width(what, width, backbone)?;
        Ok((found == Match::OtherWeights).then(|| {
            format!(
                "the {what} was made with other weights of the same model family (another quantization or a fine-tuned \
                 copy); predictions may differ from those of its dev score"
            )
        }))
    }

    /// `BackboneMismatch` unless prompt rows of `width` fit `backbone`.
    pub(crate) fn check_width(what: &str, width: usize, backbone: &dyn Backbone) -> Result<()> {
        if width == backbone.width() {
            return Ok(());
        }
        mismatch(what, "prompt width", &width.to_string(), &backbone.width().to_string())
    }

    /// `CorruptFile` when a text is longer than a fingerprint's ever is.
    pub(crate) fn check_lengths(&self) -> Result<()> {
        let texts = [&self.architecture, &self.shape, &self.tokenizer, &self.weights];
        if texts.iter().all(|text| text.len() <= MAX_NAME_BYTES) {
            return Ok(());
        }
        fail(Status::CorruptFile, format!("manifest: the fingerprint's texts have at most {MAX_NAME_BYTES} bytes"))
    }
}

fn mismatch<T>(what: &str, field: &str, was: &str, needed: &str) -> Result<T> {
    fail(
        Status::BackboneMismatch,
        format!(
            "the {what} was made for a backbone of {field} {was:?}, this backbone has {needed:?}; make one on this backbone"
        ),
    )
}

/// Bytes of each tensor's start and end that the digest reads.
const SAMPLE: usize = 64;

/// The digest of all weights, from a sample of each: cheap, and other weights give another one.
pub(super) struct WeightsDigest(Sha256);

impl WeightsDigest {
    /// The digest of no weights.
    pub(super) fn new() -> Self {
        Self(Sha256::new_with_prefix(b"supmer weights 1\0"))
    }

    /// Adds a tensor: its name, format and shape, and the first and last bytes it has.
    pub(super) fn add(&mut self, name: &str, format: Format, shape: &[usize], bytes: &[u8]) {
        self.0.update((name.len() as u64).to_le_bytes());
        self.0.update(name);
        self.0.update(format.name());
        self.0.update([0, shape.len() as u8]);
        shape.iter().for_each(|&n| self.0.update((n as u64).to_le_bytes()));
        self.0.update(&bytes[..bytes.len().min(SAMPLE)]);
        self.0.update(&bytes[bytes.len().saturating_sub(SAMPLE)..]);
    }

    /// The digest in hexadecimal.
    pub(super) fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint() -> Fingerprint {
        let [architecture, shape, tokenizer, weights] = ["llama", "2x4", "t", "w"].map(str::to_owned);
        Fingerprint { architecture, shape, tokenizer, weights }
    }

    #[test]
    fn compares_on_two_levels() {
        let a = fingerprint();
        assert_eq!(a.compare(&a), Match::Same);
        assert_eq!(a.compare(&Fingerprint { weights: "v".into(), ..a.clone() }), Match::OtherWeights);
        let other = Fingerprint { tokenizer: "s".into(), weights: "v".into(), ..a.clone() };
        let expected = Match::OtherFamily { field: "tokenizer", expected: "t".into(), found: "s".into() };
        assert_eq!(a.compare(&other), expected);
        let other = Fingerprint { shape: "1x4".into(), ..other };
        assert!(matches!(a.compare(&other), Match::OtherFamily { field: "shape", .. }));
    }

    #[test]
    fn digest_sees_name_format_shape_start_and_end() {
        let digest = |name: &str, format, shape: &[usize], bytes: &[u8]| {
            let mut digest = WeightsDigest::new();
            digest.add(name, format, shape, bytes);
            digest.finish()
        };
        let bytes = [1; 400];
        let plain = digest("a", Format::F16, &[10, 20], &bytes);
        assert_eq!(plain.len(), 64);
        assert_eq!(plain, digest("a", Format::F16, &[10, 20], &bytes));
        let (mut first, mut last) = (bytes, bytes);
        (first[0], last[399]) = (2, 2);
        for other in [
            digest("b", Format::F16, &[10, 20], &bytes),
            digest("a", Format::BF16, &[10, 20], &bytes),
            digest("a", Format::F16, &[20, 10], &bytes),
            digest("a", Format::F16, &[10, 20], &first),
            digest("a", Format::F16, &[10, 20], &last),
        ] {
            assert_ne!(plain, other);
        }
    }
}
