//! A Hugging Face folder: on disk, or its files in memory.

use std::borrow::Cow;
use std::path::Path;

use super::bytes::Bytes;
use super::mapped;
use crate::error::{Error, Result, Status, fail};
use crate::model::ModelFiles;

/// The files of a model folder.
#[derive(Clone, Copy)]
pub(crate) enum Folder<'a> {
    OnDisk(&'a Path),
    /// Names without a path, and contents.
    InMemory(&'a [(&'a str, &'a [u8])]),
}

impl<'a> Folder<'a> {
    /// The folder that `files` are; `None` for a GGUF file.
    ///
    /// Errors: `InvalidArgument` for a name that is given twice.
    pub fn of(files: ModelFiles<'a>) -> Result<Option<Self>> {
        match files {
            ModelFiles::Path(path) => Ok(path.is_dir().then_some(Folder::OnDisk(path))),
            ModelFiles::Gguf(_) => Ok(None),
            ModelFiles::Folder(files) => {
                let mut names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
                names.sort_unstable();
                match names.windows(2).find(|pair| pair[0] == pair[1]) {
                    Some(pair) => fail(Status::InvalidArgument, format!("the file {} is given twice", pair[0])),
                    None => Ok(Some(Folder::InMemory(files))),
                }
            }
        }
    }

    /// What messages call the folder.
    pub fn place(&self) -> String {
        match self {
            Folder::OnDisk(path) => path.display().to_string(),
            Folder::InMemory(_) => "the files in memory".to_owned(),
        }
    }

    /// What messages call its file `name`.
    pub fn place_of(&self, name: &str) -> String {
        match self {
            Folder::OnDisk(path) => path.join(name).display().to_string(),
            Folder::InMemory(_) => name.to_owned(),
        }
    }

    /// Whether it has a file `name`.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Folder::OnDisk(path) => path.join(name).exists(),
            Folder::InMemory(files) => files.iter().any(|(known, _)| *known == name),
        }
    }

    /// The contents of its file `name`, at most `most` bytes.
    ///
    /// Errors: `NotFound`, `Io`, `TooLarge`, `CorruptFile` when it is empty, `InvalidArgument` when it is no regular file.
    pub fn read(&self, name: &str, most: usize) -> Result<Cow<'a, [u8]>> {
        match self {
            Folder::OnDisk(path) => mapped::read(&path.join(name), most).map(Cow::Owned),
            Folder::InMemory(files) => match find(files, name)? {
                bytes if bytes.len() > most => fail(Status::TooLarge, format!("{name}: more than {most} bytes")),
                bytes => Ok(Cow::Borrowed(bytes)),
            },
        }
    }

    /// Its weight file `name`, mapped or copied. Errors: as [`Folder::read`], and `MemoryLimit`.
    pub fn bytes(&self, name: &str) -> Result<Bytes> {
        match self {
            Folder::OnDisk(path) => mapped::map(&path.join(name)),
            Folder::InMemory(files) => Bytes::copied(find(files, name)?),
        }
    }
}

fn find<'a>(files: &'a [(&str, &'a [u8])], name: &str) -> Result<&'a [u8]> {
    match files.iter().find(|(known, _)| *known == name) {
        None => Err(Error::new(Status::NotFound, format!("{name} is not among the files in memory"))),
        Some((_, [])) => fail(Status::CorruptFile, format!("{name}: the file is empty")),
        Some((_, bytes)) => Ok(bytes),
    }
}
