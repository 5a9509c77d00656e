//! Tables: rows of cells under a header.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

use csv::ByteRecord;
use segue_model::recipe::{ColumnType, EmptyCell};

use crate::cell;
use crate::guard::{Guard, Meter};
use crate::open::Opened;
use crate::quotes::Follow;
use crate::{Body, Error, Record, Shape, Visit};

/// What is wrong with a row whose quotes are.
const STRAY: &str =
    "after a closing quote stands something other than a separator: perhaps a quote is missing";

/// A column as a file's header names it.
struct Column {
    name: String,
    quoted: Vec<u8>,
    kind: ColumnType,
}

pub(crate) fn read(opened: &mut Opened, shape: &Shape, visit: &mut Visit<'_>) -> Result<(), Error> {
    let mut columns: Vec<Column> = Vec::new();
    let mut out = Vec::new();
    let mut number = 0;
    rows(opened, shape.delimiter, &mut |row| {
        let (line, body) = match row {
            Row::Header(names) => {
                columns = names.into_iter().map(|name| column(name, shape)).collect();
                return ControlFlow::Continue(());
            }
            Row::Cells { line, cells } => (line, document(&columns, cells, shape.empty, &mut out)),
            Row::Malformed { line, reason } => (line, Err(reason.to_owned())),
        };
        let body = match body {
            Ok(()) => Body::Document(&out),
            Err(reason) => Body::Malformed(reason),
        };
        let record = Record { number, line, body };
        number += 1;
        visit(record)
    })
}

/// A row as it stands in the file.
pub(crate) enum Row<'a> {
    /// The names of the columns.
    Header(Vec<String>),
    /// A row below it.
    Cells {
        /// The line it begins in.
        line: u64,
        /// Its cells.
        cells: &'a ByteRecord,
    },
    /// A row whose cells cannot be told apart.
    Malformed {
        /// The line it begins in.
        line: u64,
        /// Why.
        reason: &'static str,
    },
}

/// Shows the header, then every row.
pub(crate) fn rows(
    opened: &mut Opened,
    delimiter: u8,
    visit: &mut dyn FnMut(Row<'_>) -> ControlFlow<()>,
) -> Result<(), Error> {
    let path = opened.path.clone();
    let (guarded, meter) = Guard::new(&mut opened.text);
    let (followed, quotes) = Follow::new(guarded, delimiter);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(false)
        .from_reader(followed);
    let mut cells = ByteRecord::new();
    if !advance(&mut reader, &mut cells, &meter, &path)? {
        return Err(Error::header(
            &path,
            "the file is empty: a header is expected in its first line",
        ));
    }
    if visit(Row::Header(header(&cells, &path)?)).is_break() {
        return Ok(());
    }
    if quotes.is_wrong_before(reader.position().byte()) {
        return Err(Error::header(&path, STRAY));
    }
    let single = cells.len() == 1;
    let mut before = reader.position().line();
    // A row that ends with CR and LF leaves the LF to the next one.
    let leaves_lf = before == 1 + inside(&cells);
    while advance(&mut reader, &mut cells, &meter, &path)? {
        let after = reader.position().line();
        let skipped = (after - before).saturating_sub(inside(&cells) + 1);
        let line = before + skipped + u64::from(leaves_lf);
        if quotes.is_open_at_end() {
            let reason = "a quote is opened in this row and never closed".to_owned();
            return Err(Error::Broken { path, line, column: 0, reason });
        }
        // In a table of one column an empty line may be a row with an empty cell.
        for empty in 0..if single { skipped } else { 0 } {
            let line = before + u64::from(leaves_lf) + empty;
            let reason = "an empty line, which may be a row with an empty cell";
            if visit(Row::Malformed { line, reason }).is_break() {
                return Ok(());
            }
        }
        before = after;
        if quotes.is_wrong_before(reader.position().byte()) {
            if visit(Row::Malformed { line, reason: STRAY }).is_break() {
                break;
            }
            continue;
        }
        if visit(Row::Cells { line, cells: &cells }).is_break() {
            break;
        }
    }
    Ok(())
}

/// Line ends inside the cells.
fn inside(cells: &ByteRecord) -> u64 {
    cells.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64
}

fn advance<R: std::io::Read>(
    reader: &mut csv::Reader<R>,
    cells: &mut ByteRecord,
    meter: &Meter,
    path: &Path,
) -> Result<bool, Error> {
    meter.record_ended();
    let line = reader.position().line();
    reader.read_byte_record(cells).map_err(|error| {
        let text = error.to_string();
        match error.into_kind() {
            csv::ErrorKind::Io(source) => Error::read(path, line, source),
            _ => Error::Broken { path: path.to_owned(), line, column: 0, reason: text },
        }
    })
}

fn header(cells: &ByteRecord, path: &Path) -> Result<Vec<String>, Error> {
    let mut seen = BTreeSet::new();
    let mut names = Vec::new();
    for (at, cell) in cells.iter().enumerate() {
        let name = std::str::from_utf8(cell)
            .map_err(|_| {
                Error::header(path, format!("the name of column {} is not UTF-8", at + 1))
            })?
            .trim();
        if name.is_empty() {
            return Err(Error::header(path, format!("column {} has no name", at + 1)));
        }
        if !seen.insert(name.to_owned()) {
            return Err(Error::header(path, format!("two columns are named `{name}`")));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn column(name: String, shape: &Shape) -> Column {
    let kind = shape.columns.get(&name).copied().unwrap_or(ColumnType::String);
    let mut quoted = Vec::new();
    cell::push_text(&name, &mut quoted);
    quoted.push(b':');
    Column { name, quoted, kind }
}

fn document(
    columns: &[Column],
    cells: &ByteRecord,
    empty: EmptyCell,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    if cells.len() != columns.len() {
        let (has, wanted) = (cells.len(), columns.len());
        return Err(format!("the row has {has} cells, the header {wanted} columns"));
    }
    out.clear();
    out.push(b'{');
    for (column, cell) in columns.iter().zip(cells) {
        if cell.is_empty() && empty == EmptyCell::Omit {
            continue;
        }
        let text = std::str::from_utf8(cell)
            .map_err(|_| format!("column `{}` is not UTF-8", column.name))?;
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(&column.quoted);
        cell::push(text, column.kind, empty, out).map_err(|expected| {
            let name = &column.name;
            format!("column `{name}`: `{}` is not {expected} ({})", excerpt(text), column.kind)
        })?;
    }
    out.push(b'}');
    Ok(())
}

/// As much of a cell as fits a message.
fn excerpt(text: &str) -> String {
    const LONGEST: usize = 60;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}
