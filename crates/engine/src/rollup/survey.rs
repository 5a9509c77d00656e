//! A look at the sources: which indices there are, what changed in them, and what has to wait.

use std::collections::{BTreeMap, BTreeSet};

use segue_cluster::{IndexShards, IndexState};
use segue_model::id::{HistoryUuid, IndexName, IndexUuid, MigrationName, SeqNo};
use segue_model::part::PartState;
use segue_model::recipe::{Feed, Path, Role};
use segue_model::rollup::work::Part;
use segue_model::rollup::{Ledger, Look, PeriodStart, ShardMark};
use serde_json::{Value, json};

use super::Rollup;
use super::store::Kept;
use crate::error::{Doing, Error};
use crate::journal_store::JournalStore;

/// A source index as it is now.
#[derive(Debug)]
pub(super) struct Seen {
    /// The feed's number in the recipe.
    pub(super) feed: usize,
    /// What is known of it.
    pub(super) ledger: Kept<Ledger>,
    /// Documents by period.
    pub(super) counts: BTreeMap<PeriodStart, u64>,
    /// What an alias filters of it.
    pub(super) filter: Option<Value>,
    /// Documents without a date.
    pub(super) undated: u64,
    /// Why its periods have to wait.
    pub(super) waits: Option<String>,
    /// Whether its ledger differs from what is kept.
    pub(super) is_new: bool,
    /// What happened to it since the last look.
    pub(super) since: Since,
}

/// What happened to an index since the last look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// Nothing.
    Nothing,
    /// Documents were written: those above these numbers, by shard.
    Written(Vec<SeqNo>),
    /// It was not there.
    New,
    /// Documents are gone from it, or it is another index of the same name.
    Lost,
}

/// All sources as they are now.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) seen: Vec<Seen>,
    /// Ledgers of indices that are not there any more.
    pub(super) gone: Vec<Ledger>,
}

impl Survey {
    pub(super) fn parts(&self) -> Vec<Part<'_>> {
        let seen = self.seen.iter().map(|seen| Part {
            ledger: &seen.ledger.value,
            counts: Some(&seen.counts),
            held: seen.waits.is_some(),
        });
        let gone = self.gone.iter().map(|ledger| Part { ledger, counts: None, held: false });
        seen.chain(gone).collect()
    }

    /// Documents of a period, over all sources.
    pub(super) fn count(&self, at: PeriodStart) -> u64 {
        self.seen.iter().filter_map(|seen| seen.counts.get(&at)).sum()
    }

    /// The first period with documents.
    pub(super) fn first(&self) -> Option<PeriodStart> {
        self.seen.iter().filter_map(|seen| seen.counts.keys().next().copied()).min()
    }
}

impl Since {
    fn of(before: &Ledger, look: &Look) -> Since {
        if before.shards.is_empty() {
            return Since::New;
        }
        let fewer =
            |(at, count): (&PeriodStart, &u64)| look.counts.get(at).is_none_or(|now| now < count);
        let continues = before.continues(&look.uuid, &look.filter, &look.shards);
        if !continues || before.rolled.iter().any(fewer) {
            return Since::Lost;
        }
        Since::Written(before.shards.iter().map(|mark| mark.position).collect())
    }
}

impl Rollup {
    /// Looks at every source. Writes nothing.
    pub(super) async fn survey(&self) -> Result<Survey, Error> {
        let mut ledgers: BTreeMap<(String, IndexName), Kept<Ledger>> = BTreeMap::new();
        for kept in self.load_ledgers().await? {
            ledgers.insert((kept.value.source.clone(), kept.value.index.clone()), kept);
        }
        let waiting = self.waiting().await?;
        let mut survey = Survey::default();
        for (number, feed) in self.spec().feeds.iter().enumerate() {
            for (state, shards, filter) in self.indices(feed).await? {
                let name = IndexName::new(state.name.as_str());
                let kept = ledgers.remove(&(feed.name.clone(), name.clone()));
                let kept = kept
                    .unwrap_or_else(|| Kept { value: Ledger::new(&feed.name, name), mark: None });
                let waits = self.waits(&waiting, &state);
                survey.seen.push(self.look(number, kept, &shards, filter, waits).await?);
            }
        }
        survey.gone = ledgers.into_values().map(|kept| kept.value).collect();
        if let Some(entities) = &self.spec().entities {
            self.ripple(entities, &mut survey).await?;
        }
        Ok(survey)
    }

    /// The indices of a source with their shards, and what an alias filters of each. The checkpoints are
    /// older than the refresh that follows: what they cover is seen by every search after it.
    async fn indices(
        &self,
        feed: &Feed,
    ) -> Result<Vec<(IndexState, IndexShards, Option<Value>)>, Error> {
        let pattern = feed.index.as_str();
        let looking = || format!("looking at {pattern}");
        let states = self.ask(3).indices(pattern).await.doing(looking)?;
        let mut shards = match states.is_empty() {
            true => BTreeMap::new(),
            false => self.ask(2).shards_of(pattern).await.doing(looking)?,
        };
        let mut found = Vec::new();
        for state in states {
            // A wildcard also stands for aliases; only indices of such names are meant by it.
            if pattern.contains('*') && (state.hidden || !fits(pattern, &state.name)) {
                continue;
            }
            if !state.open {
                return Err(Error::Recipe(format!(
                    "{} is closed: open it, or take it out of {pattern}",
                    state.name
                )));
            }
            let filter = state.aliases.get(pattern).and_then(|alias| alias.filter.clone());
            let Some(shards) = shards.remove(&state.name) else {
                return Err(Error::Recipe(format!("{} has just been made: run again", state.name)));
            };
            found.push((state, shards, filter));
        }
        if !found.is_empty() {
            self.ask(1).refresh(pattern).await.doing(looking)?;
        }
        Ok(found)
    }

    async fn look(
        &self,
        feed: usize,
        mut kept: Kept<Ledger>,
        shards: &IndexShards,
        filter: Option<Value>,
        waits: Option<String>,
    ) -> Result<Seen, Error> {
        let uuid = IndexUuid::new(shards.uuid.as_str());
        let marks: Vec<_> = shards
            .primaries
            .iter()
            .map(|shard| ShardMark {
                history: HistoryUuid::new(shard.history_uuid.as_str()),
                position: SeqNo(shard.global_checkpoint),
            })
            .collect();
        let spelled = filter.as_ref().map(Value::to_string).unwrap_or_default();
        let ledger = &kept.value;
        if ledger.is_current(&uuid, &spelled, &marks) && ledger.stale.is_empty() {
            let counts = ledger.rolled.clone();
            let (undated, is_new, since) = (0, false, Since::Nothing);
            return Ok(Seen { feed, ledger: kept, counts, filter, undated, waits, is_new, since });
        }
        let mut look = Look {
            uuid,
            filter: spelled,
            shards: marks,
            counts: BTreeMap::new(),
            changed: BTreeSet::new(),
        };
        let mut undated = 0;
        let continues = ledger.continues(&look.uuid, &look.filter, &look.shards);
        for (shard, mark) in look.shards.clone().iter().enumerate() {
            let before = ledger.shards.get(shard).filter(|_| continues);
            let before = before.map_or(SeqNo::NONE, |mark| mark.position);
            let to = mark.position.max(before);
            let of = ShardOf { feed, index: &ledger.index, shard, filter: filter.as_ref() };
            undated += self.count_periods(&of, (before, to), &mut look).await?;
        }
        let since = Since::of(ledger, &look);
        kept.value.advance(&look);
        if let Some(start) = self.spec().start {
            kept.value.stale.retain(|at| *at >= start);
        }
        let counts = look.counts;
        Ok(Seen { feed, ledger: kept, counts, filter, undated, waits, is_new: true, since })
    }

    /// Counts a shard's documents by period, and notes the periods with documents above a number. Returns
    /// how many have no date.
    async fn count_periods(
        &self,
        of: &ShardOf<'_>,
        (before, to): (SeqNo, SeqNo),
        look: &mut Look,
    ) -> Result<u64, Error> {
        let spec = self.spec();
        let date = spec.feeds[of.feed].date.dotted();
        let looking = || format!("counting the documents of {}", of.index);
        let body = json!({
            "size": 0, "track_total_hits": true,
            "query": { "bool": { "filter": self.filters(of, to) } },
            "aggs": { "periods": {
                "date_histogram": {
                    "field": date, "calendar_interval": spec.period.interval(), "min_doc_count": 1
                },
                "aggs": { "newer": { "filter": { "range": { "_seq_no": { "gt": before } } } } }
            }}
        });
        let shard = u32::try_from(of.shard).unwrap_or(u32::MAX);
        let answer = self.ask(1).search_shard(of.index.as_str(), shard, &body).await;
        let answer = answer.doing(looking)?;
        let total = answer.total.unwrap_or(0);
        let mut sum = 0;
        let aggregations = answer.aggregations.unwrap_or_default();
        for bucket in aggregations["periods"]["buckets"].as_array().into_iter().flatten() {
            let at =
                bucket["key"].as_i64().or_else(|| bucket["key"].as_f64().map(|key| key as i64));
            let (Some(at), Some(count)) = (at, bucket["doc_count"].as_u64()) else {
                return Err(Error::Task(format!("a bucket of {} is odd: {bucket}", of.index)));
            };
            let at = spec.period.of(at);
            sum += count;
            *look.counts.entry(at).or_default() += count;
            if bucket["newer"]["doc_count"] != json!(0) {
                look.changed.insert(at);
            }
        }
        if sum > total {
            let index = of.index;
            return Err(Error::Recipe(format!(
                "documents of {index} have several dates in {date}"
            )));
        }
        Ok(total - sum)
    }

    /// What a document of a shard must fulfil to be counted.
    pub(super) fn filters(&self, of: &ShardOf<'_>, to: SeqNo) -> Vec<Value> {
        let mut filters = vec![json!({ "range": { "_seq_no": { "lte": to } } })];
        filters.extend(of.filter.cloned());
        let feed = &self.spec().feeds[of.feed];
        if feed.role == Role::Until {
            filters.push(json!({ "exists": { "field": feed.date.dotted() } }));
        }
        let query = feed.query.as_ref();
        filters.extend(query.and_then(|query| serde_json::from_str(query.as_str()).ok()));
        filters
    }

    /// The parts of the migrations that come first.
    async fn waiting(&self) -> Result<BTreeMap<IndexName, (String, PartState)>, Error> {
        let mut parts = BTreeMap::new();
        for name in &self.spec().after {
            let migration = MigrationName::new(name.as_str());
            let journal = JournalStore::new(self.ask(2).clone(), migration, String::new());
            let found = journal.read().await?.parts;
            parts.extend(found.into_iter().map(|(part, state)| (part, (name.clone(), state))));
        }
        Ok(parts)
    }

    fn waits(
        &self,
        waiting: &BTreeMap<IndexName, (String, PartState)>,
        state: &IndexState,
    ) -> Option<String> {
        let (first, key) = (self.spec().after.first()?, self.spec().key.field.as_ref());
        match waiting.get(&IndexName::new(state.name.as_str())) {
            Some((name, part)) if !part.phase.is_switched() => {
                return Some(format!("{} is {} in {name}", state.name, part.phase));
            }
            _ => {}
        }
        let unmapped = key.filter(|key| !is_mapped(&state.mappings, key))?;
        Some(format!("{} has no {} yet: {first} comes first", state.name, unmapped.dotted()))
    }
}

/// A shard of a source index.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShardOf<'a> {
    pub(super) feed: usize,
    pub(super) index: &'a IndexName,
    pub(super) shard: usize,
    pub(super) filter: Option<&'a Value>,
}

fn is_mapped(mappings: &Value, path: &Path) -> bool {
    let mut at = mappings;
    for segment in path.segments() {
        match at["properties"].get(&segment.name) {
            Some(field) => at = field,
            None => return false,
        }
    }
    true
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let pieces: Vec<_> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    for piece in middle {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_patterns() {
        for (pattern, name, expected) in [
            ("a-*", "a-2025", true),
            ("a-*", "b-a-2025", false),
            ("*-v2", "a-v2", true),
            ("a-*-v2", "a-1-v2", true),
            ("a-*-v2", "a-v2", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "acb", false),
            ("plain", "plain", true),
            ("plain", "plainer", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn fields_are_looked_for_where_they_are() {
        let mappings = json!({ "properties": { "a": { "properties": { "b": {} } } } });
        for (path, expected) in [("a.b", true), ("a[].b", true), ("a.c", false), ("b", false)] {
            let path = Path::parse(path).unwrap();
            assert_eq!(is_mapped(&mappings, &path), expected, "{path:?}");
        }
    }
}
