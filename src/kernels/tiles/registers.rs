//! The tile registers: permission, configuration and the product of two panels.

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count};
use std::sync::OnceLock;

use super::{Operand, PARTS, SIDE, Tile, emulation};
use crate::kernels::isa::Isa;

/// Whether processor and system let this process use bf16 tiles.
pub(in crate::kernels) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| can_be_emulated() && has_tiles() && permitted())
}

/// Whether this processor can do the work of the tiles in AVX-512.
pub(in crate::kernels) fn can_be_emulated() -> bool {
    Isa::Avx512.is_available() && is_x86_feature_detected!("avx512bf16")
}

fn has_tiles() -> bool {
    const BF16_AND_TILE: u32 = 1 << 22 | 1 << 24;
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & BF16_AND_TILE == BF16_AND_TILE
}

/// Asks the system for the tiles' part of the processor state; it holds for all threads of the process.
fn permitted() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    // SAFETY: the call takes two numbers and touches no memory; a system that does not know it refuses.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

/// The memory form of a configuration: how many rows each register has, and bytes in each row.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// The registers of this thread, all of full size, given back when dropped; or what stands for them.
pub(super) enum Registers {
    Tiles,
    Emulated,
}

impl Registers {
    /// # Safety
    /// `isa` was asked whether it is available, which gets the permission, and is.
    pub(super) unsafe fn configure(isa: Isa) -> Self {
        if isa == Isa::EmulatedAmxBf16 {
            return Self::Emulated;
        }
        let mut configuration =
            Configuration { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        configuration.row_bytes[..8].fill(4 * SIDE as u16);
        configuration.rows[..8].fill(SIDE as u8);
        // SAFETY: the configuration is valid and lives during the call.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &configuration, options(nostack, preserves_flags, readonly)) };
        Self::Tiles
    }

    /// C (2 x 2 tiles) = or, with `accumulate`, += A B over `steps` steps of the summed index. The tiles of A hold rows of
    /// the result, those of B columns; see [`super::split`].
    ///
    /// # Safety
    /// `steps` steps of both operands and four tiles of C are valid.
    pub(super) unsafe fn multiply(&self, a: Operand, b: Operand, steps: usize, c: *mut Tile, accumulate: bool) {
        // SAFETY: as the caller vouches.
        unsafe {
            if let Self::Emulated = self {
                assert!(a.parts == 1 && b.parts == 1, "only rounded values are emulated");
                return emulation::multiply(a.tiles, b.tiles, steps, c, accumulate);
            }
            match (a.parts, b.parts) {
                (1, 1) => self.multiply_parts::<1, 1>(a.tiles, b.tiles, steps, c, accumulate),
                (1, PARTS) => self.multiply_parts::<1, PARTS>(a.tiles, b.tiles, steps, c, accumulate),
                (2, PARTS) => self.multiply_parts::<2, PARTS>(a.tiles, b.tiles, steps, c, accumulate),
                (PARTS, 1) => self.multiply_parts::<PARTS, 1>(a.tiles, b.tiles, steps, c, accumulate),
                (PARTS, 2) => self.multiply_parts::<PARTS, 2>(a.tiles, b.tiles, steps, c, accumulate),
                (PARTS, PARTS) => self.multiply_parts::<PARTS, PARTS>(a.tiles, b.tiles, steps, c, accumulate),
                (a, b) => unreachable!("{a} and {b} parts"),
            }
        }
    }

    /// [`Registers::multiply`] for so many parts.
    unsafe fn multiply_parts<const A: usize, const B: usize>(
        &self,
        a: *const Tile,
        b: *const Tile,
        steps: usize,
        c: *mut Tile,
        accumulate: bool,
    ) {
        // SAFETY: the registers are configured, the caller vouches for the pointers. No compiled code uses tile registers,
        // so they keep their content from one instruction here to the next.
        unsafe {
            if accumulate {
                load::<0>(c);
                load::<1>(c.add(1));
                load::<2>(c.add(2));
                load::<3>(c.add(3));
            } else {
                asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", options(nostack, nomem));
            }
            for step in 0..steps {
                let tiles = (a.add(2 * A * step), b.add(2 * B * step));
                // All pairs of parts whose product can reach the 24 bits of an f32, small ones first. Each differs from its
                // neighbour in one operand, whose tiles alone are loaded anew.
                let held = (A, B); // none
                let held = add_product::<A, B>(tiles, held, (2, 0));
                let held = add_product::<A, B>(tiles, held, (1, 0));
                let held = add_product::<A, B>(tiles, held, (1, 1));
                let held = add_product::<A, B>(tiles, held, (0, 1));
                let held = add_product::<A, B>(tiles, held, (0, 0));
                add_product::<A, B>(tiles, held, (0, 2));
            }
            store::<0>(c);
            store::<1>(c.add(1));
            store::<2>(c.add(2));
            store::<3>(c.add(3));
        }
    }
}

impl Drop for Registers {
    fn drop(&mut self) {
        if matches!(self, Self::Tiles) {
            // SAFETY: only made where the instruction exists.
            unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
        }
    }
}

/// Adds the product of part `i` of A and part `j` of B to the tiles of C, if there are such parts; loads those that are not
/// `held`, and gives what is held then.
#[inline(always)]
unsafe fn add_product<const A: usize, const B: usize>(
    (a, b): (*const Tile, *const Tile),
    held: (usize, usize),
    (i, j): (usize, usize),
) -> (usize, usize) {
    if i >= A || j >= B {
        return held;
    }
    // SAFETY: as for `multiply`.
    unsafe {
        if i != held.0 {
            load::<4>(a.add(i));
            load::<5>(a.add(A + i));
        }
        if j != held.1 {
            load::<6>(b.add(j));
            load::<7>(b.add(B + j));
        }
        asm!(
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            options(nostack, nomem, preserves_flags)
        );
    }
    (i, j)
}

#[inline(always)]
unsafe fn load<const REGISTER: u8>(tile: *const Tile) {
    // SAFETY: as for `multiply`.
    unsafe {
        asm!(
            "tileloadd tmm{register}, [{tile} + {row}*1]",
            register = const REGISTER,
            tile = in(reg) tile,
            row = in(reg) 4 * SIDE,
            options(nostack, preserves_flags, readonly)
        );
    }
}

#[inline(always)]
unsafe fn store<const REGISTER: u8>(tile: *mut Tile) {
    // SAFETY: as for `multiply`.
    unsafe {
        asm!(
            "tilestored [{tile} + {row}*1], tmm{register}",
            register = const REGISTER,
            tile = in(reg) tile,
            row = in(reg) 4 * SIDE,
            options(nostack, preserves_flags)
        );
    }
}
