//! Opening a file: decompressed where it is compressed, without a byte-order mark.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::Error;

const BUFFER: usize = 1 << 18;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const UTF8_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
const UTF16_MARKS: [[u8; 2]; 2] = [[0xff, 0xfe], [0xfe, 0xff]];

/// A file that is being read.
pub(crate) struct Opened {
    /// Its path, for messages.
    pub(crate) path: PathBuf,
    /// Its text.
    pub(crate) text: Box<dyn BufRead>,
}

/// Opens `path`. What it is compressed with is seen from its first bytes.
pub(crate) fn open(path: &Path) -> Result<Opened, Error> {
    let opening = |source| Error::Open { path: path.to_owned(), source };
    let reading = |source| Error::read(path, 1, source);
    let mut raw = BufReader::with_capacity(BUFFER, File::open(path).map_err(opening)?);
    let start = raw.fill_buf().map_err(reading)?;
    let mut text: Box<dyn BufRead> = if start.starts_with(&GZIP) {
        Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(raw)))
    } else if start.starts_with(&ZSTD) {
        let decoder = zstd::Decoder::with_buffer(raw).map_err(reading)?;
        Box::new(BufReader::with_capacity(BUFFER, decoder))
    } else {
        Box::new(raw)
    };
    let mut mark = Vec::new();
    (&mut text).take(UTF8_MARK.len() as u64).read_to_end(&mut mark).map_err(reading)?;
    if UTF16_MARKS.iter().any(|utf16| mark.starts_with(utf16)) {
        let reason = "the file is UTF-16, only UTF-8 can be read: convert it first".to_owned();
        return Err(Error::Broken { path: path.to_owned(), line: 1, column: 1, reason });
    }
    if mark != UTF8_MARK {
        text = Box::new(std::io::Cursor::new(mark).chain(text));
    }
    Ok(Opened { path: path.to_owned(), text })
}
