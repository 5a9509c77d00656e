//! Searches that are not on the hot path.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::stats::Counted;
use crate::{Cluster, Error, Request, path, shard_preference};

/// The complete answer to a search.
#[derive(Clone, Debug)]
pub struct SearchPage {
    /// Documents in the order asked for.
    pub hits: Vec<SearchHit>,
    /// Documents that match, where counted.
    pub total: Option<u64>,
    /// Aggregations as answered.
    pub aggregations: Option<Value>,
}

/// One document of a search.
#[derive(Clone, Debug, Deserialize)]
pub struct SearchHit {
    /// Concrete index.
    #[serde(rename = "_index")]
    pub index: String,
    /// Document id.
    #[serde(rename = "_id", default)]
    pub id: String,
    /// Custom routing.
    #[serde(rename = "_routing", default)]
    pub routing: Option<String>,
    /// Version, where asked for.
    #[serde(rename = "_version", default)]
    pub version: Option<u64>,
    /// Number of the operation that wrote it, where asked for.
    #[serde(rename = "_seq_no", default)]
    pub seq_no: Option<i64>,
    /// Term of the primary that numbered it, where asked for.
    #[serde(rename = "_primary_term", default)]
    pub primary_term: Option<u64>,
    /// `_source` as it was written, where asked for.
    #[serde(rename = "_source", default)]
    pub source: Option<Box<RawValue>>,
    /// Sort values, for `search_after`.
    #[serde(default)]
    pub sort: Vec<Value>,
}

#[derive(Deserialize)]
struct Answer {
    timed_out: bool,
    #[serde(rename = "_shards")]
    shards: Counted,
    hits: Hits,
    #[serde(default)]
    aggregations: Option<Value>,
}

#[derive(Deserialize)]
struct Hits {
    #[serde(default)]
    total: Option<Total>,
    hits: Vec<SearchHit>,
}

#[derive(Deserialize)]
struct Total {
    value: u64,
}

impl Cluster {
    /// Searches `index` (patterns and aliases allowed).
    ///
    /// # Errors
    /// [`Error::Incomplete`] when time ran out or a shard did not answer; failures of the request.
    pub async fn search(&self, index: &str, body: &Value) -> Result<SearchPage, Error> {
        self.complete_search(Request::post(path(&[index, "_search"])), body).await
    }

    /// Searches one shard of the concrete index `index`, its primary where the product can say so.
    ///
    /// # Errors
    /// Those of [`Cluster::search`].
    pub async fn search_shard(
        &self,
        index: &str,
        shard: u32,
        body: &Value,
    ) -> Result<SearchPage, Error> {
        let preference = shard_preference(self.distribution().await?, shard);
        let request = Request::post(path(&[index, "_search"]))
            .query("preference", &preference)
            .query("request_cache", "false");
        self.complete_search(request, body).await
    }

    async fn complete_search(&self, request: Request, body: &Value) -> Result<SearchPage, Error> {
        let request =
            request.query("allow_partial_search_results", "false").json(body).idempotent(true);
        let call = request.call();
        let answer: Answer = self.json(request).await?;
        if answer.timed_out {
            return Err(Error::Incomplete { call, what: "the search ran out of time".to_owned() });
        }
        answer.shards.all_answered(call)?;
        Ok(SearchPage {
            hits: answer.hits.hits,
            total: answer.hits.total.map(|total| total.value),
            aggregations: answer.aggregations,
        })
    }
}
