//! Names: aliases keep what they are, and who reads by them never sees a document twice or not at
//! all.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::{Recipe, assert_switched, assert_untouched, make_index, state};
use segue_testkit::{Engine, Method};
use serde_json::{Value, json};

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-1' }
target: { index: '{source}-v2' }
cutover: { mode: block }
limits: { batch_docs: 100 }
";

fn aliases(engine: &Engine, index: &str) -> Value {
    engine.json.get(&format!("/{index}/_alias"))[index]["aliases"].clone()
}

#[test]
fn aliases_keep_filter_routing_and_write_flag() {
    let engine = Engine::get();
    let prefix = engine.prefix("props");
    let (name, target) = (prefix.name("day-1"), prefix.name("day-1-v2"));
    let other = prefix.name("other");
    make_index(&engine, &name, 2, 300);
    make_index(&engine, &other, 1, 7);
    let of = |alias: &str| prefix.name(alias);
    let add = |index: &str, alias: &str, mut props: Value| {
        props["index"] = json!(index);
        props["alias"] = json!(of(alias));
        json!({ "add": props })
    };
    let actions = json!({ "actions": [
        add(&name, "filtered", json!({ "filter": { "range": { "v": { "lt": 100 } } } })),
        add(&name, "routed", json!({ "index_routing": "a", "search_routing": "a,b" })),
        add(&name, "written", json!({ "is_write_index": true })),
        add(&name, "all", json!({ "is_write_index": true })),
        add(&other, "all", json!({})),
    ]});
    engine.json.post("/_aliases", &actions);
    let mut before = aliases(&engine, &name);
    let (in_all, in_filtered) = (engine.json.count(&of("all")), engine.json.count(&of("filtered")));
    assert_eq!((in_all, in_filtered), (307, 100));

    Recipe::new(&engine, &prefix, RECIPE).run(0);
    assert_switched(&engine, &name, &target);
    before[&name] = json!({});
    assert_eq!(aliases(&engine, &target), before);
    assert_eq!(aliases(&engine, &other), json!({ of("all"): {} }));
    assert_eq!(engine.json.count(&of("all")), 307);
    assert_eq!(engine.json.count(&of("filtered")), 100);
    engine.json.put(&format!("/{}/_doc/new?refresh=true", of("all")), &json!({ "v": 1 }));
    assert_eq!(engine.json.count(&target), 301, "written by the alias");
}

#[test]
fn a_target_that_stands_behind_somebody_elses_alias_is_refused() {
    let engine = Engine::get();
    let prefix = engine.prefix("taken");
    let (name, target) = (prefix.name("day-1"), prefix.name("day-1-v2"));
    make_index(&engine, &name, 1, 10);
    make_index(&engine, &target, 1, 3);
    let alias = prefix.name("in-use");
    engine.json.put(&format!("/{target}/_alias/{alias}"), &json!({}));
    let before = state(&engine, prefix.as_str());
    let ended = Recipe::new(&engine, &prefix, RECIPE).command("run", &["--yes"]).run().expect(3);
    assert!(ended.stderr.contains("SEG-P110"), "{}", ended.stderr);
    assert_eq!(state(&engine, prefix.as_str()), before, "something was changed");
    assert_untouched(&engine, &name);
}

/// What readers saw.
#[derive(Default)]
struct Seen {
    once: AtomicU64,
    twice: AtomicU64,
    never: AtomicU64,
    unanswered: AtomicU64,
}

impl Seen {
    fn note(&self, (status, answer): (u16, Value)) {
        let counter = match (status, answer["hits"]["total"]["value"].as_u64(), &answer["found"]) {
            (200, Some(1), _) | (200, None, Value::Bool(true)) => &self.once,
            (200, Some(0), _) | (404, None, Value::Bool(false)) => &self.never,
            (200, Some(_), _) => &self.twice,
            // While an index is being removed the engine answers no search by its name.
            _ => &self.unanswered,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Readers by id and by search, by the old name and by an alias, through the whole run.
#[test]
fn readers_find_each_document_once_all_the_time() {
    let engine = Engine::get();
    let prefix = engine.prefix("readers");
    let (name, target) = (prefix.name("day-1"), prefix.name("day-1-v2"));
    make_index(&engine, &name, 2, 8000);
    let (alone, shared) = (prefix.name("alone"), prefix.name("shared"));
    let other = prefix.name("other");
    make_index(&engine, &other, 1, 0);
    engine.json.put(&format!("/{name}/_alias/{alone}"), &json!({}));
    engine.json.put(&format!("/{name}/_alias/{shared}"), &json!({}));
    engine.json.put(&format!("/{other}/_alias/{shared}"), &json!({}));
    let query = json!({ "query": { "term": { "v": 4711 } } });
    let search = |by: &str| format!("/{by}/_search?allow_partial_search_results=false");
    let ways: [(String, Option<&Value>); 5] = [
        (search(&name), Some(&query)),
        (search(&alone), Some(&query)),
        (search(&shared), Some(&query)),
        (format!("/{name}/_doc/d4711"), None),
        (format!("/{alone}/_doc/d4711"), None),
    ];
    engine.json.post(&format!("/{name}/_refresh"), &json!({}));
    let seen: Vec<_> = ways.iter().map(|_| Seen::default()).collect();
    let over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        for ((path, body), seen) in ways.iter().zip(&seen) {
            let (engine, over) = (&engine, &over);
            threads.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let method = if body.is_some() { Method::POST } else { Method::GET };
                    seen.note(engine.json.call(method, path, *body));
                    std::thread::sleep(Duration::from_millis(3));
                }
            });
        }
        let recipe = Recipe::new(&engine, &prefix, RECIPE);
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| recipe.run(0)));
        std::thread::sleep(Duration::from_millis(300));
        over.store(true, Ordering::Relaxed);
        if let Err(failure) = ran {
            std::panic::resume_unwind(failure);
        }
    });
    assert_switched(&engine, &name, &target);
    for ((path, _), seen) in ways.iter().zip(&seen) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (once, unanswered) = (count(&seen.once), count(&seen.unanswered));
        eprintln!("{path}: {once} times found, {unanswered} times not answered");
        assert_eq!((count(&seen.twice), count(&seen.never)), (0, 0), "{path}");
        assert!(once > 20 && unanswered < once, "{path}: {once}, {unanswered} unanswered");
    }
}
