//! Reading one shard in the order of its `_seq_no`: the hot path of copying.

mod count;
mod hits;

use std::time::Duration;

use serde_json::{Value, json};

pub use count::CountRequest;
pub use hits::{Hit, Page, PageFault};

use crate::{Cluster, Distribution, Error, Request, path, shard_preference};

/// A search over a busy shard may queue for long.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Which documents of one shard to read.
#[derive(Clone, Debug)]
pub struct PageRequest<'a> {
    /// Concrete index.
    pub index: &'a str,
    /// Shard number, from 0.
    pub shard: u32,
    /// Documents above this `_seq_no`; -1 begins at the first.
    pub after: i64,
    /// Documents up to this `_seq_no`, inclusive.
    pub to: i64,
    /// Most documents of one page; the engine allows 10,000 unless the index says otherwise.
    pub size: u32,
    /// What to bring of each document.
    pub fetch: Fetch,
    /// Largest answer in bytes; a larger one is dropped on the way.
    pub max_bytes: usize,
}

/// What to bring of each document besides its id, routing and numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// The whole `_source`, byte for byte as it was written.
    Source,
    /// Only these fields; the engine writes the text anew.
    SourceIncludes(Vec<String>),
    /// Nothing.
    IdsOnly,
}

impl<'a> PageRequest<'a> {
    /// Whole documents in `(after, to]`, up to 1,000 and 64 MiB a page.
    #[must_use]
    pub fn new(index: &'a str, shard: u32, after: i64, to: i64) -> PageRequest<'a> {
        let (size, max_bytes) = (1000, 64 << 20);
        PageRequest { index, shard, after, to, size, fetch: Fetch::Source, max_bytes }
    }
}

impl Cluster {
    /// Reads a page of live documents of one shard in ascending `_seq_no`. The page is complete up
    /// to its last hit; an empty page proves that the range holds no further live document.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when the engine gave up, a shard failed, or none was asked;
    /// [`Error::TooLarge`] beyond `max_bytes`; [`Error::Malformed`] when hits are out of order or
    /// out of range; failures of the request.
    pub async fn read_page(
        &self,
        page: &PageRequest<'_>,
        distribution: Distribution,
    ) -> Result<Page, Error> {
        let request = Request::post(path(&[page.index, "_search"]))
            .query("preference", &shard_preference(distribution, page.shard))
            .query("allow_partial_search_results", "false")
            .query("request_cache", "false")
            .json(&search(page))
            .timeout(TIMEOUT)
            .max_response(page.max_bytes.min(hits::MAX_BODY))
            .idempotent(true);
        let call = request.call();
        let answer = self.call(request).await?;
        Page::parse(answer.body, page).map_err(|fault| fault.at(call))
    }
}

fn search(page: &PageRequest<'_>) -> Value {
    json!({
        "size": page.size,
        "track_total_hits": false,
        "query": { "range": { "_seq_no": { "gt": page.after, "lte": page.to } } },
        "sort": [{ "_seq_no": "asc" }],
        "version": true,
        "seq_no_primary_term": true,
        "_source": match &page.fetch {
            Fetch::Source => json!(true),
            Fetch::SourceIncludes(fields) => json!(fields),
            Fetch::IdsOnly => json!(false),
        },
    })
}
