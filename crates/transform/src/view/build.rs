//! Making a view: rows come in any order, the file appears under its name when it is complete.

use std::fs::File;
use std::io::Write;
use std::path::{Path as FilePath, PathBuf};

use segue_model::recipe::Multiple;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::file::{self, Footer, HEADER, Pointer};
use super::order::SortKey;
use super::{View, io};
use crate::error::shown;
use crate::json::{Found, find, scalar_text, skip_document, trim};
use crate::{Error, LookupSpec};

/// Rows are written in pieces of this size, bytes.
const WRITE_BYTES: usize = 256 * 1024;

/// Gathers rows for a view. Dropped before [`ViewBuilder::finish`], it leaves nothing under the
/// view's name.
#[derive(Debug)]
pub struct ViewBuilder {
    spec: LookupSpec,
    path: PathBuf,
    partial: PathBuf,
    file: File,
    buffer: Vec<u8>,
    written: u64,
    index: Vec<Pointer>,
    keyless: u64,
    hash: u128,
}

impl ViewBuilder {
    /// Starts a view that will stand at `path`. An unfinished one is started over.
    ///
    /// # Errors
    /// [`Error::Io`] if the file can't be made.
    pub fn new(spec: &LookupSpec, path: &FilePath) -> Result<Self, Error> {
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        let partial = PathBuf::from(name);
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&partial)
            .map_err(|source| io(&partial, "create it", source))?;
        Ok(Self {
            spec: spec.clone(),
            path: path.to_owned(),
            partial,
            file,
            buffer: HEADER.to_vec(),
            written: 0,
            index: Vec::new(),
            keyless: 0,
            hash: 0,
        })
    }

    /// Takes in one row, a document's source as the cluster gave it. A row without the matching
    /// field is counted and left out.
    ///
    /// # Errors
    /// [`Error::Row`] if it isn't a JSON object, [`Error::Io`] if it can't be written.
    pub fn add(&mut self, row_source: &[u8]) -> Result<(), Error> {
        let row = trim(row_source);
        let problem = match skip_document(row) {
            Err(error) => Some(error.to_string()),
            Ok(()) if row.first() != Some(&b'{') => Some("it is another value".to_owned()),
            Ok(()) => None,
        };
        if let Some(problem) = problem {
            return Err(Error::Row { name: self.spec.name.clone(), problem });
        }
        let key = match find(row, self.spec.matching.segments()) {
            Found::Value(raw) => scalar_text(raw),
            Found::Nothing | Found::List(_) => None,
        };
        let Some(key) = key else {
            self.keyless += 1;
            return Ok(());
        };
        let offset = self.written + self.buffer.len() as u64;
        let from = self.buffer.len();
        file::push_record(&mut self.buffer, &key, row).ok_or_else(|| Error::Row {
            name: self.spec.name.clone(),
            problem: "it has more than 4 GiB".to_owned(),
        })?;
        // Adding up makes the order of rows irrelevant.
        self.hash = self.hash.wrapping_add(xxh3_128(&self.buffer[from + 4..]));
        self.index.push(Pointer { hash: xxh3_64(&key), offset });
        if self.buffer.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    /// Completes the view, makes it durable and opens it.
    ///
    /// # Errors
    /// [`Error::Ambiguous`] if several rows have one key and the lookup expects one, [`Error::Io`]
    /// if the file can't be written.
    pub fn finish(mut self) -> Result<View, Error> {
        self.flush()?;
        let rows = self.index.len() as u64;
        self.index.sort_unstable_by_key(|pointer| (pointer.hash, pointer.offset));
        self.settle_shared_hashes()?;
        let mut index = std::mem::take(&mut self.index);
        index.shrink_to_fit();
        let footer =
            Footer { rows, keyless: self.keyless, spec: self.spec.fingerprint(), hash: self.hash };
        let mut tail = file::Tail::new(&index, self.written, &footer);
        while tail.next_piece(&mut self.buffer) {
            self.flush()?;
        }
        let partial = &self.partial;
        self.file.sync_all().map_err(|source| io(partial, "make it durable", source))?;
        std::fs::rename(partial, &self.path).map_err(|source| io(partial, "rename it", source))?;
        sync_folder(&self.path)?;
        let multiple = self.spec.multiple.is_some();
        Ok(View { path: self.path, file: self.file, index, footer, multiple })
    }

    fn flush(&mut self) -> Result<(), Error> {
        let partial = &self.partial;
        self.file.write_all(&self.buffer).map_err(|source| io(partial, "write it", source))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Orders and cuts the rows of each key that has several.
    fn settle_shared_hashes(&mut self) -> Result<(), Error> {
        // In place: a run never grows, and a second index would double the memory.
        let (mut from, mut kept) = (0, 0);
        while from < self.index.len() {
            let hash = self.index[from].hash;
            let same = self.index[from..].iter().take_while(|pointer| pointer.hash == hash).count();
            if same == 1 {
                self.index[kept] = self.index[from];
                kept += 1;
            } else {
                let settled = self.settle_run(&self.index[from..from + same])?;
                self.index[kept..kept + settled.len()].copy_from_slice(&settled);
                kept += settled.len();
            }
            from += same;
        }
        self.index.truncate(kept);
        Ok(())
    }

    fn settle_run(&self, run: &[Pointer]) -> Result<Vec<Pointer>, Error> {
        let mut settled = Vec::with_capacity(run.len());
        // Almost always one key; two with the same hash are told apart here.
        let mut keys: Vec<(Vec<u8>, Vec<Pointer>)> = Vec::new();
        for pointer in run {
            let record = file::read_record(&self.partial, &self.file, pointer.offset)?;
            match keys.iter_mut().find(|(key, _)| key == record.key()) {
                Some((_, pointers)) => pointers.push(*pointer),
                None => keys.push((record.key().to_vec(), vec![*pointer])),
            }
        }
        for (key, pointers) in keys {
            match &self.spec.multiple {
                Some(multiple) => settled.extend(self.best(&pointers, multiple)?),
                None if pointers.len() == 1 => settled.extend(pointers),
                None => {
                    let (name, rows) = (self.spec.name.clone(), pointers.len());
                    return Err(Error::Ambiguous { name, key: shown(&key), rows });
                }
            }
        }
        Ok(settled)
    }

    /// The first rows of a key in the lookup's order, holding no more than twice as many.
    fn best(&self, pointers: &[Pointer], multiple: &Multiple) -> Result<Vec<Pointer>, Error> {
        let limit = multiple.limit as usize;
        let mut best: Vec<(SortKey, Pointer)> = Vec::new();
        let cut = |best: &mut Vec<(SortKey, Pointer)>| {
            best.sort_by(|(a, _), (b, _)| a.compare(b, multiple.order));
            best.truncate(limit);
        };
        for pointer in pointers {
            let record = file::read_record(&self.partial, &self.file, pointer.offset)?;
            best.push((SortKey::of(record.row(), multiple), *pointer));
            if best.len() > limit.saturating_mul(2) {
                cut(&mut best);
            }
        }
        cut(&mut best);
        Ok(best.into_iter().map(|(_, pointer)| pointer).collect())
    }
}

/// Makes the new name durable, too.
fn sync_folder(path: &FilePath) -> Result<(), Error> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => FilePath::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| io(path, "make its name durable", source))
}
