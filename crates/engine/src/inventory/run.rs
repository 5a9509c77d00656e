//! One run: the entries of one window, as bytes.
//!
//! ```text
//! magic 4 | from i64 | to i64 | entries u32 | payload length u32 | xxh3-64 of payload | payload
//! ```
//!
//! An entry in the payload: number as varint distance to the one before, class, flags, then id,
//! routing and target ids as length-prefixed text. All integers are little-endian.

use segue_model::id::SeqNo;
use segue_model::position::Window;
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: [u8; 4] = *b"SGR1";
/// Bytes before the payload.
pub(super) const HEADER: usize = 36;

const HAS_ROUTING: u8 = 1;
const HAS_TARGETS: u8 = 2;

/// What became of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It stands in the target.
    Written,
    /// The recipe leaves it out.
    Filtered,
    /// It is a dead letter.
    Refused,
}

impl Class {
    fn code(self) -> u8 {
        match self {
            Class::Written => 0,
            Class::Filtered => 1,
            Class::Refused => 2,
        }
    }

    fn of(code: u8) -> Option<Class> {
        [Class::Written, Class::Filtered, Class::Refused].into_iter().find(|c| c.code() == code)
    }
}

/// One document of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The source's number.
    pub seq_no: SeqNo,
    /// The document's id in the source.
    pub id: String,
    /// Its routing, if it has one.
    pub routing: Option<String>,
    /// What became of it.
    pub class: Class,
    /// Its ids in the target; empty means the one id it has in the source.
    pub target_ids: Vec<String>,
}

/// The entries of one window, as they are collected.
#[derive(Clone, Debug, Default)]
pub struct Run {
    payload: Vec<u8>,
    entries: u32,
    last: i64,
    started: bool,
}

/// A run that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The bytes end inside the run: a crash while it was written.
    #[error("the run is cut short")]
    Cut,
    /// The bytes are not a run, or not as they were written.
    #[error("the run is damaged")]
    Damaged,
}

impl Run {
    /// Adds a document. Numbers have to ascend.
    pub fn push(&mut self, seq_no: SeqNo, id: &str, routing: Option<&str>, class: Class) {
        let distance = if self.started { seq_no.0 - self.last } else { seq_no.0 };
        debug_assert!(distance >= 0, "numbers of a run ascend");
        (self.last, self.started) = (seq_no.0, true);
        self.entries += 1;
        varint(&mut self.payload, u64::try_from(distance).unwrap_or(0));
        self.payload.push(class.code());
        self.payload.push(if routing.is_some() { HAS_ROUTING } else { 0 });
        text(&mut self.payload, id);
        if let Some(routing) = routing {
            text(&mut self.payload, routing);
        }
    }

    /// How many documents it holds.
    pub fn len(&self) -> u32 {
        self.entries
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The bytes of the run for `window`.
    pub fn seal(&self, window: Window) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.payload.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&window.from.0.to_le_bytes());
        bytes.extend_from_slice(&window.to.0.to_le_bytes());
        bytes.extend_from_slice(&self.entries.to_le_bytes());
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&xxh3_64(&self.payload).to_le_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes
    }
}

/// Reads the run at the start of `bytes`: its window, its entries, and how many bytes it took.
pub fn read_run(bytes: &[u8]) -> Result<(Window, Vec<Entry>, usize), RunError> {
    let mut head = Reader { bytes: bytes.get(..HEADER).ok_or(RunError::Cut)? };
    if head.take(4)? != MAGIC {
        return Err(RunError::Damaged);
    }
    let from = SeqNo(i64::from_le_bytes(head.array()?));
    let to = SeqNo(i64::from_le_bytes(head.array()?));
    let count = u32::from_le_bytes(head.array()?);
    let length = usize::try_from(u32::from_le_bytes(head.array()?)).unwrap_or(usize::MAX);
    let hash = u64::from_le_bytes(head.array()?);
    let end = HEADER.checked_add(length).ok_or(RunError::Damaged)?;
    let payload = bytes.get(HEADER..end).ok_or(RunError::Cut)?;
    if xxh3_64(payload) != hash {
        return Err(RunError::Damaged);
    }
    let mut reader = Reader { bytes: payload };
    let mut entries = Vec::new();
    let mut last = 0;
    for _ in 0..count {
        let entry = reader.entry(last)?;
        last = entry.seq_no.0;
        entries.push(entry);
    }
    if reader.bytes.is_empty() {
        Ok((Window { from, to }, entries, end))
    } else {
        Err(RunError::Damaged)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], RunError> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(RunError::Damaged)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RunError> {
        self.take(N)?.try_into().map_err(|_| RunError::Damaged)
    }

    fn varint(&mut self) -> Result<u64, RunError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(RunError::Damaged)
    }

    fn text(&mut self) -> Result<String, RunError> {
        let length = usize::try_from(self.varint()?).map_err(|_| RunError::Damaged)?;
        String::from_utf8(self.take(length)?.to_vec()).map_err(|_| RunError::Damaged)
    }

    fn entry(&mut self, last: i64) -> Result<Entry, RunError> {
        let distance = i64::try_from(self.varint()?).map_err(|_| RunError::Damaged)?;
        let [class, flags] = self.array()?;
        let class = Class::of(class).ok_or(RunError::Damaged)?;
        let id = self.text()?;
        let routing = (flags & HAS_ROUTING != 0).then(|| self.text()).transpose()?;
        let mut target_ids = Vec::new();
        if flags & HAS_TARGETS != 0 {
            for _ in 0..self.varint()? {
                target_ids.push(self.text()?);
            }
        }
        let seq_no = SeqNo(last.checked_add(distance).ok_or(RunError::Damaged)?);
        Ok(Entry { seq_no, id, routing, class, target_ids })
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or(0));
}

fn text(out: &mut Vec<u8>, text: &str) {
    varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window() -> Window {
        Window { from: SeqNo(-1), to: SeqNo(1 << 40) }
    }

    proptest! {
        #[test]
        fn a_run_gives_back_what_was_put_in(
            documents in prop::collection::vec((0i64..1000, ".{0,80}", prop::option::of(".{0,9}"), 0u8..3), 0..40)
        ) {
            let (mut run, mut expected, mut seq) = (Run::default(), Vec::new(), -1);
            for (step, id, routing, class) in documents {
                seq += step + 1;
                let class = Class::of(class).unwrap();
                run.push(SeqNo(seq), &id, routing.as_deref(), class);
                expected.push(Entry { seq_no: SeqNo(seq), id, routing, class, target_ids: vec![] });
            }
            let mut bytes = run.seal(window());
            let length = bytes.len();
            bytes.extend_from_slice(b"what follows");
            prop_assert_eq!(read_run(&bytes), Ok((window(), expected, length)));
        }

        #[test]
        fn a_cut_or_changed_run_is_an_error_and_never_another_run(cut in 0usize..200, flip in 0usize..200) {
            let mut run = Run::default();
            for seq in 0..10 {
                run.push(SeqNo(seq), "an-id", Some("r"), Class::Written);
            }
            let whole = run.seal(window());
            let cut = cut % whole.len();
            prop_assert!(read_run(&whole[..cut]).is_err());
            let mut changed = whole.clone();
            let at = HEADER + flip % (whole.len() - HEADER);
            changed[at] ^= 1;
            prop_assert_eq!(read_run(&changed), Err(RunError::Damaged));
        }
    }
}
