//! Changes from a file or from standard input, line by line.

use std::io::{BufRead, Read};

use segue_model::membership::{Action, Change};
use segue_model::recipe::{ChangeKeys, EventSpec};

use super::report::BadLine;
use crate::error::Error;

/// The longest line, bytes.
const LONGEST: u64 = 1 << 20;

/// A change and the line it stands in, from 1.
pub(super) type Numbered = (u64, Change);

/// Where lines are read from.
pub(super) struct Lines {
    from: Box<dyn BufRead + Send>,
    name: std::path::PathBuf,
    /// The line that was read last.
    pub(super) line: u64,
}

/// What was read.
pub(super) enum Met {
    Change(Numbered),
    Bad(BadLine),
    End,
}

impl Lines {
    pub(super) fn new(from: Box<dyn BufRead + Send>, name: std::path::PathBuf) -> Lines {
        Lines { from, name, line: 0 }
    }

    /// The next line that is not blank. After a bad line the next ones can be read, unless it was too long.
    pub(super) fn next(&mut self, keys: &ChangeKeys, events: &EventSpec) -> Result<Met, Error> {
        loop {
            let mut bytes = Vec::new();
            let read = (&mut self.from).take(LONGEST).read_until(b'\n', &mut bytes);
            let read = read.map_err(|source| Error::Io {
                doing: "reading the changes",
                path: self.name.clone(),
                source,
            })?;
            if read == 0 {
                return Ok(Met::End);
            }
            self.line += 1;
            let bad = |column, why: String| Ok(Met::Bad(BadLine { line: self.line, column, why }));
            if read as u64 == LONGEST && bytes.last() != Some(&b'\n') {
                self.from = Box::new(std::io::empty());
                return bad(1, format!("longer than {LONGEST} bytes"));
            }
            let text = match std::str::from_utf8(&bytes) {
                Ok(text) => text,
                Err(error) => {
                    let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                    return bad(good.chars().count() + 1, "not UTF-8".to_owned());
                }
            };
            let text = text.trim_end_matches(['\n', '\r']);
            let text = if self.line == 1 { text.trim_start_matches('\u{feff}') } else { text };
            if text.trim().is_empty() {
                continue;
            }
            return match Change::read(text, keys) {
                Ok(Change { action: Action::Delete(_), .. }) if events.fields.deleted.is_none() => {
                    bad(1, "the recipe's events don't say whether a member was deleted".to_owned())
                }
                Ok(change) => Ok(Met::Change((self.line, change))),
                Err(fault) => bad(fault.column, fault.why),
            };
        }
    }
}
