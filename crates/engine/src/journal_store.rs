//! The journal as it is kept in the cluster: the index `segue-journal`.

use std::collections::{BTreeMap, BTreeSet};

use segue_cluster::{Class, Cluster, Creation};
use segue_model::id::{IndexName, MigrationName, SeqNo};
use segue_model::journal::{Event, Record};
use segue_model::own_index::{Need, need};
use segue_model::part::PartState;
use segue_model::plan::keep_name;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Doing, Error, illegal};
use crate::moment;

/// The index that holds the journal of every migration.
pub const JOURNAL_INDEX: &str = "segue-journal";

const PAGE: usize = 1000;
/// How often a record is created whose answers are lost.
const ATTEMPTS: u32 = 3;

/// The journal of one migration.
#[derive(Clone, Debug)]
pub struct JournalStore {
    cluster: Cluster,
    migration: MigrationName,
    by: String,
}

/// Everything the journal says about a migration.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Events of the migration as a whole, in order.
    pub migration: Vec<Event>,
    /// Each part's state.
    pub parts: BTreeMap<IndexName, PartState>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    stream: String,
    kind: String,
    #[serde(flatten)]
    record: Record,
}

impl JournalStore {
    /// The journal of `migration`; `by` names this process in its records.
    pub fn new(cluster: Cluster, migration: MigrationName, by: String) -> JournalStore {
        JournalStore { cluster, migration, by }
    }

    /// Makes the journal's index unless it is there.
    pub async fn ensure(&self) -> Result<(), Error> {
        let body = json!({
            "settings": { "index": {
                "number_of_shards": 1, "auto_expand_replicas": "0-1", "hidden": true
            }},
            "mappings": { "dynamic": "strict", "properties": {
                "migration": { "type": "keyword" },
                "stream": { "type": "keyword" },
                "part": { "type": "keyword" },
                "number": { "type": "long" },
                "at_ms": { "type": "date", "format": "epoch_millis" },
                "by": { "type": "keyword" },
                "kind": { "type": "keyword" },
                "event": { "type": "object", "enabled": false }
            }}
        });
        ensure_index(&self.cluster, JOURNAL_INDEX, &body).await
    }

    /// Reads and folds everything.
    pub async fn read(&self) -> Result<Journal, Error> {
        let mut journal = Journal::default();
        let mut numbers: BTreeMap<String, u64> = BTreeMap::new();
        for record in self.records().await? {
            let stream = stream_of(record.part.as_ref());
            let number = numbers.entry(stream.clone()).or_default();
            *number += 1;
            if record.number != *number {
                return Err(Error::JournalDamaged(format!(
                    "record {number} of {stream} is missing"
                )));
            }
            match record.part {
                None => journal.migration.push(record.event),
                Some(part) => {
                    let state = journal.parts.entry(part.clone()).or_default();
                    let before = state.clone();
                    state
                        .apply_at(&record.event, record.at_ms)
                        .map_err(|e| illegal(&part, &before, e))?;
                }
            }
        }
        Ok(journal)
    }

    /// All records of the migration, by stream and number.
    pub async fn records(&self) -> Result<Vec<Record>, Error> {
        self.search(json!({ "term": { "migration": self.migration } })).await
    }

    /// The records that match `query`, by migration, stream and number.
    async fn search(&self, query: Value) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        let reading = || format!("reading the journal of {}", self.migration);
        match self.cluster.refresh(JOURNAL_INDEX).await {
            Err(error) if error.class() == Class::NotFound => return Ok(records),
            answer => answer.doing(reading)?,
        }
        let mut after = None;
        loop {
            let mut body = json!({
                "size": PAGE,
                "query": query,
                "sort": [{ "migration": "asc" }, { "stream": "asc" }, { "number": "asc" }]
            });
            if let Some(sort) = after.take() {
                body["search_after"] = sort;
            }
            let page = self.cluster.search(JOURNAL_INDEX, &body).await.doing(reading)?;
            for hit in &page.hits {
                let text = hit.source.as_ref().map_or("null", |source| source.get());
                let stored: Stored = serde_json::from_str(text).map_err(|source| {
                    Error::Stored { what: format!("record {}", hit.id), source }
                })?;
                records.push(stored.record);
            }
            match page.hits.last() {
                Some(last) if page.hits.len() == PAGE => after = Some(last.sort.clone().into()),
                _ => return Ok(records),
            }
        }
    }

    /// Which other migrations have to do with `index`, with the part by which they do: as its source,
    /// its target or its kept copy.
    pub async fn elsewhere(
        &self,
        index: &IndexName,
    ) -> Result<Vec<(MigrationName, IndexName)>, Error> {
        let query = json!({ "bool": {
            "must_not": [{ "term": { "migration": self.migration } }],
            "filter": [{ "bool": { "should": [
                { "term": { "part": index } },
                { "terms": { "kind": ["prepare_started", "cutover_started"] } }
            ]}}]
        }});
        let mut found = BTreeSet::new();
        for record in self.search(query).await? {
            let named = match &record.event {
                Event::PrepareStarted { target, source, .. } => {
                    // Of merged sources the copies of the others have their names by rule.
                    let mut also = source.also.iter();
                    target == index || also.any(|also| also == index || keep_name(also) == *index)
                }
                Event::CutoverStarted { keep, .. } => keep == index,
                _ => false,
            };
            if let Some(part) = record.part.filter(|part| named || part == index) {
                found.insert((record.migration, part));
            }
        }
        Ok(found.into_iter().collect())
    }

    /// The numbers that an index had when it took over by a swap, in whichever migration that was.
    ///
    /// # Errors
    /// A journal that cannot be read.
    pub async fn cursor_of(
        cluster: &Cluster,
        index: &IndexName,
    ) -> Result<Option<Vec<SeqNo>>, Error> {
        let any = JournalStore::new(cluster.clone(), MigrationName::new(""), String::new());
        let records = any.search(json!({ "term": { "part": index } })).await?;
        let mut states: BTreeMap<MigrationName, PartState> = BTreeMap::new();
        for record in records {
            let state = states.entry(record.migration).or_default();
            let before = state.clone();
            state.apply(&record.event).map_err(|e| illegal(index, &before, e))?;
        }
        let switched = states.into_values().filter(|state| state.phase.is_switched());
        Ok(switched.filter_map(|state| state.swap?.cursor).next_back())
    }

    /// Appends `event` as record `number` of a stream. Of two processes that append the same number
    /// one succeeds; the other gets [`Error::TakenOver`].
    pub async fn append(
        &self,
        part: Option<&IndexName>,
        number: u64,
        event: &Event,
    ) -> Result<(), Error> {
        let stream = stream_of(part);
        let id = format!("{}:{stream}:{number:08}", self.migration);
        let stored = Stored {
            stream: stream.clone(),
            kind: event.name().to_owned(),
            record: Record {
                migration: self.migration.clone(),
                part: part.cloned(),
                number,
                at_ms: moment::now_ms(),
                by: self.by.clone(),
                event: event.clone(),
            },
        };
        let writing = || format!("writing record {number} of {stream} to the journal");
        let mut attempts = 1;
        loop {
            match self.cluster.create_document(JOURNAL_INDEX, &id, &stored, false).await {
                Ok(Creation::Created(_)) => return Ok(()),
                Ok(Creation::Exists) => return self.whose(&id, &stored).await,
                // Applied, still on its way, or lost: created once more it is one of them.
                Err(error) if error.class() == Class::MaybeApplied && attempts < ATTEMPTS => {
                    attempts += 1;
                }
                Err(error) => return Err(error).doing(writing),
            }
        }
    }

    /// Whether the record that stands there is the one that was to be written.
    async fn whose(&self, id: &str, ours: &Stored) -> Result<(), Error> {
        let number = ours.record.number;
        let reading = || format!("reading record {number} of {} of the journal", ours.stream);
        let there = self.cluster.get_document(JOURNAL_INDEX, id, None).await.doing(reading)?;
        let text = there.and_then(|document| document.source);
        let theirs = text.and_then(|text| serde_json::from_str::<Stored>(text.get()).ok());
        match theirs {
            Some(theirs)
                if theirs.record.by == self.by && theirs.record.event == ours.record.event =>
            {
                Ok(())
            }
            Some(theirs) => Err(Error::TakenOver {
                part: IndexName::new(ours.stream.as_str()),
                how: format!("{} wrote record {number} of the journal", theirs.record.by),
            }),
            None => Err(Error::JournalDamaged(format!("record {id} cannot be read back"))),
        }
    }
}

fn stream_of(part: Option<&IndexName>) -> String {
    part.map_or_else(|| "-".to_owned(), ToString::to_string)
}

/// Makes an index of our own unless it is there; a race with another process is no error. One of an
/// older version gets what it lacks.
///
/// # Errors
/// [`Error::OwnIndex`] where the one that is there cannot be made what it has to be.
pub(crate) async fn ensure_index(
    cluster: &Cluster,
    index: &str,
    body: &serde_json::Value,
) -> Result<(), Error> {
    let making = || format!("making the index {index}");
    for _ in 0..2 {
        if let Some(there) = cluster.index(index).await.doing(making)? {
            let needed = need(&body["mappings"], &there.mappings);
            let index = index.to_owned();
            return match needed.map_err(|wrong| Error::OwnIndex { index: index.clone(), wrong })? {
                Need::Nothing => Ok(()),
                Need::Mapping(more) => cluster
                    .put_mapping(&index, &more)
                    .await
                    .doing(|| format!("adding to the mappings of {index}")),
            };
        }
        match cluster.create_index(index, body).await {
            Err(error) if error.error_type() == Some("resource_already_exists_exception") => {}
            answer => return answer.doing(making),
        }
    }
    Err(Error::Task(format!("{index} exists, but cannot be looked at")))
}
