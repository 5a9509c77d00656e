//! A request before it is sent, and the answer after.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

/// What may stand in a path piece or a query value as it is (RFC 3986, unreserved).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An answer larger than this is dropped unless the request says otherwise.
const MAX_RESPONSE: usize = 256 << 20;

/// Joins pieces into a path. Each piece is percent-encoded as a whole, so a document id may hold
/// slashes, quotes or anything else.
#[must_use]
pub fn path(pieces: &[&str]) -> String {
    let mut out = String::with_capacity(pieces.iter().map(|p| p.len() + 1).sum());
    for piece in pieces {
        out.push('/');
        out.extend(utf8_percent_encode(piece, RESERVED));
    }
    out
}

/// Like [`path`](fn@crate::path): `path![index, "_doc", id]`.
#[macro_export]
macro_rules! path {
    ($($piece:expr),* $(,)?) => { $crate::path(&[$(::core::convert::AsRef::<str>::as_ref(&$piece)),*]) };
}

/// One request, not sent yet.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Bytes,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) gzip_body: bool,
    pub(crate) accept_gzip: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) idempotent: bool,
    pub(crate) max_response: usize,
    pub(crate) allowed: Option<u16>,
}

impl Request {
    /// A `GET`; idempotent.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Request {
        Request::new(Method::GET, path.into(), true)
    }

    /// A `HEAD`; idempotent.
    #[must_use]
    pub fn head(path: impl Into<String>) -> Request {
        Request::new(Method::HEAD, path.into(), true)
    }

    /// A `POST`; not idempotent unless declared so.
    #[must_use]
    pub fn post(path: impl Into<String>) -> Request {
        Request::new(Method::POST, path.into(), false)
    }

    /// A `PUT`; not idempotent unless declared so, because a repeated creation is refused.
    #[must_use]
    pub fn put(path: impl Into<String>) -> Request {
        Request::new(Method::PUT, path.into(), false)
    }

    /// A `DELETE`; not idempotent unless declared so, because a repeated one answers 404.
    #[must_use]
    pub fn delete(path: impl Into<String>) -> Request {
        Request::new(Method::DELETE, path.into(), false)
    }

    fn new(method: Method, path: String, idempotent: bool) -> Request {
        Request {
            method,
            path,
            body: Bytes::new(),
            content_type: None,
            gzip_body: false,
            accept_gzip: true,
            timeout: None,
            idempotent,
            max_response: MAX_RESPONSE,
            allowed: None,
        }
    }

    /// Appends `key=value` to the query, encoded.
    #[must_use]
    pub fn query(mut self, key: &str, value: &str) -> Request {
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        self.path.extend(utf8_percent_encode(key, RESERVED));
        self.path.push('=');
        self.path.extend(utf8_percent_encode(value, RESERVED));
        self
    }

    /// A JSON body.
    ///
    /// # Panics
    /// When `body` can't be JSON at all (a map whose keys are not texts): a defect of the caller.
    #[must_use]
    #[track_caller]
    pub fn json(self, body: &(impl Serialize + ?Sized)) -> Request {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.body(Bytes::from(bytes), "application/json"),
            Err(e) => panic!("request body is not json: {e}"),
        }
    }

    /// A body as it is.
    #[must_use]
    pub fn body(mut self, body: Bytes, content_type: &'static str) -> Request {
        self.body = body;
        self.content_type = Some(content_type);
        self
    }

    /// Upper bound of one attempt, instead of the cluster's.
    #[must_use]
    pub fn timeout(mut self, total: Duration) -> Request {
        self.timeout = Some(total);
        self
    }

    /// Whether sending it twice does no more than sending it once.
    #[must_use]
    pub fn idempotent(mut self, idempotent: bool) -> Request {
        self.idempotent = idempotent;
        self
    }

    /// Largest answer in bytes, after decompression; a larger one is dropped on the way.
    #[must_use]
    pub fn max_response(mut self, bytes: usize) -> Request {
        self.max_response = bytes;
        self
    }

    /// Takes this status for an answer instead of a failure.
    #[must_use]
    pub fn allow(mut self, status: u16) -> Request {
        self.allowed = Some(status);
        self
    }

    /// Compresses the body (level 1).
    #[must_use]
    pub(crate) fn gzip_body(mut self, gzip: bool) -> Request {
        self.gzip_body = gzip;
        self
    }
}

/// An answer: a success, or the status that [`Request::allow`] named.
#[derive(Clone, Debug)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// The whole body, decompressed.
    pub body: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_encoded_whole() {
        assert_eq!(path(&["idx", "_doc", "a/b"]), "/idx/_doc/a%2Fb");
        assert_eq!(path(&["i*", "\"'\n"]), "/i%2A/%22%27%0A");
        assert_eq!(path(&["x", "🦀 ?#%"]), "/x/%F0%9F%A6%80%20%3F%23%25");
        assert_eq!(path(&["a.b-c_d~e", "+,"]), "/a.b-c_d~e/%2B%2C");
        assert_eq!(crate::path!["a", String::from("b c")], "/a/b%20c");
        assert_eq!(path(&[]), "");
    }

    #[test]
    fn queries_are_encoded() {
        let request =
            Request::get("/a").query("preference", "_shards:0|_primary").query("q", "a&b");
        assert_eq!(request.path, "/a?preference=_shards%3A0%7C_primary&q=a%26b");
    }

    #[test]
    fn only_reads_are_idempotent_by_themselves() {
        assert!(Request::get("/").idempotent && Request::head("/").idempotent);
        assert!(!Request::post("/").idempotent && !Request::put("/").idempotent);
        assert!(!Request::delete("/").idempotent);
        assert!(Request::post("/").idempotent(true).idempotent);
    }
}
