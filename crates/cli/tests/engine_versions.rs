//! Who gives documents their versions, who writes to a target, and when the source is closed: what a
//! recipe must say, and what the plan finds out by itself.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Recipe, assert_switched, assert_untouched, make_index, part, state};
use segue_testkit::{Engine, Method, Prefix};
use serde_json::{Value, json};

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
cutover: { mode: block }
";

/// The plan and the run refuse with `code`, and nothing is changed.
fn refused(engine: &Engine, prefix: &Prefix, recipe: &Recipe, code: &str) -> String {
    engine.json.post(&format!("/{}*/_refresh", prefix.as_str()), &json!({}));
    let before = state(engine, prefix.as_str());
    let plan = recipe.command("plan", &[]).run().expect(3);
    assert!(plan.stdout.contains(code), "the plan does not say {code}:\n{}", plan.stdout);
    let ended = recipe.command("run", &["--yes"]).run().expect(3);
    assert!(ended.stderr.contains(code), "the run does not say {code}:\n{}", ended.stderr);
    assert_eq!(state(engine, prefix.as_str()), before, "{code}: something was changed");
    plan.stdout
}

/// The plan has no word about versions.
fn explained(engine: &Engine, prefix: &Prefix, recipe: &Recipe) {
    engine.json.post(&format!("/{}*/_refresh", prefix.as_str()), &json!({}));
    let plan = recipe.command("plan", &[]).run().expect(0);
    for code in ["SEG-P161", "SEG-P142", "SEG-P134"] {
        assert!(!plan.stdout.contains(code), "{code}:\n{}", plan.stdout);
    }
}

fn write_as(engine: &Engine, index: &str, id: &str, version: u64) -> (u16, Value) {
    let path = format!("/{index}/_doc/{id}?version={version}&version_type=external");
    engine.json.call(Method::PUT, &path, Some(&json!({ "v": version })))
}

/// The reason is shown as well: vouched for, the application's next version is refused after the switch.
/// Preserved, it is taken (`engine_preserve`).
#[test]
fn versions_that_the_application_gives_are_found_and_would_be_refused_after_the_switch() {
    let engine = Engine::get();
    let prefix = engine.prefix("times");
    let (name, target) = (prefix.name("day-1"), prefix.name("day-1-v2"));
    make_index(&engine, &name, 3, 0);
    let time = 1_763_000_000_000_u64;
    for n in 0..30 {
        assert_eq!(write_as(&engine, &name, &format!("d{n}"), time + n).0, 201);
    }
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    let told = refused(&engine, &prefix, &recipe, "SEG-P161");
    assert!(told.contains("version 1763000000"), "{told}");
    for way in ["target.versions: preserve", "target.versions: segue"] {
        assert!(told.contains(way), "{told}");
    }
    recipe.change("target: {", "target: { versions: segue,");
    let plan = recipe.command("plan", &[]).run().expect(0);
    assert!(plan.stdout.contains("warning[SEG-P142]"), "{}", plan.stdout);
    recipe.run(0);
    assert_switched(&engine, &name, &target);
    assert_eq!(engine.json.count(&name), 30);
    assert_eq!(write_as(&engine, &name, "d7", time + 1000).0, 409);
}

/// Revisions of records are small numbers. An index that was filled with them anew had fewer operations
/// than the documents have versions.
#[test]
fn small_revisions_are_found_by_their_sum() {
    let engine = Engine::get();
    let prefix = engine.prefix("revisions");
    let name = prefix.name("day-1");
    make_index(&engine, &name, 1, 300);
    for n in 0..40 {
        write_as(&engine, &name, &format!("r{n}"), 20 + n);
    }
    // Each of them alone could have been written that often.
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    let told = refused(&engine, &prefix, &recipe, "SEG-P161");
    assert!(told.contains("documents with versions of"), "{told}");
}

/// One document among many, in none of the places that the plan looks at, is found when it is copied; one
/// that comes later, by the next plan.
#[test]
fn a_version_that_the_plan_did_not_look_at_stops_the_copy() {
    let engine = Engine::get();
    let prefix = engine.prefix("hidden");
    let (name, target) = (prefix.name("day-1"), prefix.name("day-1-v2"));
    make_index(&engine, &name, 1, 300);
    assert_eq!(write_as(&engine, &name, "given", 5_000).0, 201);
    let ids: Vec<_> = (0..1700).map(|n| format!("e{n}")).collect();
    let documents: Vec<_> = ids.iter().map(|id| (id.as_str(), r#"{"v":1}"#)).collect();
    engine.json.write(&name, &documents);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    recipe.change("mode: block", "mode: block, start: manual");
    explained(&engine, &prefix, &recipe);
    let report = recipe.run(3);
    let error = &part(&report, "day-1")["error"];
    assert_eq!(error["code"], "SEG-E213");
    assert!(error["message"].as_str().unwrap().contains("\"given\" with version 5000"), "{error}");
    assert_untouched(&engine, &name);

    // It goes, and the run goes on; another comes before the cutover.
    engine.json.delete(&format!("/{name}/_doc/given"));
    recipe.run(0);
    assert_eq!(write_as(&engine, &name, "late", 1_763_000_000_000).0, 201);
    let ended = recipe.command("cutover", &["--yes"]).run().expect(3);
    assert!(ended.stderr.contains("version 1763000000000"), "{}", ended.stderr);
    assert_untouched(&engine, &name);
    recipe.change("target: {", "target: { versions: segue,");
    recipe.command("cutover", &["--yes"]).run().expect(0);
    assert_switched(&engine, &name, &target);
    assert_eq!(engine.json.count(&name), 2001);
}

#[test]
fn versions_that_the_engine_counted_are_no_matter_of_note() {
    let engine = Engine::get();
    let prefix = engine.prefix("counted");
    let name = prefix.name("day-1");
    make_index(&engine, &name, 2, 500);
    for n in 0..200 {
        engine.json.put(&format!("/{name}/_doc/hot"), &json!({ "v": n }));
    }
    for n in 0..20 {
        engine.json.delete(&format!("/{name}/_doc/d{n}"));
        engine.json.put(&format!("/{name}/_doc/d{n}"), &json!({ "v": n }));
    }
    // A single document that was written many times.
    let alone = prefix.name("day-2");
    make_index(&engine, &alone, 1, 0);
    for n in 0..50 {
        engine.json.put(&format!("/{alone}/_doc/only"), &json!({ "v": n }));
    }
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    explained(&engine, &prefix, &recipe);

    // Numbers of four shards side by side in one.
    let (wide, narrow) = (prefix.name("wide"), prefix.name("day-3"));
    make_index(&engine, &wide, 4, 400);
    engine.json.put(&format!("/{wide}/_settings"), &json!({ "index.blocks.write": true }));
    let one = json!({ "settings": {
        "index.number_of_shards": 1, "index.number_of_replicas": 0, "index.blocks.write": null
    }});
    engine.json.post(&format!("/{wide}/_shrink/{narrow}"), &one);
    let health = format!("/_cluster/health/{narrow}?wait_for_status=green&timeout=60s");
    assert_eq!(engine.json.get(&health)["timed_out"], false);
    explained(&engine, &prefix, &recipe);
}

/// What segue wrote has versions that no update explains; it is a source like any other for the next
/// recipe.
#[test]
fn a_target_of_an_earlier_migration_can_be_migrated_again() {
    let engine = Engine::get();
    let prefix = engine.prefix("again");
    let (name, target) = (prefix.name("day-1"), prefix.name("day-1-v2"));
    make_index(&engine, &name, 2, 100);
    Recipe::new(&engine, &prefix, RECIPE).run(0);
    engine.json.put(&format!("/{name}/_doc/d7?refresh=true"), &json!({ "v": 70 }));
    let again = Recipe::new(&engine, &prefix, RECIPE);
    again.change("name: ", "name: second-");
    again.change(r"day-{n}', match: { n: '\d+' }", "day-1-v2'");
    again.change("'{source}-v2'", &format!("'{}'", prefix.name("day-1-v3")));
    explained(&engine, &prefix, &again);

    // Its mark gone, a document that was updated often since might have anybody's version.
    let mapping = engine.json.get(&format!("/{target}/_mapping"))[&target]["mappings"].clone();
    let marked = json!({ "_meta": mapping["_meta"] });
    engine.json.put(&format!("/{target}/_mapping"), &json!({ "_meta": {} }));
    explained(&engine, &prefix, &again);
    for n in 0..70 {
        engine.json.put(&format!("/{name}/_doc/d7"), &json!({ "v": n }));
    }
    refused(&engine, &prefix, &again, "SEG-P161");
    engine.json.put(&format!("/{target}/_mapping"), &marked);
    again.run(0);
    assert_switched(&engine, &target, &prefix.name("day-1-v3"));
    assert_eq!(engine.json.count(&prefix.name("day-1-v3")), 100);
}

/// The kept copy that serves again holds what was fed back under segue's versions, and has not its mark.
#[test]
fn an_index_that_was_rolled_back_can_be_migrated_again() {
    let engine = Engine::get();
    let prefix = engine.prefix("back");
    let (name, third) = (prefix.name("day-1"), prefix.name("day-1-v3"));
    make_index(&engine, &name, 2, 100);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    recipe.change("mode: block", "mode: block, reverse_for: 1h");
    recipe.run(0);
    for n in 0..20 {
        engine.json.put(&format!("/{name}/_doc/d{n}?refresh=true"), &json!({ "v": -n }));
    }
    recipe.command("rollback", &["--yes"]).run().expect(0);
    let version = engine.json.get(&format!("/{name}/_doc/d3"))["_version"].as_u64().unwrap();
    assert!(version > 1 << 59, "d3 was not fed back: version {version}");
    engine.json.put(&format!("/{name}/_doc/d3?refresh=true"), &json!({ "v": 33 }));
    let again = Recipe::new(&engine, &prefix, RECIPE);
    again.change("name: ", "name: second-");
    again.change("'{source}-v2'", &format!("'{third}'"));
    let source = format!("'{}day-{{n}}', match: {{ n: '\\d+' }}", prefix.as_str());
    again.change(&source, &format!("'segue-before-{name}'"));
    explained(&engine, &prefix, &again);
    again.run(0);
    assert_switched(&engine, &name, &third);
    assert_eq!(engine.json.get(&format!("/{name}/_doc/d3"))["_source"]["v"], 33);
}

#[test]
fn several_sources_into_one_target_are_refused_also_one_by_one() {
    let engine = Engine::get();
    let prefix = engine.prefix("shared");
    for n in [1, 2] {
        make_index(&engine, &prefix.name(&format!("day-{n}")), 1, 10);
    }
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    recipe.change("'{source}-v2'", &format!("'{}'", prefix.name("all")));
    let told = refused(&engine, &prefix, &recipe, "SEG-P112");
    assert!(told.contains("2 sources have the target"), "{told}");
    let one = recipe.command("run", &["--yes", "--only", "n=1"]).run().expect(3);
    assert!(one.stderr.contains("SEG-P112"), "{}", one.stderr);
    assert_untouched(&engine, &prefix.name("day-1"));
}

#[test]
fn a_pipeline_needs_a_word_about_writes_after_the_switch() {
    let engine = Engine::get();
    let prefix = engine.prefix("after");
    let name = prefix.name("day-1");
    make_index(&engine, &name, 1, 10);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    recipe.command("plan", &[]).run().expect(0);
    recipe.change("cutover: {", "pipeline: [{ set: { schema: 2 } }]\ncutover: {");
    let told = refused(&engine, &prefix, &recipe, "SEG-P160");
    for word in ["writers_send_new_shape", "target_accepts_both", "keep_enriching"] {
        assert!(told.contains(word), "{told}");
    }
    recipe.change("mode: block", "mode: block, after_switch: writers_send_new_shape");
    recipe.run(0);
    assert_switched(&engine, &name, &prefix.name("day-1-v2"));
    assert_eq!(engine.json.get(&format!("/{name}/_doc/d3"))["_source"]["schema"], 2);
}

/// Writes a document every few milliseconds until told to stop; the last moment at which one was taken.
fn keep_writing(engine: &Engine, index: &str, over: &AtomicBool) -> Instant {
    let mut last = Instant::now();
    let mut n = 0;
    while !over.load(Ordering::Relaxed) {
        n += 1;
        let path = format!("/{index}/_doc/w{n}");
        let (status, answer) = engine.json.call(Method::PUT, &path, Some(&json!({ "v": n })));
        assert_eq!(status, 201, "write {n} was refused: {answer}");
        last = Instant::now();
        std::thread::sleep(Duration::from_millis(20));
    }
    last
}

#[test]
fn the_source_is_closed_only_in_a_lull() {
    let engine = Engine::get();
    let prefix = engine.prefix("lull");
    let (name, target) = (prefix.name("day-1"), prefix.name("day-1-v2"));
    make_index(&engine, &name, 2, 200);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    recipe.change("mode: block }", "mode: block, quiet_for: 2s }\nlimits: { health_wait: 4s }");
    let over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let writer = threads.spawn(|| keep_writing(&engine, &name, &over));
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            recipe.command("run", &["--yes"]).run().expect(5)
        }));
        over.store(true, Ordering::Relaxed);
        let last = writer.join().unwrap();
        let ended = ended.unwrap_or_else(|failure| std::panic::resume_unwind(failure));
        let waited = "waiting on a lull of 2000 ms in the writes to";
        assert!(ended.stderr.contains(waited), "{}", ended.stderr);
        assert!(ended.stderr.contains("cutover.quiet_for"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("cutting over"), "{}", ended.stderr);
        assert_untouched(&engine, &name);

        let report = recipe.run(0);
        assert!(last.elapsed() >= Duration::from_secs(2), "switched before the lull");
        assert_switched(&engine, &name, &target);
        engine.json.post(&format!("/{target}/_refresh"), &json!({}));
        let source = report["totals"]["read"].as_u64().unwrap();
        assert!(source > 0 && engine.json.count(&target) > 200, "{report}");
    });
}
