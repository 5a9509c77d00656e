//! Pipelines that make ids and routings, and any number of documents of one. The truth is worked out from
//! the old index, just before it is switched, by a program of this test's own.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Recipe, assert_nothing_left, assert_same, assert_switched, assert_untouched, part};
use segue_testkit::{Engine, Prefix, content};
use serde_json::{Value, json};

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXrecords' }
target: { index: '{source}-v2', template: target.json }
pipeline:
  - set: { kind: add }
  - explode: { field: in, as: community }
  - rename: { community.id: to }
  - id: '{_id}/{to}'
  - routing: '{to}'
cutover: { mode: block, start: manual, after_switch: writers_send_new_shape }
limits: { batch_docs: 100 }
";

/// What is said when the inventory turns out to lack something.
const ANEW: &str = "all ids of both are compared";

struct Site {
    engine: Engine,
    prefix: Prefix,
    name: String,
    target: String,
    recipe: Recipe,
}

/// What a record is in: some communities, more or less of them, each by its number.
fn record(n: usize, communities: impl IntoIterator<Item = usize>) -> Value {
    let one = |c: usize| json!({ "id": format!("c{c}"), "weight": c * 10 });
    let all: Vec<_> = communities.into_iter().map(one).collect();
    json!({ "n": n, "in": all })
}

impl Site {
    fn make(test: &str, shards: u32, records: usize) -> Site {
        let engine = Engine::get();
        let prefix = engine.prefix(test);
        let name = prefix.name("records");
        let body = json!({
            "settings": { "number_of_shards": shards, "number_of_replicas": 0 },
            "mappings": { "dynamic": false, "properties": { "n": { "type": "long" } } }
        });
        engine.json.put(&format!("/{name}"), &body);
        let site = Site {
            recipe: Recipe::new(&engine, &prefix, RECIPE),
            target: format!("{name}-v2"),
            engine,
            prefix,
            name,
        };
        let all: Vec<_> = (0..records)
            .map(|n| (format!("r{n}"), record(n, (0..n % 4).map(|c| (n + c) % 7)).to_string()))
            .collect();
        let all: Vec<_> = all.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
        site.engine.json.write(&site.name, &all);
        site.recipe.add_file("target.json", &json!({
            "settings": { "number_of_shards": 2, "number_of_replicas": 0 },
            "mappings": { "dynamic": "strict", "properties": {
                "n": { "type": "long" }, "kind": { "type": "keyword" }, "to": { "type": "keyword" },
                "community": { "properties": { "weight": { "type": "short" } } },
                "in": { "properties": { "id": { "type": "keyword" }, "weight": { "type": "long" } } }
            }}
        }));
        site
    }

    fn write(&self, id: &str, body: &Value) {
        self.engine.json.put(&format!("/{}/_doc/{id}", self.name), body);
    }

    fn delete(&self, id: &str) {
        self.engine.json.delete(&format!("/{}/_doc/{id}", self.name));
    }

    /// What the target is to hold: routing and content by id.
    fn truth(&self) -> BTreeMap<String, (String, Value)> {
        let mut truth = BTreeMap::new();
        for (id, kept) in content(&self.engine, &self.name) {
            let record = kept.value();
            for community in record["in"].as_array().unwrap() {
                let to = community["id"].as_str().unwrap();
                let made = json!({
                    "n": record["n"], "kind": "add", "to": to,
                    "community": { "weight": community["weight"] }
                });
                truth.insert(format!("{id}/{to}"), (to.to_owned(), made));
            }
        }
        truth
    }

    fn held(&self) -> BTreeMap<String, (String, Value)> {
        let one = |(id, kept): (String, segue_testkit::Kept)| {
            let value = kept.value();
            (id, (kept.routing.unwrap_or_default(), value))
        };
        content(&self.engine, &self.target).into_iter().map(one).collect()
    }

    /// Carries what has changed, without having to make the inventory anew.
    fn verify(&self) {
        let ended = self.recipe.command("verify", &["--yes"]).run().expect(0);
        assert!(!ended.stderr.contains(ANEW), "{}", ended.stderr);
        assert_same(&self.held(), &self.truth());
    }

    fn cut_over(&self) -> Value {
        let truth = self.truth();
        let ended = self.recipe.command("cutover", &["--yes", "--json"]).run().expect(0);
        assert!(!ended.stderr.contains(ANEW), "{}", ended.stderr);
        assert_switched(&self.engine, &self.name, &self.target);
        assert_same(&self.held(), &truth);
        assert_nothing_left(&self.engine, self.prefix.as_str());
        ended.last_json_line()
    }
}

/// Records that come, go, and change what they are in, before, during and after the first pass.
#[test]
fn what_is_made_of_a_document_follows_it() {
    let site = Site::make("follows", 3, 1200);
    let report = site.recipe.run(0);
    let balance = &part(&report, "records")["balance"];
    assert_eq!(balance["read"], 1200, "{balance}");
    assert_eq!(
        (&balance["written"], &balance["already_there"]),
        (&json!(900), &json!(0)),
        "{balance}"
    );
    assert_eq!(balance["filtered"], json!({ "`in` has no value to make a document of": 300 }));
    assert_same(&site.held(), &site.truth());
    for n in 0..40 {
        // Fewer, more, others, none, the same, gone, back again.
        let (id, now) = (
            format!("r{n}"),
            record(
                n,
                match n % 5 {
                    0 => vec![],
                    1 => vec![n % 7],
                    2 => vec![0, 1, 2, 3, 4, 5, 6],
                    3 => vec![(n + 3) % 7, (n + 4) % 7],
                    _ => vec![n % 7, (n + 1) % 7],
                },
            ),
        );
        site.write(&id, &now);
        if n % 8 == 7 {
            site.delete(&id);
        }
    }
    (40..60).for_each(|n| site.delete(&format!("r{n}")));
    (50..55).for_each(|n| site.write(&format!("r{n}"), &record(n, [6])));
    site.verify();
    // And once more, so that the window itself has something to do.
    (60..70).for_each(|n| site.write(&format!("r{n}"), &record(n, [n % 7])));
    (70..80).for_each(|n| site.delete(&format!("r{n}")));
    site.cut_over();
}

/// A writer that goes on until the switch is refused at its end; what it was promised is there.
#[test]
fn under_writes_nothing_is_lost_and_nothing_comes_back() {
    let site = Site::make("writes", 2, 800);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut round = 0usize;
            while !done.load(Ordering::Relaxed) {
                round += 1;
                let n = round * 37 % 800;
                match round % 6 {
                    0 => drop(site.engine.json.call(
                        segue_testkit::Method::DELETE,
                        &format!("/{}/_doc/r{n}", site.name),
                        None,
                    )),
                    more => {
                        let body = record(n, (0..more % 4).map(|c| (round + c) % 7));
                        site.write(&format!("r{n}"), &body);
                    }
                }
            }
            round
        });
        site.recipe.run(0);
        site.recipe.command("verify", &["--yes"]).run().expect(0);
        done.store(true, Ordering::Relaxed);
        assert!(writer.join().unwrap() > 50);
    });
    site.cut_over();
}

/// One of the documents that are made of a record is refused: the record is a dead letter, whatever else
/// was made of it stands, and a retry completes it.
#[test]
fn a_record_that_is_refused_in_part_is_one_letter() {
    let site = Site::make("partly", 2, 200);
    let mut bad = record(500, [1, 2, 3]);
    bad["in"][1]["weight"] = json!(1_000_000);
    site.write("bad", &bad);
    let report = site.recipe.run(0);
    let balance = &part(&report, "records")["balance"];
    assert_eq!((&balance["read"], &balance["written"]), (&json!(201), &json!(150)), "{balance}");
    let letters: u64 =
        balance["dead_lettered"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(letters, 1, "{balance}");
    let refused = site.recipe.command("cutover", &["--yes", "--json"]).run().expect(3);
    let message = part(&refused.last_json_line(), "records")["error"]["message"].to_string();
    assert!(message.contains("dead_letters: 1 dead letters, 0 allowed"), "{message}");
    assert_untouched(&site.engine, &site.name);
    let wider = json!({ "properties": { "community": { "properties": { "weight": { "type": "short", "coerce": true } } } } });
    site.engine.json.put(&format!("/{}/_mapping", site.target), &wider);
    let again = site
        .recipe
        .command("errors", &["retry", "--yes", "--json"])
        .run()
        .expect(3)
        .last_json_line();
    assert_eq!(again["parts"][0]["refused"], 1, "{again}");
    let letters = site.recipe.command("errors", &["--json"]).run().expect(3).last_json_line();
    assert_eq!(letters["open"], 1, "{letters}");
    let lenient = json!({ "properties": { "community": { "properties": { "weight": { "type": "short", "ignore_malformed": true } } } } });
    site.engine.json.put(&format!("/{}/_mapping", site.target), &lenient);
    let again = site
        .recipe
        .command("errors", &["retry", "--yes", "--json"])
        .run()
        .expect(0)
        .last_json_line();
    assert_eq!(again["parts"][0]["written"], 1, "{again}");
    site.verify();
    site.cut_over();
}

/// Also what changed while there was no inventory is taken away under the keys that it had.
#[test]
fn a_lost_inventory_is_made_anew_with_its_keys() {
    let site = Site::make("lostkeys", 2, 600);
    site.recipe.run(0);
    (0..20).for_each(|n| site.delete(&format!("r{n}")));
    (20..40).for_each(|n| site.write(&format!("r{n}"), &record(n, [6])));
    site.recipe.lose_state();
    (40..50).for_each(|n| site.delete(&format!("r{n}")));
    let ended = site.recipe.command("verify", &["--yes", "--json"]).run().expect(0);
    assert!(ended.stderr.contains("made anew"), "{}", ended.stderr);
    assert_same(&site.held(), &site.truth());
    (50..60).for_each(|n| site.write(&format!("r{n}"), &record(n, [])));
    site.cut_over();
}

/// Two records that make one id are named, and nothing is switched.
#[test]
fn records_that_make_one_id_stop_the_part() {
    let site = Site::make("oneid", 1, 50);
    site.recipe.change("'{_id}/{to}'", "'{to}'");
    let ended = site.recipe.command("run", &["--yes", "--json"]).run().expect(4);
    let message = part(&ended.last_json_line(), "records")["error"]["message"].to_string();
    assert!(message.contains("duplicate") && message.contains("made of"), "{message}");
    assert_untouched(&site.engine, &site.name);
}

/// Another pipeline makes other ids: what the first one made goes.
#[test]
fn what_only_an_earlier_pipeline_made_goes() {
    let site = Site::make("otherids", 2, 300);
    site.recipe.change("'{_id}/{to}'", "'{to}:{_id}'");
    site.recipe.run(0);
    assert!(site.held().contains_key("c1:r1"));
    site.recipe.change("'{to}:{_id}'", "'{_id}/{to}'");
    site.recipe.run(0);
    site.cut_over();
}

/// Killed at any step of a window and run again, nothing is missing and nothing is left.
#[test]
fn a_run_that_was_killed_goes_on_with_its_keys() {
    let site = Site::make("killedkeys", 2, 3000);
    site.recipe.change("batch_docs: 100", "batch_docs: 100, docs_per_second: 1500");
    let arrived = || {
        let path = format!("/{}/_stats/docs?level=shards&ignore_unavailable=true", site.target);
        let highest =
            |stats: &Value| stats["_all"]["primaries"]["docs"]["count"].as_u64().unwrap_or(0);
        site.engine
            .json
            .post(&format!("/{}/_refresh?ignore_unavailable=true", site.target), &Value::Null);
        highest(&site.engine.json.get(&path)) > 300
    };
    let run = site.recipe.command("run", &["--yes"]);
    let died = run.signal_when(arrived, segue_testkit::Signal::SIGKILL);
    assert_eq!(died.signal, Some(9), "{}", died.stderr);
    site.recipe.change(", docs_per_second: 1500", "");
    (0..30).for_each(|n| site.delete(&format!("r{n}")));
    (30..60).for_each(|n| site.write(&format!("r{n}"), &record(n, [n % 7])));
    let ended = site.recipe.command("run", &["--yes"]).run().expect(0);
    assert!(!ended.stderr.contains(ANEW), "{}", ended.stderr);
    site.cut_over();
}

/// The plan refuses whatever takes an id of the target for one of the source.
#[test]
fn what_needs_the_old_ids_is_refused_by_the_plan() {
    let site = Site::make("needs", 1, 5);
    for (from, to) in [
        ("mode: block", "mode: redirect, writers: index_only"),
        ("start: manual", "reverse_for: 1h"),
        ("writers_send_new_shape", "target_accepts_both"),
        ("writers_send_new_shape", "keep_enriching, enrich_for: 1h"),
    ] {
        site.recipe.change(from, to);
        let refused = site.recipe.command("plan", &[]).run().expect(3);
        assert!(refused.stdout.contains("SEG-P164"), "{to}: {}", refused.stdout);
        site.recipe.change(to, from);
    }
    let tried = site.recipe.command("try", &["--id", "r3", "--json"]).run().expect(0);
    let lines: Vec<Value> =
        tried.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(tried.stdout.contains("r3/c3") && tried.stdout.contains("r3/c5"), "{lines:?}");
}
