//! A document on its way through the pipeline: its members as offsets, and what changes of them.

use std::ops::Range;
use std::sync::Arc;

use crate::cache::Fragment;
use crate::json::{Member, Members, decode, push_clean};

/// The top-level names a program has to do with. A slot is a name's place in the list.
#[derive(Debug, Default)]
pub(crate) struct Names {
    names: Vec<String>,
    /// One bit per possible shape of a name, so that most strangers are told at a glance.
    shapes: u64,
}

/// A name's place in [`Names`].
pub(crate) type Slot = usize;

fn shape(name: &[u8]) -> u64 {
    let (first, last) = (name.first().copied().unwrap_or(0), name.last().copied().unwrap_or(0));
    let mixed = name.len() * 7 + usize::from(first) * 31 + usize::from(last) * 3;
    1 << (mixed & 63)
}

impl Names {
    /// The slot of a name, a new one if need be.
    pub(crate) fn slot(&mut self, name: &str) -> Slot {
        if let Some(slot) = self.names.iter().position(|known| known == name) {
            return slot;
        }
        self.shapes |= shape(name.as_bytes());
        self.names.push(name.to_owned());
        self.names.len() - 1
    }

    fn find(&self, raw: &[u8]) -> Option<Slot> {
        if raw.contains(&b'\\') {
            let name = decode(raw);
            return self.names.iter().position(|known| known.as_bytes() == name.as_ref());
        }
        if self.shapes & shape(raw) == 0 {
            return None;
        }
        self.names.iter().position(|known| known.as_bytes() == raw)
    }
}

/// One top-level member.
#[derive(Debug)]
struct Entry {
    /// Where it stands in the source; None if a step made it.
    origin: Option<Member>,
    slot: Option<Slot>,
    /// A new name with its quotes, in the arena.
    name: Option<Range<usize>>,
    /// A new value, in the arena.
    value: Option<Range<usize>>,
    gone: bool,
}

/// A document on its way. Reused from document to document, so that its memory is, too.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    entries: Vec<Entry>,
    /// Per slot, the member that counts: the last one of its name.
    slots: Vec<Option<usize>>,
    arena: Vec<u8>,
    fragments: Vec<Arc<Fragment>>,
    /// After the opening brace.
    body: usize,
    /// Whether anything but appending has been done.
    edited: bool,
    doubled: bool,
}

/// An arena beyond this is given back after the document that needed it, bytes.
const ARENA_KEPT: usize = 1 << 20;

impl Draft {
    /// Takes a document in.
    ///
    /// # Errors
    /// Why it isn't a JSON object.
    pub(crate) fn read(&mut self, source: &[u8], names: &Names) -> Result<(), String> {
        self.clear(names.names.len());
        let mut members = Members::of(source).ok_or("the source isn't a json object")?;
        self.body = members.offset();
        while let Some(member) = members.advance().map_err(|error| error.to_string())? {
            let slot = names.find(&source[member.name.clone()]);
            if let Some(slot) = slot {
                self.doubled |= self.slots[slot].is_some();
                self.slots[slot] = Some(self.entries.len());
            }
            let origin = Some(member);
            self.entries.push(Entry { origin, slot, name: None, value: None, gone: false });
        }
        match source[members.offset()..].iter().all(u8::is_ascii_whitespace) {
            true => Ok(()),
            false => Err("malformed json: something after the object".to_owned()),
        }
    }

    fn clear(&mut self, slots: usize) {
        self.entries.clear();
        self.slots.clear();
        self.slots.resize(slots, None);
        self.arena.clear();
        self.arena.shrink_to(ARENA_KEPT);
        self.fragments.clear();
        self.edited = false;
        self.doubled = false;
    }

    /// The value of a name, as JSON text.
    pub(crate) fn get<'a>(&'a self, source: &'a [u8], slot: Slot) -> Option<&'a [u8]> {
        let entry = &self.entries[self.slots[slot]?];
        match (&entry.value, &entry.origin) {
            (Some(value), _) => Some(&self.arena[value.clone()]),
            (None, Some(origin)) => Some(&source[origin.value.clone()]),
            (None, None) => None,
        }
    }

    /// Whether there is a member of this name.
    pub(crate) fn has(&self, slot: Slot) -> bool {
        self.slots[slot].is_some()
    }

    /// Writes a value: in place if the name is there, else at the end.
    pub(crate) fn put(&mut self, slot: Slot, quoted_name: &[u8], value: &[u8]) {
        self.edited = true;
        let range = self.keep(value);
        if let Some(at) = self.slots[slot] {
            self.drop_doubles(slot, Some(at));
            self.entries[at].value = Some(range);
            return;
        }
        let name = Some(self.keep(quoted_name));
        self.slots[slot] = Some(self.entries.len());
        let value = Some(range);
        self.entries.push(Entry { origin: None, slot: Some(slot), name, value, gone: false });
    }

    /// Takes a member away.
    pub(crate) fn remove(&mut self, slot: Slot) {
        if self.has(slot) {
            self.edited = true;
            self.drop_doubles(slot, None);
            self.slots[slot] = None;
        }
    }

    /// Gives a member another name, which no member may have. It stays where it stands.
    pub(crate) fn rename(&mut self, old: Slot, new: Slot, quoted_name: &[u8]) {
        let Some(at) = self.slots[old].take() else { return };
        self.edited = true;
        self.drop_doubles(old, Some(at));
        let name = self.keep(quoted_name);
        self.entries[at].name = Some(name);
        self.entries[at].slot = Some(new);
        self.slots[new] = Some(at);
    }

    /// Adds members at the end. None of them may be there yet, nor be asked for later.
    pub(crate) fn append(&mut self, fragment: &Arc<Fragment>) {
        self.fragments.push(Arc::clone(fragment));
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let from = self.arena.len();
        self.arena.extend_from_slice(bytes);
        from..self.arena.len()
    }

    /// Takes away every member of a name but one.
    fn drop_doubles(&mut self, slot: Slot, but: Option<usize>) {
        if !self.doubled {
            if let (None, Some(at)) = (but, self.slots[slot]) {
                self.entries[at].gone = true;
            }
            return;
        }
        for (at, entry) in self.entries.iter_mut().enumerate() {
            entry.gone |= entry.slot == Some(slot) && Some(at) != but;
        }
    }

    /// Appends the document as it now is.
    pub(crate) fn write(&self, source: &[u8], out: &mut Vec<u8>) {
        if self.edited { self.write_edited(source, out) } else { self.write_appended(source, out) }
    }

    fn write_appended(&self, source: &[u8], out: &mut Vec<u8>) {
        let last = self.entries.last().and_then(|entry| entry.origin.as_ref());
        let end = last.map_or(self.body, |member| member.value.end);
        push_clean(out, &source[..end]);
        self.write_fragments(last.is_none(), out);
        push_clean(out, &source[end..]);
    }

    fn write_fragments(&self, mut first: bool, out: &mut Vec<u8>) {
        for fragment in self.fragments.iter().filter(|fragment| !fragment.is_empty()) {
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            out.extend_from_slice(fragment.bytes());
        }
    }

    fn write_edited(&self, source: &[u8], out: &mut Vec<u8>) {
        push_clean(out, &source[..self.body]);
        let mut first = true;
        // White space after the last member of the source stays before the closing brace.
        let mut tail = 0..0;
        for entry in self.entries.iter().filter(|entry| !entry.gone) {
            push_clean(out, &source[std::mem::take(&mut tail)]);
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            tail = self.write_entry(entry, source, out);
        }
        self.write_fragments(first, out);
        push_clean(out, &source[tail]);
        let close = self.entries.iter().rev().find_map(|entry| entry.origin.as_ref());
        let close = close.map_or(self.body, |member| member.end);
        push_clean(out, &source[close..]);
    }

    /// Appends a member; returns the white space that followed it.
    fn write_entry(&self, entry: &Entry, source: &[u8], out: &mut Vec<u8>) -> Range<usize> {
        let Some(origin) = &entry.origin else {
            for range in entry.name.iter().chain([&(0..0)]).take(1) {
                out.extend_from_slice(&self.arena[range.clone()]);
            }
            out.push(b':');
            out.extend_from_slice(&self.arena[entry.value.clone().unwrap_or(0..0)]);
            return 0..0;
        };
        match &entry.name {
            None => push_clean(out, &source[origin.start..origin.value.start]),
            Some(name) => {
                push_clean(out, &source[origin.start..origin.name.start - 1]);
                out.extend_from_slice(&self.arena[name.clone()]);
                push_clean(out, &source[origin.name.end + 1..origin.value.start]);
            }
        }
        match &entry.value {
            None => push_clean(out, &source[origin.value.clone()]),
            Some(value) => push_clean(out, &self.arena[value.clone()]),
        }
        origin.value.end..origin.end
    }
}
