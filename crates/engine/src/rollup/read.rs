//! Reading the documents of some periods into tallies.
//!
//! A shard is read in the order of its numbers, page by page: no scroll, no point in time, and no two
//! documents that a page's end could fall between, as a number is given once in a shard.

use std::collections::BTreeMap;

use segue_cluster::SearchHit;
use segue_model::recipe::{Entities, Metric, Path, Role, RollupSpec};
use segue_model::rollup::work::stretches;
use segue_model::rollup::{Fold, PeriodStart, Share, Tally};
use serde_json::{Value, json};

use super::Rollup;
use super::entity::Lives;
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
    /// Changes of entities that are not there.
    pub(super) unknown: u64,
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
    pub(super) async fn read_share(
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
                        .read_shard(survey, (number, shard), periods, share, &mut fold, read)
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
        survey: &Survey,
        (number, shard): (usize, usize),
        periods: &[PeriodStart],
        share: Share,
        fold: &mut Fold<'_>,
        read: &mut Read,
    ) -> Result<bool, Error> {
        let seen = &survey.seen[number];
        let ledger = &seen.ledger.value;
        let of =
            ShardOf { feed: seen.feed, index: &ledger.index, shard, filter: seen.filter.as_ref() };
        let mut body = self.page(&of, seen, periods);
        let size = usize::try_from(self.recipe.limits.page_docs).unwrap_or(usize::MAX);
        let shard = u32::try_from(shard).unwrap_or(u32::MAX);
        let reading = || format!("reading {}", ledger.index);
        loop {
            self.check_stop()?;
            let asked = self.ask(1).search_shard(ledger.index.as_str(), shard, &body).await;
            let page = asked.doing(reading)?;
            let lives = match &self.spec().entities {
                Some(entities) => self.lives(survey, entities, seen, &page.hits).await?,
                None => Lives::default(),
            };
            for hit in &page.hits {
                let at = period_of(self.spec(), seen, hit, periods)?;
                self.count((seen, hit), periods, &lives, fold)?;
                read.documents += 1;
                if share.nth == 0 {
                    *read.counted.entry((number, at)).or_default() += 1;
                }
            }
            if share.nth == 0 {
                read.unknown += lives.unknown;
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

    /// Counts one document, or what it says of an entity.
    fn count(
        &self,
        (seen, hit): (&Seen, &SearchHit),
        periods: &[PeriodStart],
        lives: &Lives,
        fold: &mut Fold<'_>,
    ) -> Result<(), Error> {
        let index = &seen.ledger.value.index;
        let odd = |id: &str, why: String| Error::Recipe(format!("document {id} of {index}: {why}"));
        let Role::Counted(source) = self.spec().feeds[seen.feed].role else {
            for (turn, entity) in lives.turns_of(hit) {
                // What moved meanwhile is found by the next run.
                if periods.binary_search(&self.spec().period.of(turn.at_ms)).is_ok() {
                    let source = usize::from(!turn.into);
                    let keys = [turn.key.clone()].into();
                    fold.add_for(source, turn.at_ms, keys, &entity.document)
                        .map_err(|error| odd(&entity.id, error.to_string()))?;
                }
            }
            return Ok(());
        };
        let at_ms = at_ms(hit).unwrap_or_default();
        let document = parsed(hit)?;
        fold.add(source, at_ms, &document).map_err(|error| odd(&hit.id, error.to_string()))
    }

    fn page(&self, of: &ShardOf<'_>, seen: &Seen, periods: &[PeriodStart]) -> Value {
        let spec = self.spec();
        let date = spec.feeds[of.feed].date.dotted();
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
            "_source": self.fields(of.feed),
            "sort": [{ "_seq_no": "asc" }, { date: "asc" }],
            "query": { "bool": { "filter": filters } }
        })
    }

    /// The fields of a feed's documents that are needed.
    fn fields(&self, feed: usize) -> Vec<String> {
        let spec = self.spec();
        match (spec.feeds[feed].role, &spec.entities) {
            (Role::Counted(source), _) => self.counted_fields(&[source]),
            (_, None) => Vec::new(),
            (Role::Change, Some(Entities { members: Some(members), .. })) => {
                vec![members.entity.dotted()]
            }
            (_, Some(entities)) => vec![entities.id.dotted()],
        }
    }

    /// The fields that these sources count.
    pub(super) fn counted_fields(&self, sources: &[usize]) -> Vec<String> {
        let spec = self.spec();
        let under = |path: &Path, member: &Option<Path>| match member {
            Some(member) => format!("{}.{}", path.dotted(), member.dotted()),
            None => path.dotted(),
        };
        let mut fields: Vec<String> = spec.key.field.iter().map(Path::dotted).collect();
        fields.extend(sources.iter().flat_map(|source| spec.sources[*source].copy.iter().cloned()));
        for of in sources.iter().flat_map(|source| &spec.sources[*source].metrics) {
            fields.extend(of.when.iter().map(|when| when.field.dotted()));
            match &of.metric {
                Metric::Unique(path) | Metric::Sum(path) => fields.push(path.dotted()),
                Metric::Count => {}
            }
        }
        for (of, each) in spec.dimensions.iter().flat_map(|of| of.each.iter().map(move |e| (of, e)))
        {
            fields.push(under(each, &of.id));
            fields.extend(
                of.label.iter().map(|label| format!("{}.{}", each.dotted(), label.dotted())),
            );
        }
        fields.sort_unstable();
        fields.dedup();
        fields
    }
}

/// The time that a document is sorted by.
pub(super) fn at_ms(hit: &SearchHit) -> Option<i64> {
    hit.sort.get(1).and_then(Value::as_i64)
}

pub(super) fn parsed(hit: &SearchHit) -> Result<Value, Error> {
    let text = hit.source.as_ref().map_or("null", |source| source.get());
    serde_json::from_str(text)
        .map_err(|source| Error::Stored { what: format!("document {}", hit.id), source })
}

/// The period that a document belongs to.
fn period_of(
    spec: &RollupSpec,
    seen: &Seen,
    hit: &SearchHit,
    periods: &[PeriodStart],
) -> Result<PeriodStart, Error> {
    let index = &seen.ledger.value.index;
    let odd = |why: &str| Error::Recipe(format!("document {} of {index}: {why}", hit.id));
    let at_ms = at_ms(hit).ok_or_else(|| odd("its date is no time in milliseconds"))?;
    let at = spec.period.of(at_ms);
    if periods.binary_search(&at).is_err() {
        return Err(odd("it has several dates"));
    }
    Ok(at)
}
