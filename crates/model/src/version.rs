//! The provenance that every document of a target carries in its `_version`.
//!
//! Until the switch, segue writes with `version_type=external`, and the number says which source
//! operation the document came from. One fixed layout of the 63 usable bits, highest first:
//!
//! ```text
//! incarnation 4 | op 42 | delete 1 | rewrite 3 | bump 13
//! ```
//!
//! So a replayed write is a conflict, an older write never wins over a newer one, a delete found at
//! an operation stands above every write up to it and below every later one, and an ordinary write
//! of an application (version + 1) shows itself in `bump`. The layout is part of the stored format:
//! `docs/concepts/protocol.md`, "versions".

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{SeqNo, Shard};

const BUMP_BITS: u32 = 13;
const REWRITE_BITS: u32 = 3;
const OP_BITS: u32 = 42;
const REWRITE_SHIFT: u32 = BUMP_BITS;
const DELETE_SHIFT: u32 = REWRITE_SHIFT + REWRITE_BITS;
const OP_SHIFT: u32 = DELETE_SHIFT + 1;
const INCARNATION_SHIFT: u32 = OP_SHIFT + OP_BITS;

const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// Orders epochs in which operation numbers mean something else: a source that was re-created, the
/// reverse direction. 1 to 14; 0 is "not ours", and the top one is left free so that no version can
/// overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Incarnation(u8);

impl Incarnation {
    /// Where a new target begins.
    pub const FIRST: Incarnation = Incarnation(1);
    /// The last one that may be used.
    pub const LAST: Incarnation = Incarnation(14);

    /// The next one; `None` when all are used up and only a new target helps.
    pub fn next(self) -> Option<Incarnation> {
        (self < Self::LAST).then(|| Incarnation(self.0 + 1))
    }

    /// The number, 1 to 14.
    pub fn get(self) -> u8 {
        self.0
    }
}

/// A number that is no incarnation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an incarnation (1 to 14)")]
pub struct NotAnIncarnation(u8);

impl TryFrom<u8> for Incarnation {
    type Error = NotAnIncarnation;

    fn try_from(number: u8) -> Result<Self, NotAnIncarnation> {
        match number {
            1..=14 => Ok(Incarnation(number)),
            other => Err(NotAnIncarnation(other)),
        }
    }
}

impl From<Incarnation> for u8 {
    fn from(incarnation: Incarnation) -> u8 {
        incarnation.0
    }
}

/// How often the same source operations were projected anew (repair, refreshed lookup): 0 to 7.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Rewrite(u8);

impl Rewrite {
    /// The first projection.
    pub const FIRST: Rewrite = Rewrite(0);

    /// The next one; `None` after 7, when the next incarnation has to be taken.
    pub fn next(self) -> Option<Rewrite> {
        (u64::from(self.0) < mask(REWRITE_BITS)).then(|| Rewrite(self.0 + 1))
    }

    /// The number, 0 to 7.
    pub fn get(self) -> u8 {
        self.0
    }
}

/// One operation of the whole source index: `seq_no × shards + shard + 1`, so that every shard's
/// numbers keep their order and no two operations share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Op(u64);

/// A sequence number too large for the 42 bits of an operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("operation {seq_no} of shard {shard} (of {shards}) does not fit the version layout")]
pub struct OpOverflow {
    seq_no: SeqNo,
    shard: Shard,
    shards: u32,
}

impl Op {
    /// The operation `seq_no` of `shard` in an index of `shards` shards.
    pub fn of(seq_no: SeqNo, shard: Shard, shards: u32) -> Result<Op, OpOverflow> {
        let overflow = || OpOverflow { seq_no, shard, shards };
        let seq = u64::try_from(seq_no.0).map_err(|_| overflow())?;
        let number = seq
            .checked_mul(u64::from(shards))
            .and_then(|base| base.checked_add(u64::from(shard.0) + 1))
            .filter(|number| *number <= mask(OP_BITS) && shard.0 < shards)
            .ok_or_else(overflow)?;
        Ok(Op(number))
    }

    /// A number that a hash stands for, where documents have no operation to be told apart by.
    pub fn of_hash(hash: u64) -> Op {
        Op((hash & mask(OP_BITS)).max(1))
    }

    /// The highest number.
    pub const HIGHEST: u64 = mask(OP_BITS);

    /// The sequence number and shard this operation stands for in an index of `shards` shards.
    pub fn source(self, shards: u32) -> (SeqNo, Shard) {
        let shards = u64::from(shards.max(1));
        let number = self.0 - 1;
        let seq = i64::try_from(number / shards).unwrap_or(i64::MAX);
        let shard = u32::try_from(number % shards).unwrap_or(u32::MAX);
        (SeqNo(seq), Shard(shard))
    }

    /// The number itself, 1 to 2^42 − 1.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// What a version of ours says about a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Provenance {
    // The order of the fields is the order of the bits: derived comparison = version comparison.
    /// Which meaning the operation number has.
    pub incarnation: Incarnation,
    /// The source operation.
    pub op: Op,
    /// Whether this is a delete found at that operation.
    pub delete: bool,
    /// How often it was projected anew.
    pub rewrite: Rewrite,
}

impl Provenance {
    /// The version to write with.
    pub fn version(self) -> Version {
        Version(
            (u64::from(self.incarnation.0) << INCARNATION_SHIFT)
                | (self.op.0 << OP_SHIFT)
                | (u64::from(self.delete) << DELETE_SHIFT)
                | (u64::from(self.rewrite.0) << REWRITE_SHIFT),
        )
    }
}

/// A `_version` as the engine stores it. Exceeds 2^53: never to be held in a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// Whose a version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Exactly a version we wrote.
    Ours(Provenance),
    /// One of ours that somebody has written over since (`bump` is not 0).
    Touched {
        /// What we had written.
        was: Provenance,
        /// By how much the version has grown.
        bump: u16,
    },
    /// Not ours.
    Foreign,
}

impl Version {
    /// Whose this version is.
    pub fn origin(self) -> Origin {
        let field = |shift: u32, bits: u32| (self.0 >> shift) & mask(bits);
        let incarnation = u8::try_from(self.0 >> INCARNATION_SHIFT)
            .ok()
            .and_then(|number| Incarnation::try_from(number).ok());
        let (Some(incarnation), op @ 1..) = (incarnation, field(OP_SHIFT, OP_BITS)) else {
            return Origin::Foreign;
        };
        let was = Provenance {
            incarnation,
            op: Op(op),
            delete: field(DELETE_SHIFT, 1) == 1,
            rewrite: Rewrite(u8::try_from(field(REWRITE_SHIFT, REWRITE_BITS)).unwrap_or(0)),
        };
        match u16::try_from(field(0, BUMP_BITS)).unwrap_or(u16::MAX) {
            0 => Origin::Ours(was),
            bump => Origin::Touched { was, bump },
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin() {
            Origin::Ours(p) => {
                write!(f, "{}:{}", p.incarnation.0, p.op.0)?;
                if p.delete {
                    f.write_str(" delete")?;
                }
                if p.rewrite.0 > 0 {
                    write!(f, " rewrite {}", p.rewrite.0)?;
                }
                Ok(())
            }
            Origin::Touched { was, bump } => {
                write!(f, "{}:{} touched {bump} times", was.incarnation.0, was.op.0)
            }
            Origin::Foreign => write!(f, "foreign {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn provenance(incarnation: u8, op: u64, delete: bool, rewrite: u8) -> Provenance {
        Provenance {
            incarnation: Incarnation(incarnation),
            op: Op(op),
            delete,
            rewrite: Rewrite(rewrite),
        }
    }

    prop_compose! {
        fn any_provenance()(
            i in 1u8..=14, op in 1u64..(1 << 42), d: bool, r in 0u8..8
        ) -> Provenance { provenance(i, op, d, r) }
    }

    proptest! {
        #[test]
        fn a_version_says_where_it_came_from(p in any_provenance()) {
            prop_assert_eq!(p.version().origin(), Origin::Ours(p));
        }

        #[test]
        fn versions_order_as_provenances_do(a in any_provenance(), b in any_provenance()) {
            prop_assert_eq!(a.cmp(&b), a.version().cmp(&b.version()));
        }

        #[test]
        fn a_touched_version_is_never_taken_for_ours(p in any_provenance(), bump in 1u64..8192) {
            let touched = Version(p.version().0 + bump);
            let is_touched = matches!(touched.origin(), Origin::Touched { was, .. } if was == p);
            prop_assert!(is_touched);
        }

        #[test]
        fn no_version_can_wrap(p in any_provenance()) {
            prop_assert!(p.version().0 < i64::MAX as u64 - (1 << 32));
        }

        #[test]
        fn an_op_stands_for_one_operation(seq in 0i64..1_000_000_000, shards in 1u32..1024, s: u32) {
            let shard = Shard(s % shards);
            let op = Op::of(SeqNo(seq), shard, shards).unwrap();
            prop_assert_eq!(op.source(shards), (SeqNo(seq), shard));
        }
    }

    #[test]
    fn a_delete_stands_between_older_and_newer_writes() {
        let write = provenance(1, 7, false, 7).version();
        let delete = provenance(1, 7, true, 0).version();
        let newer = provenance(1, 8, false, 0).version();
        assert!(write < delete && delete < newer);
    }

    #[test]
    fn small_versions_are_foreign() {
        for version in [0, 1, 4711, (1 << 59) - 1, 1 << 59, 15 << 59] {
            assert_eq!(Version(version).origin(), Origin::Foreign, "{version}");
        }
    }

    #[test]
    fn an_operation_that_does_not_fit_is_refused() {
        assert!(Op::of(SeqNo(-1), Shard(0), 1).is_err());
        assert!(Op::of(SeqNo(1 << 42), Shard(0), 1).is_err());
        assert!(Op::of(SeqNo(1 << 41), Shard(1), 3).is_err());
        assert!(Op::of(SeqNo(0), Shard(3), 3).is_err());
    }

    #[test]
    fn incarnations_and_rewrites_end() {
        assert_eq!(Incarnation::LAST.next(), None);
        assert_eq!(std::iter::successors(Some(Rewrite::FIRST), |r| r.next()).count(), 8);
    }
}
