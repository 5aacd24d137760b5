//! include/supmer.h: made from src/capi, complete, and digestible for C and C++ compilers.

use std::fs;
use std::path::Path;

use crate::build::{c_compiler, cxx_compiler, root, run};

/// The header's sections, in its order: modules of src/capi.
const SECTIONS: [&str; 16] = [
    "version", "status", "error", "log", "cancel", "progress", "buffer", "model", "bundle", "task", "adapter",
    "report", "adapt", "memory", "predict", "train",
];

#[test]
fn header_is_current() {
    let path = root().join("include/supmer.h");
    let header = generate();
    if std::env::var_os("SUPMER_UPDATE_HEADER").is_some() {
        fs::write(&path, &header).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == header,
        "include/supmer.h differs from src/capi; SUPMER_UPDATE_HEADER=1 cargo test --test c_abi header rewrites it"
    );
}

#[test]
fn every_function_says_errors_threads_and_since() {
    let header = generate();
    let (_, header) = header.split_once("#include").unwrap();
    let mut functions = 0;
    for end in header.match_indices(");\n").map(|(at, _)| at) {
        let comment_end = header[..end].rfind("*/").unwrap();
        let prototype = header[comment_end + 2..end].trim();
        if prototype.starts_with("typedef") {
            continue;
        }
        let comment = &header[header[..comment_end].rfind("/**").unwrap()..comment_end];
        for word in ["Errors: ", "Threads: ", "Since: "] {
            assert!(comment.contains(word), "{word}is missing in the documentation of `{prototype}`");
        }
        functions += 1;
    }
    let listed = |name: &str| fs::read_to_string(root().join("tests/abi").join(name)).unwrap().lines().count();
    assert_eq!(functions, listed("symbols.txt") + listed("symbols_train.txt"));
}

#[test]
fn header_compiles_alone_and_twice_as_c_and_as_cxx() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("include_twice.c");
    let source_cxx = folder.path().join("include_twice.cc");
    for path in [&source, &source_cxx] {
        fs::write(path, "#include \"supmer.h\"\n#include \"supmer.h\"\nint main(void) { return 0; }\n").unwrap();
    }
    for standard in ["c11", "c17"] {
        run(c_compiler(standard).arg("-fsyntax-only").arg(&source));
        run(c_compiler(standard).args(["-fsyntax-only", "-DSUPMER_TRAIN"]).arg(&source));
    }
    for standard in ["c++11", "c++17"] {
        run(cxx_compiler(standard).arg("-fsyntax-only").arg(&source_cxx));
        run(cxx_compiler(standard).args(["-fsyntax-only", "-DSUPMER_TRAIN"]).arg(&source_cxx));
    }
}

/// The compiler itself asserts sizes, offsets and values against Rust's.
#[test]
fn structs_and_constants_are_those_of_rust() {
    use std::mem::{offset_of, size_of};

    use supmer::capi::*;
    use supmer::error::Status;

    let sizes = [
        ("supmer_model_options", size_of::<supmer_model_options>()),
        ("supmer_adapt_options", size_of::<supmer_adapt_options>()),
        ("supmer_predict_options", size_of::<supmer_predict_options>()),
        ("supmer_progress", size_of::<supmer_progress>()),
        ("supmer_file", size_of::<supmer_file>()),
        ("supmer_memory_estimate", size_of::<supmer_memory_estimate>()),
    ];
    let offsets = [
        ("supmer_model_options, weights", offset_of!(supmer_model_options, weights)),
        ("supmer_model_options, instructions", offset_of!(supmer_model_options, instructions)),
        ("supmer_model_options, cancel", offset_of!(supmer_model_options, cancel)),
        ("supmer_model_options, progress", offset_of!(supmer_model_options, progress)),
        ("supmer_model_options, progress_user_data", offset_of!(supmer_model_options, progress_user_data)),
        ("supmer_file, name", offset_of!(supmer_file, name)),
        ("supmer_file, name_length", offset_of!(supmer_file, name_length)),
        ("supmer_file, bytes", offset_of!(supmer_file, bytes)),
        ("supmer_file, length", offset_of!(supmer_file, length)),
        ("supmer_memory_estimate, weights_bytes", offset_of!(supmer_memory_estimate, weights_bytes)),
        ("supmer_memory_estimate, cached_prompt_bytes", offset_of!(supmer_memory_estimate, cached_prompt_bytes)),
        ("supmer_adapt_options, steps", offset_of!(supmer_adapt_options, steps)),
        ("supmer_adapt_options, learning_rate", offset_of!(supmer_adapt_options, learning_rate)),
        ("supmer_adapt_options, start_adapter", offset_of!(supmer_adapt_options, start_adapter)),
        ("supmer_adapt_options, progress_user_data", offset_of!(supmer_adapt_options, progress_user_data)),
        ("supmer_predict_options, cancel", offset_of!(supmer_predict_options, cancel)),
        ("supmer_predict_options, progress_user_data", offset_of!(supmer_predict_options, progress_user_data)),
        ("supmer_progress, stage", offset_of!(supmer_progress, stage)),
    ];
    let values = [
        ("SUPMER_STATUS_OK", Status::Ok as i64),
        ("SUPMER_STATUS_INVALID_ARGUMENT", Status::InvalidArgument as i64),
        ("SUPMER_STATUS_INVALID_UTF8", Status::InvalidUtf8 as i64),
        ("SUPMER_STATUS_INVALID_OPTION", Status::InvalidOption as i64),
        ("SUPMER_STATUS_IO", Status::Io as i64),
        ("SUPMER_STATUS_NOT_FOUND", Status::NotFound as i64),
        ("SUPMER_STATUS_DISK_FULL", Status::DiskFull as i64),
        ("SUPMER_STATUS_CORRUPT_FILE", Status::CorruptFile as i64),
        ("SUPMER_STATUS_UNSUPPORTED", Status::Unsupported as i64),
        ("SUPMER_STATUS_NOT_FINITE", Status::NotFinite as i64),
        ("SUPMER_STATUS_INVALID_TASK", Status::InvalidTask as i64),
        ("SUPMER_STATUS_INVALID_EXAMPLE", Status::InvalidExample as i64),
        ("SUPMER_STATUS_BACKBONE_MISMATCH", Status::BackboneMismatch as i64),
        ("SUPMER_STATUS_MEMORY_LIMIT", Status::MemoryLimit as i64),
        ("SUPMER_STATUS_TOO_LARGE", Status::TooLarge as i64),
        ("SUPMER_STATUS_CANCELLED", Status::Cancelled as i64),
        ("SUPMER_STATUS_PANIC", Status::Panic as i64),
        ("SUPMER_STATUS_INTERNAL", Status::Internal as i64),
        ("SUPMER_LOG_ERROR", i64::from(SUPMER_LOG_ERROR)),
        ("SUPMER_LOG_WARNING", i64::from(SUPMER_LOG_WARNING)),
        ("SUPMER_LOG_INFO", i64::from(SUPMER_LOG_INFO)),
        ("SUPMER_LOG_DEBUG", i64::from(SUPMER_LOG_DEBUG)),
        ("SUPMER_STAGE_STEP", i64::from(SUPMER_STAGE_STEP)),
        ("SUPMER_STAGE_DEV", i64::from(SUPMER_STAGE_DEV)),
        ("SUPMER_STAGE_PREDICT", i64::from(SUPMER_STAGE_PREDICT)),
        ("SUPMER_STAGE_LOAD", i64::from(SUPMER_STAGE_LOAD)),
        ("SUPMER_STAGE_TRAIN", i64::from(SUPMER_STAGE_TRAIN)),
        ("SUPMER_INSTRUCTIONS_AUTO", i64::from(SUPMER_INSTRUCTIONS_AUTO)),
        ("SUPMER_INSTRUCTIONS_PORTABLE", i64::from(SUPMER_INSTRUCTIONS_PORTABLE)),
        ("SUPMER_INSTRUCTIONS_AVX2", i64::from(SUPMER_INSTRUCTIONS_AVX2)),
        ("SUPMER_INSTRUCTIONS_AVX512", i64::from(SUPMER_INSTRUCTIONS_AVX512)),
        ("SUPMER_INSTRUCTIONS_AMX", i64::from(SUPMER_INSTRUCTIONS_AMX)),
        ("SUPMER_INSTRUCTIONS_AMX_BF16", i64::from(SUPMER_INSTRUCTIONS_AMX_BF16)),
        ("SUPMER_ANSWER_LOSS_AUTO", i64::from(SUPMER_ANSWER_LOSS_AUTO)),
        ("SUPMER_ANSWER_LOSS_VOCABULARY", i64::from(SUPMER_ANSWER_LOSS_VOCABULARY)),
        ("SUPMER_ANSWER_LOSS_LABELS", i64::from(SUPMER_ANSWER_LOSS_LABELS)),
        ("SUPMER_ANSWER_LOSS_HEAD", i64::from(SUPMER_ANSWER_LOSS_HEAD)),
        ("SUPMER_WEIGHTS_AUTO", i64::from(SUPMER_WEIGHTS_AUTO)),
        ("SUPMER_WEIGHTS_STORED", i64::from(SUPMER_WEIGHTS_STORED)),
        ("SUPMER_WEIGHTS_EXPANDED", i64::from(SUPMER_WEIGHTS_EXPANDED)),
        ("SUPMER_OFF", i64::from(u32::MAX)),
        ("SUPMER_ABSTAINED", -1),
        ("SUPMER_VERSION", i64::from(supmer_version())),
        ("SUPMER_ABI_VERSION", i64::from(supmer_abi_version())),
    ];
    let mut source = String::from("#include \"supmer.h\"\n");
    for (name, size) in sizes {
        source += &format!("_Static_assert(sizeof({name}) == {size}, \"size of {name}\");\n");
    }
    for (field, offset) in offsets {
        source += &format!("_Static_assert(offsetof({field}) == {offset}, \"offset of {field}\");\n");
    }
    for (name, value) in values {
        source += &format!("_Static_assert({name} == {value}, \"value of {name}\");\n");
    }
    source += "_Static_assert(sizeof(supmer_status) == 4 && (supmer_status)-1 < 0, \"type of supmer_status\");\n";
    source += "int main(void) { return 0; }\n";

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layout.c");
    fs::write(&path, source).unwrap();
    run(c_compiler("c11").arg("-fsyntax-only").arg(&path));
}

/// The header as src/capi and cbindgen.toml have it.
fn generate() -> String {
    let mut config = cbindgen::Config::from_file(root().join("cbindgen.toml")).unwrap();
    let introduction = config.header.take().unwrap();
    let guard = config.include_guard.take().unwrap();
    let includes: String = config.sys_includes.drain(..).map(|name| format!("#include <{name}>\n")).collect();
    config.no_includes = true;

    let introduction = introduction.trim();
    let mut header = format!("{introduction}\n\n#ifndef {guard}\n#define {guard}\n\n{includes}\n");
    header += "#ifdef __cplusplus\nextern \"C\" {\n#endif\n";
    for name in SECTIONS {
        let path = root().join(format!("src/capi/{name}.rs"));
        let mut items = Vec::new();
        cbindgen::Builder::new().with_config(config.clone()).with_src(&path).generate().unwrap().write(&mut items);
        let items = String::from_utf8(items).unwrap();
        let section = format!("{}\n{}\n", banner(name, &path), items.trim());
        // What only libraries built with the feature have.
        header += &match name {
            "train" => format!("\n#ifdef SUPMER_TRAIN\n\n{section}\n#endif /* SUPMER_TRAIN */\n"),
            _ => format!("\n{section}"),
        };
    }
    header += &format!("\n#ifdef __cplusplus\n}}\n#endif\n\n#endif /* {guard} */\n");
    header
}

/// A section's heading: its name and the module's documentation.
fn banner(name: &str, path: &Path) -> String {
    let source = fs::read_to_string(path).unwrap();
    let text = source.lines().map_while(|line| line.strip_prefix("//!"));
    let text: String = text.map(|line| format!(" *{line}\n")).collect();
    let rule = "=".repeat(96 - name.len());
    format!("/* ===== {name} {rule}\n *\n{text} */\n")
}
