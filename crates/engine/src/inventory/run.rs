//! One run: entries in ascending order of their numbers, or numbers that are settled, as bytes.
//!
//! ```text
//! magic 4 | from i64 | to i64 | entries u32 | payload length u32 | xxh3-64 of payload | payload
//! ```
//!
//! All of a run lies in `(from, to]`. An entry in the payload: number as varint distance to the one
//! before, class, flags, then id, routing and, where the pipeline makes keys, these (their number, then
//! id, flag and routing of each), as length-prefixed text. A settled number is its distance alone. All
//! integers are little-endian.

use segue_model::id::SeqNo;
use segue_model::position::Window;
use segue_transform::DocumentKey;
use xxhash_rust::xxh3::xxh3_64;

const ENTRIES: [u8; 4] = *b"SGR1";
const SETTLED: [u8; 4] = *b"SGS1";
/// Bytes before the payload.
pub(super) const HEADER: usize = 36;

const HAS_ROUTING: u8 = 1;
const HAS_KEYS: u8 = 2;

/// What became of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It stands in the target, or is about to.
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
    /// Its keys in the target, where the pipeline makes them; none = the one it has in the source.
    pub keys: Option<Vec<DocumentKey>>,
}

/// A run, as it is collected.
#[derive(Clone, Debug, Default)]
pub struct Run {
    payload: Vec<u8>,
    numbers: Vec<SeqNo>,
    /// Where the pipeline makes keys: class and number of documents of each.
    made: Vec<(Class, u64)>,
}

/// What a run holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Documents that were read.
    Entries(Vec<Entry>),
    /// Numbers that need no further look.
    Settled(Vec<SeqNo>),
}

/// The start of a run's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    settled: bool,
    /// All numbers of the run lie in it.
    pub window: Window,
    count: u32,
    /// Bytes that follow.
    pub length: usize,
    /// The hash of these bytes.
    pub hash: u64,
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
        self.push_entry(seq_no, id, routing, class, 0);
    }

    /// Adds a document of a pipeline that makes keys. Numbers have to ascend.
    pub fn push_keyed(
        &mut self,
        seq_no: SeqNo,
        (id, routing): (&str, Option<&str>),
        class: Class,
        keys: &[DocumentKey],
    ) {
        self.push_entry(seq_no, id, routing, class, HAS_KEYS);
        self.made.push((class, keys.len() as u64));
        varint(&mut self.payload, keys.len() as u64);
        for key in keys {
            text(&mut self.payload, &key.id);
            self.payload.push(u8::from(key.routing.is_some()));
            if let Some(routing) = &key.routing {
                text(&mut self.payload, routing);
            }
        }
    }

    fn push_entry(
        &mut self,
        seq_no: SeqNo,
        id: &str,
        routing: Option<&str>,
        class: Class,
        flags: u8,
    ) {
        distance(&mut self.payload, self.numbers.last().copied(), seq_no);
        self.numbers.push(seq_no);
        self.payload.push(class.code());
        self.payload.push(flags | if routing.is_some() { HAS_ROUTING } else { 0 });
        text(&mut self.payload, id);
        if let Some(routing) = routing {
            text(&mut self.payload, routing);
        }
    }

    /// The numbers it holds.
    pub fn numbers(&self) -> &[SeqNo] {
        &self.numbers
    }

    /// What was made of each number, where the pipeline makes keys.
    pub(super) fn made(&self) -> impl Iterator<Item = (SeqNo, Class, u64)> {
        self.numbers.iter().zip(&self.made).map(|(number, (class, made))| (*number, *class, *made))
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    pub(super) fn seal(&self) -> (Head, Vec<u8>) {
        seal(ENTRIES, &self.numbers, &self.payload)
    }
}

/// A run that says that `numbers`, ascending, are settled.
pub(super) fn seal_settled(numbers: &[SeqNo]) -> (Head, Vec<u8>) {
    let mut payload = Vec::new();
    let mut last = None;
    for number in numbers {
        distance(&mut payload, last, *number);
        last = Some(*number);
    }
    seal(SETTLED, numbers, &payload)
}

fn seal(magic: [u8; 4], numbers: &[SeqNo], payload: &[u8]) -> (Head, Vec<u8>) {
    let from = SeqNo(numbers.first().map_or(0, |first| first.0 - 1));
    let to = numbers.last().copied().unwrap_or(from);
    let count = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
    let (window, hash) = (Window { from, to }, xxh3_64(payload));
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend_from_slice(&magic);
    bytes.extend_from_slice(&from.0.to_le_bytes());
    bytes.extend_from_slice(&to.0.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&hash.to_le_bytes());
    bytes.extend_from_slice(payload);
    (Head { settled: magic == SETTLED, window, count, length: payload.len(), hash }, bytes)
}

fn distance(out: &mut Vec<u8>, last: Option<SeqNo>, number: SeqNo) {
    let distance = number.0 - last.map_or(0, |last| last.0);
    debug_assert!(distance >= 0, "numbers of a run ascend");
    varint(out, u64::try_from(distance).unwrap_or(0));
}

impl Head {
    pub(super) fn read(bytes: &[u8; HEADER]) -> Result<Head, RunError> {
        let mut head = Reader { bytes };
        let settled = match head.array()? {
            ENTRIES => false,
            SETTLED => true,
            _ => return Err(RunError::Damaged),
        };
        let from = SeqNo(i64::from_le_bytes(head.array()?));
        let to = SeqNo(i64::from_le_bytes(head.array()?));
        let count = u32::from_le_bytes(head.array()?);
        let length = usize::try_from(u32::from_le_bytes(head.array()?)).unwrap_or(usize::MAX);
        let hash = u64::from_le_bytes(head.array()?);
        Ok(Head { settled, window: Window { from, to }, count, length, hash })
    }

    /// Reads the bytes that follow the head.
    pub(super) fn content(&self, payload: &[u8]) -> Result<Content, RunError> {
        if payload.len() < self.length {
            return Err(RunError::Cut);
        }
        if xxh3_64(payload) != self.hash {
            return Err(RunError::Damaged);
        }
        let mut reader = Reader { bytes: payload };
        let mut last = SeqNo(0);
        let content = if self.settled {
            let numbers = (0..self.count).map(|_| reader.number(&mut last));
            Content::Settled(numbers.collect::<Result<_, _>>()?)
        } else {
            let entries = (0..self.count).map(|_| reader.entry(&mut last));
            Content::Entries(entries.collect::<Result<_, _>>()?)
        };
        if reader.bytes.is_empty() { Ok(content) } else { Err(RunError::Damaged) }
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

    fn number(&mut self, last: &mut SeqNo) -> Result<SeqNo, RunError> {
        let distance = i64::try_from(self.varint()?).map_err(|_| RunError::Damaged)?;
        *last = SeqNo(last.0.checked_add(distance).ok_or(RunError::Damaged)?);
        Ok(*last)
    }

    fn entry(&mut self, last: &mut SeqNo) -> Result<Entry, RunError> {
        let seq_no = self.number(last)?;
        let [class, flags] = self.array()?;
        let class = Class::of(class).ok_or(RunError::Damaged)?;
        let id = self.text()?;
        let routing = (flags & HAS_ROUTING != 0).then(|| self.text()).transpose()?;
        let keys = (flags & HAS_KEYS != 0).then(|| self.keys()).transpose()?;
        Ok(Entry { seq_no, id, routing, class, keys })
    }

    fn keys(&mut self) -> Result<Vec<DocumentKey>, RunError> {
        let mut keys = Vec::new();
        for _ in 0..self.varint()? {
            let id = self.text()?;
            let [routed] = self.array()?;
            let routing = (routed != 0).then(|| self.text()).transpose()?;
            keys.push(DocumentKey { id, routing });
        }
        Ok(keys)
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

    fn read(bytes: &[u8]) -> Result<(Head, Content), RunError> {
        let head = Head::read(bytes.first_chunk().ok_or(RunError::Cut)?)?;
        let payload = &bytes[HEADER..];
        Ok((head, head.content(&payload[..head.length.min(payload.len())])?))
    }

    proptest! {
        #[test]
        fn a_run_gives_back_what_was_put_in(
            documents in prop::collection::vec(
                (
                    0i64..1000,
                    ".{0,80}",
                    prop::option::of(".{0,9}"),
                    0u8..3,
                    prop::option::of(prop::collection::vec((".{0,9}", prop::option::of(".{0,9}")), 0..4)),
                ),
                1..40,
            )
        ) {
            let (mut run, mut expected, mut seq) = (Run::default(), Vec::new(), -1);
            for (step, id, routing, class, keys) in documents {
                seq += step + 1;
                let class = Class::of(class).unwrap();
                let key = |(id, routing)| DocumentKey { id, routing };
                let keys: Option<Vec<_>> = keys.map(|keys| keys.into_iter().map(key).collect());
                match &keys {
                    None => run.push(SeqNo(seq), &id, routing.as_deref(), class),
                    Some(keys) => run.push_keyed(SeqNo(seq), (&id, routing.as_deref()), class, keys),
                }
                expected.push(Entry { seq_no: SeqNo(seq), id, routing, class, keys });
            }
            let numbers = run.numbers().to_vec();
            let window = Window { from: SeqNo(numbers[0].0 - 1), to: SeqNo(seq) };
            let (head, bytes) = run.seal();
            prop_assert_eq!(head.window, window);
            prop_assert_eq!(read(&bytes), Ok((head, Content::Entries(expected))));
            let (head, bytes) = seal_settled(&numbers);
            prop_assert_eq!(head.window, window);
            prop_assert_eq!(read(&bytes), Ok((head, Content::Settled(numbers))));
        }

        #[test]
        fn a_cut_or_changed_run_is_an_error_and_never_another_run(cut in 0usize..200, flip in 0usize..200) {
            let mut run = Run::default();
            for seq in 0..10 {
                run.push(SeqNo(seq), "an-id", Some("r"), Class::Written);
            }
            let (_, whole) = run.seal();
            let cut = cut % whole.len();
            prop_assert!(read(&whole[..cut]).is_err());
            let mut changed = whole.clone();
            let at = HEADER + flip % (whole.len() - HEADER);
            changed[at] ^= 1;
            prop_assert_eq!(read(&changed), Err(RunError::Damaged));
        }
    }
}
