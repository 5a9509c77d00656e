//! JSON: one array of objects, or objects one after the other. The file is never held in memory, only
//! one of its elements.

use std::io::BufRead;
use std::ops::ControlFlow;
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::guard::{Guard, Meter};
use crate::lines::noun;
use crate::open::Opened;
use crate::{Body, Error, Record, Visit};

/// How an array that nobody wants to read on is left: serde has no other way out than an error.
const ENOUGH: &str = "enough";

pub(crate) fn read(opened: &mut Opened, visit: &mut Visit<'_>) -> Result<(), Error> {
    let path = opened.path.clone();
    let skipped = skip_space(&mut opened.text).map_err(|source| Error::read(&path, 1, source))?;
    let Some(Start { first, lines }) = skipped else { return Ok(()) };
    let (guarded, meter) = Guard::new(&mut opened.text);
    let mut seen = Seen { visit, meter, number: 0, begun_at: lines, ended: false };
    let done = if first == b'[' {
        let mut json = serde_json::Deserializer::from_reader(guarded);
        Elements(&mut seen).deserialize(&mut json).and_then(|()| json.end())
    } else {
        let values = serde_json::Deserializer::from_reader(guarded).into_iter::<Box<RawValue>>();
        seen.all(values)
    };
    match done {
        Err(error) if !seen.ended => Err(broken(error, &path, lines)),
        _ => Ok(()),
    }
}

struct Start {
    first: u8,
    lines: u64,
}

/// Goes to the first byte that says something; counts the lines before it.
fn skip_space(text: &mut dyn BufRead) -> std::io::Result<Option<Start>> {
    let mut lines = 0;
    loop {
        let buffer = text.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        let spaces = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        lines += buffer[..spaces].iter().filter(|byte| **byte == b'\n').count() as u64;
        let first = buffer.get(spaces).copied();
        text.consume(spaces);
        if let Some(first) = first {
            return Ok(Some(Start { first, lines }));
        }
    }
}

struct Seen<'a, 'v> {
    visit: &'a mut Visit<'v>,
    meter: Meter,
    number: u64,
    /// Lines before the text that the deserializer reads.
    begun_at: u64,
    ended: bool,
}

impl Seen<'_, '_> {
    fn all<E>(&mut self, values: impl Iterator<Item = Result<Box<RawValue>, E>>) -> Result<(), E> {
        for value in values {
            if self.show(&value?).is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn show(&mut self, value: &RawValue) -> ControlFlow<()> {
        self.meter.record_ended();
        let text = value.get().trim().as_bytes();
        let within = text.iter().filter(|byte| **byte == b'\n').count() as u64;
        // Nothing beyond the value was taken, or one byte that is no line end of it.
        let line = self.begun_at + (self.meter.line_ends() + 1).saturating_sub(within);
        let body = match text.first() {
            Some(b'{') => Body::Document(text),
            _ => Body::Malformed(format!("{}, not an object", noun(text))),
        };
        let record = Record { number: self.number, line, body };
        self.number += 1;
        let flow = (self.visit)(record);
        self.ended = flow.is_break();
        flow
    }
}

/// Shows each element of an array as it is read.
struct Elements<'e, 'a, 'v>(&'e mut Seen<'a, 'v>);

impl<'de> DeserializeSeed<'de> for Elements<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(value) = elements.next_element::<Box<RawValue>>()? {
            if self.0.show(&value).is_break() {
                return Err(A::Error::custom(ENOUGH));
            }
        }
        Ok(())
    }
}

fn broken(error: serde_json::Error, path: &Path, lines: u64) -> Error {
    let (line, column) = (lines + error.line() as u64, error.column() as u64);
    if error.is_io() {
        return Error::read(path, line, error.into());
    }
    let text = error.to_string();
    let plain = text.rsplit_once(" at line ").map_or(text.as_str(), |(plain, _)| plain);
    let reason = format!("no JSON: {plain}");
    Error::Broken { path: path.to_owned(), line, column, reason }
}
