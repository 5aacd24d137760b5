//! Which library this is and what it can do.

use std::ffi::{CStr, c_char};

use super::arguments;
use super::guard::guard_value;
use super::handle;
use crate::kernels::Isa;

/// The header's version: major * 1000000 + minor * 1000 + patch.
pub const SUPMER_VERSION: u32 = 1000;
/// The header's ABI: libraries with this number can stand in for each other, newer for older.
pub const SUPMER_ABI_VERSION: u32 = 0;

const LIBRARY_VERSION: &CStr = c"0.1.0";

// Cargo.toml, the text and the number say the same.
const _: () = {
    let (text, package) = (LIBRARY_VERSION.to_bytes(), env!("CARGO_PKG_VERSION").as_bytes());
    assert!(text.len() == package.len());
    let (mut i, mut part, mut number) = (0, 0, 0);
    while i < text.len() {
        assert!(text[i] == package[i]);
        if text[i] == b'.' {
            number = (number + part) * 1000;
            part = 0;
        } else {
            part = part * 10 + (text[i] - b'0') as u32;
        }
        i += 1;
    }
    assert!(number + part == SUPMER_VERSION);
};

/// Version of the library that runs, to compare with `SUPMER_VERSION` of the header a program was built with.
///
/// - Returns: major * 1000000 + minor * 1000 + patch.
/// - Errors: none.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn supmer_version() -> u32 {
    SUPMER_VERSION
}

/// Version of the library that runs, as text such as "0.1.0".
///
/// - Returns: static text, not to be freed.
/// - Errors: none.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn supmer_version_string() -> *const c_char {
    LIBRARY_VERSION.as_ptr()
}

/// ABI of the library that runs; a program may use it when it equals `SUPMER_ABI_VERSION` of its header.
///
/// - Errors: none.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn supmer_abi_version() -> u32 {
    SUPMER_ABI_VERSION
}

/// Does nothing. Its name holds the ABI version: a program that calls it once cannot be linked to, or started with, a
/// library of another ABI.
///
/// - Errors: none.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn supmer_abi_0() {}

/// Whether this library, on this processor, has a feature. Known names: "gguf", "safetensors" (model files it reads),
/// "llama", "t5" (model families), "avx2", "avx512", "amx" (instructions its kernels can use here; asking for "amx"
/// asks the system for them), "train" (the functions under `SUPMER_TRAIN`).
///
/// - `name`, `name_length`: the feature's name.
/// - Returns: false also for a name this version does not know.
/// - Errors: none; a NULL name or one that is not UTF-8 is false.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_has_feature(name: *const c_char, name_length: usize) -> bool {
    // SAFETY: the caller vouches for `name_length` readable bytes.
    let name = unsafe { arguments::text(name, name_length, "name") };
    guard_value(false, || name.is_ok_and(has_feature))
}

/// How many handles the library has given out that were not freed: 0 when a program has cleaned up.
///
/// - Returns: the count over the whole process, errors and buffers included.
/// - Errors: none.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn supmer_live_handle_count() -> usize {
    handle::live_count()
}

fn has_feature(name: &str) -> bool {
    match name {
        "gguf" | "safetensors" | "llama" | "t5" => true,
        "train" => cfg!(feature = "train"),
        "avx2" => Isa::Avx2.is_available(),
        "avx512" => Isa::Avx512.is_available(),
        "amx" => Isa::Amx.is_available(),
        _ => false,
    }
}
