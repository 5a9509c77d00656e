//! The last comparison, with the source closed: only what changed since the full verification, and
//! the counts.
//!
//! Why that is enough: every live document of the source up to the verified positions was equal to
//! its counterpart, and whatever changed since has a number in the stretch looked at here. So the
//! source's documents are all in the target; equal counts then leave no room for one more there.

use std::collections::HashSet;

use segue_cluster::{Fetch, Hit};
use segue_model::id::{IndexName, SeqNo, Shard};
use segue_model::journal::VerifySummary;
use segue_model::stamp::Stamp;
use segue_model::version::Version;

use super::classify::is_of;
use super::compare::{Expected, Projector};
use super::fingerprint::fingerprint;
use super::matching::Matching;
use super::{DivergenceClass, Divergences, verify_all};
use crate::error::{Doing, Error};
use crate::fetch::fetch;
use crate::pass::Carrier;
use crate::scan::{Stretch, Visitor, scan};

const LOOK_UP: usize = 500;

/// What was counted with the source closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frozen {
    /// Live documents of the source.
    pub source_documents: u64,
    /// Documents of the target.
    pub target_documents: u64,
    /// Documents of the source that are filtered or dead letters.
    pub left_out: u64,
    /// Those of them that are dead letters.
    pub dead_letters: u64,
    /// Documents that were looked at here.
    pub compared: u64,
    /// Where the pipeline makes any number of documents of one: how many were made of the written ones,
    /// and of the refused ones, of which some may stand there.
    pub made: Option<(u64, u64)>,
}

impl Frozen {
    /// How many documents the target is to hold.
    pub fn expected(&self) -> u64 {
        match self.made {
            Some((made, _)) => made,
            None => self.source_documents.saturating_sub(self.left_out),
        }
    }

    /// Whether it holds as many.
    pub fn counts_are_right(&self) -> bool {
        let partly = self.made.map_or(0, |(_, refused)| refused);
        (self.expected()..=self.expected() + partly).contains(&self.target_documents)
    }

    /// Counts the target once more.
    pub async fn count_target(
        &mut self,
        carrier: &Carrier,
        target: &IndexName,
    ) -> Result<(), Error> {
        let (cluster, target) = (carrier.session().cluster(), target.as_str());
        cluster.refresh(target).await.doing(|| format!("refreshing {target}"))?;
        let counted = cluster.count(target, None).await;
        self.target_documents = counted.doing(|| format!("counting {target}"))?;
        Ok(())
    }
}

/// Compares what changed since `verified` (positions and what was counted there), and the counts.
/// The source has to be closed and carried to its end.
pub async fn verify_window(
    carrier: &Carrier,
    target: &IndexName,
    verified: &(Vec<SeqNo>, VerifySummary),
) -> Result<Frozen, Error> {
    let session = carrier.session();
    let (positions, before) = verified;
    let stretches: Vec<_> = (0u32..)
        .zip(positions.iter().zip(carrier.positions()))
        .map(|(shard, (from, to))| Stretch { shard: Shard(shard), from: *from, to })
        .filter(|stretch| stretch.from < stretch.to)
        .collect();
    let sides = (0..session.limits().lanes.max(1)).map(|_| Changed::new(carrier)).collect();
    let sides = scan(session, carrier.sources(), &stretches, &Fetch::Source, sides).await?;

    let mut divergences = Divergences::default();
    let mut frozen = Frozen::default();
    let mut summary = VerifySummary::default();
    for side in sides {
        divergences.add(side.divergences);
        frozen.compared += side.seen;
        summary.filtered += side.filtered;
        summary.dead_lettered += side.refused;
        let refused = compare(carrier, target, &side.wanted, &mut divergences).await?;
        summary.dead_lettered += refused;
    }
    summary = divergences.conclude(summary)?;

    let counting = |index: &IndexName| format!("counting {index}");
    let source = carrier.sources().all();
    frozen.source_documents =
        session.cluster().count(source.as_str(), None).await.doing(|| counting(source))?;
    frozen.count_target(carrier, target).await?;
    if carrier.program().fans_out() {
        frozen.made = Some(carrier.made());
    }

    let left_out_before = before.filtered + before.dead_lettered;
    let unchanged = frozen.source_documents.saturating_sub(frozen.compared);
    let partly = frozen.made.is_some_and(|(_, refused)| refused > 0);
    if partly || left_out_before > 0 && unchanged != before.source {
        // Some documents that changed since had been left out before, or what was made of refused ones
        // stands in part: which ones only a full look can tell.
        summary = verify_all(carrier, target).await?;
    } else {
        summary.filtered += before.filtered;
        summary.dead_lettered += before.dead_lettered;
    }
    frozen.left_out = summary.filtered + summary.dead_lettered;
    frozen.dead_letters = summary.dead_lettered;
    Ok(frozen)
}

/// A document of the source as it is to stand in the target.
pub(super) struct Wanted {
    pub(super) id: String,
    pub(super) routing: Option<String>,
    /// Id and routing of the document of the source that it is made of.
    of: (String, Option<String>),
    seq_no: SeqNo,
    pub(super) stamp: Stamp,
    pub(super) hash: u128,
}

/// What changed in the source since the full verification.
pub(super) struct Changed {
    projector: Projector,
    matching: Matching,
    pub(super) seen: u64,
    pub(super) filtered: u64,
    pub(super) refused: u64,
    pub(super) wanted: Vec<Wanted>,
    pub(super) divergences: Divergences,
}

impl Changed {
    pub(super) fn new(carrier: &Carrier) -> Changed {
        Changed {
            projector: Projector::new(carrier),
            matching: Matching::of(carrier),
            seen: 0,
            filtered: 0,
            refused: 0,
            wanted: Vec::new(),
            divergences: Divergences::default(),
        }
    }
}

impl Visitor for Changed {
    fn visit(&mut self, shard: Shard, hit: &Hit<'_>) -> Result<(), Error> {
        self.seen += 1;
        match self.projector.project(hit, &mut self.divergences)? {
            Expected::Filtered => self.filtered += 1,
            Expected::Refused => self.refused += 1,
            Expected::Present => {
                let seq_no = SeqNo(hit.seq_no);
                let stamp = self.matching.stamp(shard, hit)?;
                let of = (hit.id.to_string(), hit.routing.as_ref().map(ToString::to_string));
                let Self { projector, wanted, .. } = self;
                projector.each(hit, |(id, routing, hash)| {
                    let (id, routing) = (id.to_owned(), routing.map(str::to_owned));
                    wanted.push(Wanted { id, routing, of: of.clone(), seq_no, stamp, hash });
                });
            }
        }
        Ok(())
    }
}

/// Compares `wanted` with the target; returns how many are dead letters.
async fn compare(
    carrier: &Carrier,
    target: &IndexName,
    wanted: &[Wanted],
    divergences: &mut Divergences,
) -> Result<u64, Error> {
    let mut refused = HashSet::new();
    for some in wanted.chunks(LOOK_UP) {
        let keys: Vec<_> = some.iter().map(|w| (w.id.as_str(), w.routing.as_deref())).collect();
        let documents = fetch(carrier.session().cluster(), target, &keys, true).await?;
        let mut absent = Vec::new();
        for (wanted, document) in some.iter().zip(documents) {
            let Some(document) = document else {
                absent.push(wanted);
                continue;
            };
            let source = document.source.as_ref().map_or("", |source| source.get());
            let routing = document.routing.as_deref();
            let hash = fingerprint(&wanted.id, routing, source.as_bytes());
            let (there, expected) = (Version(document.version), wanted.stamp);
            if there != expected.version() {
                let there = expected.beside(there);
                let detail = format!("target holds {there}, expected {expected}");
                divergences.push(DivergenceClass::Stale, &wanted.id, detail);
            } else if hash != wanted.hash {
                let detail = format!("content differs at {expected}");
                divergences.push(DivergenceClass::Different, &wanted.id, detail);
            }
        }
        refused.extend(missing(carrier, &absent, divergences).await?);
    }
    Ok(refused.len() as u64)
}

/// Names what is absent from the target, less what is made of dead letters; gives these.
pub(super) async fn missing(
    carrier: &Carrier,
    absent: &[&Wanted],
    divergences: &mut Divergences,
) -> Result<HashSet<(String, Option<String>)>, Error> {
    let mut refused = HashSet::new();
    if absent.is_empty() {
        return Ok(refused);
    }
    let keys: Vec<_> = absent.iter().map(|w| (w.of.0.as_str(), w.of.1.as_deref())).collect();
    for (wanted, letter) in absent.iter().zip(carrier.dead_letters().find(&keys).await?) {
        if letter.is_some_and(|letter| is_of(carrier, &letter, wanted.stamp, wanted.seq_no)) {
            refused.insert(wanted.of.clone());
        } else {
            let detail = format!("source holds it at {}", wanted.seq_no);
            divergences.push(DivergenceClass::Missing, &wanted.id, detail);
        }
    }
    Ok(refused)
}
