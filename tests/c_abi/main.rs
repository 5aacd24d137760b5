//! The C ABI: its header, its symbols, its behaviour under bad arguments, and a C program from end to end.

mod build;
mod calls;
mod header;
mod program;
mod story;
mod symbols;
