//! One run of a roll-up.

use std::collections::BTreeSet;
use std::time::Instant;

use segue_model::governor::WaitingOn;
use segue_model::id::IndexName;
use segue_model::lease::Watched;
use segue_model::rollup::PeriodStart;
use segue_model::rollup::work::{self, Firsts, Span, Work};

use super::report::{Kept as Left, RollupReport};
use super::store::{Head, Kept};
use super::survey::Survey;
use super::write::{Kind, Writer};
use super::{Asked, Rollup};
use crate::error::{Error, Stop};
use crate::lease_store::{Claimed, Held, Leases};
use crate::moment;

/// What the lease of a roll-up is for.
pub(super) const LEASED: &str = "rollup";
/// How often a lease that somebody else holds is looked at.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(500);
/// The most periods between the first and the last; more are a slip, such as a document of 1970.
const MOST_PERIODS: usize = 50_000;
/// The most periods that are read at once, however few documents they have.
const MOST_AT_ONCE: usize = 31;
/// The most deltas that are made at once, where a period alone has not more.
const MOST_DELTAS: usize = 20_000;

/// Rolls up what changed since the last run.
///
/// # Errors
/// [`Stop::Leased`] while another process works on it; whatever keeps it from its end. Run again, it goes
/// on from what is done.
pub async fn run(rollup: &Rollup, asked: Asked) -> Result<RollupReport, Error> {
    let leases = rollup.leases();
    leases.ensure().await?;
    rollup.ensure_store().await?;
    let held = rollup.take(&leases).await?;
    let ended = tokio::select! {
        ended = rollup.work(asked) => ended,
        () = held.lost() => Err(rollup.overtaken("its lease is somebody else's")),
    };
    held.give_back().await;
    ended
}

impl Rollup {
    pub(super) fn leases(&self) -> Leases {
        let ttl = self.recipe.limits.lease_ttl;
        Leases::new(self.cluster.clone(), self.name(), crate::process::name(), ttl)
    }

    async fn take(&self, leases: &Leases) -> Result<Held, Error> {
        let (begun, mut watched) = (Instant::now(), Watched::default());
        let patience = self.recipe.limits.lease_ttl + 4 * LOOK_EVERY;
        let part = IndexName::new(LEASED);
        loop {
            let by = match leases.claim(&part, &mut watched).await? {
                Claimed::Ours(held) => return Ok(held),
                Claimed::Theirs(by) => by,
            };
            if begun.elapsed() >= patience {
                let waited_s = begun.elapsed().as_secs();
                let reason = WaitingOn::Lease { holder: by.to_string() };
                return Err(Error::Stopped(Stop::Leased { waited_s, reason }));
            }
            self.sleep(LOOK_EVERY).await?;
        }
    }

    async fn work(&self, asked: Asked) -> Result<RollupReport, Error> {
        let mut head = self.load_head().await?;
        head.value.generation += 1;
        self.put_head(&mut head).await?;
        let mut survey = self.survey().await?;
        let mut report =
            RollupReport { rollup: self.recipe.name.clone(), ..RollupReport::default() };
        report.undated = survey.seen.iter().map(|seen| seen.undated).sum();
        for seen in survey.seen.iter_mut().filter(|seen| seen.is_new) {
            self.put_ledger(&mut seen.ledger).await?;
        }
        if let Some(span) = self.span(&survey, &head.value, asked)? {
            self.roll(span, asked, &mut survey, &mut head, &mut report).await?;
        }
        report.keys = head.value.keys.len() as u64;
        report.requests = self.requests.load(std::sync::atomic::Ordering::Relaxed);
        Ok(report)
    }

    /// From the first period that there is to the last that is asked for.
    pub(super) fn span(
        &self,
        survey: &Survey,
        head: &Head,
        asked: Asked,
    ) -> Result<Option<Span>, Error> {
        let period = self.spec().period;
        let now = period.of(i64::try_from(moment::now_ms()).unwrap_or(i64::MAX));
        let last = asked.to.unwrap_or(now);
        if last > now {
            let label = self.label(last);
            return Err(Error::Recipe(format!("{label} has not come yet: nothing was done")));
        }
        let gone = survey.gone.iter().filter_map(|ledger| ledger.rolled.keys().next().copied());
        // Of a flat roll-up the first day may be left without any event.
        let flat = head.flat.keys().next().copied();
        let known = survey.first().into_iter().chain(head.keys.values().copied());
        let known = known.chain(gone).chain(flat);
        let Some(first) = self.spec().start.or(known.min()).filter(|first| *first <= last) else {
            return Ok(None);
        };
        if period.range(first, last).nth(MOST_PERIODS).is_some() {
            return Err(Error::Recipe(format!(
                "the first document is of {}, more than {MOST_PERIODS} {}s ago: say with `start` where \
                 to begin",
                self.label(first),
                period
            )));
        }
        Ok(Some(Span { first, last }))
    }

    async fn roll(
        &self,
        span: Span,
        asked: Asked,
        survey: &mut Survey,
        head: &mut Kept<Head>,
        report: &mut RollupReport,
    ) -> Result<(), Error> {
        report.first = Some(self.label(span.first));
        report.last = Some(self.label(span.last));
        self.begin_all(&mut head.value, span);
        let known = head.value.keys.clone();
        let work = self.to_do(span, asked, survey, &head.value).await?;
        self.announce(&work);
        let limits = &self.recipe.limits;
        let at_once = u64::from(limits.docs_at_once);
        let most = (MOST_DELTAS / known.len().max(1)).clamp(1, MOST_AT_ONCE);
        let pieces = work::pieces(&work.periods, |at| survey.count(at), at_once, most);
        let mut writer = Writer::new(self, head.value.generation);
        for piece in pieces {
            if self.spec().flat {
                self.flat_piece(survey, head, &mut writer, piece, report).await?;
            } else {
                self.piece(survey, head, &mut writer, piece, report).await?;
            }
        }
        let missing = self.close_gaps(span, &known, &work, head, &mut writer, report).await?;
        if let Some(done) = self.done(span, survey, &work, &missing) {
            report.written.snapshot += self.snapshots(span.first, done, head, &mut writer).await?;
            let outputs = [Some(&self.spec().delta), self.spec().snapshot.as_ref()];
            for output in outputs.into_iter().flatten() {
                self.move_bookmarks(output, &head.value, &writer, done).await?;
            }
            head.value.done = head.value.done.max(Some(done));
            report.done = Some(self.label(done));
        }
        self.put_head(head).await?;
        report.held = self.left(&work.held, survey);
        report.kept = self.left(&work.kept, survey);
        Ok(())
    }

    /// Writes zeros for keys that had begun before they were `known`; the periods that have gaps still.
    async fn close_gaps(
        &self,
        span: Span,
        known: &Firsts,
        work: &Work,
        head: &mut Kept<Head>,
        writer: &mut Writer<'_>,
        report: &mut RollupReport,
    ) -> Result<BTreeSet<PeriodStart>, Error> {
        let mut missing = self.missing(span, &head.value).await?;
        missing.retain(|at| !work.held.contains(at));
        let Some(first) = missing.first().copied() else { return Ok(missing) };
        let from = head.value.snapshots_from.map_or(first, |from| from.min(first));
        head.value.snapshots_from = Some(from);
        report.written.delta += self.fill(&head.value, known, &work.kept, writer, &missing).await?;
        self.missing(span, &head.value).await
    }

    /// The key of everything has begun with the first period.
    pub(super) fn begin_all(&self, head: &mut Head, span: Span) {
        if let Some(all) = &self.spec().key.all {
            let first = head.keys.entry(all.clone()).or_insert(span.first);
            *first = (*first).min(span.first);
        }
    }

    pub(super) async fn to_do(
        &self,
        span: Span,
        asked: Asked,
        survey: &Survey,
        head: &Head,
    ) -> Result<Work, Error> {
        let missing = self.missing(span, head).await?;
        let from = asked.from.map(|from| from.max(span.first));
        let asked: BTreeSet<_> = from
            .map(|from| self.spec().period.range(from, span.last).collect())
            .unwrap_or_default();
        Ok(work::work(&survey.parts(), span, &missing, &asked))
    }

    async fn missing(&self, span: Span, head: &Head) -> Result<BTreeSet<PeriodStart>, Error> {
        if self.spec().flat {
            return Ok(head.flat_missing(span, &self.flat_there(span).await?));
        }
        let there = self.there(Kind::Delta, &self.spec().delta, &head.keys, span).await?;
        Ok(work::missing(self.spec().period, span, &head.keys, &there))
    }

    /// Up to where everything is complete.
    fn done(
        &self,
        span: Span,
        survey: &Survey,
        work: &Work,
        missing: &BTreeSet<PeriodStart>,
    ) -> Option<PeriodStart> {
        let open = survey.seen.iter().flat_map(|seen| &seen.ledger.value.stale).copied();
        let open = open.filter(|at| (span.first..=span.last).contains(at));
        let open = open.filter(|at| !work.kept.contains(at));
        let first = open.chain(work.held.first().copied()).chain(missing.first().copied()).min();
        let done = first.map_or(span.last, |at| self.spec().period.previous(at));
        (done >= span.first).then_some(done)
    }

    fn announce(&self, work: &Work) {
        if let (Some(first), Some(last)) = (work.periods.first(), work.periods.last()) {
            let (periods, noun) = (work.periods.len(), self.spec().period);
            let (first, last) = (self.label(*first), self.label(*last));
            self.say(format!("{periods} {noun}s to roll up, from {first} to {last}"));
        }
    }

    /// What was left as it was, with the reason.
    pub(super) fn left(&self, periods: &BTreeSet<PeriodStart>, survey: &Survey) -> Vec<Left> {
        let reason = |at: &PeriodStart| {
            let mut waits = survey.seen.iter().filter(|seen| seen.counts.contains_key(at));
            let gone = || {
                let mut gone = survey.gone.iter().filter(|of| of.rolled.contains_key(at));
                gone.next()
                    .map(|ledger| format!("{} is gone, and its documents with it", ledger.index))
            };
            waits.find_map(|seen| seen.waits.clone()).or_else(gone).unwrap_or_default()
        };
        let left = |at: &PeriodStart| Left { period: self.label(*at), reason: reason(at) };
        periods.iter().map(left).collect()
    }
}
