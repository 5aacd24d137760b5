//! Estimates of memory.

#![allow(unsafe_code)]

use std::ptr::{null, null_mut};

use supmer::capi::*;

use crate::calls::{failure, parts};
use crate::tiny::{model, options, task};

fn estimate(
    model: *const supmer_model,
    task: *const supmer_task,
    options: &supmer_adapt_options,
) -> supmer_memory_estimate {
    // SAFETY: live handles, and a struct that `init` is given whole.
    unsafe {
        let mut estimate: supmer_memory_estimate = std::mem::zeroed();
        let size = size_of::<supmer_memory_estimate>();
        assert_eq!(supmer_memory_estimate_init(&mut estimate, size), SUPMER_STATUS_OK);
        let status = supmer_model_estimate_memory(model, task, options, &mut estimate, null_mut());
        assert_eq!(status, SUPMER_STATUS_OK);
        assert_eq!(estimate.struct_size, size);
        estimate
    }
}

#[test]
fn numbers_follow_the_work() {
    let (model, task) = (model(), task());
    let short = estimate(model, task, &options());
    let longest = estimate(model, null(), &options());
    // The fixture: 3 layers of width 32, 2 key heads of 8; 20 prompt rows by default.
    assert_eq!(short.cached_prompt_bytes, 4 * 20 * 3 * 2 * 16);
    assert!(short.weights_bytes > 4 * 32 * 320 && short.weights_bytes == longest.weights_bytes);
    assert!(short.predict_bytes > 0 && short.predict_bytes < short.adapt_bytes);
    assert!(longest.adapt_bytes > 5 * short.adapt_bytes && longest.predict_bytes > 5 * short.predict_bytes);

    let more = estimate(model, task, &supmer_adapt_options { batch_size: 32, prompt_length: 40, ..options() });
    assert!(more.adapt_bytes > 2 * short.adapt_bytes);
    assert_eq!(more.cached_prompt_bytes, 2 * short.cached_prompt_bytes);
    let head = supmer_adapt_options { answer_loss: SUPMER_ANSWER_LOSS_HEAD, ..options() };
    // Verbalizers of several tokens are read off logits over the whole vocabulary, a head is not.
    assert!(estimate(model, task, &head).predict_bytes < short.predict_bytes);
    let limited = estimate(model, null(), &supmer_adapt_options { memory_limit: 2 << 20, ..options() });
    assert!(limited.adapt_bytes < longest.adapt_bytes && limited.predict_bytes == longest.predict_bytes);
    // SAFETY: live handles.
    unsafe {
        supmer_task_free(task);
        supmer_model_free(model);
    }
}

#[test]
fn bad_arguments_are_refused() {
    let model = model();
    let (name, length) = parts("empty");
    let mut task = null_mut();
    // SAFETY: live handles and locals; NULL where it is to be refused.
    unsafe {
        assert_eq!(supmer_task_new(name, length, &mut task, null_mut()), SUPMER_STATUS_OK);
        let mut estimate: supmer_memory_estimate = std::mem::zeroed();
        let (status, _) = failure(|e| supmer_model_estimate_memory(model, null(), null(), &mut estimate, e));
        assert_eq!(status, SUPMER_STATUS_INVALID_OPTION);
        assert_eq!(supmer_memory_estimate_init(&mut estimate, 8), SUPMER_STATUS_INVALID_OPTION);
        assert_eq!(supmer_memory_estimate_init(null_mut(), 40), SUPMER_STATUS_INVALID_ARGUMENT);
        assert_eq!(supmer_memory_estimate_init(&mut estimate, 40), SUPMER_STATUS_OK);
        let (status, _) = failure(|e| supmer_model_estimate_memory(model, task, null(), &mut estimate, e));
        assert_eq!(status, SUPMER_STATUS_INVALID_TASK);
        let (status, _) = failure(|e| supmer_model_estimate_memory(null(), null(), null(), &mut estimate, e));
        assert_eq!(status, SUPMER_STATUS_INVALID_ARGUMENT);
        let (status, _) = failure(|e| supmer_model_estimate_memory(model, null(), null(), null_mut(), e));
        assert_eq!(status, SUPMER_STATUS_INVALID_ARGUMENT);
        assert_eq!((estimate.weights_bytes, estimate.adapt_bytes), (0, 0));
        supmer_task_free(task);
        supmer_model_free(model);
    }
}

#[test]
fn a_stop_asked_for_by_the_options_is_seen() {
    let (model, task, mut cancel) = (model(), task(), null_mut());
    // SAFETY: live handles and locals.
    unsafe {
        assert_eq!(supmer_cancel_new(&mut cancel, null_mut()), SUPMER_STATUS_OK);
        supmer_cancel_request(cancel);
        let mut estimate: supmer_memory_estimate = std::mem::zeroed();
        assert_eq!(supmer_memory_estimate_init(&mut estimate, size_of_val(&estimate)), SUPMER_STATUS_OK);
        let options = supmer_adapt_options { cancel, ..options() };
        let (status, _) = failure(|e| supmer_model_estimate_memory(model, task, &options, &mut estimate, e));
        assert_eq!(status, SUPMER_STATUS_CANCELLED);
        supmer_cancel_free(cancel);
        supmer_task_free(task);
        supmer_model_free(model);
    }
}
