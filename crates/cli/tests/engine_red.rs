//! A cluster in bad health. Alone in its file: what it does to the cluster would hold up others.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Recipe, assert_switched, assert_untouched, make_index};
use segue_testkit::Engine;
use serde_json::json;

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
cutover: { mode: block }
limits: { health_wait: 3s }
";

#[test]
fn while_a_primary_is_missing_nothing_is_made_and_afterwards_it_goes_on() {
    let engine = Engine::get();
    let prefix = engine.prefix("red");
    make_index(&engine, &prefix.name("day-1"), 1, 20);
    let lost = prefix.name("lost");
    // No node has such an attribute: the primary cannot be placed.
    let unplaceable = json!({ "settings": {
        "number_of_replicas": 0, "index.routing.allocation.require.nowhere": "x"
    }});
    engine.json.put(&format!("/{lost}?wait_for_active_shards=0&timeout=1s"), &unplaceable);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    let ended = recipe.command("run", &["--yes"]).run().expect(5);
    assert!(ended.stderr.contains("cluster status red"), "{}", ended.stderr);
    assert_untouched(&engine, &prefix.name("day-1"));
    let aliases = engine.json.get("/_cat/indices?format=json&expand_wildcards=all&h=index");
    assert!(!aliases.to_string().contains(&prefix.name("day-1-v2")), "a target was made");

    engine.json.delete(&format!("/{lost}"));
    recipe.run(0);
    assert_switched(&engine, &prefix.name("day-1"), &prefix.name("day-1-v2"));
}
