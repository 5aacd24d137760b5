//! Messages of the library: none unless asked for, and none of a customer's text.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_void};
use std::ptr::null_mut;
use std::sync::Mutex;

use supmer::capi::*;

use crate::calls::failure;
use crate::tiny::{adapt, model, options, predict};

type Messages = Mutex<Vec<(supmer_log_level, String)>>;

unsafe extern "C" fn keep(user_data: *mut c_void, level: supmer_log_level, message: *const c_char) {
    // SAFETY: the list that the test handed over, and a text ending in NUL.
    let (messages, message) = unsafe { (&*user_data.cast::<Messages>(), CStr::from_ptr(message)) };
    messages.lock().unwrap().push((level, message.to_str().unwrap().to_owned()));
}

/// Sets the callback from inside itself, which must be refused and must not hang.
unsafe extern "C" fn meddle(user_data: *mut c_void, _: supmer_log_level, _: *const c_char) {
    // SAFETY: NULL is allowed, and the number is the test's.
    unsafe { *user_data.cast::<supmer_status>() = supmer_set_log_callback(None, null_mut(), 0, null_mut()) };
}

/// One test: the callback is the process's.
#[test]
fn messages_are_told_until_the_callback_is_taken_back() {
    let messages = Messages::default();
    let user_data = (&raw const messages).cast_mut().cast();
    let set = |callback, level| {
        // SAFETY: `messages` outlives the callback, which is taken back below.
        unsafe { supmer_set_log_callback(callback, user_data, level, null_mut()) }
    };
    let work = || {
        let model = model();
        let adapter = adapt(model, &options());
        predict(model, adapter, "a secret of good weather");
        // SAFETY: live handles.
        unsafe {
            supmer_adapter_free(adapter);
            supmer_model_free(model);
        }
    };
    work();
    assert_eq!(set(Some(keep), SUPMER_LOG_DEBUG), SUPMER_STATUS_OK);
    work();
    // Other tests of this process may be at work too.
    let told = std::mem::take(&mut *messages.lock().unwrap());
    let has = |level, start: &str| told.iter().any(|(l, message)| *l == level && message.starts_with(start));
    assert!(has(SUPMER_LOG_INFO, "loaded a model: llama 3x32"), "{told:?}");
    assert!(has(SUPMER_LOG_INFO, "adaptation begins: 2 labels, 4 training and 0 dev examples"), "{told:?}");
    assert!(has(SUPMER_LOG_INFO, "adaptation ended: 3 steps in"), "{told:?}");
    assert!(has(SUPMER_LOG_WARNING, "no dev part was cut off"), "{told:?}");
    assert!(has(SUPMER_LOG_DEBUG, "a prompt's state"), "{told:?}");
    assert!(told.iter().all(|(_, m)| !m.contains("secret") && !m.contains("warm") && !m.contains('\n')), "{told:?}");

    assert_eq!(set(Some(keep), SUPMER_LOG_WARNING), SUPMER_STATUS_OK);
    work();
    let told = std::mem::take(&mut *messages.lock().unwrap());
    assert!(!told.is_empty() && told.iter().all(|(level, _)| *level <= SUPMER_LOG_WARNING), "{told:?}");

    let mut status: supmer_status = -1;
    // SAFETY: `status` outlives the callback.
    let meddling =
        unsafe { supmer_set_log_callback(Some(meddle), (&raw mut status).cast(), SUPMER_LOG_WARNING, null_mut()) };
    assert_eq!(meddling, SUPMER_STATUS_OK);
    work();
    assert_eq!(set(None, 0), SUPMER_STATUS_OK);
    assert_eq!(status, SUPMER_STATUS_INVALID_ARGUMENT);
    work();
    assert!(messages.lock().unwrap().is_empty());
    for level in [0, 5, -1] {
        // SAFETY: refused before it is kept.
        let (status, _) = failure(|e| unsafe { supmer_set_log_callback(Some(keep), user_data, level, e) });
        assert_eq!(status, SUPMER_STATUS_INVALID_OPTION);
    }
}
