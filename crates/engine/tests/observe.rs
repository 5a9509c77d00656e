//! Observing a real engine, and planning what was seen.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use segue_cluster::{Cluster, ClusterConfig, Request};
use segue_engine::observe::observe;
use segue_model::id::{AliasName, IndexName};
use segue_model::observe::Observation;
use segue_model::plan::Plan;
use segue_model::recipe::Recipe;
use serde_json::json;

fn cluster() -> Cluster {
    let Ok(url) = std::env::var("SEGUE_CLUSTER") else {
        panic!("SEGUE_CLUSTER is not set: this test needs a running engine");
    };
    Cluster::new(&ClusterConfig::new(&url)).unwrap()
}

fn recipe(prefix: &str) -> Recipe {
    let text = format!(
        "segue: 1
name: observed
cluster: {{ url: 'http://localhost:9200' }}
source:
  index: '{prefix}-{{kind}}-{{month}}'
  match: {{ kind: 'view', month: '\\d{{4}}-\\d{{2}}' }}
target: {{ index: '{{source}}-v2' }}
pipeline:
  - lookup: {{ index: {prefix}-people, key: who, match: id, as: person, as_of: start, on_missing: keep }}
  - copy: {{ name: person.name }}
cutover: {{ mode: block, alias: '{prefix}-{{kind}}', after_switch: target_accepts_both }}
"
    );
    Recipe::parse(&text, "r.yaml", &BTreeMap::new(), &|_| None).unwrap()
}

async fn look(cluster: &Cluster, recipe: &Recipe) -> Observation {
    observe(cluster, recipe, Path::new("."), BTreeMap::new()).await.unwrap()
}

async fn make(cluster: &Cluster, prefix: &str) {
    let one_shard = json!({ "number_of_shards": 2, "number_of_replicas": 0 });
    let fields = json!({ "properties": { "who": { "type": "keyword" } } });
    for month in ["2026-01", "2026-02"] {
        let body = json!({
            "settings": one_shard,
            "mappings": fields,
            "aliases": { format!("{prefix}-view"): { "routing": "r" } },
        });
        let index = format!("{prefix}-view-{month}");
        cluster.create_index(&index, &body).await.unwrap();
        let document = Request::put(format!("/{index}/_doc/1?refresh=true"));
        cluster.send(document.json(&json!({ "who": "a" }))).await.unwrap();
    }
    let people = json!({
        "settings": one_shard,
        "mappings": { "properties": { "id": { "type": "keyword" } } },
        "aliases": { format!("{prefix}-people"): {} },
    });
    let index = format!("{prefix}-people-000001");
    cluster.create_index(&index, &people).await.unwrap();
    let document = Request::put(format!("/{index}/_doc/1?refresh=true"));
    cluster.send(document.json(&json!({ "id": "a", "name": "A" }))).await.unwrap();
    // Patterns that begin with a star could meet those of another test: each has its own priority.
    let priority = prefix.bytes().fold(0u32, |sum, byte| (sum * 31 + u32::from(byte)) % 1_000_003);
    let template =
        json!({ "index_patterns": [format!("*before-{prefix}*")], "priority": priority });
    let request = Request::put(format!("/_index_template/{prefix}")).json(&template);
    cluster.send(request).await.unwrap();
}

async fn clean(cluster: &Cluster, prefix: &str) {
    for index in cluster.indices(&format!("*{prefix}*")).await.unwrap() {
        cluster.delete_index(&index.name).await.unwrap();
    }
    let request = Request::delete(format!("/_index_template/{prefix}")).allow(404);
    cluster.send(request).await.unwrap();
}

async fn what_is_there_is_seen_and_planned(cluster: Cluster, prefix: String) {
    make(&cluster, &prefix).await;
    let recipe = recipe(&prefix);
    let seen = look(&cluster, &recipe).await;
    assert_eq!(seen.gaps, []);
    assert_eq!(seen.candidates.len(), 2);
    let copies = seen.candidates[0].copies.unwrap();
    assert_eq!((copies.primaries, copies.started, copies.max_seq_no), (2, 2, 0));
    assert!(seen.nodes.iter().any(|node| node.data && node.disk_available > 0));
    assert!(seen.names.contains(&IndexName::new(format!("{prefix}-people-000001"))));
    assert!(seen.others.contains_key(&IndexName::new(format!("{prefix}-people-000001"))));
    assert!(seen.index_templates.iter().any(|template| template.name == prefix));

    let plan = Plan::make(&recipe, &seen);
    let codes: Vec<_> = plan.notes.iter().map(|note| note.code).collect();
    assert_eq!(codes, ["SEG-P136", "SEG-P136"], "{plan}");
    assert_eq!(plan.lookups[0].docs, Some(1));
    let moved = &plan.parts[0].aliases[0];
    assert_eq!(moved.alias, AliasName::new(format!("{prefix}-view")));
    assert_eq!(moved.props.index_routing.as_deref(), Some("r"));
    assert!(moved.spanning && moved.on_source);

    // What the plan says can be made; after that its place is taken, and said so.
    let part = &plan.parts[0];
    let body =
        json!({ "settings": part.target_body.settings, "mappings": part.target_body.mappings });
    cluster.create_index(part.target.as_str(), &body).await.unwrap();
    cluster
        .block_writes(plan.parts[1].source.as_str(), std::time::Duration::from_secs(30))
        .await
        .unwrap();
    let again = Plan::make(&recipe, &look(&cluster, &recipe).await);
    let errors: Vec<_> = again.errors().map(|note| note.code).collect();
    assert_eq!(errors, ["SEG-P110", "SEG-P109"], "{again}");
}

async fn nothing_near_is_an_answer(cluster: Cluster, prefix: String) {
    make(&cluster, &prefix).await;
    let recipe = recipe(&prefix.replace("observe", "obsreve"));
    let plan = Plan::make(&recipe, &look(&cluster, &recipe).await);
    let note = plan.errors().find(|note| note.code == "SEG-P121").unwrap();
    assert!(note.hint.contains(&prefix), "{note}");
}

/// Runs the test and cleans up after it, also when it fails.
async fn scratch<F>(name: &str, test: impl FnOnce(Cluster, String) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let (cluster, prefix) = (cluster(), format!("t-{name}-{nanos:x}"));
    let outcome = tokio::spawn(test(cluster.clone(), prefix.clone())).await;
    clean(&cluster, &prefix).await;
    if let Err(failure) = outcome {
        std::panic::resume_unwind(failure.into_panic());
    }
}

#[tokio::test]
async fn observing_and_planning() {
    scratch("observe", what_is_there_is_seen_and_planned).await;
}

#[tokio::test]
async fn observing_nothing() {
    scratch("observe-near", nothing_near_is_an_answer).await;
}
