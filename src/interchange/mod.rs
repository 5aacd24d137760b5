//! Files of other libraries, read as data.

mod pickle;
mod strided;
mod torch_archive;
pub mod torch_file;
mod torch_global;
