//! Dead letters: documents that were refused, with id, reason and position.
//!
//! They are kept in the index `segue-dead-letters`, one document for each refused source document,
//! overwritten when it is refused again, so that the list never grows by repeating itself.

use segue_cluster::{Class, Cluster, Request, path};
use segue_model::id::{IndexName, MigrationName, SeqNo, Shard};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use super::REFUSED;
use crate::error::{Doing, Error};
use crate::journal_store::ensure_index;
use crate::moment;
use crate::session::Session;

/// The index that holds the dead letters of every migration.
pub const DEAD_LETTER_INDEX: &str = "segue-dead-letters";

/// How much of a reason is kept: enough to act on, whatever a document put into it.
const REASON_BYTES: usize = 2000;

/// A document that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its id in the source.
    pub document: String,
    /// Its routing, if it has one.
    pub routing: Option<String>,
    /// Where it was read.
    pub shard: Shard,
    /// Its number there.
    pub seq_no: SeqNo,
    /// The kind of refusal: the engine's error type, or ours.
    pub kind: String,
    /// Why, as the engine or the pipeline said it.
    pub reason: String,
}

/// The dead letters of one part.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    cluster: Cluster,
    migration: MigrationName,
    part: IndexName,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    migration: MigrationName,
    part: IndexName,
    at_ms: u64,
    #[serde(flatten)]
    letter: DeadLetter,
}

impl DeadLetters {
    /// The dead letters of `part`.
    pub fn of(session: &Session, part: &IndexName) -> DeadLetters {
        DeadLetters {
            cluster: session.cluster().clone(),
            migration: session.migration().clone(),
            part: part.clone(),
        }
    }

    /// Makes the index unless it is there.
    pub async fn ensure(cluster: &Cluster) -> Result<(), Error> {
        let keyword = || json!({ "type": "keyword", "ignore_above": 1024 });
        let body = json!({
            "settings": { "index": {
                "number_of_shards": 1, "auto_expand_replicas": "0-1", "hidden": true
            }},
            "mappings": { "dynamic": "strict", "properties": {
                "migration": keyword(), "part": keyword(), "document": keyword(),
                "routing": keyword(), "kind": keyword(),
                "shard": { "type": "integer" }, "seq_no": { "type": "long" },
                "at_ms": { "type": "date", "format": "epoch_millis" },
                "reason": { "type": "text" }
            }}
        });
        ensure_index(cluster, DEAD_LETTER_INDEX, &body).await
    }

    fn id(&self, document: &str, routing: Option<&str>) -> String {
        let key =
            format!("{}\0{}\0{document}\0{}", self.migration, self.part, routing.unwrap_or(""));
        format!("{:032x}", xxh3_128(key.as_bytes()))
    }

    /// Keeps `letters`. Returns only when all of them are stored.
    pub async fn keep(&self, letters: &[DeadLetter]) -> Result<(), Error> {
        let mut body = Vec::new();
        for letter in letters {
            let id = self.id(&letter.document, letter.routing.as_deref());
            let mut letter = letter.clone();
            cut(&mut letter.reason);
            let stored = Stored {
                migration: self.migration.clone(),
                part: self.part.clone(),
                at_ms: moment::now_ms(),
                letter,
            };
            for line in [json!({ "index": { "_id": id } }), json!(stored)] {
                body.extend_from_slice(line.to_string().as_bytes());
                body.push(b'\n');
            }
        }
        let writing = || format!("keeping {} dead letters of {}", letters.len(), self.part);
        let request = Request::post(path(&[DEAD_LETTER_INDEX, "_bulk"]))
            .body(body.into(), "application/x-ndjson")
            .idempotent(true);
        let answer: Value = self.cluster.json(request).await.doing(writing)?;
        if answer["errors"] == json!(false) {
            return Ok(());
        }
        let first = answer["items"]
            .as_array()
            .and_then(|items| items.iter().find(|item| !item["index"]["error"].is_null()));
        let why = first.map_or_else(String::new, |item| item["index"]["error"].to_string());
        Err(Error::Task(format!("dead letters of {} could not be kept: {why}", self.part)))
    }

    /// Which of `documents` (id, routing) is a dead letter, in their order.
    pub async fn find(
        &self,
        documents: &[(&str, Option<&str>)],
    ) -> Result<Vec<Option<DeadLetter>>, Error> {
        let names: Vec<_> =
            documents.iter().map(|(document, routing)| self.id(document, *routing)).collect();
        let ids: Vec<_> = names.iter().map(|id| (id.as_str(), None)).collect();
        let reading = || format!("reading the dead letters of {}", self.part);
        let found = match self.cluster.get_many(DEAD_LETTER_INDEX, &ids, true).await {
            Err(error) if error.class() == Class::NotFound => vec![None; ids.len()],
            answer => answer.doing(reading)?,
        };
        found
            .into_iter()
            .map(|found| {
                let Some(source) = found.and_then(|found| found.source) else { return Ok(None) };
                let stored: Stored = serde_json::from_str(source.get())
                    .map_err(|source| Error::Stored { what: "a dead letter".to_owned(), source })?;
                Ok(Some(stored.letter))
            })
            .collect()
    }

    /// Up to `limit` dead letters of the part, newest first, and how many there are.
    pub async fn list(&self, limit: usize) -> Result<(Vec<DeadLetter>, u64), Error> {
        self.search(limit, json!([])).await
    }

    /// As [`DeadLetters::list`], without those that the pipeline refused.
    pub async fn of_target(&self, limit: usize) -> Result<(Vec<DeadLetter>, u64), Error> {
        self.search(limit, json!([{ "term": { "kind": REFUSED } }])).await
    }

    async fn search(&self, limit: usize, but: Value) -> Result<(Vec<DeadLetter>, u64), Error> {
        let reading = || format!("listing the dead letters of {}", self.part);
        match self.cluster.refresh(DEAD_LETTER_INDEX).await {
            Err(error) if error.class() == Class::NotFound => return Ok((Vec::new(), 0)),
            answer => answer.doing(reading)?,
        }
        let query = json!({
            "size": limit,
            "track_total_hits": true,
            "query": { "bool": { "filter": [
                { "term": { "migration": self.migration } }, { "term": { "part": self.part } }
            ], "must_not": but }},
            "sort": [{ "at_ms": "desc" }, { "seq_no": "asc" }]
        });
        let page = self.cluster.search(DEAD_LETTER_INDEX, &query).await.doing(reading)?;
        let letters = page.hits.iter().map(|hit| {
            let text = hit.source.as_ref().map_or("null", |source| source.get());
            serde_json::from_str::<Stored>(text)
                .map(|stored| stored.letter)
                .map_err(|source| Error::Stored { what: "a dead letter".to_owned(), source })
        });
        Ok((letters.collect::<Result<_, _>>()?, page.total.unwrap_or(0)))
    }
}

fn cut(text: &mut String) {
    if text.len() > REASON_BYTES {
        let end = (0..=REASON_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
}
