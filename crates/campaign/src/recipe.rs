//! The names of a run, its indices' bodies and the text of its recipe.

use serde_json::{Value, json};

use crate::oracle::{Pipeline, ROWS, publisher};
use crate::scenario::{Mode, OldName, Scenario};

/// What stands between the id of a document and the part that one was made of.
pub(crate) const MADE: char = '+';

/// Names of a run, all with its prefix.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub prefix: String,
    /// The migration's.
    pub migration: String,
    /// The old index.
    pub source: String,
    pub target: String,
    /// What the application writes and reads by.
    pub name: String,
    /// A second alias, for reading.
    pub read_alias: Option<String>,
    /// What the lookup reads.
    pub rows: String,
}

impl Names {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        // The process keeps two campaigns on one cluster apart.
        let migration = format!("camp-{}-{:x}", std::process::id(), scenario.seed);
        let prefix = format!("{migration}-");
        let source = format!("{prefix}docs-1");
        let name = match scenario.old_name {
            OldName::Concrete => source.clone(),
            OldName::Alias | OldName::WriteAlias => format!("{prefix}app"),
        };
        Self {
            target: format!("{source}-v2"),
            read_alias: scenario.read_alias.then(|| format!("{prefix}read")),
            rows: format!("{prefix}rows"),
            prefix,
            migration,
            source,
            name,
        }
    }
}

/// The recipe.
pub(crate) fn text(scenario: &Scenario, names: &Names) -> String {
    let Names { prefix, migration, rows, .. } = names;
    let mut steps = Vec::new();
    if scenario.pipeline.enriches() {
        steps
            .push(json!({ "lookup": { "index": rows, "key": "ref", "match": "id", "as": "row" } }));
        steps.push(json!({ "copy": { "publisher": "row.publisher" } }));
    }
    if scenario.pipeline.filters() {
        let drop = json!({ "field": "robot", "equals": true });
        steps.push(json!({ "filter": { "drop_if": drop, "reason": "robots" } }));
    }
    if scenario.pipeline.sets() {
        steps.push(json!({ "set": { "schema": 2 } }));
    }
    let fans_out = scenario.pipeline == Pipeline::FanOut;
    if fans_out {
        steps.push(json!({ "explode": { "field": "parts", "as": "part" } }));
        steps.push(json!({ "id": format!("{{_id}}{MADE}{{part}}") }));
    }
    let mut target = json!({ "index": "{source}-v2" });
    if let Some(shards) = scenario.target_shards {
        target["settings"] = json!({ "number_of_shards": shards });
    }
    if scenario.workload.versioned {
        target["versions"] = json!("preserve");
    }
    let mut cutover = json!({
        "mode": scenario.mode.word(), "max_pause": "20s",
        "after_switch": if fans_out { "writers_send_new_shape" } else { "target_accepts_both" }
    });
    if scenario.mode == Mode::Redirect {
        cutover["writers"] = json!("index_only");
    }
    let recipe = json!({
        "segue": 1,
        "name": migration,
        "cluster": { "url": "${SEGUE_CLUSTER}" },
        "source": { "index": format!("{prefix}docs-{{n}}"), "match": { "n": "\\d+" } },
        "target": target,
        "pipeline": steps,
        "cutover": cutover,
        "limits": {
            "batch_docs": scenario.batch_docs, "lanes": scenario.lanes, "retries": 3,
            "retry_delay": "200ms", "health_wait": "40s",
            "max_memory_percent": 100, "heap_percent": 100, "disk_percent": 99
        }
    });
    // JSON is YAML.
    format!("{recipe:#}\n")
}

/// A recipe that only tells whether segue knows the mode `redirect`.
pub(crate) fn probe() -> &'static str {
    "segue: 1\nname: probe\ncluster: { url: 'http://127.0.0.1:1' }\nsource: { index: probe }\n\
     target: { index: probe-v2 }\ncutover: { mode: redirect, writers: index_only }\n"
}

/// The old index.
pub(crate) fn source(scenario: &Scenario, names: &Names) -> Value {
    let mut aliases = json!({});
    match scenario.old_name {
        OldName::Concrete => {}
        OldName::Alias => aliases[&names.name] = json!({}),
        OldName::WriteAlias => aliases[&names.name] = json!({ "is_write_index": true }),
    }
    if let Some(alias) = &names.read_alias {
        aliases[alias] = json!({});
    }
    json!({
        "settings": {
            "number_of_shards": scenario.shards,
            "number_of_replicas": scenario.replicas,
            "refresh_interval": scenario.refresh_interval
        },
        "mappings": { "properties": {
            "n": { "type": "long" }, "ref": { "type": "keyword" }, "robot": { "type": "boolean" },
            "text": { "type": "text" }, "unnamed": { "type": "long" }
        } },
        "aliases": aliases
    })
}

/// The rows of the lookup, as the body of a bulk request.
pub(crate) fn rows() -> String {
    (0..ROWS).fold(String::new(), |lines, row| {
        let id = format!("k{row}");
        let action = json!({ "index": { "_id": id } });
        let body = json!({ "id": id, "publisher": publisher(row) });
        format!("{lines}{action}\n{body}\n")
    })
}

/// The index of the rows.
pub(crate) fn rows_index(scenario: &Scenario) -> Value {
    json!({
        "settings": { "number_of_shards": 1, "number_of_replicas": scenario.replicas },
        "mappings": { "properties": {
            "id": { "type": "keyword" }, "publisher": { "type": "keyword" }
        } }
    })
}
