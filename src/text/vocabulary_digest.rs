//! One number for a tokenizer: the same for the GGUF file and the folder of one model.

use sha2::{Digest, Sha256};

/// SHA-256 (hex) over the tokens with their ids in rising order, the merges in order and the BOS.
///
/// Files that keep scores instead of merges (SentencePiece) give no merges here, so that both forms agree.
pub(super) fn vocabulary_digest<'a>(
    tokens: &mut [(&str, u32)],
    merges: impl Iterator<Item = (&'a str, &'a str)>,
    bos: Option<u32>,
) -> String {
    tokens.sort_unstable_by_key(|(text, id)| (*id, *text));
    let mut hash = Sha256::new();
    let mut previous = None;
    for token in tokens.iter() {
        if previous != Some(token) {
            hash.update(token.1.to_le_bytes());
            hash_text(&mut hash, token.0);
        }
        previous = Some(token);
    }
    hash.update(u32::MAX.to_le_bytes());
    for (left, right) in merges {
        hash_text(&mut hash, left);
        hash_text(&mut hash, right);
    }
    hash.update(u32::MAX.to_le_bytes());
    hash.update(bos.map_or(u64::MAX, u64::from).to_le_bytes());
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash_text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u32).to_le_bytes());
    hash.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(tokens: &[(&str, u32)], merges: &[(&str, &str)], bos: Option<u32>) -> String {
        vocabulary_digest(&mut tokens.to_vec(), merges.iter().copied(), bos)
    }

    #[test]
    fn order_and_repeats_of_tokens_do_not_count_but_everything_else_does() {
        let plain = digest(&[("a", 0), ("b", 1)], &[("a", "b")], None);
        assert_eq!(plain.len(), 64);
        assert_eq!(plain, digest(&[("b", 1), ("a", 0), ("b", 1)], &[("a", "b")], None));
        for other in [
            digest(&[("a", 1), ("b", 0)], &[("a", "b")], None),
            digest(&[("a", 0), ("b", 1)], &[("b", "a")], None),
            digest(&[("a", 0), ("b", 1)], &[("a", "b")], Some(0)),
            digest(&[("a", 0), ("b", 1)], &[], None),
            digest(&[("a", 0)], &[("a", "b")], None),
        ] {
            assert_ne!(plain, other);
        }
    }
}
