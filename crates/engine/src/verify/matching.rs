//! Which document of the target stands for which of the source.
//!
//! Versions of segue's say which operation a document came from, so documents are matched by
//! operation, and whatever has no such version is not ours. Preserved versions do not: documents are
//! matched by id and routing, and their version is compared like their content.

use segue_cluster::Hit;
use segue_model::id::{SeqNo, Shard};
use segue_model::stamp::{Stamp, Versioning};
use segue_model::version::{Op, Version};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::compare::ours;
use super::fingerprint::fingerprint;
use super::highest_op;
use crate::error::Error;
use crate::pass::{Carrier, Lineage};

/// How documents are matched.
#[derive(Clone, Debug)]
pub(super) struct Matching {
    lineage: Lineage,
    shards: u32,
}

impl Matching {
    pub(super) fn of(carrier: &Carrier) -> Matching {
        Matching { lineage: carrier.lineage().clone(), shards: carrier.shard_count() }
    }

    pub(super) fn is_by_id(&self) -> bool {
        self.lineage.versioning == Versioning::Preserved
    }

    /// The highest place a document of the source up to `positions` can have.
    pub(super) fn highest(&self, positions: &[SeqNo]) -> Result<u64, Error> {
        if self.is_by_id() { Ok(Op::HIGHEST) } else { highest_op(positions) }
    }

    /// What a document of the source is to stand with in the target.
    pub(super) fn stamp(&self, shard: Shard, hit: &Hit<'_>) -> Result<Stamp, Error> {
        Ok(self.lineage.stamp(SeqNo(hit.seq_no), shard, self.shards, hit.version)?)
    }

    /// The place of a document of the source.
    pub(super) fn of_source(&self, shard: Shard, hit: &Hit<'_>) -> Result<Op, Error> {
        Ok(match self.stamp(shard, hit)? {
            Stamp::Ours(provenance) => provenance.op,
            Stamp::Preserved(_) => by_id(hit),
        })
    }

    /// The place of a document of the target; `None` if its version is not of the present lineage.
    pub(super) fn of_target(&self, hit: &Hit<'_>) -> Option<Op> {
        match self.lineage.versioning {
            Versioning::Ours => ours(Version(hit.version), &self.lineage),
            Versioning::Preserved => Some(by_id(hit)),
        }
    }

    /// What is compared of a document besides its place, given the hash of its content.
    pub(super) fn weigh(&self, hash: u128, version: u64) -> u128 {
        match self.lineage.versioning {
            Versioning::Ours => hash,
            Versioning::Preserved => xxh3_128_with_seed(&hash.to_le_bytes(), version),
        }
    }
}

fn by_id(hit: &Hit<'_>) -> Op {
    let hash = fingerprint(&hit.id, hit.routing.as_deref(), &[]);
    Op::of_hash(u64::try_from(hash >> 64).unwrap_or(0))
}
