//! Files of other libraries, read as data and, for PEFT, written.

pub mod checkpoint;
pub mod peft;
mod pickle;
mod strided;
mod torch_archive;
pub mod torch_file;
mod torch_global;
