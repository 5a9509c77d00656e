//! Flat roll-ups: one document for each source, period and key of which something was counted.
//!
//! Keys are as many as there are things, so none are kept from run to run, and nothing is written where nothing
//! was counted. How many documents a period has is kept: if some are missing, the period is rolled up
//! again. A document whose key is counted no more is deleted, if the period is one that was
//! rolled up before, and if it is segue's own by its mark; what somebody else wrote is
//! replaced only where it does not count more: its events may be gone.

use std::collections::{BTreeMap, BTreeSet};

use segue_cluster::{Class, DocVersion, SearchHit};
use segue_model::recipe::Output;
use segue_model::rollup::work::Span;
use segue_model::rollup::{FLAT_DATE, FLAT_UPDATED, PeriodStart, Share, Tally, is_flat_ours};
use serde_json::{Value, json};

use super::Rollup;
use super::read::Read;
use super::report::{Kept as Left, RollupReport};
use super::store::{Head, Kept};
use super::survey::Survey;
use super::write::{Writer, index_of};
use crate::error::{Doing, Error};
use crate::moment;

/// The most shares that the keys of one period are read in.
const MOST_SHARES: u32 = 1 << 16;
/// Documents of one page that is looked through for what is to be deleted.
const PAGE: usize = 5000;

/// The most indices that one period's documents are looked for in.
const INDICES: u32 = 1000;

/// What became of some periods.
#[derive(Default)]
struct Done {
    read: Read,
    /// Documents that were written, by period.
    documents: BTreeMap<PeriodStart, u64>,
    /// Documents of somebody else that were left, by period.
    others: BTreeMap<PeriodStart, u64>,
}

type Tallies = BTreeMap<PeriodStart, BTreeMap<String, Tally>>;

impl Head {
    /// Periods of a flat roll-up with fewer documents than were written.
    pub(super) fn flat_missing(
        &self,
        span: Span,
        there: &BTreeMap<PeriodStart, u64>,
    ) -> BTreeSet<PeriodStart> {
        let in_span = self.flat.range(span.first..=span.last);
        let short = in_span.filter(|(at, written)| there.get(at).is_none_or(|now| now < written));
        short.filter(|(_, written)| **written > 0).map(|(at, _)| *at).collect()
    }
}

impl Rollup {
    /// The patterns that cover the indices of an output.
    pub(super) fn patterns(&self, output: &Output) -> BTreeSet<String> {
        let sources = self.spec().sources.iter();
        match self.spec().flat {
            true => sources.map(|source| output.index.wildcard_for(&source.name)).collect(),
            false => [output.index.wildcard()].into(),
        }
    }

    /// Documents of a flat roll-up by period.
    pub(super) async fn flat_there(&self, span: Span) -> Result<BTreeMap<PeriodStart, u64>, Error> {
        let spec = self.spec();
        let mut there = BTreeMap::new();
        for pattern in self.patterns(&spec.delta) {
            let counting = || format!("counting the documents of {pattern}");
            match self.ask(1).refresh(&pattern).await {
                Err(error) if error.class() == Class::NotFound => continue,
                answer => answer.doing(counting)?,
            }
            let (from, to) = (span.first, spec.period.next(span.last));
            let body = json!({
                "size": 0, "track_total_hits": false, "query": between(from, to),
                "aggs": { "periods": {
                    "date_histogram": {
                        "field": FLAT_DATE, "calendar_interval": spec.period.interval(),
                        "min_doc_count": 1
                    },
                    // A copy that somebody keeps beside them is none of them.
                    "aggs": { "indices": { "terms": { "field": "_index", "size": INDICES } } }
                }}
            });
            let answer = self.ask(1).search(&pattern, &body).await.doing(counting)?;
            let aggregations = answer.aggregations.unwrap_or_default();
            for bucket in aggregations["periods"]["buckets"].as_array().into_iter().flatten() {
                let Some(at) = bucket["key"].as_i64().map(|at| spec.period.of(at)) else {
                    continue;
                };
                let names: BTreeSet<_> = spec
                    .sources
                    .iter()
                    .map(|source| index_of(&spec.delta, at, &source.name))
                    .collect::<Result<_, _>>()?;
                for index in bucket["indices"]["buckets"].as_array().into_iter().flatten() {
                    let count = index["doc_count"].as_u64().unwrap_or(0);
                    if index["key"].as_str().is_some_and(|name| names.contains(name)) {
                        *there.entry(at).or_default() += count;
                    }
                }
            }
        }
        Ok(there)
    }

    /// Rolls the periods up, in halves or shares of keys where memory does not suffice.
    pub(super) async fn flat_piece(
        &self,
        survey: &mut Survey,
        head: &mut Kept<Head>,
        writer: &mut Writer<'_>,
        periods: Vec<PeriodStart>,
        report: &mut RollupReport,
    ) -> Result<(), Error> {
        // Kept before anything is written, so that a run that goes on from here knows what it may delete. A
        // period without documents is none of ours: whatever stands there was counted by somebody else.
        let before: BTreeSet<_> =
            periods.iter().filter(|at| head.value.flat.contains_key(at)).copied().collect();
        for at in periods.iter().filter(|at| survey.count(**at) > 0) {
            head.value.flat.entry(*at).or_default();
        }
        if periods.iter().any(|at| head.value.flat.contains_key(at) && !before.contains(at)) {
            self.put_head(head).await?;
        }
        let mut open = vec![(periods, 1)];
        while let Some((mut periods, of)) = open.pop() {
            let Some(Done { read, documents, others }) =
                self.flat_shares(survey, &before, &periods, of, writer).await?
            else {
                if periods.len() > 1 {
                    let later = periods.split_off(periods.len() / 2);
                    open.extend([(later, 1), (periods, 1)]);
                } else if of < MOST_SHARES {
                    open.push((periods, of * 2));
                } else {
                    return Err(Error::Recipe(format!(
                        "`values_at_once: {}` is too little for a single key",
                        self.recipe.limits.values_at_once
                    )));
                }
                continue;
            };
            report.documents += read.documents;
            report.written.delta += documents.values().sum::<u64>();
            report.periods += periods.len() as u64;
            for at in &periods {
                if let Some(written) = head.value.flat.get_mut(at) {
                    *written = documents.get(at).copied().unwrap_or(0);
                }
            }
            for (at, count) in others {
                let reason = format!(
                    "{count} documents of somebody else count more than the events that there are: they stay"
                );
                report.kept.push(Left { period: self.label(at), reason });
            }
            self.put_head(head).await?;
            self.settle(survey, &read, &periods).await?;
        }
        Ok(())
    }

    /// Reads and writes share by share; none where a share is still too much. What was written by then
    /// is written again.
    async fn flat_shares(
        &self,
        survey: &Survey,
        before: &BTreeSet<PeriodStart>,
        periods: &[PeriodStart],
        of: u32,
        writer: &mut Writer<'_>,
    ) -> Result<Option<Done>, Error> {
        let mut done = Done::default();
        let Done { read, documents, others } = &mut done;
        for nth in 0..of {
            self.check_stop()?;
            let share = Share { nth, of };
            if !self.read_share(survey, periods, share, read).await? {
                return Ok(None);
            }
            let tallies = std::mem::take(&mut read.tallies);
            for (number, source) in self.spec().sources.iter().enumerate() {
                for at in periods {
                    let mut put = self.flat_documents(&tallies, *at, number);
                    let stay = self.others(*at, &source.name, &mut put).await?;
                    if stay > 0 {
                        *others.entry(*at).or_default() += stay;
                    }
                    *documents.entry(*at).or_default() += put.len() as u64;
                    writer.put_flat(number, *at, put).await?;
                }
                let swept: Vec<_> = periods.iter().filter(|at| before.contains(at)).collect();
                for at in swept {
                    self.sweep((number, &source.name), *at, share, &tallies, writer).await?;
                }
            }
        }
        Ok(Some(done))
    }

    /// Takes out of `put` what somebody else has written with a higher count; how many these are.
    async fn others(
        &self,
        at: PeriodStart,
        source: &str,
        put: &mut Vec<(String, String)>,
    ) -> Result<u64, Error> {
        let spec = self.spec();
        let index = index_of(&spec.delta, at, source)?;
        let metrics = spec.sources.iter().find(|of| of.name == source).map(|of| &of.metrics);
        let Some(metric) = metrics.and_then(|metrics| metrics.first()) else { return Ok(0) };
        let looking = || format!("looking at the documents of {index}");
        if put.is_empty() || self.ask(3).indices(&index).await.doing(looking)?.is_empty() {
            return Ok(0);
        }
        let mut stay = BTreeSet::new();
        for some in put.chunks(PAGE / 10) {
            let ids: Vec<_> = some.iter().map(|(id, _)| (id.as_str(), None)).collect();
            let found = self.ask(1).get_many(&index, &ids, true).await.doing(looking)?;
            for ((id, ours), there) in some.iter().zip(found) {
                let Some(there) = there.as_ref().and_then(|there| there.source.as_ref()) else {
                    continue;
                };
                let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
                let (ours, there) = (read(ours), read(there.get()));
                let count = |document: &Value| document[metric.name.as_str()].as_f64();
                if !is_flat_ours(&there) && count(&there) > count(&ours) {
                    stay.insert(id.clone());
                }
            }
        }
        put.retain(|(id, _)| !stay.contains(id));
        Ok(stay.len() as u64)
    }

    fn flat_documents(
        &self,
        tallies: &Tallies,
        at: PeriodStart,
        source: usize,
    ) -> Vec<(String, String)> {
        let now = i64::try_from(moment::now_ms()).unwrap_or(i64::MAX);
        let document = |(key, tally): (&String, &Tally)| {
            let document = self.layout().flat(at, key, (source, tally), now)?;
            Some((self.layout().id(at, key), document.to_string()))
        };
        tallies.get(&at).into_iter().flatten().filter_map(document).collect()
    }

    /// Deletes the documents of a period whose keys are counted no more.
    async fn sweep(
        &self,
        (source, name): (usize, &str),
        at: PeriodStart,
        share: Share,
        tallies: &Tallies,
        writer: &Writer<'_>,
    ) -> Result<(), Error> {
        let spec = self.spec();
        let index = index_of(&spec.delta, at, name)?;
        let sweeping = || format!("looking at the documents of {index}");
        match self.ask(1).refresh(&index).await {
            Err(error) if error.class() == Class::NotFound => return Ok(()),
            answer => answer.doing(sweeping)?,
        }
        let key = spec.key.name.as_str();
        let mut body = json!({
            "size": PAGE, "track_total_hits": false, "_source": [key, FLAT_UPDATED], "seq_no_primary_term": true,
            "sort": [{ key: "asc" }], "query": between(at, spec.period.next(at))
        });
        let of_period = tallies.get(&at);
        let is_counted = |key: &str| {
            let tally = of_period.and_then(|keys| keys.get(key));
            tally.is_some_and(|tally| tally.copied.get(source).is_some_and(Option::is_some))
        };
        let mut gone: BTreeMap<String, Vec<(String, DocVersion)>> = BTreeMap::new();
        loop {
            let page = self.ask(1).search(&index, &body).await.doing(sweeping)?;
            for hit in &page.hits {
                let Some((key, seen)) = seen(hit, key) else { continue };
                let is_ours = share.has_text(&key) && hit.id == self.layout().id(at, &key);
                if is_ours && !is_counted(&key) {
                    gone.entry(hit.index.clone()).or_default().push((hit.id.clone(), seen));
                }
            }
            match page.hits.last() {
                Some(last) if page.hits.len() == PAGE => {
                    body["search_after"] = last.sort.clone().into();
                }
                _ => break,
            }
        }
        for (index, documents) in gone {
            writer.remove(&index, &documents).await?;
        }
        Ok(())
    }
}

fn between(from: PeriodStart, to: PeriodStart) -> Value {
    let range = json!({ "gte": from.0, "lt": to.0, "format": "epoch_millis" });
    json!({ "bool": { "filter": [{ "range": { FLAT_DATE: range } }] } })
}

/// The key of a document, and the state in which it was seen.
fn seen(hit: &SearchHit, key: &str) -> Option<(String, DocVersion)> {
    let document: Value = serde_json::from_str(hit.source.as_ref()?.get()).ok()?;
    // What bears no mark is somebody else's.
    if !is_flat_ours(&document) {
        return None;
    }
    let version = DocVersion { seq_no: hit.seq_no?, primary_term: hit.primary_term? };
    Some((document[key].as_str()?.to_owned(), version))
}
