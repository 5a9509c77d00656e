//! What stands in the cluster at the end of a run, asked for without any code of segue's.

use anyhow::{Context, ensure};
use http::Method;
use segue_demo::http::Http;
use serde_json::{Value, json};

use crate::install::pipelines;
use crate::oracle::Fields;
use crate::recipe::Names;

/// Documents of one page.
const PAGE: usize = 2_000;

/// A document as it is found by the old name.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub id: String,
    pub index: String,
    pub routing: Option<String>,
    pub fields: Fields,
}

/// All documents that the application finds by a name, each shard's after a refresh.
pub(crate) async fn documents(http: &Http, name: &str) -> anyhow::Result<Vec<Found>> {
    whole(&http.post(&format!("/{name}/_refresh"), &Value::Null).await?.success()?)?;
    let body = json!({ "size": PAGE, "sort": ["_doc"], "query": { "match_all": {} } });
    let path = format!("/{name}/_search?scroll=1m");
    let mut page = http.post(&path, &body).await?.success()?;
    let mut found = Vec::new();
    loop {
        whole(&page)?;
        let hits = page["hits"]["hits"].as_array().context("a page without hits")?;
        if hits.is_empty() {
            break;
        }
        for hit in hits {
            found.push(read(hit)?);
        }
        let next = json!({ "scroll": "1m", "scroll_id": page["_scroll_id"] });
        page = http.post("/_search/scroll", &next).await?.success()?;
    }
    let scroll = json!({ "scroll_id": page["_scroll_id"] });
    http.delete("/_search/scroll", Some(&scroll)).await?;
    Ok(found)
}

fn whole(answer: &Value) -> anyhow::Result<()> {
    ensure!(answer["_shards"]["failed"] == 0, "not every shard answered: {}", answer["_shards"]);
    Ok(())
}

fn read(hit: &Value) -> anyhow::Result<Found> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Ok(Found {
        id: text(&hit["_id"]).context("a hit without an id")?,
        index: text(&hit["_index"]).context("a hit without an index")?,
        routing: text(&hit["_routing"]),
        fields: hit["_source"].as_object().context("a hit without a source")?.clone(),
    })
}

/// Names that do not stand on the target alone, one line each.
pub(crate) async fn misbound(http: &Http, names: &Names) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    let more = [&names.source, &names.name].into_iter().chain(&names.read_alias);
    for name in more {
        let answer = http.get(&format!("/_alias/{name}")).await?;
        let body = answer.json()?;
        let on: Vec<&String> = body.as_object().into_iter().flatten().map(|(on, _)| on).collect();
        if !answer.is_ok() || on != [&names.target] {
            wrong.push(format!("{name} stands on {on:?} (status {})", answer.status));
        }
    }
    Ok(wrong)
}

/// What segue ought to have taken away, one line each.
pub(crate) async fn left_over(http: &Http, names: &Names) -> anyhow::Result<Vec<String>> {
    let mut left = Vec::new();
    let path = format!("/{}*?flat_settings=true&expand_wildcards=all", names.prefix);
    let indices = http.get(&path).await?.success()?;
    for (index, state) in indices.as_object().into_iter().flatten() {
        for (setting, value) in state["settings"].as_object().into_iter().flatten() {
            let block = setting.starts_with("index.blocks.") && value == "true";
            let ours = value.as_str().is_some_and(|value| value.contains(&names.migration));
            let pipeline = setting.ends_with("_pipeline") && ours;
            if block || pipeline {
                left.push(format!("{index} has {setting} = {value}"));
            }
        }
        for (alias, _) in state["aliases"].as_object().into_iter().flatten() {
            if alias.starts_with("segue-") {
                left.push(format!("{index} has the alias {alias}"));
            }
        }
    }
    left.extend(pipelines(http, names).await?.into_iter().map(|name| format!("pipeline {name}")));
    Ok(left)
}

/// Everything about a run that is worth keeping when it failed: indices and journal.
pub(crate) async fn evidence(http: &Http, names: &Names) -> Value {
    let ask = async |method: Method, path: String, body: Value| -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let patience = std::time::Duration::from_secs(20);
        match http.send(method, &path, "application/json", body, patience).await {
            Ok(answer) => answer.json().unwrap_or(Value::Null),
            Err(failure) => json!(failure.to_string()),
        }
    };
    let prefix = &names.prefix;
    let indices = format!("/{prefix}*?flat_settings=true&expand_wildcards=all");
    let kept = format!("/segue-before-{prefix}*?flat_settings=true&expand_wildcards=all");
    let own = json!({
        "size": 2_000, "query": { "term": { "migration": names.migration } },
        "sort": [{ "stream": "asc" }, { "number": "asc" }]
    });
    json!({
        "indices": ask(Method::GET, indices, Value::Null).await,
        "kept": ask(Method::GET, kept, Value::Null).await,
        "journal": ask(Method::POST, "/segue-journal/_search".to_owned(), own).await["hits"]["hits"],
    })
}
