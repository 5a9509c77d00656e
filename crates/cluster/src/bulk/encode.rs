//! The body of a bulk: one line that says what to do, one line with the document.
//!
//! Until an application may write to the target, every write carries an external version, which makes
//! it safe to repeat: the engine keeps the higher version, whatever the order of arrival. From then on
//! writes create what is absent, or replace a known state (`docs/concepts/protocol.md`).

use bytes::Bytes;

use crate::DocVersion;

/// Room left for the line that says what to do, besides the id and the routing.
const ACTION: usize = 96;

/// What must hold for a write to be applied, besides what its verb says.
#[derive(Clone, Copy)]
enum Condition {
    None,
    /// What stands there has a lower version.
    Above(u64),
    /// What stands there has this version or a lower one.
    AtLeast(u64),
    /// What stands there is in this state.
    State(DocVersion),
}

/// The body of one bulk, while it is written.
///
/// ```
/// # use segue_cluster::BulkBody;
/// let mut body = BulkBody::with_capacity(1 << 20);
/// body.index("a/1", None, 7, br#"{"n":1e3}"#);
/// body.begin_index("b", Some("r"), 8).extend_from_slice(br#"{"n":2}"#);
/// body.finish();
/// body.delete("c", None, 9);
/// let (bytes, items) = body.take();
/// assert_eq!(items, 3);
/// assert_eq!(bytes.iter().filter(|b| **b == b'\n').count(), 5);
/// ```
#[derive(Debug, Default)]
pub struct BulkBody {
    bytes: Vec<u8>,
    items: usize,
    /// Where the item that is being written begins.
    open: Option<usize>,
}

impl BulkBody {
    /// An empty body with room for `bytes`.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> BulkBody {
        BulkBody { bytes: Vec::with_capacity(bytes), items: 0, open: None }
    }

    /// Writes a document. Line ends inside `source` (white space in JSON, never part of a text)
    /// become spaces, because a line end separates the lines of a bulk.
    pub fn index(&mut self, id: &str, routing: Option<&str>, version: u64, source: &[u8]) {
        let buffer = self.begin_index(id, routing, version);
        buffer.reserve(source.len() + 1);
        push_line(buffer, source);
        self.finish();
    }

    /// Begins to write a document whose source is appended to the returned buffer; what is in the
    /// buffer already must be left alone, and no line end may be appended. [`BulkBody::finish`] or
    /// [`BulkBody::cancel`] ends it. An item that is still open is cancelled.
    pub fn begin_index(&mut self, id: &str, routing: Option<&str>, version: u64) -> &mut Vec<u8> {
        self.cancel();
        self.open = Some(self.bytes.len());
        self.action(b"{\"index\":{\"_id\":", id, routing, Condition::Above(version));
        &mut self.bytes
    }

    /// As [`BulkBody::begin_index`], for a document that is written only if there is none of that id.
    pub fn begin_create(&mut self, id: &str, routing: Option<&str>) -> &mut Vec<u8> {
        self.cancel();
        self.open = Some(self.bytes.len());
        self.action(b"{\"create\":{\"_id\":", id, routing, Condition::None);
        &mut self.bytes
    }

    /// As [`BulkBody::begin_index`], for a document that is replaced only if it is still in the state
    /// `expected`.
    pub fn begin_replace(
        &mut self,
        id: &str,
        routing: Option<&str>,
        expected: DocVersion,
    ) -> &mut Vec<u8> {
        self.cancel();
        self.open = Some(self.bytes.len());
        self.action(b"{\"index\":{\"_id\":", id, routing, Condition::State(expected));
        &mut self.bytes
    }

    /// Deletes a document if it is still in the state `expected`.
    pub fn remove(&mut self, id: &str, routing: Option<&str>, expected: DocVersion) {
        self.cancel();
        self.action(b"{\"delete\":{\"_id\":", id, routing, Condition::State(expected));
        self.items += 1;
    }

    /// Appends the document of the item that was begun, line ends made spaces, and ends the item.
    pub fn end_with(&mut self, source: &[u8]) {
        self.bytes.reserve(source.len() + 1);
        push_line(&mut self.bytes, source);
        self.finish();
    }

    /// What was written since the last [`BulkBody::take`].
    #[must_use]
    pub fn written(&self) -> &[u8] {
        &self.bytes
    }

    /// Ends the open item; does nothing when none is open.
    pub fn finish(&mut self) {
        if self.open.take().is_some() {
            self.bytes.push(b'\n');
            self.items += 1;
        }
    }

    /// Takes the open item back; does nothing when none is open.
    pub fn cancel(&mut self) {
        if let Some(start) = self.open.take() {
            self.bytes.truncate(start);
        }
    }

    /// Deletes a document.
    pub fn delete(&mut self, id: &str, routing: Option<&str>, version: u64) {
        self.cancel();
        self.action(b"{\"delete\":{\"_id\":", id, routing, Condition::Above(version));
        self.items += 1;
    }

    /// Deletes a document that has this version or a lower one, and leaves a tombstone of this version,
    /// also where there is no document: no write with this version or a lower one is taken after that.
    pub fn delete_up_to(&mut self, id: &str, routing: Option<&str>, version: u64) {
        self.cancel();
        self.action(b"{\"delete\":{\"_id\":", id, routing, Condition::AtLeast(version));
        self.items += 1;
    }

    /// Finished items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items
    }

    /// Whether no item is finished.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// Bytes so far, those of an open item included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Drops everything, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.items = 0;
        self.open = None;
    }

    /// The finished items as a request body, and how many they are. Leaves an empty body of the
    /// same capacity.
    pub fn take(&mut self) -> (Bytes, usize) {
        self.cancel();
        let next = BulkBody::with_capacity(self.bytes.capacity());
        let full = std::mem::replace(self, next);
        (Bytes::from(full.bytes), full.items)
    }

    fn action(&mut self, verb: &[u8], id: &str, routing: Option<&str>, condition: Condition) {
        let out = &mut self.bytes;
        out.reserve(ACTION + id.len() + routing.map_or(0, str::len));
        out.extend_from_slice(verb);
        push_text(out, id);
        if let Some(routing) = routing {
            out.extend_from_slice(b",\"routing\":");
            push_text(out, routing);
        }
        match condition {
            Condition::None => {}
            Condition::Above(version) => push_version(out, version, b"external"),
            Condition::AtLeast(version) => push_version(out, version, b"external_gte"),
            Condition::State(DocVersion { seq_no, primary_term }) => {
                out.extend_from_slice(b",\"if_seq_no\":");
                push_number(out, u64::try_from(seq_no).unwrap_or(0));
                out.extend_from_slice(b",\"if_primary_term\":");
                push_number(out, primary_term);
            }
        }
        out.extend_from_slice(b"}}\n");
    }
}

fn push_version(out: &mut Vec<u8>, version: u64, kind: &[u8]) {
    out.extend_from_slice(b",\"version\":");
    push_number(out, version);
    out.extend_from_slice(b",\"version_type\":\"");
    out.extend_from_slice(kind);
    out.push(b'"');
}

/// Appends `source` with line ends replaced by spaces.
fn push_line(out: &mut Vec<u8>, source: &[u8]) {
    let start = out.len();
    out.extend_from_slice(source);
    let mut from = start;
    while let Some(at) = memchr::memchr2(b'\n', b'\r', &out[from..]) {
        out[from + at] = b' ';
        from += at + 1;
    }
}

/// Appends a JSON text. Characters beyond ASCII stand as they are.
fn push_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if text.bytes().any(must_be_escaped) {
        text.bytes().for_each(|byte| push_escaped(out, byte));
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
}

fn must_be_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn push_escaped(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        0..0x20 => {
            out.extend_from_slice(b"\\u00");
            out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        _ => out.push(byte),
    }
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    // u64::MAX has 20 digits.
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
