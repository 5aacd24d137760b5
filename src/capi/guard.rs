//! What stands around every body: panics stop here, failures become a status and, if wanted, an error object.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::supmer_error;
use super::handle::Handle;
use super::silence;
use super::status::supmer_status;
use crate::error::{Error, Result, Status, fail};
use crate::kernels;

/// One call from C: remembers the handles it uses, so that a panic can mark them as broken.
#[derive(Default)]
pub(super) struct Call<'a> {
    used: RefCell<Vec<&'a AtomicBool>>,
}

impl<'a> Call<'a> {
    /// The handle behind `pointer`. Errors: `InvalidArgument` when it is NULL, `Panic` when an earlier call broke it.
    ///
    /// # Safety
    /// `pointer` is NULL or a live handle of type `T` that stays alive for `'a`.
    pub unsafe fn handle<T: Handle>(&self, pointer: *const T) -> Result<&'a T> {
        // SAFETY: passed on to the caller.
        match unsafe { self.optional(pointer) }? {
            Some(handle) => Ok(handle),
            None => fail(Status::InvalidArgument, format!("the {0} handle is NULL; pass a live {0}", T::NAME)),
        }
    }

    /// As [`Call::handle`], but NULL is `None`.
    ///
    /// # Safety
    /// As for [`Call::handle`].
    pub unsafe fn optional<T: Handle>(&self, pointer: *const T) -> Result<Option<&'a T>> {
        // SAFETY: the caller vouches that a pointer that is not NULL is a live handle.
        let Some(handle) = (unsafe { pointer.as_ref() }) else { return Ok(None) };
        let poisoned = &handle.state().poisoned;
        if poisoned.load(Ordering::Acquire) {
            let message =
                format!("an earlier call on this {0} panicked (a bug in supmer); free it and make a new one", T::NAME);
            return fail(Status::Panic, message);
        }
        self.used.borrow_mut().push(poisoned);
        Ok(Some(handle))
    }
}

/// Runs `body`, writes a failure to `*error` (unless `error` is NULL) and returns its status.
///
/// # Safety
/// `error` is NULL or points to writable memory for one pointer.
pub(super) unsafe fn guard<'a>(
    error: *mut *mut supmer_error,
    body: impl FnOnce(&Call<'a>) -> Result<()>,
) -> supmer_status {
    let call = Call::default();
    let caught = silence::inside(|| catch_unwind(AssertUnwindSafe(|| body(&call))));
    let outcome = caught.unwrap_or_else(|payload| {
        call.used.borrow().iter().for_each(|poisoned| poisoned.store(true, Ordering::Release));
        let message = panic_message(payload.as_ref());
        log::error!("{message}");
        Err(Error::new(Status::Panic, message))
    });
    // What a model without workers computed with: tens of megabytes after an adaptation.
    kernels::release_scratch();
    match outcome {
        Ok(()) => Status::Ok.code(),
        Err(failure) => {
            let status = failure.status().code();
            if !error.is_null() {
                let handle = supmer_error::new(&failure);
                // SAFETY: not NULL, so the caller vouches that it is writable.
                unsafe { error.write(handle) };
            }
            status
        }
    }
}

/// Runs a getter that has no way to report failure; a panic gives `fallback`.
pub(super) fn guard_value<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    silence::inside(|| catch_unwind(AssertUnwindSafe(body))).unwrap_or(fallback)
}

/// A fixed text is passed on; a formatted one may quote the input that caused it and is not.
fn panic_message(payload: &(dyn Any + Send)) -> String {
    let detail = payload.downcast_ref::<&'static str>().copied();
    let detail = detail.unwrap_or("its message may quote input and is left out");
    format!("a panic was caught, please report this bug: {detail}")
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::super::adapt::supmer_adapt;
    use super::super::cancel::{supmer_cancel, supmer_cancel_free, supmer_cancel_new};
    use super::super::error::{supmer_error_free, supmer_error_message, supmer_error_status};
    use super::super::memory::{supmer_memory_estimate, supmer_memory_estimate_init, supmer_model_estimate_memory};
    use super::super::model::{supmer_model, supmer_model_fingerprint, supmer_model_free};
    use super::super::status::{SUPMER_STATUS_OK, SUPMER_STATUS_PANIC};
    use super::*;
    use crate::adapt::toy::Toy;
    use crate::model::Model;

    fn message(error: *const supmer_error) -> String {
        // SAFETY: `error` is live and its message ends in NUL.
        unsafe { std::ffi::CStr::from_ptr(supmer_error_message(error)) }.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_panic_becomes_a_status_and_a_message() {
        let mut error = ptr::null_mut();
        // SAFETY: `error` is a local.
        let status = unsafe { guard(&mut error, |_| panic!("injected")) };
        assert_eq!(status, SUPMER_STATUS_PANIC);
        // SAFETY: `error` was written above and is freed once.
        unsafe {
            assert_eq!(supmer_error_status(error), SUPMER_STATUS_PANIC);
            assert!(message(error).ends_with("injected"));
            supmer_error_free(error);
        }
    }

    #[test]
    fn a_panic_message_never_quotes_input() {
        let mut error = ptr::null_mut();
        let text = String::from("a patient's é");
        // SAFETY: `error` is a local.
        let status = unsafe { guard(&mut error, |_| panic!("no boundary in `{text}`")) };
        assert_eq!(status, SUPMER_STATUS_PANIC);
        assert!(!message(error).contains("patient"));
        // SAFETY: freed once.
        unsafe { supmer_error_free(error) };
    }

    /// In a process of its own, whose stderr can be read: nothing of a caught panic, on the caller's thread or a
    /// worker's, and all of the program's own.
    #[test]
    fn a_caught_panic_is_not_printed() {
        const NAME: &str = "capi::guard::tests::a_caught_panic_is_not_printed";
        if std::env::var_os("SUPMER_TEST_PANICS").is_some() {
            let text = String::from("a patient's name");
            let threads = crate::runtime::Threads::new(2).unwrap();
            // SAFETY: NULL is allowed.
            unsafe {
                let here = guard(ptr::null_mut(), |_| panic!("no boundary in `{text}`"));
                let worker = guard(ptr::null_mut(), |_| threads.enter(|| panic!("no boundary in `{text}`")));
                assert_eq!((here, worker), (SUPMER_STATUS_PANIC, SUPMER_STATUS_PANIC));
            }
            assert_eq!(guard_value(7, || panic!("no boundary in `{text}`")), 7);
            assert!(catch_unwind(|| panic!("the program's own")).is_err());
            return;
        }
        let program = std::env::current_exe().unwrap();
        let mut child = std::process::Command::new(program);
        let output = child.args(["--exact", NAME, "--nocapture"]).env("SUPMER_TEST_PANICS", "1").output().unwrap();
        let (printed, told) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success() && told.contains("1 passed"), "{told}{printed}");
        assert!(printed.contains("the program's own") && !printed.contains("patient"), "{printed}");
        assert_eq!(printed.matches("panicked at").count(), 1, "{printed}");
    }

    #[test]
    fn a_panic_breaks_the_handles_in_use_and_only_those() {
        let (mut used, mut other) = (ptr::null_mut::<supmer_cancel>(), ptr::null_mut::<supmer_cancel>());
        // SAFETY: both handles are made here and freed once.
        unsafe {
            assert_eq!(supmer_cancel_new(&mut used, ptr::null_mut()), SUPMER_STATUS_OK);
            assert_eq!(supmer_cancel_new(&mut other, ptr::null_mut()), SUPMER_STATUS_OK);
            let status = guard(ptr::null_mut(), |call| {
                call.handle(used.cast_const())?;
                panic!("injected")
            });
            assert_eq!(status, SUPMER_STATUS_PANIC);
            let again = guard(ptr::null_mut(), |call| call.handle(used.cast_const()).map(|_| ()));
            assert_eq!(again, SUPMER_STATUS_PANIC);
            let untouched = guard(ptr::null_mut(), |call| call.handle(other.cast_const()).map(|_| ()));
            assert_eq!(untouched, SUPMER_STATUS_OK);
            supmer_cancel_free(used);
            supmer_cancel_free(other);
        }
    }

    /// The whole way of a call: the toy's tokenizer panics when it is asked for.
    #[test]
    fn a_panic_in_the_engine_ends_in_the_call() {
        let model = supmer_model::give(Model::of(Toy::new())).unwrap();
        let mut error = ptr::null_mut();
        // SAFETY: live handles and locals; the model is freed once.
        unsafe {
            let mut estimate: supmer_memory_estimate = std::mem::zeroed();
            supmer_memory_estimate_init(&mut estimate, size_of::<supmer_memory_estimate>());
            let status = supmer_model_estimate_memory(model, ptr::null(), ptr::null(), &mut estimate, &mut error);
            assert_eq!((status, estimate.weights_bytes), (SUPMER_STATUS_PANIC, 0));
            assert!(message(error).starts_with("a panic was caught"), "{}", message(error));
            supmer_error_free(error);
            let mut adapter = ptr::null_mut();
            let (bundle, task, options) = (ptr::null(), ptr::null(), ptr::null());
            let status = supmer_adapt(model, bundle, task, options, &mut adapter, ptr::null_mut(), &mut error);
            assert_eq!(status, SUPMER_STATUS_PANIC);
            assert!(message(error).contains("an earlier call"), "{}", message(error));
            supmer_error_free(error);
            assert!(!supmer_model_fingerprint(model).is_null());
            supmer_model_free(model);
        }
    }

    #[test]
    fn a_getter_that_panics_gives_its_fallback() {
        assert_eq!(guard_value(7, || panic!("injected")), 7);
    }
}
