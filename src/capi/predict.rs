//! Labels for new texts. Probabilities come in the order of the adapter's labels and sum to 1. The first prediction
//! with an adapter computes the state of its prompt, later ones find it in the model's cache.

use std::ffi::{c_char, c_void};
use std::mem::offset_of;

use super::adapter::supmer_adapter;
use super::arguments::{self, OutSlice};
use super::cancel::supmer_cancel;
use super::error::supmer_error;
use super::guard::{Call, guard};
use super::model::supmer_model;
use super::options::{self, Options};
use super::progress::{Listener, supmer_progress_callback};
use super::status::supmer_status;
use crate::error::{Result, Status, fail};
use crate::limits::MAX_EXAMPLES;
use crate::model::Model;
use crate::predict::{self, PredictOptions, Prediction};
use crate::runtime::Cancel;
use crate::task::Example;

/// The label of a prediction that abstained.
pub const SUPMER_ABSTAINED: i32 = -1;

/// How to predict. 0 (or NULL) in a field is its default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct supmer_predict_options {
    /// Size of this struct in bytes, set by `supmer_predict_options_init`.
    pub struct_size: usize,
    /// Abstain when the best label's probability is below this, 0 to 1; 0 = never.
    pub abstain_below: f32,
    /// Rows computed together, at most 4,096; 0 = chosen by the library.
    pub batch_size: u32,
    /// Stops the call; NULL = nothing does.
    pub cancel: *const supmer_cancel,
    /// Told after every batch how many rows are done (`SUPMER_STAGE_PREDICT`); NULL = nobody.
    pub progress: supmer_progress_callback,
    /// Handed to `progress`.
    pub progress_user_data: *mut c_void,
}

// SAFETY: repr(C), `struct_size` first, no padding at its end (asserted), numbers and pointers that may all be zero.
unsafe impl Options for supmer_predict_options {
    const NAME: &'static str = "supmer_predict_options";
    const SIZES: &'static [usize] = &[offset_of!(Self, progress), size_of::<Self>()];
}

options::ends_with!(supmer_predict_options, progress_user_data: *mut c_void);

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<supmer_predict_options>() == 40);

/// Makes `options` all defaults.
///
/// - `options`, `struct_size`: the struct and its `sizeof`.
/// - Errors: `INVALID_ARGUMENT` for NULL, `INVALID_OPTION` for a size that no version has.
/// - Threads: any.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_predict_options_init(
    options: *mut supmer_predict_options,
    struct_size: usize,
) -> supmer_status {
    // SAFETY: NULL or `struct_size` writable bytes, says the caller.
    unsafe { options::init(options, struct_size) }
}

/// Predicts one text, for a template with the field `{text}`.
///
/// - `model`, `adapter`: the adapter must be made for the model's family.
/// - `text`, `text_length`: the text.
/// - `options`: NULL for all defaults.
/// - `probabilities`, `capacity`: receive one value per label; room for fewer is an error, (NULL, 0) leaves them out.
/// - `label`: receives the position of the best label or `SUPMER_ABSTAINED`; NULL leaves it out.
/// - Errors: `BACKBONE_MISMATCH`, `INVALID_TASK` (the adapter's labels are not told apart by this model's tokens, or are
///   too long), `INVALID_EXAMPLE`, `INVALID_OPTION`, `TOO_LARGE`, `NOT_FINITE`, `CANCELLED`, `INVALID_ARGUMENT`,
///   `INVALID_UTF8`.
/// - Threads: any; calls may share model and adapter.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_predict(
    model: *const supmer_model,
    adapter: *const supmer_adapter,
    text: *const c_char,
    text_length: usize,
    options: *const supmer_predict_options,
    probabilities: *mut f32,
    capacity: usize,
    label: *mut i32,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |call| {
            let request = Request::new(call, model, adapter, options)?;
            let outputs = Outputs::new(1, request.label_count(), probabilities, capacity, label)?;
            let row = Example::text(arguments::text(text, text_length, "text")?, None);
            outputs.write(&request.run(&[row])?)
        })
    }
}

/// Predicts one row of any fields, given as a JSON object such as `{"title": "...", "body": "..."}`. Members that the
/// template does not name are left out; numbers, true and false are taken as text.
///
/// - `json`, `json_length`: the object.
/// - `model`, `adapter`, `options`, `probabilities`, `capacity`, `label`: as for `supmer_predict`.
/// - Errors: as `supmer_predict`; `INVALID_EXAMPLE` also when it is no JSON object or lacks a field of the template.
/// - Threads: any; calls may share model and adapter.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_predict_row_json(
    model: *const supmer_model,
    adapter: *const supmer_adapter,
    json: *const c_char,
    json_length: usize,
    options: *const supmer_predict_options,
    probabilities: *mut f32,
    capacity: usize,
    label: *mut i32,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |call| {
            let request = Request::new(call, model, adapter, options)?;
            let outputs = Outputs::new(1, request.label_count(), probabilities, capacity, label)?;
            let json = arguments::text(json, json_length, "json")?;
            let row = request.adapter.adapter().task().parse_row(json, false)?;
            outputs.write(&request.run(&[row])?)
        })
    }
}

/// Predicts many texts, for a template with the field `{text}`, faster than one by one.
///
/// - `model`, `adapter`, `options`: as for `supmer_predict`.
/// - `blob`, `blob_length`: all texts, one after another.
/// - `offsets`, `count`: at most 10,000,000 texts; `count + 1` positions in `blob`, none below the one before; text i is
///   the bytes from `offsets[i]` up to `offsets[i + 1]`.
/// - `probabilities`, `capacity`: receive `count` times one value per label, text by text; room for fewer is an error,
///   (NULL, 0) leaves them out.
/// - `labels`: receives `count` positions of the best label or `SUPMER_ABSTAINED`; NULL leaves them out.
/// - Errors: as `supmer_predict`; one bad text fails the call, and the message says which, counted from 1.
/// - Threads: any; calls may share model and adapter.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_predict_batch(
    model: *const supmer_model,
    adapter: *const supmer_adapter,
    blob: *const c_char,
    blob_length: usize,
    offsets: *const usize,
    count: usize,
    options: *const supmer_predict_options,
    probabilities: *mut f32,
    capacity: usize,
    labels: *mut i32,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |call| {
            let request = Request::new(call, model, adapter, options)?;
            check_count(count)?;
            let outputs = Outputs::new(count, request.label_count(), probabilities, capacity, labels)?;
            outputs.write(&request.run(&cut_blob(blob, blob_length, offsets, count)?)?)
        })
    }
}

/// Predicts many texts, each with an adapter of its own: many customers in one batch over one model. Adapters may repeat
/// and may have different labels; every template has the field `{text}`.
///
/// - `model`, `options`, `blob`, `blob_length`, `offsets`, `count`, `labels`: as for `supmer_predict_batch`.
/// - `adapters`: `count` adapters, text by text.
/// - `probabilities`, `stride`: receive `count` rows of `stride` values, a row's probabilities first and then zeros;
///   `stride` is at least the largest number of labels. (NULL, 0) leaves them out.
/// - Errors: as `supmer_predict_batch`.
/// - Threads: any; calls may share model and adapters.
/// - Since: 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn supmer_predict_mixed(
    model: *const supmer_model,
    adapters: *const *const supmer_adapter,
    blob: *const c_char,
    blob_length: usize,
    offsets: *const usize,
    count: usize,
    options: *const supmer_predict_options,
    probabilities: *mut f32,
    stride: usize,
    labels: *mut i32,
    error: *mut *mut supmer_error,
) -> supmer_status {
    // SAFETY: pointers are NULL or as long and writable as the header says, says the caller.
    unsafe {
        guard(error, |call| {
            let model = call.handle(model)?.model()?;
            let (options, listener) = read_options(call, options)?;
            check_count(count)?;
            let mut own = Vec::new();
            for (row, &adapter) in arguments::slice(adapters, count, "adapters")?.iter().enumerate() {
                own.push(call.handle(adapter).map_err(|e| e.context(format!("row {}", row + 1)))?.adapter());
            }
            let most = own.iter().map(|adapter| adapter.task().labels().len()).max().unwrap_or(0);
            if !probabilities.is_null() && stride < most {
                let message = format!("stride is {stride}, the adapters have up to {most} labels");
                return fail(Status::InvalidArgument, message);
            }
            let outputs = Outputs::new(count, stride, probabilities, count.saturating_mul(stride), labels)?;
            let texts = cut_blob(blob, blob_length, offsets, count)?;
            let rows: Vec<_> = own.iter().zip(&texts).map(|(adapter, text)| (adapter.as_ref(), text)).collect();
            outputs.write(&predict::predict_mixed_watched(model, &rows, &options, &mut |progress| {
                listener.tell(progress)
            })?)
        })
    }
}

/// With what to predict.
struct Request<'a> {
    model: &'a Model,
    adapter: &'a supmer_adapter,
    options: PredictOptions,
    listener: Listener,
}

impl<'a> Request<'a> {
    /// # Safety
    /// The handles and what the options point to are NULL or live.
    unsafe fn new(
        call: &Call<'a>,
        model: *const supmer_model,
        adapter: *const supmer_adapter,
        options: *const supmer_predict_options,
    ) -> Result<Self> {
        // SAFETY: passed on to the caller.
        let (model, adapter) = unsafe { (call.handle(model)?.model()?, call.handle(adapter)?) };
        // SAFETY: passed on to the caller.
        let (options, listener) = unsafe { read_options(call, options) }?;
        Ok(Self { model, adapter, options, listener })
    }

    fn label_count(&self) -> usize {
        self.adapter.adapter().task().labels().len()
    }

    fn run(&self, rows: &[Example]) -> Result<Vec<Prediction>> {
        let mut progress = |progress| self.listener.tell(progress);
        predict::predict_watched(self.model, self.adapter.adapter(), rows, &self.options, &mut progress)
    }
}

/// The Rust options, and who is told of the progress.
///
/// # Safety
/// `options` is NULL or as long as it says, and what it points to is live.
unsafe fn read_options(call: &Call<'_>, options: *const supmer_predict_options) -> Result<(PredictOptions, Listener)> {
    // SAFETY: passed on to the caller.
    let given = unsafe { options::read(options) }?;
    // SAFETY: passed on to the caller.
    let cancel = unsafe { call.optional(given.cancel) }?.map_or_else(Cancel::new, supmer_cancel::flag);
    let (abstain_below, batch_size) = (given.abstain_below, given.batch_size as usize);
    let listener = Listener::new(given.progress, given.progress_user_data);
    Ok((PredictOptions { abstain_below, batch_size, cancel }, listener))
}

/// Where predictions go, checked before anything is computed: rows of `stride` probabilities, and labels.
struct Outputs {
    count: usize,
    stride: usize,
    probabilities: OutSlice<f32>,
    labels: OutSlice<i32>,
}

impl Outputs {
    /// Errors: `InvalidArgument` when the room does not suffice.
    ///
    /// # Safety
    /// `probabilities` has `capacity` writable values and `labels` `count`, or they are NULL.
    unsafe fn new(
        count: usize,
        stride: usize,
        probabilities: *mut f32,
        capacity: usize,
        labels: *mut i32,
    ) -> Result<Self> {
        let label_capacity = if labels.is_null() { 0 } else { count };
        // SAFETY: passed on to the caller.
        let (probabilities, labels) = unsafe {
            (
                OutSlice::new(probabilities, capacity, count.saturating_mul(stride), "probabilities")?,
                OutSlice::new(labels, label_capacity, count, "labels")?,
            )
        };
        Ok(Self { count, stride, probabilities, labels })
    }

    /// Writes the predictions; what a row has left is 0. Errors: `Internal` when they are not as many as promised.
    fn write(&self, predictions: &[Prediction]) -> Result<()> {
        if predictions.len() != self.count {
            return fail(Status::Internal, "predictions are missing");
        }
        for (row, prediction) in predictions.iter().enumerate() {
            let label = prediction.label.map_or(SUPMER_ABSTAINED, |l| l as i32);
            // SAFETY: `row` is below the promised count.
            unsafe { self.labels.write(row, label) };
            let values = prediction.probabilities.iter().copied().chain(std::iter::repeat(0.0));
            for (i, probability) in values.take(self.stride).enumerate() {
                // SAFETY: `row` is below the promised count and `i` below the stride.
                unsafe { self.probabilities.write(row * self.stride + i, probability) };
            }
        }
        Ok(())
    }
}

fn check_count(count: usize) -> Result<()> {
    if count <= MAX_EXAMPLES {
        return Ok(());
    }
    fail(Status::TooLarge, format!("count is at most {MAX_EXAMPLES}, {count} was given"))
}

/// The `count` texts of a blob. Errors: as for [`cut`], and `InvalidArgument` for NULL.
///
/// # Safety
/// `blob` has `blob_length` readable bytes and `offsets` `count + 1` values, or they are NULL.
unsafe fn cut_blob(
    blob: *const c_char,
    blob_length: usize,
    offsets: *const usize,
    count: usize,
) -> Result<Vec<Example>> {
    // SAFETY: passed on to the caller.
    let blob = unsafe { arguments::slice(blob.cast::<u8>(), blob_length, "blob") }?;
    if count == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: passed on to the caller.
    cut(blob, unsafe { arguments::slice(offsets, count + 1, "offsets") }?)
}

/// The texts of `blob` between `offsets` as rows. Errors: `InvalidArgument` and `InvalidUtf8` name the row.
fn cut(blob: &[u8], offsets: &[usize]) -> Result<Vec<Example>> {
    let text = |(row, ends): (usize, &[usize])| {
        let Some(bytes) = blob.get(ends[0]..ends[1]) else {
            let (from, to, length) = (ends[0], ends[1], blob.len());
            let message =
                format!("row {}: its bytes {from} to {to} are not inside the blob of {length} bytes", row + 1);
            return fail(Status::InvalidArgument, message);
        };
        Ok(Example::text(arguments::utf8(bytes, &format!("row {}", row + 1))?, None))
    };
    offsets.windows(2).enumerate().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_cut_into_rows() {
        let rows = cut("onezwölf".as_bytes(), &[0, 3, 3, 9]).unwrap();
        let texts: Vec<_> = rows.iter().map(|row| row.fields["text"].as_str()).collect();
        assert_eq!(texts, ["one", "", "zwölf"]);
        assert!(cut(b"", &[]).unwrap().is_empty());
    }

    #[test]
    fn bad_offsets_name_their_row() {
        for offsets in [[0, 2, 1], [0, 1, 10], [0, 1, usize::MAX]] {
            let error = cut(b"abc", &offsets).err().unwrap();
            assert_eq!(error.status(), Status::InvalidArgument);
            assert!(error.to_string().starts_with("row 2:"), "{error}");
        }
        let error = cut("aé".as_bytes(), &[0, 1, 2]).err().unwrap();
        assert_eq!(error.status(), Status::InvalidUtf8);
        assert!(error.to_string().starts_with("row 2 "), "{error}");
    }
}
