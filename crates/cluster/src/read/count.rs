//! Counting the live documents of one shard by `_seq_no`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::TIMEOUT;
use crate::stats::Counted;
use crate::{Cluster, Distribution, Error, Request, path, shard_preference};

/// Which documents of one shard to count.
#[derive(Clone, Debug)]
pub struct CountRequest<'a> {
    /// Concrete index.
    pub index: &'a str,
    /// Shard number, from 0.
    pub shard: u32,
    /// Stretches of `_seq_no`, `(after, to]`; engines allow 1,024.
    pub stretches: &'a [(i64, i64)],
}

#[derive(Deserialize)]
struct Answer {
    timed_out: bool,
    #[serde(rename = "_shards")]
    shards: Counted,
    hits: Hits,
    #[serde(default)]
    aggregations: Option<Aggregations>,
}

#[derive(Deserialize)]
struct Hits {
    total: Total,
}

#[derive(Deserialize)]
struct Total {
    value: u64,
    relation: String,
}

#[derive(Deserialize)]
struct Aggregations {
    numbers: Numbers,
}

#[derive(Deserialize)]
struct Numbers {
    buckets: Vec<Bucket>,
}

#[derive(Deserialize)]
struct Bucket {
    // A float in the answer; exact, as operation numbers stay below 2^53.
    key: f64,
    doc_count: u64,
}

impl Cluster {
    /// How many live documents of a shard lie in the stretches.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when the engine gave up or the shard did not answer; failures of the
    /// request.
    pub async fn count_numbers(
        &self,
        count: &CountRequest<'_>,
        distribution: Distribution,
    ) -> Result<u64, Error> {
        Ok(self.numbers(count, distribution, None).await?.hits.total.value)
    }

    /// How many live documents of a shard lie in each bucket of 2^`shift` numbers, in the stretches.
    /// Engines answer with 65,536 buckets at most.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when the engine gave up or the shard did not answer;
    /// [`Error::Malformed`] when the buckets do not add up; failures of the request.
    pub async fn count_buckets(
        &self,
        count: &CountRequest<'_>,
        distribution: Distribution,
        shift: u32,
    ) -> Result<BTreeMap<u64, u64>, Error> {
        let answer = self.numbers(count, distribution, Some(shift)).await?;
        let total = answer.hits.total.value;
        let buckets = answer.aggregations.map(|a| a.numbers.buckets).unwrap_or_default();
        let buckets: BTreeMap<u64, u64> =
            buckets.into_iter().map(|b| ((b.key as u64) >> shift, b.doc_count)).collect();
        let sum: u64 = buckets.values().sum();
        if sum != total {
            let what = format!("buckets hold {sum} documents of {total}");
            let call = Request::post(path(&[count.index, "_search"])).call();
            return Err(Error::Malformed { call, what });
        }
        Ok(buckets)
    }

    async fn numbers(
        &self,
        count: &CountRequest<'_>,
        distribution: Distribution,
        shift: Option<u32>,
    ) -> Result<Answer, Error> {
        let request = Request::post(path(&[count.index, "_search"]))
            .query("preference", &shard_preference(distribution, count.shard))
            .query("allow_partial_search_results", "false")
            .query("request_cache", "false")
            .json(&body(count, shift))
            .timeout(TIMEOUT)
            .idempotent(true);
        let call = request.call();
        let answer: Answer = self.json(request).await?;
        if answer.timed_out {
            return Err(Error::Incomplete { call, what: "the search ran out of time".to_owned() });
        }
        answer.shards.exactly_one(call.clone())?;
        if answer.hits.total.relation != "eq" {
            return Err(Error::Malformed { call, what: "the count is not exact".to_owned() });
        }
        Ok(answer)
    }
}

fn body(count: &CountRequest<'_>, shift: Option<u32>) -> Value {
    let ranges: Vec<_> = count
        .stretches
        .iter()
        .map(|(after, to)| json!({ "range": { "_seq_no": { "gt": after, "lte": to } } }))
        .collect();
    let mut body = json!({
        "size": 0,
        "track_total_hits": true,
        "query": { "bool": { "filter": [{ "bool": { "should": ranges } }] } },
    });
    if let Some(shift) = shift {
        let interval = 1u64 << shift;
        body["aggs"] = json!({ "numbers": { "histogram": {
            "field": "_seq_no", "interval": interval, "min_doc_count": 1
        }}});
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_alternatives() {
        let count = CountRequest { index: "i", shard: 0, stretches: &[(-1, 7), (15, 16)] };
        let body = body(&count, Some(4));
        let should = &body["query"]["bool"]["filter"][0]["bool"]["should"];
        assert_eq!(should[1]["range"]["_seq_no"], json!({ "gt": 15, "lte": 16 }));
        assert_eq!(body["aggs"]["numbers"]["histogram"]["interval"], 16);
        assert_eq!(super::body(&count, None)["aggs"], Value::Null);
    }
}
