//! The indices of a run: made before it, removed after it.

use anyhow::{Context, ensure};
use segue_demo::http::Http;
use serde_json::{Value, json};

use crate::recipe::{self, Names};
use crate::scenario::Scenario;

/// Where segue keeps what it knows of a migration.
const RECORDS: [&str; 4] =
    ["segue-journal", "segue-checkpoints", "segue-dead-letters", "segue-redirects"];

/// Makes the old index with its names, and the rows that the lookup reads.
pub(crate) async fn make(http: &Http, scenario: &Scenario, names: &Names) -> anyhow::Result<()> {
    create(http, &names.source, &recipe::source(scenario, names)).await?;
    create(http, &names.rows, &recipe::rows_index(scenario)).await?;
    let path = format!("/{}/_bulk?refresh=true", names.rows);
    let answer = http.bulk(&path, recipe::rows()).await?.success()?;
    ensure!(answer["errors"] == false, "the rows were not taken: {answer}");
    Ok(())
}

async fn create(http: &Http, index: &str, body: &Value) -> anyhow::Result<()> {
    // Only a whole index is one in which every write can be acknowledged.
    let path = format!("/{index}?wait_for_active_shards=all&timeout=60s");
    let answer = http.put(&path, body).await?.success();
    answer.with_context(|| format!("cannot make {index}"))?;
    Ok(())
}

/// Removes everything of a run: its indices, kept copies, pipelines, and segue's records of it.
pub(crate) async fn remove(http: &Http, names: &Names) -> anyhow::Result<()> {
    for pipeline in pipelines(http, names).await? {
        http.delete(&format!("/_ingest/pipeline/{pipeline}"), None).await?;
    }
    segue_demo::install::remove(http, &names.prefix).await?;
    let own = json!({ "query": { "term": { "migration": names.migration } } });
    for index in RECORDS {
        let path = format!("/{index}/_delete_by_query?refresh=true&conflicts=proceed");
        let answer = http.post(&path, &own).await?;
        ensure!(answer.is_ok() || answer.status == 404, "cannot empty {index}: {answer:?}");
    }
    Ok(())
}

/// The ingest pipelines that belong to a run.
pub(crate) async fn pipelines(http: &Http, names: &Names) -> anyhow::Result<Vec<String>> {
    let answer = http.get("/_ingest/pipeline").await?;
    let all = if answer.status == 404 { json!({}) } else { answer.success()? };
    let all = all.as_object().into_iter().flatten();
    Ok(all.map(|(name, _)| name).filter(|name| name.contains(&names.migration)).cloned().collect())
}
