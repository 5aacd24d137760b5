//! Pointers from C, checked before they are followed.

use std::ffi::c_char;
use std::path::Path;

use crate::error::{Result, Status, fail};

/// `length` values at `pointer`; (NULL, 0) is empty. `name` is the argument's, for messages.
///
/// Errors: `InvalidArgument` for NULL with a length, for a pointer that is not aligned and for an impossible length.
///
/// # Safety
/// `pointer` is NULL or has `length` readable values that do not change for `'a`.
pub(super) unsafe fn slice<'a, T: Copy>(pointer: *const T, length: usize, name: &str) -> Result<&'a [T]> {
    if length == 0 {
        return Ok(&[]);
    }
    check(pointer, length, name)?;
    // SAFETY: not NULL, aligned, of possible size; the caller vouches for the rest.
    Ok(unsafe { std::slice::from_raw_parts(pointer, length) })
}

/// UTF-8 text; (NULL, 0) is empty. Errors: as [`slice`], and `InvalidUtf8` with the offset of the first bad byte.
///
/// # Safety
/// As for [`slice`].
pub(super) unsafe fn text<'a>(pointer: *const c_char, length: usize, name: &str) -> Result<&'a str> {
    // SAFETY: passed on to the caller.
    utf8(unsafe { slice(pointer.cast::<u8>(), length, name) }?, name)
}

/// `bytes` as text. Errors: `InvalidUtf8`.
pub(super) fn utf8<'a>(bytes: &'a [u8], name: &str) -> Result<&'a str> {
    std::str::from_utf8(bytes).or_else(|e| {
        fail(Status::InvalidUtf8, format!("{name} is not UTF-8: the byte at offset {} is wrong", e.valid_up_to()))
    })
}

/// A path in UTF-8. Errors: as [`text`], and `InvalidArgument` for an empty one.
///
/// # Safety
/// As for [`slice`].
pub(super) unsafe fn path<'a>(pointer: *const c_char, length: usize) -> Result<&'a Path> {
    // SAFETY: passed on to the caller.
    match unsafe { text(pointer, length, "path") }? {
        "" => fail(Status::InvalidArgument, "path is empty"),
        path => Ok(Path::new(path)),
    }
}

/// An output that is written once everything has succeeded.
pub(super) struct Out<T>(*mut T);

impl<T> Out<T> {
    /// An output that must be given. Errors: `InvalidArgument` when it is NULL or not aligned.
    ///
    /// # Safety
    /// `pointer` is NULL or writable for one value as long as this lives.
    pub unsafe fn required(pointer: *mut T, name: &str) -> Result<Self> {
        check(pointer, 1, name)?;
        Ok(Self(pointer))
    }

    /// An output that NULL leaves out.
    ///
    /// # Safety
    /// As for [`Out::required`].
    pub unsafe fn optional(pointer: *mut T, name: &str) -> Result<Option<Self>> {
        // SAFETY: passed on to the caller.
        if pointer.is_null() { Ok(None) } else { unsafe { Self::required(pointer, name) }.map(Some) }
    }

    /// Writes the output.
    pub fn write(self, value: T) {
        // SAFETY: whoever made this vouched that it is writable; it was checked not to be NULL.
        unsafe { self.0.write(value) };
    }
}

/// An array of outputs, written once everything has succeeded; what C has there may be uninitialized.
pub(super) struct OutSlice<T>(Option<*mut T>);

impl<T> OutSlice<T> {
    /// Room for `capacity` values, of which `needed` will be written; (NULL, 0) leaves the output out.
    ///
    /// Errors: `InvalidArgument` when it is too small, NULL with a capacity, or not aligned.
    ///
    /// # Safety
    /// `pointer` is NULL or writable for `capacity` values as long as this lives.
    pub unsafe fn new(pointer: *mut T, capacity: usize, needed: usize, name: &str) -> Result<Self> {
        if pointer.is_null() && capacity == 0 {
            return Ok(Self(None));
        }
        check(pointer, capacity, name)?;
        if capacity < needed {
            let message = format!("{name} has room for {capacity} values, {needed} are needed");
            return fail(Status::InvalidArgument, message);
        }
        Ok(Self(Some(pointer)))
    }

    /// Writes value `index`, which must be below the `needed` of [`OutSlice::new`].
    ///
    /// # Safety
    /// As said: `index` is below `needed`.
    pub unsafe fn write(&self, index: usize, value: T) {
        if let Some(pointer) = self.0 {
            // SAFETY: within the capacity that was checked; whoever made this vouched that it is writable.
            unsafe { pointer.add(index).write(value) };
        }
    }
}

fn check<T>(pointer: *const T, length: usize, name: &str) -> Result<()> {
    if pointer.is_null() {
        return fail(Status::InvalidArgument, format!("{name} is NULL"));
    }
    if !pointer.is_aligned() {
        return fail(Status::InvalidArgument, format!("{name} is not aligned to {} bytes", align_of::<T>()));
    }
    if length.checked_mul(size_of::<T>()).is_none_or(|bytes| bytes > isize::MAX as usize) {
        return fail(Status::InvalidArgument, format!("{name} has an impossible length of {length}"));
    }
    Ok(())
}
