//! The closer look at the operations in which the two digests differ: which document, and how.

use std::collections::{BTreeMap, HashSet};

use segue_cluster::{Fetch, Hit};
use segue_model::digest::OpRange;
use segue_model::id::{IndexName, SeqNo, Shard};
use segue_model::stamp::Stamp;
use segue_model::version::{Op, Origin, Version};

use super::compare::{Expected, Projector, Suspect, Suspects};
use super::fingerprint::fingerprint;
use super::matching::Matching;
use super::{DivergenceClass, Divergences, carried};
use crate::error::Error;
use crate::fetch::fetch;
use crate::pass::{Carrier, DeadLetter};
use crate::scan::{Stretch, Visitor, scan};

/// How many documents are looked up at once.
pub(super) const LOOK_UP: usize = 500;

/// What the closer look found.
#[derive(Default)]
pub(super) struct Found {
    pub divergences: Divergences,
    pub lagging: u64,
    pub dead_lettered: u64,
}

/// What makes a document one: its operation, id and routing.
type Key = (Op, String, Option<String>);

impl Found {
    fn is_empty(&self) -> bool {
        self.lagging == 0 && self.dead_lettered == 0 && self.divergences == Divergences::default()
    }
}

/// Reads the ranges again on both sides and classes each document that does not match.
pub(super) async fn classify(
    carrier: &Carrier,
    target: &IndexName,
    positions: &[SeqNo],
    in_target: &[Stretch],
    ranges: &[OpRange],
    suspects: Suspects,
) -> Result<Found, Error> {
    let session = carrier.session();
    let by_id = Matching::of(carrier).is_by_id();
    let stretches = if by_id { carried(positions) } else { source_stretches(ranges, positions) };
    let readers = session.limits().lanes.max(1);
    let sides = (0..readers).map(|_| InRanges::new(carrier, ranges)).collect();
    let expected = scan(session, carrier.sources(), &stretches, &Fetch::Source, sides).await?;
    let sides = (0..readers).map(|_| HeldInRanges::new(carrier, ranges)).collect();
    let held = scan(session, target, in_target, &Fetch::IdsOnly, sides).await?;

    let mut found = Found::default();
    let mut wanted = BTreeMap::new();
    for side in expected {
        wanted.extend(side.documents);
    }
    let mut there = BTreeMap::new();
    for side in held {
        there.extend(side.documents);
    }
    let same: Vec<Key> = wanted.keys().filter(|key| there.contains_key(key)).cloned().collect();
    let mut pairs = Vec::new();
    for key in same {
        if let (Some(wanted), Some(_)) = (wanted.remove(&key), there.remove(&key)) {
            pairs.push(wanted);
        }
    }
    let look = Look { carrier, target, positions };
    look.same_operation(&pairs, &mut found).await?;
    look.not_in_target(wanted.into_values().collect(), &mut found).await?;
    let mut unmatched: Vec<_> = there.into_values().collect();
    for suspect in &suspects.kept {
        unmatched.push(suspect.clone());
    }
    if carrier.program().is_keyed() {
        look.not_made(&unmatched, &mut found).await?;
    } else if by_id {
        look.unmatched(&unmatched, &mut found).await?;
    } else {
        look.not_in_source(&unmatched, &mut found).await?;
    }
    for _ in suspects.kept.len() as u64..suspects.count() {
        found.divergences.push(DivergenceClass::Foreign, "", "not written by this migration");
    }
    if !ranges.is_empty() && found.is_empty() {
        let detail =
            format!("the digests differ in {} stretches for no reason found", ranges.len());
        found.divergences.push(DivergenceClass::Different, "", detail);
    }
    Ok(found)
}

/// The stretches of each source shard that hold `ranges`.
fn source_stretches(ranges: &[OpRange], positions: &[SeqNo]) -> Vec<Stretch> {
    let shards = i64::try_from(positions.len().max(1)).unwrap_or(i64::MAX);
    let mut stretches: Vec<Stretch> = Vec::new();
    for (shard, position) in (0u32..).zip(positions) {
        let mut last: Option<usize> = None;
        for range in ranges {
            // op = seq × shards + shard + 1; one number more on either side does no harm.
            let first = i64::try_from(range.first).unwrap_or(0) / shards - 2;
            let end = i64::try_from(range.last).unwrap_or(i64::MAX) / shards + 1;
            let from = SeqNo(first.max(-1));
            let to = SeqNo(end.min(position.0));
            if from >= to {
                continue;
            }
            match last.and_then(|at| stretches.get_mut(at)) {
                Some(before) if before.to >= from => before.to = before.to.max(to),
                _ => {
                    last = Some(stretches.len());
                    stretches.push(Stretch { shard: Shard(shard), from, to });
                }
            }
        }
    }
    stretches
}

fn in_ranges(ranges: &[OpRange], op: Op) -> bool {
    let at = ranges.partition_point(|range| range.last < op.get());
    ranges.get(at).is_some_and(|range| range.contains(op))
}

/// A document that the source expects in the target.
#[derive(Clone, Debug)]
struct Wanted {
    id: String,
    routing: Option<String>,
    /// Id and routing of the document of the source that it is made of.
    of: (String, Option<String>),
    seq_no: SeqNo,
    stamp: Stamp,
    hash: u128,
}

/// The source's documents in the ranges.
struct InRanges {
    projector: Projector,
    matching: Matching,
    ranges: Vec<OpRange>,
    documents: BTreeMap<Key, Wanted>,
}

impl InRanges {
    fn new(carrier: &Carrier, ranges: &[OpRange]) -> InRanges {
        InRanges {
            projector: Projector::new(carrier),
            matching: Matching::of(carrier),
            ranges: ranges.to_vec(),
            documents: BTreeMap::new(),
        }
    }
}

impl Visitor for InRanges {
    fn visit(&mut self, shard: Shard, hit: &Hit<'_>) -> Result<(), Error> {
        let op = self.matching.of_source(shard, hit)?;
        if !in_ranges(&self.ranges, op) {
            return Ok(());
        }
        // Incomplete documents were named by the first look already.
        let mut named_before = Divergences::default();
        if let Expected::Present = self.projector.project(hit, &mut named_before)? {
            let of = (hit.id.to_string(), hit.routing.as_ref().map(ToString::to_string));
            let (seq_no, stamp) = (SeqNo(hit.seq_no), self.matching.stamp(shard, hit)?);
            let Self { projector, documents, .. } = self;
            projector.each(hit, |(id, routing, hash)| {
                let (id, routing) = (id.to_owned(), routing.map(str::to_owned));
                let key = (op, id.clone(), routing.clone());
                let of = of.clone();
                documents.insert(key, Wanted { id, routing, of, seq_no, stamp, hash });
            });
        }
        Ok(())
    }
}

/// The target's documents in the ranges.
struct HeldInRanges {
    matching: Matching,
    ranges: Vec<OpRange>,
    documents: BTreeMap<Key, Suspect>,
}

impl HeldInRanges {
    fn new(carrier: &Carrier, ranges: &[OpRange]) -> HeldInRanges {
        let matching = Matching::of(carrier);
        HeldInRanges { matching, ranges: ranges.to_vec(), documents: BTreeMap::new() }
    }
}

impl Visitor for HeldInRanges {
    fn visit(&mut self, _: Shard, hit: &Hit<'_>) -> Result<(), Error> {
        let version = Version(hit.version);
        // What the present lineage did not write is a suspect already.
        if let Some(op) = self.matching.of_target(hit).filter(|op| in_ranges(&self.ranges, *op)) {
            let routing = hit.routing.as_ref().map(ToString::to_string);
            let key = (op, hit.id.to_string(), routing.clone());
            self.documents.insert(key, Suspect { id: hit.id.to_string(), routing, version });
        }
        Ok(())
    }
}

pub(super) struct Look<'a> {
    pub(super) carrier: &'a Carrier,
    pub(super) target: &'a IndexName,
    pub(super) positions: &'a [SeqNo],
}

impl Look<'_> {
    /// Documents that stand on both sides with the same operation.
    async fn same_operation(&self, pairs: &[Wanted], found: &mut Found) -> Result<(), Error> {
        for some in pairs.chunks(LOOK_UP) {
            let keys: Vec<_> = some.iter().map(|w| (w.id.as_str(), w.routing.as_deref())).collect();
            let documents = self.look_up(self.target, &keys, true).await?;
            for (wanted, document) in some.iter().zip(documents) {
                let Some(document) = document else {
                    let detail = "vanished from the target while it was compared";
                    found.divergences.push(DivergenceClass::Missing, &wanted.id, detail);
                    continue;
                };
                let source = document.source.as_ref().map_or("", |source| source.get());
                let routing = document.routing.as_deref();
                if let Stamp::Preserved(version) = wanted.stamp
                    && version.0 != document.version
                {
                    let (there, version) = (document.version, version.0);
                    let detail = format!("target holds version {there}, source {version}");
                    found.divergences.push(DivergenceClass::Stale, &wanted.id, detail);
                } else if fingerprint(&wanted.id, routing, source.as_bytes()) != wanted.hash {
                    let detail = format!("content differs at {}", wanted.stamp);
                    found.divergences.push(DivergenceClass::Different, &wanted.id, detail);
                }
            }
        }
        Ok(())
    }

    /// Documents of the source whose operation the target does not hold.
    async fn not_in_target(&self, missing: Vec<Wanted>, found: &mut Found) -> Result<(), Error> {
        let keyed = self.carrier.program().is_keyed();
        let mut refused_ones = HashSet::new();
        for some in missing.chunks(LOOK_UP) {
            let of: Vec<_> = some.iter().map(|w| (w.of.0.as_str(), w.of.1.as_deref())).collect();
            let letters = self.carrier.dead_letters().find(&of).await?;
            let keys: Vec<_> = some.iter().map(|w| (w.id.as_str(), w.routing.as_deref())).collect();
            let documents = self.look_up(self.target, &keys, false).await?;
            for ((wanted, letter), document) in some.iter().zip(letters).zip(documents) {
                let refused = letter.is_some_and(|letter| {
                    is_of(self.carrier, &letter, wanted.stamp, wanted.seq_no)
                });
                match document {
                    // A letter is of a document of the source, whatever is made of that.
                    None if refused && keyed => {
                        let once = refused_ones.insert(&wanted.of);
                        found.dead_lettered += u64::from(once);
                    }
                    Some(document) if keyed => {
                        let there = wanted.stamp.beside(Version(document.version));
                        let (id, at) = (&wanted.of.0, wanted.seq_no);
                        let detail = format!(
                            "made of {id:?} at {at}, and the target holds {there}: another document makes \
                             the same id, or did: give them different ids, or give the part up and run again"
                        );
                        found.divergences.push(DivergenceClass::Duplicate, &wanted.id, detail);
                    }
                    Some(document) if self.is_of_another(wanted, Version(document.version)) => {
                        let detail = format!(
                            "two of the sources hold it, one at {}, and the target can hold one: leave one \
                             of them out, or give them different ids",
                            wanted.seq_no
                        );
                        found.divergences.push(DivergenceClass::Duplicate, &wanted.id, detail);
                    }
                    Some(document) => {
                        let version = wanted.stamp.beside(Version(document.version));
                        let detail =
                            format!("target holds {version}, source is at {}", wanted.seq_no);
                        found.divergences.push(DivergenceClass::Stale, &wanted.id, detail);
                    }
                    None if refused => found.dead_lettered += 1,
                    None if keyed => {
                        let (id, at) = (&wanted.of.0, wanted.seq_no);
                        let detail = format!(
                            "made of {id:?} at {at}; if another document made the same id before, give the \
                             part up and run again"
                        );
                        found.divergences.push(DivergenceClass::Missing, &wanted.id, detail);
                    }
                    None => {
                        let detail = format!("source holds it at {}", wanted.seq_no);
                        found.divergences.push(DivergenceClass::Missing, &wanted.id, detail);
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether what stands in the target came from another index than `wanted`, of several that are merged.
    fn is_of_another(&self, wanted: &Wanted, there: Version) -> bool {
        let index = |version: Version| match version.origin() {
            Origin::Ours(was) => {
                Some(self.carrier.sources().place(was.op.source(self.carrier.shard_count()).1).0)
            }
            _ => None,
        };
        let (of, there) = (index(wanted.stamp.version()), index(there));
        of.is_some() && there.is_some() && of != there
    }

    /// Documents of the target whose operation the source does not hold.
    async fn not_in_source(&self, extra: &[Suspect], found: &mut Found) -> Result<(), Error> {
        for some in extra.chunks(LOOK_UP) {
            let documents = self.look_up_source(some).await?;
            for (suspect, document) in some.iter().zip(documents) {
                let version = suspect.version;
                let (class, detail) = match (self.carried(version), document) {
                    (None, _) => (DivergenceClass::Foreign, format!("version {version}")),
                    // It was written again after the pass: the next one brings it.
                    (Some(carried), Some(now)) if now.seq_no > carried.0 => {
                        found.lagging += 1;
                        continue;
                    }
                    (Some(_), Some(now)) => {
                        let at = now.seq_no;
                        let detail = format!("target holds {version}, source is at {at}");
                        (DivergenceClass::Stale, detail)
                    }
                    // It was deleted after the pass: the next audit takes it away.
                    (Some(_), None) if self.will_audit(version) => {
                        found.lagging += 1;
                        continue;
                    }
                    (Some(_), None) => {
                        (DivergenceClass::Extra, "the source does not hold it any more".to_owned())
                    }
                };
                found.divergences.push(class, &suspect.id, detail);
            }
        }
        Ok(())
    }

    /// Up to where the shard is carried that a version of ours came from; `None` if it is not ours.
    fn carried(&self, version: Version) -> Option<SeqNo> {
        let Origin::Ours(was) = version.origin() else { return None };
        let lineage = self.carrier.lineage();
        if was.incarnation > lineage.incarnation {
            return None;
        }
        if was.incarnation == lineage.incarnation {
            let (_, shard) = was.op.source(self.carrier.shard_count());
            return usize::try_from(shard.0).ok().and_then(|at| self.positions.get(at)).copied();
        }
        // Its number belongs to an index that is gone. The highest position is the careful answer:
        // a document is called lag only if it certainly will be looked at again.
        self.positions.iter().copied().max()
    }

    pub(super) fn will_audit(&self, version: Version) -> bool {
        matches!(version.origin(), Origin::Ours(was) if self.carrier.will_audit(was))
    }

    /// The documents of the source that `some` came from: of several indices, of the one that the version
    /// names.
    async fn look_up_source(
        &self,
        some: &[Suspect],
    ) -> Result<Vec<Option<segue_cluster::Document>>, Error> {
        let shard = |suspect: &Suspect| match suspect.version.origin() {
            Origin::Ours(was) => was.op.source(self.carrier.shard_count()).1,
            _ => Shard(0),
        };
        let keys: Vec<_> =
            some.iter().map(|s| (shard(s), s.id.as_str(), s.routing.as_deref())).collect();
        self.carrier.sources().fetch(self.carrier.session().cluster(), &keys, false).await
    }

    pub(super) async fn look_up(
        &self,
        index: &IndexName,
        keys: &[(&str, Option<&str>)],
        with_source: bool,
    ) -> Result<Vec<Option<segue_cluster::Document>>, Error> {
        fetch(self.carrier.session().cluster(), index, keys, with_source).await
    }
}

/// Whether a letter is of the document that stands at `seq_no`, and is to be written with `stamp`: of several
/// sources another one may have the same number, and the same id.
pub(super) fn is_of(carrier: &Carrier, letter: &DeadLetter, stamp: Stamp, seq_no: SeqNo) -> bool {
    let shard = match stamp {
        Stamp::Ours(write) => write.op.source(carrier.shard_count()).1,
        Stamp::Preserved(_) => letter.shard,
    };
    letter.seq_no == seq_no && letter.shard == shard
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stretches_of_the_shards_hold_every_operation_of_the_ranges() {
        let shards = 3;
        let positions = [SeqNo(1000), SeqNo(900), SeqNo(-1)];
        let ranges = [OpRange { first: 64, last: 127 }, OpRange { first: 2560, last: 2687 }];
        let stretches = source_stretches(&ranges, &positions);
        for (shard, position) in (0u32..).zip(positions) {
            for seq in 0..=position.0 {
                let op = Op::of(SeqNo(seq), Shard(shard), shards).unwrap();
                let held = stretches
                    .iter()
                    .any(|s| s.shard == Shard(shard) && s.from.0 < seq && seq <= s.to.0);
                assert!(held || !in_ranges(&ranges, op), "shard {shard} seq {seq}");
            }
        }
        assert!(stretches.iter().all(|s| s.to <= positions[s.shard.0 as usize]));
    }
}
