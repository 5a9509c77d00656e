//! The checkpoint: how far one shard of a part is, and on what that number relies.
//!
//! It is stored in the cluster and moved by compare-and-set. A position means something only
//! together with the identity of the shard it was read from.

use serde::{Deserialize, Serialize};

use crate::balance::Balance;
use crate::id::{HistoryUuid, IndexUuid, SeqNo, Shard};
use crate::version::{Incarnation, Rewrite};

/// What a shard was when a position in it was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardIdentity {
    /// The index it belongs to.
    pub index: IndexUuid,
    /// The history it follows.
    pub history: HistoryUuid,
    /// Counts the times that another copy has become primary.
    pub primary_term: u64,
}

/// How far one shard is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The shard.
    pub shard: Shard,
    /// What it was.
    pub identity: ShardIdentity,
    /// Which meaning operation numbers have.
    pub incarnation: Incarnation,
    /// Which projection of them was written.
    pub rewrite: Rewrite,
    /// Everything up to here is carried.
    pub position: SeqNo,
    /// Where the first pass began that can't be relied upon yet ([`crate::pass::Reach`]).
    pub pass_from: SeqNo,
    /// What became of the documents read so far, repeated windows included.
    pub balance: Balance,
    /// How long the shard's inventory is at least, in bytes.
    pub inventory_bytes: u64,
    /// The hash of the run that ends there.
    #[serde(default)]
    pub inventory_mark: u64,
    /// −1 while the inventory holds every number from which the target may hold a document; anything
    /// else once some of it was lost, until it is made anew.
    pub inventory_from: SeqNo,
    /// Counts the retries of dead letters that stand in the balance.
    #[serde(default)]
    pub retries: u64,
}

/// Where to go on from a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Continuation {
    /// From the position.
    From(SeqNo),
    /// From where the last pass began: another copy became primary meanwhile.
    Repeat(SeqNo),
    /// Not at all: the number means another operation now. A new incarnation is needed.
    Void,
}

impl Checkpoint {
    /// The checkpoint before anything is carried.
    pub fn start(
        shard: Shard,
        identity: ShardIdentity,
        incarnation: Incarnation,
        rewrite: Rewrite,
    ) -> Checkpoint {
        Checkpoint {
            shard,
            identity,
            incarnation,
            rewrite,
            position: SeqNo::NONE,
            pass_from: SeqNo::NONE,
            balance: Balance::default(),
            inventory_bytes: 0,
            inventory_mark: 0,
            inventory_from: SeqNo::NONE,
            retries: 0,
        }
    }

    /// The checkpoint to go on with: `kept` if it belongs to the numbers that are written now, else
    /// the beginning; stepped back where another copy became primary. `None` where the numbers mean
    /// other operations by now.
    pub fn resume(
        kept: Option<Checkpoint>,
        shard: Shard,
        now: ShardIdentity,
        (incarnation, rewrite): (Incarnation, Rewrite),
    ) -> Option<Checkpoint> {
        let same = |kept: &Checkpoint| (kept.incarnation, kept.rewrite) == (incarnation, rewrite);
        let mut checkpoint = kept
            .filter(same)
            .unwrap_or_else(|| Checkpoint::start(shard, now.clone(), incarnation, rewrite));
        match checkpoint.continuation(&now) {
            Continuation::From(_) => {}
            Continuation::Repeat(position) => checkpoint.position = position,
            Continuation::Void => return None,
        }
        checkpoint.identity = now;
        Some(checkpoint)
    }

    /// Where to go on, given what the shard is now.
    pub fn continuation(&self, now: &ShardIdentity) -> Continuation {
        if self.identity.index != now.index || self.identity.history != now.history {
            Continuation::Void
        } else if self.identity.primary_term == now.primary_term {
            Continuation::From(self.position)
        } else {
            Continuation::Repeat(self.pass_from)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(index: &str, history: &str, primary_term: u64) -> ShardIdentity {
        ShardIdentity {
            index: IndexUuid::new(index),
            history: HistoryUuid::new(history),
            primary_term,
        }
    }

    #[test]
    fn going_on_is_for_the_same_numbers_and_the_same_history() {
        let now = |term| identity("i", "h", term);
        let lineage = (Incarnation::FIRST, Rewrite::FIRST);
        let mut kept = Checkpoint::start(Shard(0), now(1), lineage.0, lineage.1);
        (kept.position, kept.pass_from) = (SeqNo(90), SeqNo(40));
        let resume = |term, lineage| {
            Checkpoint::resume(Some(kept.clone()), Shard(0), now(term), lineage)
                .map(|checkpoint| (checkpoint.position, checkpoint.identity))
        };
        assert_eq!(resume(1, lineage), Some((SeqNo(90), now(1))));
        assert_eq!(resume(2, lineage), Some((SeqNo(40), now(2))));
        let rewritten = (lineage.0, Rewrite::FIRST.next().unwrap());
        assert_eq!(resume(1, rewritten), Some((SeqNo::NONE, now(1))));
        let other = identity("i", "other", 1);
        assert_eq!(Checkpoint::resume(Some(kept.clone()), Shard(0), other, lineage), None);
    }

    #[test]
    fn a_position_is_good_only_for_the_shard_it_was_taken_from() {
        let mut checkpoint =
            Checkpoint::start(Shard(0), identity("i", "h", 1), Incarnation::FIRST, Rewrite::FIRST);
        checkpoint.position = SeqNo(90);
        checkpoint.pass_from = SeqNo(40);
        let table = [
            (identity("i", "h", 1), Continuation::From(SeqNo(90))),
            (identity("i", "h", 2), Continuation::Repeat(SeqNo(40))),
            (identity("i", "other", 1), Continuation::Void),
            (identity("other", "h", 1), Continuation::Void),
        ];
        for (now, expected) in table {
            assert_eq!(checkpoint.continuation(&now), expected);
        }
    }
}
