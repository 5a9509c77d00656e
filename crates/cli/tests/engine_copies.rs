//! Indices with copies on several nodes: what is compared, and what the death of a node does.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
mod own;

use std::time::Duration;

use common::{Recipe, assert_nothing_left, assert_switched, assert_untouched, part};
use own::Own;
use segue_testkit::{Engine, Method, Prefix, content};
use serde_json::{Value, json};

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
cutover: { mode: block, start: manual }
limits: { batch_docs: 100 }
";

const DOCUMENTS: usize = 3000;

/// An index with a copy of each shard and with nested documents, which the engine counts as documents of
/// their own.
fn make_nested(engine: &Engine, name: &str) {
    let body = json!({
        "settings": { "number_of_shards": 2, "number_of_replicas": 1 },
        "mappings": { "properties": {
            "v": { "type": "long" },
            "lines": { "type": "nested", "properties": { "n": { "type": "long" } } }
        }}
    });
    engine.json.put(&format!("/{name}"), &body);
    let documents: Vec<_> = (0..DOCUMENTS)
        .map(|n| {
            let lines: Vec<_> = (0..n % 4).map(|line| json!({ "n": line })).collect();
            (format!("d{n}"), json!({ "v": n, "lines": lines }).to_string())
        })
        .collect();
    let pairs: Vec<_> = documents.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
    engine.json.write(name, &pairs);
}

fn write_at(engine: &Engine, target: &str, id: &str, version: u64, body: &Value) {
    let how = format!("version={version}&version_type=external_gte&refresh=true");
    engine.json.put(&format!("/{target}/_doc/{id}?{how}"), body);
}

/// One missing, one too many and one different are each named, and nothing is switched.
fn differences_are_named(engine: &Engine, prefix: &Prefix) {
    let (name, target) = (prefix.name("day-1"), prefix.name("day-1-v2"));
    make_nested(engine, &name);
    let recipe = Recipe::new(engine, prefix, RECIPE);
    let report = recipe.run(0);
    assert_eq!(part(&report, "day-1")["balance"]["written"], DOCUMENTS);
    let version = |id: &str| engine.json.get(&format!("/{target}/_doc/{id}"))["_version"].as_u64();
    write_at(engine, &target, "d7", version("d7").unwrap(), &json!({ "v": -1 }));
    engine.json.delete(&format!("/{target}/_doc/d8?refresh=true"));
    engine.json.put(&format!("/{target}/_doc/stranger?refresh=true"), &json!({ "v": 1 }));
    let ended = recipe.command("cutover", &["--yes", "--json"]).run().expect(4);
    let message = part(&ended.last_json_line(), "day-1")["error"]["message"].to_string();
    for named in ["1 different", "1 missing", "1 foreign", "d7", "d8", "stranger"] {
        assert!(message.contains(named), "{named}: {message}");
    }
    assert_untouched(engine, &name);
}

/// A node dies in the middle of the copy and comes back: copies of the source's shards take over, a shard
/// of the target that had none is waited for, and everything is carried.
fn a_node_dies(own: &mut Own, engine: &Engine, prefix: &Prefix) {
    let (name, target) = (prefix.name("day-1"), prefix.name("day-1-v2"));
    make_nested(engine, &name);
    let expected = content(engine, &name);
    let recipe = Recipe::new(engine, prefix, RECIPE);
    recipe.change("batch_docs: 100", "batch_docs: 100, docs_per_second: 500, health_wait: 60s");
    recipe.change("start: manual", "start: auto");
    let mut run = recipe.command("run", &["--yes", "--json"]).start();
    run.until(|| {
        let path = format!("/{target}/_stats/indexing");
        let (_, stats) = engine.json.call(Method::GET, &path, None);
        stats["_all"]["primaries"]["indexing"]["index_total"].as_u64().unwrap_or(0) > 500
    });
    own.running.kill_node(2).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    own.back(2);
    let during = run.end();
    eprintln!("with a node dying the run ended with {:?}", during.code);
    recipe.run(0);
    assert_switched(engine, &name, &target);
    assert!(content(engine, &name) == expected, "the content differs");
    assert_nothing_left(engine, prefix.as_str());
}

#[test]
fn with_copies_on_three_nodes() {
    let mut own = Own::start("copies", 3);
    let engine = Engine::at(&own.running.url);
    differences_are_named(&engine, &engine.prefix("count"));
    a_node_dies(&mut own, &engine, &engine.prefix("dies"));
}
