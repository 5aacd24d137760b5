use super::*;

fn mapped_file(bytes: &[u8]) -> (tempfile::TempDir, Bytes) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    std::fs::write(&path, bytes).unwrap();
    let map = mapped::map(&path).unwrap();
    (folder, map)
}

#[test]
fn sizes_must_fit() {
    let (_folder, map) = mapped_file(&[0; 100]);
    let stored = |offset, length| Storage::Stored { file: map.clone(), offset, length };
    assert!(FrozenMatrix::new(2, 32, Format::Q4_0, stored(10, 36)).is_ok());
    for (rows, columns, format, storage) in [
        (2, 32, Format::Q4_0, stored(10, 35)),
        (2, 32, Format::Q4_0, stored(65, 36)),
        (2, 32, Format::Q4_0, stored(usize::MAX, 36)),
        (2, 33, Format::Q4_0, stored(0, 36)),
        (0, 32, Format::Q4_0, stored(0, 0)),
        (2, 0, Format::F32, stored(0, 0)),
        (usize::MAX, usize::MAX, Format::F32, stored(0, 4)),
        (1 << 62, 1, Format::F32, stored(0, 0)),
        (2, 2, Format::F32, Storage::Owned(vec![0.0; 3])),
    ] {
        let error = FrozenMatrix::new(rows, columns, format, storage).err().expect("sizes that do not fit");
        assert_eq!(error.status(), Status::CorruptFile, "{error}");
    }
}

#[test]
fn owned_and_mapped_f32_read_alike() {
    let values = [1.0f32, -2.0, 3.5, 0.25, 5.0, 6.0];
    let bytes: Vec<u8> = [0; 8].into_iter().chain(values.iter().flat_map(|v| v.to_le_bytes())).collect();
    let (_folder, map) = mapped_file(&bytes);
    let mapped = FrozenMatrix::new(2, 3, Format::F32, Storage::Stored { file: map, offset: 8, length: 24 }).unwrap();
    let owned = FrozenMatrix::new(2, 3, Format::F32, Storage::Owned(values.to_vec())).unwrap();
    for matrix in [&mapped, &owned, &mapped.expanded().unwrap()] {
        let mut row = [0.0; 2];
        matrix.expand(1, 1, &mut row);
        assert_eq!(row, [5.0, 6.0]);
        assert!(matrix.is_finite());
        assert_eq!(matrix.row_bytes(1).len(), 12);
        if cfg!(target_endian = "little") {
            assert_eq!(matrix.as_f32(), Some(&values[..]));
        }
    }
}

#[test]
fn misaligned_f32_is_not_lent() {
    let (_folder, map) = mapped_file(&[0; 9]);
    let matrix = FrozenMatrix::new(1, 2, Format::F32, Storage::Stored { file: map, offset: 1, length: 8 }).unwrap();
    assert!(matrix.as_f32().is_none());
}

#[test]
fn expansion_lets_go_of_the_file() {
    let halves: Vec<u8> = [1.0f32, -0.5, 2.0, 4.0].iter().flat_map(|&v| half::f16::from_f32(v).to_le_bytes()).collect();
    let (_folder, map) = mapped_file(&halves);
    let storage = Storage::Stored { file: map.clone(), offset: 0, length: 8 };
    let matrix = FrozenMatrix::new(2, 2, Format::F16, storage).unwrap();
    let expanded = matrix.expanded().unwrap();
    assert_eq!(expanded.format(), Format::F32);
    assert_eq!(expanded.as_f32(), Some(&[1.0, -0.5, 2.0, 4.0][..]));
    drop(matrix);
    assert_eq!(std::sync::Arc::strong_count(&map.0), 1);
}

#[test]
fn names_the_tensor_that_is_not_finite() {
    let matrix = FrozenMatrix::new(1, 2, Format::F32, Storage::Owned(vec![0.0, f32::NAN])).unwrap();
    let error = matrix.check_finite("blk.0.attn_q.weight").unwrap_err();
    assert_eq!(error.status(), Status::NotFinite);
    assert!(error.to_string().contains("blk.0.attn_q.weight"));
}
