//! The way back after the switch: with a feed back nothing that was written since is lost, whatever
//! kills the rollback; without one the losses are counted, and somebody has to accept them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod application;
mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use application::{Habits, Ledger, Writer};
use common::{Recipe, assert_switched, blocked, make_index, part};
use http::Method;
use segue_testkit::{Engine, Prefix, Signal, content};
use serde_json::{Value, json};

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
pipeline: [{ set: { schema: 2 } }, { rename: { t: body.text } }]
cutover: { mode: block, reverse_for: 1h, after_switch: target_accepts_both }
limits: { batch_docs: 250 }
";

/// Asserts that the old name shows exactly what the writers were told, in the old shape, and all else
/// byte for byte as it was before everything.
fn assert_holds(engine: &Engine, name: &str, before: &BTreeMap<String, String>, all: &[Ledger]) {
    let now = content(engine, name);
    application::assert_told(&now, before.keys(), all, name);
    for (id, kept) in &now {
        let value = kept.value();
        let fields: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        assert_eq!(fields, ["t", "v"], "{id} has the old shape: {}", kept.source);
        if !all.iter().any(|ledger| ledger.contains_key(id)) {
            assert_eq!(Some(&kept.source), before.get(id), "{id} was touched by nobody");
        }
    }
}

fn snapshot(engine: &Engine, name: &str) -> BTreeMap<String, String> {
    content(engine, name).into_iter().map(|(id, kept)| (id, kept.source)).collect()
}

fn rollback(recipe: &Recipe, more: &[&str], code: i32) -> Value {
    let mut arguments = vec!["--yes", "--json"];
    arguments.extend(more);
    recipe.command("rollback", &arguments).run().expect(code).last_json_line()
}

/// Asserts that the old index serves by its old name, and that nothing of ours is in its way.
fn assert_back(engine: &Engine, prefix: &Prefix, name: &str) {
    let kept = format!("segue-before-{name}");
    let on = engine.json.get(&format!("/_alias/{name}"));
    let indices: Vec<_> = on.as_object().unwrap().keys().cloned().collect();
    assert_eq!(indices, std::slice::from_ref(&kept), "{name}");
    assert_eq!(blocked(engine, &kept), [""; 0], "the old index takes writes");
    assert_eq!(blocked(engine, prefix.as_str()), [format!("{name}-v2")], "the target takes none");
    let index = &engine.json.get(&format!("/{kept}?flat_settings=true"))[&kept];
    let settings = index["settings"].as_object().unwrap();
    for changed in ["index.hidden", "index.gc_deletes", "index.default_pipeline"] {
        assert!(!settings.contains_key(changed), "{kept} has {changed}");
    }
    for index in [&kept, &format!("{name}-v2")] {
        let aliases = &engine.json.get(&format!("/{index}/_alias"))[index]["aliases"];
        for alias in aliases.as_object().unwrap().keys() {
            let ours = alias.starts_with("segue-write-") || alias.starts_with("segue-open-");
            assert!(!ours, "{alias} is left on {index}");
        }
    }
}

#[test]
fn a_rollback_loses_nothing_that_was_written_before_or_after_the_switch() {
    let engine = Engine::get();
    let prefix = engine.prefix("back");
    let name = prefix.name("day-1");
    make_index(&engine, &name, 2, 1500);
    let other = prefix.name("other");
    make_index(&engine, &other, 1, 3);
    let (read, filtered) = (prefix.name("read"), prefix.name("filtered"));
    let filter = json!({ "range": { "v": { "gte": 0 } } });
    engine.json.post(
        "/_aliases",
        &json!({ "actions": [
            { "add": { "index": name, "alias": read } },
            { "add": { "index": other, "alias": read } },
            { "add": { "index": name, "alias": filtered, "filter": filter, "search_routing": "1,2" } },
        ]}),
    );
    let before = snapshot(&engine, &name);
    let names_before = engine.json.get(&format!("/{name}/_alias"))[&name].clone();
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    let writers = [1, 2].map(|seed| Writer::start(&engine, &name, seed, Habits::Updates));
    writers[0].work(50);
    let report = recipe.run(0);
    assert_eq!(part(&report, "day-1")["phase"], "watching", "{report}");
    assert_switched(&engine, &name, &prefix.name("day-1-v2"));
    writers.iter().for_each(|writer| writer.behave(Habits::Deletes));
    writers[0].work(300);
    let fed = recipe.run(0);
    let outcome = part(&fed, "day-1")["outcome"].as_str().unwrap();
    assert!(outcome.contains("carried back; watched for"), "{outcome}");
    writers[1].work(300);
    let back = rollback(&recipe, &[], 0);
    let back = &back["parts"][0];
    assert_eq!(back["phase"], "rolled back", "{back}");
    assert!(back["closed_ms"].as_u64().is_some(), "{back}");
    writers[0].work(50);
    let (mut ledgers, mut refused) = (Vec::new(), 0);
    for writer in writers {
        let (ledger, some) = writer.stop();
        ledgers.push(ledger);
        refused += some;
    }
    eprintln!("{back}; {refused} writes refused");
    assert_back(&engine, &prefix, &name);
    assert_holds(&engine, &name, &before, &ledgers);
    let kept = format!("segue-before-{name}");
    let mut names = engine.json.get(&format!("/{kept}/_alias"))[&kept].clone();
    names["aliases"].as_object_mut().unwrap().remove(&name);
    assert_eq!(names, names_before, "the names are as before");
    assert_eq!(engine.json.count(&read), engine.json.count(&name) + 3, "readers see it once");
    // What is done is left alone.
    let again = rollback(&recipe, &[], 0);
    assert_eq!(again["parts"], json!([]), "{again}");
}

/// Whether the journal of the test has an event of this kind.
fn journalled(engine: &Engine, prefix: &Prefix, kind: &str) -> bool {
    let migration = prefix.as_str().trim_end_matches('-');
    engine.json.call(Method::POST, "/segue-journal/_refresh", Some(&Value::Null));
    let terms = json!({ "bool": { "filter": [
        { "term": { "migration": migration } }, { "term": { "kind": kind } }
    ]}});
    let (status, answer) =
        engine.json.call(Method::POST, "/segue-journal/_count", Some(&json!({ "query": terms })));
    status == 200 && answer["count"].as_u64().unwrap_or(0) > 0
}

#[test]
fn without_a_feed_back_losses_are_counted_and_have_to_be_accepted() {
    let engine = Engine::get();
    let prefix = engine.prefix("discard");
    let name = prefix.name("day-1");
    make_index(&engine, &name, 2, 500);
    let before = snapshot(&engine, &name);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    recipe.change(", reverse_for: 1h", "");
    let report = recipe.run(0);
    assert_eq!(part(&report, "day-1")["phase"], "finished", "{report}");
    engine.json.write(&name, &[("new", r#"{"v":1,"t":"n"}"#), ("d3", r#"{"v":2,"t":"n"}"#)]);
    engine.json.delete(&format!("/{name}/_doc/d4?refresh=true"));

    let refused = recipe.command("rollback", &["--yes"]).run().expect(3);
    assert!(refused.stderr.contains("2 documents written and 1 deleted"), "{}", refused.stderr);
    assert!(refused.stderr.contains("SEG-E212"), "{}", refused.stderr);
    assert_switched(&engine, &name, &prefix.name("day-1-v2"));
    assert_eq!(engine.json.count(&name), 500);

    let back = rollback(&recipe, &["--discard-writes"], 0);
    assert_eq!(back["parts"][0]["lost"], json!({ "documents": 2, "deletions": 1 }), "{back}");
    assert_back(&engine, &prefix, &name);
    assert_holds(&engine, &name, &before, &[]);
}

const LEAVES_OUT: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
pipeline:
  - filter: { drop_if: { field: v, in: [7, 8, 9] }, reason: odd }
  - set: { schema: 2 }
cutover: { after_switch: target_accepts_both, mode: block, reverse_for: 1h }
";

#[test]
fn what_the_migration_had_left_out_stays_unless_somebody_wrote_it_since() {
    let engine = Engine::get();
    let prefix = engine.prefix("leftout");
    let name = prefix.name("day-1");
    make_index(&engine, &name, 2, 100);
    let before = snapshot(&engine, &name);
    let recipe = Recipe::new(&engine, &prefix, LEAVES_OUT);
    recipe.run(0);
    assert_eq!(engine.json.count(&name), 97);
    engine.json.delete(&format!("/{name}/_doc/d3?refresh=true"));
    // Left out before, there now; and there for a while only, carried back in between.
    engine.json.write(&name, &[("d7", r#"{"v":1007,"t":"n"}"#), ("d9", r#"{"v":1009,"t":"n"}"#)]);
    recipe.run(0);
    engine.json.delete(&format!("/{name}/_doc/d9?refresh=true"));
    let back = rollback(&recipe, &[], 0);
    assert_back(&engine, &prefix, &name);
    let part = &back["parts"][0];
    assert_eq!((&part["deleted"], &part["left_out"]), (&json!(2), &json!(1)), "{back}");
    let ledger: Ledger = [("d3", None), ("d7", Some(1007)), ("d9", None)]
        .map(|(id, v)| (id.to_owned(), vec![v]))
        .into_iter()
        .collect();
    assert_holds(&engine, &name, &before, &[ledger]);
}

#[test]
fn following_catches_up_lets_others_cut_over_and_feeds_back() {
    let engine = Engine::get();
    let prefix = engine.prefix("follow");
    let name = prefix.name("day-1");
    make_index(&engine, &name, 1, 300);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    recipe.change("mode: block", "mode: block, start: manual");
    let (target, kept) = (format!("{name}-v2"), format!("segue-before-{name}"));
    let has = |index: &str, id: &str| {
        engine.json.call(Method::GET, &format!("/{index}/_doc/{id}"), None).0 == 200
    };
    let mut steps = 0;
    let ended = recipe.command("run", &["--yes", "--follow", "1"]).signal_when(
        || match steps {
            0 if journalled(&engine, &prefix, "verified") => {
                engine.json.write(&name, &[("late", r#"{"v":1,"t":"n"}"#)]);
                steps = 1;
                false
            }
            1 if has(&target, "late") => {
                recipe.command("cutover", &["--yes"]).run().expect(0);
                engine.json.write(&name, &[("later", r#"{"v":2,"t":"n"}"#)]);
                steps = 2;
                false
            }
            2 => has(&kept, "later"),
            _ => false,
        },
        Signal::SIGTERM,
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_switched(&engine, &name, &target);
    rollback(&recipe, &[], 0);
    assert_back(&engine, &prefix, &name);
    assert_eq!(engine.json.count(&name), 302);
}

#[test]
fn a_rollback_that_takes_too_long_is_given_up() {
    let engine = Engine::get();
    for fed_back in [true, false] {
        let prefix = engine.prefix("late");
        let name = prefix.name("day-1");
        make_index(&engine, &name, 1, 200);
        let recipe = Recipe::new(&engine, &prefix, RECIPE);
        if !fed_back {
            recipe.change(", reverse_for: 1h", "");
        }
        recipe.run(0);
        recipe.change("mode: block", "mode: block, max_pause: 1ms");
        let back = rollback(&recipe, &["--discard-writes"], 3);
        assert_eq!(back["parts"][0]["error"]["code"], "SEG-E211", "{back}");
        assert_eq!(back["parts"][0]["phase"], "watching", "{back}");
        assert_switched(&engine, &name, &prefix.name("day-1-v2"));
        let kept = format!("segue-before-{name}");
        let closed = if fed_back { Vec::new() } else { vec![kept.clone()] };
        assert_eq!(blocked(&engine, &kept), closed);
        engine.json.write(&name, &[("new", r#"{"v":1,"t":"n"}"#)]);
        recipe.change("max_pause: 1ms", "max_pause: 20s");
        rollback(&recipe, &["--discard-writes"], 0);
        assert_back(&engine, &prefix, &name);
        assert_eq!(engine.json.count(&name), if fed_back { 201 } else { 200 });
    }
}

#[test]
fn the_way_back_after_a_redirect_takes_redirected_writes_along() {
    let engine = Engine::get();
    let prefix = engine.prefix("redirected");
    let name = prefix.name("day-1");
    make_index(&engine, &name, 1, 800);
    let before = snapshot(&engine, &name);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    recipe.change("mode: block", "mode: redirect, writers: index_only");
    recipe.change(
        "pipeline: [{ set: { schema: 2 } }, { rename: { t: body.text } }]",
        "pipeline: [{ set: { schema: 2 } }]",
    );
    let stop = Arc::new(AtomicBool::new(false));
    let (told, writing, by) = (Arc::clone(&stop), engine.clone(), name.clone());
    let writer = std::thread::spawn(move || {
        let mut ledger = Ledger::new();
        for number in 1.. {
            if told.load(Ordering::Relaxed) {
                break;
            }
            // Each is written once, so that none hides behind a later one.
            let id = if number % 3 == 0 { format!("d{number}") } else { format!("w{number}") };
            let body = json!({ "v": number, "t": "written" });
            let path = format!("/{by}/_doc/{id}");
            let (status, _) = writing.json.call(Method::PUT, &path, Some(&body));
            match status {
                200 | 201 => drop(ledger.insert(id, vec![Some(number)])),
                _ => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        ledger
    });
    let report = recipe.run(0);
    assert_eq!(part(&report, "day-1")["phase"], "watching", "{report}");
    std::thread::sleep(Duration::from_millis(300));
    rollback(&recipe, &[], 0);
    std::thread::sleep(Duration::from_millis(100));
    stop.store(true, Ordering::Relaxed);
    let ledger = writer.join().unwrap();
    assert!(ledger.len() > 20, "{} writes", ledger.len());
    assert_back(&engine, &prefix, &name);
    assert_holds(&engine, &name, &before, &[ledger]);
}
