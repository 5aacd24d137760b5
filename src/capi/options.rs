//! Structs that may grow: `struct_size` says how much of one the caller knows, 0 in a field is its default.

use super::status::supmer_status;
use crate::error::{Error, Result, Status, fail};

/// A `struct_size` above this is a struct that was never initialized.
const MAX_STRUCT_SIZE: usize = 4096;

/// An options struct of the header.
///
/// # Safety
/// The type is `repr(C)`, starts with `struct_size: usize`, has no padding at its end ([`ends_with`]), and all zero bytes
/// are a value of it.
pub(super) unsafe trait Options: Copy {
    /// Name of the struct, for messages.
    const NAME: &'static str;
    /// Its sizes in all versions of the header so far; each ends where a field does.
    const SIZES: &'static [usize];
}

/// Asserts at compile time that nothing lies behind `$field` in `$options`: a later version's field could stand in
/// padding, and its size would not tell.
macro_rules! ends_with {
    ($options:ty, $field:ident: $kind:ty) => {
        const _: () = assert!(std::mem::offset_of!($options, $field) + size_of::<$kind>() == size_of::<$options>());
    };
}
pub(super) use ends_with;

/// Reads the part of `*given` that both sides know, the rest zero; NULL gives all zero, which is every default.
///
/// Errors: `InvalidOption` when `struct_size` is that of no version, or when fields that this version does not know are
/// used.
///
/// # Safety
/// `given` is NULL or points to as many readable bytes as its first field says.
pub(super) unsafe fn read<T: Options>(given: *const T) -> Result<T> {
    // SAFETY: all zero is a value, says the trait.
    let mut options: T = unsafe { std::mem::zeroed() };
    if given.is_null() {
        return Ok(options);
    }
    // SAFETY: `struct_size` comes first, says the trait.
    let size = unsafe { given.cast::<usize>().read_unaligned() };
    check_size::<T>(size)?;
    // SAFETY: the caller vouches for `size` readable bytes.
    let bytes = unsafe { std::slice::from_raw_parts(given.cast::<u8>(), size) };
    let known = size.min(size_of::<T>());
    if let Some(at) = bytes[known..].iter().position(|&b| b != 0) {
        let at = known + at;
        return fail(
            Status::InvalidOption,
            format!(
                "{}: the field at byte {at} is newer than this library; set it to 0 or update the library",
                T::NAME
            ),
        );
    }
    // SAFETY: `known` bytes are readable (above) and fit into `options`; every part of C's struct is plain data.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), (&raw mut options).cast::<u8>(), known) };
    Ok(options)
}

/// Writes the part of `value` that the caller knows to `*taken`, whose `struct_size` stays.
///
/// Errors: `InvalidArgument` for NULL, `InvalidOption` for a size that no version has.
///
/// # Safety
/// `taken` is NULL or points to as many writable bytes as its first field says.
pub(super) unsafe fn write<T: Options>(taken: *mut T, value: T) -> Result<()> {
    if taken.is_null() {
        return fail(Status::InvalidArgument, format!("the {} is NULL", T::NAME));
    }
    // SAFETY: `struct_size` comes first, says the trait.
    let size = unsafe { taken.cast::<usize>().read_unaligned() };
    check_size::<T>(size)?;
    let (first, known) = (size_of::<usize>(), size.min(size_of::<T>()));
    // SAFETY: `known` bytes are writable, says the caller, and part of `value`, which has no padding.
    unsafe {
        let (from, to) = ((&raw const value).cast::<u8>(), taken.cast::<u8>());
        std::ptr::copy_nonoverlapping(from.add(first), to.add(first), known - first);
    }
    Ok(())
}

/// Zeroes `struct_size` bytes and notes the size. Returns the status: `InvalidArgument` for NULL, else as [`read`].
///
/// # Safety
/// `options` is NULL or points to `struct_size` writable bytes.
pub(super) unsafe fn init<T: Options>(options: *mut T, struct_size: usize) -> supmer_status {
    if options.is_null() {
        return Status::InvalidArgument.code();
    }
    if let Err(error) = check_size::<T>(struct_size) {
        return Error::status(&error).code();
    }
    // SAFETY: the caller vouches for that many writable bytes, which hold at least the first field.
    unsafe {
        options.cast::<u8>().write_bytes(0, struct_size);
        options.cast::<usize>().write_unaligned(struct_size);
    }
    Status::Ok.code()
}

/// A later version's size is not known here; it is larger and keeps the alignment.
fn check_size<T: Options>(size: usize) -> Result<()> {
    let may_be_later = size > size_of::<T>() && size <= MAX_STRUCT_SIZE && size.is_multiple_of(align_of::<T>());
    if T::SIZES.contains(&size) || may_be_later {
        return Ok(());
    }
    let name = T::NAME;
    fail(
        Status::InvalidOption,
        format!(
            "{name}: struct_size is {size}, {} was expected; call {name}_init with the struct's sizeof",
            size_of::<T>()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::model::supmer_model_options;
    use super::super::status::{SUPMER_STATUS_INVALID_ARGUMENT, SUPMER_STATUS_INVALID_OPTION, SUPMER_STATUS_OK};
    use super::*;

    /// The model's options as a later version of the header may have them.
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Grown {
        known: supmer_model_options,
        new_field: u64,
    }

    fn grown() -> Grown {
        let mut options = std::mem::MaybeUninit::<Grown>::uninit();
        let pointer = options.as_mut_ptr().cast::<supmer_model_options>();
        // SAFETY: `init` writes all of `Grown`, whose size it is given.
        unsafe {
            assert_eq!(init(pointer, size_of::<Grown>()), SUPMER_STATUS_OK);
            options.assume_init()
        }
    }

    fn read_grown(options: &Grown) -> Result<supmer_model_options> {
        // SAFETY: a live struct whose first field says its size.
        unsafe { read((&raw const *options).cast()) }
    }

    #[test]
    fn null_is_every_default() {
        // SAFETY: NULL is allowed.
        let options = unsafe { read::<supmer_model_options>(std::ptr::null()) }.unwrap();
        assert_eq!((options.thread_count, options.prompt_cache_bytes), (0, 0));
    }

    #[test]
    fn a_larger_struct_is_read_unless_its_tail_is_used() {
        let mut options = grown();
        options.known.thread_count = 3;
        assert_eq!(read_grown(&options).unwrap().thread_count, 3);
        options.new_field = 1 << 40;
        let error = read_grown(&options).err().unwrap();
        assert_eq!(error.status(), Status::InvalidOption);
        assert!(error.to_string().contains("newer than this library"), "{error}");
    }

    #[test]
    fn an_earlier_struct_is_read_as_far_as_it_goes() {
        let mut options = grown();
        (options.known.thread_count, options.known.instructions) = (3, 7);
        options.known.struct_size = supmer_model_options::SIZES[0];
        let read = read_grown(&options).unwrap();
        assert_eq!((read.thread_count, read.instructions), (3, 0));
    }

    #[test]
    fn sizes_that_never_were_are_refused() {
        let mut options = grown();
        let (first, whole) = (supmer_model_options::SIZES[0], size_of::<supmer_model_options>());
        // Between two versions, with a part of a field at its end, or with a whole one that came with others.
        let between = [first + 1, first + size_of::<u32>(), whole - size_of::<usize>()];
        for size in [&between[..], &[0, 1, first - 1, whole + 1, MAX_STRUCT_SIZE + 8, usize::MAX]].concat() {
            options.known.struct_size = size;
            assert_eq!(read_grown(&options).err().unwrap().status(), Status::InvalidOption, "{size}");
            // SAFETY: a refused size writes nothing.
            assert_eq!(unsafe { init(&raw mut options.known, size) }, SUPMER_STATUS_INVALID_OPTION);
        }
        // SAFETY: NULL is refused before anything is written.
        assert_eq!(unsafe { init::<supmer_model_options>(std::ptr::null_mut(), 32) }, SUPMER_STATUS_INVALID_ARGUMENT);
    }
}
