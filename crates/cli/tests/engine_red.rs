//! A cluster in bad health. Alone in its file: what it does to the cluster would hold up others.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Recipe, assert_switched, make_index, state};
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
    let before = state(&engine, prefix.as_str());
    let ended = recipe.command("run", &["--yes"]).run().expect(5);
    assert!(ended.stderr.contains("cluster status red"), "{}", ended.stderr);
    assert_eq!(state(&engine, prefix.as_str()), before, "something was made or changed");

    engine.json.delete(&format!("/{lost}"));
    recipe.run(0);
    assert_switched(&engine, &prefix.name("day-1"), &prefix.name("day-1-v2"));
}
