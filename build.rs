//! Gives the shared library the name that programs ask the system's loader for: it holds the ABI version, so that
//! libraries of one ABI stand in for each other and others are not taken by mistake.

/// `SUPMER_ABI_VERSION` of include/supmer.h; a test compares the two.
const ABI_VERSION: u32 = 0;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux" | "android" | "freebsd" | "netbsd" | "openbsd") => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libsupmer.so.{ABI_VERSION}");
        }
        Ok("macos" | "ios") => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libsupmer.{ABI_VERSION}.dylib");
        }
        _ => {}
    }
}
