//! Types of columns, found out from the files themselves.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use segue_model::recipe::ColumnType;

use crate::open;
use crate::table::{Row, rows};
use crate::{Error, Shape, cell};

/// How much of each file is looked at, in bytes of its cells. A later cell that its column's type does
/// not fit is a malformed record: it is named, and loses nothing.
pub const SAMPLE_BYTES: u64 = 64 << 20;

/// What is known of the columns of all files so far.
#[derive(Clone, Debug, Default)]
pub struct Inference {
    /// By name; none = only empty cells so far.
    columns: BTreeMap<String, Option<Seen>>,
}

impl Inference {
    /// Looks at a file that has columns.
    ///
    /// # Errors
    /// As [`crate::read`].
    pub fn look(&mut self, path: &Path, shape: &Shape) -> Result<(), Error> {
        let mut opened = open::open(path)?;
        let mut names: Vec<String> = Vec::new();
        let mut found: Vec<Option<Seen>> = Vec::new();
        let mut bytes = 0;
        rows(&mut opened, shape.delimiter, &mut |row| {
            match row {
                Row::Header(header) => {
                    found = vec![None; header.len()];
                    names = header;
                }
                // What a ragged row has in a column is anybody's guess.
                Row::Malformed { .. } => {}
                Row::Cells { cells, .. } if cells.len() != names.len() => {}
                Row::Cells { cells, .. } => {
                    bytes += cells.as_slice().len() as u64;
                    for (known, cell) in found.iter_mut().zip(cells) {
                        *known = widen(*known, cell);
                    }
                }
            }
            if bytes > SAMPLE_BYTES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        for (name, found) in names.into_iter().zip(found) {
            let known = self.columns.entry(name).or_default();
            *known = match (*known, found) {
                (Some(known), Some(found)) => Some(known.join(found)),
                (known, found) => known.or(found),
            };
        }
        Ok(())
    }

    /// The columns of all files, those without any value as texts.
    #[must_use]
    pub fn columns(&self) -> BTreeMap<String, ColumnType> {
        let typed = |(name, found): (&String, &Option<Seen>)| {
            (name.clone(), found.map_or(ColumnType::String, Seen::column))
        };
        self.columns.iter().map(typed).collect()
    }
}

/// What the cells of a column are so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Type(ColumnType),
    /// Whole numbers with more digits than a double keeps.
    WideLong,
}

impl Seen {
    fn of(cell: &[u8]) -> Seen {
        match std::str::from_utf8(cell).map_or(ColumnType::String, cell::type_of) {
            ColumnType::Long if cell.len() > cell::DOUBLE_DIGITS => Seen::WideLong,
            kind => Seen::Type(kind),
        }
    }

    /// What holds either and loses nothing.
    fn join(self, other: Seen) -> Seen {
        use ColumnType::{Double, Long, String};
        match (self, other) {
            (one, other) if one == other => one,
            (Seen::Type(Long), Seen::WideLong) | (Seen::WideLong, Seen::Type(Long)) => {
                Seen::WideLong
            }
            (Seen::Type(Long), Seen::Type(Double)) | (Seen::Type(Double), Seen::Type(Long)) => {
                Seen::Type(Double)
            }
            _ => Seen::Type(String),
        }
    }

    fn column(self) -> ColumnType {
        match self {
            Seen::Type(kind) => kind,
            Seen::WideLong => ColumnType::Long,
        }
    }
}

fn widen(known: Option<Seen>, cell: &[u8]) -> Option<Seen> {
    if cell.is_empty() || known == Some(Seen::Type(ColumnType::String)) {
        return known;
    }
    let found = Seen::of(cell);
    Some(known.map_or(found, |known| known.join(found)))
}
