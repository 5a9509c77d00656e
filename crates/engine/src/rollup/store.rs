//! What is kept of a roll-up from run to run: the index `segue-rollups`. One document for the roll-up (its
//! **head**), one for each source index (its ledger), and one for each key (a **sum** to begin snapshots
//! from); all moved by compare-and-set.

use std::collections::BTreeMap;

use segue_cluster::{Class, DocVersion, SearchHit};
use segue_model::id::IndexName;
use segue_model::rollup::work::Firsts;
use segue_model::rollup::{Ledger, PeriodStart};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Rollup;
use crate::error::{Doing, Error};
use crate::journal_store::ensure_index;

/// The index that holds what is known of every roll-up.
pub const ROLLUP_INDEX: &str = "segue-rollups";

const PAGE: usize = 1000;

/// What is known of a roll-up as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// Of the recipe under which everything was rolled up.
    pub(super) fingerprint: String,
    /// Counts the runs: who finds a later one than its own has been overtaken.
    pub(super) generation: u64,
    /// Keys, and the first period in which each has documents.
    pub(super) keys: Firsts,
    /// Snapshots from this period on have to be made again.
    #[serde(default)]
    pub(super) snapshots_from: Option<PeriodStart>,
    /// The sums that are kept are those before this period.
    #[serde(default)]
    pub(super) sums_at: Option<PeriodStart>,
    /// Of flat roll-ups: the periods that were rolled up, and how many documents each has.
    #[serde(default)]
    pub(super) flat: BTreeMap<PeriodStart, u64>,
    /// Everything up to this period, with it, is complete.
    #[serde(default)]
    pub(super) done: Option<PeriodStart>,
}

/// A ledger as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct StoredLedger {
    fingerprint: String,
    ledger: Ledger,
}

/// A sum as it is kept: everything before a period, as a delta.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredSum {
    /// Everything before this.
    pub(super) before: PeriodStart,
    /// In the shape of a delta.
    pub(super) delta: Value,
}

#[derive(Serialize, Deserialize)]
struct Stored<T> {
    rollup: String,
    kind: String,
    id: String,
    body: T,
}

/// Something that is kept, with the token under which it can be replaced.
#[derive(Clone, Debug)]
pub(super) struct Kept<T> {
    pub(super) value: T,
    pub(super) mark: Option<DocVersion>,
}

impl Rollup {
    pub(super) async fn ensure_store(&self) -> Result<(), Error> {
        let body = json!({
            "settings": { "index": {
                "number_of_shards": 1, "auto_expand_replicas": "0-1", "hidden": true
            }},
            "mappings": { "dynamic": "strict", "properties": {
                "rollup": { "type": "keyword" },
                "kind": { "type": "keyword" },
                "id": { "type": "keyword" },
                "body": { "type": "object", "enabled": false }
            }}
        });
        ensure_index(self.ask(1), ROLLUP_INDEX, &body).await
    }

    /// The head as it is kept; that of another recipe counts as none, but for its generation.
    pub(super) async fn load_head(&self) -> Result<Kept<Head>, Error> {
        let id = self.head_id();
        let reading = || format!("reading {id}");
        let there = match self.ask(1).get_document(ROLLUP_INDEX, &id, None).await {
            Err(error) if error.class() == Class::NotFound => None,
            answer => answer.doing(reading)?,
        };
        let fresh = Head { fingerprint: self.recipe.fingerprint(), ..Head::default() };
        let Some(document) = there else { return Ok(Kept { value: fresh, mark: None }) };
        let text = document.source.as_ref().map_or("null", |source| source.get());
        let stored: Stored<Head> = parse(&id, text)?;
        let mark = Some(document.token());
        if stored.body.fingerprint == fresh.fingerprint {
            return Ok(Kept { value: stored.body, mark });
        }
        // Which periods have documents of ours stays true, whatever they are to hold now.
        let Head { generation, flat, .. } = stored.body;
        let flat = flat.into_keys().map(|at| (at, 0)).collect();
        Ok(Kept { value: Head { generation, flat, ..fresh }, mark })
    }

    pub(super) async fn put_head(&self, head: &mut Kept<Head>) -> Result<(), Error> {
        head.mark = Some(self.put("head", &self.head_id(), &head.value, head.mark).await?);
        Ok(())
    }

    /// Fails once another run has begun.
    pub(super) async fn check_generation(&self, ours: u64) -> Result<(), Error> {
        let now = self.load_head().await?.value.generation;
        if now == ours { Ok(()) } else { Err(self.overtaken(&format!("run {now} has begun"))) }
    }

    /// Every ledger. One of another recipe says nothing any more; it is replaced where it stands.
    pub(super) async fn load_ledgers(&self) -> Result<Vec<Kept<Ledger>>, Error> {
        let fingerprint = self.recipe.fingerprint();
        let mut ledgers = Vec::new();
        for (stored, mark) in self.load_kind::<StoredLedger>("ledger").await? {
            let StoredLedger { fingerprint: of, ledger } = stored;
            let ledger =
                if of == fingerprint { ledger } else { Ledger::new(&ledger.source, ledger.index) };
            ledgers.push(Kept { value: ledger, mark: Some(mark) });
        }
        Ok(ledgers)
    }

    pub(super) async fn put_ledger(&self, ledger: &mut Kept<Ledger>) -> Result<(), Error> {
        let id = format!("{}:{}:{}", self.recipe.name, ledger.value.source, ledger.value.index);
        let stored =
            StoredLedger { fingerprint: self.recipe.fingerprint(), ledger: ledger.value.clone() };
        ledger.mark = Some(self.put("ledger", &id, &stored, ledger.mark).await?);
        Ok(())
    }

    /// The sums of all keys, with their tokens.
    pub(super) async fn load_sums(&self) -> Result<Vec<(StoredSum, DocVersion)>, Error> {
        self.load_kind("sum").await
    }

    /// Id and body of a sum.
    pub(super) fn sum(&self, key: &str, sum: &StoredSum) -> (String, String) {
        let id = format!("{}:sum:{key}", self.recipe.name);
        let body = json!({
            "rollup": self.recipe.name, "kind": "sum", "id": id, "body": sum
        });
        (id, body.to_string())
    }

    fn head_id(&self) -> String {
        format!("{}:head", self.recipe.name)
    }

    async fn load_kind<T: DeserializeOwned>(
        &self,
        kind: &str,
    ) -> Result<Vec<(T, DocVersion)>, Error> {
        let reading = || format!("reading what is kept of the roll-up {}", self.recipe.name);
        match self.ask(1).refresh(ROLLUP_INDEX).await {
            Err(error) if error.class() == Class::NotFound => return Ok(Vec::new()),
            answer => answer.doing(reading)?,
        }
        let mut found = Vec::new();
        let mut after: Option<Value> = None;
        loop {
            let mut body = json!({
                "size": PAGE, "sort": [{ "id": "asc" }], "seq_no_primary_term": true,
                "query": { "bool": { "filter": [
                    { "term": { "rollup": self.recipe.name } }, { "term": { "kind": kind } }
                ]}}
            });
            if let Some(sort) = after.take() {
                body["search_after"] = sort;
            }
            let page = self.ask(1).search(ROLLUP_INDEX, &body).await.doing(reading)?;
            for hit in &page.hits {
                let text = hit.source.as_ref().map_or("null", |source| source.get());
                let stored: Stored<T> = parse(&hit.id, text)?;
                found.push((stored.body, token(hit)?));
            }
            match page.hits.last() {
                Some(last) if page.hits.len() == PAGE => after = Some(last.sort.clone().into()),
                _ => return Ok(found),
            }
        }
    }

    async fn put<T: Serialize>(
        &self,
        kind: &str,
        id: &str,
        body: &T,
        mark: Option<DocVersion>,
    ) -> Result<DocVersion, Error> {
        let stored = json!({ "rollup": self.recipe.name, "kind": kind, "id": id, "body": body });
        match self.ask(1).put_document_if(ROLLUP_INDEX, id, &stored, mark).await {
            Err(error) if error.class() == Class::Conflict => {
                Err(self.overtaken(&format!("{id} was changed")))
            }
            answer => answer.doing(|| format!("writing {id}")),
        }
    }

    pub(super) fn overtaken(&self, how: &str) -> Error {
        Error::TakenOver { part: IndexName::new(self.recipe.name.as_str()), how: how.to_owned() }
    }
}

fn token(hit: &SearchHit) -> Result<DocVersion, Error> {
    match (hit.seq_no, hit.primary_term) {
        (Some(seq_no), Some(primary_term)) => Ok(DocVersion { seq_no, primary_term }),
        _ => Err(Error::Task(format!("{} came without its number", hit.id))),
    }
}

fn parse<T: DeserializeOwned>(id: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|source| Error::Stored { what: id.to_owned(), source })
}
