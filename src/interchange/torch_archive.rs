//! The zip archive that `torch.save` writes (torch 1.6 and later): stored records in one folder. Nothing is copied.

use std::collections::BTreeMap;

use rawzip::{CompressionMethod, ZipArchive, ZipFileHeaderRecord, ZipSliceArchive, crc32};

use crate::backbone::excerpt::excerpt;
use crate::error::{Error, Result, Status, fail};
use crate::limits::{MAX_NAME_BYTES, MAX_TORCH_RECORDS};

/// The record that describes the saved object.
pub(super) const PICKLE: &str = "data.pkl";
/// What the archive of an exported program has besides.
const PROGRAM: &[u8] = b"/constants.pkl";
/// The order of bytes in storages; absent in older files, which are little-endian.
const BYTE_ORDER: &str = "byteorder";
const SAVE_AGAIN: &str = "load it with torch 1.6 or later and torch.save it again";

/// The records of a checkpoint file.
pub(super) struct TorchArchive<'a> {
    /// By name inside the folder, e.g. `data/0`.
    records: BTreeMap<String, Record<'a>>,
}

struct Record<'a> {
    bytes: &'a [u8],
    /// CRC-32; 0 when the writer left it out.
    checksum: u32,
}

impl<'a> TorchArchive<'a> {
    /// The table of records in a file of `bytes`.
    ///
    /// Errors: `CorruptFile` for another or a damaged file, records given twice or over one another; `TooLarge`;
    /// `Unsupported` for compressed records, exported programs, big-endian values and the formats before torch 1.6.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self> {
        check_kind(bytes)?;
        let archive = ZipArchive::from_slice(bytes).map_err(damaged)?;
        let count = archive.entries_hint();
        if count > MAX_TORCH_RECORDS as u64 {
            let message = format!("the archive claims {count} records, at most {MAX_TORCH_RECORDS} are accepted");
            return fail(Status::TooLarge, message);
        }
        // Before the records: those of a program may be compressed.
        if archive.entries().flatten().any(|entry| entry.file_path().as_bytes().ends_with(PROGRAM)) {
            let message = "the file is an exported program, not tensors; save the tensors alone with torch.save";
            return fail(Status::Unsupported, message);
        }
        let archive = Self { records: in_folder_of_pickle(all_records(&archive)?)? };
        archive.check_byte_order()?;
        Ok(archive)
    }

    /// The bytes of the record `name`. Errors: `CorruptFile` when it is missing or its checksum is wrong.
    pub(super) fn record(&self, name: &str) -> Result<&'a [u8]> {
        let Some(record) = self.records.get(name) else {
            return fail(Status::CorruptFile, format!("record {} is missing", excerpt(name)));
        };
        if record.checksum != 0 && record.checksum != crc32(record.bytes) {
            let name = excerpt(name);
            return fail(Status::CorruptFile, format!("record {name}: the checksum is wrong; fetch the file again"));
        }
        Ok(record.bytes)
    }

    fn check_byte_order(&self) -> Result<()> {
        if !self.records.contains_key(BYTE_ORDER) {
            return Ok(());
        }
        match self.record(BYTE_ORDER)? {
            b"little" => Ok(()),
            other => {
                let found = excerpt(&String::from_utf8_lossy(&other[..other.len().min(16)]));
                let message = format!("values are stored in byte order {found}; save it on a little-endian machine");
                fail(Status::Unsupported, message)
            }
        }
    }
}

/// Tells a zip archive by its first bytes from the older formats and from everything else.
fn check_kind(bytes: &[u8]) -> Result<()> {
    let older = |kind: &str| {
        fail(Status::Unsupported, format!("{kind}, as torch before 1.6 wrote it, not a zip archive; {SAVE_AGAIN}"))
    };
    if bytes.starts_with(b"PK") {
        return Ok(());
    }
    if bytes.starts_with(&[0x80]) {
        return older("the file is a bare pickle");
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return older("the file is a tar archive");
    }
    fail(Status::CorruptFile, "not a PyTorch checkpoint: expected a zip archive as torch.save writes it")
}

/// All records, under their whole names.
fn all_records<'a>(archive: &ZipSliceArchive<&'a [u8]>) -> Result<BTreeMap<String, Record<'a>>> {
    let count = archive.entries_hint();
    let mut all = BTreeMap::new();
    let mut ranges = Vec::new();
    for entry in archive.entries() {
        let entry = entry.map_err(damaged)?;
        let name = name_of(&entry)?;
        if all.len() as u64 == count {
            return fail(Status::CorruptFile, format!("the archive claims {count} records and has more"));
        }
        check_stored(&entry).map_err(|e| e.context(format!("record {}", excerpt(name))))?;
        let place = archive.get_entry(entry.wayfinder()).map_err(|e| {
            let name = excerpt(name);
            damaged(e).context(format!("record {name} of {} bytes", entry.uncompressed_size_hint()))
        })?;
        // Inside the file: the crate has checked it.
        let (start, end) = place.compressed_data_range();
        let record = Record { bytes: &archive.get_ref()[start as usize..end as usize], checksum: entry.crc32() };
        ranges.push((start, end));
        if all.insert(name.to_owned(), record).is_some() {
            return fail(Status::CorruptFile, format!("record {} is given twice", excerpt(name)));
        }
    }
    if (all.len() as u64) < count {
        return fail(Status::CorruptFile, format!("the archive claims {count} records and has {}", all.len()));
    }
    ranges.sort_unstable();
    if ranges.windows(2).any(|pair| pair[0].1 > pair[1].0) {
        return fail(Status::CorruptFile, "records of the archive share bytes of the file");
    }
    Ok(all)
}

fn name_of<'e>(entry: &ZipFileHeaderRecord<'e>) -> Result<&'e str> {
    let name = entry.file_path().as_bytes();
    if name.len() > MAX_NAME_BYTES {
        let message = format!("a record's name has {} bytes, at most {MAX_NAME_BYTES} are accepted", name.len());
        return fail(Status::TooLarge, message);
    }
    std::str::from_utf8(name).map_err(|e| Error::new(Status::CorruptFile, format!("name of a record: {e}")))
}

/// torch stores records as they are: whatever would have to be unpacked is refused, so no record is larger than its
/// file.
fn check_stored(entry: &ZipFileHeaderRecord<'_>) -> Result<()> {
    let method = entry.compression_method();
    if method != CompressionMethod::STORE || entry.flags().is_encrypted() {
        let how = match method.name() {
            _ if entry.flags().is_encrypted() => "encrypted".to_owned(),
            Some(name) => format!("compressed ({name})"),
            None => format!("compressed (method {})", method.as_u16()),
        };
        return fail(Status::Unsupported, format!("it is {how}; torch.save stores records as they are: {SAVE_AGAIN}"));
    }
    let (stored, claimed) = (entry.compressed_size_hint(), entry.uncompressed_size_hint());
    if stored != claimed {
        return fail(Status::CorruptFile, format!("it has {stored} bytes and claims {claimed}"));
    }
    Ok(())
}

/// The records beside the only [`PICKLE`], by their names inside its folder.
fn in_folder_of_pickle(all: BTreeMap<String, Record<'_>>) -> Result<BTreeMap<String, Record<'_>>> {
    let folder = |name: &str| Some(name.strip_suffix(PICKLE)?.strip_suffix('/')?.to_owned());
    let mut folders = all.keys().filter_map(|name| folder(name)).filter(|folder| !folder.contains('/'));
    let Some(found) = folders.next() else {
        let message = format!("not a PyTorch checkpoint: the archive has no record {PICKLE:?} in a folder");
        return fail(Status::CorruptFile, message);
    };
    if folders.next().is_some() {
        return fail(Status::CorruptFile, format!("the archive has several records {PICKLE:?}"));
    }
    let inside = |(name, record): (String, _)| Some((name.strip_prefix(&found)?.strip_prefix('/')?.to_owned(), record));
    drop(folders);
    Ok(all.into_iter().filter_map(inside).collect())
}

fn damaged(error: rawzip::Error) -> Error {
    Error::new(Status::CorruptFile, format!("not a whole zip archive: {error}"))
}
