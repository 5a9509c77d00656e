//! Single documents: realtime reads and conditional writes.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::{Class, Cluster, Distribution, EngineError, Error, Request, path};

/// What a write that must not replace anything did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// The document is there now.
    Created(DocVersion),
    /// There was one of that id already.
    Exists,
}

/// Which state of a document: the token of a compare-and-set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct DocVersion {
    /// Number of the operation that wrote it.
    #[serde(rename = "_seq_no")]
    pub seq_no: i64,
    /// Term of the primary that numbered it.
    #[serde(rename = "_primary_term")]
    pub primary_term: u64,
}

/// A document as a realtime read sees it.
#[derive(Clone, Debug, Deserialize)]
pub struct Document {
    /// Its id.
    #[serde(rename = "_id")]
    pub id: String,
    /// Its version.
    #[serde(rename = "_version")]
    pub version: u64,
    /// Number of the operation that wrote it.
    #[serde(rename = "_seq_no")]
    pub seq_no: i64,
    /// Term of the primary that numbered it.
    #[serde(rename = "_primary_term")]
    pub primary_term: u64,
    /// Its custom routing.
    #[serde(rename = "_routing", default)]
    pub routing: Option<String>,
    /// Its `_source` as it was written, where asked for.
    #[serde(rename = "_source", default)]
    pub source: Option<Box<RawValue>>,
}

impl Document {
    /// The token under which this state can be replaced.
    #[must_use]
    pub fn token(&self) -> DocVersion {
        DocVersion { seq_no: self.seq_no, primary_term: self.primary_term }
    }
}

#[derive(Deserialize)]
struct Many<'a> {
    #[serde(borrow)]
    docs: Vec<&'a RawValue>,
}

/// Answers with `_source` of many documents.
const MANY: usize = 1 << 30;

impl Cluster {
    /// Writes a document unless there is one of that id. `refresh` makes it visible to searches
    /// before the answer. Sent again only if it never left: a lost answer is an error.
    ///
    /// # Errors
    /// Failures of the request other than the conflict.
    pub async fn create_document(
        &self,
        index: &str,
        id: &str,
        body: &(impl Serialize + ?Sized),
        refresh: bool,
    ) -> Result<Creation, Error> {
        let request = Request::put(path(&[index, "_create", id]))
            .query("refresh", if refresh { "true" } else { "false" })
            .json(body);
        match self.json::<DocVersion>(request).await {
            Ok(version) => Ok(Creation::Created(version)),
            Err(error) if error.class() == Class::Conflict => Ok(Creation::Exists),
            Err(error) => Err(error),
        }
    }

    /// Replaces the document if it is still in state `expected`; without one, creates it if there
    /// is none.
    ///
    /// # Errors
    /// [`Class::Conflict`] when it is in another state; failures of the request.
    pub async fn put_document_if(
        &self,
        index: &str,
        id: &str,
        body: &(impl Serialize + ?Sized),
        expected: Option<DocVersion>,
    ) -> Result<DocVersion, Error> {
        let request = match expected {
            None => Request::put(path(&[index, "_create", id])),
            Some(expected) => Request::put(path(&[index, "_doc", id]))
                .query("if_seq_no", &expected.seq_no.to_string())
                .query("if_primary_term", &expected.primary_term.to_string()),
        };
        self.json(request.json(body)).await
    }

    /// Reads one document, realtime and from its primary. `None` when there is none.
    ///
    /// # Errors
    /// [`Class::NotFound`] when there is no such index; failures of the request.
    pub async fn get_document(
        &self,
        index: &str,
        id: &str,
        routing: Option<&str>,
    ) -> Result<Option<Document>, Error> {
        let mut request = Request::get(path(&[index, "_doc", id])).allow(404);
        if let Some(routing) = routing {
            request = request.query("routing", routing);
        }
        let request = self.reading_primary(request).await?;
        let call = request.call();
        let answer = self.call(request).await?;
        one(&answer.body).map_err(|fault| match fault {
            Fault::Refused(error) => {
                Error::Status { call, status: answer.status, answer: Box::new(error) }
            }
            Fault::Odd(what) => Error::Malformed { call, what },
        })
    }

    /// Reads many documents by id and routing, realtime and from their primaries, in the order
    /// asked for. `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when a single document could not be read; failures of the request.
    pub async fn get_many(
        &self,
        index: &str,
        ids: &[(&str, Option<&str>)],
        with_source: bool,
    ) -> Result<Vec<Option<Document>>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // Without a stored field to read, the engine does not even look at the routing.
        let (key, value) =
            if with_source { ("_source", "true") } else { ("stored_fields", "_routing") };
        let request = Request::post(path(&[index, "_mget"]))
            .query(key, value)
            .json(&json!({ "docs": ids.iter().map(named).collect::<Vec<_>>() }))
            .max_response(MANY)
            .idempotent(true);
        let request = self.reading_primary(request).await?;
        let call = request.call();
        let answer = self.call(request).await?;
        many(&answer.body, ids).map_err(|fault| match fault {
            Fault::Refused(error) => Error::Incomplete { call, what: error.to_string() },
            Fault::Odd(what) => Error::Malformed { call, what },
        })
    }

    /// Replicas that copy segments are behind also for realtime reads; the primary is not.
    async fn reading_primary(&self, request: Request) -> Result<Request, Error> {
        Ok(match self.distribution().await? {
            Distribution::OpenSearch => request.query("preference", "_primary"),
            Distribution::Elasticsearch => request,
        })
    }
}

fn named((id, routing): &(&str, Option<&str>)) -> Value {
    match routing {
        Some(routing) => json!({ "_id": id, "routing": routing }),
        None => json!({ "_id": id }),
    }
}

enum Fault {
    Refused(EngineError),
    Odd(String),
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    found: Option<bool>,
}

/// Reads the answer for one document: the document, `found: false`, or an error.
fn one(body: &[u8]) -> Result<Option<Document>, Fault> {
    let odd = |e: serde_json::Error| Fault::Odd(e.to_string());
    match serde_json::from_slice::<Found>(body).map_err(odd)?.found {
        Some(true) => serde_json::from_slice(body).map(Some).map_err(odd),
        Some(false) => Ok(None),
        None => Err(Fault::Refused(EngineError::parse(body))),
    }
}

fn many(body: &[u8], ids: &[(&str, Option<&str>)]) -> Result<Vec<Option<Document>>, Fault> {
    let answer: Many<'_> = serde_json::from_slice(body).map_err(|e| Fault::Odd(e.to_string()))?;
    if answer.docs.len() != ids.len() {
        return Err(Fault::Odd(format!("{} answers for {} ids", answer.docs.len(), ids.len())));
    }
    let mut documents = Vec::with_capacity(ids.len());
    for (raw, (id, _)) in answer.docs.iter().zip(ids) {
        let document = one(raw.get().as_bytes())?;
        if document.as_ref().is_some_and(|document| document.id != *id) {
            return Err(Fault::Odd(format!("answers are not in order at {id:?}")));
        }
        documents.push(document);
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOC: &str = r#"{"_index":"i","_id":"a","_version":9223372036854775807,"_seq_no":4,"_primary_term":2,"_routing":"r","found":true,"_source":{ "x":1.0 }}"#;
    const NONE: &str = r#"{"_index":"i","_id":"b","found":false}"#;
    const FAILED: &str = r#"{"_index":"i","_id":"c","error":{"root_cause":[],"type":"no_shard_available_action_exception","reason":"No shard available"}}"#;

    #[test]
    fn many_keep_their_order() {
        let body = format!(r#"{{"docs":[{DOC},{NONE}]}}"#);
        let Ok(docs) = many(body.as_bytes(), &[("a", Some("r")), ("b", None)]) else { panic!() };
        let first = docs[0].as_ref().unwrap();
        assert_eq!((first.version, first.seq_no, first.primary_term), (i64::MAX as u64, 4, 2));
        assert_eq!(first.source.as_ref().unwrap().get(), r#"{ "x":1.0 }"#);
        assert_eq!(first.routing.as_deref(), Some("r"));
        assert!(docs[1].is_none());
    }

    #[test]
    fn failures_of_single_documents_are_failures() {
        let body = format!(r#"{{"docs":[{DOC},{FAILED}]}}"#);
        let Err(Fault::Refused(error)) = many(body.as_bytes(), &[("a", None), ("c", None)]) else {
            panic!()
        };
        assert_eq!(error.kind, "no_shard_available_action_exception");
        let swapped = format!(r#"{{"docs":[{NONE},{DOC}]}}"#);
        assert!(matches!(
            many(swapped.as_bytes(), &[("a", None), ("b", None)]),
            Err(Fault::Odd(_))
        ));
        assert!(matches!(many(body.as_bytes(), &[("a", None)]), Err(Fault::Odd(_))));
    }
}
