//! T5 (v1.0, v1.1, LM-adapted, Flan): encoder and decoder, relative position biases, attention without scaling.
//!
//! The frozen network is one function of the soft prompt's rows in front of the encoder's input, with a hand-written
//! backward pass and no weight gradients. The encoder sees both ways, so nothing is shared between examples; examples
//! lie one behind the other without padding, unless padding is to be computed as published.
//!
//! All is computed in f32. Weights of half precision are expanded (all at once unless they are to stay as stored, then a
//! tile at a time), so the feed-forward output `wo`, which overflows in f16, is in f32 as transformers keeps it.

mod attention;
pub(crate) mod batch;
mod config;
mod decoder;
mod encoder;
mod feed_forward;
mod load;
pub(crate) mod mixture;
pub(crate) mod network;
mod relative_position;
mod weights;

#[cfg(test)]
mod parity_tests;
