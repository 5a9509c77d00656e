//! One request of the application, and what its answer proves.

use std::time::Duration;

use fastrand::Rng;
use http::Method;
use segue_demo::http::{Answer, Failure, Http};
use serde_json::{Value, json};

use crate::history::{Op, Outcome, Place};
use crate::scenario::{Mode, Workload};
use crate::writer::{id, routing};

/// How long the application waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the application writes to.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The name it knows.
    pub name: String,
    /// The old index behind it.
    pub old: String,
    pub mode: Mode,
}

impl Target {
    /// Where a write was applied, by the index that the answer names.
    fn place(&self, index: &Value) -> Place {
        match self.mode {
            _ if *index == *self.old => Place::Old,
            Mode::Block => Place::New,
            // Redirected and enriched afterwards, or written after the switch: the answer does not say.
            Mode::Redirect => Place::Either,
        }
    }

    /// What an answer to one operation proves.
    fn outcome(&self, status: u64, answer: &Value) -> Outcome {
        let error = &answer["error"];
        match status {
            200..=299 => Outcome::Acknowledged(self.place(&answer["_index"])),
            404 if answer["result"] == "not_found" => {
                Outcome::Missing(self.place(&answer["_index"]))
            }
            404 if error["type"] == "document_missing_exception" => {
                Outcome::Missing(self.place(&error["index"]))
            }
            409 => Outcome::Conflicted,
            400..=499 => Outcome::Refused,
            _ => Outcome::Unknown,
        }
    }
}

/// How operations are sent.
pub(crate) struct Request<'a> {
    pub target: &'a Target,
    pub workload: &'a Workload,
    /// The writer's own version of each operation; none: the engine counts.
    pub versions: Vec<u64>,
    pub refresh: bool,
}

impl Request<'_> {
    /// Sends operations through any node; one that can't be reached is passed over.
    pub(crate) async fn send(
        &self,
        nodes: &[Http],
        rng: &mut Rng,
        operations: &[(u64, Op)],
        single: bool,
    ) -> Vec<Outcome> {
        let first = rng.usize(..nodes.len());
        for turn in 0..nodes.len() {
            let http = &nodes[(first + turn) % nodes.len()];
            let sent = match operations {
                [(number, op)] if single => self.single(http, *number, op).await,
                _ => self.bulk(http, operations).await,
            };
            match sent {
                Ok(outcomes) => return outcomes,
                Err(Failure::NotSent(_)) => {}
                Err(Failure::Unknown(_)) => return vec![Outcome::Unknown; operations.len()],
            }
        }
        vec![Outcome::Refused; operations.len()]
    }

    async fn single(&self, http: &Http, number: u64, op: &Op) -> Result<Vec<Outcome>, Failure> {
        let (method, verb, body) = match op {
            Op::Index(fields) => (Method::PUT, "_doc", json!(fields)),
            Op::Update(change) => (Method::POST, "_update", json!({ "doc": change })),
            Op::Delete => (Method::DELETE, "_doc", Value::Null),
        };
        let routing = routing(self.workload, number);
        let routing = routing.map_or_else(String::new, |value| format!("&routing={value}"));
        let name = &self.target.name;
        let refresh = self.refresh;
        let id = id(self.workload, number);
        // With an id from the engine a document is created by POST.
        let method = if id.is_some() { method } else { Method::POST };
        let id = id.map_or_else(String::new, |id| format!("/{id}"));
        let version = self.versions.first();
        let version = version.map_or_else(String::new, |version| {
            format!("&version={version}&version_type=external")
        });
        let path = format!("/{name}/{verb}{id}?timeout=5s&refresh={refresh}{routing}{version}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = http.send(method, &path, "application/json", body, PATIENCE).await?;
        let found = answer.json().unwrap_or(Value::Null);
        Ok(vec![self.target.outcome(u64::from(answer.status), &found)])
    }

    async fn bulk(&self, http: &Http, operations: &[(u64, Op)]) -> Result<Vec<Outcome>, Failure> {
        let path = format!("/_bulk?timeout=5s&refresh={}", self.refresh);
        let lines = self.lines(operations);
        let answer =
            http.send(Method::POST, &path, "application/x-ndjson", lines, PATIENCE).await?;
        Ok(self.read(&answer, operations.len()))
    }

    /// Deletes documents by a query for their ids, through one node.
    pub(crate) async fn by_query(&self, http: &Http, numbers: &[u64]) -> Outcome {
        let ids: Vec<_> = numbers.iter().filter_map(|n| id(self.workload, *n)).collect();
        let name = &self.target.name;
        // The query finds what was refreshed.
        let refreshed = http.post(&format!("/{name}/_refresh"), &Value::Null).await;
        if !refreshed.is_ok_and(|answer| answer.is_ok()) {
            return Outcome::Refused;
        }
        let body = json!({ "query": { "ids": { "values": ids } } }).to_string();
        let path = format!("/{name}/_delete_by_query?timeout=5s&refresh={}", self.refresh);
        match http.send(Method::POST, &path, "application/json", body, PATIENCE).await {
            Ok(answer) => {
                let found = answer.json().unwrap_or(Value::Null);
                let all = u64::try_from(ids.len()).ok();
                // The answer does not say where; nor does it matter for what is gone.
                match found["deleted"].as_u64() {
                    Some(deleted) if answer.is_ok() && Some(deleted) == all => {
                        Outcome::Acknowledged(Place::Either)
                    }
                    _ => Outcome::Unknown,
                }
            }
            Err(Failure::NotSent(_)) => Outcome::Refused,
            Err(Failure::Unknown(_)) => Outcome::Unknown,
        }
    }

    fn lines(&self, operations: &[(u64, Op)]) -> String {
        let mut lines = String::new();
        for (at, (number, op)) in operations.iter().enumerate() {
            let mut about = json!({ "_index": self.target.name });
            if let Some(version) = self.versions.get(at) {
                about["version"] = json!(version);
                about["version_type"] = json!("external");
            }
            if let Some(id) = id(self.workload, *number) {
                about["_id"] = json!(id);
            }
            if let Some(routing) = routing(self.workload, *number) {
                about["routing"] = json!(routing);
            }
            let (verb, body) = match op {
                Op::Index(fields) => ("index", Some(json!(fields))),
                Op::Update(change) => ("update", Some(json!({ "doc": change }))),
                Op::Delete => ("delete", None),
            };
            lines.push_str(&json!({ verb: about }).to_string());
            lines.push('\n');
            if let Some(body) = body {
                lines.push_str(&body.to_string());
                lines.push('\n');
            }
        }
        lines
    }

    fn read(&self, answer: &Answer, count: usize) -> Vec<Outcome> {
        if !answer.is_ok() {
            let refused = (400..500).contains(&answer.status);
            return vec![if refused { Outcome::Refused } else { Outcome::Unknown }; count];
        }
        let body = answer.json().unwrap_or(Value::Null);
        let outcome = |number: usize| {
            let item = body["items"][number].as_object().and_then(|item| item.values().next());
            let status = item.and_then(|item| item["status"].as_u64());
            match (item, status) {
                (Some(item), Some(status)) => self.target.outcome(status, item),
                _ => Outcome::Unknown,
            }
        };
        (0..count).map(outcome).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_prove_what_they_say_and_no_more() {
        let target = Target { name: "app".into(), old: "one".into(), mode: Mode::Block };
        let missing = json!({ "_index": "app", "error": {
            "type": "document_missing_exception", "index": "one-v2" } });
        for (status, answer, outcome) in [
            (201, json!({ "_index": "one" }), Outcome::Acknowledged(Place::Old)),
            (200, json!({ "_index": "one-v2" }), Outcome::Acknowledged(Place::New)),
            (404, json!({ "_index": "one", "result": "not_found" }), Outcome::Missing(Place::Old)),
            (404, missing, Outcome::Missing(Place::New)),
            (404, json!({ "error": { "type": "index_not_found_exception" } }), Outcome::Refused),
            (403, json!({ "error": {} }), Outcome::Refused),
            (503, json!({ "error": {} }), Outcome::Unknown),
        ] {
            assert_eq!(target.outcome(status, &answer), outcome, "{status} {answer}");
        }
    }
}
