//! Where a migration stands, as the status tells it.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use common::{Recipe, make_index, state};
use segue_testkit::Engine;
use serde_json::{Value, json};

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source:
  index: 'PREFIX{kind}-{n}'
  match: { kind: 'view|load', n: '\d' }
  done_if_mapped: [new]
target: { index: '{source}-v2' }
cutover: { mode: block }
limits: { batch_docs: 100 }
";

#[test]
fn parts_stand_where_they_are_and_what_is_left_is_counted() {
    let engine = Engine::get();
    let prefix = engine.prefix("status");
    for name in ["view-1", "view-2", "view-3", "load-1"] {
        make_index(&engine, &prefix.name(name), 2, 500);
    }
    let done = json!({ "mappings": { "properties": { "new": { "type": "long" } } } });
    engine.json.put(&format!("/{}", prefix.name("view-4")), &done);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    let status = || recipe.command("status", &["--json"]).run().expect(0).last_json_line();
    let text = || recipe.command("status", &[]).run().expect(0).stdout;
    assert!(text().contains("nothing has begun"), "{}", text());
    assert_eq!(status()["not_begun"].as_array().unwrap().len(), 4);

    recipe.run_with(&["--only", "n=1"], 0);
    recipe.run_with(&["--only", "n=2", "--max-batches", "2"], 5);
    engine
        .json
        .put(&format!("/{}/_doc/later?refresh=true", prefix.name("view-2")), &json!({ "v": 1 }));
    let before = state(&engine, prefix.as_str());
    let now = status();
    assert_eq!(state(&engine, prefix.as_str()), before, "the status changed something");
    let part = |ending: &str| -> Value {
        let parts = now["parts"].as_array().unwrap();
        let found = parts.iter().find(|part| part["source"].as_str().unwrap().ends_with(ending));
        found.unwrap_or_else(|| panic!("{ending}: {now}")).clone()
    };
    let of_switched = json!({ "source": 500, "target": 500, "remaining": null });
    for ending in ["view-1", "load-1"] {
        assert_eq!(part(ending)["stage"], "completed", "{now}");
        assert_eq!(part(ending)["documents"], of_switched, "{now}");
    }
    let stopped = part("view-2");
    assert_eq!(stopped["stage"], "under_way", "{now}");
    assert_eq!(stopped["documents"]["source"], 501, "{now}");
    let read = stopped["balance"]["read"].as_u64().unwrap();
    assert_eq!(stopped["documents"]["remaining"], 501 - read, "{now}");
    assert!(read > 0 && read < 500, "{now}");
    let left = now["not_begun"].as_array().unwrap();
    assert_eq!((left.len(), &left[0]["documents"]), (1, &json!(500)), "{now}");
    assert_eq!(left[0]["captures"], json!({ "kind": "view", "n": "3" }));
    assert!(now["as_wanted"][0]["source"].as_str().unwrap().ends_with("view-4"), "{now}");
    assert_eq!(now["totals"]["all"]["parts"], 3, "{now}");
    assert_eq!(now["totals"]["by_capture"]["kind"]["view"]["source"], 1001, "{now}");
    assert_eq!(now["health"]["is_healthy"], true, "{now}");
    let shown = text();
    for words in [
        "2 completed, 1 under way, 1 not begun",
        "kind view: 2 parts: 1001 documents",
        "under way; goes on with `segue run ",
        "500 documents in the source, 500 in the target",
        "already in the new shape",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}
