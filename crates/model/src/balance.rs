//! The balance: what became of every document that was read.
//!
//! Invariant B1, kept per batch and for every sum of batches:
//! `read = written + already there + filtered + dead-lettered`. A batch that does not add up stops
//! its part; it is a defect of ours, and nothing may be switched on top of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where the documents of a batch, a partition, a part or a migration went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Documents that the source gave us.
    pub read: u64,
    /// Documents that the target acknowledged.
    pub written: u64,
    /// Documents that the target already held from the same or a later operation.
    pub already_there: u64,
    /// Documents left out on purpose, by the recipe's reason.
    #[serde(default)]
    pub filtered: BTreeMap<String, u64>,
    /// Documents refused, by the kind of refusal.
    #[serde(default)]
    pub dead_lettered: BTreeMap<String, u64>,
}

/// A balance that does not add up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{read} documents were read but {accounted} are accounted for")]
pub struct Unbalanced {
    /// Documents read.
    pub read: u64,
    /// Documents written, already there, filtered or dead-lettered.
    pub accounted: u64,
}

impl Balance {
    /// Documents left out on purpose.
    pub fn filtered(&self) -> u64 {
        self.filtered.values().sum()
    }

    /// Documents refused.
    pub fn dead_lettered(&self) -> u64 {
        self.dead_lettered.values().sum()
    }

    /// Counts one document that the recipe filters for `reason`.
    pub fn filter(&mut self, reason: &str) {
        count(&mut self.filtered, reason, 1);
    }

    /// Counts one dead letter of this kind.
    pub fn dead_letter(&mut self, kind: &str) {
        count(&mut self.dead_lettered, kind, 1);
    }

    /// Counts documents that were dead letters of `kinds` and were tried once more: `outcome` says what
    /// became of them. They were read before; a document whose refusal was counted nowhere, because the
    /// window it was in was read again since, counts as read once more.
    pub fn retry<'a>(&mut self, kinds: impl IntoIterator<Item = &'a str>, outcome: &Balance) {
        for kind in kinds {
            match self.dead_lettered.get_mut(kind) {
                Some(1) => drop(self.dead_lettered.remove(kind)),
                Some(sum) if *sum > 1 => *sum -= 1,
                _ => self.read += 1,
            }
        }
        self.add(&Balance { read: 0, ..outcome.clone() });
    }

    /// Adds another balance to this one.
    pub fn add(&mut self, other: &Balance) {
        self.read += other.read;
        self.written += other.written;
        self.already_there += other.already_there;
        for (reason, documents) in &other.filtered {
            count(&mut self.filtered, reason, *documents);
        }
        for (kind, documents) in &other.dead_lettered {
            count(&mut self.dead_lettered, kind, *documents);
        }
    }

    /// Invariant B1.
    pub fn check(&self) -> Result<(), Unbalanced> {
        let accounted = self.written + self.already_there + self.filtered() + self.dead_lettered();
        if accounted == self.read { Ok(()) } else { Err(Unbalanced { read: self.read, accounted }) }
    }
}

fn count(by: &mut BTreeMap<String, u64>, key: &str, documents: u64) {
    match by.get_mut(key) {
        Some(sum) => *sum += documents,
        None => {
            by.insert(key.to_owned(), documents);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_read_is_somewhere() {
        let mut balance = Balance { read: 5, written: 2, already_there: 1, ..Balance::default() };
        balance.filter("robots");
        assert_eq!(balance.check(), Err(Unbalanced { read: 5, accounted: 4 }));
        balance.dead_letter("strict_dynamic_mapping_exception");
        assert_eq!(balance.check(), Ok(()));
    }

    #[test]
    fn a_retry_moves_documents_and_the_sum_still_holds() {
        let mut balance = Balance { read: 5, written: 2, ..Balance::default() };
        for kind in ["mapping", "mapping", "pipeline"] {
            balance.dead_letter(kind);
        }
        let mut outcome = Balance { written: 2, ..Balance::default() };
        outcome.dead_letter("mapping");
        balance.retry(["mapping", "pipeline", "mapping"], &outcome);
        assert_eq!((balance.read, balance.written, balance.dead_lettered()), (5, 4, 1));
        assert!(!balance.dead_lettered.contains_key("pipeline"));
        balance.retry(["unheard of"], &Balance { written: 1, ..Balance::default() });
        assert_eq!((balance.read, balance.written), (6, 5));
        assert_eq!(balance.check(), Ok(()));
    }

    #[test]
    fn sums_keep_the_reasons_apart() {
        let mut sum = Balance::default();
        for reason in ["robots", "robots", "machines"] {
            let mut batch = Balance { read: 1, ..Balance::default() };
            batch.filter(reason);
            sum.add(&batch);
        }
        assert_eq!((sum.read, sum.filtered(), sum.filtered["robots"]), (3, 3, 2));
        assert!(sum.check().is_ok());
    }
}
