//! A plan with an error is refused, by `plan` and by `run` alike, and nothing is touched.

mod application;
mod common;

use common::{Recipe, make_index, part, state};
use segue_testkit::{Engine, Prefix};
use serde_json::json;

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
pipeline: []
cutover: { mode: block, after_switch: target_accepts_both }
";

/// Two days are there; `spoil` makes what the plan must refuse with `code`.
fn refused(test: &str, code: &str, spoil: fn(&Engine, &Prefix, &Recipe)) {
    let engine = Engine::get();
    let prefix = engine.prefix(test);
    for n in [1, 2] {
        make_index(&engine, &prefix.name(&format!("day-{n}")), 1, 10);
    }
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    recipe.command("plan", &[]).run().expect(0);
    spoil(&engine, &prefix, &recipe);

    let before = state(&engine, prefix.as_str());
    let plan = recipe.command("plan", &[]).run().expect(3);
    assert!(plan.stdout.contains(code), "plan does not say {code}:\n{}", plan.stdout);
    for verb in ["run", "verify", "cutover"] {
        let ended = recipe.command(verb, &["--yes"]).run().expect(3);
        assert!(ended.stderr.contains(code), "{verb} does not say {code}:\n{}", ended.stderr);
    }
    assert_eq!(state(&engine, prefix.as_str()), before, "{code}: something was changed");
    let status = recipe.command("status", &["--json"]).run().expect(0).last_json_line();
    assert_eq!(status["parts"], json!([]), "{code}: something was begun");
}

#[test]
fn a_closed_source() {
    refused("closed", "SEG-P104", |engine, prefix, _| {
        engine.json.post(&format!("/{}/_close", prefix.name("day-1")), &json!({}));
    });
}

#[test]
fn a_target_that_somebody_else_made() {
    refused("foreign", "SEG-P110", |engine, prefix, _| {
        make_index(engine, &prefix.name("day-1-v2"), 1, 3);
    });
}

#[test]
fn a_target_whose_name_is_an_alias() {
    refused("alias", "SEG-P111", |engine, prefix, _| {
        let path = format!("/{}/_alias/{}", prefix.name("day-2"), prefix.name("day-1-v2"));
        engine.json.put(&path, &json!({}));
    });
}

#[test]
fn two_sources_with_one_target() {
    refused("both", "SEG-P112", |_, prefix, recipe| {
        recipe.change("'{source}-v2'", &format!("'{}'", prefix.name("all-days")));
    });
}

#[test]
fn a_target_with_fewer_replicas() {
    refused("replicas", "SEG-P113", |engine, prefix, recipe| {
        let more = json!({ "index.number_of_replicas": 1 });
        engine.json.put(&format!("/{}/_settings", prefix.name("day-1")), &more);
        recipe.change("{source}-v2'", "{source}-v2', settings: { number_of_replicas: 0 }");
    });
}

#[test]
fn a_lookup_in_an_index_that_is_not_there() {
    refused("lookup", "SEG-P122", |_, prefix, recipe| {
        let records = prefix.name("records");
        let lookup = format!("[{{ lookup: {{ index: '{records}', key: v, match: id, as: r }} }}]");
        recipe.change("pipeline: []", &format!("pipeline: {lookup}"));
    });
}

#[test]
fn a_source_without_its_documents() {
    refused("sourceless", "SEG-P106", |engine, prefix, _| {
        let body = json!({
            "settings": { "number_of_replicas": 0 }, "mappings": { "_source": { "enabled": false } }
        });
        engine.json.put(&format!("/{}", prefix.name("day-3")), &body);
    });
}

#[test]
fn a_pattern_that_matches_nothing() {
    refused("nothing", "SEG-P121", |_, _, recipe| recipe.change(r"'\d+'", "'[a-z]+'"));
}

/// A vector and a suggester that only the old index maps.
#[test]
fn fields_that_only_the_old_index_maps_are_told_before_anything_is_switched() {
    let engine = Engine::get();
    let prefix = engine.prefix("lostfields");
    let name = prefix.name("day-1");
    let suggest = json!({ "suggest": { "type": "completion" } });
    let body = json!({ "settings": { "number_of_replicas": 0 }, "mappings": { "properties": {
        "v": { "type": "long" },
        "embedding": { "type": "float" },
        "title": { "type": "text", "fields": suggest }
    }}});
    engine.json.put(&format!("/{name}"), &body);
    engine.json.write(&name, &[("a", r#"{"v":1,"embedding":[0.5,1.5],"title":"one"}"#)]);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    let noted = |dynamic: serde_json::Value| {
        let mapped = json!({ "v": { "type": "long" }, "title": { "type": "text" } });
        let template = json!({ "mappings": { "dynamic": dynamic, "properties": mapped } });
        recipe.add_file("template.json", &template);
        recipe.command("plan", &[]).run().expect(0).stdout
    };
    recipe.change("{source}-v2'", "{source}-v2', template: template.json");
    let kept = noted(json!(false));
    assert!(kept.contains("SEG-P143"), "{kept}");
    assert!(kept.contains("embedding, title.suggest"), "{kept}");
    assert!(noted(json!(true)).contains("embedding, title.suggest"));
    // Where the target is strict, documents that have them would even be refused.
    let strict = noted(json!("strict"));
    assert!(strict.contains("SEG-P133") && strict.contains("embedding"), "{strict}");
    let ended = recipe.command("run", &["--yes"]).run().expect(3);
    assert!(ended.stdout.contains("dead letter"), "{}", ended.stdout);
    assert_eq!(engine.json.get(&format!("/{name}"))[&name]["aliases"], json!({}));
}

const PAUSE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
cutover: { mode: block, max_pause: 30s }
";

#[test]
fn the_plan_predicts_for_how_long_writes_are_refused_and_warns() {
    let engine = Engine::get();
    let prefix = engine.prefix("pause");
    let name = prefix.name("day-1");
    make_index(&engine, &name, 2, 500);
    let recipe = Recipe::new(&engine, &prefix, PAUSE);
    let planned = |code| recipe.command("plan", &["--json"]).run().expect(code).json();
    let still = planned(0);
    let pause = &part(&still, "day-1")["pause"];
    let basis = &pause["basis"];
    assert_eq!((&basis["documents"], &basis["shards"]), (&json!(500), &json!(2)), "{pause}");
    assert_eq!(basis["writes_per_second"], 0, "{pause}");
    assert!(pause["refused_ms"].as_u64().unwrap() >= 100, "{pause}");
    let text = recipe.command("plan", &[]).run().expect(0).stdout;
    assert!(text.contains("of refused writes: block ") && text.contains("500 documents"), "{text}");
    assert!(!text.contains("SEG-P144"), "{text}");

    // Somebody writes meanwhile.
    let writer = application::Writer::start(&engine, &name, 1, application::Habits::IndexesOnly);
    writer.work(20);
    let busy = planned(0);
    let basis = &part(&busy, "day-1")["pause"]["basis"];
    assert!(basis["writes_per_second"].as_u64().unwrap() > 0, "{busy}");
    writer.stop();

    recipe.change("max_pause: 30s", "max_pause: 50ms");
    let short = recipe.command("plan", &[]).run().expect(0).stdout;
    assert!(short.contains("warning[SEG-P144]") && short.contains("is 50 ms"), "{short}");
    recipe.change("mode: block, max_pause: 50ms", "mode: redirect, writers: index_only");
    let redirected = planned(0);
    let pause = &part(&redirected, "day-1")["pause"];
    assert_eq!(pause["refused_ms"], 0, "{pause}");
    assert!(pause["redirected_ms"].as_u64().unwrap() > 0, "{pause}");
    let text = recipe.command("plan", &[]).run().expect(0).stdout;
    assert!(text.contains("0 refused writes") && text.contains("updates, deletes"), "{text}");

    // What is switched has no pause any more.
    recipe.run(0);
    let done = planned(0);
    assert_eq!(part(&done, "day-1")["pause"], json!(null), "{done}");
}
