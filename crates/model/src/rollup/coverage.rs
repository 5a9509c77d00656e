//! Completeness over time, as a person sees it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::period::{Period, PeriodStart};
use super::work::{Firsts, Span, missing};

/// Neighbouring periods without all their documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The first, as its label.
    pub first: String,
    /// The last, as its label.
    pub last: String,
    /// How many.
    pub periods: u64,
}

/// Which periods have all their documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    period: Period,
    span: Span,
    short: BTreeSet<PeriodStart>,
    empty: BTreeSet<PeriodStart>,
}

impl Coverage {
    /// Compares the documents that are `there` by period with the keys that have begun.
    #[must_use]
    pub fn new(
        period: Period,
        span: Span,
        firsts: &Firsts,
        there: &BTreeMap<PeriodStart, u64>,
    ) -> Coverage {
        Coverage::of(period, span, missing(period, span, firsts, there), there)
    }

    /// As [`Coverage::new`], where somebody else knows which periods fall `short`.
    #[must_use]
    pub fn of(
        period: Period,
        span: Span,
        short: BTreeSet<PeriodStart>,
        there: &BTreeMap<PeriodStart, u64>,
    ) -> Coverage {
        let empty = short.iter().copied().filter(|at| !there.contains_key(at)).collect();
        Coverage { period, span, short, empty }
    }

    /// The gaps, in order.
    #[must_use]
    pub fn gaps(&self) -> Vec<Gap> {
        let mut gaps: Vec<(PeriodStart, PeriodStart, u64)> = Vec::new();
        for at in &self.short {
            match gaps.last_mut() {
                Some((_, last, periods)) if self.period.next(*last) == *at => {
                    *last = *at;
                    *periods += 1;
                }
                _ => gaps.push((*at, *at, 1)),
            }
        }
        let label = |at| self.period.label(at);
        let gap = |(first, last, periods)| Gap { first: label(first), last: label(last), periods };
        gaps.into_iter().map(gap).collect()
    }

    /// A bar of at most `columns` characters: `█` all is there, `▒` some of it, `·` nothing.
    #[must_use]
    pub fn bar(&self, columns: usize) -> String {
        let periods: Vec<_> = self.period.range(self.span.first, self.span.last).collect();
        let columns = columns.clamp(1, periods.len().max(1));
        let cell = |column: usize| {
            let from = column * periods.len() / columns;
            let to = (column + 1) * periods.len() / columns;
            let some = periods.get(from..to).unwrap_or_default();
            if !some.iter().any(|at| self.short.contains(at)) {
                '█'
            } else if some.iter().all(|at| self.empty.contains(at)) {
                '·'
            } else {
                '▒'
            }
        };
        (0..columns).map(cell).collect()
    }
}
