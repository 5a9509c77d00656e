//! What makes a plan's warnings better: names, shards, templates, policies, nodes and jobs. None of it
//! is needed to plan, so what can't be seen is a gap that the plan tells of.

use std::collections::BTreeMap;

use segue_cluster::{Class, Cluster, Distribution, Error, Request, path};
use segue_model::id::IndexName;
use segue_model::observe::{Copies, Gap, IndexTemplate, Node, Observation, RunningJob};
use serde::Deserialize;
use serde_json::Value;

/// Many indices make long answers.
const LISTING: usize = 1 << 28;

/// Looks at all of it at once.
pub(super) async fn look(
    cluster: &Cluster,
    distribution: Distribution,
    wildcard: &str,
    seen: &mut Observation,
) {
    let (names, shards, composable, legacy, policies, nodes, jobs, marks) = tokio::join!(
        names(cluster),
        shards(cluster, wildcard),
        composable_templates(cluster),
        legacy_templates(cluster),
        policies(cluster, distribution, wildcard),
        cluster.node_pressure(),
        cluster.write_tasks(),
        cluster.disk_watermarks(),
    );
    if let Some(resolved) = or_gap(names, "the names of all indices", seen) {
        seen.names = resolved.indices.into_iter().map(|entry| IndexName::new(entry.name)).collect();
        seen.data_streams = resolved.data_streams.into_iter().map(|entry| entry.name).collect();
    }
    let mut shards = or_gap(shards, "the shards of the sources", seen).unwrap_or_default();
    let known = !shards.is_empty();
    for index in seen.candidates.iter_mut().filter(|index| known && index.open) {
        index.copies = Some(shards.remove(index.name.as_str()).unwrap_or(NO_SHARDS));
    }
    for templates in [composable, legacy] {
        let templates = or_gap(templates, "index templates", seen).unwrap_or_default();
        seen.index_templates.extend(templates);
    }
    seen.policies = or_gap(policies, "lifecycle policies", seen).unwrap_or_default();
    let nodes = or_gap(nodes, "the nodes", seen).unwrap_or_default();
    // Without them all that is free counts.
    let marks = marks.inspect_err(|error| tracing::debug!(%error, "no watermarks were seen")).ok();
    seen.nodes = nodes
        .into_iter()
        .map(|node| Node {
            name: node.name,
            ingest: node.ingest,
            data: node.data,
            disk_available: node.disk_available,
            disk_below_high: marks
                .map(|marks| marks.high.room(node.disk_total, node.disk_available)),
        })
        .collect();
    let tasks = or_gap(jobs, "running jobs", seen).unwrap_or_default();
    seen.jobs = tasks
        .into_iter()
        .filter(|task| task.parent_task_id.is_none())
        .filter(|task| task.action.ends_with("/byquery") || task.action.ends_with("/reindex"))
        .map(|task| RunningJob {
            action: task.action,
            description: task.description.unwrap_or_default(),
        })
        .collect();
}

/// An index none of whose shards answered.
const NO_SHARDS: Copies = Copies { primaries: 0, started: 0, max_seq_no: -1 };

/// An answer; where there is none, a gap. What the product does not have at all is none either, and
/// no gap.
pub(super) fn or_gap<T>(answer: Result<T, Error>, what: &str, seen: &mut Observation) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(error) if matches!(error.class(), Class::Refused | Class::NotFound) => {
            tracing::debug!(%error, what, "not looked at: the cluster has no such thing");
            None
        }
        Err(error) => {
            let why = crate::error::chain(&error);
            seen.gaps.push(Gap::Unseen { what: what.to_owned(), why });
            None
        }
    }
}

#[derive(Deserialize)]
struct Resolved {
    #[serde(default)]
    indices: Vec<Named>,
    #[serde(default)]
    data_streams: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn names(cluster: &Cluster) -> Result<Resolved, Error> {
    let request = Request::get("/_resolve/index/*").query("expand_wildcards", "all");
    cluster.json(request.max_response(LISTING)).await
}

#[derive(Default, Deserialize)]
struct Stats {
    #[serde(default)]
    indices: BTreeMap<String, OfIndex>,
}

#[derive(Deserialize)]
struct OfIndex {
    #[serde(default)]
    shards: BTreeMap<u32, Vec<Copy>>,
}

#[derive(Deserialize)]
struct Copy {
    routing: Routing,
    #[serde(default)]
    seq_no: Option<SeqNo>,
}

#[derive(Deserialize)]
struct Routing {
    primary: bool,
    #[serde(default)]
    state: String,
}

#[derive(Deserialize)]
struct SeqNo {
    max_seq_no: i64,
}

impl Stats {
    fn copies(self) -> BTreeMap<String, Copies> {
        self.indices.into_iter().map(|(name, index)| (name, index.copies())).collect()
    }
}

impl OfIndex {
    fn copies(self) -> Copies {
        let mut copies = NO_SHARDS;
        let serving = |copy: &Copy| matches!(copy.routing.state.as_str(), "STARTED" | "RELOCATING");
        for copy in self.shards.into_values().flatten().filter(serving) {
            copies.started += 1;
            copies.primaries += u32::from(copy.routing.primary);
            let number = copy.seq_no.map_or(-1, |seq_no| seq_no.max_seq_no);
            copies.max_seq_no = copies.max_seq_no.max(number);
        }
        copies
    }
}

async fn shards(cluster: &Cluster, wildcard: &str) -> Result<BTreeMap<String, Copies>, Error> {
    let request = Request::get(path(&[wildcard, "_stats", "docs"]))
        .query("level", "shards")
        .query("expand_wildcards", "all")
        .query("ignore_unavailable", "true")
        .query("forbid_closed_indices", "false")
        .query(
            "filter_path",
            "indices.*.shards.*.routing.primary,indices.*.shards.*.routing.state,\
             indices.*.shards.*.seq_no.max_seq_no",
        );
    let stats: Stats = cluster.json(request.max_response(LISTING)).await?;
    Ok(stats.copies())
}

#[derive(Deserialize)]
struct Composable {
    #[serde(default)]
    index_templates: Vec<ComposableEntry>,
}

#[derive(Deserialize)]
struct ComposableEntry {
    name: String,
    index_template: Patterns,
}

#[derive(Deserialize)]
struct Patterns {
    #[serde(default)]
    index_patterns: Value,
}

impl Patterns {
    fn named(self, name: String) -> IndexTemplate {
        let patterns = match self.index_patterns {
            Value::String(pattern) => vec![pattern],
            Value::Array(patterns) => {
                patterns.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        IndexTemplate { name, patterns }
    }
}

async fn composable_templates(cluster: &Cluster) -> Result<Vec<IndexTemplate>, Error> {
    let request = Request::get("/_index_template")
        .query("filter_path", "index_templates.name,index_templates.index_template.index_patterns");
    let answer: Composable = cluster.json(request).await?;
    Ok(answer.index_templates.into_iter().map(|t| t.index_template.named(t.name)).collect())
}

async fn legacy_templates(cluster: &Cluster) -> Result<Vec<IndexTemplate>, Error> {
    let request = Request::get("/_template").query("filter_path", "*.index_patterns");
    let answer: BTreeMap<String, Patterns> = cluster.json(request).await?;
    Ok(answer.into_iter().map(|(name, patterns)| patterns.named(name)).collect())
}

/// The policies that OpenSearch's index management attached; the indices' settings don't say so any
/// more. Elasticsearch has them in the settings.
async fn policies(
    cluster: &Cluster,
    distribution: Distribution,
    wildcard: &str,
) -> Result<BTreeMap<IndexName, String>, Error> {
    if distribution == Distribution::Elasticsearch {
        return Ok(BTreeMap::new());
    }
    let request = Request::get(path(&["_plugins", "_ism", "explain", wildcard]));
    let answer: BTreeMap<String, Value> = cluster.json(request).await?;
    Ok(attached(answer))
}

fn attached(explained: BTreeMap<String, Value>) -> BTreeMap<IndexName, String> {
    const NAMES: [&str; 3] = [
        "index.plugins.index_state_management.policy_id",
        "index.opendistro.index_state_management.policy_id",
        "policy_id",
    ];
    let policy =
        |index: &Value| NAMES.iter().find_map(|name| index[name].as_str()).map(str::to_owned);
    explained
        .into_iter()
        .filter_map(|(name, index)| Some((IndexName::new(name), policy(&index)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_counted_where_they_serve() {
        let stats: Stats = serde_json::from_str(
            r#"{"indices":{"a":{"shards":{
                "0":[{"routing":{"state":"STARTED","primary":true},"seq_no":{"max_seq_no":7}},
                     {"routing":{"state":"STARTED","primary":false},"seq_no":{"max_seq_no":6}}],
                "1":[{"routing":{"state":"INITIALIZING","primary":true}}]}}}}"#,
        )
        .unwrap();
        assert_eq!(stats.copies()["a"], Copies { primaries: 1, started: 2, max_seq_no: 7 });
    }

    #[test]
    fn attached_policies_are_read() {
        let answer = serde_json::from_str(
            r#"{"a":{"index.plugins.index_state_management.policy_id":"hot","policy_id":"hot"},
                "b":{"index.plugins.index_state_management.policy_id":null,"enabled":null},
                "total_managed_indices":1}"#,
        )
        .unwrap();
        let attached = attached(answer);
        assert_eq!(attached.len(), 1);
        assert_eq!(attached[&IndexName::new("a")], "hot");
    }
}
