//! A bound on single records, and the line that was reached.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// The most that one record may take, in bytes: an engine takes no more than 100 MB at once. A quote
/// that is never closed would make the rest of a file one record.
pub(crate) const RECORD_BYTES: u64 = 64 << 20;

/// What was read since the last record ended, and the lines so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Rc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    since: Cell<u64>,
    line_ends: Cell<u64>,
}

impl Meter {
    /// A record has ended.
    pub(crate) fn record_ended(&self) {
        self.0.since.set(0);
    }

    /// Line ends among the bytes that were taken.
    pub(crate) fn line_ends(&self) -> u64 {
        self.0.line_ends.get()
    }
}

/// A reader that fails where one record is longer than it may be.
#[derive(Debug)]
pub(crate) struct Guard<R> {
    inner: R,
    meter: Meter,
}

impl<R> Guard<R> {
    pub(crate) fn new(inner: R) -> (Guard<R>, Meter) {
        let meter = Meter::default();
        (Guard { inner, meter: meter.clone() }, meter)
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let meter = &self.meter.0;
        let ends = buffer[..read].iter().filter(|byte| **byte == b'\n').count();
        meter.line_ends.set(meter.line_ends.get() + ends as u64);
        meter.since.set(meter.since.get() + read as u64);
        // A buffer's worth is read ahead of the record.
        if meter.since.get() > RECORD_BYTES + (1 << 20) {
            return Err(too_long());
        }
        Ok(read)
    }
}

/// The error of a record that is longer than it may be.
pub(crate) fn too_long() -> io::Error {
    let reason = format!(
        "a record is longer than {} MB: perhaps a quote is never closed, or the format is another",
        RECORD_BYTES >> 20
    );
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
