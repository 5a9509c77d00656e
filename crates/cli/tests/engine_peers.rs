//! Two processes at one migration: whichever is late does no harm.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::collections::BTreeMap;

use common::{Recipe, assert_nothing_left, assert_switched, make_index};
use segue_testkit::{Engine, Method, Signal, content};
use serde_json::json;

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-1' }
target: { index: '{source}-v2' }
cutover: { mode: block }
limits: { batch_docs: 100, docs_per_second: 2000 }
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

/// Both at once, from the start: one gets through, and a run afterwards finds all done.
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
    assert!(ended.iter().all(|ended| ended.signal.is_none()), "{}", told());
    recipes[0].run(0);
    assert_switched(&engine, &name, &target);
    let expected: BTreeMap<_, _> =
        (0..DOCUMENTS).map(|n| (format!("d{n}"), i64::try_from(n).unwrap())).collect();
    assert!(values(&engine, &name) == expected, "{}", told());
    assert_nothing_left(&engine, prefix.as_str());
}
