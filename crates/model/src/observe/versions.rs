//! Whose versions an index's documents carry: the engine's own count of updates, or numbers that the
//! application sends (`version_type=external`).
//!
//! Each write of a document with the engine's own versioning adds 1 to its version and takes one
//! number of its shard. So the versions of any documents of a shard, added up, are at most as many
//! operations as there were up to the highest of their numbers. More than that was not counted by the
//! engine.

use super::SeenIndex;
use crate::stamp::Versioning;
use crate::version::{Origin, Version};

/// Updates since segue wrote a document, up to which its version is recognised in an index that has not
/// segue's mark, such as one that was fed back. Of times in nanoseconds, the only versions in use that
/// reach so high, fewer than one in a hundred ends so low.
const FEW_UPDATES: u16 = 64;

/// One live document of a sample. A sample holds no document twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sampled {
    /// Number of the operation that wrote it, in its shard.
    pub seq_no: i64,
    /// Its version.
    pub version: u64,
}

/// Versions that no count of updates explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unexplained {
    /// One document has a higher version than its shard had operations when it was written.
    One(Sampled),
    /// Together the documents were written more often than there were operations.
    Together {
        /// How many documents.
        documents: u64,
        /// Their versions, added up.
        versions: u64,
        /// How many operations there were, in all shards, up to the last of them.
        operations: u64,
    },
}

impl Sampled {
    /// How many operations its shard had had when it was written.
    fn operations(self) -> u64 {
        u64::try_from(self.seq_no + 1).unwrap_or(0)
    }

    /// Whether the document alone has a version that updates do not explain. What segue wrote is exempt;
    /// `ours` says that it made the index, so that whatever has its layout is its own.
    pub fn is_unexplained(self, ours: bool) -> bool {
        !self.is_exempt(ours) && self.version > self.operations()
    }

    fn is_exempt(self, ours: bool) -> bool {
        match Version(self.version).origin() {
            Origin::Ours(_) => true,
            Origin::Touched { bump, .. } => ours || bump < FEW_UPDATES,
            Origin::Foreign => false,
        }
    }
}

/// Whether segue made the index of these mappings and gave its documents versions of its own.
pub fn is_numbered_by_us(mappings: &serde_json::Value) -> bool {
    let made = &mappings["_meta"]["segue"];
    made.is_object() && made["versions"] != Versioning::Preserved.to_string()
}

/// The first thing in a sample that updates do not explain.
pub fn unexplained(index: &SeenIndex, sample: &[Sampled]) -> Option<Unexplained> {
    let ours = index.made_by().is_some() && is_numbered_by_us(&index.mappings);
    let mut sample: Vec<_> = sample.iter().filter(|doc| !doc.is_exempt(ours)).copied().collect();
    sample.sort_unstable();
    if let Some(doc) = sample.iter().find(|doc| doc.is_unexplained(ours)) {
        return Some(Unexplained::One(*doc));
    }
    if is_merged(index) {
        return None;
    }
    let (mut documents, mut versions) = (0, 0_u64);
    for doc in &sample {
        documents += 1;
        versions = versions.saturating_add(doc.version);
        let operations = doc.operations().saturating_mul(u64::from(index.shards.max(1)));
        if versions > operations {
            return Some(Unexplained::Together { documents, versions, operations });
        }
    }
    None
}

/// Whether a shard may hold what several shards of another index held: their numbers then stand side
/// by side, and say nothing of how many operations there were.
fn is_merged(index: &SeenIndex) -> bool {
    let resized = |name: &&String| {
        name.starts_with("index.resize.source.") || name.starts_with("index.shrink.source.")
    };
    index.settings.keys().any(|name| resized(&name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::id::{IndexName, IndexUuid};

    fn index(shards: u32) -> SeenIndex {
        SeenIndex {
            name: IndexName::new("a"),
            uuid: IndexUuid::new("u"),
            open: true,
            system: false,
            data_stream: None,
            aliases: BTreeMap::new(),
            settings: Map::new(),
            mappings: Value::Null,
            docs: 1,
            bytes: 1,
            shards,
            replicas: 0,
            copies: None,
        }
    }

    fn sample(docs: &[(i64, u64)]) -> Vec<Sampled> {
        docs.iter().map(|&(seq_no, version)| Sampled { seq_no, version }).collect()
    }

    #[test]
    fn what_updates_explain_and_what_they_do_not() {
        for (shards, docs, explained) in [
            (1, &[][..], true),
            (1, &[(0, 1), (1, 1), (2, 1)], true),
            // One document, written again and again.
            (1, &[(999, 1000)], true),
            (1, &[(999, 1001)], false),
            (1, &[(0, 2)], false),
            (1, &[(5, 1_763_000_000_000)], false),
            // The second writes of two documents, after the first ones.
            (1, &[(2, 2), (3, 2)], true),
            // Each alone could be; together there were not that many writes.
            (1, &[(2, 3), (3, 2)], false),
            (1, &[(9, 5), (10, 5), (11, 5)], false),
            (3, &[(9, 5), (10, 5), (11, 5)], true),
            // Two shards give the same numbers.
            (2, &[(0, 1), (0, 1), (1, 2)], true),
            (2, &[(0, 1), (0, 1), (1, 2), (1, 2)], false),
        ] {
            let found = unexplained(&index(shards), &sample(docs));
            assert_eq!(found.is_none(), explained, "{shards} {docs:?}: {found:?}");
        }
    }

    #[test]
    fn shards_that_were_merged_are_judged_document_by_document() {
        let mut merged = index(1);
        merged.settings.insert("index.resize.source.name".to_owned(), json!("wide"));
        assert_eq!(unexplained(&merged, &sample(&[(0, 1), (0, 1), (0, 1)])), None);
        let one = Some(Unexplained::One(Sampled { seq_no: 0, version: 2 }));
        assert_eq!(unexplained(&merged, &sample(&[(0, 1), (0, 2)])), one);
    }

    #[test]
    fn what_segue_wrote_is_exempt() {
        let ours = (1_u64 << 59) | (7 << 17);
        let (touched, often) = (ours + 3, ours + 5000);
        let docs = sample(&[(0, ours), (1, touched), (2, 1)]);
        assert_eq!(unexplained(&index(1), &docs), None);
        let docs = sample(&[(0, ours), (1, often), (2, 1)]);
        assert!(unexplained(&index(1), &docs).is_some());
        let mut made = index(1);
        made.mappings = json!({ "_meta": { "segue": { "migration": "m", "part": "p" } } });
        assert_eq!(unexplained(&made, &docs), None);
        assert!(unexplained(&made, &sample(&[(0, ours), (1, 500)])).is_some());
        // It made the index, and kept the versions of the source's documents.
        made.mappings["_meta"]["segue"]["versions"] = json!("preserve");
        assert!(unexplained(&made, &sample(&[(0, often)])).is_some());
        let nanoseconds = 1_763_000_000_123_456_789;
        for (version, made, told) in [
            (ours, false, false),
            (touched, false, false),
            (often, false, true),
            (often, true, false),
            (nanoseconds, false, true),
            (500, true, true),
        ] {
            assert_eq!(Sampled { seq_no: 9, version }.is_unexplained(made), told, "{version}");
        }
    }

    proptest! {
        /// Whatever is written and deleted with the engine's own versioning, and whichever of it is
        /// sampled, is explained.
        #[test]
        fn counted_versions_are_always_explained(
            shards in 1_u32..4,
            writes in prop::collection::vec((0_usize..12, any::<bool>()), 0..200),
            kept in prop::collection::vec(any::<bool>(), 12),
        ) {
            let mut next = vec![0_i64; shards as usize];
            let mut docs = [(0_i64, 0_u64, false); 12];
            for (id, deleted) in writes {
                let number = &mut next[id % shards as usize];
                docs[id] = (*number, docs[id].1 + 1, !deleted);
                *number += 1;
            }
            let seen: Vec<_> = docs
                .iter()
                .zip(kept)
                .filter(|((_, _, live), kept)| *live && *kept)
                .map(|(&(seq_no, version, _), _)| Sampled { seq_no, version })
                .collect();
            prop_assert_eq!(unexplained(&index(shards), &seen), None);
        }
    }
}
