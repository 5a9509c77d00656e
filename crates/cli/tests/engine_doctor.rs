//! `segue doctor`: silent where all is well, and each contradiction by its name and next step.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use common::{Recipe, make_index, name_of, state};
use segue_testkit::{Engine, Fault, Faults, Prefix, Proxy};
use serde_json::{Value, json};

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
cutover: { mode: block, start: manual }
";

fn prepared(engine: &Engine, prefix: &Prefix) -> Recipe {
    make_index(engine, &prefix.name("day-1"), 1, 100);
    Recipe::new(engine, prefix, RECIPE)
}

/// What is found; the cluster is as before.
fn examine(engine: &Engine, prefix: &Prefix, recipe: &Recipe, code: i32) -> Value {
    let before = state(engine, prefix.as_str());
    let found = recipe.command("doctor", &["--json"]).run().expect(code).last_json_line();
    assert_eq!(state(engine, prefix.as_str()), before, "nothing changes");
    found
}

fn found(examined: &Value) -> Vec<(&str, &str)> {
    let parts = examined["parts"].as_array().unwrap().iter();
    let all = parts.flat_map(|part| part["findings"].as_array().unwrap());
    all.map(|finding| (finding["name"].as_str().unwrap(), finding["next"].as_str().unwrap()))
        .collect()
}

fn assert_clean(engine: &Engine, prefix: &Prefix, recipe: &Recipe, phase: &str) {
    let examined = examine(engine, prefix, recipe, 0);
    assert_eq!(found(&examined), [], "{phase}: {examined}");
    assert_eq!(examined["parts"][0]["phase"], phase);
}

/// Types the next step of the only finding, which has this name.
fn follow(engine: &Engine, prefix: &Prefix, recipe: &Recipe, name: &str) {
    let examined = examine(engine, prefix, recipe, 3);
    let found = found(&examined);
    assert_eq!(found.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [name], "{examined}");
    let next = found[0].1;
    assert!(next.starts_with("curl -X "), "{next}");
    let ended = Command::new("sh").args(["-c", &format!("{next} -sf -m 30")]).output().unwrap();
    assert!(ended.status.success(), "{next}: {ended:?}");
}

#[test]
fn what_is_as_it_should_be_is_clean() {
    let engine = Engine::get();
    let prefix = engine.prefix("clean");
    let recipe = prepared(&engine, &prefix);
    let nothing = examine(&engine, &prefix, &recipe, 0);
    assert_eq!(nothing["parts"], json!([]));
    recipe.run(0);
    assert_clean(&engine, &prefix, &recipe, "ready");
    recipe.command("cutover", &["--yes"]).run().expect(0);
    assert_clean(&engine, &prefix, &recipe, "finished");
    recipe.command("cleanup", &["--yes", "--older-than", "0s"]).run().expect(0);
    assert_clean(&engine, &prefix, &recipe, "finished");
    let shown = recipe.command("doctor", &[]).run().expect(0);
    assert!(shown.stdout.contains("nothing contradicts the journal"), "{}", shown.stdout);
}

#[test]
fn what_was_given_up_or_taken_back_is_clean() {
    let engine = Engine::get();
    let prefix = engine.prefix("back");
    let recipe = prepared(&engine, &prefix);
    recipe.run(0);
    recipe.command("abandon", &["--yes"]).run().expect(0);
    assert_clean(&engine, &prefix, &recipe, "abandoned");
    recipe.command("cutover", &["--yes"]).run().expect(0);
    recipe.command("rollback", &["--yes", "--discard-writes"]).run().expect(0);
    assert_clean(&engine, &prefix, &recipe, "rolled back");
}

#[test]
fn a_redirect_that_is_watched_and_taken_back_is_clean() {
    let engine = Engine::get();
    let prefix = engine.prefix("watched");
    let recipe = prepared(&engine, &prefix);
    let more = "mode: redirect, writers: index_only, reverse_for: 1h";
    recipe.change("mode: block, start: manual", more);
    recipe.run(0);
    assert_clean(&engine, &prefix, &recipe, "watching");
    recipe.command("rollback", &["--yes"]).run().expect(0);
    assert_clean(&engine, &prefix, &recipe, "rolled back");
}

#[test]
fn contradictions_before_the_switch_are_named_and_their_next_step_ends_them() {
    let engine = Engine::get();
    let prefix = engine.prefix("before");
    let recipe = prepared(&engine, &prefix);
    recipe.run(0);
    let (source, target) = (prefix.name("day-1"), prefix.name("day-1-v2"));

    engine.json.put(&format!("/{source}/_settings"), &json!({ "index.blocks.write": true }));
    follow(&engine, &prefix, &recipe, "source_blocked");
    assert_clean(&engine, &prefix, &recipe, "ready");

    let pipeline = format!("segue-redirect-{}-0-1", name_of(&prefix));
    let body = json!({ "processors": [{ "script": {
        "source": "ctx._index = params.target", "params": { "target": target }
    }}]});
    engine.json.put(&format!("/_ingest/pipeline/{pipeline}"), &body);
    let settings = json!({ "index.default_pipeline": pipeline });
    engine.json.put(&format!("/{source}/_settings"), &settings);
    follow(&engine, &prefix, &recipe, "redirect_in_force");
    engine.json.delete(&format!("/_ingest/pipeline/{pipeline}"));
    assert_clean(&engine, &prefix, &recipe, "ready");

    let shown = prefix.name("all");
    engine.json.put(&format!("/{target}/_alias/{shown}"), &json!({}));
    follow(&engine, &prefix, &recipe, "target_shown");
    assert_clean(&engine, &prefix, &recipe, "ready");

    let old = format!("segue-write-{target}-0");
    engine.json.put(&format!("/{target}/_alias/{old}"), &json!({}));
    let examined = examine(&engine, &prefix, &recipe, 3);
    let [(name, next)] = found(&examined)[..] else { panic!("{examined}") };
    assert_eq!(name, "stale_mark");
    assert!(next.starts_with("segue run ") && next.ends_with(" --only n=1"), "{next}");
    recipe.run(0);
    assert_clean(&engine, &prefix, &recipe, "ready");
}

#[test]
fn contradictions_after_the_switch_are_named_and_their_next_step_ends_them() {
    let engine = Engine::get();
    let prefix = engine.prefix("after");
    let recipe = prepared(&engine, &prefix);
    recipe.command("cutover", &["--yes"]).run().expect(0);
    let (source, target) = (prefix.name("day-1"), prefix.name("day-1-v2"));

    make_index(&engine, &prefix.name("third"), 1, 3);
    engine.json.put(&format!("/{}/_alias/{source}", prefix.name("third")), &json!({}));
    follow(&engine, &prefix, &recipe, "several_indices");
    assert_clean(&engine, &prefix, &recipe, "finished");

    engine.json.put(&format!("/{target}/_settings"), &json!({ "index.gc_deletes": "12h" }));
    follow(&engine, &prefix, &recipe, "still_relaxed");
    assert_clean(&engine, &prefix, &recipe, "finished");

    engine.json.put(&format!("/{target}/_alias/segue-open-{target}-1"), &json!({}));
    let examined = examine(&engine, &prefix, &recipe, 3);
    let [(name, next)] = found(&examined)[..] else { panic!("{examined}") };
    assert_eq!(name, "mark_on_serving");
    assert!(next.starts_with("segue cleanup "), "{next}");
    recipe.command("cleanup", &["--yes"]).run().expect(3);
    assert_clean(&engine, &prefix, &recipe, "finished");

    engine.json.delete(&format!("/segue-before-{source}"));
    let examined = examine(&engine, &prefix, &recipe, 3);
    assert_eq!(found(&examined)[0].0, "kept_missing", "{examined}");
}

#[test]
fn a_cutover_that_died_is_named_and_the_next_run_ends_it() {
    let engine = Engine::get();
    let prefix = engine.prefix("died");
    let recipe = prepared(&engine, &prefix);
    recipe.change("mode: block", "mode: redirect, writers: index_only");
    let died = recipe.command("cutover", &["--yes"]).env("SEGUE_DIE_AT", "noted").run();
    assert_ne!(died.code, Some(0), "{}", died.stderr);
    // The watchdog takes the cutover back meanwhile; the journal still says that it runs.
    let examined = recipe.command("doctor", &["--json"]).run().expect(3).last_json_line();
    let all = found(&examined);
    let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["lease_of_dead", "cutover_unended"], "{examined}");
    assert!(all.iter().all(|(_, next)| next.starts_with("segue run ")), "{examined}");
    recipe.run(0);
    assert_clean(&engine, &prefix, &recipe, "ready");
}

#[test]
fn a_damaged_or_hidden_journal_and_a_failed_look_are_findings() {
    let engine = Engine::get();
    let prefix = engine.prefix("journal");
    let recipe = prepared(&engine, &prefix);
    recipe.run(0);
    for (path, name) in [
        ("/segue-journal/_search", "journal_unreadable"),
        ("/_all/_alias/", "cannot_tell"),
        ("/segue-leases/", "cannot_tell"),
        ("day-1-v2", "cannot_tell"),
    ] {
        let blind = Faults::seeded(1).with(Fault::Refuse(403), 1000).only(path);
        let proxy = Proxy::start(&engine, blind);
        let ended = recipe.through(&proxy.url, "doctor", &["--json"]).run().expect(3);
        assert!(!proxy.faults().is_empty(), "{path} is never asked");
        let examined = ended.last_json_line();
        let whole = examined["findings"].as_array().unwrap().iter();
        let whole = whole.map(|finding| finding["name"].as_str().unwrap());
        let names: Vec<_> =
            whole.chain(found(&examined).into_iter().map(|(name, _)| name)).collect();
        assert_eq!(names, [name], "{path}: {examined}");
    }
    let query = json!({ "query": { "bool": { "filter": [
        { "term": { "migration": name_of(&prefix) } },
        { "term": { "part": prefix.name("day-1") } },
        { "term": { "number": 3 } }
    ]}}});
    engine.json.post("/segue-journal/_delete_by_query?refresh=true&conflicts=proceed", &query);
    let examined = examine(&engine, &prefix, &recipe, 3);
    assert_eq!(found(&examined)[0].0, "journal_gap", "{examined}");
}

#[test]
fn what_is_seen_while_a_cutover_runs_is_looked_at_again() {
    let engine = Engine::get();
    let prefix = engine.prefix("live");
    let recipe = prepared(&engine, &prefix);
    recipe.run(0);
    // The journal is read before the switch, and the names after it.
    let late = Fault::Delay(Duration::from_secs(8));
    let names = Faults::seeded(1).with(late, 1000).only("/_all/_alias/").at_most(1);
    let proxy = Proxy::start(&engine, names);
    let examined = std::thread::scope(|scope| {
        let doctor = recipe.through(&proxy.url, "doctor", &["--json"]);
        let doctor = scope.spawn(move || doctor.run());
        let begun = Instant::now();
        while proxy.faults().is_empty() && begun.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(20));
        }
        recipe.command("cutover", &["--yes"]).run().expect(0);
        assert!(!doctor.is_finished(), "the cutover took longer than the look");
        doctor.join().unwrap().expect(0).last_json_line()
    });
    assert_eq!(examined["parts"][0]["phase"], "finished");
}
