//! The content of an index, for saying that two are equal.

use std::collections::BTreeMap;

use segue_demo::http::Http;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::background::wait;
use crate::engine::Engine;

/// A document as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its routing.
    pub routing: Option<String>,
    /// Its source, byte for byte.
    pub source: String,
}

impl Kept {
    /// The source's parsed value. Numbers may lose digits, and of duplicate keys the last remains:
    /// compare [`source`](Self::source) where that matters.
    ///
    /// # Panics
    /// If the source is not JSON.
    #[must_use]
    pub fn value(&self) -> Value {
        match serde_json::from_str(&self.source) {
            Ok(value) => value,
            Err(error) => panic!("{}: {error}", self.source),
        }
    }
}

/// All documents of an index or alias by id, after a refresh.
///
/// # Panics
/// If it cannot be read in full, or if an id occurs twice.
#[must_use]
#[track_caller]
pub fn content(engine: &Engine, name: &str) -> BTreeMap<String, Kept> {
    let (http, of) = (engine.http(), name.to_owned());
    match wait(async move { read(&http, &of).await }) {
        Ok(content) => content,
        Err(error) => panic!("{name}: {error:#}"),
    }
}

#[derive(Deserialize)]
struct Page {
    #[serde(rename = "_scroll_id")]
    scroll: String,
    timed_out: bool,
    #[serde(rename = "_shards")]
    shards: Shards,
    hits: Hits,
}

#[derive(Deserialize)]
struct Shards {
    failed: u32,
}

#[derive(Deserialize)]
struct Hits {
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_routing")]
    routing: Option<String>,
    #[serde(rename = "_source")]
    source: Box<RawValue>,
}

async fn read(http: &Http, name: &str) -> anyhow::Result<BTreeMap<String, Kept>> {
    http.post(&format!("/{name}/_refresh"), &Value::Null).await?.success()?;
    let query = json!({ "size": 1_000, "sort": ["_doc"] });
    let mut answer = http.post(&format!("/{name}/_search?scroll=1m"), &query).await?;
    let mut content = BTreeMap::new();
    loop {
        anyhow::ensure!(answer.is_ok(), "cannot read: {:?}", answer.json());
        let page: Page = serde_json::from_slice(&answer.body)?;
        anyhow::ensure!(page.shards.failed == 0 && !page.timed_out, "a page is not complete");
        if page.hits.hits.is_empty() {
            http.delete("/_search/scroll", Some(&json!({ "scroll_id": page.scroll }))).await?;
            return Ok(content);
        }
        for Hit { id, routing, source } in page.hits.hits {
            let kept = Kept { routing, source: source.get().to_owned() };
            let before = content.insert(id.clone(), kept);
            anyhow::ensure!(before.is_none(), "{id} is there twice");
        }
        let next = json!({ "scroll": "1m", "scroll_id": page.scroll });
        answer = http.post("/_search/scroll", &next).await?;
    }
}
