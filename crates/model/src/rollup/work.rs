//! What a run has to do, and what it must leave alone.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::Ledger;
use super::period::{Period, PeriodStart};

/// Which periods a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first that has documents of the roll-up.
    pub first: PeriodStart,
    /// The last.
    pub last: PeriodStart,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Periods to roll up, in order.
    pub periods: Vec<PeriodStart>,
    /// Periods that would have to be, but are kept back: somebody has to finish something before.
    pub held: BTreeSet<PeriodStart>,
    /// Periods that stay as they are because documents they were rolled up from are gone with their index.
    pub kept: BTreeSet<PeriodStart>,
}

/// One source index, or what is left of one.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// What is known of it.
    pub ledger: &'a Ledger,
    /// Documents by period as they are now; none of an index that is gone.
    pub counts: Option<&'a BTreeMap<PeriodStart, u64>>,
    /// Whether its periods have to wait.
    pub held: bool,
}

/// Periods whose recorded documents were in indices that are gone, and are in no other index now.
/// Rolled up again they would lose what they have.
#[must_use]
pub fn lost(parts: &[Part<'_>]) -> BTreeSet<PeriodStart> {
    let mut recorded: BTreeMap<(&str, PeriodStart), (u64, bool)> = BTreeMap::new();
    let mut there: BTreeMap<(&str, PeriodStart), u64> = BTreeMap::new();
    for part in parts {
        let source = part.ledger.source.as_str();
        for (at, documents) in &part.ledger.rolled {
            let entry = recorded.entry((source, *at)).or_default();
            entry.0 += documents;
            entry.1 |= part.counts.is_none();
        }
        for (at, documents) in part.counts.into_iter().flatten() {
            *there.entry((source, *at)).or_default() += documents;
        }
    }
    let is_lost = |(place, (documents, gone)): (&(&str, PeriodStart), &(u64, bool))| {
        let now = there.get(place).copied().unwrap_or(0);
        (*gone && now < *documents).then_some(place.1)
    };
    recorded.iter().filter_map(is_lost).collect()
}

/// What a run has to do within `span`: stale periods, those with documents `missing` in the target, and
/// those that were `asked` for.
#[must_use]
pub fn work(
    parts: &[Part<'_>],
    span: Span,
    missing: &BTreeSet<PeriodStart>,
    asked: &BTreeSet<PeriodStart>,
) -> Work {
    let lost = lost(parts);
    let mut wanted: BTreeSet<PeriodStart> = missing.union(asked).copied().collect();
    let mut held = BTreeSet::new();
    for part in parts {
        wanted.extend(&part.ledger.stale);
        if part.held {
            held.extend(part.counts.into_iter().flatten().map(|(at, _)| *at));
        }
    }
    wanted.retain(|at| (span.first..=span.last).contains(at));
    let kept: BTreeSet<_> = wanted.intersection(&lost).copied().collect();
    let held: BTreeSet<_> =
        wanted.intersection(&held).copied().filter(|at| !kept.contains(at)).collect();
    let periods =
        wanted.into_iter().filter(|at| !kept.contains(at) && !held.contains(at)).collect();
    Work { periods, held, kept }
}

/// Cuts periods into pieces of neighbours with about `documents` documents, at least one period each and
/// at most `most`.
#[must_use]
pub fn pieces(
    periods: &[PeriodStart],
    count: impl Fn(PeriodStart) -> u64,
    documents: u64,
    most: usize,
) -> Vec<Vec<PeriodStart>> {
    let mut pieces: Vec<Vec<PeriodStart>> = Vec::new();
    let mut sum = 0;
    for at in periods {
        let more = count(*at);
        match pieces.last_mut() {
            Some(piece) if piece.len() < most && sum + more <= documents => {
                piece.push(*at);
                sum += more;
            }
            _ => {
                pieces.push(vec![*at]);
                sum = more;
            }
        }
    }
    pieces
}

/// Periods as stretches of neighbours, `[from, to)`.
#[must_use]
pub fn stretches(period: Period, periods: &[PeriodStart]) -> Vec<(PeriodStart, PeriodStart)> {
    let mut stretches: Vec<(PeriodStart, PeriodStart)> = Vec::new();
    for at in periods {
        let end = period.next(*at);
        match stretches.last_mut() {
            Some((_, to)) if *to == *at => *to = end,
            _ => stretches.push((*at, end)),
        }
    }
    stretches
}

/// Keys and the first period in which each has documents. From then on it has one in every period.
pub type Firsts = BTreeMap<String, PeriodStart>;

/// Periods of the span in which `there` are fewer documents than keys have begun.
#[must_use]
pub fn missing(
    period: Period,
    span: Span,
    firsts: &Firsts,
    there: &BTreeMap<PeriodStart, u64>,
) -> BTreeSet<PeriodStart> {
    let mut begun: Vec<PeriodStart> = firsts.values().copied().collect();
    begun.sort_unstable();
    let expected = |at: PeriodStart| begun.partition_point(|first| *first <= at) as u64;
    let short = |at: &PeriodStart| there.get(at).copied().unwrap_or(0) < expected(*at);
    period.range(span.first, span.last).filter(short).collect()
}
