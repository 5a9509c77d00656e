//! Files of records: what is in them, one record after the other, each as a JSON object.
//!
//! A **record** is a row of a table, a line, or an element of an array. It has a number in its file,
//! from 0, which is its position: reading the same file again gives the same records under the same
//! numbers. What cannot be read as an object is *malformed*: it keeps its number, and says why. What
//! makes everything after it unreadable is an [`Error`].
//!
//! Numbers keep their digits and texts their bytes: a cell becomes JSON by its column's type, and a
//! cell that its type does not fit makes the record malformed, never another value.
//!
//! | noun | type |
//! | --- | --- |
//! | record | [`Record`], [`Body`] |
//! | how a file is read | [`Shape`] |
//! | types that are found out | [`Inference`] |
//! | which files there are | [`list()`], [`Listed`] |

mod cell;
mod error;
mod guard;
mod infer;
mod json;
mod lines;
mod list;
mod open;
mod quotes;
mod table;

use std::ops::ControlFlow;
use std::path::Path;

use segue_model::recipe::{ColumnType, EmptyCell, FileFormat};

pub use error::Error;
pub use infer::{Inference, SAMPLE_BYTES};
pub use list::{Listed, list};

/// How a file is read.
#[derive(Clone, Debug)]
pub struct Shape {
    /// How it is written.
    pub format: FileFormat,
    /// What separates cells, in formats that have them.
    pub delimiter: u8,
    /// Types by column; those that are not named are texts.
    pub columns: std::collections::BTreeMap<String, ColumnType>,
    /// What an empty cell becomes.
    pub empty: EmptyCell,
}

impl Shape {
    /// A shape whose columns are all texts.
    #[must_use]
    pub fn new(format: FileFormat, delimiter: Option<u8>) -> Shape {
        let usual = if format == FileFormat::Tsv { b'\t' } else { b',' };
        Shape {
            format,
            delimiter: delimiter.unwrap_or(usual),
            columns: std::collections::BTreeMap::new(),
            empty: EmptyCell::default(),
        }
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number in the file, from 0.
    pub number: u64,
    /// The line it begins in, from 1.
    pub line: u64,
    /// What it holds.
    pub body: Body<'a>,
}

/// What a record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// A JSON object.
    Document(&'a [u8]),
    /// No object; why.
    Malformed(String),
}

/// Sees records; may end the reading.
pub type Visit<'v> = dyn FnMut(Record<'_>) -> ControlFlow<()> + 'v;

/// Reads `path` from its beginning and shows each record to `visit`, malformed ones too.
///
/// # Errors
/// [`Error`] where nothing after some place can be read, with that place.
pub fn read(path: &Path, shape: &Shape, visit: &mut Visit<'_>) -> Result<(), Error> {
    let mut opened = open::open(path)?;
    match shape.format {
        FileFormat::Csv | FileFormat::Tsv => table::read(&mut opened, shape, visit),
        FileFormat::Jsonl => lines::read(&mut opened, visit),
        FileFormat::Json => json::read(&mut opened, visit),
    }
}
