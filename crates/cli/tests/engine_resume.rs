//! Runs that stop on purpose, and runs of what is done already.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Recipe, assert_switched, assert_untouched, make_index, part};
use segue_testkit::{Engine, Installation, Signal, Volume, content};
use serde_json::{Value, json};

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
cutover: { mode: block }
limits: { batch_docs: 500 }
";

fn highest(engine: &Engine, index: &str) -> Value {
    engine.json.get(&format!("/{index}/_stats/docs?level=shards"))["indices"][index]["shards"]["0"]
        [0]["seq_no"]["max_seq_no"]
        .clone()
}

#[test]
fn a_run_with_few_batches_advances_each_time_and_ends_complete() {
    let engine = Engine::get();
    let prefix = engine.prefix("batches");
    let name = prefix.name("day-1");
    make_index(&engine, &name, 1, 3000);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    let one = recipe.command("run", &["--yes", "--json", "--max-batches", "1"]);
    let mut read = Vec::new();
    let report = loop {
        let ended = one.run();
        let report = ended.last_json_line();
        let now = report["totals"]["read"].as_u64().unwrap();
        assert!(
            read.last().is_none_or(|before| now > *before || now == 3000),
            "{now} after {read:?}"
        );
        read.push(now);
        assert!(read.len() <= 10, "it does not end: {read:?}\n{}", ended.stderr);
        match ended.code {
            Some(5) => assert_untouched(&engine, &name),
            code => {
                assert_eq!(code, Some(0), "{}", ended.stderr);
                break report;
            }
        }
    };
    assert!(read.len() >= 6, "one batch of 500 each: {read:?}");
    assert_eq!(report["totals"]["balanced"], true);
    assert_switched(&engine, &name, &prefix.name("day-1-v2"));
    assert_eq!(engine.json.count(&name), 3000);
}

#[test]
fn a_run_of_what_is_finished_writes_nothing_and_says_so() {
    let engine = Engine::get();
    let prefix = engine.prefix("again");
    make_index(&engine, &prefix.name("day-1"), 1, 700);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    recipe.run(0);
    let before = highest(&engine, &prefix.name("day-1-v2"));
    assert_eq!(before, 699, "one operation a document");
    let report = recipe.run(0);
    let again = part(&report, "day-1");
    assert_eq!(again["phase"], "finished");
    assert!(again["outcome"].as_str().unwrap().starts_with("nothing to do"), "{again}");
    assert_eq!(report["totals"]["batches"], 0);
    assert_eq!(highest(&engine, &prefix.name("day-1-v2")), before);
}

/// With every checkpoint lost, everything is carried once more, and nothing of it changes anything.
#[test]
fn a_second_pass_over_everything_writes_nothing() {
    let engine = Engine::get();
    let prefix = engine.prefix("twice-over");
    make_index(&engine, &prefix.name("day-1"), 2, 700);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    recipe.change("mode: block", "mode: block, start: manual");
    recipe.run(0);
    let target = prefix.name("day-1-v2");
    let before = (highest(&engine, &target), content(&engine, &target));
    let migration = prefix.as_str().trim_end_matches('-');
    let query = json!({ "query": { "term": { "migration": migration } } });
    engine.json.post("/segue-checkpoints/_refresh", &json!({}));
    let path = "/segue-checkpoints/_delete_by_query?refresh=true";
    let deleted = engine.json.post(path, &query);
    assert_eq!(deleted["deleted"], 2, "{deleted}");
    let report = recipe.run(0);
    let balance = &part(&report, "day-1")["balance"];
    assert_eq!(balance["read"], 700, "{balance}");
    assert_eq!(balance["already_there"], 700, "{balance}");
    assert_eq!(balance["written"], 0, "{balance}");
    assert!((highest(&engine, &target), content(&engine, &target)) == before, "it was changed");
}

#[test]
fn an_interrupt_stops_cleanly_and_the_next_run_goes_on() {
    let engine = Engine::get();
    let prefix = engine.prefix("interrupt");
    make_index(&engine, &prefix.name("day-1"), 1, 4000);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    recipe.change("batch_docs: 500", "batch_docs: 100, docs_per_second: 1000");
    let target = prefix.name("day-1-v2");
    let some_arrived = || {
        let path = format!("/_cat/indices/{target}*?h=index&format=json");
        let there = engine.json.get(&path).as_array().is_some_and(|found| !found.is_empty());
        there && highest(&engine, &target).as_u64().is_some_and(|highest| highest >= 300)
    };
    let ended = recipe.command("run", &["--yes"]).signal_when(some_arrived, Signal::SIGINT);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert_untouched(&engine, &prefix.name("day-1"));
    let before = recipe.command("status", &["--json"]).run().expect(0).last_json_line();
    let carried = before["parts"][0]["balance"]["written"].as_u64().unwrap();
    assert!((1..4000).contains(&carried), "stopped in the middle: {before}");
    recipe.change(", docs_per_second: 1000", "");
    let report = recipe.run(0);
    assert_eq!(report["totals"]["written"], 4000, "what was carried is not carried again");
    assert_eq!(report["totals"]["balanced"], true);
    assert!(report["totals"]["batches"].as_u64().unwrap() <= (4000 - carried).div_ceil(100) + 1);
    assert_switched(&engine, &prefix.name("day-1"), &prefix.name("day-1-v2"));
    assert_eq!(engine.json.count(&prefix.name("day-1")), 4000);
}

#[test]
fn five_thousand_records_in_batches_of_five_thousand_are_all_enriched() {
    let engine = Engine::get();
    let prefix = engine.prefix("records");
    let volume = Volume { events: 6000, records: 5000, months: 1 };
    let site = Installation::new(&engine, &prefix, 7, volume).redirected();
    let recipe = Recipe::usage_events(&engine, &prefix);
    recipe.change(
        "batch_docs: \"${STATS_DASHBOARD_REINDEXING_BATCH_SIZE:-1000}\"",
        "batch_docs: 5000",
    );
    let report = recipe.run(0);
    assert_eq!(report["totals"]["balanced"], true);
    site.assert_sound();
}

/// What an earlier migration of the same name left behind does not stop one that begins: its journal and
/// its source are gone, its checkpoints are not.
#[test]
fn checkpoints_of_a_journal_that_was_lost_are_forgotten() {
    let engine = Engine::get();
    let prefix = engine.prefix("lost-journal");
    let name = prefix.name("day-1");
    make_index(&engine, &name, 1, 300);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    recipe.change("mode: block", "mode: block, start: manual");
    recipe.run(0);
    engine.json.delete(&format!("/{name}"));
    engine.json.delete(&format!("/{name}-v2"));
    engine.json.post("/segue-journal/_refresh", &json!({}));
    let migration = prefix.as_str().trim_end_matches('-');
    let query = json!({ "query": { "term": { "migration": migration } } });
    engine.json.post("/segue-journal/_delete_by_query?refresh=true", &query);
    make_index(&engine, &name, 1, 200);
    recipe.change(", start: manual", "");
    let report = recipe.run(0);
    assert_eq!(report["totals"]["read"], 200, "{report}");
    assert_switched(&engine, &name, &prefix.name("day-1-v2"));
    assert_eq!(engine.json.count(&name), 200);
}

/// A run that is given so much time ends by itself, and what it did is not done again. A range of parts is
/// what it says.
#[test]
fn a_run_for_some_time_ends_and_the_next_goes_on() {
    let engine = Engine::get();
    let prefix = engine.prefix("for");
    for day in ["day-1", "day-2", "day-3"] {
        make_index(&engine, &prefix.name(day), 1, 3000);
    }
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    recipe.change("batch_docs: 500", "batch_docs: 100, docs_per_second: 500");
    let begun = std::time::Instant::now();
    let some = recipe.run_with(&["--only", "n=2..3", "--for", "4s"], 5);
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    assert_eq!(some["parts"].as_array().unwrap().len(), 2, "{some}");
    assert_eq!(some["totals"]["balanced"], true);
    let written = some["totals"]["written"].as_u64().unwrap();
    assert!((1..6000).contains(&written), "{some}");
    for day in ["day-1", "day-2", "day-3"] {
        assert_untouched(&engine, &prefix.name(day));
    }
    recipe.change(", docs_per_second: 500", "");
    let rest = recipe.run_with(&["--only", "n=2..3", "--for", "10m"], 0);
    assert_eq!(rest["totals"]["written"], 6000, "what was carried is not carried again");
    for day in ["day-2", "day-3"] {
        assert_switched(&engine, &prefix.name(day), &prefix.name(&format!("{day}-v2")));
    }
    assert_untouched(&engine, &prefix.name("day-1"));
}
