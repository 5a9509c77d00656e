//! What must not be switched is not, and the old index goes on serving.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Recipe, assert_switched, assert_untouched, make_index, part, state};
use segue_testkit::Engine;
use serde_json::json;

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2', template: target.json }
cutover: { mode: block }
";

const PLAIN: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
cutover: { mode: block, start: manual }
";

#[test]
fn one_unacceptable_document_is_named_and_refuses_the_switch_of_its_part_alone() {
    let engine = Engine::get();
    let prefix = engine.prefix("poison");
    make_index(&engine, &prefix.name("day-1"), 1, 2000);
    make_index(&engine, &prefix.name("day-2"), 1, 50);
    engine.json.write(&prefix.name("day-1"), &[("poison", r#"{"v":1,"unknown":"field"}"#)]);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    recipe.add_file(
        "target.json",
        &json!({
            "settings": { "number_of_replicas": 0 },
            "mappings": { "dynamic": "strict", "properties": {
                "v": { "type": "long" }, "t": { "type": "text" }
            }}
        }),
    );
    let report = recipe.run(3);
    let bad = part(&report, "day-1");
    assert_eq!(bad["balance"]["read"], 2001);
    assert_eq!(bad["balance"]["written"], 2000);
    assert_eq!(bad["balance"]["dead_lettered"]["strict_dynamic_mapping_exception"], 1);
    let letter = &bad["dead_letters"][0];
    assert_eq!(letter["document"], "poison");
    assert!(letter["reason"].as_str().unwrap().contains("unknown"), "{letter}");
    assert!(bad["error"]["message"].as_str().unwrap().contains("dead_letters"), "{bad}");
    assert_untouched(&engine, &prefix.name("day-1"));
    assert_eq!(engine.json.count(&prefix.name("day-1")), 2001);
    assert_switched(&engine, &prefix.name("day-2"), &prefix.name("day-2-v2"));
    assert_eq!(report["totals"]["balanced"], true);
}

#[test]
fn a_machine_without_memory_to_spare_stops_before_anything_is_made() {
    let engine = Engine::get();
    let prefix = engine.prefix("memory");
    make_index(&engine, &prefix.name("day-1"), 1, 10);
    let recipe = Recipe::new(&engine, &prefix, PLAIN);
    recipe.change("manual }", "auto }\nlimits: { max_memory_percent: 1, health_wait: 2s }");
    let before = state(&engine, prefix.as_str());
    let ended = recipe.command("run", &["--yes", "--json"]).run().expect(5);
    assert!(ended.stderr.contains("max_memory_percent"), "{}", ended.stderr);
    assert_eq!(state(&engine, prefix.as_str()), before, "something was made or changed");
    recipe.change("max_memory_percent: 1,", "max_memory_percent: 100,");
    recipe.run(0);
    assert_switched(&engine, &prefix.name("day-1"), &prefix.name("day-1-v2"));
}

#[test]
fn a_source_already_in_the_new_shape_is_recognised_as_done() {
    let engine = Engine::get();
    let prefix = engine.prefix("shape");
    make_index(&engine, &prefix.name("day-1"), 1, 10);
    make_index(&engine, &prefix.name("day-2"), 1, 10);
    let mapping = json!({ "properties": { "schema": { "type": "integer" } } });
    engine.json.put(&format!("/{}/_mapping", prefix.name("day-2")), &mapping);
    let recipe = Recipe::new(&engine, &prefix, PLAIN);
    recipe.change(r"'\d+' } }", r"'\d+' }, done_if_mapped: [schema] }");
    recipe.change("start: manual", "start: auto");
    let report = recipe.run(0);
    let done = part(&report, "day-2");
    assert!(done["outcome"].as_str().unwrap().contains("already in the new shape"), "{done}");
    assert_untouched(&engine, &prefix.name("day-2"));
    assert_switched(&engine, &prefix.name("day-1"), &prefix.name("day-1-v2"));
}

/// The negative control of verification: each kind of damage in the target is named.
#[test]
fn a_damaged_a_missing_and_an_extra_document_are_named() {
    let engine = Engine::get();
    let prefix = engine.prefix("damage");
    let target = prefix.name("day-1-v2");
    make_index(&engine, &prefix.name("day-1"), 2, 500);
    let recipe = Recipe::new(&engine, &prefix, PLAIN);
    recipe.run(0);
    recipe.command("verify", &["--yes"]).run().expect(0);

    let document = engine.json.get(&format!("/{target}/_doc/d7"));
    let version = document["_version"].as_u64().unwrap();
    let by_force = |id: &str, version: u64, body: &serde_json::Value| {
        engine.json.put(
            &format!(
                "/{target}/_doc/{id}?version={version}&version_type=external_gte&refresh=true"
            ),
            body,
        );
    };
    by_force("d7", version, &json!({ "v": -1 }));
    engine.json.delete(&format!("/{target}/_doc/d8?refresh=true"));
    engine.json.put(&format!("/{target}/_doc/stranger?refresh=true"), &json!({ "v": 1 }));

    let report = recipe.command("verify", &["--yes", "--json"]).run().expect(4).last_json_line();
    let message = part(&report, "day-1")["error"]["message"].as_str().unwrap().to_owned();
    for class in ["1 different", "1 missing", "1 foreign"] {
        assert!(message.contains(class), "{class}: {message}");
    }
    for id in ["d7", "d8", "stranger"] {
        assert!(message.contains(id), "{id}: {message}");
    }
    recipe.command("cutover", &["--yes"]).run().expect(4);
    assert_untouched(&engine, &prefix.name("day-1"));
}

/// A target that somebody emptied between verification and cutover is not switched to.
#[test]
fn a_target_that_was_emptied_is_not_switched_to() {
    let engine = Engine::get();
    let prefix = engine.prefix("emptied");
    let target = prefix.name("day-1-v2");
    make_index(&engine, &prefix.name("day-1"), 1, 100);
    let recipe = Recipe::new(&engine, &prefix, PLAIN);
    recipe.run(0);
    let all = json!({ "query": { "match_all": {} } });
    engine.json.post(&format!("/{target}/_delete_by_query?refresh=true"), &all);
    assert_eq!(engine.json.count(&target), 0);
    let ended = recipe.command("cutover", &["--yes", "--json"]).run().expect(4);
    assert!(ended.stdout.contains("100 missing"), "{}", ended.stdout);
    assert_untouched(&engine, &prefix.name("day-1"));
    assert_eq!(engine.json.count(&prefix.name("day-1")), 100);
}

/// An index without documents has nothing to lose: it is switched, and the report says 0.
#[test]
fn a_source_without_documents_is_switched() {
    let engine = Engine::get();
    let prefix = engine.prefix("empty");
    make_index(&engine, &prefix.name("day-1"), 1, 0);
    let recipe = Recipe::new(&engine, &prefix, PLAIN);
    recipe.change("start: manual", "start: auto");
    let report = recipe.run(0);
    assert_eq!(report["totals"]["read"], 0);
    assert_eq!(report["totals"]["balanced"], true);
    assert_switched(&engine, &prefix.name("day-1"), &prefix.name("day-1-v2"));
}
