//! The C ABI: its header, its symbols, its behaviour under bad arguments, and a C program from end to end.

mod build;
mod calls;
mod header;
mod loading;
mod log;
mod memory;
mod mixed;
mod program;
mod story;
mod symbols;
#[cfg(feature = "train")]
#[path = "../train/text.rs"]
mod text;
mod tiny;
#[cfg(feature = "train")]
mod train;
