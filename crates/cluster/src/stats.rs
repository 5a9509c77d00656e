//! Numbers of an index: what each shard holds and how far it is.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Call, Cluster, Error, Request, path};

/// The shards of one index, or of a list of them: there they are numbered through, in the order of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexShards {
    /// The index's unique id; another one under the same name is another index. Of a list, the ids with
    /// commas.
    pub uuid: String,
    /// The primary of each shard, by shard number without gaps.
    pub primaries: Vec<ShardStats>,
    /// Copies that answered, primaries included.
    pub active_copies: u32,
}

/// What the primary of a shard says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardStats {
    /// Shard number, from 0.
    pub shard: u32,
    /// The index it belongs to.
    pub index: String,
    /// Its number there; the same but in a list of indices.
    pub in_index: u32,
    /// Id of the node that holds the primary.
    pub node: String,
    /// Live Lucene documents; each nested object counts too.
    pub docs: u64,
    /// Deleted Lucene documents that are not merged away.
    pub deleted: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Highest number given to an operation, which need not be visible or safe yet.
    pub max_seq_no: i64,
    /// Every operation up to this is persisted on the primary.
    pub local_checkpoint: i64,
    /// Every operation up to this is persisted on all in-sync copies.
    pub global_checkpoint: i64,
    /// Changes when the shard's history is not a continuation of what it was.
    pub history_uuid: String,
}

#[derive(Deserialize)]
struct Stats {
    #[serde(rename = "_shards")]
    shards: Counted,
    indices: BTreeMap<String, IndexEntry>,
}

/// The shard counts under an answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Counted {
    pub(crate) total: u32,
    pub(crate) successful: u32,
    pub(crate) failed: u32,
    #[serde(default)]
    failures: Vec<Value>,
}

impl Counted {
    /// Refuses an answer in which a shard failed. Copies that are not assigned are not counted as
    /// failed by the engines.
    pub(crate) fn none_failed(&self, call: Box<Call>) -> Result<(), Error> {
        if self.failed == 0 {
            return Ok(());
        }
        let why = self.failures.first().map(Value::to_string).unwrap_or_default();
        let what = format!("{} of {} shards failed {why}", self.failed, self.total);
        Err(Error::Incomplete { call, what })
    }

    /// Refuses an answer that does not cover every shard.
    pub(crate) fn all_answered(&self, call: Box<Call>) -> Result<(), Error> {
        if self.failed == 0 && self.successful == self.total {
            return Ok(());
        }
        let why = self.failures.first().map(Value::to_string).unwrap_or_default();
        let what = format!("{} of {} shards answered {why}", self.successful, self.total);
        Err(Error::Incomplete { call, what })
    }

    /// Refuses an answer that does not come from one shard.
    pub(crate) fn exactly_one(&self, call: Box<Call>) -> Result<(), Error> {
        if self.total == 1 {
            return self.all_answered(call);
        }
        let what = format!("{} of {} shards answered, not 1 of 1", self.successful, self.total);
        Err(Error::Incomplete { call, what })
    }
}

#[derive(Deserialize)]
struct IndexEntry {
    uuid: String,
    #[serde(default)]
    shards: BTreeMap<u32, Vec<CopyEntry>>,
}

#[derive(Deserialize)]
struct CopyEntry {
    routing: Routing,
    docs: Docs,
    store: Store,
    seq_no: SeqNo,
    commit: Commit,
}

#[derive(Deserialize)]
struct Routing {
    primary: bool,
    #[serde(default)]
    node: Option<String>,
}

#[derive(Deserialize)]
struct Docs {
    count: u64,
    deleted: u64,
}

#[derive(Deserialize)]
struct Store {
    size_in_bytes: u64,
}

#[derive(Deserialize)]
struct SeqNo {
    max_seq_no: i64,
    local_checkpoint: i64,
    global_checkpoint: i64,
}

#[derive(Deserialize)]
struct Commit {
    #[serde(default)]
    user_data: BTreeMap<String, String>,
}

impl CopyEntry {
    fn stats(mut self, index: &str, shard: u32) -> ShardStats {
        ShardStats {
            shard,
            index: index.to_owned(),
            in_index: shard,
            node: self.routing.node.unwrap_or_default(),
            docs: self.docs.count,
            deleted: self.docs.deleted,
            bytes: self.store.size_in_bytes,
            max_seq_no: self.seq_no.max_seq_no,
            local_checkpoint: self.seq_no.local_checkpoint,
            global_checkpoint: self.seq_no.global_checkpoint,
            history_uuid: self.commit.user_data.remove("history_uuid").unwrap_or_default(),
        }
    }
}

impl Cluster {
    /// What each shard of `index` holds and how far it is, as its primary says. Of several indices, named with
    /// commas between, the shards are numbered through.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when a primary does not answer; [`Error::Malformed`] when a name
    /// stands for more or less than one index; failures of the requests.
    pub async fn shard_stats(&self, index: &str) -> Result<IndexShards, Error> {
        let request =
            Request::get(path(&[index, "_stats", "docs,store,indexing"])).query("level", "shards");
        let call = request.call();
        let (stats, terms) = tokio::join!(self.json::<Stats>(request), self.primary_terms(index));
        // The first names a missing index as such; the other request knows no difference.
        let (stats, terms) = (stats?, terms?);
        stats.shards.none_failed(call.clone())?;
        let shards = joined(index, stats.indices, &call)?;
        let primaries = shards.primaries.iter().map(|primary| primary.shard);
        if !primaries.eq(0..u32::try_from(terms.len()).unwrap_or(u32::MAX)) {
            let what = format!(
                "primaries of {} of {} shards answered",
                shards.primaries.len(),
                terms.len()
            );
            return Err(Error::Incomplete { call, what });
        }
        Ok(shards)
    }

    /// As [`Cluster::shard_stats`], of every open index that `pattern` matches (wildcards allowed; an alias
    /// stands for its indices), by name. No match is an empty map.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when a primary does not answer; failures of the requests.
    pub async fn shards_of(&self, pattern: &str) -> Result<BTreeMap<String, IndexShards>, Error> {
        let wide = |request: Request| {
            request.query("expand_wildcards", "open,hidden").query("ignore_unavailable", "true")
        };
        let stats = Request::get(path(&[pattern, "_stats", "docs,store,indexing"]));
        let stats = wide(stats).query("level", "shards").query("forbid_closed_indices", "false");
        let terms = Request::get(path(&["_cluster", "state", "metadata", pattern]))
            .query("filter_path", "metadata.indices.*.primary_terms");
        let call = stats.call();
        let (stats, terms) =
            tokio::join!(self.json::<Stats>(stats), self.json::<Value>(wide(terms)));
        let (stats, terms) = (stats?, terms?);
        stats.shards.none_failed(call.clone())?;
        let mut found = BTreeMap::new();
        for (name, entry) in stats.indices {
            let shards = of_index(&name, entry);
            let wanted = terms["metadata"]["indices"][name.as_str()]["primary_terms"].as_object();
            let wanted = wanted.map_or(0, serde_json::Map::len);
            if wanted == 0 || shards.primaries.len() != wanted {
                let there = shards.primaries.len();
                let what = format!("primaries of {there} of {wanted} shards of {name} answered");
                return Err(Error::Incomplete { call, what });
            }
            found.insert(name, shards);
        }
        Ok(found)
    }

    /// The primary term of each shard of `index`, by shard number. A higher term means that another
    /// copy became the primary since. Of several indices, named with commas between, one after the other.
    ///
    /// # Errors
    /// [`Error::Malformed`] when a name stands for more or less than one index; failures of the
    /// request.
    pub async fn primary_terms(&self, index: &str) -> Result<Vec<u64>, Error> {
        let request = Request::get(path(&["_cluster", "state", "metadata", index]))
            .query("filter_path", "metadata.indices.*.primary_terms");
        let call = request.call();
        let state: Value = self.json(request).await?;
        let malformed = |what: &str| Error::Malformed { call: call.clone(), what: what.to_owned() };
        let indices = state["metadata"]["indices"].as_object().cloned().unwrap_or_default();
        let mut all = Vec::new();
        for entry in in_order(index, indices.into_iter().collect(), &call)? {
            let terms: BTreeMap<u32, u64> = BTreeMap::deserialize(&entry.1["primary_terms"])
                .map_err(|e| malformed(&e.to_string()))?;
            all.extend(terms.into_values());
        }
        Ok(all)
    }

    /// Makes every write so far visible to searches.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when a shard failed; failures of the request.
    pub async fn refresh(&self, index: &str) -> Result<(), Error> {
        self.on_all_shards(Request::post(path(&[index, "_refresh"]))).await
    }

    /// Persists every write so far, also under asynchronous durability, and with it moves the
    /// checkpoints.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when a shard failed; failures of the request.
    pub async fn flush(&self, index: &str) -> Result<(), Error> {
        let request = Request::post(path(&[index, "_flush"]))
            .query("force", "true")
            .query("wait_if_ongoing", "true");
        self.on_all_shards(request).await
    }

    async fn on_all_shards(&self, request: Request) -> Result<(), Error> {
        let request = request.idempotent(true);
        let call = request.call();
        let answer: Covered = self.json(request).await?;
        answer.shards.none_failed(call)
    }

    /// How many documents match `query`, all of them without one. Nested objects are not counted.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when a shard did not answer; failures of the request.
    pub async fn count(&self, index: &str, query: Option<&Value>) -> Result<u64, Error> {
        let mut request = Request::post(path(&[index, "_count"])).idempotent(true);
        if let Some(query) = query {
            request = request.json(&json!({ "query": query }));
        }
        let call = request.call();
        let answer: Count = self.json(request).await?;
        answer.shards.all_answered(call)?;
        Ok(answer.count)
    }
}

#[derive(Deserialize)]
struct Covered {
    #[serde(rename = "_shards")]
    shards: Counted,
}

#[derive(Deserialize)]
struct Count {
    count: u64,
    #[serde(rename = "_shards")]
    shards: Counted,
}

/// The entries of a list of names, in its order. A single name may be an alias of one index; each of a list is
/// an index of its own.
fn in_order<T>(
    names: &str,
    mut indices: BTreeMap<String, T>,
    call: &Call,
) -> Result<Vec<(String, T)>, Error> {
    let malformed = |what: String| Error::Malformed { call: Box::new(call.clone()), what };
    if !names.contains(',') {
        let (Some(one), true) = (indices.pop_first(), indices.is_empty()) else {
            return Err(malformed("not exactly one index".to_owned()));
        };
        return Ok(vec![one]);
    }
    let mut listed = Vec::new();
    for name in names.split(',') {
        let Some(one) = indices.remove_entry(name) else {
            return Err(malformed(format!("{name} is not an index of its own")));
        };
        listed.push(one);
    }
    match indices.into_keys().next() {
        Some(other) => Err(malformed(format!("{other} was not asked for"))),
        None => Ok(listed),
    }
}

fn joined(
    names: &str,
    indices: BTreeMap<String, IndexEntry>,
    call: &Call,
) -> Result<IndexShards, Error> {
    let mut uuids = Vec::new();
    let (mut primaries, mut active_copies) = (Vec::new(), 0);
    for (name, entry) in in_order(names, indices, call)? {
        let one = of_index(&name, entry);
        let before = u32::try_from(primaries.len()).unwrap_or(u32::MAX);
        uuids.push(one.uuid);
        active_copies += one.active_copies;
        let through = |primary: ShardStats| ShardStats { shard: before + primary.shard, ..primary };
        primaries.extend(one.primaries.into_iter().map(through));
    }
    Ok(IndexShards { uuid: uuids.join(","), primaries, active_copies })
}

fn of_index(name: &str, index: IndexEntry) -> IndexShards {
    let copies = index.shards.values().map(Vec::len).sum::<usize>();
    let primaries = index
        .shards
        .into_iter()
        .filter_map(|(shard, copies)| {
            copies.into_iter().find(|copy| copy.routing.primary).map(|copy| copy.stats(name, shard))
        })
        .collect();
    IndexShards {
        uuid: index.uuid,
        primaries,
        active_copies: u32::try_from(copies).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
#[path = "stats_tests.rs"]
mod tests;
