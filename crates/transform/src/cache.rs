//! What lookups brought, rendered once per key and kept within a bound.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_64;

/// Members of an object, rendered: `"a":1,"b":[2]`.
#[derive(Debug, Default)]
pub(crate) struct Fragment {
    bytes: Vec<u8>,
    values: Vec<Range<usize>>,
}

impl Fragment {
    /// Adds a member whose value `render` appends.
    pub(crate) fn push(
        &mut self,
        quoted_name: &[u8],
        render: impl FnOnce(&mut Vec<u8>) -> Result<(), String>,
    ) -> Result<(), String> {
        if !self.bytes.is_empty() {
            self.bytes.push(b',');
        }
        self.bytes.extend_from_slice(quoted_name);
        self.bytes.push(b':');
        let from = self.bytes.len();
        render(&mut self.bytes)?;
        self.values.push(from..self.bytes.len());
        Ok(())
    }

    /// The members with commas between them.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether there are no members.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The values, in the order they were added.
    pub(crate) fn values(&self) -> impl Iterator<Item = &[u8]> {
        self.values.iter().map(|range| &self.bytes[range.clone()])
    }
}

/// What one key of a lookup brings.
#[derive(Debug)]
pub(crate) struct Brought {
    /// Whether there is a row.
    pub(crate) found: bool,
    /// The rendered members per group of the lookup, or why the document is refused.
    pub(crate) groups: Result<Vec<Arc<Fragment>>, String>,
    /// The row itself, if some step needs it beyond the groups.
    pub(crate) row: Option<Vec<u8>>,
}

impl Brought {
    fn bytes(&self) -> usize {
        let groups = self.groups.as_ref().map_or(0, |groups| {
            groups.iter().map(|group| group.bytes.len() + group.values.len() * 16 + 64).sum()
        });
        groups + self.row.as_ref().map_or(0, Vec::len) + 64
    }
}

/// One lookup's cache, shared by all workers: what one lane has rendered serves the others, and
/// memory doesn't grow with their number.
#[derive(Debug)]
pub(crate) struct SharedCache {
    shards: Vec<Mutex<Cache>>,
}

/// Locks are held for a map operation only; with this many of them lanes seldom meet.
const SHARDS: usize = 16;

impl SharedCache {
    /// An empty cache of at most so many bytes.
    pub(crate) fn new(bound: usize) -> Self {
        let shard = || Mutex::new(Cache::new(bound / SHARDS));
        Self { shards: std::iter::repeat_with(shard).take(SHARDS).collect() }
    }

    /// What a key brought, if it is still known.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Arc<Brought>> {
        self.shard(key).lock().unwrap_or_else(PoisonError::into_inner).get(key)
    }

    /// Remembers what a key brought.
    pub(crate) fn insert(&self, key: &[u8], brought: Arc<Brought>) {
        let mut shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        shard.insert_owned(key.into(), brought);
    }

    fn shard(&self, key: &[u8]) -> &Mutex<Cache> {
        // The top bits: maps use the lower ones.
        &self.shards[(xxh3_64(key) >> 60) as usize % SHARDS]
    }
}

/// Keeps what was used last, in two generations: when the young one is full it becomes the old
/// one, and what is then used from the old one moves over. Costs one map operation on a hit,
/// and never holds more than its bound (plus one entry).
#[derive(Debug)]
struct Cache {
    young: Generation,
    old: Generation,
    bytes: usize,
    bound: usize,
}

type Generation = HashMap<Box<[u8]>, Arc<Brought>, Xxh3>;

impl Cache {
    fn new(bound: usize) -> Self {
        Self { young: Generation::default(), old: Generation::default(), bytes: 0, bound }
    }

    fn get(&mut self, key: &[u8]) -> Option<Arc<Brought>> {
        if let Some(brought) = self.young.get(key) {
            return Some(Arc::clone(brought));
        }
        let (key, brought) = self.old.remove_entry(key)?;
        self.insert_owned(key, Arc::clone(&brought));
        Some(brought)
    }

    fn insert_owned(&mut self, key: Box<[u8]>, brought: Arc<Brought>) {
        let size = key.len() + brought.bytes() + 96;
        if self.bytes + size > self.bound / 2 && !self.young.is_empty() {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += size;
        self.young.insert(key, brought);
    }
}

/// Hashes keys with XXH3; keys come from documents, but a slow cache is all a bad one can cause.
#[derive(Clone, Copy, Debug, Default)]
struct Xxh3;

impl BuildHasher for Xxh3 {
    type Hasher = Xxh3State;

    fn build_hasher(&self) -> Xxh3State {
        Xxh3State(0)
    }
}

/// The running hash.
#[derive(Debug)]
struct Xxh3State(u64);

impl Hasher for Xxh3State {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = self.0.rotate_left(5) ^ xxh3_64(bytes);
    }

    fn write_usize(&mut self, length: usize) {
        self.0 = self.0.rotate_left(5) ^ length as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brought(size: usize) -> Arc<Brought> {
        Arc::new(Brought { found: true, groups: Ok(Vec::new()), row: Some(vec![b'x'; size]) })
    }

    #[test]
    fn stays_within_its_bound_and_keeps_what_is_used() {
        let bound = 64 * 1024;
        let mut cache = Cache::new(bound);
        cache.insert_owned((*b"hot").into(), brought(100));
        for key in 0..10_000_u32 {
            cache.insert_owned(key.to_le_bytes().into(), brought(500));
            assert!(cache.get(b"hot").is_some(), "{key}");
            let held: usize =
                cache.young.values().chain(cache.old.values()).map(|entry| entry.bytes()).sum();
            assert!(held <= bound, "{held}");
        }
        assert!(cache.get(&0_u32.to_le_bytes()).is_none());
        assert!(cache.get(&9_999_u32.to_le_bytes()).is_some());
    }
}
