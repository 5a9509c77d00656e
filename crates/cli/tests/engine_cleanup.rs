//! Deleting kept copies: only what was made, only when it is time, and never in doubt.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use std::time::Duration;

use common::{Recipe, assert_switched, journal, make_index, name_of, state};
use segue_testkit::{Engine, Fault, Faults, Prefix, Proxy, Signal};
use serde_json::{Value, json};

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
cutover: { mode: block }
";

const AT_ONCE: [&str; 4] = ["--yes", "--json", "--older-than", "0s"];

/// Two days, migrated and switched.
fn switched(engine: &Engine, prefix: &Prefix) -> Recipe {
    for day in ["day-1", "day-2"] {
        make_index(engine, &prefix.name(day), 1, 100);
    }
    let recipe = Recipe::new(engine, prefix, RECIPE);
    recipe.run(0);
    recipe
}

fn kept(prefix: &Prefix, day: &str) -> String {
    format!("segue-before-{}", prefix.name(day))
}

/// The kept copies that are there.
fn copies(engine: &Engine, prefix: &Prefix) -> Vec<String> {
    let path = format!("/segue-before-{}*?expand_wildcards=all", prefix.as_str());
    engine.json.get(&path).as_object().unwrap().keys().cloned().collect()
}

fn both(prefix: &Prefix) -> Vec<String> {
    vec![kept(prefix, "day-1"), kept(prefix, "day-2")]
}

/// The reasons for which one part's index was left.
fn doubts(cleaned: &Value, number: usize) -> Vec<&str> {
    let refused = cleaned["parts"][number]["refused"].as_array().unwrap();
    refused.iter().map(|refused| refused["doubt"].as_str().unwrap()).collect()
}

fn assert_serving(engine: &Engine, prefix: &Prefix) {
    for day in ["day-1", "day-2"] {
        assert_switched(engine, &prefix.name(day), &prefix.name(&format!("{day}-v2")));
        assert_eq!(engine.json.count(&prefix.name(day)), 100);
    }
}

#[test]
fn kept_copies_stay_for_a_week_and_then_go() {
    let engine = Engine::get();
    let prefix = engine.prefix("week");
    let recipe = switched(&engine, &prefix);
    let before = state(&engine, prefix.as_str());
    for more in [&[][..], &["--older-than", "1h"]] {
        let arguments = [&["--yes", "--json"], more].concat();
        let early = recipe.command("cleanup", &arguments).run().expect(3).last_json_line();
        assert_eq!((doubts(&early, 0), doubts(&early, 1)), (vec!["too_young"], vec!["too_young"]));
    }
    recipe.command("cleanup", &["--older-than", "0s"]).run().expect(2);
    recipe.command("cleanup", &["--older-than", "soon", "--yes"]).run().expect(2);
    assert_eq!(state(&engine, prefix.as_str()), before);

    let shown = recipe.command("cleanup", &["--only", "n=1", "--older-than", "0s", "--yes"]);
    let shown = shown.run().expect(0);
    let line = format!("delete  {} (100 documents", kept(&prefix, "day-1"));
    assert!(shown.stderr.contains(&line), "shown before: {}", shown.stderr);
    assert_eq!(copies(&engine, &prefix), [kept(&prefix, "day-2")]);
    let cleaned = recipe.command("cleanup", &AT_ONCE).run().expect(0).last_json_line();
    assert_eq!(cleaned["parts"][0]["deleted"], json!([]));
    assert_eq!(cleaned["parts"][1]["deleted"][0]["index"], kept(&prefix, "day-2"));
    assert_eq!(cleaned["parts"][1]["deleted"][0]["documents"], 100);
    assert_eq!(copies(&engine, &prefix), [""; 0]);
    assert_eq!(journal(&engine, &prefix, "day-2").last().unwrap(), "retired");
    assert_serving(&engine, &prefix);
    // Without anything to delete nobody has to say yes.
    recipe.command("cleanup", &["--older-than", "0s"]).run().expect(0);
    let report = recipe.run(0);
    assert_eq!(report["totals"]["errors"], 0);
}

#[test]
fn what_is_not_switched_leaves_nothing_to_delete() {
    let engine = Engine::get();
    let prefix = engine.prefix("ready");
    make_index(&engine, &prefix.name("day-1"), 1, 100);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    recipe.change("mode: block", "mode: block, start: manual");
    recipe.run(0);
    let before = state(&engine, prefix.as_str());
    let cleaned = recipe.command("cleanup", &AT_ONCE).run().expect(0).last_json_line();
    assert_eq!(cleaned["parts"][0]["deleted"], json!([]));
    assert_eq!(state(&engine, prefix.as_str()), before);
}

#[test]
fn in_any_doubt_a_copy_stays_and_the_others_go() {
    let engine = Engine::get();
    type Spoil = fn(&Engine, &Prefix);
    let table: [(&str, Spoil); 6] = [
        ("aliased", |engine, prefix| {
            let path = format!("/{}/_alias/{}", kept(prefix, "day-1"), prefix.name("reports"));
            engine.json.put(&path, &json!({}));
        }),
        ("foreign", |engine, prefix| {
            engine.json.delete(&format!("/{}", kept(prefix, "day-1")));
            make_index(engine, &kept(prefix, "day-1"), 1, 3);
        }),
        ("foreign", |engine, prefix| {
            engine.json.delete(&format!("/{}", kept(prefix, "day-1")));
            make_index(engine, &prefix.name("precious"), 1, 3);
            let path = format!("/{}/_alias/{}", prefix.name("precious"), kept(prefix, "day-1"));
            engine.json.put(&path, &json!({}));
        }),
        ("not_serving", |engine, prefix| {
            make_index(engine, &prefix.name("third"), 1, 3);
            let name = prefix.name("day-1");
            let actions = json!({ "actions": [
                { "remove": { "index": prefix.name("day-1-v2"), "alias": name } },
                { "add": { "index": prefix.name("third"), "alias": name } }
            ]});
            engine.json.post("/_aliases", &actions);
        }),
        ("not_serving", |engine, prefix| {
            make_index(engine, &prefix.name("third"), 1, 3);
            let path = format!("/{}/_alias/{}", prefix.name("third"), prefix.name("day-1"));
            engine.json.put(&path, &json!({}));
        }),
        ("elsewhere", |engine, prefix| {
            let (other, part) = (format!("{}-other", name_of(prefix)), prefix.name("x"));
            let record = json!({
                "migration": other, "stream": part, "part": part, "number": 1, "at_ms": 0, "by": "t",
                "kind": "prepare_started",
                "event": {
                    "event": "prepare_started", "source": { "uuid": "u", "histories": [] },
                    "target": kept(prefix, "day-1"), "pipeline": ""
                }
            });
            engine.json.post("/segue-journal/_doc?refresh=true", &record);
        }),
    ];
    for (doubt, spoil) in table {
        let prefix = engine.prefix("doubt");
        let recipe = switched(&engine, &prefix);
        spoil(&engine, &prefix);
        let before = state(&engine, prefix.as_str());
        let cleaned = recipe.command("cleanup", &AT_ONCE).run().expect(3).last_json_line();
        assert_eq!(doubts(&cleaned, 0), [doubt], "{cleaned}");
        assert_eq!(cleaned["parts"][0]["deleted"], json!([]), "{doubt}");
        assert_eq!(cleaned["parts"][1]["deleted"][0]["index"], kept(&prefix, "day-2"), "{doubt}");
        let after = state(&engine, prefix.as_str());
        assert_eq!(after["indices"], before["indices"], "{doubt}");
        // Also where that name stands for something else by now.
        assert_eq!(copies(&engine, &prefix).len(), 1, "{doubt}");
    }
}

#[test]
fn what_cannot_be_looked_at_is_not_deleted() {
    let engine = Engine::get();
    let prefix = engine.prefix("blind");
    let recipe = switched(&engine, &prefix);
    let before = state(&engine, prefix.as_str());
    for (path, code) in [
        ("/_all/_alias/", 3),
        ("/_cluster/health/", 3),
        ("/segue-before-", 3),
        ("/segue-journal/_search", 1),
    ] {
        let blind = Faults::seeded(1).with(Fault::Refuse(403), 1000).only(path);
        let proxy = Proxy::start(&engine, blind);
        let ended = recipe.through(&proxy.url, "cleanup", &AT_ONCE).run();
        assert!(!proxy.faults().is_empty(), "{path} is never asked");
        assert_eq!(ended.code, Some(code), "{path}: {}\n{}", ended.stdout, ended.stderr);
        assert_eq!(copies(&engine, &prefix), both(&prefix), "{path}");
        assert_eq!(state(&engine, prefix.as_str()), before, "{path}");
    }
    recipe.command("cleanup", &AT_ONCE).run().expect(0);
    assert_eq!(copies(&engine, &prefix), [""; 0]);
    assert_serving(&engine, &prefix);
}

#[test]
fn a_clean_up_that_is_killed_is_finished_by_the_next_one() {
    let engine = Engine::get();
    let prefix = engine.prefix("killed");
    let recipe = switched(&engine, &prefix);
    let late = Fault::Delay(Duration::from_secs(2));
    let held = "ignore_unavailable=false";
    let proxy = Proxy::start(&engine, Faults::seeded(1).with(late, 1000).only(held).at_most(1));
    let there = || !proxy.faults().is_empty();
    let ended = recipe.through(&proxy.url, "cleanup", &AT_ONCE).signal_when(there, Signal::SIGKILL);
    assert_eq!(ended.signal, Some(9));
    assert_eq!(copies(&engine, &prefix), both(&prefix), "nothing is deleted yet");
    assert_eq!(journal(&engine, &prefix, "day-1").last().unwrap(), "retired");
    recipe.command("cleanup", &AT_ONCE).run().expect(0);
    assert_eq!(copies(&engine, &prefix), [""; 0]);
    let retired = journal(&engine, &prefix, "day-1");
    assert_eq!(retired.iter().filter(|kind| *kind == "retired").count(), 1, "{retired:?}");
    assert_serving(&engine, &prefix);
}

#[test]
fn write_aliases_that_were_left_are_removed() {
    let engine = Engine::get();
    let prefix = engine.prefix("alias");
    let recipe = switched(&engine, &prefix);
    let target = prefix.name("day-1-v2");
    let alias = format!("segue-write-{target}-1");
    engine.json.put(&format!("/{target}/_alias/{alias}"), &json!({}));
    recipe.command("cleanup", &[]).run().expect(2);
    let cleaned = recipe.command("cleanup", &AT_ONCE).run().expect(0).last_json_line();
    assert_eq!(cleaned["parts"][0]["write_aliases"], json!([alias]));
    assert_serving(&engine, &prefix);
}
