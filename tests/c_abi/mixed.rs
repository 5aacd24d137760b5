//! Rows of different adapters in one batch.

#![allow(unsafe_code)]

use std::ptr::{null, null_mut};

use supmer::capi::*;

use crate::calls::{failure, parts};
use crate::tiny::{TEXTS, adapt, model, options, predict, task};

/// Values for each row: one more than the labels of [`task`].
const STRIDE: usize = 3;

/// Two adapters of two labels and one of three, over one model.
struct Customers {
    model: *mut supmer_model,
    adapters: [*mut supmer_adapter; 3],
}

// SAFETY: the header promises that models and adapters may be used from any thread.
unsafe impl Sync for Customers {}

impl Customers {
    fn new() -> Self {
        let model = model();
        let other = supmer_adapt_options { seed: 7, learning_rate: 0.3, ..options() };
        Self { model, adapters: [adapt(model, &options()), adapt(model, &other), three_labels(model)] }
    }

    /// Row i is text i of `TEXTS`, in turns, under adapter i, in turns.
    fn mixed(&self, count: usize) -> (Vec<f32>, Vec<i32>) {
        let texts: Vec<&str> = (0..count).map(|i| TEXTS[i % 2]).collect();
        let adapters: Vec<*const supmer_adapter> = (0..count).map(|i| self.adapters[i % 3].cast_const()).collect();
        let (blob, offsets) = blob(&texts);
        let (mut probabilities, mut labels) = (vec![-1.0; STRIDE * count], vec![7; count]);
        // SAFETY: live handles, and arrays of the lengths given.
        let status = unsafe {
            let (blob, length) = parts(&blob);
            let (room, labels) = (probabilities.as_mut_ptr(), labels.as_mut_ptr());
            supmer_predict_mixed(
                self.model,
                adapters.as_ptr(),
                blob,
                length,
                offsets.as_ptr(),
                count,
                null(),
                room,
                STRIDE,
                labels,
                null_mut(),
            )
        };
        assert_eq!(status, SUPMER_STATUS_OK);
        (probabilities, labels)
    }
}

impl Drop for Customers {
    fn drop(&mut self) {
        // SAFETY: no call uses them any more. The model goes first: the order does not matter.
        unsafe {
            supmer_model_free(self.model);
            self.adapters.iter().for_each(|&adapter| supmer_adapter_free(adapter));
        }
    }
}

fn three_labels(model: *const supmer_model) -> *mut supmer_adapter {
    let task = task();
    let (label, text) = (parts("fair"), parts("neither"));
    let mut adapter = null_mut();
    // SAFETY: live handles and locals.
    unsafe {
        let status = supmer_task_add_label(task, label.0, label.1, label.0, label.1, null_mut());
        assert_eq!(status, SUPMER_STATUS_OK);
        let status = supmer_task_add_example(task, text.0, text.1, label.0, label.1, null_mut());
        assert_eq!(status, SUPMER_STATUS_OK);
        let status = supmer_adapt(model, null(), task, &options(), &mut adapter, null_mut(), null_mut());
        assert_eq!(status, SUPMER_STATUS_OK);
        supmer_task_free(task);
    }
    adapter
}

fn blob(texts: &[&str]) -> (String, Vec<usize>) {
    let mut offsets = vec![0];
    for text in texts {
        offsets.push(offsets[offsets.len() - 1] + text.len());
    }
    (texts.concat(), offsets)
}

#[test]
fn every_row_is_what_its_adapter_says_alone() {
    let customers = Customers::new();
    let (probabilities, labels) = customers.mixed(12);
    for row in 0..12 {
        let values = &probabilities[STRIDE * row..][..STRIDE];
        assert!((values.iter().sum::<f32>() - 1.0).abs() < 1e-5, "row {row}: {values:?}");
        if row % 3 == 2 {
            assert!(values.iter().all(|&value| value > 0.0), "row {row}: {values:?}");
            continue;
        }
        let (alone, label) = predict(customers.model, customers.adapters[row % 3], TEXTS[row % 2]);
        assert_eq!(values[2], 0.0, "row {row}");
        assert!(values.iter().zip(&alone).all(|(a, b)| (a - b).abs() < 1e-5), "row {row}: {values:?} {alone:?}");
        assert_eq!(labels[row], label, "row {row}");
    }
    assert_ne!(probabilities[..2], probabilities[4 * STRIDE..][..2], "two adapters say the same");
}

#[test]
fn sixteen_threads_give_what_one_gives() {
    let customers = Customers::new();
    let expected = customers.mixed(12);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..3 {
                    assert_eq!(customers.mixed(12), expected);
                }
            });
        }
    });
}

#[test]
fn bad_rows_are_named_and_nothing_is_written() {
    let customers = Customers::new();
    let (blob, offsets) = blob(&TEXTS);
    let (blob, length) = parts(&blob);
    let good = customers.adapters.map(|adapter| adapter.cast_const());
    let without = [good[0], null()];
    let mut room = [-1.0f32; 6];
    let room = room.as_mut_ptr();
    // SAFETY: live handles, and arrays of the lengths given; NULL where it is to be refused.
    unsafe {
        let mixed = |adapters, room: *mut f32, stride, count, error| {
            let offsets = offsets.as_ptr();
            supmer_predict_mixed(
                customers.model,
                adapters,
                blob,
                length,
                offsets,
                count,
                null(),
                room,
                stride,
                null_mut(),
                error,
            )
        };
        let invalid = |message: &str| (SUPMER_STATUS_INVALID_ARGUMENT, message.to_owned());
        assert_eq!(failure(|e| mixed(null(), room, 3, 2, e)), invalid("adapters is NULL"));
        let (status, message) = failure(|e| mixed(without.as_ptr(), room, 3, 2, e));
        assert_eq!(status, SUPMER_STATUS_INVALID_ARGUMENT);
        assert!(message.starts_with("row 2: ") && message.contains("NULL"), "{message}");
        let narrow = failure(|e| mixed(good[1..].as_ptr(), room, 2, 2, e));
        assert_eq!(narrow, invalid("stride is 2, the adapters have up to 3 labels"));
        assert_eq!(failure(|e| mixed(good.as_ptr(), null_mut(), 3, 2, e)), invalid("probabilities is NULL"));
        let (status, _) = failure(|e| mixed(good.as_ptr(), room, 3, usize::MAX, e));
        assert_eq!(status, SUPMER_STATUS_TOO_LARGE);
        assert_eq!(std::slice::from_raw_parts(room, 6), [-1.0; 6]);
        assert_eq!(mixed(good.as_ptr(), null_mut(), 0, 2, null_mut()), SUPMER_STATUS_OK);
        assert_eq!(mixed(null(), null_mut(), 0, 0, null_mut()), SUPMER_STATUS_OK);
    }
}
