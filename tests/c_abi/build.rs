//! Compilers, and where the library of this test run lies.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The crate's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder with the shared and the static library. Cargo builds both, with the tests, beside the test program; what it
/// does not make is the name that the loader asks for.
pub fn library_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let folder = program.parent().unwrap().to_owned();
    for name in [shared_library_name(), "libsupmer.a".to_owned()] {
        assert!(folder.join(&name).is_file(), "{name} is not beside the test program in {}", folder.display());
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = std::os::unix::fs::symlink(shared_library_name(), folder.join("libsupmer.so.0")) {
        assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists, "{error}");
    }
    folder
}

/// File name of the shared library.
pub fn shared_library_name() -> String {
    format!("{}supmer{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}

/// The C compiler (`CC`, else `cc`), strict, with the header's folder.
pub fn c_compiler(standard: &str) -> Command {
    compiler("CC", "cc", standard)
}

/// The C++ compiler (`CXX`, else `c++`), strict, with the header's folder.
pub fn cxx_compiler(standard: &str) -> Command {
    compiler("CXX", "c++", standard)
}

/// Runs `command`; its output. Fails the test, with what it said, when it fails.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&said));
    output
}

fn compiler(variable: &str, default: &str, standard: &str) -> Command {
    let mut command = Command::new(std::env::var_os(variable).unwrap_or_else(|| default.into()));
    command.arg(format!("-std={standard}")).args(["-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]);
    command.arg("-I").arg(root().join("include"));
    command
}
