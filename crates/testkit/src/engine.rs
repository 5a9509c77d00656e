//! The engine under the tests, and names in it that belong to one test alone.

use std::sync::atomic::{AtomicU32, Ordering};

use http::Method;
use segue_demo::http::Http;
use serde_json::Value;

use crate::background::wait;

/// How long a shard may take to answer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(15);

/// A running engine.
#[derive(Clone)]
pub struct Engine {
    /// Its URL.
    pub url: String,
    /// Its interface.
    pub json: Json,
}

/// The engine's interface, for tests: JSON in, JSON out.
#[derive(Clone)]
pub struct Json {
    http: Http,
}

impl Engine {
    /// The engine that `SEGUE_CLUSTER` names.
    ///
    /// # Panics
    /// If the variable is not set, or what it names does not answer.
    #[must_use]
    pub fn get() -> Self {
        let Ok(url) = std::env::var("SEGUE_CLUSTER") else {
            panic!(
                "this test needs a real engine: set SEGUE_CLUSTER to its URL. \
                 `segue sandbox up` starts one and prints the URL; `cargo xtask test` does both"
            );
        };
        Self::at(&url)
    }

    /// The engine at a URL, such as that of a [`Proxy`](crate::Proxy).
    ///
    /// # Panics
    /// If the URL is not a plain `http` one.
    #[must_use]
    pub fn at(url: &str) -> Self {
        match Http::new(url) {
            Ok(http) => Self { url: url.to_owned(), json: Json { http } },
            Err(error) => panic!("{error:#}"),
        }
    }

    /// Names of this engine that nobody else uses; they are removed when the value is dropped.
    #[must_use]
    pub fn prefix(&self, test: &str) -> Prefix {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("t-{test}-{}-{number}-", std::process::id());
        Prefix { name, engine: self.clone() }
    }

    /// The interface that the demo's parts are used with.
    pub(crate) fn http(&self) -> Http {
        self.json.http.clone()
    }
}

impl Json {
    /// One request; any status is an answer. A body that is not JSON is `null`.
    ///
    /// # Panics
    /// If no answer comes.
    #[track_caller]
    pub fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let (http, body) = (self.http.clone(), body.cloned());
        let label = format!("{method} {path}");
        let path = path.to_owned();
        let answer = wait(async move {
            let none = Value::Null;
            match method {
                Method::GET if body.is_none() => http.get(&path).await,
                Method::PUT => http.put(&path, body.as_ref().unwrap_or(&none)).await,
                Method::DELETE => http.delete(&path, body.as_ref()).await,
                _ => http.post(&path, body.as_ref().unwrap_or(&none)).await,
            }
        });
        match answer {
            Ok(answer) => (answer.status, answer.json().unwrap_or_default()),
            Err(error) => panic!("{label}: {error:#}"),
        }
    }

    #[track_caller]
    fn success(&self, method: &Method, path: &str, body: Option<&Value>) -> Value {
        let label = format!("{method} {path}");
        let begun = std::time::Instant::now();
        let (mut status, mut answer) = self.call(method.clone(), path, body);
        let asks = path.contains("/_count") || path.contains("/_search");
        // An index that is just being made has no shard that answers yet.
        while status == 503 && asks && begun.elapsed() < PATIENCE {
            std::thread::sleep(std::time::Duration::from_millis(100));
            (status, answer) = self.call(method.clone(), path, body);
        }
        assert!((200..300).contains(&status), "{label}: status {status}: {answer}");
        answer
    }

    /// `GET path`.
    ///
    /// # Panics
    /// If the status is not in the 200s; so do all of its kind.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        self.success(&Method::GET, path, None)
    }

    /// `POST path` with a body.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Value {
        self.success(&Method::POST, path, Some(body))
    }

    /// `PUT path` with a body.
    #[track_caller]
    pub fn put(&self, path: &str, body: &Value) -> Value {
        self.success(&Method::PUT, path, Some(body))
    }

    /// `PUT path` with a body that is sent as it is written here, line breaks and all.
    ///
    /// # Panics
    /// If it is refused.
    #[track_caller]
    pub fn put_text(&self, path: &str, body: &str) {
        let (http, body, label) = (self.http.clone(), body.to_owned(), path.to_owned());
        let path = path.to_owned();
        let answer = wait(async move {
            let patience = std::time::Duration::from_secs(60);
            http.send(Method::PUT, &path, "application/json", body, patience).await
        });
        match answer {
            Ok(answer) => assert!(answer.status < 300, "PUT {label}: status {}", answer.status),
            Err(failure) => panic!("PUT {label}: {failure}"),
        }
    }

    /// `DELETE path`.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Value {
        self.success(&Method::DELETE, path, None)
    }

    /// Number of documents that an index or alias shows, after a refresh.
    ///
    /// # Panics
    /// If it cannot be counted in full.
    #[track_caller]
    pub fn count(&self, name: &str) -> u64 {
        self.post(&format!("/{name}/_refresh"), &Value::Null);
        let answer = self.get(&format!("/{name}/_count"));
        assert_eq!(answer["_shards"]["failed"], 0, "{answer}");
        match answer["count"].as_u64() {
            Some(count) => count,
            None => panic!("no count in {answer}"),
        }
    }

    /// Writes documents given as `(id, source text)` with one bulk request, and refreshes.
    ///
    /// # Panics
    /// If one of them is refused.
    #[track_caller]
    pub fn write(&self, index: &str, documents: &[(&str, &str)]) {
        let mut lines = String::new();
        for (id, source) in documents {
            let action = serde_json::json!({ "index": { "_id": id } });
            lines.push_str(&format!("{action}\n{source}\n"));
        }
        self.bulk(index, lines);
    }

    /// The same with `(id, routing, source text)`.
    ///
    /// # Panics
    /// If one of them is refused.
    #[track_caller]
    pub fn write_routed(&self, index: &str, documents: &[(&str, &str, &str)]) {
        let mut lines = String::new();
        for (id, routing, source) in documents {
            let action = serde_json::json!({ "index": { "_id": id, "routing": routing } });
            lines.push_str(&format!("{action}\n{source}\n"));
        }
        self.bulk(index, lines);
    }

    #[track_caller]
    fn bulk(&self, index: &str, lines: String) {
        let http = self.http.clone();
        let path = format!("/{index}/_bulk?refresh=true");
        let answer = wait(async move { http.bulk(&path, lines).await });
        match answer.map(|answer| answer.json()) {
            Ok(Ok(answer)) => assert_eq!(answer["errors"], false, "{index}: {answer}"),
            Ok(Err(error)) => panic!("{index}: {error:#}"),
            Err(failure) => panic!("{index}: {failure}"),
        }
    }
}

/// Names that belong to one test. Indices and templates whose name starts so are removed at the end,
/// also when the test fails; set `SEGUE_TEST_KEEP` to keep them.
pub struct Prefix {
    name: String,
    engine: Engine,
}

impl Prefix {
    /// The prefix itself, with a dash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// A name that starts with the prefix.
    #[must_use]
    pub fn name(&self, rest: &str) -> String {
        format!("{}{rest}", self.name)
    }
}

impl Drop for Prefix {
    fn drop(&mut self) {
        if std::env::var_os("SEGUE_TEST_KEEP").is_some() {
            return;
        }
        let (http, name) = (self.engine.http(), self.name.clone());
        let removed = wait(async move { segue_demo::install::remove(&http, &name).await });
        if let Err(error) = removed {
            eprintln!("cannot remove what starts with {}: {error:#}", self.name);
        }
    }
}
