//! Installs the application: its templates, its records and the events of its past.

use std::sync::Mutex;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::http::Http;
use crate::invenio::{Click, Kind, Site, recid, record};
use crate::ledger::{Ledger, Reply, Shape};
use crate::pen::Pen;

const VIEW_TEMPLATE: &str = include_str!("../templates/record-view-v1.0.0.json");
const DOWNLOAD_TEMPLATE: &str = include_str!("../templates/file-download-v1.0.0.json");

/// Events per bulk request while the past is written.
const EVENTS_PER_BULK: u64 = 2_000;
/// Records per bulk request.
const RECORDS_PER_BULK: u32 = 250;

/// What segue puts before an index's name when it keeps the index as it was before the switch.
const KEPT: &str = "segue-before-";

/// Removes every index and template whose name starts with `prefix`, hidden ones included, and what
/// segue kept of such indices.
///
/// # Errors
/// A cluster that does not answer or does not delete; an empty prefix, which would mean everything.
pub async fn remove(http: &Http, prefix: &str) -> anyhow::Result<()> {
    ensure!(!prefix.is_empty(), "refusing to remove everything: the prefix is empty");
    for start in [prefix.to_owned(), format!("{KEPT}{prefix}")] {
        let listed = http
            .get(&format!("/_cat/indices/{start}*?format=json&h=index&expand_wildcards=all"))
            .await?
            .success()?;
        for index in listed.as_array().into_iter().flatten() {
            let name = index["index"].as_str().context("an index without a name")?;
            if name.starts_with(&start) {
                let answer = http.delete(&format!("/{name}"), None).await?;
                ensure!(answer.is_ok() || answer.status == 404, "cannot delete {name}: {answer:?}");
            }
        }
    }
    for kind in Kind::ALL {
        let answer =
            http.delete(&format!("/_template/{}", template_name(prefix, kind)), None).await?;
        ensure!(answer.is_ok() || answer.status == 404, "cannot delete a template: {answer:?}");
    }
    Ok(())
}

/// Installs the application's templates (first version): they set the read alias on every index of
/// a month, as soon as the month's first write creates it.
///
/// # Errors
/// A cluster that does not answer or refuses.
pub async fn templates(http: &Http, site: &Site) -> anyhow::Result<()> {
    for (kind, text) in [(Kind::View, VIEW_TEMPLATE), (Kind::Download, DOWNLOAD_TEMPLATE)] {
        let mut body: Value = serde_json::from_str(text).context("a template of the demo")?;
        let alias = site.read_alias(kind);
        body["index_patterns"] = json!([format!("{alias}-*")]);
        body["aliases"] = json!({ alias: {} });
        let path = format!("/_template/{}", template_name(site.prefix(), kind));
        http.put(&path, &body).await?.success().context("cannot install a template")?;
    }
    Ok(())
}

/// Writes the records, behind the record alias, and makes them searchable.
///
/// # Errors
/// A cluster that does not answer, or refuses a record.
pub async fn records(http: &Http, site: &Site) -> anyhow::Result<()> {
    let index = site.records_index();
    let body = json!({
        "settings": { "index": { "number_of_shards": 1, "number_of_replicas": 0 } },
        "aliases": { site.records_alias(): {} },
        "mappings": {
            "dynamic": false,
            "properties": {
                "id": { "type": "keyword" },
                "uuid": { "type": "keyword" },
                "created": { "type": "date" },
                "updated": { "type": "date" },
                "access": { "properties": { "status": { "type": "keyword" } } },
            },
        },
    });
    http.put(&format!("/{index}"), &body).await?.success().context("cannot create the records")?;
    for first in (0..site.records()).step_by(RECORDS_PER_BULK as usize) {
        let mut lines = String::new();
        for number in first..(first + RECORDS_PER_BULK).min(site.records()) {
            let record = record(number);
            let action = json!({ "index": { "_id": record["uuid"] } });
            lines.push_str(&format!("{action}\n{record}\n"));
        }
        let answer = http.bulk(&format!("/{index}/_bulk"), lines).await?.success()?;
        ensure!(answer["errors"] == false, "a record was refused: {answer}");
    }
    http.post(&format!("/{index}/_refresh"), &json!({})).await?.success()?;
    let last = recid(site.records() - 1);
    let found = http
        .post(&format!("/{index}/_count"), &json!({ "query": { "term": { "id": last } } }))
        .await?
        .success()?;
    ensure!(found["count"] == 1, "the last record is not searchable: {found}");
    Ok(())
}

/// Writes the events of the past, every write noted in the ledger, and makes them searchable.
/// `told` is called after each part with the documents written so far.
///
/// # Errors
/// A cluster that does not answer, or refuses an event.
pub async fn past(
    http: &Http,
    site: &Site,
    ledger: &Mutex<Ledger>,
    mut told: impl FnMut(u64),
) -> anyhow::Result<()> {
    let pen = Pen::new(http.clone(), site.clone());
    let mut written = 0;
    for (kind, month) in site.parts() {
        let count = site.past_events(kind, month);
        let mut first = 0;
        while first < count {
            let next = (first + EVENTS_PER_BULK).min(count);
            let middle = first + (next - first) / 2;
            let clicks = |from, to| -> Vec<Click> {
                (from..to).map(|ordinal| site.past(kind, month, ordinal)).collect()
            };
            let (one, other) = (clicks(first, middle), clicks(middle, next));
            let (one, other) = tokio::join!(pen.write(ledger, &one), pen.write(ledger, &other));
            for written in [one?, other?] {
                let settled = Reply::Acknowledged(Shape::Enriched);
                let all = written.replies.iter().all(|reply| *reply == settled);
                ensure!(all, "events of the past were not written: {:?}", written.refusals);
            }
            first = next;
        }
        written += count;
        told(written);
    }
    for kind in Kind::ALL {
        let path = format!("/{}/_refresh", site.read_alias(kind));
        http.post(&path, &json!({})).await?.success()?;
    }
    Ok(())
}

fn template_name(prefix: &str, kind: Kind) -> String {
    format!("{prefix}{}-v1.0.0", kind.name())
}

/// Removes what earlier demos left in segue's journal, so that a new demo starts anew.
///
/// # Errors
/// A cluster that does not answer.
pub async fn forget(http: &Http) -> anyhow::Result<()> {
    let mine = json!({ "query": { "term": { "migration": crate::migration::NAME } } });
    let path = "/segue-*/_delete_by_query?refresh=true&conflicts=proceed&ignore_unavailable=true&allow_no_indices=true&expand_wildcards=all";
    let answer = http.post(path, &mine).await?;
    ensure!(answer.is_ok() || answer.status == 404, "cannot clear the journal: {answer:?}");
    Ok(())
}
