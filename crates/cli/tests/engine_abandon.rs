//! Giving up before the switch: the source is as it was, and nothing of ours is left.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use std::time::Duration;

use common::{
    Recipe, assert_nothing_left, assert_switched, blocked, journal, make_index, name_of, state,
};
use segue_testkit::{Engine, Fault, Faults, Prefix, Proxy, Signal, content};
use serde_json::{Value, json};

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
pipeline: [{ set: { schema: 2 } }]
cutover: { mode: block, start: manual, after_switch: target_accepts_both }
limits: { batch_docs: 250 }
";

const YES: [&str; 2] = ["--yes", "--json"];

/// Two days behind one read alias, which is also that of an index nobody migrates, and a recipe.
fn site(engine: &Engine, prefix: &Prefix) -> Recipe {
    for name in ["day-1", "day-2", "other"] {
        make_index(engine, &prefix.name(name), 2, 1200);
        let path = format!("/{}/_alias/{}", prefix.name(name), prefix.name("all"));
        engine.json.put(&path, &json!({}));
    }
    Recipe::new(engine, prefix, RECIPE)
}

/// What segue's own indices hold for a migration, the journal left out.
fn kept_for(engine: &Engine, prefix: &Prefix) -> u64 {
    let query = json!({ "query": { "term": { "migration": name_of(prefix) } } });
    let count = |index: &str| {
        let lenient = "ignore_unavailable=true";
        engine.json.post(&format!("/{index}/_refresh?{lenient}"), &Value::Null);
        engine.json.post(&format!("/{index}/_count?{lenient}"), &query)["count"].as_u64().unwrap()
    };
    count("segue-checkpoints") + count("segue-dead-letters") + count("segue-leases")
}

/// Asserts that the cluster is as it was `before` anything was begun, for the parts given up.
fn assert_as_before(engine: &Engine, prefix: &Prefix, recipe: &Recipe, before: &Value, what: &str) {
    assert_eq!(&state(engine, prefix.as_str()), before, "{what}: the cluster is not as it was");
    assert_eq!(kept_for(engine, prefix), 0, "{what}: documents are left");
    assert_eq!(recipe.local_state(), Vec::<std::path::PathBuf>::new(), "{what}");
    for day in ["day-1", "day-2"] {
        assert_eq!(journal(engine, prefix, day).last().unwrap(), "abandoned", "{what}");
    }
    let again = recipe.command("abandon", &YES).run().expect(0).last_json_line();
    for part in again["parts"].as_array().unwrap() {
        assert_eq!((&part["removed"], &part["left"]), (&json!([]), &json!([])), "{what}: {again}");
    }
    assert_eq!(
        &state(engine, prefix.as_str()),
        before,
        "{what}: giving up again changed something"
    );
}

/// Asserts that what was given up is migrated by a plain run as if it had never been begun.
fn assert_begins_anew(engine: &Engine, prefix: &Prefix, recipe: &Recipe) {
    let report = recipe.command("cutover", &YES).run().expect(0).last_json_line();
    assert_eq!(report["totals"]["balanced"], true, "{report}");
    assert_eq!(report["totals"]["written"], 2400, "{report}");
    for day in ["day-1", "day-2"] {
        let name = prefix.name(day);
        assert_switched(engine, &name, &prefix.name(&format!("{day}-v2")));
        let found = content(engine, &name);
        assert_eq!(found.len(), 1200);
        assert!(found.values().all(|kept| kept.value()["schema"] == 2));
    }
    assert_nothing_left(engine, prefix.as_str());
}

#[test]
fn wherever_a_part_stands_nothing_is_left_of_it_and_it_can_begin_anew() {
    let engine = Engine::get();
    let stops: [(&str, &str, &[&str], i32); 3] = [
        ("while backfilling", "run", &["--max-batches", "3"], 5),
        ("when ready", "run", &[], 0),
        ("after a cutover that was backed out", "cutover", &[], 3),
    ];
    for (what, verb, more, code) in stops {
        let prefix = engine.prefix("abandon");
        let recipe = site(&engine, &prefix);
        if code == 3 {
            recipe.change("start: manual", "start: manual, max_pause: 1ms");
        }
        let before = state(&engine, prefix.as_str());
        let arguments: Vec<_> = YES.iter().chain(more).copied().collect();
        recipe.command(verb, &arguments).run().expect(code);
        assert_ne!(state(&engine, prefix.as_str()), before, "{what}: nothing was made");
        let ended = recipe.command("abandon", &YES).run().expect(0).last_json_line();
        assert!(ended["parts"][0]["removed"].to_string().contains("day-1-v2"), "{what}: {ended}");
        assert_as_before(&engine, &prefix, &recipe, &before, what);
        if code == 3 {
            recipe.change(", max_pause: 1ms", "");
        }
        let plan = recipe.command("plan", &[]).run().expect(0).stdout;
        assert!(plan.contains("begins anew"), "{what}: {plan}");
        assert_begins_anew(&engine, &prefix, &recipe);
    }
}

#[test]
fn only_the_parts_that_are_asked_for_are_given_up() {
    let engine = Engine::get();
    let prefix = engine.prefix("only");
    let recipe = site(&engine, &prefix);
    recipe.run(0);
    recipe.command("abandon", &["--only", "n=3", "--yes"]).run().expect(2);
    let ended = recipe.command("abandon", &["--only", "n=1", "--yes", "--json"]).run().expect(0);
    assert_eq!(ended.last_json_line()["parts"].as_array().unwrap().len(), 1);
    let report = recipe.command("cutover", &["--only", "n=2", "--yes", "--json"]).run().expect(0);
    assert_eq!(report.last_json_line()["totals"]["errors"], 0);
    assert_switched(&engine, &prefix.name("day-2"), &prefix.name("day-2-v2"));
    let left = engine.json.get(&format!("/{}*", prefix.name("day-1")));
    let left: Vec<_> = left.as_object().unwrap().keys().collect();
    assert_eq!(left, [&prefix.name("day-1")], "day-1 was given up");
    recipe.command("worker", &[]).run().expect(0);
    assert_eq!(journal(&engine, &prefix, "day-1").last().unwrap(), "abandoned", "by a worker");
}

#[test]
fn nobody_there_to_ask_is_no_consent() {
    let engine = Engine::get();
    let prefix = engine.prefix("consent");
    let recipe = site(&engine, &prefix);
    recipe.run(0);
    let before = state(&engine, prefix.as_str());
    let ended = recipe.command("abandon", &[]).run().expect(2);
    assert!(ended.stderr.contains(&prefix.name("day-1-v2")), "it is shown: {}", ended.stderr);
    assert_eq!(state(&engine, prefix.as_str()), before);
    assert_eq!(journal(&engine, &prefix, "day-1").last().unwrap(), "verified");
}

#[test]
fn what_has_switched_is_not_given_up() {
    let engine = Engine::get();
    let prefix = engine.prefix("switched");
    let recipe = site(&engine, &prefix);
    recipe.command("cutover", &YES).run().expect(0);
    let before = state(&engine, prefix.as_str());
    let ended = recipe.command("abandon", &YES).run().expect(3).last_json_line();
    assert_eq!(ended["parts"][0]["error"]["code"], "SEG-E210", "{ended}");
    assert_eq!(state(&engine, prefix.as_str()), before);
}

#[test]
fn a_target_that_somebody_reads_stays_and_is_named() {
    let engine = Engine::get();
    let prefix = engine.prefix("read");
    let recipe = site(&engine, &prefix);
    recipe.run(0);
    let path = format!("/{}/_alias/{}", prefix.name("day-1-v2"), prefix.name("preview"));
    engine.json.put(&path, &json!({}));
    let before = state(&engine, prefix.as_str());
    let arguments = ["--only", "n=1", "--yes", "--json"];
    let ended = recipe.command("abandon", &arguments).run().expect(3).last_json_line();
    let error = &ended["parts"][0]["error"];
    assert_eq!(error["code"], "SEG-E204", "{ended}");
    assert!(error["message"].as_str().unwrap().contains(&prefix.name("preview")), "{ended}");
    assert_eq!(state(&engine, prefix.as_str()), before);
    engine.json.delete(&path);
    recipe.command("abandon", &arguments).run().expect(0);
}

#[test]
fn an_index_that_took_the_targets_place_stays_and_is_named() {
    let engine = Engine::get();
    let prefix = engine.prefix("foreign");
    let recipe = site(&engine, &prefix);
    recipe.run(0);
    let target = prefix.name("day-1-v2");
    engine.json.delete(&format!("/{target}"));
    make_index(&engine, &target, 1, 5);
    let ended = recipe.command("abandon", &YES).run().expect(3).last_json_line();
    assert_eq!(ended["parts"][0]["phase"], "abandoned");
    assert!(ended["parts"][0]["left"][0]["what"].as_str().unwrap().contains(&target), "{ended}");
    assert_eq!(engine.json.count(&target), 5);
    // What was made for the other one is gone all the same.
    assert_eq!(kept_for(&engine, &prefix), 0);
    let plan = recipe.command("plan", &[]).run().expect(3);
    assert!(plan.stdout.contains("SEG-P110"), "{}", plan.stdout);
}

#[test]
fn a_target_that_arrives_late_is_removed_by_giving_up_again_or_beginning_anew() {
    let engine = Engine::get();
    let prefix = engine.prefix("late");
    let recipe = site(&engine, &prefix);
    let before = state(&engine, prefix.as_str());
    recipe.run(0);
    let target = prefix.name("day-1-v2");
    let mapping = engine.json.get(&format!("/{target}/_mapping"))[&target]["mappings"].clone();
    // The request of a process that was still making the target.
    let late = json!({ "mappings": { "_meta": mapping["_meta"], "properties": {
        "v": { "type": "keyword", "index": false }
    }}});
    recipe.command("abandon", &YES).run().expect(0);
    engine.json.put(&format!("/{target}"), &late);
    let ended = recipe.command("abandon", &YES).run().expect(3).last_json_line();
    assert!(ended["parts"][0]["left"].to_string().contains("UUID"), "it was made: {ended}");
    engine.json.delete(&format!("/{target}"));
    assert_as_before(&engine, &prefix, &recipe, &before, "late");
    assert_begins_anew(&engine, &prefix, &recipe);
}

#[test]
fn a_run_that_is_still_at_work_loses_the_part_and_does_no_harm() {
    let engine = Engine::get();
    let prefix = engine.prefix("busy");
    let recipe = site(&engine, &prefix);
    let before = state(&engine, prefix.as_str());
    recipe.change("batch_docs: 250", "batch_docs: 50, docs_per_second: 100");
    let busy = recipe.command("run", &YES);
    let busy = std::thread::spawn(move || busy.run());
    let begun = std::time::Instant::now();
    while kept_for(&engine, &prefix) == 0 || journal(&engine, &prefix, "day-2").len() < 3 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the run does not get going");
        std::thread::sleep(Duration::from_millis(50));
    }
    recipe.command("abandon", &YES).run().expect(0);
    let ended = busy.join().unwrap();
    assert!(matches!(ended.code, Some(1 | 5)), "{:?}\n{}", ended.code, ended.stderr);
    // What it wrote down on its last legs is found by giving up again.
    recipe.command("abandon", &YES).run().expect(0);
    assert_as_before(&engine, &prefix, &recipe, &before, "busy");
    recipe.change("batch_docs: 50, docs_per_second: 100", "batch_docs: 250");
    assert_begins_anew(&engine, &prefix, &recipe);
}

#[test]
fn a_cutover_whose_process_was_killed_is_taken_back_first() {
    let engine = Engine::get();
    for (what, held) in [("closed", "_clone"), ("about to close", "_block")] {
        let prefix = engine.prefix("cut");
        let recipe = site(&engine, &prefix);
        let before = state(&engine, prefix.as_str());
        recipe.run(0);
        let delay = Duration::from_secs(if held == "_block" { 5 } else { 2 });
        let slow = Faults::seeded(1).with(Fault::Delay(delay), 1000).only(held).at_most(1);
        let proxy = Proxy::start(&engine, slow);
        let there = || !proxy.faults().is_empty();
        let cutting = recipe.through(&proxy.url, "cutover", &["--yes"]);
        let ended = cutting.signal_when(there, Signal::SIGKILL);
        assert_eq!(ended.signal, Some(9), "{what}");
        recipe.command("abandon", &YES).run().expect(0);
        // The request that was held up arrives by now, and closes nothing any more.
        std::thread::sleep(delay);
        assert_eq!(blocked(&engine, prefix.as_str()), [""; 0], "{what}");
        assert_as_before(&engine, &prefix, &recipe, &before, what);
    }
}

#[test]
fn giving_up_that_is_killed_at_any_step_is_finished_by_the_next_one_or_by_a_run() {
    let engine = Engine::get();
    let steps = [
        ("the first record", "segue-journal/_", 0),
        ("the mark", "_aliases", 0),
        ("the fence", "_aliases", 1),
        ("the deletion", "_aliases", 2),
        ("the checkpoints", "segue-checkpoints/_delete_by_query", 0),
    ];
    for (number, (what, held, after)) in steps.into_iter().enumerate() {
        let prefix = engine.prefix("killed");
        let recipe = site(&engine, &prefix);
        let before = state(&engine, prefix.as_str());
        recipe.run(0);
        let late = Fault::Delay(Duration::from_secs(2));
        let late = Faults::seeded(1).with(late, 1000).only(held).after(after).at_most(1);
        let proxy = Proxy::start(&engine, late);
        let there = || !proxy.faults().is_empty();
        let ended = recipe.through(&proxy.url, "abandon", &YES).signal_when(there, Signal::SIGKILL);
        assert_eq!(ended.signal, Some(9), "{what}");
        if number % 2 == 0 {
            recipe.command("abandon", &YES).run().expect(0);
            std::thread::sleep(Duration::from_millis(2500));
            assert_as_before(&engine, &prefix, &recipe, &before, what);
        }
        assert_begins_anew(&engine, &prefix, &recipe);
    }
}

#[test]
fn giving_up_that_is_killed_at_any_moment_is_finished_by_the_next_one() {
    let engine = Engine::get();
    let mut killed = 0;
    for number in 0..10u64 {
        let prefix = engine.prefix("moment");
        let recipe = site(&engine, &prefix);
        let before = state(&engine, prefix.as_str());
        recipe.run_with(&["--max-batches", "2"], 5);
        let moment = Duration::from_millis(30 + 50 * number);
        let ended = recipe.command("abandon", &YES).kill_after(moment);
        killed += u32::from(ended.signal == Some(9));
        recipe.command("abandon", &YES).run().expect(0);
        let what = format!("killed after {moment:?}");
        assert_as_before(&engine, &prefix, &recipe, &before, &what);
    }
    assert!(killed >= 4, "only {killed} were killed");
}

#[test]
fn what_begins_anew_looks_rows_up_anew() {
    let engine = Engine::get();
    let prefix = engine.prefix("lookup");
    let recipe = site(&engine, &prefix);
    let rows = prefix.name("rows");
    engine.json.write(&rows, &[("r", r#"{"n":7,"title":"old"}"#)]);
    recipe.change(
        "[{ set: { schema: 2 } }]",
        &format!(
            "[{{ set: {{ schema: 2 }} }}, {{ lookup: {{ index: {rows}, key: v, match: n, as: row, \
             as_of: start, on_missing: keep }} }}, {{ copy: {{ title: row.title }} }}]"
        ),
    );
    recipe.run_with(&["--max-batches", "2"], 5);
    let before = recipe.local_state().len();
    assert!(before > 0, "the rows are kept");
    recipe.command("abandon", &YES).run().expect(0);
    assert_eq!(recipe.local_state().len(), 0, "nothing relies on the rows any more");
    engine.json.write(&rows, &[("r", r#"{"n":7,"title":"new"}"#)]);
    assert_begins_anew(&engine, &prefix, &recipe);
    assert_eq!(content(&engine, &prefix.name("day-1"))["d7"].value()["title"], "new");
}
