//! JSON lines: one object a line.

use std::io::{BufRead, Read};

use serde_json::value::RawValue;

use crate::guard::{RECORD_BYTES, too_long};
use crate::open::Opened;
use crate::{Body, Error, Record, Visit};

pub(crate) fn read(opened: &mut Opened, visit: &mut Visit<'_>) -> Result<(), Error> {
    let (mut number, mut line) = (0, 0);
    let mut text = Vec::new();
    loop {
        text.clear();
        line += 1;
        let bounded = &mut (&mut opened.text).take(RECORD_BYTES + 1);
        let read = bounded.read_until(b'\n', &mut text);
        let read = read.map_err(|source| Error::read(&opened.path, line, source))?;
        if read == 0 {
            return Ok(());
        }
        if text.len() as u64 > RECORD_BYTES {
            return Err(Error::read(&opened.path, line, too_long()));
        }
        let trimmed = text.trim_ascii();
        // A line without anything in it is no record.
        if trimmed.is_empty() {
            continue;
        }
        let body = match object(trimmed) {
            Ok(()) => Body::Document(trimmed),
            Err(reason) => Body::Malformed(reason),
        };
        if visit(Record { number, line, body }).is_break() {
            return Ok(());
        }
        number += 1;
    }
}

/// Whether `text` is one JSON object; else what it is.
pub(crate) fn object(text: &[u8]) -> Result<(), String> {
    let utf8 = std::str::from_utf8(text)
        .map_err(|error| format!("byte {} is not UTF-8", error.valid_up_to() + 1))?;
    serde_json::from_str::<&RawValue>(utf8)
        .map_err(|error| format!("no JSON: {}", without_line(&error)))?;
    if text.first() == Some(&b'{') { Ok(()) } else { Err(format!("{}, not an object", noun(text))) }
}

/// What kind of JSON value this is.
pub(crate) fn noun(text: &[u8]) -> &'static str {
    match text.first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// The error's text; its line would be that of the record, not of the file.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let plain = text.rsplit_once(" at line ").map_or(text.as_str(), |(plain, _)| plain);
    format!("{plain} at character {}", error.column())
}
