//! Adding deltas up to snapshots, in the order of time, all keys at once.
//!
//! Deltas are read back from where they were written. Sums of some time ago are kept, so that a run does not
//! begin with the first delta each time; what changed before them makes it do so.

use std::collections::BTreeMap;

use segue_cluster::{SearchHit, SearchPage};
use segue_model::rollup::{PeriodStart, Tally};
use serde_json::{Value, json};

use super::Rollup;
use super::store::{Head, Kept, ROLLUP_INDEX, StoredSum};
use super::write::{Kind, There, Writer};
use crate::error::{Doing, Error};

/// Deltas of one request.
const PAGE: usize = 500;
/// How many periods before the last the kept sums are of: later ones change often.
const BEHIND: usize = 35;

/// Sums on their way through time.
struct Sums {
    by_key: BTreeMap<String, Tally>,
    /// Before which period they are kept, and what is.
    keep: Option<PeriodStart>,
    kept: Vec<(String, String)>,
    /// The period that is being read, and how many keys it had so far.
    at: PeriodStart,
    seen: usize,
}

impl Rollup {
    /// Makes the snapshots up to `done` that are missing or may be wrong; how many were written.
    pub(super) async fn snapshots(
        &self,
        first: PeriodStart,
        done: PeriodStart,
        head: &mut Kept<Head>,
        writer: &mut Writer<'_>,
    ) -> Result<u64, Error> {
        let Some(output) = &self.spec().snapshot else { return Ok(0) };
        let period = self.spec().period;
        let span = segue_model::rollup::work::Span { first, last: done };
        let there = self.there(Kind::Snapshot, output, &head.value.keys, span).await?;
        let missing = segue_model::rollup::work::missing(period, span, &head.value.keys, &there);
        let wrong = head.value.snapshots_from.into_iter().chain(missing.first().copied()).min();
        let Some(from) = wrong.map(|at| at.max(first)).filter(|at| *at <= done) else {
            return Ok(0);
        };
        let (start, by_key) = self.begin(first, from, &head.value).await?;
        let behind = (0..BEHIND).fold(done, |at, _| period.previous(at));
        let keep = Some(behind).filter(|at| *at > start);
        let mut sums = Sums { by_key, keep, kept: Vec::new(), at: start, seen: 0 };
        let written = self.add_up(&mut sums, (start, from, done), &head.value, writer).await?;
        let keeps = !sums.kept.is_empty();
        if keeps {
            let kept = std::mem::take(&mut sums.kept);
            writer.put_into(ROLLUP_INDEX, kept, There::Replace).await?;
        }
        // Sums that were not begun from are wrong unless they were replaced.
        let begun_from = head.value.sums_at.filter(|at| *at == start && start > first);
        head.value.sums_at = keep.filter(|_| keeps).or(begun_from);
        head.value.snapshots_from = Some(period.next(done));
        Ok(written)
    }

    /// Where adding up begins, and the sums of everything before.
    async fn begin(
        &self,
        first: PeriodStart,
        from: PeriodStart,
        head: &Head,
    ) -> Result<(PeriodStart, BTreeMap<String, Tally>), Error> {
        let nothing = (first, BTreeMap::new());
        let Some(at) = head.sums_at.filter(|at| *at <= from && *at > first) else {
            return Ok(nothing);
        };
        let mut by_key = BTreeMap::new();
        for (stored, _) in self.load_sums().await? {
            if stored.before == at {
                let read = self.layout().read("sum", &stored.delta);
                let (_, key, tally) = read.map_err(|odd| Error::Recipe(odd.to_string()))?;
                by_key.insert(key, tally);
            }
        }
        let begun = head.keys.iter().filter(|(_, first)| **first < at);
        let complete = begun.clone().all(|(key, _)| by_key.contains_key(key));
        Ok(if complete { (at, by_key) } else { nothing })
    }

    async fn add_up(
        &self,
        sums: &mut Sums,
        (start, from, done): (PeriodStart, PeriodStart, PeriodStart),
        head: &Head,
        writer: &mut Writer<'_>,
    ) -> Result<u64, Error> {
        let (mut written, mut after) = (0, None);
        loop {
            self.check_stop()?;
            let page = self.deltas_page(start, done, head, after.take()).await?;
            let mut documents = Vec::new();
            for hit in &page.hits {
                let (at, key, tally) = self.delta_of(hit)?;
                self.step(sums, at, head)?;
                let sum = sums.by_key.entry(key.clone()).or_default();
                sum.add(tally);
                if at >= from {
                    let snapshot = self.layout().snapshot(at, &key, sum);
                    documents.push((at, self.layout().id(at, &key), snapshot.to_string()));
                }
            }
            written += writer.put(Kind::Snapshot, documents, There::Replace).await?;
            match page.hits.last() {
                Some(last) if page.hits.len() == PAGE => after = Some(last.sort.clone().into()),
                _ => break,
            }
        }
        self.step(sums, self.spec().period.next(done), head)?;
        Ok(written)
    }

    /// Goes on to the period of the next delta: every one before it must have had all its keys.
    fn step(&self, sums: &mut Sums, to: PeriodStart, head: &Head) -> Result<(), Error> {
        while sums.at < to {
            let begun = head.keys.values().filter(|first| **first <= sums.at).count();
            if sums.seen != begun {
                return Err(Error::Recipe(format!(
                    "{} has {} deltas for {begun} keys: somebody else changes them; run again",
                    self.label(sums.at),
                    sums.seen
                )));
            }
            sums.at = self.spec().period.next(sums.at);
            sums.seen = 0;
            if sums.keep == Some(sums.at) {
                let keep = |(key, tally): (&String, &Tally)| {
                    let delta = self.layout().delta(sums.at, key, tally);
                    self.sum(key, &StoredSum { before: sums.at, delta })
                };
                sums.kept = sums.by_key.iter().map(keep).collect();
            }
        }
        sums.seen += 1;
        Ok(())
    }

    fn delta_of(&self, hit: &SearchHit) -> Result<(PeriodStart, String, Tally), Error> {
        let text = hit.source.as_ref().map_or("null", |source| source.get());
        let delta: Value = serde_json::from_str(text)
            .map_err(|source| Error::Stored { what: format!("the delta {}", hit.id), source })?;
        self.layout().read(&hit.id, &delta).map_err(|odd| {
            Error::Recipe(format!(
                "{odd}: roll it up again with `--from` its {}",
                self.spec().period
            ))
        })
    }

    async fn deltas_page(
        &self,
        start: PeriodStart,
        done: PeriodStart,
        head: &Head,
        after: Option<Value>,
    ) -> Result<SearchPage, Error> {
        let spec = self.spec();
        let pattern = spec.delta.index.wildcard();
        let end = spec.period.next(done);
        let keys: Vec<_> = head.keys.keys().collect();
        let range = json!({ "gte": start.0, "lt": end.0, "format": "epoch_millis" });
        let mut body = json!({
            "size": PAGE, "track_total_hits": false,
            "sort": [{ "period_start": "asc" }, { spec.key.name.as_str(): "asc" }],
            "query": { "bool": { "filter": [
                { "range": { "period_start": range } },
                { "terms": { spec.key.name.as_str(): keys } }
            ]}}
        });
        if let Some(after) = after {
            body["search_after"] = after;
        } else {
            self.ask(1).refresh(&pattern).await.doing(|| format!("refreshing {pattern}"))?;
        }
        self.ask(1).search(&pattern, &body).await.doing(|| format!("reading {pattern}"))
    }
}
