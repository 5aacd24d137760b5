//! Models from memory, and loading that is watched and stopped.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::path::Path;
use std::ptr::{null, null_mut};

use supmer::capi::*;

use crate::build::root;
use crate::calls::{failure, parts};
use crate::tiny::{TEXTS, adapt, options, predict};

const GGUF: &str = "tests/fixtures/gguf/tiny-q4_1.gguf";
const FOLDERS: [&str; 2] = ["tests/fixtures/tiny-llama-tied", "tests/fixtures/tiny-llama-untied"];

fn model_options() -> supmer_model_options {
    // SAFETY: all zero is a value of the struct, which `init` is given whole.
    unsafe {
        let mut options: supmer_model_options = std::mem::zeroed();
        assert_eq!(supmer_model_options_init(&mut options, size_of::<supmer_model_options>()), SUPMER_STATUS_OK);
        options
    }
}

/// The model at `path` below the crate's folder.
fn from_disk(path: &str, options: &supmer_model_options) -> *mut supmer_model {
    let path = root().join(path);
    let (path, length) = parts(path.to_str().unwrap());
    let mut model = null_mut();
    // SAFETY: pointers and lengths are those of live values.
    let status = unsafe { supmer_model_load(path, length, options, &mut model, null_mut()) };
    assert_eq!(status, SUPMER_STATUS_OK);
    model
}

/// Names and contents of the files of a folder.
fn files_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
}

fn as_files(files: &[(String, Vec<u8>)]) -> Vec<supmer_file> {
    let file = |(name, bytes): &(String, Vec<u8>)| {
        let (name, name_length) = parts(name);
        supmer_file { name, name_length, bytes: bytes.as_ptr(), length: bytes.len() }
    };
    files.iter().map(file).collect()
}

fn assert_same(left: *mut supmer_model, right: *mut supmer_model) {
    let adapter = adapt(left, &options());
    for text in TEXTS {
        assert_eq!(predict(left, adapter, text), predict(right, adapter, text));
    }
    // SAFETY: live handles; each is freed once.
    unsafe {
        let fingerprint = |model| std::ffi::CStr::from_ptr(supmer_model_fingerprint(model)).to_owned();
        assert_eq!(fingerprint(left), fingerprint(right));
        supmer_adapter_free(adapter);
        supmer_model_free(left);
        supmer_model_free(right);
    }
}

#[test]
fn a_gguf_file_in_memory_is_the_same_model() {
    let bytes = std::fs::read(root().join(GGUF)).unwrap();
    for weights in [SUPMER_WEIGHTS_STORED, SUPMER_WEIGHTS_EXPANDED] {
        let options = supmer_model_options { weights, ..model_options() };
        // The bytes need no alignment and are free again after the call.
        let shifted = [&[0u8][..], &bytes].concat();
        let mut model = null_mut();
        // SAFETY: pointers and lengths are those of live values.
        let status =
            unsafe { supmer_model_load_memory(shifted[1..].as_ptr(), bytes.len(), &options, &mut model, null_mut()) };
        assert_eq!(status, SUPMER_STATUS_OK);
        drop(shifted);
        assert_same(from_disk(GGUF, &options), model);
    }
}

#[test]
fn a_folder_in_memory_is_the_same_model() {
    for folder in FOLDERS {
        for weights in [SUPMER_WEIGHTS_STORED, SUPMER_WEIGHTS_EXPANDED] {
            let options = supmer_model_options { weights, ..model_options() };
            let contents = files_of(&root().join(folder));
            let files = as_files(&contents);
            let mut model = null_mut();
            // SAFETY: pointers and lengths are those of live values.
            let status = unsafe {
                supmer_model_load_memory_folder(files.as_ptr(), files.len(), &options, &mut model, null_mut())
            };
            assert_eq!(status, SUPMER_STATUS_OK);
            drop(contents);
            assert_same(from_disk(folder, &options), model);
        }
    }
}

#[test]
fn what_is_wrong_with_files_in_memory_is_said() {
    let contents = files_of(&root().join(FOLDERS[0]));
    let files = as_files(&contents);
    let mut model = null_mut();
    // SAFETY: pointers and lengths are those of live values; NULL where it is to be refused.
    unsafe {
        let mut load = |files: &[supmer_file]| {
            failure(|e| supmer_model_load_memory_folder(files.as_ptr(), files.len(), null(), &mut model, e))
        };
        for missing in ["config.json", "tokenizer.json", "model.safetensors"] {
            let rest: Vec<supmer_file> =
                files.iter().zip(&contents).filter(|(_, c)| c.0 != missing).map(|f| *f.0).collect();
            let (status, message) = load(&rest);
            assert_eq!(status, SUPMER_STATUS_NOT_FOUND, "{message}");
            assert!(message.contains(missing), "{message}");
        }
        let (status, message) = load(&[&files[..], &files[..1]].concat());
        assert_eq!(status, SUPMER_STATUS_INVALID_ARGUMENT);
        assert!(message.contains("given twice"), "{message}");
        let mut bad = files.clone();
        bad[0].bytes = null();
        (bad[1].name, bad[1].name_length) = parts(b"\xff");
        assert_eq!(load(&bad[..1]), (SUPMER_STATUS_INVALID_ARGUMENT, "bytes of file 0 is NULL".to_owned()));
        assert_eq!(load(&bad[1..]).0, SUPMER_STATUS_INVALID_UTF8);
        assert_eq!(load(&[]).0, SUPMER_STATUS_NOT_FOUND);

        let gguf = std::fs::read(root().join(GGUF)).unwrap();
        for length in [0, 3, 100, gguf.len() / 2, gguf.len() - 1] {
            let (status, message) = failure(|e| supmer_model_load_memory(gguf.as_ptr(), length, null(), &mut model, e));
            assert_eq!(status, SUPMER_STATUS_CORRUPT_FILE, "{length}: {message}");
        }
        let (status, message) = failure(|e| supmer_model_load_memory(null(), 3, null(), &mut model, e));
        assert_eq!((status, message.as_str()), (SUPMER_STATUS_INVALID_ARGUMENT, "bytes is NULL"));
        let (status, _) = failure(|e| supmer_model_load_memory_folder(null(), usize::MAX, null(), &mut model, e));
        assert_eq!(status, SUPMER_STATUS_TOO_LARGE);
        assert!(model.is_null());
    }
}

/// How often it was told, and when to ask for a stop.
struct Watch {
    told: u64,
    total: u64,
    stop_at: u64,
}

unsafe extern "C" fn watch(user_data: *mut c_void, progress: *const supmer_progress) -> i32 {
    // SAFETY: both are what the test and the library handed over, live for this call.
    let (watch, progress) = unsafe { (&mut *user_data.cast::<Watch>(), &*progress) };
    if progress.stage != SUPMER_STAGE_LOAD || progress.done > progress.total || !progress.loss.is_nan() {
        return 1;
    }
    (watch.told, watch.total) = (watch.told + 1, progress.total);
    i32::from(watch.told == watch.stop_at)
}

#[test]
fn loading_tells_of_every_tensor_and_stops_when_asked() {
    for path in [GGUF, FOLDERS[0], FOLDERS[1], "tests/fixtures/tiny-t5"] {
        let mut seen = Watch { told: 0, total: 0, stop_at: 0 };
        let mut options = model_options();
        options.progress = Some(watch);
        options.progress_user_data = (&raw mut seen).cast();
        // SAFETY: a live handle.
        unsafe { supmer_model_free(from_disk(path, &options)) };
        assert!(seen.total > 10 && seen.told > seen.total / 2, "{path}: told {} of {}", seen.told, seen.total);

        let last = seen.told;
        for stop_at in [1, 2, last] {
            let mut seen = Watch { told: 0, total: 0, stop_at };
            options.progress_user_data = (&raw mut seen).cast();
            let place = root().join(path);
            let (place, length) = parts(place.to_str().unwrap());
            let mut model = null_mut();
            // SAFETY: pointers and lengths are those of live values.
            let (status, _) = failure(|e| unsafe { supmer_model_load(place, length, &options, &mut model, e) });
            assert_eq!(status, SUPMER_STATUS_CANCELLED, "{path}");
            assert!(model.is_null());
            assert_eq!(seen.told, stop_at, "{path}");
        }
    }
}

#[test]
fn a_request_stops_loading() {
    unsafe extern "C" fn request(user_data: *mut c_void, _: *const supmer_progress) -> i32 {
        // SAFETY: the flag that the test handed over.
        unsafe { supmer_cancel_request(user_data.cast_const().cast()) };
        0
    }
    let mut cancel = null_mut();
    let bytes = std::fs::read(root().join(GGUF)).unwrap();
    // SAFETY: live handles and locals.
    unsafe {
        assert_eq!(supmer_cancel_new(&mut cancel, null_mut()), SUPMER_STATUS_OK);
        let mut options = supmer_model_options { cancel, ..model_options() };
        let mut model = null_mut();
        let mut load = |options: &supmer_model_options| {
            supmer_model_load_memory(bytes.as_ptr(), bytes.len(), options, &mut model, null_mut())
        };
        supmer_cancel_request(cancel);
        assert_eq!(load(&options), SUPMER_STATUS_CANCELLED);
        supmer_cancel_reset(cancel);
        options.progress = Some(request);
        options.progress_user_data = cancel.cast();
        assert_eq!(load(&options), SUPMER_STATUS_CANCELLED);
        supmer_cancel_reset(cancel);
        options.progress = None;
        assert_eq!(load(&options), SUPMER_STATUS_OK);
        supmer_cancel_free(cancel);
        supmer_model_free(model);
    }
}

#[test]
fn instructions_are_chosen_and_checked() {
    let portable = supmer_model_options { instructions: SUPMER_INSTRUCTIONS_PORTABLE, ..model_options() };
    let (model, automatic) = (from_disk(GGUF, &portable), from_disk(GGUF, &model_options()));
    let adapter = adapt(model, &options());
    let ((portable, _), (best, _)) = (predict(model, adapter, TEXTS[0]), predict(automatic, adapter, TEXTS[0]));
    assert!(portable.iter().zip(&best).all(|(a, b)| (a - b).abs() < 1e-4), "{portable:?} {best:?}");
    let (path, length) = parts("no such model");
    let mut out = null_mut();
    // SAFETY: live handles and locals.
    unsafe {
        supmer_adapter_free(adapter);
        supmer_model_free(model);
        supmer_model_free(automatic);
        for instructions in [6, -1] {
            let options = supmer_model_options { instructions, ..model_options() };
            let (status, message) = failure(|e| supmer_model_load(path, length, &options, &mut out, e));
            assert_eq!(status, SUPMER_STATUS_INVALID_OPTION, "{message}");
        }
    }
}

#[test]
fn the_first_size_of_the_options_is_still_read() {
    let mut options = model_options();
    options.thread_count = 1;
    options.struct_size = std::mem::offset_of!(supmer_model_options, instructions);
    // Beyond the size is another program's memory.
    options.instructions = 99;
    // SAFETY: a live handle.
    unsafe { supmer_model_free(from_disk(GGUF, &options)) };
}
