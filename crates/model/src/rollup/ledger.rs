//! What is known of each source index: how far its shards were looked at, how many documents of each period
//! were rolled up, and which periods have to be rolled up again.
//!
//! A period's documents have changed since it was rolled up only if one of them was written since (its
//! number is above the position), or if there are fewer: a document that was deleted, or moved to another
//! period by an update. Both are seen without trusting a timestamp to tell when something was written.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::period::PeriodStart;
use crate::id::{HistoryUuid, IndexName, IndexUuid, SeqNo};

/// How far a shard was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardMark {
    /// Which history its numbers belong to.
    pub history: HistoryUuid,
    /// Every operation up to this is accounted for.
    pub position: SeqNo,
}

/// What is known of one index of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// The source's name in the recipe.
    pub source: String,
    /// The index.
    pub index: IndexName,
    /// Which index of that name.
    pub uuid: IndexUuid,
    /// What an alias filters of it, as JSON; empty where nothing.
    #[serde(default)]
    pub filter: String,
    /// Its shards.
    pub shards: Vec<ShardMark>,
    /// Documents that were rolled up, by period; none where there are none.
    pub rolled: BTreeMap<PeriodStart, u64>,
    /// Periods that have to be rolled up, or rolled up again.
    pub stale: BTreeSet<PeriodStart>,
}

/// What a look at an index found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Which index it is.
    pub uuid: IndexUuid,
    /// What an alias filters of it.
    pub filter: String,
    /// Its shards, with the global checkpoints that were read before the documents were counted.
    pub shards: Vec<ShardMark>,
    /// Documents by period.
    pub counts: BTreeMap<PeriodStart, u64>,
    /// Periods with documents above the positions of the ledger.
    pub changed: BTreeSet<PeriodStart>,
}

impl Ledger {
    /// Nothing known yet.
    #[must_use]
    pub fn new(source: &str, index: IndexName) -> Ledger {
        Ledger {
            source: source.to_owned(),
            index,
            uuid: IndexUuid::new(""),
            filter: String::new(),
            shards: Vec::new(),
            rolled: BTreeMap::new(),
            stale: BTreeSet::new(),
        }
    }

    /// Whether it is the same index with the same histories, seen through the same filter.
    #[must_use]
    pub fn continues(&self, uuid: &IndexUuid, filter: &str, shards: &[ShardMark]) -> bool {
        self.uuid == *uuid
            && self.filter == filter
            && self.shards.len() == shards.len()
            && self.shards.iter().zip(shards).all(|(a, b)| a.history == b.history)
    }

    /// Whether nothing was written or deleted since the last look: every operation takes a number.
    #[must_use]
    pub fn is_current(&self, uuid: &IndexUuid, filter: &str, shards: &[ShardMark]) -> bool {
        self.continues(uuid, filter, shards)
            && self.shards.iter().zip(shards).all(|(a, b)| a.position >= b.position)
    }

    /// Takes a look into account.
    pub fn advance(&mut self, look: &Look) {
        let continues = self.continues(&look.uuid, &look.filter, &look.shards);
        let known: BTreeSet<_> = self.rolled.keys().chain(look.counts.keys()).copied().collect();
        let differs = |at: &PeriodStart| self.rolled.get(at) != look.counts.get(at);
        let stale: Vec<_> = known.into_iter().filter(|at| !continues || differs(at)).collect();
        self.stale.extend(stale);
        self.stale.extend(&look.changed);
        let before = std::mem::take(&mut self.shards);
        self.shards = look.shards.clone();
        if continues {
            // A new primary may not have caught up with its checkpoint yet.
            for (now, before) in self.shards.iter_mut().zip(before) {
                now.position = now.position.max(before.position);
            }
        }
        self.uuid = look.uuid.clone();
        self.filter.clone_from(&look.filter);
    }

    /// Records that a period was rolled up with so many documents of this index.
    pub fn settle(&mut self, at: PeriodStart, documents: u64) {
        self.stale.remove(&at);
        if documents == 0 {
            self.rolled.remove(&at);
        } else {
            self.rolled.insert(at, documents);
        }
    }
}
