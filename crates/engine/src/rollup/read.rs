//! Reading the documents of some periods into tallies.
//!
//! A shard is read in the order of its numbers, page by page: no scroll, no point in time, and no two
//! documents that a page's end could fall between, as a number is given once in a shard.

use std::collections::BTreeMap;

use segue_cluster::SearchHit;
use segue_model::recipe::{Metric, Path};
use segue_model::rollup::work::stretches;
use segue_model::rollup::{Fold, PeriodStart, Share, Tally};
use serde_json::{Value, json};

use super::Rollup;
use super::survey::{Seen, ShardOf, Survey};
use crate::error::{Doing, Error};

/// The most shares that the values of one period are read in.
const MOST_SHARES: u32 = 1 << 16;

/// What the documents of some periods add up to.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// By period and key.
    pub(super) tallies: BTreeMap<PeriodStart, BTreeMap<String, Tally>>,
    /// Documents that were counted, by number of the index in the survey and period.
    pub(super) counted: BTreeMap<(usize, PeriodStart), u64>,
    /// Documents that were read, those of every further share with them.
    pub(super) documents: u64,
}

/// How reading went.
pub(super) enum Reading {
    /// To its end.
    Done(Read),
    /// There is more than may be kept in memory; fewer periods at once have less.
    TooMuch,
}

impl Rollup {
    /// Reads all documents of `periods`, in ascending order. One period is read in as many shares as it
    /// takes.
    pub(super) async fn read(
        &self,
        survey: &Survey,
        periods: &[PeriodStart],
    ) -> Result<Reading, Error> {
        let mut of = 1;
        loop {
            let mut read = Read::default();
            let mut fits = true;
            for nth in 0..of {
                fits = self.read_share(survey, periods, Share { nth, of }, &mut read).await?;
                if !fits {
                    break;
                }
            }
            if fits {
                return Ok(Reading::Done(read));
            }
            if periods.len() > 1 {
                return Ok(Reading::TooMuch);
            }
            if of >= MOST_SHARES {
                let label = periods.first().map(|at| self.label(*at)).unwrap_or_default();
                return Err(Error::Recipe(format!(
                    "{label} has too many values for `values_at_once: {}`, however they are divided",
                    self.recipe.limits.values_at_once
                )));
            }
            of *= 2;
        }
    }

    /// Whether everything fit into memory.
    async fn read_share(
        &self,
        survey: &Survey,
        periods: &[PeriodStart],
        share: Share,
        read: &mut Read,
    ) -> Result<bool, Error> {
        let mut fold = Fold::new(self.spec(), share);
        for (number, seen) in survey.seen.iter().enumerate() {
            if periods.iter().any(|at| seen.counts.contains_key(at)) {
                for shard in 0..seen.ledger.value.shards.len() {
                    if !self
                        .read_shard((number, seen, shard), periods, share, &mut fold, read)
                        .await?
                    {
                        return Ok(false);
                    }
                }
            }
        }
        for (at, keys) in fold.finish() {
            let sums = read.tallies.entry(at).or_default();
            for (key, tally) in keys {
                sums.entry(key).or_default().add(tally);
            }
        }
        Ok(true)
    }

    async fn read_shard(
        &self,
        (number, seen, shard): (usize, &Seen, usize),
        periods: &[PeriodStart],
        share: Share,
        fold: &mut Fold<'_>,
        read: &mut Read,
    ) -> Result<bool, Error> {
        let ledger = &seen.ledger.value;
        let of = ShardOf {
            source: seen.source,
            index: &ledger.index,
            shard,
            filter: seen.filter.as_ref(),
        };
        let mut body = self.page(&of, seen, periods);
        let size = usize::try_from(self.recipe.limits.page_docs).unwrap_or(usize::MAX);
        let shard = u32::try_from(shard).unwrap_or(u32::MAX);
        let reading = || format!("reading {}", ledger.index);
        loop {
            self.check_stop()?;
            let asked = self.ask(1).search_shard(ledger.index.as_str(), shard, &body).await;
            let page = asked.doing(reading)?;
            for hit in &page.hits {
                let at = self.count(seen, hit, periods, fold)?;
                read.documents += 1;
                if share.nth == 0 {
                    *read.counted.entry((number, at)).or_default() += 1;
                }
            }
            if fold.held() > self.recipe.limits.values_at_once as usize {
                return Ok(false);
            }
            match page.hits.last() {
                Some(last) if page.hits.len() == size => {
                    body["search_after"] = last.sort.clone().into();
                }
                _ => return Ok(true),
            }
        }
    }

    /// Counts one document; the period that it belongs to.
    fn count(
        &self,
        seen: &Seen,
        hit: &SearchHit,
        periods: &[PeriodStart],
        fold: &mut Fold<'_>,
    ) -> Result<PeriodStart, Error> {
        let index = &seen.ledger.value.index;
        let odd = |why: String| Error::Recipe(format!("document {} of {index}: {why}", hit.id));
        let at_ms = hit.sort.get(1).and_then(Value::as_i64);
        let at_ms = at_ms.ok_or_else(|| odd("its date is no time in milliseconds".to_owned()))?;
        let at = self.spec().period.of(at_ms);
        if periods.binary_search(&at).is_err() {
            return Err(odd("it has several dates".to_owned()));
        }
        let text = hit.source.as_ref().map_or("null", |source| source.get());
        let document: Value = serde_json::from_str(text)
            .map_err(|source| Error::Stored { what: format!("document {}", hit.id), source })?;
        fold.add(seen.source, at_ms, &document).map_err(|error| odd(error.to_string()))?;
        Ok(at)
    }

    fn page(&self, of: &ShardOf<'_>, seen: &Seen, periods: &[PeriodStart]) -> Value {
        let spec = self.spec();
        let date = spec.sources[of.source].date.dotted();
        let to = seen.ledger.value.shards[of.shard].position;
        let mut filters = self.filters(of, to);
        let ranges: Vec<_> = stretches(spec.period, periods)
            .into_iter()
            .map(|(from, to)| {
                let range = json!({ "gte": from.0, "lt": to.0, "format": "epoch_millis" });
                json!({ "range": { date.as_str(): range } })
            })
            .collect();
        filters.push(json!({ "bool": { "should": ranges, "minimum_should_match": 1 } }));
        json!({
            "size": self.recipe.limits.page_docs,
            "track_total_hits": false,
            "_source": self.fields(of.source),
            "sort": [{ "_seq_no": "asc" }, { date: "asc" }],
            "query": { "bool": { "filter": filters } }
        })
    }

    /// The fields of a source's documents that are needed.
    fn fields(&self, source: usize) -> Vec<String> {
        let spec = self.spec();
        let under = |path: &Path, member: &Option<Path>| match member {
            Some(member) => format!("{}.{}", path.dotted(), member.dotted()),
            None => path.dotted(),
        };
        let mut fields: Vec<String> = spec.key.field.iter().map(Path::dotted).collect();
        for (_, metric) in &spec.sources[source].metrics {
            match metric {
                Metric::Unique(path) | Metric::Sum(path) => fields.push(path.dotted()),
                Metric::Count => {}
            }
        }
        for of in &spec.dimensions {
            fields.push(under(&of.each, &of.id));
            fields.extend(
                of.label.iter().map(|label| format!("{}.{}", of.each.dotted(), label.dotted())),
            );
        }
        fields.sort_unstable();
        fields.dedup();
        fields
    }
}
