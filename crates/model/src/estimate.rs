//! What carrying a plan out is expected to cost: disk and time, and what that was computed from.
//!
//! A target is taken to be as large as its source, times its copies: what the pipeline adds or takes, and
//! how well the new mapping packs, nobody knows before. The time is that of the copying alone, from a rate
//! that was measured when another part of the migration was copied, or by a rule of thumb that says so.

mod render;
#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::id::IndexName;
use crate::journal::{Event, Record};
use crate::observe::Node;
use crate::observe::mapping::has_type;
use crate::plan::{Plan, PlannedPart};
use crate::recipe::{DocsPerSecond, Recipe};

/// What one part is expected to cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Documents that are left to be copied; none = not known, as with files.
    pub documents: Option<u64>,
    /// What is left to be copied, bytes of the source's primaries or of files.
    pub source_bytes: u64,
    /// Copies of the target, its primaries included.
    pub copies: u64,
    /// Bytes that the target is expected to add.
    pub target_bytes: u64,
    /// How long the copying takes, if nothing else is copied; none = nothing is left.
    pub seconds: Option<Span>,
}

/// What the parts that are left are expected to cost together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Whole {
    /// Documents that are left to be copied; none = not known of some part.
    pub documents: Option<u64>,
    /// What is left to be copied, bytes.
    pub source_bytes: u64,
    /// Bytes that the targets are expected to add.
    pub target_bytes: u64,
    /// What the data nodes have room for; none where that was not seen.
    pub room: Option<Room>,
    /// How long the copying takes; none = nothing is left.
    pub seconds: Option<Span>,
    /// What the time was computed from.
    pub rate: Rate,
}

/// A stretch of time, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The least.
    pub least: u64,
    /// The most.
    pub most: u64,
}

/// What the data nodes have room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Room {
    /// Bytes.
    pub bytes: u64,
    /// Whether that is what may be filled before disks reach the high watermark; else all that is free.
    pub below_high_watermark: bool,
}

/// What the time was computed from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// Documents a second, at least.
    pub least: u64,
    /// Documents a second, at most.
    pub most: u64,
    /// Where the numbers are from.
    pub basis: Basis,
    /// The recipe's `docs_per_second`.
    pub bound: Option<u64>,
}

/// Where a rate is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// A part of this migration was copied.
    Measured(Measured),
    /// Nothing was: these are what small machines do.
    RuleOfThumb,
}

/// How a part of this migration was copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Measured {
    /// The part.
    pub part: IndexName,
    /// Its documents.
    pub documents: u64,
    /// How long it took, milliseconds.
    pub ms: u64,
}

/// Documents a second that are copied where nothing is known, least and most.
const THUMB: (u64, u64) = (2_000, 20_000);
/// Bytes a second, as they lie on disk, likewise: large documents are slower.
const THUMB_BYTES: (u64, u64) = (5_000_000, 40_000_000);
/// What was measured once is true within these parts of 100.
const SPREAD: (u64, u64) = (60, 150);
/// Shorter copies say more about beginnings than about copying, milliseconds.
const SHORTEST_MS: u64 = 500;

impl Room {
    /// What the data nodes have room for; none where none was seen.
    #[must_use]
    pub fn of(nodes: &[Node]) -> Option<Room> {
        let data: Vec<_> = nodes.iter().filter(|node| node.data).collect();
        if data.is_empty() {
            return None;
        }
        let below: Option<Vec<u64>> = data.iter().map(|node| node.disk_below_high).collect();
        let below_high_watermark = below.is_some();
        let each = below.unwrap_or_else(|| data.iter().map(|node| node.disk_available).collect());
        let bytes = each.into_iter().fold(0, u64::saturating_add);
        Some(Room { bytes, below_high_watermark })
    }
}

/// Bytes that a part's target is expected to add where nothing of it is there.
#[must_use]
pub fn target_bytes(part: &PlannedPart) -> u64 {
    part.bytes.saturating_mul(copies(part))
}

fn copies(part: &PlannedPart) -> u64 {
    let replicas = part.target_body.settings.get("index.number_of_replicas");
    1 + replicas.and_then(|n| n.as_u64().or_else(|| n.as_str()?.parse().ok())).unwrap_or(1)
}

/// How the part that was copied last was copied, if one was without a stop.
#[must_use]
pub fn measured(records: &[Record]) -> Option<Measured> {
    let parts = records.chunk_by(|one, next| one.part == next.part);
    parts.filter_map(of_part).max_by_key(|(at_ms, _)| *at_ms).map(|(_, measured)| measured)
}

fn of_part(records: &[Record]) -> Option<(u64, Measured)> {
    let begun = records.iter().rposition(|r| matches!(r.event, Event::Prepared { .. }))?;
    let copied = records.iter().rposition(|r| matches!(r.event, Event::Backfilled))?;
    let epochs = records.get(begun..copied)?.iter();
    let epochs = epochs.filter(|r| matches!(r.event, Event::EpochOpened { .. })).count();
    let documents = records[copied..].iter().find_map(|record| match &record.event {
        Event::Verified { summary, .. } => Some(summary.source),
        _ => None,
    })?;
    let ms = records[copied].at_ms.checked_sub(records[begun].at_ms)?;
    // Each process that took it up opened an epoch: in between nobody may have worked.
    if epochs > 1 || ms < SHORTEST_MS || documents == 0 {
        return None;
    }
    let part = records[copied].part.clone()?;
    Some((records[copied].at_ms, Measured { part, documents, ms }))
}

impl Rate {
    fn of(recipe: &Recipe, measured: Option<Measured>) -> Rate {
        let bound = match recipe.limits.docs_per_second {
            DocsPerSecond::AtMost(bound) => Some(bound.max(1)),
            DocsPerSecond::Auto => None,
        };
        let (least, most, basis) = match measured {
            None => (THUMB.0, THUMB.1, Basis::RuleOfThumb),
            Some(measured) => {
                let rate = measured.rate();
                let part = |of: u64| (rate.saturating_mul(of) / 100).max(1);
                (part(SPREAD.0), part(SPREAD.1), Basis::Measured(measured))
            }
        };
        let bounded = |rate: u64| bound.map_or(rate, |bound| rate.min(bound));
        Rate { least: bounded(least), most: bounded(most), basis, bound }
    }

    /// How long so much takes; none for nothing.
    fn span(&self, documents: Option<u64>, bytes: u64) -> Option<Span> {
        if documents.map_or(bytes, |documents| documents) == 0 {
            return None;
        }
        let documents = documents.unwrap_or(0);
        let by_bytes = |rate: u64| match self.basis {
            Basis::RuleOfThumb => bytes.div_ceil(rate),
            Basis::Measured(_) if documents == 0 => bytes.div_ceil(rate),
            Basis::Measured(_) => 0,
        };
        let least = documents.div_ceil(self.most).max(by_bytes(THUMB_BYTES.1));
        let most = documents.div_ceil(self.least).max(by_bytes(THUMB_BYTES.0));
        Some(Span { least: least.max(1), most: most.max(1) })
    }
}

impl Measured {
    /// Documents a second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        (self.documents.saturating_mul(1000) / self.ms.max(1)).max(1)
    }
}

impl Plan {
    /// Adds what is expected of each part that is left, and of all together. `copied` says how many
    /// documents of a part that has begun were read already.
    pub fn estimate(
        &mut self,
        recipe: &Recipe,
        measured: Option<Measured>,
        copied: &dyn Fn(&PlannedPart) -> u64,
    ) {
        let rate = Rate::of(recipe, measured);
        let (mut all, mut any) = ((Some(0_u64), 0_u64, 0_u64), false);
        for part in self.parts.iter_mut().filter(|part| is_copied(part)) {
            let estimate = one(part, &rate, copied(part));
            all.0 = all.0.zip(estimate.documents).map(|(sum, more)| sum.saturating_add(more));
            all.1 = all.1.saturating_add(estimate.source_bytes);
            all.2 = all.2.saturating_add(estimate.target_bytes);
            part.estimate = Some(Box::new(estimate));
            any = true;
        }
        let (documents, source_bytes, target_bytes) = all;
        let seconds = rate.span(documents, source_bytes);
        let room = self.room;
        self.estimate =
            any.then_some(Whole { documents, source_bytes, target_bytes, room, seconds, rate });
    }
}

/// Whether something of it may be left to be copied.
fn is_copied(part: &PlannedPart) -> bool {
    !part.is_skipped() && part.shards > 0 && part.target_body.mappings.is_object()
}

fn one(part: &PlannedPart, rate: &Rate, copied: u64) -> Estimate {
    let copies = copies(part);
    let (documents, source_bytes) = match part.files {
        Some(_) => (None, part.bytes),
        None => {
            // Nested objects count as documents of the index, and not as documents that were copied.
            let nested = has_type(&part.target_body.mappings, "nested");
            let left = part.docs.saturating_sub(if nested { 0 } else { copied });
            let share = u128::from(part.bytes) * u128::from(left) / u128::from(part.docs.max(1));
            (Some(left), u64::try_from(share).unwrap_or(u64::MAX))
        }
    };
    let target_bytes = source_bytes.saturating_mul(copies);
    let seconds = rate.span(documents, source_bytes);
    Estimate { documents, source_bytes, copies, target_bytes, seconds }
}

/// How long copying so many documents takes at a speed that was measured; none where the measurement was too
/// short to tell.
#[must_use]
pub fn at_speed(recipe: &Recipe, measured: Measured, documents: u64) -> Option<Span> {
    if measured.ms < SHORTEST_MS || measured.documents == 0 {
        return None;
    }
    Rate::of(recipe, Some(measured)).span(Some(documents), 0)
}
