//! The promises about working calls, kept on a tiny model: order of freeing, cancelling, outputs, threads.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_void};
use std::ptr::{null, null_mut};

use supmer::bundle::{Origin, Regularization};
use supmer::capi::*;
use supmer::gradient_regularizer::{Rescaling, Shape};
use supmer::{Adapter, Bundle, GradientRegularizer, SoftPrompt};

use crate::calls::{failure, parts};
use crate::tiny::{TEXTS, adapt, bytes_of, model, options, predict, task};

#[test]
fn an_adapter_outlives_model_and_task_and_returns_from_memory_bit_for_bit() {
    let first = model();
    let adapter = adapt(first, &options());
    let before = predict(first, adapter, TEXTS[0]);
    // SAFETY: each handle is freed once; what is used afterwards is live.
    unsafe {
        supmer_model_free(first);
        assert_eq!(supmer_adapter_label_count(adapter), 2);
        assert_eq!(CStr::from_ptr(supmer_adapter_label_name(adapter, 1)), c"good");
        assert!(supmer_adapter_label_name(adapter, 2).is_null());
        let bytes = bytes_of(adapter);
        supmer_adapter_free(adapter);

        let mut again = null_mut();
        let status = supmer_adapter_load_memory(bytes.as_ptr(), bytes.len(), &mut again, null_mut());
        assert_eq!(status, SUPMER_STATUS_OK);
        assert_eq!(bytes_of(again), bytes);
        let second = model();
        assert_eq!(predict(second, again, TEXTS[0]), before);
        supmer_adapter_free(again);
        supmer_model_free(second);
    }
}

#[test]
fn a_batch_gives_what_single_texts_give() {
    let model = model();
    let adapter = adapt(model, &options());
    let blob = TEXTS.concat();
    let offsets = [0, TEXTS[0].len(), blob.len()];
    let (mut probabilities, mut labels) = ([-1.0f32; 4], [7; 2]);
    // SAFETY: live handles and locals.
    unsafe {
        let (blob, length) = parts(&blob);
        let batch = |count, capacity, room: *mut f32, labels: *mut i32, error| {
            let offsets = offsets.as_ptr();
            supmer_predict_batch(model, adapter, blob, length, offsets, count, null(), room, capacity, labels, error)
        };
        let (status, message) = failure(|e| batch(2, 3, probabilities.as_mut_ptr(), labels.as_mut_ptr(), e));
        assert_eq!(status, SUPMER_STATUS_INVALID_ARGUMENT);
        assert_eq!(message, "probabilities has room for 3 values, 4 are needed");
        assert_eq!((probabilities, labels), ([-1.0; 4], [7; 2]));
        assert_eq!(batch(0, 0, null_mut(), null_mut(), null_mut()), SUPMER_STATUS_OK);
        assert_eq!(batch(2, 4, probabilities.as_mut_ptr(), labels.as_mut_ptr(), null_mut()), SUPMER_STATUS_OK);
        for (i, text) in TEXTS.into_iter().enumerate() {
            let (single, label) = predict(model, adapter, text);
            assert!((single[0] - probabilities[2 * i]).abs() < 1e-5 && labels[i] == label, "{text}");
            assert!((single[0] + single[1] - 1.0).abs() < 1e-5);
        }
        let mut label = 7;
        let json = parts(r#"{"text": "good and warm", "id": 3}"#);
        let status =
            supmer_predict_row_json(model, adapter, json.0, json.1, null(), null_mut(), 0, &mut label, null_mut());
        assert_eq!((status, label), (SUPMER_STATUS_OK, labels[0]));
        supmer_adapter_free(adapter);
        supmer_model_free(model);
    }
}

#[test]
fn a_prediction_may_abstain() {
    let model = model();
    let adapter = adapt(model, &options());
    // SAFETY: live handles and locals.
    unsafe {
        let mut options: supmer_predict_options = std::mem::zeroed();
        supmer_predict_options_init(&mut options, size_of::<supmer_predict_options>());
        let text = parts(TEXTS[0]);
        let mut label = 7;
        let mut run = |options: &supmer_predict_options, error| {
            supmer_predict(model, adapter, text.0, text.1, options, null_mut(), 0, &mut label, error)
        };
        options.abstain_below = 1.5;
        assert_eq!(failure(|e| run(&options, e)).0, SUPMER_STATUS_INVALID_OPTION);
        options.abstain_below = 1.0;
        assert_eq!(run(&options, null_mut()), SUPMER_STATUS_OK);
        assert_eq!(label, SUPMER_ABSTAINED);
        supmer_adapter_free(adapter);
        supmer_model_free(model);
    }
}

#[test]
fn a_request_stops_a_call_until_it_is_reset() {
    let (model, task) = (model(), task());
    let (mut cancel, mut adapter, mut report) = (null_mut(), null_mut(), null_mut());
    // SAFETY: live handles and locals.
    unsafe {
        assert_eq!(supmer_cancel_new(&mut cancel, null_mut()), SUPMER_STATUS_OK);
        let options = supmer_adapt_options { cancel, ..options() };
        let mut run = |error| supmer_adapt(model, null(), task, &options, &mut adapter, &mut report, error);
        supmer_cancel_request(cancel);
        assert_eq!(failure(&mut run).0, SUPMER_STATUS_CANCELLED);
        supmer_cancel_reset(cancel);
        assert_eq!(run(null_mut()), SUPMER_STATUS_OK);
        let json: serde_json::Value =
            serde_json::from_slice(CStr::from_ptr(supmer_report_json(report)).to_bytes()).unwrap();
        assert!(json.is_object() && !json.to_string().contains("warm"));
        supmer_cancel_free(cancel);
        supmer_report_free(report);
        supmer_task_free(task);
        supmer_adapter_free(adapter);
        supmer_model_free(model);
    }
}

#[test]
fn a_callback_is_told_on_the_calling_thread_and_may_stop_the_call() {
    struct Seen {
        thread: std::thread::ThreadId,
        steps: Vec<u64>,
        stop_at: u64,
    }
    unsafe extern "C" fn callback(user_data: *mut c_void, progress: *const supmer_progress) -> i32 {
        // SAFETY: both are what the test and the library handed over, live for this call.
        let (seen, progress) = unsafe { (&mut *user_data.cast::<Seen>(), &*progress) };
        if std::thread::current().id() != seen.thread || progress.struct_size != size_of::<supmer_progress>() {
            return 1;
        }
        if progress.stage == SUPMER_STAGE_STEP && progress.total == 3 && progress.loss.is_finite() {
            seen.steps.push(progress.done);
        }
        i32::from(progress.done == seen.stop_at)
    }

    let (model, task) = (model(), task());
    // SAFETY: live handles and locals.
    unsafe {
        for (stop_at, expected) in [(99, SUPMER_STATUS_OK), (2, SUPMER_STATUS_CANCELLED)] {
            let mut seen = Seen { thread: std::thread::current().id(), steps: Vec::new(), stop_at };
            let progress_user_data = (&raw mut seen).cast();
            let options = supmer_adapt_options { progress: Some(callback), progress_user_data, ..options() };
            let mut adapter = null_mut();
            let status = supmer_adapt(model, null(), task, &options, &mut adapter, null_mut(), null_mut());
            assert_eq!(status, expected);
            assert_eq!(adapter.is_null(), status != SUPMER_STATUS_OK);
            assert_eq!(seen.steps, (1..=stop_at.min(3)).collect::<Vec<_>>());
            supmer_adapter_free(adapter);
        }
        supmer_task_free(task);
        supmer_model_free(model);
    }
}

#[test]
fn a_prediction_tells_how_many_rows_are_done_and_may_be_stopped() {
    unsafe extern "C" fn callback(user_data: *mut c_void, progress: *const supmer_progress) -> i32 {
        // SAFETY: both are what the test and the library handed over, live for this call.
        let (done, progress) = unsafe { (&mut *user_data.cast::<Vec<u64>>(), &*progress) };
        if progress.stage != SUPMER_STAGE_PREDICT || progress.total != 5 || !progress.loss.is_nan() {
            return 1;
        }
        done.push(progress.done);
        i32::from(done.len() == 4)
    }

    let model = model();
    let adapter = adapt(model, &options());
    let (blob, offsets, adapters) = (parts("12345"), [0, 1, 2, 3, 4, 5], [adapter.cast_const(); 5]);
    let (mut done, mut labels) = (Vec::<u64>::new(), [7; 5]);
    // SAFETY: live handles and locals.
    unsafe {
        let mut options: supmer_predict_options = std::mem::zeroed();
        supmer_predict_options_init(&mut options, size_of::<supmer_predict_options>());
        options.batch_size = 2;
        options.progress = Some(callback);
        options.progress_user_data = (&raw mut done).cast();
        let (offsets, options) = (offsets.as_ptr(), &raw const options);
        let (room, labels) = (null_mut(), labels.as_mut_ptr());
        let batch =
            supmer_predict_batch(model, adapter, blob.0, blob.1, offsets, 5, options, room, 0, labels, null_mut());
        assert_eq!(batch, SUPMER_STATUS_OK);
        let (status, message) = failure(|e| {
            supmer_predict_mixed(model, adapters.as_ptr(), blob.0, blob.1, offsets, 5, options, room, 0, null_mut(), e)
        });
        assert_eq!((status, message.contains("progress callback")), (SUPMER_STATUS_CANCELLED, true), "{message}");
        supmer_adapter_free(adapter);
        supmer_model_free(model);
    }
    assert_eq!(done, [2, 4, 5, 2]);
    assert!(labels.iter().all(|&label| label != 7));
}

#[test]
fn options_of_adaptation_are_checked() {
    let (model, task) = (model(), task());
    let adapter = adapt(model, &options());
    let (text, length) = parts("start here");
    type Change = fn(&mut supmer_adapt_options, *const supmer_adapter, (*const c_char, usize));
    let bad: [Change; 8] = [
        |o, _, _| o.learning_rate = f32::NAN,
        |o, _, _| o.clip_norm = f32::NAN,
        |o, _, _| o.weight_decay = f32::NAN,
        |o, _, _| o.steps = u32::MAX,
        |o, _, _| o.dev_fraction = -1.0,
        |o, _, _| o.answer_loss = 4,
        |o, _, _| o.time_limit = f64::INFINITY,
        |o, adapter, text| (o.start_adapter, o.start_text, o.start_text_length) = (adapter, text.0, text.1),
    ];
    let good: [Change; 6] = [
        |o, _, _| o.answer_loss = SUPMER_ANSWER_LOSS_LABELS,
        |o, _, _| o.answer_loss = SUPMER_ANSWER_LOSS_HEAD,
        |o, _, _| (o.clip_norm, o.weight_decay) = (-1.0, -1.0),
        |o, _, _| (o.patience, o.dev_per_class) = (SUPMER_OFF, SUPMER_OFF),
        |o, adapter, _| o.start_adapter = adapter,
        |o, _, text| (o.start_text, o.start_text_length) = text,
    ];
    // SAFETY: live handles and locals.
    unsafe {
        for (i, change) in bad.into_iter().enumerate() {
            let (mut options, mut out) = (options(), null_mut());
            change(&mut options, adapter, (text, length));
            let run = |e| supmer_adapt(model, null(), task, &options, &mut out, null_mut(), e);
            let (status, message) = failure(run);
            assert_eq!(status, SUPMER_STATUS_INVALID_OPTION, "change {i}: {message}");
        }
        for change in good {
            let mut options = options();
            change(&mut options, adapter, (text, length));
            supmer_adapter_free(adapt(model, &options));
        }
        supmer_adapter_free(adapter);
        supmer_task_free(task);
        supmer_model_free(model);
    }
}

#[test]
fn examples_and_labels_may_be_added_later() {
    let (model, task) = (model(), task());
    let first = adapt(model, &options());
    let (label, text) = (parts("fair"), parts("neither"));
    let mut second = null_mut();
    // SAFETY: live handles and locals.
    unsafe {
        let status = supmer_task_add_label(task, label.0, label.1, label.0, label.1, null_mut());
        assert_eq!(status, SUPMER_STATUS_OK);
        let status = supmer_task_add_example(task, text.0, text.1, label.0, label.1, null_mut());
        assert_eq!(status, SUPMER_STATUS_OK);
        // Steps too small to see: the prompt stays where it starts.
        let options = supmer_adapt_options { learning_rate: 1e-7, start_adapter: first, ..options() };
        let status = supmer_adapt(model, null(), task, &options, &mut second, null_mut(), null_mut());
        assert_eq!(status, SUPMER_STATUS_OK);
        assert_eq!(supmer_adapter_label_count(second), 3);
        let prompt = |adapter| Adapter::from_bytes(&bytes_of(adapter)).unwrap().prompt().values().to_vec();
        let (before, after) = (prompt(first), prompt(second));
        assert!(before != after && before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-5));
        supmer_adapter_free(first);
        supmer_adapter_free(second);
        supmer_task_free(task);
        supmer_model_free(model);
    }
}

#[test]
fn a_bundle_is_a_start_with_a_regularizer() {
    let shape = Shape { width: 32, rank: 2, layers: 1 };
    let regularizer = GradientRegularizer::random(shape, 1).unwrap();
    let psi = Regularization { regularizer, rescaling: Rescaling::RowL2 };
    let prompt = SoftPrompt::new(3, 32, vec![0.25; 96]).unwrap();
    let bytes = Bundle::new(prompt, Some(psi), Origin::default()).unwrap().to_bytes().unwrap();
    let (model, task) = (model(), task());
    let (mut bundle, mut adapter, mut report) = (null_mut(), null_mut(), null_mut());
    // SAFETY: live handles and locals.
    unsafe {
        let (status, message) = failure(|e| supmer_bundle_load_memory(bytes.as_ptr(), 90, &mut bundle, e));
        assert_eq!(status, SUPMER_STATUS_CORRUPT_FILE, "{message}");
        let status = supmer_bundle_load_memory(bytes.as_ptr(), bytes.len(), &mut bundle, null_mut());
        assert_eq!(status, SUPMER_STATUS_OK);
        let metadata = CStr::from_ptr(supmer_bundle_metadata(bundle)).to_str().unwrap();
        assert!(metadata.contains("\"prompt_length\":3") && metadata.contains("\"rank\":2"), "{metadata}");
        assert_eq!(supmer_bundle_check(bundle, model, null_mut()), SUPMER_STATUS_OK);
        let status = supmer_adapt(model, bundle, task, &options(), &mut adapter, &mut report, null_mut());
        assert_eq!(status, SUPMER_STATUS_OK);
        supmer_bundle_free(bundle);
        let json = CStr::from_ptr(supmer_report_json(report)).to_str().unwrap();
        assert!(json.contains("\"gate\":") && json.contains("\"prompt_length\":3"), "{json}");
        supmer_report_free(report);
        supmer_adapter_free(adapter);
        supmer_task_free(task);
        supmer_model_free(model);
    }
}

/// The child says what a prediction gave by its exit status; an alarm ends it if it hangs.
#[test]
#[cfg(unix)]
fn a_forked_child_is_told_to_load_its_own_model() {
    let model = model();
    let adapter = adapt(model, &options());
    let text = parts(TEXTS[0]);
    // SAFETY: the child calls nothing but the library and ends without running what its parent would; handles are live.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::alarm(60);
            let status = supmer_predict(model, adapter, text.0, text.1, null(), null_mut(), 0, null_mut(), null_mut());
            libc::_exit(status);
        }
        let mut ended = 0;
        assert_eq!(libc::waitpid(child, &mut ended, 0), child);
        assert!(libc::WIFEXITED(ended), "{ended}");
        assert_eq!(libc::WEXITSTATUS(ended), SUPMER_STATUS_INVALID_ARGUMENT);
        predict(model, adapter, TEXTS[0]);
        supmer_adapter_free(adapter);
        supmer_model_free(model);
    }
}

#[test]
fn threads_share_a_model_and_an_adapter() {
    struct Shared(*const supmer_model, *const supmer_adapter);
    // SAFETY: the header promises that models and adapters may be used from any thread.
    unsafe impl Sync for Shared {}

    let shared = Shared(model(), null());
    let shared = Shared(shared.0, adapt(shared.0, &options()));
    let expected = TEXTS.map(|text| predict(shared.0, shared.1, text));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let shared = &shared;
                for (text, expected) in TEXTS.into_iter().zip(&expected) {
                    assert_eq!(&predict(shared.0, shared.1, text), expected);
                }
            });
        }
    });
    // SAFETY: no thread uses them any more.
    unsafe {
        supmer_adapter_free(shared.1.cast_mut());
        supmer_model_free(shared.0.cast_mut());
    }
}
