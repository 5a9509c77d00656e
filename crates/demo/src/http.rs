//! A search cluster's HTTP interface, as small as the demo needs it: one attempt per request, any
//! status is an answer, and a failure says whether the request can have reached the server.
//!
//! It shares no code with the program that the demo checks.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Longest answer that is read, in bytes.
const MAX_ANSWER: usize = 256 << 20;
/// How long a request may take unless the caller says otherwise.
const PATIENCE: Duration = Duration::from_secs(120);

/// A client of one cluster, cheap to clone.
#[derive(Clone)]
pub struct Http {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What the server said: a status of any kind and the whole body.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body as it came.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// No connection: the server cannot have seen the request.
    NotSent(String),
    /// The connection broke or time ran out: the server may or may not have acted.
    Unknown(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(why) => write!(f, "not sent: {why}"),
            Self::Unknown(why) => write!(f, "outcome unknown: {why}"),
        }
    }
}

impl std::error::Error for Failure {}

impl Answer {
    /// Whether the status is in the 200s.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// A body that is not JSON.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.excerpt()))
    }

    /// The body as JSON, only of a success.
    ///
    /// # Errors
    /// A status outside the 200s, with the begin of the body; a body that is not JSON.
    pub fn success(&self) -> anyhow::Result<Value> {
        if !self.is_ok() {
            bail!("status {}: {}", self.status, self.excerpt());
        }
        self.json()
    }

    fn excerpt(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(600).collect()
    }
}

impl Http {
    /// A client of the cluster at `url`, such as `http://127.0.0.1:9201`. Connects to nothing yet.
    ///
    /// # Errors
    /// A URL that is not plain `http`.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let base = url.trim_end_matches('/').to_owned();
        if !base.starts_with("http://") {
            bail!("{base}: only plain http:// clusters can be used here");
        }
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(10))
            .build_http();
        Ok(Self { base, client })
    }

    /// The cluster's URL without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Sends one request once. `path` starts with a slash and is sent as it is.
    ///
    /// # Errors
    /// [`Failure`] when no complete answer came.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: impl Into<Bytes>,
        patience: Duration,
    ) -> Result<Answer, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, content_type)
            .body(Full::new(body.into()))
            .map_err(|error| Failure::NotSent(error.to_string()))?;
        match tokio::time::timeout(patience, self.exchange(request)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Unknown(format!("no answer within {patience:?}"))),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        let response = self.client.request(request).await.map_err(|error| {
            let why = chain(&error);
            if error.is_connect() { Failure::NotSent(why) } else { Failure::Unknown(why) }
        })?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await
            .map_err(|error| Failure::Unknown(error.to_string()))?;
        Ok(Answer { status, body: body.to_bytes() })
    }

    async fn plain(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let bytes = body.map_or_else(Vec::new, |value| value.to_string().into_bytes());
        let label = format!("{method} {path}");
        self.send(method, path, "application/json", bytes, PATIENCE).await.context(label)
    }

    /// `GET path`; any status is an answer.
    ///
    /// # Errors
    /// No complete answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.plain(Method::GET, path, None).await
    }

    /// `POST path` with a JSON body; any status is an answer.
    ///
    /// # Errors
    /// No complete answer.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.plain(Method::POST, path, Some(body)).await
    }

    /// `PUT path` with a JSON body; any status is an answer.
    ///
    /// # Errors
    /// No complete answer.
    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.plain(Method::PUT, path, Some(body)).await
    }

    /// `DELETE path`, with a JSON body if there is one; any status is an answer.
    ///
    /// # Errors
    /// No complete answer.
    pub async fn delete(&self, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        self.plain(Method::DELETE, path, body).await
    }

    /// `POST path` with newline-delimited JSON.
    ///
    /// # Errors
    /// [`Failure`] when no complete answer came.
    pub async fn bulk(&self, path: &str, lines: impl Into<Bytes>) -> Result<Answer, Failure> {
        self.send(Method::POST, path, "application/x-ndjson", lines, PATIENCE).await
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
