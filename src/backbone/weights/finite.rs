//! Looking for NaN and infinity in stored weights without expanding them.

use super::Format;

/// Bytes looked at between two chances to stop.
const CHUNK: usize = 1 << 16;

/// Whether every weight is finite. Of quantized blocks only the scales are read: their numbers cannot be anything else.
pub(super) fn is_finite(format: Format, bytes: &[u8]) -> bool {
    match format {
        Format::F32 => bytes.chunks(CHUNK).all(|chunk| {
            let (words, _) = chunk.as_chunks::<4>();
            let bad = words.iter().fold(0, |bad, w| bad | u32::from(u32::from_le_bytes(*w) & F32 == F32));
            bad == 0
        }),
        Format::F16 => halves(bytes, F16),
        Format::BF16 => halves(bytes, BF16),
        Format::Q4_0 => scales::<18>(bytes, &[0]),
        Format::Q4_1 => scales::<20>(bytes, &[0, 2]),
        Format::Q8_0 => scales::<34>(bytes, &[0]),
        Format::Q4K => scales::<144>(bytes, &[0, 2]),
        Format::Q6K => scales::<210>(bytes, &[208]),
    }
}

/// The exponent bits: all set in NaN and infinity only.
const F32: u32 = 0x7f80_0000;
const F16: u16 = 0x7c00;
const BF16: u16 = 0x7f80;

fn halves(bytes: &[u8], exponent: u16) -> bool {
    bytes.chunks(CHUNK).all(|chunk| {
        let (words, _) = chunk.as_chunks::<2>();
        let bad = words.iter().fold(0, |bad, w| bad | u16::from(u16::from_le_bytes(*w) & exponent == exponent));
        bad == 0
    })
}

/// f16 scales at the bytes `at` of every block.
#[inline(always)]
fn scales<const BLOCK: usize>(bytes: &[u8], at: &[usize]) -> bool {
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    blocks.iter().all(|block| at.iter().all(|&i| u16::from_le_bytes([block[i], block[i + 1]]) & F16 != F16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_one_bad_weight_anywhere() {
        for (format, bad) in [
            (Format::F32, &f32::NAN.to_le_bytes()[..]),
            (Format::F32, &f32::NEG_INFINITY.to_le_bytes()),
            (Format::F16, &half::f16::NAN.to_le_bytes()),
            (Format::F16, &half::f16::NEG_INFINITY.to_le_bytes()),
            (Format::BF16, &half::bf16::NAN.to_le_bytes()),
            (Format::BF16, &half::bf16::INFINITY.to_le_bytes()),
        ] {
            let width = bad.len();
            let largest = match format {
                Format::F32 => f32::MIN.to_le_bytes().to_vec(),
                Format::F16 => half::f16::MIN.to_le_bytes().to_vec(),
                _ => half::bf16::MIN.to_le_bytes().to_vec(),
            };
            let bytes = largest.repeat(100_000);
            assert!(is_finite(format, &bytes), "{format:?}");
            for at in [0, 1, 16_383, 16_384, 99_999] {
                let mut bytes = bytes.clone();
                bytes[at * width..(at + 1) * width].copy_from_slice(bad);
                assert!(!is_finite(format, &bytes), "{format:?} {at}");
            }
        }
    }

    #[test]
    fn reads_every_scale_and_nothing_else() {
        let bad = half::f16::NAN.to_le_bytes();
        for (format, scales) in [
            (Format::Q4_0, &[0][..]),
            (Format::Q4_1, &[0, 2]),
            (Format::Q8_0, &[0]),
            (Format::Q4K, &[0, 2]),
            (Format::Q6K, &[208]),
        ] {
            let size = format.block_bytes();
            // Quantized numbers of all ones would be NaN if they were taken for scales.
            let mut bytes = vec![0xff; size * 3];
            bytes.chunks_mut(size).for_each(|b| scales.iter().for_each(|&s| b[s..s + 2].fill(0)));
            assert!(is_finite(format, &bytes), "{format:?}");
            for scale in scales {
                let mut bytes = bytes.clone();
                bytes[2 * size + scale..2 * size + scale + 2].copy_from_slice(&bad);
                assert!(!is_finite(format, &bytes), "{format:?} {scale}");
            }
        }
    }
}
