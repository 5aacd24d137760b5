//! Handles on a tiny model, made as C makes them.

#![allow(unsafe_code)]

use std::ptr::{null, null_mut};

use supmer::capi::*;

use crate::build::root;
use crate::calls::parts;

/// Texts to predict.
pub const TEXTS: [&str; 2] = ["good and warm", "cold, bad, cold"];

/// The tiny model.
pub fn model() -> *mut supmer_model {
    let path = root().join("tests/fixtures/tiny-llama-tied");
    let (path, length) = parts(path.to_str().unwrap());
    let mut model = null_mut();
    // SAFETY: pointers and lengths are those of live values.
    assert_eq!(unsafe { supmer_model_load(path, length, null(), &mut model, null_mut()) }, SUPMER_STATUS_OK);
    model
}

/// A task of two labels with two examples each.
pub fn task() -> *mut supmer_task {
    let mut task = null_mut();
    let (name, template) = (parts("weather"), parts("{text}\nSo:"));
    // SAFETY: pointers and lengths are those of live values.
    unsafe {
        assert_eq!(supmer_task_new(name.0, name.1, &mut task, null_mut()), SUPMER_STATUS_OK);
        for (label, text) in [("bad", "cold"), ("good", "warm")] {
            let (label, text) = (parts(label), parts(text));
            let status = supmer_task_add_label(task, label.0, label.1, label.0, label.1, null_mut());
            assert_eq!(status, SUPMER_STATUS_OK);
            for _ in 0..2 {
                let status = supmer_task_add_example(task, text.0, text.1, label.0, label.1, null_mut());
                assert_eq!(status, SUPMER_STATUS_OK);
            }
        }
        assert_eq!(supmer_task_set_template(task, template.0, template.1, null_mut()), SUPMER_STATUS_OK);
    }
    task
}

/// Three steps.
pub fn options() -> supmer_adapt_options {
    // SAFETY: all zero is a value of the struct, which `init` is given whole.
    unsafe {
        let mut options: supmer_adapt_options = std::mem::zeroed();
        let size = size_of::<supmer_adapt_options>();
        assert_eq!(supmer_adapt_options_init(&mut options, size), SUPMER_STATUS_OK);
        options.steps = 3;
        options
    }
}

/// An adapter for [`task`].
pub fn adapt(model: *const supmer_model, options: &supmer_adapt_options) -> *mut supmer_adapter {
    let task = task();
    let mut adapter = null_mut();
    // SAFETY: live handles and locals.
    unsafe {
        let status = supmer_adapt(model, null(), task, options, &mut adapter, null_mut(), null_mut());
        assert_eq!(status, SUPMER_STATUS_OK);
        supmer_task_free(task);
    }
    adapter
}

/// What saving would write.
pub fn bytes_of(adapter: *const supmer_adapter) -> Vec<u8> {
    let mut buffer = null_mut();
    // SAFETY: a live adapter, and the buffer lives until it is freed.
    unsafe {
        assert_eq!(supmer_adapter_save_memory(adapter, &mut buffer, null_mut()), SUPMER_STATUS_OK);
        let bytes = std::slice::from_raw_parts(supmer_buffer_data(buffer), supmer_buffer_length(buffer)).to_vec();
        supmer_buffer_free(buffer);
        bytes
    }
}

/// Probabilities and label of `text`.
pub fn predict(model: *const supmer_model, adapter: *const supmer_adapter, text: &str) -> (Vec<f32>, i32) {
    let text = parts(text);
    let (mut probabilities, mut label) = (vec![-1.0; 2], 7);
    let room = probabilities.as_mut_ptr();
    // SAFETY: live handles and locals.
    let status = unsafe { supmer_predict(model, adapter, text.0, text.1, null(), room, 2, &mut label, null_mut()) };
    assert_eq!(status, SUPMER_STATUS_OK);
    (probabilities, label)
}
