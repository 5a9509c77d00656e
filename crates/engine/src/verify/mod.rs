//! Verification: source, transformed once more, against target, document by document.
//!
//! Documents are matched by provenance (the source operation in the target's version) and compared
//! by a hash over id, routing and content. Same operation and other hash: *different*. A document
//! whose source has moved on to a later operation than the pass had reached is *lag*, looked at
//! again in the cutover's window; nothing is "retried until equal". The target is streamed too, so
//! that what is *extra* there is named. Where versions of the source are preserved, documents are
//! matched by id, and compared by version and content.

mod classify;
mod compare;
mod fingerprint;
mod matching;
mod not_made;
mod redirected;
mod unmatched;
mod window;

use std::collections::BTreeMap;
use std::fmt;

use segue_cluster::Fetch;
use segue_model::id::{IndexName, SeqNo, Shard};
use segue_model::journal::VerifySummary;
use segue_model::version::Op;
use serde::Serialize;

pub(crate) use compare::ours;
pub(crate) use fingerprint::fingerprint;
pub use redirected::{Outdone, count_ours, verify_redirected};
pub use window::{Frozen, verify_window};

use crate::error::{Doing, Error};
use crate::pass::Carrier;
use crate::scan::{Stretch, everything, scan};
use compare::{SourceSide, TargetSide};
use matching::Matching;

/// How many divergences are named; all are counted.
const NAMED: usize = 20;

/// How a document differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DivergenceClass {
    /// In the source, not in the target.
    Missing,
    /// In the target, not (or not any more) in the source.
    Extra,
    /// In the target with older content than the source's.
    Stale,
    /// The same operation with other content.
    Different,
    /// In the target, but not written by us.
    Foreign,
    /// A required field is missing or null.
    Incomplete,
    /// Two documents of the source, or two records of files, have the same id in the target.
    Duplicate,
}

impl DivergenceClass {
    /// The class's stable name.
    pub fn name(self) -> &'static str {
        match self {
            DivergenceClass::Missing => "missing",
            DivergenceClass::Extra => "extra",
            DivergenceClass::Stale => "stale",
            DivergenceClass::Different => "different",
            DivergenceClass::Foreign => "foreign",
            DivergenceClass::Incomplete => "incomplete",
            DivergenceClass::Duplicate => "duplicate",
        }
    }
}

/// A document that differs between source and target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// How.
    pub class: DivergenceClass,
    /// Its id.
    pub id: String,
    /// What was seen.
    pub detail: String,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}: {}", self.class.name(), self.id, self.detail)
    }
}

/// Divergences: all counted, the first ones named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Divergences {
    counts: BTreeMap<String, u64>,
    named: Vec<Divergence>,
}

impl Divergences {
    pub(crate) fn push(&mut self, class: DivergenceClass, id: &str, detail: impl Into<String>) {
        *self.counts.entry(class.name().to_owned()).or_default() += 1;
        if self.named.len() < NAMED {
            self.named.push(Divergence { class, id: id.to_owned(), detail: detail.into() });
        }
    }

    pub(crate) fn add(&mut self, other: Divergences) {
        for (class, count) in other.counts {
            *self.counts.entry(class).or_default() += count;
        }
        let room = NAMED - self.named.len();
        self.named.extend(other.named.into_iter().take(room));
    }

    /// `Ok` with the summary if there are none.
    pub(crate) fn conclude(self, mut summary: VerifySummary) -> Result<VerifySummary, Error> {
        if self.counts.is_empty() {
            return Ok(summary);
        }
        let counts: Vec<_> = self.counts.iter().map(|(c, n)| format!("{n} {c}")).collect();
        let named: Vec<_> = self.named.iter().take(3).map(ToString::to_string).collect();
        for divergence in &self.named {
            tracing::error!(%divergence, "source and target differ");
        }
        summary.divergences = self.counts;
        let reason = format!("{} ({})", counts.join(", "), named.join("; "));
        Err(Error::Diverged { reason, summary })
    }
}

/// Compares everything that `carrier` has carried with the target. Fails with [`Error::Diverged`] if
/// a single document differs.
pub async fn verify_all(carrier: &Carrier, target: &IndexName) -> Result<VerifySummary, Error> {
    let source = carrier.sources().all().as_str();
    let session = carrier.session();
    // A search shows what the last refresh did. What the audit took away it had asked for in real time:
    // without this, what went in between would be called missing.
    session.cluster().refresh(source).await.doing(|| format!("refreshing {source}"))?;
    let positions = carrier.positions();
    let highest = Matching::of(carrier).highest(&positions)?;
    let stretches = carried(&positions);
    let readers = session.limits().lanes.max(1);

    let sides = (0..readers).map(|_| SourceSide::new(carrier, highest)).collect();
    let sides = scan(session, carrier.sources(), &stretches, &Fetch::Source, sides).await?;
    let (source, mut summary, mut divergences) = compare::join_source(sides, highest);

    let in_target = everything(session, target).await?;
    let sides = (0..readers).map(|_| TargetSide::new(carrier, highest)).collect();
    let sides = scan(session, target, &in_target, &Fetch::Source, sides).await?;
    let (held, suspects) = compare::join_target(sides, highest);
    summary.target = held.documents() + suspects.count();

    let ranges = source.differences(&held);
    if !ranges.is_empty() || suspects.count() > 0 {
        let found =
            classify::classify(carrier, target, &positions, &in_target, &ranges, suspects).await?;
        summary.lagging += found.lagging;
        summary.dead_lettered += found.dead_lettered;
        divergences.add(found.divergences);
    }
    divergences.conclude(summary)
}

/// The highest operation below `positions`.
fn highest_op(positions: &[SeqNo]) -> Result<u64, Error> {
    let shards = u32::try_from(positions.len()).unwrap_or(u32::MAX);
    let mut highest = 0;
    for (shard, position) in (0u32..).zip(positions) {
        if position.0 >= 0 {
            highest = highest.max(Op::of(*position, Shard(shard), shards)?.get());
        }
    }
    Ok(highest)
}

/// Everything up to `positions`.
fn carried(positions: &[SeqNo]) -> Vec<Stretch> {
    let stretch =
        |(shard, to): (u32, &SeqNo)| Stretch { shard: Shard(shard), from: SeqNo::NONE, to: *to };
    (0u32..).zip(positions).map(stretch).collect()
}
