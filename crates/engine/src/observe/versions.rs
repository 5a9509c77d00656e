//! A look at the versions of some documents of each source: from the oldest, the middle and the newest
//! of its operations. Versions cannot be searched, sorted or aggregated by, so nothing short of reading
//! all finds every one; whoever gives versions mostly gives them to all.

use std::collections::BTreeMap;

use bytes::Bytes;
use segue_cluster::{Cluster, Error, Request};
use segue_model::id::IndexName;
use segue_model::observe::versions::Sampled;
use segue_model::observe::{Gap, Observation};
use serde::Deserialize;
use serde_json::{Value, json};

/// Documents of each of the three places of an index.
const PAGE: u32 = 200;
/// Indices looked at in one request.
const INDICES: usize = 32;
/// Identifiers, numbers and versions of that many documents.
const SAMPLE: usize = 64 << 20;

/// Looks at every source that can be read.
pub(super) async fn look(cluster: &Cluster, seen: &mut Observation) {
    let wanted: Vec<(IndexName, i64)> = seen
        .candidates
        .iter()
        .filter(|index| index.open && !index.system && index.docs > 0)
        .map(|index| (index.name.clone(), index.copies.map_or(-1, |copies| copies.max_seq_no)))
        .collect();
    for group in wanted.chunks(INDICES) {
        let found = ask(cluster, group).await;
        let what = "the versions of documents";
        let Some(answers) = super::extras::or_gap(found, what, seen) else { continue };
        for ((name, _), places) in group.iter().zip(answers) {
            match sample(places) {
                Ok(sampled) => {
                    seen.versions.insert(name.clone(), sampled);
                }
                Err(why) => {
                    seen.gaps.push(Gap::Unseen { what: format!("{what} of {name}"), why });
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct Answers {
    responses: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    timed_out: bool,
    #[serde(rename = "_shards")]
    shards: Option<Shards>,
    hits: Option<Hits>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Shards {
    failed: u32,
}

#[derive(Deserialize)]
struct Hits {
    #[serde(default)]
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_seq_no")]
    seq_no: i64,
    #[serde(rename = "_version")]
    version: i64,
}

/// Of each index the answers for its places, in the order of `group`.
async fn ask(cluster: &Cluster, group: &[(IndexName, i64)]) -> Result<Vec<Vec<Answer>>, Error> {
    let mut body = String::new();
    let mut counts = Vec::new();
    for (name, max_seq_no) in group {
        let places = places(*max_seq_no);
        counts.push(places.len());
        for search in places {
            body.push_str(&json!({ "index": name }).to_string());
            body.push('\n');
            body.push_str(&search.to_string());
            body.push('\n');
        }
    }
    let request = Request::post("/_msearch")
        // `status` is in every answer, so that none is dropped for being empty.
        .query(
            "filter_path",
            "responses.status,responses.error.reason,responses.timed_out,\
             responses._shards.failed,responses.hits.hits._id,responses.hits.hits._seq_no,\
             responses.hits.hits._version",
        )
        .body(Bytes::from(body), "application/x-ndjson")
        .max_response(SAMPLE)
        .idempotent(true);
    let answers: Answers = cluster.json(request).await?;
    let mut answers = answers.responses.into_iter();
    Ok(counts.into_iter().map(|count| answers.by_ref().take(count).collect()).collect())
}

/// The searches for one index whose highest number is this; -1 = not known.
fn places(max_seq_no: i64) -> Vec<Value> {
    let third = (max_seq_no + 1) / 3;
    let page = |range: Value, order: &str| {
        json!({
            "size": PAGE,
            "track_total_hits": false,
            "timeout": "10s",
            "query": { "range": { "_seq_no": range } },
            "sort": [{ "_seq_no": order }],
            "version": true,
            "seq_no_primary_term": true,
            "_source": false,
        })
    };
    vec![
        page(json!({ "gte": 0, "lt": third }), "asc"),
        page(json!({ "gte": third, "lt": 2 * third }), "asc"),
        page(json!({ "gte": 2 * third }), "desc"),
    ]
}

/// The sample of an index. A document that was written between two searches counts once.
fn sample(places: Vec<Answer>) -> Result<Vec<Sampled>, String> {
    let mut latest: BTreeMap<String, Sampled> = BTreeMap::new();
    for place in places {
        if let Some(error) = place.error {
            return Err(error.to_string());
        }
        let failed = place.shards.map_or(0, |shards| shards.failed);
        if place.timed_out || failed > 0 {
            return Err(format!("the search was cut short ({failed} shards failed)"));
        }
        for hit in place.hits.map(|hits| hits.hits).unwrap_or_default() {
            // A version below zero is one that was counted past the end.
            let version = u64::try_from(hit.version).unwrap_or(u64::MAX);
            let sampled = Sampled { seq_no: hit.seq_no, version };
            let last = latest.entry(hit.id).or_insert(sampled);
            *last = (*last).max(sampled);
        }
    }
    Ok(latest.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(text: &str) -> Vec<Answer> {
        serde_json::from_str::<Answers>(text).unwrap().responses
    }

    #[test]
    fn a_document_counts_once_and_as_it_was_seen_last() {
        let text = r#"{"responses":[
            {"status":200,"timed_out":false,"_shards":{"failed":0},"hits":{"hits":[
                {"_id":"a","_version":1,"_seq_no":0},{"_id":"b","_version":1,"_seq_no":1}]}},
            {"status":200,"timed_out":false,"_shards":{"failed":0}},
            {"status":200,"timed_out":false,"_shards":{"failed":0},"hits":{"hits":[
                {"_id":"a","_version":2,"_seq_no":9},{"_id":"c","_version":-5,"_seq_no":8}]}}]}"#;
        let mut found = sample(answers(text)).unwrap();
        found.sort_unstable();
        let of = |seq_no, version| Sampled { seq_no, version };
        assert_eq!(found, [of(1, 1), of(8, u64::MAX), of(9, 2)]);
    }

    #[test]
    fn an_answer_that_is_not_whole_is_no_sample() {
        for text in [
            r#"{"responses":[{"status":403,"error":{"reason":"no"}}]}"#,
            r#"{"responses":[{"status":200,"timed_out":true,"_shards":{"failed":0}}]}"#,
            r#"{"responses":[{"status":200,"timed_out":false,"_shards":{"failed":1}}]}"#,
        ] {
            assert!(sample(answers(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn places_do_not_overlap() {
        for max in [-1, 0, 1, 2, 1_000_000] {
            let places = places(max);
            let bound =
                |place: usize, end: &str| places[place]["query"]["range"]["_seq_no"][end].clone();
            assert_eq!(bound(0, "lt"), bound(1, "gte"), "{max}");
            assert_eq!(bound(1, "lt"), bound(2, "gte"), "{max}");
        }
    }
}
