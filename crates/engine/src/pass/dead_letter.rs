//! Dead letters: documents that were refused, with id, reason and position, and as they were sent.
//!
//! They are kept in the index `segue-dead-letters`, one document for each refused source document,
//! overwritten when it is refused again, so that the list never grows by repeating itself. What has
//! become of a document since is told by looking (`crate::letters`), not by the letter.

use segue_cluster::{Class, Cluster, Request, SearchHit, path};
use segue_model::id::{IndexName, MigrationName, SeqNo, Shard};
use segue_model::letter::{Projection, group};
use segue_model::version::{Incarnation, Rewrite};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use super::{Lineage, REFUSED};
use crate::error::{Doing, Error};
use crate::journal_store::ensure_index;
use crate::moment;
use crate::session::Session;

/// The index that holds the dead letters of every migration.
pub const DEAD_LETTER_INDEX: &str = "segue-dead-letters";

/// How much of a reason is kept: enough to act on, whatever a document put into it.
const REASON_BYTES: usize = 2000;
/// How much of a document is kept as it was sent.
const SENT_BYTES: usize = 64 << 10;
/// How much is written with one request, in bytes.
const REQUEST_BYTES: usize = 4 << 20;
/// How many letters are looked up at once.
const LOOK_UP: usize = 100;

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
    /// The reason without what differs from document to document.
    #[serde(default)]
    pub group: String,
    /// How often it was refused; 0 = one more time than before.
    #[serde(default)]
    pub attempts: u32,
    /// The document as it was sent, cut after 64 KiB; none where the pipeline refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
    /// How long it was, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_bytes: Option<u64>,
    /// The projection that was refused; older versions did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<Incarnation>,
    /// As `incarnation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<Rewrite>,
    /// The number of the last retry that was begun for it in its shard; 0 = none.
    #[serde(default)]
    pub retry: u64,
}

impl DeadLetter {
    /// A document that `seq_no` of `shard` wrote, and why it is refused.
    pub fn new(
        (document, routing): (&str, Option<&str>),
        (shard, seq_no): (Shard, SeqNo),
        kind: &str,
        reason: &str,
    ) -> DeadLetter {
        DeadLetter {
            document: document.to_owned(),
            routing: routing.map(str::to_owned),
            shard,
            seq_no,
            kind: kind.to_owned(),
            reason: reason.to_owned(),
            group: String::new(),
            attempts: 0,
            sent: None,
            sent_bytes: None,
            incarnation: None,
            rewrite: None,
            retry: 0,
        }
    }

    /// Keeps what was sent, as much of it as is kept.
    #[must_use]
    pub fn sent(mut self, document: &[u8]) -> DeadLetter {
        let mut text = String::from_utf8_lossy(&document[..document.len().min(SENT_BYTES)]);
        // A character that was cut in half.
        if document.len() > SENT_BYTES && text.ends_with('\u{fffd}') {
            text.to_mut().pop();
        }
        self.sent = Some(text.into_owned());
        self.sent_bytes = Some(document.len() as u64);
        self
    }

    /// The projection that was refused, if the letter says so.
    pub fn projection(&self) -> Option<Projection> {
        let (incarnation, rewrite) = (self.incarnation?, self.rewrite?);
        Some(Projection { incarnation, rewrite })
    }
}

/// The dead letters of one part.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    cluster: Cluster,
    migration: MigrationName,
    part: IndexName,
    projection: Option<Projection>,
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
            projection: None,
        }
    }

    /// As [`DeadLetters::of`]; letters that are kept say that they are of the projection of `lineage`.
    pub fn under(session: &Session, part: &IndexName, lineage: &Lineage) -> DeadLetters {
        let Lineage { incarnation, rewrite, .. } = *lineage;
        let projection = Some(Projection { incarnation, rewrite });
        DeadLetters { projection, ..DeadLetters::of(session, part) }
    }

    /// Makes the index unless it is there; adds what one of an older version lacks.
    pub async fn ensure(cluster: &Cluster) -> Result<(), Error> {
        let keyword = || json!({ "type": "keyword", "ignore_above": 1024 });
        let body = json!({
            "settings": { "index": {
                "number_of_shards": 1, "auto_expand_replicas": "0-1", "hidden": true
            }},
            "mappings": { "dynamic": "strict", "properties": {
                "migration": keyword(), "part": keyword(), "document": keyword(),
                "routing": keyword(), "kind": keyword(), "group": keyword(),
                "shard": { "type": "integer" }, "seq_no": { "type": "long" },
                "at_ms": { "type": "date", "format": "epoch_millis" },
                "reason": { "type": "text" },
                "attempts": { "type": "integer" }, "retry": { "type": "long" },
                "incarnation": { "type": "integer" }, "rewrite": { "type": "integer" },
                "sent": { "type": "text", "index": false, "norms": false },
                "sent_bytes": { "type": "long" }
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
        for some in letters.chunks(LOOK_UP) {
            let keys: Vec<_> =
                some.iter().map(|l| (l.document.as_str(), l.routing.as_deref())).collect();
            let before = self.find_any(&keys).await?;
            let mut bulk = Bulk::new(self);
            for (letter, before) in some.iter().zip(before) {
                let id = self.id(&letter.document, letter.routing.as_deref());
                let letter = self.complete(letter.clone(), before.as_ref());
                let stored = Stored {
                    migration: self.migration.clone(),
                    part: self.part.clone(),
                    at_ms: moment::now_ms(),
                    letter,
                };
                bulk.put(&json!({ "index": { "_id": id } }), Some(&json!(stored))).await?;
            }
            bulk.send().await?;
        }
        Ok(())
    }

    fn complete(&self, mut letter: DeadLetter, before: Option<&DeadLetter>) -> DeadLetter {
        letter.group = group(&letter.reason);
        cut(&mut letter.reason);
        if letter.attempts == 0 {
            // One of an older version was refused once at least.
            letter.attempts = before.map_or(0, |before| before.attempts.max(1)) + 1;
        }
        if let Some(projection) = self.projection {
            letter.incarnation = Some(projection.incarnation);
            letter.rewrite = Some(projection.rewrite);
        }
        letter
    }

    /// Notes in each of `letters` that the retry `number` of its shard is about to send it.
    pub(crate) async fn begin_retry(
        &self,
        letters: &[&DeadLetter],
        number: u64,
    ) -> Result<(), Error> {
        let mut bulk = Bulk::new(self);
        for letter in letters {
            let id = self.id(&letter.document, letter.routing.as_deref());
            let doc = json!({ "doc": { "retry": number } });
            bulk.put(&json!({ "update": { "_id": id } }), Some(&doc)).await?;
        }
        bulk.send().await
    }

    /// Removes `letters`; those that are gone already are no error.
    pub(crate) async fn remove(&self, letters: &[&DeadLetter]) -> Result<(), Error> {
        let mut bulk = Bulk::new(self);
        for letter in letters {
            let id = self.id(&letter.document, letter.routing.as_deref());
            bulk.put(&json!({ "delete": { "_id": id } }), None).await?;
        }
        bulk.send().await
    }

    /// Which of `documents` (id, routing) is a dead letter of this projection, in their order.
    pub async fn find(
        &self,
        documents: &[(&str, Option<&str>)],
    ) -> Result<Vec<Option<DeadLetter>>, Error> {
        let ours = |letter: &DeadLetter| {
            self.projection.is_none()
                || letter.projection().is_none_or(|then| Some(then) == self.projection)
        };
        let found = self.find_any(documents).await?;
        Ok(found.into_iter().map(|letter| letter.filter(ours)).collect())
    }

    /// As [`DeadLetters::find`], of any projection.
    async fn find_any(
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

    /// Up to `limit` dead letters of the part, newest first, without what was sent; and how many
    /// there are.
    pub async fn list(&self, limit: usize) -> Result<(Vec<DeadLetter>, u64), Error> {
        self.search(limit, json!([])).await
    }

    /// As [`DeadLetters::list`], without those that the pipeline refused.
    pub async fn of_target(&self, limit: usize) -> Result<(Vec<DeadLetter>, u64), Error> {
        self.search(limit, json!([{ "term": { "kind": REFUSED } }])).await
    }

    async fn search(&self, limit: usize, but: Value) -> Result<(Vec<DeadLetter>, u64), Error> {
        if !self.refresh().await? {
            return Ok((Vec::new(), 0));
        }
        let query = json!({
            "size": limit,
            "track_total_hits": true,
            "_source": { "excludes": ["sent"] },
            "query": { "bool": { "filter": self.own(), "must_not": but }},
            "sort": [{ "at_ms": "desc" }, { "seq_no": "asc" }]
        });
        let reading = || self.listing();
        let page = self.cluster.search(DEAD_LETTER_INDEX, &query).await.doing(reading)?;
        let letters = page.hits.iter().map(read);
        Ok((letters.collect::<Result<_, _>>()?, page.total.unwrap_or(0)))
    }

    /// Makes what was kept visible to [`DeadLetters::page`]; whether there is an index at all.
    pub(crate) async fn refresh(&self) -> Result<bool, Error> {
        match self.cluster.refresh(DEAD_LETTER_INDEX).await {
            Err(error) if error.class() == Class::NotFound => Ok(false),
            answer => answer.doing(|| self.listing()).map(|_| true),
        }
    }

    /// Up to `size` letters after `after`, by shard and number, with what was sent or without; and where
    /// to go on, `None` at the end.
    pub(crate) async fn page(
        &self,
        after: Option<Value>,
        size: usize,
        with_sent: bool,
    ) -> Result<(Vec<DeadLetter>, Option<Value>), Error> {
        let excludes = if with_sent { json!([]) } else { json!(["sent"]) };
        let mut query = json!({
            "size": size,
            "_source": { "excludes": excludes },
            "query": { "bool": { "filter": self.own() }},
            "sort": [{ "shard": "asc" }, { "seq_no": "asc" }, { "document": "asc" }]
        });
        if let Some(after) = after {
            query["search_after"] = after;
        }
        let reading = || self.listing();
        let page = self.cluster.search(DEAD_LETTER_INDEX, &query).await.doing(reading)?;
        let next = page.hits.last().filter(|_| page.hits.len() == size);
        let next = next.map(|hit| Value::Array(hit.sort.clone()));
        let letters = page.hits.iter().map(read).collect::<Result<_, _>>()?;
        Ok((letters, next))
    }

    /// The letters whose document has this id, whatever its routing, with what was sent.
    pub(crate) async fn with_id(&self, document: &str) -> Result<Vec<DeadLetter>, Error> {
        if !self.refresh().await? {
            return Ok(Vec::new());
        }
        let mut filter = self.own();
        filter.push(json!({ "term": { "document": document } }));
        let query = json!({ "size": 100, "query": { "bool": { "filter": filter } } });
        let reading = || self.listing();
        let page = self.cluster.search(DEAD_LETTER_INDEX, &query).await.doing(reading)?;
        page.hits.iter().map(read).collect()
    }

    fn own(&self) -> Vec<Value> {
        vec![
            json!({ "term": { "migration": self.migration } }),
            json!({ "term": { "part": self.part } }),
        ]
    }

    fn listing(&self) -> String {
        format!("listing the dead letters of {}", self.part)
    }
}

fn read(hit: &SearchHit) -> Result<DeadLetter, Error> {
    let text = hit.source.as_ref().map_or("null", |source| source.get());
    let stored = serde_json::from_str::<Stored>(text)
        .map_err(|source| Error::Stored { what: "a dead letter".to_owned(), source })?;
    let mut letter = stored.letter;
    // As older versions kept it.
    letter.attempts = letter.attempts.max(1);
    if letter.group.is_empty() {
        letter.group = group(&letter.reason);
    }
    Ok(letter)
}

/// Changes of letters, in requests of a fair size.
struct Bulk<'a> {
    letters: &'a DeadLetters,
    body: Vec<u8>,
}

impl<'a> Bulk<'a> {
    fn new(letters: &'a DeadLetters) -> Bulk<'a> {
        Bulk { letters, body: Vec::new() }
    }

    async fn put(&mut self, action: &Value, document: Option<&Value>) -> Result<(), Error> {
        for line in [Some(action), document].into_iter().flatten() {
            self.body.extend_from_slice(line.to_string().as_bytes());
            self.body.push(b'\n');
        }
        if self.body.len() < REQUEST_BYTES { Ok(()) } else { self.send().await }
    }

    async fn send(&mut self) -> Result<(), Error> {
        if self.body.is_empty() {
            return Ok(());
        }
        let part = &self.letters.part;
        let writing = || format!("keeping the dead letters of {part}");
        let body = std::mem::take(&mut self.body);
        let request = Request::post(path(&[DEAD_LETTER_INDEX, "_bulk"]))
            .body(body.into(), "application/x-ndjson")
            .idempotent(true);
        let answer: Value = self.letters.cluster.json(request).await.doing(writing)?;
        let failed = answer["items"].as_array().into_iter().flatten().find_map(|item| {
            let result = item.as_object()?.values().next()?;
            result.get("error").filter(|error| !error.is_null())
        });
        match failed {
            None => Ok(()),
            Some(why) => {
                Err(Error::Task(format!("dead letters of {part} could not be kept: {why}")))
            }
        }
    }
}

fn cut(text: &mut String) {
    if text.len() > REASON_BYTES {
        let end = (0..=REASON_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
}
