//! Hostile pickles in sound archives.

use supmer::Status;
use supmer::interchange::torch_file::{TorchFile, from_bytes};

use super::checkpoint::{file, op};
use super::{assert_refused, read};

const VALUES: [f32; 6] = [0.5, -1.0, 2.0, 3.0, 4.0, 5.0];

fn checkpoint(body: &[u8]) -> Vec<u8> {
    file(&op::pickle(body), &VALUES)
}

#[track_caller]
fn values(body: &[u8]) -> Vec<f32> {
    match read(&checkpoint(body)).unwrap() {
        TorchFile::Tensor(tensor) => tensor.values,
        TorchFile::Named(tensors) => tensors.into_iter().flat_map(|(_, tensor)| tensor.values).collect(),
    }
}

#[test]
fn the_sound_forms_are_read() {
    assert_eq!(values(&op::tensor(6)), VALUES);
    let parameter = op::call(
        &op::global("torch._utils", "_rebuild_parameter"),
        &[op::tensor(6), b"\x88".to_vec(), op::ordered_dict()],
    );
    assert_eq!(values(&parameter), VALUES);
    let shared = |offset| op::view(op::storage("FloatStorage", "0", 6), offset, &[2], &[3]);
    let items = [op::text("b"), shared(0), op::text("a"), shared(2)];
    assert_eq!(values(&op::dict(&items)), [0.5, 3.0, 2.0, 5.0]);
    let state_dict = [
        &op::ordered_dict()[..],
        b"(",
        &items.concat(),
        b"u",
        &op::dict(&[op::text("_metadata"), op::ordered_dict()]),
        b"b",
    ];
    assert_eq!(values(&state_dict.concat()), [0.5, 3.0, 2.0, 5.0]);
    assert_eq!(read(&checkpoint(b"}")).unwrap(), TorchFile::Named(Vec::new()));
}

#[test]
fn nothing_else_is_named_made_or_called() {
    // A command that would leave a trace.
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let command = op::text(&format!("touch {}", trace.display()));
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("__builtin__", "getattr"),
        ("torch", "load"),
        ("torch._utils", "_rebuild_tensor"),
        ("torch.storage", "_load_from_bytes"),
        ("collections", "OrderedDict.fromkeys"),
        ("torch._utils ", "_rebuild_tensor_v2"),
    ] {
        let name_of_both = format!("{module}.{name}");
        let by_line = op::call(&op::global(module, name), std::slice::from_ref(&command));
        assert_refused(&checkpoint(&by_line), Status::Unsupported, &[&name_of_both, "nothing is run"]);
        // Named behind a sound value, and on the stack.
        let inside = op::dict(&[op::text("a"), op::tensor(6), op::text("b"), by_line]);
        assert_refused(&checkpoint(&inside), Status::Unsupported, &[&name_of_both]);
        let on_stack = [op::text(module), op::text(name), b"\x93".to_vec(), op::tuple(&[]), b"R".to_vec()].concat();
        assert_refused(&checkpoint(&on_stack), Status::Unsupported, &[&name_of_both]);
    }
    assert!(!trace.exists());

    for (operation, name) in [
        (&b"(ios\nsystem\n"[..], "INST"),
        (b"(o", "OBJ"),
        (b")\x81", "NEWOBJ"),
        (b")}\x92", "NEWOBJ_EX"),
        (b"\x82\x01", "EXT"),
        (b"P0\n", "PERSID"),
        (b"]", "LIST"),
        (b"\x97", "0x97"),
    ] {
        let body = [&op::global("collections", "OrderedDict"), operation].concat();
        assert_refused(&checkpoint(&body), Status::Unsupported, &[name, "data.pkl", "byte"]);
    }
    let cases = [
        (op::call(&op::global("torch", "FloatStorage"), &[op::number(9)]), "REDUCE: a class of storages"),
        (op::call(&op::global("collections", "OrderedDict"), &[op::tuple(&[])]), "REDUCE: the class OrderedDict"),
        (op::call(&op::tensor(6), &[]), "REDUCE: a tensor"),
        ([op::tensor(6), b"}b".to_vec()].concat(), "BUILD: expected a dictionary, a tensor"),
        ([op::ordered_dict(), op::tuple(&[]), b"b".to_vec()].concat(), "BUILD"),
        ([op::tuple(&[]), b"NNs".to_vec()].concat(), "SETITEM: expected a dictionary, a tuple"),
        (op::dict(&[op::number(1), op::tensor(6)]), "expected a text"),
        (op::dict(&[op::text("a"), op::number(1)]), "found a whole number"),
        (op::text("a"), "found a text"),
    ];
    for (body, word) in cases {
        assert_refused(&checkpoint(&body), Status::Unsupported, &[word]);
    }
}

#[test]
fn tensors_stay_inside_their_storage() {
    let view = |offset, shape: &[i64], strides: &[i64]| {
        checkpoint(&op::view(op::storage("FloatStorage", "0", 6), offset, shape, strides))
    };
    let huge = 1i64 << 40;
    for (file, word) in [
        (view(0, &[7], &[1]), "storage of 6"),
        (view(1, &[6], &[1]), "storage of 6"),
        (view(5, &[2], &[-1]), "stride [-1]"),
        (view(-1, &[2], &[1]), "element -1"),
        (view(0, &[-2], &[1]), "size [-2]"),
        (view(0, &[huge, huge], &[huge, 1]), "storage of 6"),
        (view(i64::MAX, &[i64::MAX], &[i64::MAX]), "storage of 6"),
        (view(0, &[1; 9], &[1; 9]), "dimensions"),
        (view(0, &[2, 3], &[1]), "strides"),
    ] {
        assert_refused(&file, Status::CorruptFile, &[word]);
    }
    // Elements of stride 0 cost nothing in the file.
    for shape in [&[huge][..], &[huge, huge], &[1 << 24]] {
        assert_refused(&view(0, shape, &vec![0; shape.len()]), Status::TooLarge, &["memory"]);
    }
    let wide = op::view(op::storage("FloatStorage", "0", 6), 0, &[1 << 20], &[0]);
    let items: Vec<Vec<u8>> = (0..9).flat_map(|i| [op::text(&format!("t{i}")), wide.clone()]).collect();
    assert_refused(&checkpoint(&op::dict(&items)), Status::TooLarge, &["t8", "memory"]);
}

#[test]
fn storages_have_the_size_of_their_record() {
    let read_as = |class, key, elements| checkpoint(&op::view(op::storage(class, key, elements), 0, &[1], &[1]));
    for elements in [5, 7, 0, -1, 1 << 60, i64::MAX] {
        assert_refused(&read_as("FloatStorage", "0", elements), Status::CorruptFile, &["the record has 24"]);
    }
    assert_refused(&read_as("HalfStorage", "0", 6), Status::CorruptFile, &["the record has 24"]);
    assert_refused(&read_as("FloatStorage", "1", 6), Status::CorruptFile, &["data/1", "missing"]);
    assert_refused(&read_as("FloatStorage", "../data/0", 6), Status::CorruptFile, &["missing"]);
    assert_refused(&read_as("LongStorage", "0", 3), Status::Unsupported, &["LongStorage", "float32"]);
    let both = |class, elements| op::view(op::storage(class, "0", elements), 0, &[1], &[1]);
    let items = [op::text("a"), both("FloatStorage", 6), op::text("b"), both("BFloat16Storage", 12)];
    assert_refused(&checkpoint(&op::dict(&items)), Status::CorruptFile, &["\"b\"", "both"]);
    let twice = op::dict(&[op::text("a"), op::tensor(6), op::text("a"), op::tensor(6)]);
    assert_refused(&checkpoint(&twice), Status::CorruptFile, &["\"a\"", "twice"]);
}

#[test]
fn damaged_pickles_are_refused() {
    let whole = op::pickle(&op::tensor(6));
    for length in 0..whole.len() {
        assert!(read(&file(&whole[..length], &VALUES)).is_err(), "{length}");
    }
    // Every operation and operand changed, and one more put in, with right checksums: never a panic, and what is read
    // all the same has its values from the storage.
    let state_dict = op::pickle(&op::dict(&[op::text("a"), op::tensor(6), op::text("b"), op::tensor(6)]));
    for at in 0..state_dict.len() {
        for byte in 0..=255u8 {
            let mut changed = state_dict.clone();
            changed[at] = byte;
            let mut longer = state_dict.clone();
            longer.insert(at, byte);
            for pickle in [changed, longer] {
                if let Ok(TorchFile::Named(tensors)) = from_bytes(&file(&pickle, &VALUES)) {
                    assert!(tensors.iter().flat_map(|(_, t)| &t.values).all(|value| VALUES.contains(value)));
                }
            }
        }
    }
    for (body, word) in [
        (&b"\x80\x06"[..], "protocol 6"),
        (b"X\xff\xff\xff\xff", "pickle ends"),
        (b"X\x01\x00\x00\x00\xff", "UTF-8"),
        (b"cos", "pickle ends"),
        (b"h\x07", "memo 7"),
        (b"(R", "needs a value"),
        (b"K\x01(s", "needs a value"),
        (b"t", "needs a mark"),
        (b"}(K\x01u", "without a value"),
        (b"N)\x93", "STACK_GLOBAL"),
        (b"\x8a\x09123456789", "9 bytes"),
        (b"NN", "STOP"),
        (b"N.N", "STOP"),
    ] {
        let error = read(&checkpoint(body)).unwrap_err().to_string();
        assert!(error.contains(word) && error.contains("data.pkl"), "{word}: {error}");
    }
}

#[test]
fn depth_memo_and_length_are_bounded() {
    // Nested far beyond any stack, still few enough operations.
    let nested = |operation: &[u8], depth| [b"N", &operation.repeat(depth)[..]].concat();
    assert_refused(&checkpoint(&nested(b"\x85", 60_000)), Status::Unsupported, &["found a tuple"]);
    assert_refused(&checkpoint(&nested(b"Q", 60_000)), Status::Unsupported, &["found a storage"]);
    let parameter = [&op::global("torch._utils", "_rebuild_parameter")[..], b"q\x00"].concat();
    let nested_parameters = [parameter, nested(b"\x85h\x00\x85R", 10_000)].concat();
    assert!(read(&checkpoint(&nested_parameters)).is_err());
    assert_refused(&checkpoint(&nested(b"(", 60_000)), Status::CorruptFile, &["needs a value"]);

    // A memo, a stack, dictionaries and tuples as large as the operations allow, and one more.
    for operation in [&b"\x94"[..], b"N", b"}", b")", b"(", b"\x94h\x00", b"r\xff\xff\xff\xff"] {
        assert_refused(&checkpoint(&nested(operation, 70_000)), Status::TooLarge, &["65536 operations"]);
    }
    // Ever larger tuples of the same tuple, as trees 2^20000 large.
    assert_refused(&checkpoint(&nested(b"\x94h\x00\x86", 20_000)), Status::Unsupported, &["found a tuple"]);
    // A dictionary in itself.
    assert_refused(&checkpoint(b"}q\x00X\x01\x00\x00\x00ah\x00s"), Status::Unsupported, &["found a dictionary"]);

    let long = op::pickle(&op::text(&"a".repeat(5 << 20)));
    assert_refused(&file(&long, &VALUES), Status::TooLarge, &["data.pkl", "4194304"]);
    let name = op::dict(&[op::text(&"n".repeat(2000)), op::tensor(6)]);
    assert_refused(&checkpoint(&name), Status::TooLarge, &["2000 bytes"]);
    let global = op::global(&"m".repeat(1 << 20), &"n".repeat(1 << 20));
    assert_refused(&checkpoint(&global), Status::Unsupported, &["mmm"]);
}
