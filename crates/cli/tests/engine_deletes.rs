//! What is deleted from a source while it is migrated is not in its target after the switch, whoever
//! deleted it, however and whenever. The truth is the old index itself, by id, just before.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{
    Recipe, assert_nothing_left, assert_same, assert_switched, assert_untouched, make_index, part,
};
use segue_testkit::{Engine, Kept, Method, Prefix, Signal, content};
use serde_json::{Value, json};

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
cutover: { mode: block, start: manual }
limits: { batch_docs: 200 }
";

/// What is said when the inventory turns out to lack something.
const ANEW: &str = "all ids of both are compared";

/// An index and the recipe that moves it.
struct Moved<'a> {
    engine: &'a Engine,
    recipe: Recipe,
    name: String,
    target: String,
}

impl<'a> Moved<'a> {
    fn new(engine: &'a Engine, prefix: &Prefix, shards: u32, documents: usize) -> Moved<'a> {
        let (name, target) = (prefix.name("day-1"), prefix.name("day-1-v2"));
        make_index(engine, &name, shards, documents);
        let recipe = Recipe::new(engine, prefix, RECIPE);
        Moved { engine, recipe, name, target }
    }

    fn delete(&self, id: &str) {
        self.engine.json.delete(&format!("/{}/_doc/{id}", self.name));
    }

    fn write(&self, id: &str, source: &Value) {
        self.engine.json.put(&format!("/{}/_doc/{id}", self.name), source);
    }

    fn truth(&self) -> BTreeMap<String, Kept> {
        content(self.engine, &self.name)
    }

    /// Cuts over, without having to make the inventory anew.
    fn cut_over(&self) -> Value {
        let ended = self.recipe.command("cutover", &["--yes", "--json"]).run().expect(0);
        assert!(!ended.stderr.contains(ANEW), "{}", ended.stderr);
        ended.last_json_line()
    }

    fn assert_switched_to(&self, truth: &BTreeMap<String, Kept>) {
        assert_switched(self.engine, &self.name, &self.target);
        assert_same(&content(self.engine, &self.name), truth);
    }
}

#[test]
fn deletes_of_every_kind_are_carried() {
    let engine = Engine::get();
    let prefix = engine.prefix("deletes");
    let moved = Moved::new(&engine, &prefix, 3, 3000);
    for n in 0..30 {
        moved.write(&format!("r{n}?routing=k{}", n % 4), &json!({ "v": n }));
    }
    moved.recipe.run(0);
    for n in 0..50 {
        moved.delete(&format!("d{n}"));
    }
    let some = json!({ "query": { "range": { "v": { "gte": 500, "lt": 900 } } } });
    engine.json.post(&format!("/{}/_refresh", moved.name), &Value::Null);
    engine.json.post(&format!("/{}/_delete_by_query", moved.name), &some);
    for n in 1000..1020 {
        moved.delete(&format!("d{n}"));
        moved.write(&format!("d{n}"), &json!({ "v": n, "again": true }));
    }
    for n in 1100..1150 {
        moved.write(&format!("d{n}"), &json!({ "v": -n }));
    }
    for n in 1200..1210 {
        moved.write(&format!("d{n}"), &json!({ "v": -n }));
        moved.delete(&format!("d{n}"));
    }
    for n in 0..10 {
        moved.delete(&format!("r{n}?routing=k{}", n % 4));
    }
    moved.write("new", &json!({ "v": 0 }));
    moved.delete("new");
    let truth = moved.truth();
    assert_eq!(truth.len(), 3000 + 30 - 50 - 400 - 10 - 10);
    let report = moved.cut_over();
    assert_eq!(part(&report, "day-1")["deleted"], 50 + 400 + 10 + 10);
    moved.assert_switched_to(&truth);
    assert_nothing_left(&engine, prefix.as_str());
}

#[test]
fn an_index_that_was_emptied_is_switched_empty() {
    let engine = Engine::get();
    let prefix = engine.prefix("emptied");
    let moved = Moved::new(&engine, &prefix, 2, 700);
    moved.recipe.run(0);
    let all = json!({ "query": { "match_all": {} } });
    engine.json.post(&format!("/{}/_delete_by_query?refresh=true", moved.name), &all);
    moved.cut_over();
    moved.assert_switched_to(&BTreeMap::new());
}

/// Also what was deleted while there was no inventory is found, and what is deleted afterwards.
#[test]
fn a_lost_inventory_is_made_anew() {
    let engine = Engine::get();
    let prefix = engine.prefix("lost");
    let moved = Moved::new(&engine, &prefix, 2, 1500);
    moved.recipe.run(0);
    (0..40).for_each(|n| moved.delete(&format!("d{n}")));
    moved.recipe.lose_state();
    (40..60).for_each(|n| moved.delete(&format!("d{n}")));
    (70..80).for_each(|n| moved.write(&format!("d{n}"), &json!({ "v": 0 })));
    let ended = moved.recipe.command("verify", &["--yes", "--json"]).run().expect(0);
    assert!(ended.stderr.contains("made anew"), "{}", ended.stderr);
    assert_eq!(part(&ended.last_json_line(), "day-1")["deleted"], 60);
    (60..90).for_each(|n| moved.delete(&format!("d{n}")));
    let truth = moved.truth();
    let report = moved.cut_over();
    assert_eq!(part(&report, "day-1")["deleted"], 30);
    moved.assert_switched_to(&truth);
}

/// A document that had been carried, and which the recipe leaves out or the target refuses after an
/// update, is not there any more.
#[test]
fn what_is_left_out_after_it_was_carried_goes() {
    let engine = Engine::get();
    let prefix = engine.prefix("leftout");
    let moved = Moved::new(&engine, &prefix, 2, 600);
    let filter = "- filter: { drop_if: { field: robot, equals: true }, reason: robots }";
    moved.recipe.change("target: {", &format!("pipeline:\n  {filter}\ntarget: {{"));
    moved.recipe.change(
        "start: manual",
        "start: manual, max_dead_letters: 9, after_switch: target_accepts_both",
    );
    moved.recipe.run(0);
    (0..20).for_each(|n| moved.write(&format!("d{n}"), &json!({ "v": n, "robot": true })));
    (20..25).for_each(|n| moved.write(&format!("d{n}"), &json!({ "v": n, "robot": true })));
    (20..25).for_each(|n| moved.write(&format!("d{n}"), &json!({ "v": -n })));
    // The target takes numbers only, from here on.
    let refused = json!({ "dynamic": "strict" });
    engine.json.put(&format!("/{}/_mapping", moved.target), &refused);
    (30..35).for_each(|n| moved.write(&format!("d{n}"), &json!({ "v": n, "odd": "field" })));
    (0..5).for_each(|n| moved.delete(&format!("d{n}")));
    let mut truth = moved.truth();
    truth.retain(|_, kept| kept.value()["robot"] != true && kept.value()["odd"] != "field");
    assert_eq!(truth.len(), 600 - 20 - 5);
    moved.cut_over();
    moved.assert_switched_to(&truth);
}

/// The engine forgets deletes. A late request of a process that died then brings a document back; it
/// is seen, and taken away again.
#[test]
fn what_comes_back_after_its_tombstone_expired_goes_again() {
    let engine = Engine::get();
    let prefix = engine.prefix("zombie");
    let moved = Moved::new(&engine, &prefix, 1, 300);
    moved.recipe.run(0);
    let version = engine.json.get(&format!("/{}/_doc/d7", moved.target))["_version"].clone();
    (0..10).for_each(|n| moved.delete(&format!("d{n}")));
    moved.recipe.command("verify", &["--yes"]).run().expect(0);
    let now = json!({ "index.gc_deletes": "0s" });
    engine.json.put(&format!("/{}/_settings", moved.target), &now);
    engine.json.post(&format!("/{}/_refresh", moved.target), &Value::Null);
    engine.json.post(&format!("/{}/_close", moved.target), &Value::Null);
    engine.json.post(&format!("/{}/_open", moved.target), &Value::Null);
    let late = format!("/{}/_doc/d7?version={version}&version_type=external", moved.target);
    let (status, answer) = engine.json.call(Method::PUT, &late, Some(&json!({ "v": 7 })));
    assert_eq!(status, 201, "the tombstone is still there: {answer}");
    moved.write("d3", &json!({ "v": "33" }));
    let truth = moved.truth();
    let ended = moved.recipe.command("cutover", &["--yes", "--json"]).run().expect(0);
    assert!(ended.stderr.contains(ANEW), "{}", ended.stderr);
    assert_eq!(part(&ended.last_json_line(), "day-1")["deleted"], 1);
    moved.assert_switched_to(&truth);
}

/// What a process had sent when it died is in no checkpoint; it is deleted all the same.
#[test]
fn what_a_killed_run_had_sent_is_deleted_too() {
    let engine = Engine::get();
    let prefix = engine.prefix("killed");
    let moved = Moved::new(&engine, &prefix, 1, 4000);
    moved.recipe.change("batch_docs: 200", "batch_docs: 100, docs_per_second: 1500");
    for at_least in [300, 900, 1800] {
        let sent = || {
            let path = format!("/{}/_stats/docs?level=shards", moved.target);
            let (status, stats) = engine.json.call(Method::GET, &path, None);
            let shards = &stats["indices"][&moved.target]["shards"]["0"];
            let highest = shards[0]["seq_no"]["max_seq_no"].as_i64();
            status == 200 && highest.is_some_and(|highest| highest >= at_least)
        };
        let command = moved.recipe.command("run", &["--yes"]);
        assert_eq!(command.signal_when(sent, Signal::SIGKILL).signal, Some(9));
        // All that may just have been sent.
        let some = json!({ "query": { "range": { "v": {
            "gte": at_least - 300, "lt": at_least + 700
        } } } });
        engine.json.post(&format!("/{}/_delete_by_query?refresh=true", moved.name), &some);
    }
    moved.recipe.change(", docs_per_second: 1500", "");
    moved.recipe.change(", start: manual", "");
    let truth = moved.truth();
    let ended = moved.recipe.command("run", &["--yes"]).run().expect(0);
    assert!(!ended.stderr.contains(ANEW), "{}", ended.stderr);
    moved.assert_switched_to(&truth);
}

/// Deletes and updates go on before, during and after the switch, by the same name.
#[test]
fn deletes_by_a_live_writer_are_carried_up_to_the_last_one() {
    let engine = Engine::get();
    let prefix = engine.prefix("live");
    let moved = Moved::new(&engine, &prefix, 2, 4000);
    moved.recipe.change(", start: manual", "");
    moved.recipe.change("batch_docs: 200", "batch_docs: 200, docs_per_second: 2000");
    let stop = AtomicBool::new(false);
    let (report, deleted, rewritten) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (mut deleted, mut rewritten) = (Vec::new(), Vec::new());
            for n in 0i64.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                if n % 3 == 0 {
                    let other = format!("d{}", n % 1900);
                    let path = format!("/{}/_doc/{other}", moved.name);
                    let body = json!({ "v": -n });
                    let (status, _) = engine.json.call(Method::PUT, &path, Some(&body));
                    if status < 300 {
                        rewritten.push((other, body));
                    }
                }
                // Every other document of the upper half, from its end; refused ones are tried again.
                let id = format!("d{}", 3999 - 2 * deleted.len().min(999));
                let path = format!("/{}/_doc/{id}", moved.name);
                let (status, _) = engine.json.call(Method::DELETE, &path, None);
                if status < 300 {
                    deleted.push(id);
                }
            }
            (deleted, rewritten)
        });
        let report = moved.recipe.run(0);
        stop.store(true, Ordering::Relaxed);
        let (deleted, rewritten) = writer.join().unwrap();
        (report, deleted, rewritten)
    });
    assert!(deleted.len() >= 100, "only {} were deleted", deleted.len());
    assert_switched(&engine, &moved.name, &moved.target);
    let found = content(&engine, &moved.name);
    let back: Vec<_> = deleted.iter().filter(|id| found.contains_key(*id)).collect();
    assert!(back.is_empty(), "resurrected: {back:?}\n{report}");
    assert_eq!(found.len() + deleted.len(), 4000);
    for (id, body) in rewritten.into_iter().collect::<BTreeMap<_, _>>() {
        assert_eq!(found[&id].value(), body, "{id}");
    }
}

/// The negative control: without the audit, deleted documents stay in the target, and the switch is
/// refused for it.
#[test]
fn without_the_audit_the_switch_is_refused() {
    let engine = Engine::get();
    let prefix = engine.prefix("sabotage");
    let moved = Moved::new(&engine, &prefix, 2, 500);
    moved.recipe.run(0);
    (0..5).for_each(|n| moved.delete(&format!("d{n}")));
    let truth = moved.truth();
    let sabotaged = moved.recipe.command("cutover", &["--yes", "--json"]);
    let ended = sabotaged.env("SEGUE_SABOTAGE", "no-delete-audit").run().expect(3);
    assert!(ended.stdout.contains("target holds 500, expected 495"), "{}", ended.stdout);
    assert_untouched(&engine, &moved.name);
    assert_eq!(content(&engine, &moved.target).len(), 500, "nothing was deleted");
    moved.cut_over();
    moved.assert_switched_to(&truth);
}
