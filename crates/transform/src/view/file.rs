//! The layout of a view's file. All numbers are little-endian.
//!
//! ```text
//! header   "SGVIEW\0" version u8                                             8 bytes
//! record   check u32 · key length u32 · row length u32 · key · row           one per row
//! index    key hash u64 · record offset u64                                  one per row kept
//! footer   rows u64 · keyless u64 · kept u64 · index offset u64 · lookup u64 · rows hash u128
//!          · check u64 of index and footer · "SGVIEWED"                      72 bytes
//! ```
//!
//! A file without its footer was never finished. `check` of a record covers lengths, key and row.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::io;
use crate::Error;

/// Start of every view; the last byte is the version of the layout.
pub(super) const HEADER: [u8; 8] = *b"SGVIEW\0\x01";
const END: [u8; 8] = *b"SGVIEWED";
const FOOTER_BYTES: usize = 72;
const POINTER_BYTES: usize = 16;
const RECORD_HEAD: usize = 12;

/// Pointers read or written at once.
const PIECE: usize = 4096;

/// First read of a record; most fit, larger ones take a second.
const FIRST_READ: usize = 4096;

/// Where a key's row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) hash: u64,
    pub(super) offset: u64,
}

/// What a view says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) rows: u64,
    pub(super) keyless: u64,
    pub(super) spec: u64,
    pub(super) hash: u128,
}

/// A record as read.
pub(super) struct Record {
    bytes: Vec<u8>,
    key_length: usize,
}

impl Record {
    pub(super) fn key(&self) -> &[u8] {
        &self.bytes[RECORD_HEAD..RECORD_HEAD + self.key_length]
    }

    pub(super) fn row(&self) -> &[u8] {
        &self.bytes[RECORD_HEAD + self.key_length..]
    }

    pub(super) fn into_row(mut self) -> Vec<u8> {
        self.bytes.drain(..RECORD_HEAD + self.key_length);
        self.bytes
    }
}

/// Appends a record. None if key or row are too long for the layout.
pub(super) fn push_record(out: &mut Vec<u8>, key: &[u8], row: &[u8]) -> Option<()> {
    let start = out.len();
    let (key_length, row_length) = (u32::try_from(key.len()).ok()?, u32::try_from(row.len()).ok()?);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&key_length.to_le_bytes());
    out.extend_from_slice(&row_length.to_le_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(row);
    let check = check(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&check);
    Some(())
}

fn check(bytes: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = xxh3_64(bytes).to_le_bytes();
    [a, b, c, d]
}

/// Reads the record at an offset.
pub(super) fn read_record(path: &Path, file: &File, offset: u64) -> Result<Record, Error> {
    let mut bytes = vec![0; FIRST_READ];
    let read = read_some(path, file, &mut bytes, offset)?;
    bytes.truncate(read);
    if read < RECORD_HEAD {
        return Err(torn(path, "it ends inside a row"));
    }
    let key_length = u32_at(&bytes, 4) as usize;
    let length = RECORD_HEAD + key_length + u32_at(&bytes, 8) as usize;
    if length <= read {
        bytes.truncate(length);
    } else {
        let size = file.metadata().map_err(|source| io(path, "read its size", source))?.len();
        if offset + length as u64 > size {
            return Err(torn(path, "a row is damaged"));
        }
        bytes.resize(length, 0);
        file.read_exact_at(&mut bytes[read..], offset + read as u64)
            .map_err(|source| io(path, "read a row", source))?;
    }
    if check(&bytes[4..]) != bytes[..4] {
        return Err(torn(path, "a row is damaged"));
    }
    Ok(Record { bytes, key_length })
}

/// Reads until the buffer is full or the file ends.
fn read_some(path: &Path, file: &File, buffer: &mut [u8], offset: u64) -> Result<usize, Error> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(io(path, "read a row", source)),
        }
    }
    Ok(read)
}

/// Index and footer as they stand at the file's end, piece by piece.
pub(super) struct Tail<'a> {
    index: std::slice::Chunks<'a, Pointer>,
    numbers: Option<Vec<u8>>,
    check: Xxh3,
}

impl<'a> Tail<'a> {
    pub(super) fn new(index: &'a [Pointer], index_offset: u64, footer: &Footer) -> Self {
        let kept = index.len() as u64;
        let numbers = [footer.rows, footer.keyless, kept, index_offset, footer.spec];
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        bytes.extend_from_slice(&footer.hash.to_le_bytes());
        Self { index: index.chunks(PIECE), numbers: Some(bytes), check: Xxh3::new() }
    }

    /// Appends the next piece; false once there is none.
    pub(super) fn next_piece(&mut self, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        if let Some(pointers) = self.index.next() {
            for pointer in pointers {
                out.extend_from_slice(&pointer.hash.to_le_bytes());
                out.extend_from_slice(&pointer.offset.to_le_bytes());
            }
            self.check.update(&out[start..]);
            return true;
        }
        let Some(numbers) = self.numbers.take() else { return false };
        self.check.update(&numbers);
        out.extend_from_slice(&numbers);
        out.extend_from_slice(&self.check.digest().to_le_bytes());
        out.extend_from_slice(&END);
        true
    }
}

/// Reads and checks footer and index.
pub(super) fn read_index(path: &Path, file: &File) -> Result<(Footer, Vec<Pointer>), Error> {
    let size = file.metadata().map_err(|source| io(path, "read its size", source))?.len();
    let least = (HEADER.len() + FOOTER_BYTES) as u64;
    let mut header = [0; HEADER.len()];
    let mut bytes = [0; FOOTER_BYTES];
    if size < least {
        return Err(torn(path, "it isn't a finished view"));
    }
    let read = |buffer: &mut [u8], offset| {
        file.read_exact_at(buffer, offset).map_err(|source| io(path, "read its index", source))
    };
    read(&mut header, 0)?;
    read(&mut bytes, size - FOOTER_BYTES as u64)?;
    if header != HEADER {
        return Err(torn(path, "it isn't a view, or one of another version"));
    }
    if bytes[64..] != END {
        return Err(torn(path, "it isn't a finished view"));
    }
    let kept = u64_at(&bytes, 16);
    let index_offset = u64_at(&bytes, 24);
    let index_bytes = kept.checked_mul(POINTER_BYTES as u64);
    let fits = index_bytes.and_then(|bytes| bytes.checked_add(index_offset))
        == Some(size - FOOTER_BYTES as u64);
    if !fits || index_offset < HEADER.len() as u64 {
        return Err(torn(path, "its index doesn't fit"));
    }
    let index = read_pointers(path, file, index_offset, kept, &bytes)?;
    let mut hash = [0; 16];
    hash.copy_from_slice(&bytes[40..56]);
    let footer = Footer {
        rows: u64_at(&bytes, 0),
        keyless: u64_at(&bytes, 8),
        spec: u64_at(&bytes, 32),
        hash: u128::from_le_bytes(hash),
    };
    Ok((footer, index))
}

/// Reads the index piece by piece, so that it is in memory once.
fn read_pointers(
    path: &Path,
    file: &File,
    from: u64,
    kept: u64,
    footer: &[u8; FOOTER_BYTES],
) -> Result<Vec<Pointer>, Error> {
    let mut index = Vec::with_capacity(usize::try_from(kept).unwrap_or(0));
    let mut check = Xxh3::new();
    let mut piece = vec![0; PIECE * POINTER_BYTES];
    let (mut at, end) = (from, from + kept * POINTER_BYTES as u64);
    while at < end {
        let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(piece.len());
        file.read_exact_at(&mut piece[..length], at)
            .map_err(|source| io(path, "read its index", source))?;
        check.update(&piece[..length]);
        index.extend(
            piece[..length]
                .chunks_exact(POINTER_BYTES)
                .map(|bytes| Pointer { hash: u64_at(bytes, 0), offset: u64_at(bytes, 8) }),
        );
        at += length as u64;
    }
    check.update(&footer[..56]);
    if check.digest() != u64_at(footer, 56) {
        return Err(torn(path, "its index is damaged"));
    }
    Ok(index)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

fn torn(path: &Path, problem: &'static str) -> Error {
    Error::Torn { path: path.to_owned(), problem }
}
