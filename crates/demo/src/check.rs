//! The checker: reads the final documents back and compares them with the ledger and the oracle.
//!
//! It knows nothing of how the migration works; it reads by the names that applications use.

use std::collections::HashSet;

use anyhow::Context;
use serde_json::{Map, Value, json};

use crate::fingerprint::Fingerprint;
use crate::http::Http;
use crate::invenio::{EventId, Kind, Month, Site};
use crate::ledger::{Ledger, Shape, Verdict};
use crate::oracle::Oracle;

/// Documents per page.
const PAGE: u32 = 1_000;
/// Examples kept of one kind of finding.
const EXAMPLES: usize = 3;

/// What the checker found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Documents read by the months' old names.
    pub documents: u64,
    /// Acknowledged documents that are not found by the old name or not through the read alias.
    pub lost: u64,
    /// Documents whose content is not the one acknowledged last.
    pub stale: u64,
    /// Documents of which an enriched field differs from what the records say.
    pub wrong_enrichment: u64,
    /// Documents that are there twice, or that no acknowledged write explains.
    pub surplus: u64,
    /// Documents that the application wrote to the new index itself, after its name had switched.
    /// They must be exactly as it sent them.
    pub as_written: u64,
    /// The first few cases, for people.
    pub examples: Vec<String>,
}

impl Findings {
    fn example(&mut self, what: &str, name: &str, id: &str) {
        let before = self.examples.iter().filter(|example| example.starts_with(what)).count();
        if before < EXAMPLES {
            self.examples.push(format!("{what}: {name}/{id}"));
        }
    }
}

/// Compares all documents of a site, found by the old index names and through the read aliases, with
/// what was acknowledged (`ledger`) and with what the records say (`oracle`).
///
/// # Errors
/// A cluster that does not answer in full.
pub async fn check(
    http: &Http,
    site: &Site,
    ledger: &Ledger,
    oracle: &Oracle,
) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    for kind in Kind::ALL {
        let mut lost = HashSet::new();
        for month in site.months() {
            let mut part = PartCheck { ledger, oracle, kind, month: *month, seen: HashSet::new() };
            let name = site.index(kind, *month);
            each(http, &name, true, |hit| part.judge(&name, hit, &mut findings)).await?;
            lost.extend(ledger.owed(kind, *month).filter(|id| !part.seen.contains(id)));
        }
        let alias = site.read_alias(kind);
        let mut seen = HashSet::new();
        each(http, &alias, false, |hit| {
            let id = hit["_id"].as_str().unwrap_or_default();
            if !EventId::parse(id).is_some_and(|id| seen.insert(id)) {
                findings.surplus += 1;
                findings.example("twice or foreign", &alias, id);
            }
        })
        .await?;
        for month in site.months() {
            lost.extend(ledger.owed(kind, *month).filter(|id| !seen.contains(id)));
        }
        findings.lost += lost.len() as u64;
        for id in lost.iter().take(EXAMPLES) {
            findings.example("lost", &alias, &id.to_string());
        }
    }
    Ok(findings)
}

struct PartCheck<'a> {
    ledger: &'a Ledger,
    oracle: &'a Oracle,
    kind: Kind,
    month: Month,
    seen: HashSet<EventId>,
}

impl PartCheck<'_> {
    fn judge(&mut self, name: &str, hit: &Value, findings: &mut Findings) {
        let text = hit["_id"].as_str().unwrap_or_default();
        findings.documents += 1;
        let parsed = EventId::parse(text).zip(hit["_source"].as_object());
        let Some((id, source)) = parsed else {
            findings.surplus += 1;
            return findings.example("foreign", name, text);
        };
        if !self.seen.insert(id) {
            findings.surplus += 1;
            findings.example("twice", name, text);
        }
        let content = Fingerprint::of(source, |field| !Oracle::owns(field));
        match self.ledger.judge(self.kind, self.month, id, content) {
            Verdict::Right(shape) => self.compare(shape, source, name, text, findings),
            Verdict::Stale => {
                findings.stale += 1;
                findings.example("stale", name, text);
            }
            Verdict::Unexpected => {
                findings.surplus += 1;
                findings.example("never acknowledged", name, text);
            }
        }
    }

    /// Compares the enriched fields of a document whose other fields are right.
    fn compare(
        &self,
        shape: Shape,
        source: &Map<String, Value>,
        name: &str,
        id: &str,
        findings: &mut Findings,
    ) {
        let plain = || source.keys().find(|field| Oracle::owns(field)).map(String::as_str);
        let difference = match shape {
            Shape::Enriched => self.difference(source),
            Shape::AsWritten => plain(),
            Shape::Either => plain().and_then(|_| self.difference(source)),
        };
        findings.as_written += u64::from(shape != Shape::Enriched && plain().is_none());
        if let Some(field) = difference {
            findings.wrong_enrichment += 1;
            findings.example(&format!("wrong {field}"), name, id);
        }
    }

    /// The first enriched field that differs.
    fn difference(&self, source: &Map<String, Value>) -> Option<&'static str> {
        let expected = self.oracle.expects(source);
        Oracle::FIELDS.into_iter().find(|field| source.get(*field) != expected.get(*field))
    }
}

/// Calls `visit` with every hit of an index or alias, page by page.
///
/// # Errors
/// A cluster that does not answer, or only in part.
pub async fn each(
    http: &Http,
    name: &str,
    with_source: bool,
    mut visit: impl FnMut(&Value),
) -> anyhow::Result<()> {
    http.post(&format!("/{name}/_refresh"), &json!({})).await?.success()?;
    let query = json!({ "size": PAGE, "sort": ["_doc"], "_source": with_source });
    let mut page = http.post(&format!("/{name}/_search?scroll=2m"), &query).await?.success()?;
    loop {
        let whole = page["_shards"]["failed"] == 0 && page["timed_out"] == false;
        anyhow::ensure!(whole, "{name}: a page is not complete: {}", page["_shards"]);
        let scroll = page["_scroll_id"].take();
        let hits = page["hits"]["hits"].as_array().context("a page without hits")?;
        if hits.is_empty() {
            let _cleared =
                http.delete("/_search/scroll", Some(&json!({ "scroll_id": scroll }))).await;
            return Ok(());
        }
        hits.iter().for_each(&mut visit);
        let next = json!({ "scroll": "2m", "scroll_id": scroll });
        page = http.post("/_search/scroll", &next).await?.success()?;
    }
}
