//! An engine that dies under a run: the run ends with an error and goes no further, and a run after
//! the engine is back ends right. It has an engine of its own to kill.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
mod own;

use common::{Recipe, assert_nothing_left, assert_switched, assert_untouched, make_index};
use own::Own;
use segue_testkit::{Engine, Method, content};
use serde_json::json;

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
cutover: { mode: block }
limits: { batch_docs: 100, docs_per_second: 3000, retries: 1, retry_delay: 100ms, health_wait: 2s }
";

const DOCUMENTS: usize = 3000;

/// Whether the journal of a run has this event.
fn reached(engine: &Engine, migration: &str, event: &str) -> bool {
    let query = json!({ "query": { "bool": { "filter": [
        { "term": { "migration": migration } }, { "term": { "kind": event } }
    ]}}});
    // Before the journal is made, and while its shard starts, there is no answer.
    engine.json.call(Method::POST, "/segue-journal/_refresh", None);
    let (_, found) = engine.json.call(Method::POST, "/segue-journal/_search", Some(&query));
    found["hits"]["total"]["value"].as_u64().unwrap_or(0) > 0
}

#[test]
fn a_run_whose_engine_dies_goes_no_further_and_the_next_one_ends_right() {
    let mut own = Own::start("exit", 1);
    for event in ["epoch_opened", "backfilled", "cutover_started"] {
        let engine = Engine::at(&own.running.url);
        let prefix = engine.prefix(&event.replace('_', "-"));
        let (name, target) = (prefix.name("day-1"), prefix.name("day-1-v2"));
        make_index(&engine, &name, 2, DOCUMENTS);
        let before = content(&engine, &name);
        let recipe = Recipe::new(&engine, &prefix, RECIPE);
        let mut run = recipe.command("run", &["--yes"]).start();
        let migration = prefix.as_str().trim_end_matches('-').to_owned();
        run.until(|| reached(&engine, &migration, event));
        own.running.kill_node(1).unwrap();
        let ended = run.end();
        assert!(matches!(ended.code, Some(1 | 5)), "{event}: {:?}\n{}", ended.code, ended.stderr);
        assert!(ended.stdout.contains("SEG-"), "{event}: {}", ended.stdout);

        own.back(1);
        let engine = Engine::at(&own.running.url);
        if event != "cutover_started" {
            assert_untouched(&engine, &name);
        }
        recipe.run(0);
        assert_switched(&engine, &name, &target);
        assert!(content(&engine, &name) == before, "{event}: the content differs");
        assert_nothing_left(&engine, prefix.as_str());
    }
}
