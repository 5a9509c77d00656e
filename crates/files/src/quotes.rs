//! Quotes of a table, followed byte by byte. The parser takes any text: a quote that is never closed makes
//! the next rows part of a cell, and nobody would know. Here it shows: between a closing quote and the
//! next separator stands nothing, and at the end of the file no quote is open.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::rc::Rc;

/// How many faults are kept at most: what is read ahead holds no more rows.
const KEPT: usize = 1 << 20;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Start,
    Plain,
    Quoted,
    /// After a quote inside quotes: it ends the cell, or stands for one.
    Closing,
}

#[derive(Debug, Default)]
struct State {
    at: At,
    offset: u64,
    faults: VecDeque<u64>,
    ended: bool,
}

/// Where quotes are wrong, as far as the file was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quotes(Rc<RefCell<State>>);

impl Quotes {
    /// Whether something is wrong before byte `end`; forgets it.
    pub(crate) fn is_wrong_before(&self, end: u64) -> bool {
        let mut state = self.0.borrow_mut();
        let before = state.faults.iter().take_while(|offset| **offset < end).count();
        state.faults.drain(..before).count() > 0
    }

    /// Whether the file has ended inside quotes.
    pub(crate) fn is_open_at_end(&self) -> bool {
        let state = self.0.borrow();
        state.ended && state.at == At::Quoted
    }
}

/// A reader that follows the quotes of what passes through it.
#[derive(Debug)]
pub(crate) struct Follow<R> {
    inner: R,
    delimiter: u8,
    quotes: Quotes,
}

impl<R> Follow<R> {
    pub(crate) fn new(inner: R, delimiter: u8) -> (Follow<R>, Quotes) {
        let quotes = Quotes::default();
        (Follow { inner, delimiter, quotes: quotes.clone() }, quotes)
    }
}

impl<R: Read> Read for Follow<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let mut state = self.quotes.0.borrow_mut();
        state.ended = read == 0 && !buffer.is_empty();
        for byte in &buffer[..read] {
            let separates = *byte == self.delimiter || matches!(byte, b'\n' | b'\r');
            state.at = match (state.at, byte) {
                (At::Start, b'"') => At::Quoted,
                (At::Start | At::Plain, _) if separates => At::Start,
                (At::Start | At::Plain, _) => At::Plain,
                (At::Quoted, b'"') => At::Closing,
                (At::Quoted, _) => At::Quoted,
                (At::Closing, b'"') => At::Quoted,
                (At::Closing, _) if separates => At::Start,
                (At::Closing, _) => {
                    let offset = state.offset;
                    if state.faults.len() < KEPT {
                        state.faults.push_back(offset);
                    }
                    At::Plain
                }
            };
            state.offset += 1;
        }
        Ok(read)
    }
}
