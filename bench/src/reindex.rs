//! The engine's own copy.

use std::time::Duration;

use anyhow::ensure;
use segue_testkit::Engine;
use serde_json::{Value, json};

/// How the target of a copy is set.
#[derive(Clone, Copy)]
pub enum Target {
    /// As users make it: nothing said but the shards.
    Default,
    /// As segue relaxes its own.
    Relaxed,
}

/// How long `_reindex` of the events takes, in seconds, as the engine says it.
pub fn time(engine: &Engine, slices: &str, target: Target) -> anyhow::Result<f64> {
    let name = "bench-reindexed";
    let mut settings = json!({ "index.number_of_shards": 2, "index.number_of_replicas": 0 });
    if let Target::Relaxed = target {
        settings["index.refresh_interval"] = json!("-1");
        settings["index.translog.flush_threshold_size"] = json!("1gb");
    }
    let mappings = engine.json.get("/bench-events/_mapping")["bench-events"]["mappings"].clone();
    engine.json.put(&format!("/{name}"), &json!({ "settings": settings, "mappings": mappings }));
    let body = json!({ "source": { "index": "bench-events" }, "dest": { "index": name } });
    let path = format!("/_reindex?wait_for_completion=false&slices={slices}");
    let task = engine.json.post(&path, &body);
    let task = task["task"].as_str().unwrap_or_default().to_owned();
    let seconds = loop {
        std::thread::sleep(Duration::from_millis(50));
        let state: Value = engine.json.get(&format!("/_tasks/{task}"));
        if state["completed"] == true {
            ensure!(state["response"]["failures"] == json!([]), "_reindex failed: {state}");
            break state["task"]["running_time_in_nanos"].as_f64().unwrap_or(0.0) / 1e9;
        }
    };
    engine.json.delete(&format!("/{name}"));
    Ok(seconds)
}
