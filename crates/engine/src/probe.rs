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
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::cutover::redirect;
use crate::error::{Doing, Error, chain};
use crate::process;

/// Documents of each source that are tried, the newest.
const DOCUMENTS: usize = 100;
/// A name with which no application's pattern begins.
const PROBE: &str = "segue-probe-";

/// Settings that say nothing about which documents are taken, or would get in the way.
const LEFT_OUT: [&str; 12] = [
    "index.number_of_shards",
    "index.number_of_replicas",
    "index.number_of_routing_shards",
    "index.routing_partition_size",
    "index.routing",
    "index.auto_expand_replicas",
    "index.default_pipeline",
    "index.final_pipeline",
    "index.hidden",
    "index.blocks",
    "index.lifecycle",
    "index.search.default_pipeline",
];

/// Where the recipe redirects writes: adds a note for each part whose target does not take its source's
/// documents, or one if the cluster lets nothing be redirected.
pub(crate) async fn probe(cluster: &Cluster, recipe: &Recipe, plan: &mut Plan) {
    if recipe.cutover.mode != CutoverMode::Redirect || plan.errors().next().is_some() {
        return;
    }
    // Parts whose targets are alike share a scratch index.
    let mut alike: BTreeMap<String, Vec<&PlannedPart>> = BTreeMap::new();
    for part in plan.active().filter(|part| part.shards > 0) {
        let body = body(part);
        alike.entry(body.to_string()).or_default().push(part);
    }
    if alike.is_empty() {
        return;
    }
    let own = |text: &str| {
        let of = format!("{}{text}", plan.migration);
        format!("{PROBE}{:016x}-{}", xxh3_64(of.as_bytes()), process::label())
    };
    if let Err(error) = sweep(cluster).await {
        let error = chain(&error);
        tracing::warn!(error, "what an earlier trial may have left could not be looked for");
    }
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

/// Removes what trials of processes left that died at it. Those of other machines are theirs to remove.
async fn sweep(cluster: &Cluster) -> Result<(), Error> {
    let is_orphan = |name: &String| {
        let label = name.strip_prefix(PROBE).and_then(|rest| rest.split_once('-'));
        label.is_some_and(|(_, label)| process::is_orphan(label))
    };
    let looking = || "looking for scratch indices".to_owned();
    let indices = cluster.indices(&format!("{PROBE}*")).await.doing(looking)?;
    for name in indices.into_iter().map(|index| index.name).filter(is_orphan) {
        cluster.delete_index(&name).await.doing(|| format!("removing {name}"))?;
    }
    let pipelines = cluster.pipelines(PROBE).await;
    let pipelines = pipelines.doing(|| "looking for scratch pipelines".to_owned())?;
    for name in pipelines.into_iter().filter(is_orphan) {
        cluster.delete_pipeline(&name).await.doing(|| format!("removing the pipeline {name}"))?;
    }
    Ok(())
}

/// Whether the user may do what a redirect needs of the cluster, and the cluster takes the pipeline.
async fn try_cluster(cluster: &Cluster, scratch: &str) -> Result<(), Error> {
    cluster.write_tasks().await.doing(|| "listing the writes under way".to_owned())?;
    let doing = || format!("making and removing the pipeline {scratch}");
    cluster.put_pipeline(scratch, &redirect::specimen()).await.doing(doing)?;
    cluster.delete_pipeline(scratch).await.doing(doing)
}

fn body(part: &PlannedPart) -> Value {
    let is_left_out = |name: &str| {
        LEFT_OUT.iter().any(|out| {
            name.strip_prefix(out).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    let mut settings: Map<String, Value> = part
        .target_body
        .settings
        .iter()
        .filter(|(name, _)| !is_left_out(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, value) in [
        ("index.number_of_shards", json!(1)),
        ("index.number_of_replicas", json!(0)),
        ("index.hidden", json!(true)),
        ("index.default_pipeline", json!("_none")),
        ("index.final_pipeline", json!("_none")),
    ] {
        settings.insert(name.to_owned(), value);
    }
    json!({ "settings": settings, "mappings": part.target_body.mappings })
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
