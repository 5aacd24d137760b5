//! Views of a storage: where the elements of a tensor lie, and gathering them.

use half::{bf16, f16};

use super::torch_global::Element;
use crate::error::{Error, Result, Status, fail};

/// Most dimensions of a tensor.
const MAX_DIMENSIONS: usize = 8;

/// The elements that tensors share.
#[derive(Clone, Copy)]
pub(super) struct Storage<'a> {
    /// How they are stored, little-endian.
    pub(super) element: Element,
    /// All of them.
    pub(super) bytes: &'a [u8],
}

/// A tensor's place in a storage, known to lie inside it.
pub(super) struct View {
    shape: Vec<usize>,
    strides: Vec<usize>,
    offset: usize,
    /// Number of values; not more than the caller has room for.
    count: usize,
}

impl View {
    /// The view that starts at element `offset` of a storage of `elements` and goes on by `strides`, all in elements.
    ///
    /// Errors: `CorruptFile` when it reaches outside the storage or its numbers make no sense, `TooLarge` when it has
    /// more than `most` values.
    pub(super) fn new(shape: &[i64], strides: &[i64], offset: i64, elements: usize, most: usize) -> Result<Self> {
        let outside = || {
            let message = format!(
                "size {shape:?} with stride {strides:?} from element {offset} does not lie in a storage of {elements}"
            );
            Error::new(Status::CorruptFile, message)
        };
        if shape.len() != strides.len() || shape.len() > MAX_DIMENSIONS {
            let message = format!(
                "{} sizes and {} strides; one each for at most {MAX_DIMENSIONS} dimensions are read",
                shape.len(),
                strides.len()
            );
            return fail(Status::CorruptFile, message);
        }
        let whole = |number: i64| usize::try_from(number).map_err(|_| outside());
        let sizes = shape.iter().map(|&n| whole(n)).collect::<Result<Vec<usize>>>()?;
        let strides = strides.iter().map(|&n| whole(n)).collect::<Result<Vec<usize>>>()?;
        let offset = whole(offset)?;
        if sizes.contains(&0) {
            return Ok(Self { shape: sizes, strides, offset, count: 0 });
        }
        let mut last = Some(offset);
        let mut count = Some(1usize);
        for (&size, &stride) in sizes.iter().zip(&strides) {
            let reach = (size - 1).checked_mul(stride);
            last = last.zip(reach).and_then(|(last, reach)| last.checked_add(reach));
            count = count.and_then(|count| count.checked_mul(size));
        }
        if last.is_none_or(|last| last >= elements) {
            return Err(outside());
        }
        match count {
            Some(count) if count <= most => Ok(Self { shape: sizes, strides, offset, count }),
            _ => fail(
                Status::TooLarge,
                format!("size {shape:?}: the file's tensors would take far more memory than the file"),
            ),
        }
    }

    /// Sizes, slowest dimension first.
    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of values.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The values in row-major order.
    pub(super) fn gather(&self, storage: Storage<'_>) -> Vec<f32> {
        let bytes = storage.bytes;
        match storage.element {
            Element::F32 => self.gather_with(bytes.as_chunks().0, f32::from_le_bytes),
            Element::F16 => self.gather_with(bytes.as_chunks().0, |b| f16::from_le_bytes(b).to_f32()),
            Element::BF16 => self.gather_with(bytes.as_chunks().0, |b| bf16::from_le_bytes(b).to_f32()),
        }
    }

    fn gather_with<const N: usize>(&self, elements: &[[u8; N]], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        let mut values = Vec::with_capacity(self.count);
        let mut index = vec![0; self.shape.len()];
        let mut at = self.offset;
        for _ in 0..self.count {
            values.push(value(elements[at]));
            // The next index, as an odometer counts.
            for dimension in (0..index.len()).rev() {
                index[dimension] += 1;
                at += self.strides[dimension];
                if index[dimension] < self.shape[dimension] {
                    break;
                }
                at -= self.strides[dimension] * index[dimension];
                index[dimension] = 0;
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes() -> Vec<u8> {
        (0..12u8).flat_map(|i| f32::from(i).to_le_bytes()).collect()
    }

    #[test]
    fn gathers_by_stride() {
        let bytes = bytes();
        let storage = Storage { element: Element::F32, bytes: &bytes };
        let values = |shape: &[i64], strides: &[i64], offset| {
            View::new(shape, strides, offset, 12, 100).unwrap().gather(storage)
        };
        assert_eq!(values(&[2, 3], &[3, 1], 6), [6., 7., 8., 9., 10., 11.]);
        assert_eq!(values(&[3, 2], &[1, 3], 0), [0., 3., 1., 4., 2., 5.]);
        assert_eq!(values(&[2, 2, 2], &[6, 0, 2], 1), [1., 3., 1., 3., 7., 9., 7., 9.]);
        assert_eq!(values(&[], &[], 11), [11.]);
        assert_eq!(values(&[4, 0], &[1, 1], 99), [0.; 0]);
    }

    #[test]
    fn refuses_views_that_leave_the_storage() {
        let max = i64::MAX;
        let cases: [(&[i64], &[i64], i64, Status); 10] = [
            (&[12], &[1], 1, Status::CorruptFile),
            (&[7], &[2], 0, Status::CorruptFile),
            (&[3], &[-1], 5, Status::CorruptFile),
            (&[-3], &[1], 0, Status::CorruptFile),
            (&[3], &[1], -1, Status::CorruptFile),
            (&[max, max], &[max, max], max, Status::CorruptFile),
            (&[2, 3], &[1], 0, Status::CorruptFile),
            (&[1; 9], &[1; 9], 0, Status::CorruptFile),
            (&[max], &[0], 0, Status::TooLarge),
            (&[1 << 40, 1 << 40], &[0, 0], 11, Status::TooLarge),
        ];
        for (shape, strides, offset, status) in cases {
            let error = View::new(shape, strides, offset, 12, 100).err().unwrap();
            assert_eq!(error.status(), status, "{error}");
        }
        assert!(View::new(&[2], &[1], 0, 12, 1).is_err());
    }
}
