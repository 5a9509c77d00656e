//! Applications that give their documents versions (`version_type=external`): with
//! `target.versions: preserve` the target has the versions of the source, and the application goes on
//! after the switch. The truth is the old index itself, by id, just before.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{
    Recipe, assert_nothing_left, assert_same, assert_switched, assert_untouched, journal,
    make_index, part, state,
};
use segue_testkit::{Engine, Fault, Faults, Method, Prefix, Proxy};
use serde_json::{Value, json};

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2', versions: preserve }
cutover: { mode: block, start: manual }
limits: { batch_docs: 100 }
";

/// Milliseconds since 1970, as such versions are.
const TIME: u64 = 1_763_000_000_000;

/// What is said when the target holds what the inventory knows nothing of.
const ANEW: &str = "all ids of both are compared";

/// What an index holds: id → version, routing, content.
type Content = BTreeMap<String, (u64, Value, Value)>;

/// An index whose documents have versions of an application's, and the recipe that moves it.
struct Moved<'a> {
    engine: &'a Engine,
    recipe: Recipe,
    name: String,
    target: String,
}

impl<'a> Moved<'a> {
    /// Documents `d0` to `d{documents - 1}`, of the versions `TIME` + 1000 n.
    fn new(engine: &'a Engine, prefix: &Prefix, shards: u32, documents: u64) -> Moved<'a> {
        let (name, target) = (prefix.name("day-1"), prefix.name("day-1-v2"));
        make_index(engine, &name, shards, 0);
        let moved = Moved { engine, recipe: Recipe::new(engine, prefix, RECIPE), name, target };
        for n in 0..documents {
            moved.takes(&format!("d{n}"), TIME + 1000 * n);
        }
        moved
    }

    fn write(&self, id: &str, version: u64, body: &Value) -> u16 {
        write(self.engine, &self.name, id, version, Some(body))
    }

    /// The application writes, and is not refused.
    fn takes(&self, id: &str, version: u64) {
        let status = self.write(id, version, &json!({ "v": version }));
        assert!(matches!(status, 200 | 201), "{id} at {version}: {status}");
    }

    /// The application writes what is older than what stands there.
    fn refuses(&self, id: &str, version: u64) {
        assert_eq!(self.write(id, version, &json!({ "v": -1 })), 409, "{id} at {version}");
    }

    fn deletes(&self, id: &str, version: u64) {
        let status = write(self.engine, &self.name, id, version, None);
        assert!(matches!(status, 200 | 404), "{id} at {version}: {status}");
    }

    /// The source forgets its deletes.
    fn forget(&self) {
        let now = json!({ "index.gc_deletes": "0s" });
        self.engine.json.put(&format!("/{}/_settings", self.name), &now);
        std::thread::sleep(Duration::from_millis(1500));
        self.engine.json.post(&format!("/{}/_refresh", self.name), &Value::Null);
        let again = json!({ "index.gc_deletes": null });
        self.engine.json.put(&format!("/{}/_settings", self.name), &again);
    }

    fn truth(&self) -> Content {
        content(self.engine, &self.name)
    }

    fn cut_over(&self) -> Value {
        let ended = self.recipe.command("cutover", &["--yes", "--json"]).run().expect(0);
        assert!(!ended.stderr.contains(ANEW), "{}", ended.stderr);
        ended.last_json_line()
    }

    fn assert_switched_to(&self, truth: &Content) {
        assert_switched(self.engine, &self.name, &self.target);
        assert_same(&self.truth(), truth);
    }
}

/// A write with a version of the application's; without a body a delete.
fn write(engine: &Engine, index: &str, id: &str, version: u64, body: Option<&Value>) -> u16 {
    send(engine, index, id, version, body).0
}

fn send(
    engine: &Engine,
    index: &str,
    id: &str,
    version: u64,
    body: Option<&Value>,
) -> (u16, Value) {
    let joint = if id.contains('?') { '&' } else { '?' };
    let path = format!("/{index}/_doc/{id}{joint}version={version}&version_type=external");
    let method = if body.is_some() { Method::PUT } else { Method::DELETE };
    engine.json.call(method, &path, body)
}

fn content(engine: &Engine, index: &str) -> Content {
    engine.json.post(&format!("/{index}/_refresh"), &Value::Null);
    let all = json!({ "size": 10_000, "version": true, "query": { "match_all": {} } });
    let found = engine.json.post(&format!("/{index}/_search"), &all);
    assert_eq!(found["_shards"]["failed"], 0, "{found}");
    let hits = found["hits"]["hits"].as_array().unwrap();
    assert!(hits.len() < 10_000);
    let document = |hit: &Value| {
        let version = hit["_version"].as_u64().unwrap();
        let kept = (version, hit["_routing"].clone(), hit["_source"].clone());
        (hit["_id"].as_str().unwrap().to_owned(), kept)
    };
    hits.iter().map(document).collect()
}

#[test]
fn an_application_goes_on_with_its_own_versions() {
    let engine = Engine::get();
    let prefix = engine.prefix("preserve");
    let moved = Moved::new(&engine, &prefix, 3, 400);
    for n in 0..20 {
        moved.takes(&format!("r{n}?routing=k{}", n % 4), TIME + n);
    }
    // Of what comes out of order the source keeps the newest.
    for n in 0..30 {
        moved.refuses(&format!("d{n}"), TIME + 1000 * n - 1);
    }
    engine.json.post(&format!("/{}/_refresh", moved.name), &Value::Null);
    let plan = moved.recipe.command("plan", &[]).run().expect(0);
    assert!(plan.stdout.contains("note[SEG-P153]"), "{}", plan.stdout);
    moved.recipe.run(0);

    // While the part is ready: updates, late ones, deletes, deletes and creations.
    let later = TIME + 10_000_000;
    for n in 0..50 {
        moved.takes(&format!("d{n}"), later + n);
        moved.refuses(&format!("d{n}"), later + n - 1);
    }
    for n in 50..80 {
        moved.deletes(&format!("d{n}"), later + n);
        moved.refuses(&format!("d{n}"), later + n - 1);
    }
    for n in 80..100 {
        moved.deletes(&format!("d{n}"), later + n);
        moved.takes(&format!("d{n}"), later + n + 1);
    }
    for n in 100..110 {
        // By one only, which is as close as versions get.
        let was = TIME + 1000 * n;
        moved.deletes(&format!("d{n}"), was + 1);
        moved.takes(&format!("d{n}"), was + 2);
    }
    moved.takes("new", later);
    moved.takes("gone", later);
    moved.deletes("gone", later + 1);
    for n in 0..5 {
        moved.deletes(&format!("r{n}?routing=k{}", n % 4), later);
    }
    let verified = moved.recipe.command("verify", &["--yes", "--json"]).run().expect(0);
    let verified = verified.last_json_line();
    assert_eq!(part(&verified, "day-1")["deleted"], 30 + 5, "{verified}");

    // A bulk of ours that was held up would arrive with the version that was deleted.
    let stale = json!({ "v": -1 });
    for n in 50..80 {
        let was = TIME + 1000 * n;
        let late = write(&engine, &moved.target, &format!("d{n}"), was, Some(&stale));
        assert_eq!(late, 409, "d{n} came back at {was}");
    }
    // Created again where the target has a tombstone.
    for n in 50..60 {
        moved.takes(&format!("d{n}"), later + n + 1);
    }
    for n in 200..220 {
        moved.deletes(&format!("d{n}"), later + n);
    }
    let truth = moved.truth();
    assert_eq!(truth.len(), 400 + 20 - 30 - 5 + 1 + 10 - 20);
    let report = moved.cut_over();
    assert_eq!(part(&report, "day-1")["phase"], "finished", "{report}");
    moved.assert_switched_to(&truth);
    assert_nothing_left(&engine, prefix.as_str());

    // The application goes on by the old name, and what is stale is refused.
    for (id, (version, routing, _)) in truth.iter().filter(|(id, _)| !id.starts_with('r')) {
        assert!(routing.is_null());
        moved.refuses(id, *version);
        moved.takes(id, version + 1);
    }
    for n in 60..80 {
        moved.takes(&format!("d{n}"), later + n + 1);
    }
    moved.deletes("d0", later + 1_000_000);
    moved.refuses("d0", later + 999_999);
}

/// A writer that gives each document a version above its last one, and what it was told.
struct Application {
    random: u64,
    clock: u64,
    held: BTreeMap<String, u64>,
    deleted: BTreeMap<String, u64>,
}

impl Application {
    fn dice(&mut self, sides: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) % sides
    }

    /// Sends one write until it is taken; the source is closed, and the name moves, for a moment.
    fn send(engine: &Engine, index: &str, id: &str, version: u64, body: Option<&Value>) {
        let mut unsure = false;
        for _ in 0..600 {
            let (status, answer) = send(engine, index, id, version, body);
            match status {
                200 | 201 => return,
                404 if answer["result"] == "not_found" => return,
                409 if unsure => return,
                403 | 404 | 429 | 503 => {}
                other => panic!("{id} at {version}: {other}"),
            }
            unsure |= status >= 500;
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{id} at {version} is refused for good");
    }

    fn step(&mut self, engine: &Engine, index: &str) {
        self.clock += 1 + self.dice(3);
        let (id, version) = (format!("a{}", self.dice(300)), self.clock);
        let (was, gone) = (self.held.get(&id).copied(), self.deleted.get(&id).copied());
        if was.is_some() && self.dice(4) == 0 {
            Self::send(engine, index, &id, version, None);
            self.held.remove(&id);
            self.deleted.insert(id, version);
            return;
        }
        let body = json!({ "v": version });
        Self::send(engine, index, &id, version, Some(&body));
        // Something older comes late: refused wherever the document is.
        if self.dice(5) == 0 {
            let stale = was.or(gone).unwrap_or(version);
            let late = write(engine, index, &id, stale, Some(&json!({ "v": -1 })));
            assert!(
                matches!(late, 409 | 403 | 404 | 503),
                "{id}: {stale} beside {version}: {late}"
            );
        }
        self.deleted.remove(&id);
        self.held.insert(id, version);
    }
}

#[test]
fn writes_with_versions_go_on_while_the_index_moves() {
    let engine = Engine::get();
    let prefix = engine.prefix("moving");
    let moved = Moved::new(&engine, &prefix, 2, 300);
    moved.recipe.change(", start: manual", "");
    moved.recipe.change("batch_docs: 100", "batch_docs: 20, docs_per_second: 200");
    let over = AtomicBool::new(false);
    let mut application = Application {
        random: 7,
        clock: TIME + 100_000_000,
        held: BTreeMap::new(),
        deleted: BTreeMap::new(),
    };
    for _ in 0..500 {
        application.step(&engine, &moved.name);
    }
    let held = std::thread::scope(|threads| {
        let writer = threads.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                application.step(&engine, &moved.name);
            }
            // And some more, after the switch.
            for _ in 0..200 {
                application.step(&engine, &moved.name);
            }
            application.held.clone()
        });
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            moved.recipe.command("run", &["--yes", "--json"]).run().expect(0)
        }));
        over.store(true, Ordering::Relaxed);
        let held = writer.join().unwrap();
        let ended = ended.unwrap_or_else(|failure| std::panic::resume_unwind(failure));
        assert!(!ended.stderr.contains(ANEW), "{}", ended.stderr);
        held
    });
    assert_switched(&engine, &moved.name, &moved.target);
    let found = moved.truth();
    let found: BTreeMap<_, _> =
        found.into_iter().filter(|(id, _)| id.starts_with('a')).map(|(id, f)| (id, f.0)).collect();
    assert_eq!(found, held);
}

/// Bulks whose answer is lost are sent again, and some of the first ones arrive after the second, or
/// after what they carried was replaced or deleted.
#[test]
fn bulks_that_arrive_twice_and_late_change_nothing() {
    let engine = Engine::get();
    let prefix = engine.prefix("twice");
    let moved = Moved::new(&engine, &prefix, 2, 600);
    moved.recipe.change("batch_docs: 100", "batch_docs: 20, retry_delay: 20ms, retries: 20");
    let faults = Faults::seeded(11)
        .with(Fault::DropResponse, 250)
        .with(Fault::Late(Duration::from_millis(1500)), 250)
        .only("_bulk");
    let proxy = Proxy::start(&engine, faults);
    let run = |verb: &str| {
        let ended = moved.recipe.through(&proxy.url, verb, &["--yes", "--json"]).run().expect(0);
        assert!(!ended.stderr.contains(ANEW), "{}", ended.stderr);
        ended.last_json_line()
    };
    let report = run("run");
    let balance = &part(&report, "day-1")["balance"];
    assert!(balance["already_there"].as_u64().unwrap() > 0, "nothing arrived twice: {report}");
    let later = TIME + 10_000_000;
    for round in 0..3 {
        for n in 0..60 {
            let (id, version) = (format!("d{}", n * 3 + round), later + 1000 * round + n);
            if n % 2 == 0 { moved.takes(&id, version) } else { moved.deletes(&id, version) }
        }
        run("verify");
    }
    let truth = moved.truth();
    run("cutover");
    moved.assert_switched_to(&truth);
    std::thread::sleep(Duration::from_secs(2));
    assert_same(&moved.truth(), &truth);
    assert_eq!(proxy.faults().len(), 2, "both kinds struck");
}

/// Runs that end in the middle are gone on with, whatever the application does in between.
#[test]
fn a_run_that_stops_goes_on_where_it_was() {
    let engine = Engine::get();
    let prefix = engine.prefix("stops");
    let moved = Moved::new(&engine, &prefix, 2, 500);
    moved.recipe.change("batch_docs: 100", "batch_docs: 20, lanes: 2");
    for round in 0..6 {
        moved.recipe.run_with(&["--max-batches", "3"], 5);
        for n in 0..40 {
            let (id, version) = (format!("d{}", n * 12 + round), TIME + 10_000_000 + n);
            match n % 3 {
                0 => moved.takes(&id, version),
                1 => moved.deletes(&id, version),
                _ => {
                    moved.deletes(&id, version);
                    moved.takes(&id, version + 1);
                }
            }
        }
    }
    moved.recipe.run(0);
    let truth = moved.truth();
    moved.cut_over();
    moved.assert_switched_to(&truth);
}

/// An update that the recipe filters, or the target refuses, takes the older version with it.
#[test]
fn what_is_left_out_after_it_was_carried_goes() {
    let engine = Engine::get();
    let prefix = engine.prefix("leftout");
    let moved = Moved::new(&engine, &prefix, 2, 100);
    let filter = "- filter: { drop_if: { field: robot, equals: true }, reason: robots }";
    moved.recipe.change("target: {", &format!("pipeline:\n  {filter}\ntarget: {{"));
    moved.recipe.change(
        "start: manual",
        "start: manual, max_dead_letters: 9, after_switch: target_accepts_both",
    );
    moved.recipe.run(0);
    let later = TIME + 10_000_000;
    for n in 0..20 {
        moved.write(&format!("d{n}"), later + n, &json!({ "v": n, "robot": true }));
    }
    (0..3).for_each(|n| moved.takes(&format!("d{n}"), later + 100));
    engine.json.put(&format!("/{}/_mapping", moved.target), &json!({ "dynamic": "strict" }));
    for n in 30..35 {
        moved.write(&format!("d{n}"), later + n, &json!({ "v": n, "odd": "field" }));
    }
    let mut truth = moved.truth();
    truth.retain(|_, (_, _, source)| source["robot"] != true && source["odd"] != "field");
    assert_eq!(truth.len(), 100 - 17 - 5);
    let report = moved.cut_over();
    let letters = part(&report, "day-1")["dead_letters"].as_array().unwrap().len();
    assert_eq!(letters, 5, "{report}");
    moved.assert_switched_to(&truth);
}

/// A lost inventory is made anew; a document that comes back once the target has forgotten its delete
/// is seen, and goes again.
#[test]
fn deletes_are_found_without_an_inventory_and_late_ones_again() {
    let engine = Engine::get();
    let prefix = engine.prefix("lost");
    let moved = Moved::new(&engine, &prefix, 2, 200);
    moved.recipe.run(0);
    let later = TIME + 10_000_000;
    (0..10).for_each(|n| moved.deletes(&format!("d{n}"), later + n));
    moved.recipe.lose_state();
    (10..20).for_each(|n| moved.deletes(&format!("d{n}"), later + n));
    let ended = moved.recipe.command("verify", &["--yes", "--json"]).run().expect(0);
    assert_eq!(part(&ended.last_json_line(), "day-1")["deleted"], 20);

    let now = json!({ "index.gc_deletes": "0s" });
    engine.json.put(&format!("/{}/_settings", moved.target), &now);
    engine.json.post(&format!("/{}/_refresh", moved.target), &Value::Null);
    engine.json.post(&format!("/{}/_close", moved.target), &Value::Null);
    engine.json.post(&format!("/{}/_open", moved.target), &Value::Null);
    let health = format!("/_cluster/health/{}?wait_for_status=yellow&timeout=60s", moved.target);
    engine.json.get(&health);
    let late = write(&engine, &moved.target, "d7", TIME + 7000, Some(&json!({ "v": 7 })));
    assert_eq!(late, 201, "the tombstone is still there");
    moved.takes("d30", later);
    let truth = moved.truth();
    let ended = moved.recipe.command("cutover", &["--yes", "--json"]).run().expect(0);
    assert!(ended.stderr.contains(ANEW), "{}", ended.stderr);
    moved.assert_switched_to(&truth);
}

/// Once the source has forgotten a delete, it takes a lower version, and the target does not: the
/// document is named, and the switch refused. A new target takes it.
#[test]
fn a_version_that_falls_is_named_and_refuses_the_switch() {
    let engine = Engine::get();
    let prefix = engine.prefix("falls");
    let moved = Moved::new(&engine, &prefix, 1, 50);
    moved.recipe.run(0);
    let refused = |id: &str, class: &str| {
        let ended = moved.recipe.command("cutover", &["--yes", "--json"]).run().expect(4);
        let report = ended.last_json_line();
        let error = &part(&report, "day-1")["error"];
        assert_eq!(error["code"], "SEG-E201", "{report}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&format!("1 {class} ({class} \"{id}\"")), "{message}");
        assert_untouched(&engine, &moved.name);
    };
    // The target still has the document, and the same content.
    moved.deletes("d3", TIME + 3001);
    moved.forget();
    assert_eq!(moved.write("d3", 17, &json!({ "v": TIME + 3000 })), 201);
    refused("d3", "stale");
    moved.takes("d3", TIME + 3002);
    // The target has its tombstone.
    moved.deletes("d4", TIME + 4001);
    moved.recipe.command("verify", &["--yes"]).run().expect(0);
    moved.forget();
    moved.takes("d4", 17);
    refused("d4", "missing");
    // The same version, with other content.
    moved.takes("d4", TIME + 4002);
    moved.recipe.command("verify", &["--yes"]).run().expect(0);
    moved.deletes("d4", TIME + 4003);
    moved.forget();
    assert_eq!(moved.write("d4", TIME + 4002, &json!({ "v": -1 })), 201);
    refused("d4", "different");

    moved.takes("d5", TIME + 5001);
    moved.recipe.command("abandon", &["--yes"]).run().expect(0);
    moved.recipe.run(0);
    let truth = moved.truth();
    moved.cut_over();
    moved.assert_switched_to(&truth);
}

#[test]
fn what_cannot_go_with_it_is_refused_before_anything_is_done() {
    let engine = Engine::get();
    let prefix = engine.prefix("refused");
    let moved = Moved::new(&engine, &prefix, 1, 20);
    let before = state(&engine, prefix.as_str());
    let refused = |code: &str, with: i32| {
        let ended = moved.recipe.command("run", &["--yes"]).run().expect(with);
        assert!(ended.stderr.contains(code), "{code}:\n{}", ended.stderr);
    };
    moved.recipe.change("mode: block", "mode: redirect, writers: index_only");
    refused("SEG-P162", 3);
    moved.recipe.change("mode: redirect, writers: index_only", "mode: block, reverse_for: 1h");
    refused("SEG-P162", 3);
    assert_eq!(state(&engine, prefix.as_str()), before);
    moved.recipe.change(", reverse_for: 1h", "");
    moved.recipe.run(0);
    // What stands in the target has its versions, and has them once.
    moved.recipe.change("versions: preserve", "versions: segue");
    refused("SEG-P125", 3);
    moved.recipe.change("versions: segue", "versions: preserve");
    let (set, shape) = ("pipeline: [{ set: { schema: 2 } }]", "after_switch: target_accepts_both");
    moved.recipe.change("cutover: {", &format!("{set}\ncutover: {{ {shape},"));
    let report = moved.recipe.run(1);
    assert_eq!(part(&report, "day-1")["error"]["code"], "SEG-E207", "{report}");
    moved.recipe.change(&format!("{set}\ncutover: {{ {shape},"), "cutover: {");
    let records = journal(&engine, &prefix, "day-1");
    assert!(!records.contains(&"restarted".to_owned()), "{records:?}");
    let truth = moved.truth();
    moved.cut_over();
    moved.assert_switched_to(&truth);
    // A rollback has nothing of ours to carry; what was written since stays behind, if that is accepted.
    moved.takes("d1", TIME + 10_000_000);
    moved.recipe.command("rollback", &["--yes"]).run().expect(3);
}

/// Sends a bulk that is under way for seconds, and says when its answer came.
fn slow_write(engine: &Engine, prefix: &Prefix) -> std::thread::JoinHandle<Instant> {
    let (pipeline, index) = (prefix.name("slow"), prefix.name("elsewhere"));
    let script = "long x = 0; for (int i = 0; i < 120000; ++i) { x += i % 7 } ctx.spun = x";
    let body = json!({ "processors": [{ "script": { "source": script } }] });
    engine.json.put(&format!("/_ingest/pipeline/{pipeline}"), &body);
    let settings = json!({ "number_of_replicas": 0, "default_pipeline": pipeline });
    engine.json.put(&format!("/{index}"), &json!({ "settings": settings }));
    let documents: Vec<_> = (0..40_000).map(|n| (format!("s{n}"), "{}".to_owned())).collect();
    let engine = engine.clone();
    std::thread::spawn(move || {
        let pairs: Vec<_> = documents.iter().map(|(id, text)| (id.as_str(), &**text)).collect();
        engine.json.write(&index, &pairs);
        Instant::now()
    })
}

/// A delete leaves a tombstone only where something stood: no write of an earlier epoch may be under way
/// when the audit looks.
#[test]
fn an_epoch_begins_when_the_writes_under_way_have_ended() {
    let engine = Engine::get();
    for drains in [true, false] {
        let prefix = engine.prefix(if drains { "drain" } else { "no-drain" });
        let moved = Moved::new(&engine, &prefix, 1, 20);
        moved.recipe.run(0);
        let slow = slow_write(&engine, &prefix);
        std::thread::sleep(Duration::from_millis(300));
        let mut run = moved.recipe.command("run", &["--yes"]);
        if !drains {
            run = run.env("SEGUE_SABOTAGE", "no-drain");
        }
        run.run().expect(0);
        let ended = Instant::now();
        let slow_ended = slow.join().unwrap();
        engine.json.delete(&format!("/{}", prefix.name("elsewhere")));
        engine.json.delete(&format!("/_ingest/pipeline/{}", prefix.name("slow")));
        // The engine ends the request before its long answer has been read here.
        let ahead = slow_ended.saturating_duration_since(ended);
        let waited = ahead < Duration::from_millis(1500);
        assert_eq!(waited, drains, "the run ended {ahead:?} before the slow write");
    }
}
