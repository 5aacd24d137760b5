//! f32 products on the processor's bf16 tiles (Intel AMX, Linux on x86-64).
//!
//! An f32 value is the exact sum of three bf16 values of 8 bits each (see [`split`]), so a product of two is nine products
//! of parts. The six of the largest sizes are summed in f32 by the tiles (see [`registers::Registers::multiply`]); the other three lie
//! below the last bit of an f32. Weights that two parts hold, as they do almost all 4-bit ones, take five products.
//!
//! The summed index goes through in steps of 32, zeros behind its end; rows and columns of both operands in panels of 32.

mod blocks;
mod emulation;
pub(super) mod linear;
mod registers;
mod results;
mod scratch;
mod split;
mod weights;

pub(super) use registers::{can_be_emulated, is_available};
#[cfg(feature = "capi")]
pub(super) use scratch::release_tiles;

/// Side of a tile, in values of the result and in words of an operand; a word holds two bf16 values.
const SIDE: usize = 16;
/// Summed index of one tile.
const STEP: usize = 2 * SIDE;
/// Rows or columns of the result that are held in two tiles.
const PANEL: usize = 2 * SIDE;
/// bf16 values that hold an f32 value.
const PARTS: usize = 3;

/// What one tile register holds: 16 x 16 f32 values or 16 rows of 16 words, aligned to the lines of the cache.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Tile([u32; SIDE * SIDE]);

/// Panels of an operand, split: for each panel, for each step of the summed index, two times `parts` tiles.
#[derive(Clone, Copy)]
struct Operand {
    /// The first step wanted.
    tiles: *const Tile,
    /// Parts of each value.
    parts: usize,
}
