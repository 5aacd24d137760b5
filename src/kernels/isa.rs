//! Which instruction set the kernels use, chosen at run time.

use crate::error::{Result, Status, fail};

use super::lanes::Lanes;
use super::lanes::portable::PortableLanes;
#[cfg(target_arch = "x86_64")]
use super::lanes::x86::{Avx2Lanes, Avx512Lanes};

/// An instruction set that has kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust, whatever the compiler makes of it for the target's baseline.
    Portable,
    /// AVX2 with FMA (x86-64).
    Avx2,
    /// AVX-512 F, BW, DQ and VL (x86-64).
    Avx512,
    /// AMX tiles of bf16 for products with weights, AVX-512 for the rest (x86-64 Linux). Every f32 value is split into
    /// three bf16 parts, weights into two where those hold them, and six or five products of parts keep f32 precision.
    /// Only on request: the system is asked for the tiles' state, and the permission holds for the whole process, whose
    /// signal stacks must then have room for it.
    Amx,
    /// As [`Isa::Amx`], but both factors of a product with weights are rounded to one bf16 value, 8 bits, and summed in
    /// f32: one product for five or six. Fastest, and not f32: results move in their third digit.
    AmxBf16,
    /// The results of [`Isa::AmxBf16`] where there are no tiles, on AVX-512 with BF16 (x86-64 Linux): to repeat what was
    /// measured or trained on them, about as fast as [`Isa::Avx512`]. The same bits, but for sums below 2^-126, which tiles
    /// take for zero.
    EmulatedAmxBf16,
}

impl Isa {
    /// Every instruction set, those that this processor lacks too.
    pub const ALL: [Isa; 6] = [Isa::Portable, Isa::Avx2, Isa::Avx512, Isa::Amx, Isa::AmxBf16, Isa::EmulatedAmxBf16];

    /// The best instruction set of this processor that asks nothing of the system: AMX is used only where it is named.
    pub fn detect() -> Self {
        [Isa::Avx512, Isa::Avx2].into_iter().find(|isa| isa.is_available()).unwrap_or(Isa::Portable)
    }

    /// Whether this processor (and system) can run it.
    pub fn is_available(self) -> bool {
        match self {
            Isa::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => {
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                Isa::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Isa::Amx | Isa::AmxBf16 => super::tiles::is_available(),
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Isa::EmulatedAmxBf16 => super::tiles::can_be_emulated(),
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }

    /// Whether products with weights are cut into tiles of bf16.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    pub(crate) fn uses_tiles(self) -> bool {
        matches!(self, Isa::Amx | Isa::AmxBf16 | Isa::EmulatedAmxBf16)
    }

    /// Whether the factors of products with weights are rounded to bf16.
    pub fn is_rounded(self) -> bool {
        matches!(self, Isa::AmxBf16 | Isa::EmulatedAmxBf16)
    }

    /// How products with weights are computed, told apart where results are: "bf16" where factors are rounded, else "f32"
    /// with the instruction set, whose sums differ in their last digit.
    pub fn products(self) -> &'static str {
        match self {
            Isa::Portable => "f32 portable",
            Isa::Avx2 => "f32 avx2",
            Isa::Avx512 => "f32 avx512",
            Isa::Amx => "f32 amx",
            Isa::AmxBf16 | Isa::EmulatedAmxBf16 => "bf16",
        }
    }

    /// The wanted instruction set, or the best one. Errors: `Unsupported` when this processor lacks it.
    pub fn select(wanted: Option<Isa>) -> Result<Self> {
        match wanted {
            None => Ok(Self::detect()),
            Some(isa) if isa.is_available() => Ok(isa),
            Some(isa) => fail(
                Status::Unsupported,
                format!(
                    "this processor has no {isa:?}; its best is {:?}, leave the option unset to use it",
                    Self::detect()
                ),
            ),
        }
    }
}

/// A piece of work that is compiled once per instruction set.
pub(crate) trait Kernel {
    /// What it gives back.
    type Output;

    /// Does the work with vectors of `L`; must be `#[inline(always)]` so that it is compiled with the features of `L`.
    ///
    /// # Safety
    /// The processor has the features of `L`, and the pointers in `self` are valid for what the kernel documents.
    unsafe fn run<L: Lanes>(self) -> Self::Output;
}

/// Runs `kernel` with the vectors of `isa`.
///
/// # Safety
/// `isa` is available on this processor, and the kernel's own requirements hold.
pub(crate) unsafe fn dispatch<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
    // SAFETY: the caller vouches for `isa` and for the kernel's pointers.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Amx | Isa::AmxBf16 | Isa::EmulatedAmxBf16 => run_avx512(kernel),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => run_avx2(kernel),
            _ => kernel.run::<PortableLanes>(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: as for `dispatch`.
    unsafe { kernel.run::<Avx512Lanes>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: as for `dispatch`.
    unsafe { kernel.run::<Avx2Lanes>() }
}
