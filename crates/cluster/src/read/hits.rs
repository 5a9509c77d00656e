//! The hits of a page, read in place out of one answer.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::read::PageRequest;
use crate::{Call, Error};

/// Places in an answer are kept in 32 bits.
pub(crate) const MAX_BODY: usize = u32::MAX as usize;

/// Documents of one shard in ascending `_seq_no`.
#[derive(Clone, Debug)]
pub struct Page {
    body: Bytes,
    hits: Vec<Place>,
}

/// One document, borrowed from its page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit<'a> {
    /// Document id.
    pub id: Cow<'a, str>,
    /// Custom routing, where the document was written with one.
    pub routing: Option<Cow<'a, str>>,
    /// Version of the document.
    pub version: u64,
    /// Number of the operation that wrote it.
    pub seq_no: i64,
    /// Term of the primary that numbered it.
    pub primary_term: u64,
    /// `_source` byte for byte; empty when it was not asked for.
    pub source: &'a [u8],
}

impl Page {
    /// Reads the body of the answer to a search as [`Cluster::read_page`](crate::Cluster::read_page)
    /// sends it.
    ///
    /// # Errors
    /// Why it is not a complete page in order.
    pub fn parse(body: Bytes, page: &PageRequest<'_>) -> Result<Page, PageFault> {
        parse(body, page)
    }

    /// Documents.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hits.len()
    }

    /// Whether there is no document.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hits.is_empty()
    }

    /// Size of the answer in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    /// The documents in ascending `_seq_no`.
    pub fn hits(&self) -> impl Iterator<Item = Hit<'_>> {
        self.hits.iter().map(|place| place.hit(&self.body))
    }

    /// The highest `_seq_no` of the page.
    #[must_use]
    pub fn last_seq_no(&self) -> Option<i64> {
        self.hits.last().map(|place| place.seq_no)
    }
}

/// Where a hit stands in the answer.
#[derive(Clone, Debug)]
struct Place {
    id: Text,
    routing: Option<Text>,
    version: u64,
    seq_no: i64,
    primary_term: u64,
    source: Span,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

/// A text of the answer: in place, or unescaped.
#[derive(Clone, Debug)]
enum Text {
    Here(Span),
    Unescaped(Box<str>),
}

impl Span {
    /// Where `part`, a slice of `body`, stands in it.
    fn of(part: &[u8], body: &[u8]) -> Span {
        let start = part.as_ptr() as usize - body.as_ptr() as usize;
        // Both fit: bodies are bounded by MAX_BODY.
        Span { start: start as u32, end: (start + part.len()) as u32 }
    }

    fn slice(self, body: &[u8]) -> &[u8] {
        &body[self.start as usize..self.end as usize]
    }
}

impl Text {
    fn of(text: Cow<'_, str>, body: &[u8]) -> Text {
        match text {
            Cow::Borrowed(text) => Text::Here(Span::of(text.as_bytes(), body)),
            Cow::Owned(text) => Text::Unescaped(text.into_boxed_str()),
        }
    }

    fn cow<'a>(&'a self, body: &'a [u8]) -> Cow<'a, str> {
        match self {
            // Checked when the answer was parsed; a check of so few bytes again is cheap.
            Text::Here(span) => String::from_utf8_lossy(span.slice(body)),
            Text::Unescaped(text) => Cow::Borrowed(text),
        }
    }
}

impl Place {
    fn hit<'a>(&'a self, body: &'a [u8]) -> Hit<'a> {
        Hit {
            id: self.id.cow(body),
            routing: self.routing.as_ref().map(|routing| routing.cow(body)),
            version: self.version,
            seq_no: self.seq_no,
            primary_term: self.primary_term,
            source: self.source.slice(body),
        }
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    timed_out: bool,
    #[serde(rename = "_shards")]
    shards: Shards,
    #[serde(borrow)]
    hits: Hits<'a>,
}

#[derive(Deserialize)]
struct Shards {
    total: u32,
    successful: u32,
    failed: u32,
}

#[derive(Deserialize)]
struct Hits<'a> {
    #[serde(borrow)]
    hits: Vec<Raw<'a>>,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(rename = "_id", borrow)]
    id: Cow<'a, str>,
    #[serde(rename = "_routing", borrow, default)]
    routing: Option<CowStr<'a>>,
    #[serde(rename = "_version")]
    version: u64,
    #[serde(rename = "_seq_no")]
    seq_no: i64,
    #[serde(rename = "_primary_term")]
    primary_term: u64,
    #[serde(rename = "_source", borrow, default)]
    source: Option<&'a RawValue>,
}

/// Inside an `Option` a plain `Cow` would always be copied.
#[derive(Deserialize)]
struct CowStr<'a>(#[serde(borrow)] Cow<'a, str>);

/// Why a page can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageFault {
    /// It is not what a search answers, or its hits are out of order or out of range.
    #[error("answer not understood: {0}")]
    Malformed(String),
    /// It does not cover the whole shard.
    #[error("incomplete answer: {0}")]
    Incomplete(String),
}

impl PageFault {
    pub(crate) fn at(self, call: Box<Call>) -> Error {
        match self {
            PageFault::Malformed(what) => Error::Malformed { call, what },
            PageFault::Incomplete(what) => Error::Incomplete { call, what },
        }
    }
}

/// Reads an answer to `page`.
fn parse(body: Bytes, page: &PageRequest<'_>) -> Result<Page, PageFault> {
    let text = std::str::from_utf8(&body).map_err(|e| PageFault::Malformed(e.to_string()))?;
    let answer: Answer<'_> =
        serde_json::from_str(text).map_err(|e| PageFault::Malformed(e.to_string()))?;
    complete(&answer)?;
    ordered(&answer.hits.hits, page)?;
    let hits = answer.hits.hits.into_iter().map(|hit| place(hit, &body)).collect();
    Ok(Page { body, hits })
}

fn place(hit: Raw<'_>, body: &[u8]) -> Place {
    let source = hit.source.map_or("", RawValue::get).as_bytes();
    Place {
        id: Text::of(hit.id, body),
        routing: hit.routing.map(|routing| Text::of(routing.0, body)),
        version: hit.version,
        seq_no: hit.seq_no,
        primary_term: hit.primary_term,
        source: if source.is_empty() { Span { start: 0, end: 0 } } else { Span::of(source, body) },
    }
}

/// An empty page ends a range, so nothing less than one whole shard's answer may count.
fn complete(answer: &Answer<'_>) -> Result<(), PageFault> {
    let Shards { total, successful, failed } = answer.shards;
    if answer.timed_out {
        return Err(PageFault::Incomplete("the search ran out of time".to_owned()));
    }
    if (total, successful, failed) != (1, 1, 0) {
        let what = format!("{successful} of {total} shards answered, {failed} failed, not 1 of 1");
        return Err(PageFault::Incomplete(what));
    }
    Ok(())
}

fn ordered(hits: &[Raw<'_>], page: &PageRequest<'_>) -> Result<(), PageFault> {
    let mut last = page.after;
    for hit in hits {
        if hit.seq_no <= last || hit.seq_no > page.to {
            let what = format!("_seq_no {} after {last}, up to {}", hit.seq_no, page.to);
            return Err(PageFault::Malformed(what));
        }
        last = hit.seq_no;
    }
    Ok(())
}

#[cfg(test)]
#[path = "hits_tests.rs"]
mod tests;
