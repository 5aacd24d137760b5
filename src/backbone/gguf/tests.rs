use super::*;

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// A metadata entry from its key, kind code and bytes.
fn entry(key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&text(key)[..], &kind.to_le_bytes(), value].concat()
}

/// An array's value: kind code of the elements, their number, their bytes.
fn array(kind: u32, count: u64, elements: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes(), &count.to_le_bytes()[..], elements].concat()
}

fn tensor(name: &str, dimensions: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let mut bytes = [&text(name)[..], &(dimensions.len() as u32).to_le_bytes()].concat();
    dimensions.iter().for_each(|d| bytes.extend(d.to_le_bytes()));
    bytes.extend(kind.to_le_bytes());
    bytes.extend(offset.to_le_bytes());
    bytes
}

fn file(version: u32, entries: &[Vec<u8>], tensors: &[Vec<u8>], data: usize) -> Vec<u8> {
    let counts = [(tensors.len() as u64).to_le_bytes(), (entries.len() as u64).to_le_bytes()].concat();
    let mut bytes = [b"GGUF", &version.to_le_bytes()[..], &counts, &entries.concat(), &tensors.concat()].concat();
    bytes.resize(bytes.len().next_multiple_of(32) + data, 0);
    bytes
}

fn status(bytes: &[u8]) -> Status {
    Gguf::parse(bytes).err().expect("a refusal").status()
}

#[test]
fn reads_values_of_all_kinds() {
    let texts = [text("x"), text(""), text("é")].concat();
    let entries = [
        entry("u8", 0, &[200]),
        entry("i8", 1, &[0xff]),
        entry("u16", 2, &[1, 2]),
        entry("i16", 3, &[0xfe, 0xff]),
        entry("u32", 4, &[0, 0, 0, 1]),
        entry("i32", 5, &(-7i32).to_le_bytes()),
        entry("f32", 6, &1.5f32.to_le_bytes()),
        entry("bool", 7, &[1]),
        entry("text", 8, &text("llama")),
        entry("texts", 9, &array(8, 3, &texts)),
        entry("numbers", 9, &array(5, 4, &[1, 0, 0, 0].repeat(4))),
        entry("u64", 10, &u64::MAX.to_le_bytes()),
        entry("i64", 11, &i64::MIN.to_le_bytes()),
        entry("f64", 12, &0.1f64.to_le_bytes()),
    ];
    for version in [2, 3] {
        let bytes = file(version, &entries, &[], 0);
        let gguf = Gguf::parse(&bytes).unwrap();
        assert_eq!(gguf.version(), version);
        assert_eq!(gguf.metadata().count(), entries.len());
        for (key, value) in [
            ("u8", Value::Unsigned(200)),
            ("i8", Value::Signed(-1)),
            ("u16", Value::Unsigned(513)),
            ("i16", Value::Signed(-2)),
            ("u32", Value::Unsigned(1 << 24)),
            ("i32", Value::Signed(-7)),
            ("f32", Value::Float(1.5)),
            ("bool", Value::Bool(true)),
            ("text", Value::Text("llama")),
            ("u64", Value::Unsigned(u64::MAX)),
            ("i64", Value::Signed(i64::MIN)),
            ("f64", Value::Float(0.1)),
        ] {
            assert_eq!(gguf.value(key), Some(value));
        }
        let texts: Vec<_> = gguf.array("texts", 3).unwrap().unwrap().values().map(Result::unwrap).collect();
        assert_eq!(texts, ["x", "", "é"].map(Value::Text));
        assert_eq!(gguf.value("texts").unwrap().to_string(), r#"3 x Text ["x", "", "é"]"#);
        assert_eq!(gguf.value("numbers").unwrap().to_string(), "4 x I32 [1, 1, 1, ...]");
        assert_eq!(gguf.array("texts", 2).unwrap_err().status(), Status::TooLarge);
        assert_eq!(gguf.size("numbers").unwrap(), Some(1));
        assert_eq!(gguf.size("i32").unwrap_err().status(), Status::CorruptFile);
        assert_eq!(gguf.text("u8").unwrap_err().status(), Status::CorruptFile);
        assert_eq!(gguf.float("u8").unwrap(), Some(200.0));
        assert_eq!(gguf.size("absent").unwrap(), None);
    }
}

#[test]
fn layers_of_different_sizes_are_unsupported() {
    let bytes = file(3, &[entry("heads", 9, &array(0, 3, &[2, 2, 1]))], &[], 0);
    let error = Gguf::parse(&bytes).unwrap().size("heads").unwrap_err();
    assert_eq!(error.status(), Status::Unsupported);
}

#[test]
fn metadata_that_lies_is_refused() {
    for entry in [
        entry("a", 13, &[0; 8]),
        entry("a", 7, &[2]),
        entry("a", 8, &u64::MAX.to_le_bytes()),
        entry("a", 8, &[&2u64.to_le_bytes()[..], &[0xc3, 0x28]].concat()),
        entry("a", 9, &array(8, u64::MAX, &[])),
        entry("a", 9, &array(12, 1 << 61, &[])),
        entry("a", 9, &array(8, 2, &text("x"))),
    ] {
        assert_eq!(status(&file(3, &[entry], &[], 0)), Status::CorruptFile);
    }
    assert_eq!(status(&file(3, &[entry("a", 9, &array(9, 1, &array(0, 0, &[])))], &[], 0)), Status::Unsupported);
    assert_eq!(status(&file(3, &[entry("a", 7, &[0]), entry("a", 7, &[0])], &[], 0)), Status::CorruptFile);
}

#[test]
fn places_tensors_and_turns_their_dimensions_round() {
    let tensors = [tensor("matrix", &[64, 3], 3, 0), tensor("norm", &[8], 0, 128), tensor("other", &[9], 10, 160)];
    let bytes = file(3, &[], &tensors, 160);
    let gguf = Gguf::parse(&bytes).unwrap();
    let data = bytes.len() - 160;
    let matrix = gguf.tensor("matrix").unwrap();
    assert_eq!((&matrix.shape[..], matrix.offset, matrix.length), (&[3, 64][..], data, 120));
    assert_eq!(matrix.format().unwrap(), Format::Q4_1);
    assert_eq!(gguf.tensor("norm").unwrap().offset, data + 128);
    let error = gguf.tensor("other").unwrap().format().unwrap_err();
    assert_eq!(error.status(), Status::Unsupported);
    assert!(error.to_string().contains("Q2_K") && error.to_string().contains("other"), "{error}");
}

#[test]
fn tensors_that_lie_are_refused() {
    for tensors in [
        vec![tensor("a", &[], 0, 0)],
        vec![tensor("a", &[1; 5], 0, 0)],
        vec![tensor("a", &[0, 4], 0, 0)],
        vec![tensor("a", &[1 << 32, 1 << 32], 0, 0)],
        vec![tensor("a", &[1 << 62], 0, 0)],
        vec![tensor("a", &[33], 2, 0)],
        vec![tensor("a", &[8], 0, 16)],
        vec![tensor("a", &[8], 0, 64)],
        vec![tensor("a", &[8], 0, u64::MAX - 31)],
        vec![tensor("a", &[17], 0, 0)],
        vec![tensor("a", &[8], 0, 0), tensor("a", &[8], 0, 32)],
        vec![tensor("a", &[16], 0, 0), tensor("b", &[8], 0, 32)],
    ] {
        assert_eq!(status(&file(3, &[], &tensors, 64)), Status::CorruptFile);
    }
}

#[test]
fn alignment_is_a_power_of_two_within_reason() {
    for bad in [0u32, 3, 48, 1 << 20, u32::MAX] {
        let bytes = file(3, &[entry("general.alignment", 4, &bad.to_le_bytes())], &[], 0);
        assert_eq!(status(&bytes), Status::CorruptFile);
    }
    let bytes = file(3, &[entry("general.alignment", 4, &8u32.to_le_bytes())], &[tensor("a", &[2], 0, 8)], 32);
    assert!(Gguf::parse(&bytes).is_ok());
}

#[test]
fn other_versions_are_refused_by_name() {
    for (version, word) in [(1, "version 1"), (99, "version 99"), (3u32.swap_bytes(), "big-endian")] {
        let error = Gguf::parse(&file(version, &[], &[], 0)).err().unwrap();
        assert_eq!(error.status(), Status::Unsupported);
        assert!(error.to_string().contains(word), "{error}");
    }
    assert_eq!(status(b"GGML\x03\0\0\0"), Status::CorruptFile);
}
