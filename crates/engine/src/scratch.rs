//! Scratch indices: made to try what a target takes, and removed at once, or by the next trial on this machine
//! where the process died.

use segue_cluster::{Class, Cluster};
use segue_model::id::MigrationName;
use segue_model::plan::PlannedPart;
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Doing, Error, chain};
use crate::process;

/// A name with which no application's pattern begins.
const SCRATCH: &str = "segue-probe-";

/// Settings that say nothing about which documents are taken, or would get in the way.
const LEFT_OUT: [&str; 13] = [
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
    // Copies that there are none of would be waited for.
    "index.write.wait_for_active_shards",
];

/// The name of a scratch index or pipeline of this process; `what` tells several apart.
pub(crate) fn name(migration: &MigrationName, what: &str) -> String {
    let of = format!("{migration}{what}");
    format!("{SCRATCH}{:016x}-{}", xxh3_64(of.as_bytes()), process::label())
}

/// The target as it is planned, on one shard, without copies and pipelines.
pub(crate) fn body(part: &PlannedPart) -> Value {
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

/// Removes a scratch index, made or not.
///
/// # Errors
/// It could not be removed.
pub(crate) async fn remove(cluster: &Cluster, name: &str) -> Result<(), Error> {
    match cluster.delete_index(name).await {
        Err(error) if error.class() == Class::NotFound => Ok(()),
        answer => answer.doing(|| format!("removing the scratch index {name}")),
    }
}

/// Removes what trials of processes left that died at it. Those of other machines are theirs to remove.
pub(crate) async fn sweep(cluster: &Cluster) {
    if let Err(error) = try_to_sweep(cluster).await {
        let error = chain(&error);
        tracing::warn!(error, "what an earlier trial may have left could not be looked for");
    }
}

async fn try_to_sweep(cluster: &Cluster) -> Result<(), Error> {
    let is_orphan = |name: &String| {
        let label = name.strip_prefix(SCRATCH).and_then(|rest| rest.split_once('-'));
        label.is_some_and(|(_, label)| process::is_orphan(label))
    };
    let looking = || "looking for scratch indices".to_owned();
    let indices = cluster.indices(&format!("{SCRATCH}*")).await.doing(looking)?;
    for name in indices.into_iter().map(|index| index.name).filter(is_orphan) {
        cluster.delete_index(&name).await.doing(|| format!("removing {name}"))?;
    }
    let pipelines = cluster.pipelines(SCRATCH).await;
    let pipelines = pipelines.doing(|| "looking for scratch pipelines".to_owned())?;
    for name in pipelines.into_iter().filter(is_orphan) {
        cluster.delete_pipeline(&name).await.doing(|| format!("removing the pipeline {name}"))?;
    }
    Ok(())
}
