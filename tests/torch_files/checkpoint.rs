//! Writing checkpoint files by hand, with one part or another made wrong.

use rawzip::crc32;

/// One record of an archive.
#[derive(Clone)]
pub struct Record {
    pub name: String,
    pub bytes: Vec<u8>,
    pub method: u16,
    pub flags: u16,
    /// Instead of the true checksum.
    pub checksum: Option<u32>,
    /// Instead of the true sizes, stored and unpacked.
    pub sizes: Option<(u32, u32)>,
    /// Instead of the true place of the local header.
    pub offset: Option<u32>,
}

pub fn record(name: &str, bytes: &[u8]) -> Record {
    Record {
        name: name.to_owned(),
        bytes: bytes.to_vec(),
        method: 0,
        flags: 0,
        checksum: None,
        sizes: None,
        offset: None,
    }
}

/// A checkpoint of `pickle` and storage "0" of `values`.
pub fn records(pickle: &[u8], values: &[f32]) -> Vec<Record> {
    let storage: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    vec![record("archive/data.pkl", pickle), record("archive/data/0", &storage), record("archive/version", b"3\n")]
}

pub fn file(pickle: &[u8], values: &[f32]) -> Vec<u8> {
    zip(&records(pickle, values))
}

pub fn zip(records: &[Record]) -> Vec<u8> {
    zip_with_count(records, records.len() as u16)
}

/// A zip archive that claims to have `count` records.
pub fn zip_with_count(records: &[Record], count: u16) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for record in records {
        let length = record.bytes.len() as u32;
        let (stored, unpacked) = record.sizes.unwrap_or((length, length));
        let mut common = Vec::new();
        for field in [20, record.flags, record.method, 0, 0] {
            common.extend(field.to_le_bytes());
        }
        for field in [record.checksum.unwrap_or(crc32(&record.bytes)), stored, unpacked] {
            common.extend(field.to_le_bytes());
        }
        common.extend((record.name.len() as u16).to_le_bytes());
        common.extend(0u16.to_le_bytes());
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(record.offset.unwrap_or(file.len() as u32).to_le_bytes());
        directory.extend(record.name.as_bytes());
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(record.name.as_bytes());
        file.extend(&record.bytes);
    }
    let start = file.len() as u32;
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    file.extend([(directory.len() as u32).to_le_bytes(), start.to_le_bytes()].concat());
    file.extend([0, 0]);
    file
}

/// Parts of pickles, one operation or a few each.
pub mod op {
    pub fn text(text: &str) -> Vec<u8> {
        [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
    }

    pub fn number(number: i64) -> Vec<u8> {
        [&[0x8a, 8], &number.to_le_bytes()[..]].concat()
    }

    pub fn global(module: &str, name: &str) -> Vec<u8> {
        format!("c{module}\n{name}\n").into_bytes()
    }

    pub fn tuple(elements: &[Vec<u8>]) -> Vec<u8> {
        [b"(", &elements.concat()[..], b"t"].concat()
    }

    pub fn numbers(numbers: &[i64]) -> Vec<u8> {
        tuple(&numbers.iter().map(|&n| number(n)).collect::<Vec<_>>())
    }

    pub fn call(function: &[u8], arguments: &[Vec<u8>]) -> Vec<u8> {
        [function, &tuple(arguments), b"R"].concat()
    }

    pub fn ordered_dict() -> Vec<u8> {
        call(&global("collections", "OrderedDict"), &[])
    }

    /// A dictionary of `items`, keys and values in turn.
    pub fn dict(items: &[Vec<u8>]) -> Vec<u8> {
        [b"}(", &items.concat()[..], b"u"].concat()
    }

    pub fn storage(class: &str, key: &str, elements: i64) -> Vec<u8> {
        let identity = [text("storage"), global("torch", class), text(key), text("cuda:0"), number(elements)];
        [tuple(&identity), b"Q".to_vec()].concat()
    }

    /// A tensor of `storage`.
    pub fn view(storage: Vec<u8>, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
        let arguments = [storage, number(offset), numbers(shape), numbers(strides), b"\x89".to_vec(), ordered_dict()];
        call(&global("torch._utils", "_rebuild_tensor_v2"), &arguments)
    }

    /// The tensor of `elements` in storage "0".
    pub fn tensor(elements: i64) -> Vec<u8> {
        view(storage("FloatStorage", "0", elements), 0, &[elements], &[1])
    }

    /// The whole pickle of the value that `body` leaves on the stack.
    pub fn pickle(body: &[u8]) -> Vec<u8> {
        [b"\x80\x02", body, b"."].concat()
    }
}
