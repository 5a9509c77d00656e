//! The pen: writes clicks as the application does, with one bulk request by index name, and notes
//! in the ledger what was sent and what came back.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::fingerprint::Fingerprint;
use crate::http::{Answer, Failure, Http};
use crate::invenio::{Click, Minted, Site};
use crate::ledger::{Ledger, Reply, Shape};

/// Attempts at a bulk whose connection broke or that the server failed to answer (5xx).
const ATTEMPTS: u32 = 5;

/// Writes clicks of one site.
#[derive(Clone)]
pub struct Pen {
    http: Http,
    site: Site,
}

/// What one bulk request came to.
#[derive(Debug, Default)]
pub struct Written {
    /// One reply per click, in order.
    pub replies: Vec<Reply>,
    /// Why writes were refused, with how many.
    pub refusals: BTreeMap<String, u64>,
}

struct Sent<'a> {
    click: &'a Click,
    index: String,
    minted: Minted,
    content: Fingerprint,
}

impl Pen {
    /// A pen for a site in a cluster.
    #[must_use]
    pub fn new(http: Http, site: Site) -> Self {
        Self { http, site }
    }

    /// Writes clicks with one bulk request: operation `index`, by index name.
    ///
    /// A broken connection or a failing server is tried again, as the application's client does;
    /// a 4xx is not.
    ///
    /// # Errors
    /// Only a click that cannot be made into an event.
    pub async fn write(&self, ledger: &Mutex<Ledger>, clicks: &[Click]) -> anyhow::Result<Written> {
        let mut sent = Vec::with_capacity(clicks.len());
        for click in clicks {
            let minted = click.mint()?;
            let content = content(&minted.source);
            let index = self.site.index(click.kind, click.month);
            sent.push(Sent { click, index, minted, content });
        }
        {
            let mut ledger = lock(ledger);
            for Sent { click, minted, .. } in &sent {
                ledger.sent(click.kind, click.month, minted.id);
            }
        }
        let written = self.deliver(&sent).await;
        let mut ledger = lock(ledger);
        for (Sent { click, minted, content, .. }, reply) in sent.iter().zip(&written.replies) {
            ledger.answered(click.kind, click.month, minted.id, *content, *reply);
        }
        drop(ledger);
        Ok(written)
    }

    async fn deliver(&self, sent: &[Sent<'_>]) -> Written {
        let lines = lines(sent);
        let names: Vec<&str> = sent.iter().map(|sent| sent.index.as_str()).collect();
        let mut unsure = false;
        // What was sent on by the old index is enriched later, what was written by its new name is not;
        // the answers are alike.
        let elsewhere = if self.site.is_redirected() { Shape::Either } else { Shape::AsWritten };
        for attempt in 1..=ATTEMPTS {
            match self.http.bulk("/_bulk", lines.clone()).await {
                Ok(answer) if answer.status < 500 => {
                    return read(&answer, &names, unsure, elsewhere);
                }
                Ok(_) | Err(Failure::Unknown(_)) => unsure = true,
                Err(Failure::NotSent(_)) => {}
            }
            tokio::time::sleep(Duration::from_millis(100) * attempt).await;
        }
        let reply = if unsure { Reply::Unknown } else { Reply::Refused };
        Written::all(reply, sent.len(), "no answer")
    }
}

impl Written {
    fn all(reply: Reply, count: usize, why: &str) -> Self {
        let refusals = BTreeMap::from([(why.to_owned(), count as u64)]);
        Self { replies: vec![reply; count], refusals }
    }
}

fn lines(sent: &[Sent<'_>]) -> bytes::Bytes {
    let mut lines = String::with_capacity(sent.len() * 768);
    for Sent { index, minted, .. } in sent {
        let action = json!({ "index": { "_index": index, "_id": minted.id.to_string() } });
        lines.push_str(&action.to_string());
        lines.push('\n');
        lines.push_str(&minted.source.to_string());
        lines.push('\n');
    }
    lines.into()
}

/// Reads a bulk answer; `names` are the index names the operations were sent to. `unsure`: an earlier
/// attempt at the same bulk may have been applied, so a refusal proves nothing.
///
/// The answer names the index that took the write: the name itself as long as it is an index, another
/// once it is an alias, or sends its writes on; then the document is to have the shape `elsewhere`.
fn read(answer: &Answer, names: &[&str], unsure: bool, elsewhere: Shape) -> Written {
    let no = if unsure { Reply::Unknown } else { Reply::Refused };
    if !answer.is_ok() {
        return Written::all(no, names.len(), &format!("status {}", answer.status));
    }
    let body = answer.json().unwrap_or(Value::Null);
    let items = body["items"].as_array().map_or(&[][..], Vec::as_slice);
    let mut written = Written::default();
    for (number, name) in names.iter().enumerate() {
        let item = items.get(number).map_or(&Value::Null, |item| &item["index"]);
        let reply = match item["status"].as_u64() {
            Some(200..=299) if item["_index"] == **name => Reply::Acknowledged(Shape::Enriched),
            Some(200..=299) => Reply::Acknowledged(elsewhere),
            Some(400..=499) => no,
            _ => Reply::Unknown,
        };
        if !matches!(reply, Reply::Acknowledged(_)) {
            let why = item["error"]["type"].as_str().unwrap_or("no reason given");
            *written.refusals.entry(why.to_owned()).or_default() += 1;
        }
        written.replies.push(reply);
    }
    written
}

/// The fingerprint of what the application wrote, all fields of it.
fn content(source: &Value) -> Fingerprint {
    static NOTHING: std::sync::LazyLock<serde_json::Map<String, Value>> =
        std::sync::LazyLock::new(serde_json::Map::new);
    Fingerprint::of(source.as_object().unwrap_or(&NOTHING), |_| true)
}

/// The ledger, also after a task panicked while it held it.
pub(crate) fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{Answer, Reply, Shape, read};

    fn answer(status: u16, body: &'static str) -> Answer {
        Answer { status, body: body.into() }
    }

    #[test]
    fn replies_follow_the_items() {
        use Reply::{Refused as R, Unknown as U};
        const A: Reply = Reply::Acknowledged(Shape::Enriched);
        const N: Reply = Reply::Acknowledged(Shape::AsWritten);
        let mixed = r#"{"errors":true,"items":[{"index":{"status":201,"_index":"a"}},
            {"index":{"status":403,"error":{"type":"cluster_block_exception"}}},
            {"index":{"status":503,"error":{"type":"unavailable_shards_exception"}}},
            {"index":{"status":200,"_index":"a-v2"}}]}"#;
        let cases = [
            (200, mixed, false, [A, R, U, N]),
            (200, mixed, true, [A, U, U, N]),
            (200, "garbage", false, [U, U, U, U]),
            (429, "{}", false, [R, R, R, R]),
            (403, "{}", true, [U, U, U, U]),
        ];
        for (status, body, unsure, replies) in cases {
            let written = read(&answer(status, body), &["a"; 4], unsure, Shape::AsWritten);
            assert_eq!(written.replies, replies, "{status} {unsure}");
        }
        let refusals = read(&answer(200, mixed), &["a"; 4], false, Shape::AsWritten).refusals;
        assert_eq!(refusals["cluster_block_exception"], 1);
    }
}
