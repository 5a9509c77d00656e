//! The rows of a lookup as they were at one moment, pinned in a file.
//!
//! Rows stay on disk; memory holds 16 bytes for each, however large it is. Two views with the
//! same rows have the same hash, in whatever order the rows came.

mod build;
mod file;
mod order;

use std::fs::File;
use std::path::{Path as FilePath, PathBuf};

pub use build::ViewBuilder;
use file::{Footer, Pointer};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Error, LookupSpec};

/// Pinned rows of a lookup, found by key. Shared by all workers.
#[derive(Debug)]
pub struct View {
    path: PathBuf,
    file: File,
    /// Sorted by the key's hash; rows of one key stand together, in the lookup's order.
    index: Vec<Pointer>,
    footer: Footer,
    multiple: bool,
}

impl View {
    /// Opens a view that was finished before.
    ///
    /// # Errors
    /// [`Error::Torn`] if the file is incomplete or damaged, [`Error::OtherLookup`] if it was made
    /// for another lookup, [`Error::Io`] if it can't be read. Damage inside a row shows when the
    /// row is read.
    pub fn open(path: &FilePath, spec: &LookupSpec) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| io(path, "open it", source))?;
        let (footer, index) = file::read_index(path, &file)?;
        let multiple = spec.multiple.is_some();
        let view = Self { path: path.to_owned(), file, index, footer, multiple };
        view.check_made_for(spec)?;
        Ok(view)
    }

    /// Rows it was made from, those without a key left out.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.footer.rows
    }

    /// Rows that were left out because they have no key.
    #[must_use]
    pub fn keyless(&self) -> u64 {
        self.footer.keyless
    }

    /// A hash of all rows, whatever order they came in.
    #[must_use]
    pub fn hash(&self) -> u128 {
        self.footer.hash
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &FilePath {
        &self.path
    }

    /// The row of a key as JSON text; of a lookup with `multiple` the list of its rows. None if
    /// there is no row.
    ///
    /// # Errors
    /// [`Error::Torn`] if the row is damaged, [`Error::Io`] if it can't be read.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.row(key.as_bytes())
    }

    pub(crate) fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let hash = xxh3_64(key);
        let from = self.index.partition_point(|pointer| pointer.hash < hash);
        let same = self.index[from..].iter().take_while(|pointer| pointer.hash == hash);
        let mut out: Option<Vec<u8>> = None;
        for pointer in same {
            let record = file::read_record(&self.path, &self.file, pointer.offset)?;
            if record.key() != key {
                continue;
            }
            if !self.multiple {
                return Ok(Some(record.into_row()));
            }
            let list = out.get_or_insert_with(|| vec![b'[']);
            if list.len() > 1 {
                list.push(b',');
            }
            list.extend_from_slice(record.row());
        }
        Ok(out.map(|mut list| {
            list.push(b']');
            list
        }))
    }

    pub(crate) fn check_made_for(&self, spec: &LookupSpec) -> Result<(), Error> {
        if self.footer.spec == spec.fingerprint() {
            return Ok(());
        }
        Err(Error::OtherLookup { path: self.path.clone(), name: spec.name.clone() })
    }
}

pub(crate) fn io(path: &FilePath, action: &'static str, source: std::io::Error) -> Error {
    Error::Io { path: path.to_owned(), action, source }
}
