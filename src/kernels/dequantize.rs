//! Expanding stored weights to f32: plain types and ggml's block formats.

use super::lanes::Lanes;
use super::lanes::portable::PortableLanes;
use crate::backbone::weights::Format;

/// Expands whole blocks of `bytes` until `out` is full; `out.len()` is a multiple of the block length.
///
/// Panics when `bytes` holds fewer blocks than `out` needs; matrices check their sizes when they are made.
pub fn dequantize(format: Format, bytes: &[u8], out: &mut [f32]) {
    // SAFETY: the portable vectors need no processor feature.
    unsafe { dequantize_with::<PortableLanes>(format, bytes, out) }
}

/// [`dequantize`] with the vectors of `L`; every instruction set gives the same bits.
///
/// # Safety
/// The features of `L`.
#[inline(always)]
pub(super) unsafe fn dequantize_with<L: Lanes>(format: Format, bytes: &[u8], out: &mut [f32]) {
    // Plain loops: unlike closures they are compiled for the instruction set of the kernel they are inlined into.
    match format {
        Format::F32 => {
            for (b, o) in blocks::<4, 1>(bytes, out) {
                o[0] = f32::from_le_bytes(*b);
            }
        }
        Format::F16 => {
            for (b, o) in blocks::<2, 1>(bytes, out) {
                o[0] = half_at(b, 0);
            }
        }
        Format::BF16 => {
            for (b, o) in blocks::<2, 1>(bytes, out) {
                o[0] = f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16);
            }
        }
        // Half d; 16 bytes of nibbles; value = d (q - 8).
        Format::Q4_0 => {
            for (b, o) in blocks::<18, 32>(bytes, out) {
                let d = half_at(b, 0);
                // SAFETY: 16 bytes follow the scale.
                unsafe { L::expand_nibbles(b[2..].as_ptr(), d, -8.0 * d, o.as_mut_ptr()) };
            }
        }
        // Half d, half m; 16 bytes of nibbles; value = d q + m.
        Format::Q4_1 => {
            for (b, o) in blocks::<20, 32>(bytes, out) {
                // SAFETY: 16 bytes follow scale and minimum.
                unsafe { L::expand_nibbles(b[4..].as_ptr(), half_at(b, 0), half_at(b, 2), o.as_mut_ptr()) };
            }
        }
        // Half d; 32 signed bytes; value = d q.
        Format::Q8_0 => {
            for (b, o) in blocks::<34, 32>(bytes, out) {
                // SAFETY: 32 bytes follow the scale.
                unsafe { L::expand_bytes(b[2..].as_ptr().cast(), half_at(b, 0), o.as_mut_ptr()) };
            }
        }
        Format::Q4K => {
            for (b, o) in blocks(bytes, out) {
                q4_k(b, o);
            }
        }
        Format::Q6K => {
            for (b, o) in blocks(bytes, out) {
                q6_k(b, o);
            }
        }
    }
}

#[inline(always)]
fn blocks<'a, const BYTES: usize, const LEN: usize>(
    bytes: &'a [u8],
    out: &'a mut [f32],
) -> impl Iterator<Item = (&'a [u8; BYTES], &'a mut [f32; LEN])> {
    let (out, rest) = out.as_chunks_mut::<LEN>();
    let bytes = bytes.as_chunks::<BYTES>().0;
    assert!(rest.is_empty() && bytes.len() >= out.len(), "stored and expanded weights do not fit together");
    bytes.iter().zip(out)
}

/// The half-precision number at `at`. Infinities and NaN are refused when a model is loaded and not expected here.
#[inline(always)]
fn half_at(block: &[u8], at: usize) -> f32 {
    let bits = u32::from(u16::from_le_bytes([block[at], block[at + 1]]));
    // Exponent and fraction moved into place are 2^-112 of the value, subnormal numbers included.
    let size = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
    f32::from_bits(size.to_bits() | (bits & 0x8000) << 16)
}

/// Half d, half dmin; eight 6-bit scales and minima in 12 bytes; 128 bytes of nibbles; value = d s q - dmin m.
#[inline(always)]
fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let (d, dmin) = (half_at(block, 0), half_at(block, 2));
    let packed = &block[4..16];
    let scale_and_min = |j: usize| {
        if j < 4 {
            (packed[j] & 63, packed[j + 4] & 63)
        } else {
            ((packed[j + 4] & 15) | ((packed[j - 4] >> 6) << 4), (packed[j + 4] >> 4) | ((packed[j] >> 6) << 4))
        }
    };
    for pair in 0..4 {
        let quants = &block[16 + 32 * pair..16 + 32 * (pair + 1)];
        for (high, j) in [(false, 2 * pair), (true, 2 * pair + 1)] {
            let (scale, min) = scale_and_min(j);
            let (d, m) = (d * f32::from(scale), dmin * f32::from(min));
            for (i, &q) in quants.iter().enumerate() {
                let q = if high { q >> 4 } else { q & 15 };
                out[32 * j + i] = d * f32::from(q) - m;
            }
        }
    }
}

/// 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 signed scales, half d; value = d s (q - 32).
#[inline(always)]
fn q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let d = half_at(block, 208);
    for side in 0..2 {
        let (low, high) = (&low[64 * side..64 * side + 64], &high[32 * side..32 * side + 32]);
        let scales = &scales[8 * side..8 * side + 8];
        for quarter in 0..4 {
            for i in 0..32 {
                let nibble = low[32 * (quarter & 1) + i] >> (4 * (quarter >> 1)) & 15;
                let q = nibble | ((high[i] >> (2 * quarter) & 3) << 4);
                let scale = scales[2 * quarter + i / 16] as i8;
                out[128 * side + 32 * quarter + i] = d * f32::from(scale) * (f32::from(q) - 32.0);
            }
        }
    }
}
