//! Trying what a redirect rests on: that the cluster takes the pipeline, and that a target takes
//! documents as its source has them, as the application's writes reach it without the part's pipeline.
//!
//! The latter is tried on a scratch index with the target's mapping, which is removed at once, and by the
//! next trial on this machine where the process died. What a mapping takes cannot be read off it: dynamic
//! templates, date formats and limits all have their say.

use std::collections::BTreeMap;

use bytes::Bytes;
use segue_cluster::{BulkAnswer, BulkBody, Cluster, ItemOutcome};
use segue_model::lint::Note;
use segue_model::plan::{Plan, PlannedPart};
use segue_model::recipe::{CutoverMode, Recipe};
use serde_json::{Value, json};

use crate::cutover::redirect;
use crate::error::{Doing, Error, chain};
use crate::scratch;

/// Documents of each source that are tried, the newest.
const DOCUMENTS: usize = 100;

/// Where the recipe redirects writes: adds a note for each part whose target does not take its source's
/// documents, or one if the cluster lets nothing be redirected.
pub(crate) async fn probe(cluster: &Cluster, recipe: &Recipe, plan: &mut Plan) {
    if recipe.cutover.mode != CutoverMode::Redirect || plan.errors().next().is_some() {
        return;
    }
    // Parts whose targets are alike share a scratch index.
    let mut alike: BTreeMap<String, Vec<&PlannedPart>> = BTreeMap::new();
    for part in plan.active().filter(|part| part.shards > 0) {
        let body = scratch::body(part);
        alike.entry(body.to_string()).or_default().push(part);
    }
    if alike.is_empty() {
        return;
    }
    let migration = plan.migration.clone();
    let own = |text: &str| scratch::name(&migration, text);
    scratch::sweep(cluster).await;
    if let Err(error) = try_cluster(cluster, &own("")).await {
        let what = format!("writes can't be redirected here: {}", chain(&error));
        let hint = "give the user the privilege, or use cutover.mode: block";
        return plan.notes.push(Note::whole("SEG-P128", what, hint));
    }
    let mut notes = Vec::new();
    for (body, parts) in alike {
        let name = own(&body);
        let body = serde_json::from_str(&body).unwrap_or(Value::Null);
        let made = cluster.create_index(&name, &body).await;
        for part in &parts {
            let tried = match &made {
                Ok(()) => try_part(cluster, &name, part).await,
                Err(error) => Ok(Some(format!("it could not be tried: {}", chain(error)))),
            };
            let problem = tried
                .unwrap_or_else(|error| Some(format!("it could not be tried: {}", chain(&error))));
            if let Some(what) = problem {
                let hint = "widen the target's mapping, or use cutover.mode: block";
                notes.push(Note::error("SEG-P129", part.source.as_str(), what, hint));
            }
        }
        if let Err(error) = cluster.delete_index(&name).await {
            let error = chain(&error);
            tracing::warn!(index = name, error, "the scratch index could not be removed");
        }
    }
    plan.notes.extend(notes);
}

/// Whether the user may do what a redirect needs of the cluster, and the cluster takes the pipeline.
async fn try_cluster(cluster: &Cluster, scratch: &str) -> Result<(), Error> {
    cluster.write_tasks().await.doing(|| "listing the writes under way".to_owned())?;
    let doing = || format!("making and removing the pipeline {scratch}");
    cluster.put_pipeline(scratch, &redirect::specimen()).await.doing(doing)?;
    cluster.delete_pipeline(scratch).await.doing(doing)
}

/// Why the target would not take documents of the source; none if it takes all that are tried.
async fn try_part(
    cluster: &Cluster,
    scratch: &str,
    part: &PlannedPart,
) -> Result<Option<String>, Error> {
    let source = part.source.as_str();
    let query = json!({ "size": DOCUMENTS, "sort": [{ "_seq_no": "desc" }], "_source": true });
    let reading = || format!("reading documents of {source}");
    let page = cluster.search(source, &query).await.doing(reading)?;
    let mut body = BulkBody::default();
    for (number, hit) in page.hits.iter().enumerate() {
        let Some(document) = &hit.source else { continue };
        body.begin_create(&format!("{source} {number}"), hit.routing.as_deref());
        body.end_with(document.get().as_bytes());
    }
    let (bytes, items): (Bytes, usize) = body.take();
    if items == 0 {
        return Ok(None);
    }
    let trying = || format!("trying documents of {source} in {scratch}");
    let answer = cluster.bulk_to_index(scratch, bytes, items).await.doing(trying)?;
    let BulkAnswer::Mixed(outcomes) = answer else { return Ok(None) };
    let refused: Vec<_> = outcomes
        .into_iter()
        .filter_map(|outcome| match outcome {
            ItemOutcome::Rejected { kind, reason, .. } => Some(format!("{kind}: {reason}")),
            _ => None,
        })
        .collect();
    let first = refused.first().map(|first| {
        let count = refused.len();
        format!("the target refuses {count} of {items} documents as the source has them: {first}")
    });
    Ok(first)
}
