//! Where a roll-up stands. Changes nothing.

use std::collections::BTreeMap;

use segue_model::id::IndexName;
use segue_model::recipe::Output;
use segue_model::rollup::work::Span;
use segue_model::rollup::{Coverage, Gap, PeriodStart};
use serde::Serialize;

use super::report::Kept as Left;
use super::store::Head;
use super::write::Kind;
use super::{Asked, Rollup};
use crate::error::{Doing, Error};

/// Columns of the bar of completeness.
const COLUMNS: usize = 60;

/// A source as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceStatus {
    /// Its name in the recipe.
    pub source: String,
    /// Its indices.
    pub indices: Vec<String>,
    /// Documents with a date.
    pub documents: u64,
}

/// Deltas or snapshots as they stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutputStatus {
    /// `delta` or `snapshot`.
    pub kind: &'static str,
    /// The indices.
    pub indices: Vec<String>,
    /// Documents of known keys.
    pub documents: u64,
    /// The first period with documents.
    pub first: Option<String>,
    /// The last.
    pub last: Option<String>,
    /// Bookmarks that others read: how many keys have which.
    pub bookmarks: BTreeMap<String, u64>,
    /// Completeness from the first period until now.
    pub bar: String,
    /// Where it is not complete.
    pub gaps: Vec<Gap>,
}

/// Where a roll-up stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RollupStatus {
    /// The roll-up.
    pub rollup: String,
    /// How long a period is.
    pub period: &'static str,
    /// The first period that there is.
    pub first: Option<String>,
    /// The last: that of now.
    pub last: Option<String>,
    /// Everything up to this period, with it, was complete when a run ended.
    pub done: Option<String>,
    /// Who works on it.
    pub holder: Option<String>,
    /// Keys.
    pub keys: u64,
    /// Periods that the next run would roll up.
    pub to_do: u64,
    /// The first of them.
    pub next: Option<String>,
    /// Periods that have to wait.
    pub held: Vec<Left>,
    /// Periods that stay as they are, as documents of theirs are gone with their index.
    pub kept: Vec<Left>,
    /// The sources.
    pub sources: Vec<SourceStatus>,
    /// Deltas, and snapshots where there are any.
    pub outputs: Vec<OutputStatus>,
}

/// Looks at a roll-up.
///
/// # Errors
/// What keeps it from being looked at.
pub async fn status(rollup: &Rollup) -> Result<RollupStatus, Error> {
    let mut head = rollup.load_head().await?.value;
    let survey = rollup.survey().await?;
    let holder = rollup.leases().holder(&IndexName::new(super::run::LEASED)).await?;
    let mut status = RollupStatus {
        rollup: rollup.recipe.name.clone(),
        period: rollup.spec().period.noun(),
        first: None,
        last: None,
        done: head.done.map(|at| rollup.label(at)),
        holder: holder.map(|holder| holder.to_string()),
        keys: 0,
        to_do: 0,
        next: None,
        held: Vec::new(),
        kept: Vec::new(),
        sources: rollup.sources(&survey),
        outputs: Vec::new(),
    };
    let Some(span) = rollup.span(&survey, &head, Asked::default())? else { return Ok(status) };
    rollup.begin_all(&mut head, span);
    let work = rollup.to_do(span, Asked::default(), &survey, &head).await?;
    status.first = Some(rollup.label(span.first));
    status.last = Some(rollup.label(span.last));
    status.keys = head.keys.len() as u64;
    status.to_do = work.periods.len() as u64;
    status.next = work.periods.first().map(|at| rollup.label(*at));
    status.held = rollup.left(&work.held, &survey);
    status.kept = rollup.left(&work.kept, &survey);
    let outputs = [
        (Kind::Delta, Some(&rollup.spec().delta)),
        (Kind::Snapshot, rollup.spec().snapshot.as_ref()),
    ];
    for (kind, output) in outputs {
        if let Some(output) = output {
            status.outputs.push(rollup.output(kind, output, &head, span).await?);
        }
    }
    Ok(status)
}

impl Rollup {
    fn sources(&self, survey: &super::survey::Survey) -> Vec<SourceStatus> {
        let source = |(number, source): (usize, &segue_model::recipe::Feed)| {
            let mine = || survey.seen.iter().filter(move |seen| seen.feed == number);
            SourceStatus {
                source: source.name.clone(),
                indices: mine().map(|seen| seen.ledger.value.index.to_string()).collect(),
                documents: mine().flat_map(|seen| seen.counts.values()).sum(),
            }
        };
        self.spec().feeds.iter().enumerate().map(source).collect()
    }

    async fn output(
        &self,
        kind: Kind,
        output: &Output,
        head: &Head,
        span: Span,
    ) -> Result<OutputStatus, Error> {
        let mut found = Vec::new();
        for pattern in self.patterns(output) {
            let indices = self.ask(3).indices(&pattern).await;
            found.extend(indices.doing(|| format!("looking at {pattern}"))?);
        }
        let there = match self.spec().flat {
            true => self.flat_there(span).await?,
            false => self.there(kind, output, &head.keys, span).await?,
        };
        let mut bookmarks: BTreeMap<String, u64> = BTreeMap::new();
        if output.bookmark.is_some() {
            let keys: Vec<_> = head.keys.keys().collect();
            for some in keys.chunks(1000) {
                for at in self.bookmarks(output, some).await?.into_iter().flatten() {
                    *bookmarks.entry(self.label(at)).or_default() += 1;
                }
            }
        }
        let period = self.spec().period;
        let coverage = match self.spec().flat {
            true => Coverage::of(period, span, head.flat_missing(span, &there), &there),
            false => Coverage::new(period, span, &head.keys, &there),
        };
        let label = |at: Option<&PeriodStart>| at.map(|at| self.label(*at));
        Ok(OutputStatus {
            kind: kind.noun(),
            indices: found.into_iter().map(|index| index.name).collect(),
            documents: there.values().sum(),
            first: label(there.keys().next()),
            last: label(there.keys().next_back()),
            bookmarks,
            bar: coverage.bar(COLUMNS),
            gaps: coverage.gaps(),
        })
    }
}
