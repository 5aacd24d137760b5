//! Scratch memory in whole tiles.

use std::cell::Cell;
use std::thread::LocalKey;

use super::{SIDE, Tile};

thread_local! {
    /// The split activations of a product.
    pub(super) static ACTIVATIONS: Cell<Vec<Tile>> = const { Cell::new(Vec::new()) };
    /// The split weights and the results of an item.
    pub(super) static ITEM: Cell<Vec<Tile>> = const { Cell::new(Vec::new()) };
}

/// Calls `work` with `length` tiles of arbitrary content. The memory is taken away from the thread meanwhile: a thread that
/// waits for the items of one product may be given another product to start.
pub(super) fn with_tiles<R>(
    memory: &'static LocalKey<Cell<Vec<Tile>>>,
    length: usize,
    work: impl FnOnce(&mut [Tile]) -> R,
) -> R {
    let mut tiles = memory.take();
    if tiles.len() < length {
        drop(std::mem::take(&mut tiles));
        tiles = vec![Tile([0; SIDE * SIDE]); length];
    }
    let result = work(&mut tiles[..length]);
    memory.set(tiles);
    result
}

/// Frees this thread's tiles, but for those that are in use.
#[cfg(feature = "capi")]
pub(in crate::kernels) fn release_tiles() {
    ACTIVATIONS.take();
    ITEM.take();
}
