//! Training a bundle through C: stopped by its progress callback, resumed, saved, used.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr::null_mut;

use supmer::capi::*;

use crate::calls::{failure, parts};
use crate::text::write_corpus;
use crate::tiny;

const STEPS: u32 = 6;

/// Six steps on a small corpus; `counts` receives how many steps the callback was told of.
fn options(counts: &mut Counts) -> supmer_train_options {
    let formats = parts("scsp,scss,cloze");
    // SAFETY: all zero is a value of the struct, which `init` is given whole.
    unsafe {
        let mut options: supmer_train_options = std::mem::zeroed();
        assert_eq!(supmer_train_options_init(&mut options, size_of::<supmer_train_options>()), SUPMER_STATUS_OK);
        (options.formats, options.formats_length) = formats;
        (options.steps, options.clusters, options.prompt_length, options.rank) = (STEPS, 6, 4, 3);
        options.validate_every = SUPMER_OFF;
        options.progress = Some(count);
        options.progress_user_data = (&raw mut *counts).cast();
        options
    }
}

/// Reports of each stage, and the step that stops the call.
#[derive(Default)]
struct Counts {
    prepared: usize,
    steps: u64,
    /// Whether the first report of preparation stops the call.
    stop_preparing: bool,
    stop_at: u64,
}

unsafe extern "C" fn count(user_data: *mut c_void, progress: *const supmer_progress) -> i32 {
    // SAFETY: both are live while the call runs, and nothing else touches them.
    let (counts, progress) = unsafe { (&mut *user_data.cast::<Counts>(), &*progress) };
    match progress.stage {
        SUPMER_STAGE_TRAIN => counts.steps = progress.done,
        SUPMER_STAGE_PREPARE => counts.prepared += 1,
        stage => panic!("stage {stage}"),
    }
    let stops = match progress.stage {
        SUPMER_STAGE_PREPARE => std::mem::take(&mut counts.stop_preparing),
        _ => progress.done == counts.stop_at,
    };
    i32::from(stops)
}

#[test]
fn a_stopped_run_goes_on_and_its_bundle_is_saved_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (text, run, file) = (path("text"), path("run"), path("b.supmer"));
    write_corpus(text.as_ref(), 120);
    let (text, run, file) = (parts(&text), parts(&run), parts(&file));
    let model = tiny::model();
    let mut counts = Counts { stop_preparing: true, stop_at: 2, ..Counts::default() };
    let mut options = options(&mut counts);
    let mut cancel = null_mut();
    let (mut bundle, mut finished) = (null_mut(), false);
    // SAFETY: live handles and locals; each handle is freed once.
    unsafe {
        let mut train = |options: &supmer_train_options, bundle: *mut *mut supmer_bundle, error| {
            supmer_train_bundle(model, text.0, text.1, run.0, run.1, options, bundle, &mut finished, error)
        };
        assert_eq!(supmer_cancel_new(&mut cancel, null_mut()), SUPMER_STATUS_OK);
        options.cancel = cancel;
        // The callback stops its own call; the caller's flag stays as it is.
        let (status, message) = failure(|e| train(&options, &mut bundle, e));
        assert_eq!((status, message.contains("progress callback")), (SUPMER_STATUS_CANCELLED, true), "{message}");
        assert!(!std::path::Path::new(&path("run/checkpoint.supmer")).exists());
        assert_eq!(failure(|e| train(&options, &mut bundle, e)).0, SUPMER_STATUS_CANCELLED);
        assert!(bundle.is_null() && std::path::Path::new(&path("run/checkpoint.supmer")).exists());
        assert_eq!(failure(|e| train(&options, &mut bundle, e)).0, SUPMER_STATUS_INVALID_ARGUMENT, "not resumed");
        options.resume = 1;
        assert_eq!(train(&options, &mut bundle, null_mut()), SUPMER_STATUS_OK);
        assert!(finished);
        assert_eq!(supmer_bundle_check(bundle, model, null_mut()), SUPMER_STATUS_OK);
        assert_eq!(supmer_bundle_save(bundle, file.0, file.1, null_mut()), SUPMER_STATUS_OK);
        supmer_bundle_free(bundle);

        assert_eq!(supmer_bundle_load(file.0, file.1, &mut bundle, null_mut()), SUPMER_STATUS_OK);
        let (task, mut adapter) = (tiny::task(), null_mut());
        let plain = tiny::options();
        let status = supmer_adapt(model, bundle, task, &plain, &mut adapter, null_mut(), null_mut());
        assert_eq!(status, SUPMER_STATUS_OK);
        supmer_adapter_free(adapter);
        supmer_task_free(task);
        supmer_bundle_free(bundle);
        supmer_cancel_free(cancel);
        supmer_model_free(model);
    }
    assert_eq!(counts.steps, u64::from(STEPS));
    assert!(counts.prepared > 0);
}

#[test]
fn options_out_of_range_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run").to_str().unwrap().to_owned();
    let (text, run) = (parts("no such text"), parts(&run));
    let model = tiny::model();
    let mut bundle = null_mut();
    let mut refused = |change: fn(&mut supmer_train_options)| {
        let mut counts = Counts::default();
        let mut options = options(&mut counts);
        change(&mut options);
        // SAFETY: live handles and locals.
        failure(|e| unsafe {
            supmer_train_bundle(model, text.0, text.1, run.0, run.1, &options, &mut bundle, null_mut(), e)
        })
    };
    for change in [
        (|options| options.answer_loss = 4) as fn(&mut supmer_train_options),
        |options| options.resume = 2,
        |options| options.max_hours = -1.0,
        |options| options.inner_rate = f32::NAN,
        |options| (options.formats, options.formats_length) = parts("nsq"),
    ] {
        let (status, message) = refused(change);
        assert_eq!(status, SUPMER_STATUS_INVALID_OPTION, "{message}");
    }
    assert_eq!(refused(|_| ()).0, SUPMER_STATUS_NOT_FOUND);
    // SAFETY: a live handle, freed once.
    unsafe { supmer_model_free(model) };
}
