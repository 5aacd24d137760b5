//! Calls as C makes them, with arguments as bad as C can make them: a status and a message, never a crash.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};
use std::ptr::{null, null_mut};

use supmer::capi::*;

/// A call that is expected to fail: its status and its message.
pub fn failure(call: impl FnOnce(*mut *mut supmer_error) -> supmer_status) -> (supmer_status, String) {
    let mut error = null_mut();
    let status = call(&mut error);
    assert_ne!(status, SUPMER_STATUS_OK);
    assert!(!error.is_null(), "status {status} came without an error");
    // SAFETY: `error` is live until it is freed, and its message ends in NUL.
    unsafe {
        assert_eq!(supmer_error_status(error), status);
        let message = CStr::from_ptr(supmer_error_message(error)).to_str().unwrap().to_owned();
        supmer_error_free(error);
        assert!(!message.is_empty() && !message.contains('\n'), "{message}");
        (status, message)
    }
}

/// A text as pointer and length.
pub fn parts(text: &(impl AsRef<[u8]> + ?Sized)) -> (*const c_char, usize) {
    (text.as_ref().as_ptr().cast(), text.as_ref().len())
}

/// A task with the labels "no" and "yes".
fn task() -> *mut supmer_task {
    let mut task = null_mut();
    let (name, length) = parts("a task");
    // SAFETY: pointers and lengths are those of live values.
    unsafe {
        assert_eq!(supmer_task_new(name, length, &mut task, null_mut()), SUPMER_STATUS_OK);
        for name in ["no", "yes"] {
            assert_eq!(add_label(task, name, null_mut()), SUPMER_STATUS_OK);
        }
    }
    task
}

/// # Safety
/// `task` is live or NULL, `error` writable or NULL.
unsafe fn add_label(task: *mut supmer_task, name: &str, error: *mut *mut supmer_error) -> supmer_status {
    let ((name, length), (verbalizer, verbalizer_length)) = (parts(name), parts(" word"));
    // SAFETY: passed on to the caller.
    unsafe { supmer_task_add_label(task, name, length, verbalizer, verbalizer_length, error) }
}

/// # Safety
/// `task` is live or NULL, `error` writable or NULL.
unsafe fn add_example(
    task: *mut supmer_task,
    text: &[u8],
    label: &str,
    error: *mut *mut supmer_error,
) -> supmer_status {
    let ((text, length), (label, label_length)) = (parts(text), parts(label));
    // SAFETY: passed on to the caller.
    unsafe { supmer_task_add_example(task, text, length, label, label_length, error) }
}

#[test]
fn null_outputs_and_handles_are_refused() {
    let (path, length) = parts("model");
    let (mut model, mut adapter, mut bytes) = (null_mut(), null_mut(), null_mut());
    // SAFETY: NULL is allowed everywhere, the rest are live values.
    unsafe {
        let load = |e| supmer_model_load(path, length, null(), null_mut(), e);
        assert_eq!(failure(load), (SUPMER_STATUS_INVALID_ARGUMENT, "out is NULL".to_owned()));
        let statuses = [
            failure(|e| supmer_cancel_new(null_mut(), e)),
            failure(|e| supmer_task_new(path, length, null_mut(), e)),
            failure(|e| supmer_task_read(path, length, null_mut(), e)),
            failure(|e| add_label(null_mut(), "no", e)),
            failure(|e| supmer_task_set_template(null_mut(), path, length, e)),
            failure(|e| add_example(null_mut(), b"text", "no", e)),
            failure(|e| supmer_task_add_example_pair(null_mut(), path, length, path, length, path, length, e)),
            failure(|e| supmer_task_add_example_json(null_mut(), path, length, e)),
            failure(|e| supmer_adapt(null(), null(), null(), null(), &mut adapter, null_mut(), e)),
            failure(|e| supmer_model_load_memory(path.cast(), length, null(), null_mut(), e)),
            failure(|e| supmer_model_load_memory_folder(null(), 0, null(), null_mut(), e)),
            failure(|e| supmer_model_load_memory_folder(null(), 1, null(), &mut model, e)),
            failure(|e| supmer_model_estimate_memory(null(), null(), null(), null_mut(), e)),
            failure(|e| {
                supmer_predict_mixed(null(), null(), path, length, null(), 0, null(), null_mut(), 0, null_mut(), e)
            }),
            failure(|e| supmer_adapter_save(null(), path, length, e)),
            failure(|e| supmer_adapter_load(path, length, null_mut(), e)),
            failure(|e| supmer_adapter_save_memory(null(), &mut bytes, e)),
            failure(|e| supmer_adapter_load_memory(path.cast(), length, null_mut(), e)),
            failure(|e| supmer_predict(null(), null(), path, length, null(), null_mut(), 0, null_mut(), e)),
            failure(|e| supmer_predict_row_json(null(), null(), path, length, null(), null_mut(), 0, null_mut(), e)),
            failure(|e| {
                supmer_predict_batch(null(), null(), path, length, null(), 0, null(), null_mut(), 0, null_mut(), e)
            }),
        ];
        for (status, message) in statuses {
            assert_eq!(status, SUPMER_STATUS_INVALID_ARGUMENT);
            assert!(message.contains("NULL"), "{message}");
        }
        assert!(model.is_null() && adapter.is_null() && bytes.is_null());
    }
}

#[test]
fn errors_need_not_be_wanted_and_null_may_be_freed_and_asked() {
    // SAFETY: NULL is allowed everywhere.
    unsafe {
        assert_eq!(supmer_cancel_new(null_mut(), null_mut()), SUPMER_STATUS_INVALID_ARGUMENT);
        supmer_error_free(null_mut());
        supmer_cancel_free(null_mut());
        supmer_buffer_free(null_mut());
        supmer_model_free(null_mut());
        supmer_task_free(null_mut());
        supmer_adapter_free(null_mut());
        supmer_report_free(null_mut());
        supmer_cancel_request(null());
        supmer_cancel_reset(null());
        assert_eq!(supmer_error_status(null()), SUPMER_STATUS_OK);
        assert_eq!(CStr::from_ptr(supmer_error_message(null())), c"");
        assert!(supmer_buffer_data(null()).is_null() && supmer_buffer_length(null()) == 0);
        assert!(supmer_model_fingerprint(null()).is_null() && supmer_report_json(null()).is_null());
        assert!(supmer_adapter_label_count(null()) == 0 && supmer_adapter_label_name(null(), 0).is_null());
        assert_eq!(supmer_task_count(null()), 0);
        supmer_adapter_format_range(null_mut(), null_mut());
    }
}

#[test]
fn texts_that_are_null_or_not_utf8_are_refused() {
    let task = task();
    let label = parts("no");
    // SAFETY: pointers and lengths are those of live values, or NULL.
    unsafe {
        let (status, message) = failure(|e| add_example(task, b"abc\xff\xfe", "no", e));
        assert_eq!(status, SUPMER_STATUS_INVALID_UTF8);
        assert_eq!(message, "text is not UTF-8: the byte at offset 3 is wrong");
        let (status, message) = failure(|e| supmer_task_add_example(task, null(), 3, label.0, label.1, e));
        assert_eq!((status, message.as_str()), (SUPMER_STATUS_INVALID_ARGUMENT, "text is NULL"));
        let (status, _) = failure(|e| supmer_task_add_example(task, label.0, usize::MAX, label.0, label.1, e));
        assert_eq!(status, SUPMER_STATUS_INVALID_ARGUMENT);
        let bad = parts(b"\xc3");
        let mut model = null_mut();
        let (status, _) = failure(|e| supmer_model_load(bad.0, bad.1, null(), &mut model, e));
        assert_eq!(status, SUPMER_STATUS_INVALID_UTF8);
        let (status, message) = failure(|e| supmer_model_load(null(), 0, null(), &mut model, e));
        assert_eq!((status, message.as_str()), (SUPMER_STATUS_INVALID_ARGUMENT, "path is empty"));
        assert!(model.is_null());
        assert_eq!(supmer_task_count(task), 0);
        supmer_task_free(task);
    }
}

#[test]
fn a_task_grows_and_refuses_what_does_not_fit() {
    let task = task();
    // SAFETY: pointers and lengths are those of live values.
    unsafe {
        assert_eq!(add_example(task, b"one", "yes", null_mut()), SUPMER_STATUS_OK);
        let (a, label) = (parts("a"), parts("no"));
        let pair = supmer_task_add_example_pair(task, a.0, a.1, null(), 0, label.0, label.1, null_mut());
        assert_eq!(pair, SUPMER_STATUS_OK);
        let row = parts(r#"{"title": "a", "id": 7, "label": "no"}"#);
        assert_eq!(failure(|e| supmer_task_add_example_json(task, row.0, row.1, e)).0, SUPMER_STATUS_INVALID_TASK);
        let template = parts("{title}\nYes or no:");
        assert_eq!(supmer_task_set_template(task, template.0, template.1, null_mut()), SUPMER_STATUS_OK);
        assert_eq!(supmer_task_add_example_json(task, row.0, row.1, null_mut()), SUPMER_STATUS_OK);
        assert_eq!(supmer_task_count(task), 3);

        let (status, message) = failure(|e| add_example(task, b"secret", "secret label", e));
        assert_eq!(status, SUPMER_STATUS_INVALID_EXAMPLE);
        assert!(message.starts_with("example 3:") && !message.contains("secret"), "{message}");
        let without_label = parts(r#"{"title": "secret"}"#);
        let (status, message) = failure(|e| supmer_task_add_example_json(task, without_label.0, without_label.1, e));
        assert_eq!(status, SUPMER_STATUS_INVALID_EXAMPLE);
        assert!(!message.contains("secret"), "{message}");
        let long = vec![b'a'; supmer::limits::MAX_FIELD_BYTES + 1];
        assert_eq!(failure(|e| add_example(task, &long, "no", e)).0, SUPMER_STATUS_TOO_LARGE);
        assert_eq!(failure(|e| add_label(task, "yes", e)).0, SUPMER_STATUS_INVALID_TASK);
        for name in ["", " \n", &"n".repeat(supmer::limits::MAX_NAME_BYTES + 1)] {
            let (status, message) = failure(|e| add_label(task, name, e));
            assert_eq!(
                (status, message.starts_with("label 2: name:")),
                (SUPMER_STATUS_INVALID_TASK, true),
                "{message}"
            );
            let (name, empty) = (parts("new"), parts(name));
            let status = supmer_task_add_label(task, name.0, name.1, empty.0, empty.1, null_mut());
            assert_eq!(status, SUPMER_STATUS_INVALID_TASK);
        }
        let (mut other, long) = (null_mut(), "n".repeat(supmer::limits::MAX_NAME_BYTES + 1));
        let long = parts(&long);
        assert_eq!(failure(|e| supmer_task_new(long.0, long.1, &mut other, e)).0, SUPMER_STATUS_INVALID_TASK);
        assert!(other.is_null());
        for i in 2..supmer::limits::MAX_LABELS {
            assert_eq!(add_label(task, &i.to_string(), null_mut()), SUPMER_STATUS_OK);
        }
        assert_eq!(failure(|e| add_label(task, "one more", e)).0, SUPMER_STATUS_TOO_LARGE);
        assert_eq!(supmer_task_count(task), 3);
        supmer_task_free(task);
    }
}

#[test]
fn options_are_checked_before_anything_is_loaded() {
    let (path, length) = parts("no such model");
    let mut model = null_mut();
    // SAFETY: pointers, sizes and lengths are those of live values.
    unsafe {
        let mut options: supmer_model_options = std::mem::zeroed();
        let mut load = |options| failure(|e| supmer_model_load(path, length, options, &mut model, e));
        let (status, message) = load(&options);
        assert_eq!(status, SUPMER_STATUS_INVALID_OPTION);
        assert!(message.contains("call supmer_model_options_init"), "{message}");

        let size = size_of::<supmer_model_options>();
        assert_eq!(supmer_model_options_init(&mut options, size), SUPMER_STATUS_OK);
        options.weights = 7;
        let (status, message) = load(&options);
        assert_eq!(status, SUPMER_STATUS_INVALID_OPTION);
        assert!(message.contains("weights is 7"), "{message}");

        let mut longer = [0u64; 8];
        assert_eq!(supmer_model_options_init(longer.as_mut_ptr().cast(), 64), SUPMER_STATUS_OK);
        longer[7] = 1;
        let (status, message) = load(longer.as_ptr().cast());
        assert_eq!(status, SUPMER_STATUS_INVALID_OPTION);
        assert!(message.contains("byte 56 is newer than this library"), "{message}");
        assert!(model.is_null());
    }
}

#[test]
fn files_that_are_missing_or_damaged_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let damaged = folder.path().join("damaged");
    std::fs::write(&damaged, "{\"name\": 3").unwrap();
    let (missing, damaged) = (parts(missing.to_str().unwrap()), parts(damaged.to_str().unwrap()));
    let (mut model, mut task, mut adapter) = (null_mut(), null_mut(), null_mut());
    // SAFETY: pointers and lengths are those of live values.
    unsafe {
        let absent = [
            failure(|e| supmer_model_load(missing.0, missing.1, null(), &mut model, e)),
            failure(|e| supmer_task_read(missing.0, missing.1, &mut task, e)),
            failure(|e| supmer_adapter_load(missing.0, missing.1, &mut adapter, e)),
        ];
        for (status, message) in absent {
            assert_eq!(status, SUPMER_STATUS_NOT_FOUND, "{message}");
            assert!(message.contains("missing"), "{message}");
        }
        failure(|e| supmer_model_load(damaged.0, damaged.1, null(), &mut model, e));
        failure(|e| supmer_task_read(damaged.0, damaged.1, &mut task, e));
        let (status, _) = failure(|e| supmer_adapter_load(damaged.0, damaged.1, &mut adapter, e));
        assert_eq!(status, SUPMER_STATUS_CORRUPT_FILE);
        let (status, _) = failure(|e| supmer_adapter_load_memory(b"{}".as_ptr(), 2, &mut adapter, e));
        assert_eq!(status, SUPMER_STATUS_CORRUPT_FILE);
        let (status, _) = failure(|e| supmer_adapter_load_memory(null(), 0, &mut adapter, e));
        assert_eq!(status, SUPMER_STATUS_CORRUPT_FILE);
        assert!(model.is_null() && task.is_null() && adapter.is_null());
    }
}

#[test]
fn the_library_says_what_it_is() {
    let (mut oldest, mut newest) = (0, 0);
    // SAFETY: pointers and lengths are those of live values; texts are static and end in NUL.
    unsafe {
        assert_eq!(CStr::from_ptr(supmer_version_string()).to_str(), Ok(env!("CARGO_PKG_VERSION")));
        assert_eq!(CStr::from_ptr(supmer_status_name(SUPMER_STATUS_TOO_LARGE)), c"too_large");
        supmer_adapter_format_range(&mut oldest, &mut newest);
        let has = |name: &[u8]| supmer_has_feature(name.as_ptr().cast(), name.len());
        assert!(has(b"gguf") && has(b"llama") && has(b"t5"));
        assert!(!has(b"time travel") && !has(b"") && !has(b"\xff"));
        assert!(!supmer_has_feature(null(), 4));
    }
    assert!(1 <= oldest && oldest <= newest);
    supmer_abi_0();
}
