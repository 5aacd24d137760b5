//! SentencePiece's precompiled map of characters: checked before the tokenizer walks it, which trusts it blindly.
//!
//! The map is the length of a double-array trie in bytes (u32), its units (u32 each), then the replacements, each ended
//! by a zero byte. A unit without its highest bit leads from its place to the place XOR its offset, and from there to
//! the children at that place XOR the next byte; a leaf's value is the start of a replacement.

use crate::error::{Error, Result, Status, fail};

/// Most bytes that take the place of a character; NFKC makes 33 of one.
const MAX_REPLACEMENT_BYTES: usize = 64;
/// Children of one unit.
const BLOCK: usize = 256;

/// Checks the base64 text of a map: every place that can be reached lies inside the trie, every value is the start of a
/// short replacement. Errors: `CorruptFile`.
pub(super) fn check(text: &str) -> Result<()> {
    let wrong = |what: &str| Error::new(Status::CorruptFile, format!("precompiled_charsmap: {what}"));
    let bytes = base64::decode(text).map_err(|_| wrong("expected base64"))?;
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Err(wrong("it is too short")) };
    let length = u32::from_le_bytes(*length) as usize;
    let Some((trie, replacements)) = rest.split_at_checked(length) else {
        return Err(wrong("its trie is longer than the map"));
    };
    let (units, left) = trie.as_chunks::<4>();
    if units.is_empty() || units.len() % BLOCK != 0 || !left.is_empty() {
        return Err(wrong("its trie is no whole number of blocks"));
    }
    let Ok(replacements) = std::str::from_utf8(replacements) else {
        return Err(wrong("its replacements are not UTF-8"));
    };
    let unit = |at: usize| u32::from_le_bytes(units[at]) as usize;
    // The root is followed whatever it is, other units only when their highest bit is not set.
    for at in (0..units.len()).filter(|&at| at == 0 || unit(at) >> 31 == 0) {
        let next = at ^ offset(unit(at));
        // Blocks are whole, so all 256 children of a place inside are inside.
        if next >= units.len() {
            return fail(Status::CorruptFile, format!("precompiled_charsmap: unit {at} leads outside the trie"));
        }
        if unit(at) >> 8 & 1 == 1 && !is_replacement(replacements, unit(next) & 0x7fff_ffff) {
            return fail(Status::CorruptFile, format!("precompiled_charsmap: unit {at} has no replacement"));
        }
    }
    Ok(())
}

fn offset(unit: usize) -> usize {
    (unit >> 10) << ((unit & 1 << 9) >> 6)
}

fn is_replacement(replacements: &str, start: usize) -> bool {
    let Some(rest) = replacements.get(start..) else { return false };
    rest.bytes().take(MAX_REPLACEMENT_BYTES + 1).position(|byte| byte == 0).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trie with one key, "A" -> "a": unit 0 leads to block 256, its child for b'A' to a leaf.
    fn map() -> Vec<u8> {
        let mut units = vec![0u32; 512];
        units[0] = 256 << 10;
        let child = 256 ^ usize::from(b'A');
        units[child] = (1 << 10) | (1 << 8) | u32::from(b'A');
        units[child ^ 1] = 1 << 31;
        let mut bytes = (4 * units.len() as u32).to_le_bytes().to_vec();
        units.iter().for_each(|unit| bytes.extend(unit.to_le_bytes()));
        bytes.extend(b"a\0");
        bytes
    }

    fn checked(bytes: &[u8]) -> Result<()> {
        check(&base64::encode(bytes))
    }

    #[test]
    fn a_sound_map_is_accepted_and_maps() {
        checked(&map()).unwrap();
        let step = serde_json::json!({"type": "Precompiled", "precompiled_charsmap": base64::encode(map())});
        let normalizer: tokenizers::NormalizerWrapper = serde_json::from_value(step).unwrap();
        let mut text = tokenizers::NormalizedString::from("xAy");
        tokenizers::Normalizer::normalize(&normalizer, &mut text).unwrap();
        assert_eq!(text.get(), "xay");
    }

    #[test]
    fn maps_that_would_lead_outside_are_refused() {
        let set = |at: usize, unit: u32| {
            let mut bytes = map();
            bytes[4 + 4 * at..8 + 4 * at].copy_from_slice(&unit.to_le_bytes());
            bytes
        };
        let child = 256 ^ usize::from(b'A');
        let mut long = map();
        long.splice(long.len() - 1.., [b'a'; MAX_REPLACEMENT_BYTES]);
        long.push(0);
        for (bytes, what) in [
            (set(0, 512 << 10), "unit 0 leads outside"),
            (set(0, (1 << 31) | (512 << 10)), "unit 0 leads outside"),
            (set(7, (1 << 9) | (1 << 20)), "unit 7 leads outside"),
            (set(child ^ 1, (1 << 31) | 3), "has no replacement"),
            (set(child ^ 1, 0x7fff_ffff), "leads outside"),
            (long, "has no replacement"),
            (map()[..map().len() - 1].to_vec(), "has no replacement"),
            (map()[..900].to_vec(), "longer than the map"),
            (vec![0; 3], "too short"),
            (vec![0; 4], "no whole number"),
            ([&100u32.to_le_bytes()[..], &[0; 100]].concat(), "no whole number"),
            ([&map()[..], &[0xff]].concat(), "not UTF-8"),
        ] {
            let error = checked(&bytes).unwrap_err();
            assert!(error.status() == Status::CorruptFile && error.to_string().contains(what), "{what}: {error}");
        }
        assert!(check("A*").unwrap_err().to_string().contains("base64"));
    }

    #[test]
    fn every_truncation_is_refused() {
        (0..map().len()).for_each(|end| assert!(checked(&map()[..end]).is_err(), "{end}"));
    }
}
