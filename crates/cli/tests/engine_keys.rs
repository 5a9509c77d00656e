//! Pipelines that make ids and routings, and any number of documents of one. The truth is worked out from
//! the old index, just before it is switched, by a program of this test's own.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{Recipe, assert_nothing_left, assert_same, assert_switched, assert_untouched, part};
use segue_testkit::{Engine, Fault, Faults, Method, Prefix, Proxy, content};
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

    /// The copy of the old index that is kept.
    fn kept(&self) -> String {
        let path = format!("/segue-before-{}*?expand_wildcards=all", self.name);
        let found = self.engine.json.get(&path);
        let names: Vec<_> = found.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        names.into_iter().next().unwrap()
    }

    /// What the target is to hold: routing and content by id.
    fn truth(&self) -> BTreeMap<String, (String, Value)> {
        self.truth_of(&self.name)
    }

    fn truth_of(&self, index: &str) -> BTreeMap<String, (String, Value)> {
        let mut truth = BTreeMap::new();
        for (id, kept) in content(&self.engine, index) {
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
        self.cut_over_while(|| ())
    }

    /// Cuts over; `act` comes when everything was compared, just before the old index is closed.
    fn cut_over_while(&self, act: impl FnOnce()) -> Value {
        let delay = Fault::Delay(Duration::from_secs(2));
        let faults = Faults::seeded(1).with(delay, 1000).only("_block").at_most(1);
        let proxy = Proxy::start(&self.engine, faults);
        let closing = proxy.watch("_block");
        let command = self.recipe.through(&proxy.url, "cutover", &["--yes", "--json"]);
        let ended = std::thread::scope(|scope| {
            let running = scope.spawn(move || command.run());
            while closing.load(Ordering::Relaxed) == 0 && !running.is_finished() {
                std::thread::sleep(Duration::from_millis(5));
            }
            act();
            running.join().unwrap()
        });
        let ended = ended.expect(0);
        let truth = self.truth_of(&self.kept());
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
    (60..70).for_each(|n| site.write(&format!("r{n}"), &record(n, [n % 7])));
    (70..80).for_each(|n| site.delete(&format!("r{n}")));
    site.cut_over();
}

/// What happens between the comparison and the block shows itself in no count, or in the count alone.
#[test]
fn what_happens_just_before_the_block_is_carried() {
    type Act = fn(&Site);
    let others = |site: &Site| {
        (0..60).for_each(|n| {
            // As many as before, under other ids.
            site.write(&format!("r{n}"), &record(n, (0..n % 4).map(|c| (n + c + 3) % 7)));
        });
    };
    let acts: [(&str, Act); 4] = [
        ("deletes", |site| (0..60).for_each(|n| site.delete(&format!("r{n}")))),
        ("others", others),
        ("the same", |site| {
            (0..60).for_each(|n| {
                site.write(&format!("r{n}"), &record(n, (0..n % 4).map(|c| (n + c) % 7)));
            });
        }),
        ("fewer and more", |site| {
            (0..60).for_each(|n| {
                site.write(&format!("r{n}"), &record(n, (0..4 - n % 4).map(|c| (n + c) % 7)));
            });
        }),
    ];
    for (at, (what, act)) in acts.into_iter().enumerate() {
        let site = Site::make(&format!("justbefore{at}"), 2, 300);
        site.recipe.run(0);
        let before = site.truth();
        site.cut_over_while(|| act(&site));
        assert!(what == "the same" || before != site.held(), "{what}");
    }
}

/// Letters that are allowed leave room for the documents that stand, and for nothing else.
#[test]
fn letters_that_are_allowed_hide_nothing() {
    let site = Site::make("allowed", 2, 200);
    site.recipe.change("start: manual", "start: manual, max_dead_letters: 1");
    let mut bad = record(500, [1, 2, 3, 4, 5]);
    bad["in"][1]["weight"] = json!(1_000_000);
    site.write("bad", &bad);
    site.recipe.run(0);
    let closed = site.recipe.command("verify", &["--yes"]).run().expect(0);
    assert!(!closed.stderr.contains(ANEW), "{}", closed.stderr);
    (0..20).for_each(|n| site.delete(&format!("r{n}")));
    site.recipe.command("cutover", &["--yes"]).run().expect(0);
    let (held, mut truth) = (site.held(), site.truth_of(&site.kept()));
    truth.remove("bad/c2");
    assert_same(&held, &truth);
}

/// Where two records made one id and the recipe leaves one of them out from then on, it goes on.
#[test]
fn an_id_that_two_records_made_is_mended_by_the_recipe() {
    let site = Site::make("mended", 1, 40);
    site.recipe.change("'{_id}/{to}'", "'{n}/{to}'");
    site.write("twin", &record(5, [5]));
    site.recipe.command("run", &["--yes"]).run().expect(4);
    assert_untouched(&site.engine, &site.name);
    let filter = "- filter: { drop_if: { field: twin, exists: true }, reason: twins }\n  - set: { kind: add }";
    site.recipe.change("- set: { kind: add }", filter);
    let mut twin = record(5, [5]);
    twin["twin"] = json!(true);
    site.write("twin", &twin);
    site.recipe.run(0);
    let ids: Vec<_> = site.held().into_keys().filter(|id| id.starts_with("5/")).collect();
    assert_eq!(ids, ["5/c5"]);
}

/// A pipeline that makes no ids any more leaves none of those that it made.
#[test]
fn ids_that_are_made_no_more_go() {
    let site = Site::make("nomore", 2, 200);
    site.recipe.run(0);
    site.recipe.change("  - explode: { field: in, as: community }\n  - rename: { community.id: to }\n  - id: '{_id}/{to}'\n  - routing: '{to}'\n", "");
    site.recipe.run(0);
    assert_eq!(site.held().len(), 200);
    assert!(site.held().contains_key("r1"));
    site.recipe.command("cutover", &["--yes"]).run().expect(0);
    assert_switched(&site.engine, &site.name, &site.target);
}

/// A rollback never feeds back under ids that the old index does not have, and asks before it loses deletes.
#[test]
fn a_rollback_says_what_it_would_lose() {
    let site = Site::make("back", 1, 60);
    site.recipe.run(0);
    let before = content(&site.engine, &site.name);
    site.cut_over();
    site.engine.json.delete(&format!("/{}/_doc/r1%2Fc1?routing=c1", site.name));
    // Set after the switch, when the plan is not asked any more.
    site.recipe.change("start: manual", "start: manual, reverse_for: 1h");
    let asked = site.recipe.command("rollback", &["--yes"]).run();
    assert_ne!(asked.code, Some(0), "{}", asked.stderr);
    assert!(asked.stderr.contains("would be lost"), "{}", asked.stderr);
    assert_switched(&site.engine, &site.name, &site.target);
    site.recipe.command("rollback", &["--yes", "--discard-writes"]).run().expect(0);
    assert_same(&content(&site.engine, &site.name), &before);
}

/// A writer that goes on until it is refused; what it was promised until then is there.
#[test]
fn under_writes_nothing_is_lost_and_nothing_comes_back() {
    let site = Site::make("writes", 2, 800);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 1usize.. {
                let path = format!("/{}/_doc/r{}", site.name, round * 37 % 800);
                let status = match round % 6 {
                    0 => site.engine.json.call(Method::DELETE, &path, None).0,
                    more => {
                        let body = record(round, (0..more % 4).map(|c| (round + c) % 7));
                        site.engine.json.call(Method::PUT, &path, Some(&body)).0
                    }
                };
                if status == 403 {
                    return round;
                }
                assert!(matches!(status, 200 | 201 | 404), "{status}");
            }
            0
        });
        site.recipe.run(0);
        site.cut_over();
        assert!(writer.join().unwrap() > 50);
    });
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
