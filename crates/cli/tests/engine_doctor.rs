//! What the doctor says of sound migrations, and of contradictions made by hand.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Recipe, make_index, state};
use segue_testkit::Engine;
use serde_json::{Value, json};

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
cutover: { mode: block, start: manual }
";

/// The names of the findings, with their next steps.
fn findings(recipe: &Recipe, code: i32) -> Vec<(String, Value)> {
    let said = recipe.command("doctor", &["--json"]).run().expect(code).last_json_line();
    let parts = said["parts"].as_array().unwrap().clone();
    let of = |part: &Value| part["findings"].as_array().unwrap().clone();
    let all = parts.iter().flat_map(of);
    all.map(|f| (f["name"].as_str().unwrap().to_owned(), f["next"].clone())).collect()
}

#[test]
fn what_is_sound_is_clean_and_each_contradiction_is_named() {
    let engine = Engine::get();
    let prefix = engine.prefix("doctor");
    let (name, target) = (prefix.name("day-1"), prefix.name("day-1-v2"));
    make_index(&engine, &name, 1, 50);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    assert_eq!(findings(&recipe, 0), [], "nothing has begun");
    recipe.run(0);
    assert_eq!(findings(&recipe, 0), [], "ready");

    let settings = |index: &str, settings: &Value| {
        engine.json.put(&format!("/{index}/_settings"), settings);
    };
    settings(&name, &json!({ "index.blocks.write": true }));
    let before = state(&engine, prefix.as_str());
    let found = findings(&recipe, 3);
    assert_eq!(found[0].0, "blocked");
    assert_eq!(found[0].1, json!({ "step": "unblock", "index": name }));
    assert_eq!(state(&engine, prefix.as_str()), before, "it changed something");
    let text = recipe.command("doctor", &[]).run().expect(3).stdout;
    assert!(text.contains("HARM blocked") && text.contains("next: PUT /"), "{text}");
    settings(&name, &json!({ "index.blocks.write": null }));

    let alias = format!("segue-close-{name}-1");
    engine.json.put(&format!("/{name}/_alias/{alias}"), &json!({}));
    assert_eq!(findings(&recipe, 3)[0].0, "mark_left");
    engine.json.delete(&format!("/{name}/_alias/{alias}"));

    recipe.command("cutover", &["--yes"]).run().expect(0);
    assert_eq!(findings(&recipe, 0), [], "finished");
    engine.json.delete(&format!("/segue-before-{name}"));
    assert_eq!(findings(&recipe, 3)[0].0, "kept_missing");
    let also = prefix.name("other");
    make_index(&engine, &also, 1, 1);
    engine.json.put(&format!("/{also}/_alias/{name}"), &json!({}));
    assert!(findings(&recipe, 3).iter().any(|(finding, _)| finding == "name_on_several"));
    engine.json.delete(&format!("/{also}"));
    engine.json.delete(&format!("/{target}"));
    let found: Vec<_> = findings(&recipe, 3).into_iter().map(|(finding, _)| finding).collect();
    for expected in ["target_missing", "name_not_on_target"] {
        assert!(found.iter().any(|finding| finding == expected), "{found:?}");
    }
}
