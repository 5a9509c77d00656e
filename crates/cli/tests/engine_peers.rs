//! Two processes at one migration: whichever is late does no harm.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::{Recipe, assert_nothing_left, assert_switched, make_index};
use segue_testkit::{Engine, Fault, Faults, Method, Proxy, Signal, content};
use serde_json::json;

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-1' }
target: { index: '{source}-v2' }
cutover: { mode: block }
limits: { batch_docs: 100, docs_per_second: 2000, lease_ttl: 3s }
";

const DOCUMENTS: usize = 6000;

fn values(engine: &Engine, name: &str) -> BTreeMap<String, i64> {
    let documents = content(engine, name).into_iter();
    documents.map(|(id, kept)| (id, kept.value()["v"].as_i64().unwrap())).collect()
}

/// One of two is held up in the middle of its work, and goes on when the other has switched and the
/// application has written since.
#[test]
fn a_process_that_was_held_up_over_the_switch_writes_nothing_any_more() {
    let engine = Engine::get();
    let prefix = engine.prefix("paused");
    let (name, target) = (prefix.name("day-1"), prefix.name("day-1-v2"));
    make_index(&engine, &name, 2, DOCUMENTS);
    let (one, other) =
        (Recipe::new(&engine, &prefix, RECIPE), Recipe::new(&engine, &prefix, RECIPE));
    let mut paused = one.command("run", &["--yes"]).start();
    let in_target = || {
        // Before the target is made there is no answer.
        let path = format!("/{target}/_stats/indexing");
        let (_, stats) = engine.json.call(Method::GET, &path, None);
        stats["_all"]["primaries"]["indexing"]["index_total"].as_u64().unwrap_or(0)
    };
    paused.until(|| in_target() > 500);
    paused.signal(Signal::SIGSTOP);
    assert!(in_target() < DOCUMENTS as u64, "it was not held up in the middle");

    other.change("docs_per_second: 2000", "docs_per_second: auto");
    other.run(0);
    assert_switched(&engine, &name, &target);
    let mut expected: BTreeMap<_, _> =
        (0..DOCUMENTS).map(|n| (format!("d{n}"), i64::try_from(n).unwrap())).collect();
    for n in (0..DOCUMENTS).step_by(7) {
        let id = format!("d{n}");
        if n % 2 == 0 {
            engine.json.put(&format!("/{name}/_doc/{id}"), &json!({ "v": -1 }));
            expected.insert(id, -1);
        } else {
            engine.json.delete(&format!("/{name}/_doc/{id}"));
            expected.remove(&id);
        }
    }
    paused.signal(Signal::SIGCONT);
    let ended = paused.end();
    assert_ne!(ended.code, Some(0), "it took no notice: {}", ended.stderr);
    assert!(ended.stdout.contains("SEG-E"), "{}", ended.stdout);
    assert!(values(&engine, &name) == expected, "the late process changed something");
    assert_nothing_left(&engine, prefix.as_str());
    one.run(0);
    assert!(values(&engine, &name) == expected, "a run afterwards changed something");
}

/// Both at once, from the start: one does the work, the other waits and finds it done.
#[test]
fn of_two_at_once_the_migration_comes_to_one_good_end() {
    let engine = Engine::get();
    let prefix = engine.prefix("twice");
    let (name, target) = (prefix.name("day-1"), prefix.name("day-1-v2"));
    make_index(&engine, &name, 2, DOCUMENTS);
    let recipes = [Recipe::new(&engine, &prefix, RECIPE), Recipe::new(&engine, &prefix, RECIPE)];
    let running: Vec<_> =
        recipes.iter().map(|recipe| recipe.command("run", &["--yes"]).start()).collect();
    let ended: Vec<_> = running.into_iter().map(segue_testkit::Running::end).collect();
    let told = || ended.iter().map(|ended| ended.stderr.as_str()).collect::<String>();
    assert!(ended.iter().all(|ended| ended.code == Some(0)), "{}", told());
    assert!(told().contains("waiting on process"), "one waits for the other: {}", told());
    assert_switched(&engine, &name, &target);
    let expected: BTreeMap<_, _> =
        (0..DOCUMENTS).map(|n| (format!("d{n}"), i64::try_from(n).unwrap())).collect();
    assert!(values(&engine, &name) == expected, "{}", told());
    assert_nothing_left(&engine, prefix.as_str());
}

/// The documents of several parts, as they are to stand at the end.
fn make_days(engine: &Engine, prefix: &segue_testkit::Prefix, days: usize, documents: usize) {
    for day in 1..=days {
        make_index(engine, &prefix.name(&format!("day-{day}")), 1, documents);
    }
}

/// Sources that a report did something about.
fn worked_on(report: &serde_json::Value) -> Vec<String> {
    let parts = report["parts"].as_array().unwrap().iter();
    let done = parts.filter(|part| part["error"].is_null() && part["batches"] != 0);
    done.map(|part| part["source"].as_str().unwrap().to_owned()).collect()
}

/// A worker takes parts beside a run, each part has one of them, and both end when all is done.
#[test]
fn a_worker_takes_parts_beside_a_run() {
    let engine = Engine::get();
    let prefix = engine.prefix("worker");
    make_days(&engine, &prefix, 6, 1500);
    let text = RECIPE.replace("day-1'", "day-{n}', match: { n: '[0-9]+' }");
    let text = text.replace("lease_ttl: 3s", "parts: 1");
    let (one, other) = (Recipe::new(&engine, &prefix, &text), Recipe::new(&engine, &prefix, &text));
    let nobody = other.command("worker", &[]).run().expect(2);
    assert!(nobody.stderr.contains("nobody has begun"), "{}", nobody.stderr);
    let mut run = one.command("run", &["--yes", "--json"]).start();
    let target = prefix.name("day-*-v2");
    run.until(|| {
        let path = format!("/_cat/indices/{target}?h=index&format=json");
        engine.json.get(&path).as_array().is_some_and(|found| !found.is_empty())
    });
    let worker = other.command("worker", &["--json"]).run().expect(0);
    let ran = run.end().expect(0);
    let of_run = worked_on(&ran.last_json_line());
    let lines = worker.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    let of_worker: Vec<_> = lines.flat_map(|report| worked_on(&report)).collect();
    assert!(!of_run.is_empty() && !of_worker.is_empty(), "{of_run:?} {of_worker:?}");
    assert!(of_run.iter().all(|part| !of_worker.contains(part)), "{of_run:?} {of_worker:?}");
    assert_eq!(of_run.len() + of_worker.len(), 6, "{of_run:?} {of_worker:?}");
    for day in 1..=6 {
        let name = prefix.name(&format!("day-{day}"));
        assert_switched(&engine, &name, &format!("{name}-v2"));
        assert_eq!(engine.json.count(&name), 1500);
    }
    assert_nothing_left(&engine, prefix.as_str());
}

/// A worker that dies loses its part to another at once, where both are on one machine.
#[test]
fn the_part_of_a_worker_that_died_is_taken_over() {
    let engine = Engine::get();
    let prefix = engine.prefix("orphan");
    make_index(&engine, &prefix.name("day-1"), 1, 3000);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    recipe.change("lease_ttl: 3s", "lease_ttl: 5m");
    let mut dies = recipe.command("run", &["--yes"]).start();
    dies.until(|| {
        let query = json!({ "query": { "prefix": { "part": prefix.as_str() } } });
        engine.json.call(Method::POST, "/segue-leases/_refresh", None);
        let (_, found) = engine.json.call(Method::POST, "/segue-leases/_count", Some(&query));
        found["count"].as_u64().unwrap_or(0) > 0
    });
    dies.signal(Signal::SIGKILL);
    let killed = dies.end();
    assert!(killed.signal.is_some(), "it was not killed: {:?}", killed.code);
    let begun = std::time::Instant::now();
    let after = recipe.command("run", &["--yes"]).run().expect(0);
    assert!(begun.elapsed().as_secs() < 120, "it waited for the lease to expire: {}", after.stderr);
    assert_switched(&engine, &prefix.name("day-1"), &prefix.name("day-1-v2"));
}

/// A request to close that the network holds up until another run has switched: it must not close what
/// the name stands for by then.
#[test]
fn a_request_to_close_that_comes_after_the_switch_closes_nothing() {
    let engine = Engine::get();
    let prefix = engine.prefix("late-close");
    let (name, target) = (prefix.name("day-1"), prefix.name("day-1-v2"));
    make_index(&engine, &name, 2, 200);
    let late = Fault::Late(Duration::from_secs(8));
    let proxy = Proxy::start(&engine, Faults::seeded(1).with(late, 1000).only("_block").at_most(1));
    let struck = proxy.watch("_block");
    let (slow, straight) = (
        Recipe::new(&Engine::at(&proxy.url), &prefix, RECIPE),
        Recipe::new(&engine, &prefix, RECIPE),
    );
    let began = Instant::now();
    let backed_out = slow.command("run", &["--yes"]).run();
    assert_ne!(backed_out.code, Some(0), "the request was not held up: {}", backed_out.stderr);
    assert!(struck.load(Ordering::Relaxed) > 0, "no request to close was sent");
    straight.run(0);
    assert_switched(&engine, &name, &target);
    assert!(began.elapsed() < Duration::from_secs(8), "the machine is too slow for this test");
    std::thread::sleep(Duration::from_secs(9).saturating_sub(began.elapsed()));
    assert_nothing_left(&engine, prefix.as_str());
    engine.json.put(&format!("/{name}/_doc/after"), &json!({ "v": 1 }));
}
