//! Several sources into one target: their documents, their names, and what is left of them, while
//! applications go on writing by each of the names.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod application;
mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use application::{Habits, Ledger, Writer, assert_told};
use common::{Recipe, assert_nothing_left, assert_switched, assert_untouched, part, state};
use segue_testkit::{Engine, Faults, Method, Prefix, Proxy, content};
use serde_json::json;

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d' } }
target: { index: 'PREFIXyear', merge: true, settings: { number_of_shards: 2 } }
pipeline: [{ set: { schema: 2 } }]
cutover: { mode: block, start: auto, after_switch: target_accepts_both, max_pause: 60s }
limits: { batch_docs: 500 }
";
const YES: [&str; 2] = ["--yes", "--json"];
const DOCUMENTS: usize = 200;
/// A document that nobody touches, and the value by which it is searched for.
const STILL: u64 = 4_711_000;
/// Of so many moments at which a process could be killed one is tried; `SEGUE_KILL_TABLE=all` tries all.
const STRIDE: usize = 8;
/// Rows at work at a time: most of a row's time is spent waiting for the lease of who was killed.
const LANES: usize = 3;

/// Three days: what the first writer writes stands in the first, what the second writes in the second, and
/// nobody writes to the third. The shards differ.
struct Site<'a> {
    engine: &'a Engine,
    prefix: Prefix,
    days: Vec<String>,
    year: String,
    recipe: Recipe,
    before: Vec<String>,
}

impl<'a> Site<'a> {
    fn make(engine: &'a Engine, what: &str) -> Site<'a> {
        let prefix = engine.prefix(what);
        let days: Vec<_> = (1..=3).map(|n| prefix.name(&format!("day-{n}"))).collect();
        let mut before = Vec::new();
        for (day, shards) in days.iter().zip([1, 3, 2]) {
            let body = json!({
                "settings": { "number_of_shards": shards, "number_of_replicas": 0 },
                "mappings": { "properties": {
                    "v": { "type": "long" }, "t": { "type": "text" }, "schema": { "type": "long" },
                }},
            });
            engine.json.put(&format!("/{day}"), &body);
        }
        for n in 0..DOCUMENTS {
            let day = if n % 2 == 1 { &days[0] } else { &days[1] };
            engine.json.write(day, &[(&format!("d{n}"), &json!({ "v": n }).to_string())]);
            before.push(format!("d{n}"));
        }
        for n in 0..20 {
            let text = json!({ "v": STILL + n }).to_string();
            engine.json.write(&days[2], &[(&format!("still{n}"), &text)]);
            before.push(format!("still{n}"));
        }
        let actions: Vec<_> = days
            .iter()
            .map(|day| json!({ "add": { "index": day, "alias": prefix.name("all") } }))
            .chain([json!({ "add": { "index": days[2], "alias": prefix.name("newest") } })])
            .collect();
        engine.json.post("/_aliases", &json!({ "actions": actions }));
        let recipe = Recipe::new(engine, &prefix, RECIPE);
        let year = prefix.name("year");
        Site { engine, prefix, days, year, recipe, before }
    }

    fn writers(&self) -> Vec<Writer> {
        let start =
            |(seed, day): (u64, &String)| Writer::start(self.engine, day, seed, Habits::Deletes);
        (1..).zip(&self.days[..2]).map(start).collect()
    }

    /// Everything is in the year, by each of the names.
    fn assert_merged(&self, ledgers: &[Ledger], what: &str) {
        for day in &self.days {
            assert_switched(self.engine, day, &self.year);
        }
        assert_nothing_left(self.engine, self.prefix.as_str());
        let found = content(self.engine, &self.year);
        assert_told(&found, &self.before, ledgers, what);
        for alias in ["all", "newest"] {
            let on = self.engine.json.get(&format!("/_alias/{}", self.prefix.name(alias)));
            let on: Vec<_> = on.as_object().unwrap().keys().collect();
            assert_eq!(on, [&self.year], "{what}: {alias}");
        }
    }

    /// Each day is as if nothing had ever begun.
    fn assert_given_up(&self, ledgers: &[Ledger], what: &str) {
        let mut found = BTreeMap::new();
        for day in &self.days {
            assert_untouched(self.engine, day);
            found.extend(content(self.engine, day));
        }
        assert_nothing_left(self.engine, self.prefix.as_str());
        let indices =
            self.engine.json.get(&format!("/{}*?expand_wildcards=all", self.prefix.as_str()));
        let indices: Vec<_> = indices.as_object().unwrap().keys().collect();
        assert_eq!(indices, self.days.iter().collect::<Vec<_>>(), "{what}: indices are left");
        assert_eq!(self.kept(), [""; 0], "{what}: copies are left");
        assert_told(&found, &self.before, ledgers, what);
    }

    fn kept(&self) -> Vec<String> {
        let kept = format!("/segue-before-{}*?expand_wildcards=all", self.prefix.as_str());
        self.engine.json.get(&kept).as_object().unwrap().keys().cloned().collect()
    }
}

fn stop(writers: Vec<Writer>) -> Vec<Ledger> {
    writers.into_iter().map(|writer| writer.stop().0).collect()
}

fn work(writers: &[Writer], operations: u64) {
    writers.iter().for_each(|writer| writer.work(operations));
}

/// What a search for the still documents by the common alias showed.
#[derive(Default)]
struct Sightings {
    right: AtomicU64,
    wrong: AtomicU64,
    ended: AtomicBool,
}

impl Sightings {
    fn look(&self, site: &Site<'_>) {
        let path =
            format!("/{}/_search?allow_partial_search_results=false", site.prefix.name("all"));
        let query = json!({ "size": 0, "track_total_hits": true, "query": { "range": { "v": { "gte": STILL } } } });
        while !self.ended.load(Ordering::Relaxed) {
            let (status, answer) = site.engine.json.call(Method::POST, &path, Some(&query));
            match (status, answer["hits"]["total"]["value"].as_u64()) {
                (200, Some(20)) => self.right.fetch_add(1, Ordering::Relaxed),
                (200, _) => self.wrong.fetch_add(1, Ordering::Relaxed),
                // While indices are being removed the engine answers no search by their names.
                _ => 0,
            };
        }
    }
}

#[test]
fn several_sources_become_one_index_while_they_are_written_and_read() {
    let engine = Engine::get();
    let site = Site::make(&engine, "merged");
    let writers = site.writers();
    work(&writers, 60);
    let seen = Sightings::default();
    let report = std::thread::scope(|scope| {
        scope.spawn(|| seen.look(&site));
        let report = site.recipe.run(0);
        work(&writers, 40);
        seen.ended.store(true, Ordering::Relaxed);
        report
    });
    let ledgers = stop(writers);
    assert_eq!(part(&report, "day-1")["phase"], "finished", "{report}");
    assert_eq!(report["parts"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["totals"]["balanced"], true, "{report}");
    site.assert_merged(&ledgers, "merged");
    let (right, wrong) = (seen.right.into_inner(), seen.wrong.into_inner());
    assert!(right > 10 && wrong == 0, "{right} right, {wrong} wrong");

    let doctor = site.recipe.command("doctor", &["--json"]).run().expect(0);
    assert!(!doctor.stdout.contains("severity"), "{}", doctor.stdout);
    let back = site.recipe.command("rollback", &["--yes"]).run().expect(3);
    assert!(back.stderr.contains("SEG-E215"), "{}", back.stderr);
    assert_eq!(site.kept().len(), 3);
    let again = site.recipe.command("run", &YES).run().expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    // One that comes later finds its target taken.
    common::make_index(&engine, &site.prefix.name("day-4"), 1, 3);
    let later = site.recipe.command("plan", &[]).run().expect(3);
    assert!(later.stdout.contains("SEG-P110"), "{}{}", later.stdout, later.stderr);
    engine.json.delete(&format!("/{}", site.prefix.name("day-4")));
    site.recipe.command("cleanup", &["--yes", "--older-than", "0s"]).run().expect(0);
    assert_eq!(site.kept(), [""; 0]);
    site.recipe.command("doctor", &[]).run().expect(0);
}

#[test]
fn an_id_that_two_sources_have_is_named_and_nothing_is_switched() {
    let engine = Engine::get();
    let site = Site::make(&engine, "twice");
    let twice = json!({ "v": 1 }).to_string();
    for day in &site.days[..2] {
        engine.json.write(day, &[("twice", &twice)]);
    }
    let ended = site.recipe.command("run", &YES).run();
    assert_eq!(ended.code, Some(4), "{}\n{}", ended.stdout, ended.stderr);
    let told = ended.last_json_line();
    let error = told["parts"][0]["error"]["message"].as_str().unwrap();
    assert!(error.contains("duplicate \"twice\": two of the sources hold it"), "{error}");
    for day in &site.days {
        assert_untouched(&engine, day);
    }
    // One of them goes. What stands in the target says which of the two came last, and that means nothing.
    engine.json.delete(&format!("/{}/_doc/twice?refresh=true", site.days[0]));
    site.recipe.command("abandon", &["--yes"]).run().expect(0);
    site.recipe.run(0);
    assert_switched(&engine, &site.days[0], &site.year);
    assert_eq!(content(&engine, &site.year)["twice"].value()["v"], 1);
}

/// A new document takes the place of one that was compared already, and a delete makes the counts right. How
/// the cutover ends, with or without a guard; and the day that had the document first.
fn hidden_in_the_counts(engine: &Engine, without: &str) -> (Option<i32>, String, u64) {
    let ready = |what| {
        let site = Site::make(engine, what);
        site.recipe.change("start: auto", "start: manual");
        site.recipe.run(0);
        site
    };
    let proxy = Proxy::start(engine, Faults::seeded(0));
    let cutover = |site: &Site<'_>| {
        site.recipe.through(&proxy.url, "cutover", &YES).env("SEGUE_SABOTAGE", without)
    };
    // The request that closes them is the same one each time, as nobody writes.
    let site = ready("before");
    proxy.halt_after(usize::MAX);
    cutover(&site).run().expect(0);
    let closing =
        proxy.changes().iter().position(|change| change.contains("/_block/write")).unwrap();

    let site = ready("hidden");
    // Many operations, so that the new document has the higher number.
    for n in 0..200 {
        engine
            .json
            .write(&site.days[2], &[(&format!("more{}", n % 10), &json!({ "v": n }).to_string())]);
    }
    site.recipe.run(0);
    proxy.halt_after(closing);
    let mut running = cutover(&site).start();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !proxy.is_still() {
        assert!(Instant::now() < deadline, "it does not come so far: {:?}", proxy.changes());
        std::thread::sleep(Duration::from_millis(5));
    }
    let last = proxy.changes().last().cloned().unwrap();
    assert!(!last.contains("/_block/write") && last.contains("_aliases"), "{last}");
    engine.json.write(&site.days[2], &[("d1", &json!({ "v": 5 }).to_string())]);
    engine.json.delete(&format!("/{}/_doc/d3?refresh=true", site.days[0]));
    proxy.go_on();
    assert!(running.has_ended(Duration::from_secs(120)), "it does not end");
    let ended = running.kill();
    let by_name = engine.json.get(&format!("/{}/_doc/d1", site.days[0]));
    let value = by_name["_source"]["v"].as_u64().unwrap();
    if ended.code != Some(0) {
        site.days.iter().for_each(|day| assert_untouched(engine, day));
    }
    (ended.code, ended.stderr, value)
}

#[test]
fn an_id_that_comes_up_in_another_source_before_the_window_is_noticed() {
    let (code, told, value) = hidden_in_the_counts(&Engine::get(), "");
    assert_eq!((code, value), (Some(4), 1), "{told}");
}

/// The negative control: by counts alone it is not noticed, and the older document is lost.
#[test]
fn equal_counts_prove_nothing_of_several() {
    let (code, told, value) = hidden_in_the_counts(&Engine::get(), "audit-before-counts");
    assert_eq!((code, value), (Some(0), 5), "{told}");
}

#[test]
fn deletes_go_over_also_where_the_inventory_was_lost() {
    let engine = Engine::get();
    let site = Site::make(&engine, "lost");
    site.recipe.change("start: auto", "start: manual");
    site.recipe.run(0);
    site.recipe.lose_state();
    for (day, id) in [(0, "d1"), (1, "d2"), (2, "still3")] {
        engine.json.delete(&format!("/{}/_doc/{id}", site.days[day]));
    }
    let report = site.recipe.command("cutover", &YES).run().expect(0).last_json_line();
    let found = content(&engine, &site.year);
    let gone = ["d1", "d2", "still3"];
    assert!(gone.iter().all(|id| !found.contains_key(*id)), "{report}");
    assert_eq!(found.len(), site.before.len() - gone.len());
}

#[test]
fn a_document_that_one_of_them_has_too_much_is_a_letter_and_can_be_retried() {
    let engine = Engine::get();
    let site = Site::make(&engine, "letter");
    let template = json!({ "mappings": { "dynamic": "strict", "properties": {
        "v": { "type": "long" }, "t": { "type": "text" }, "schema": { "type": "long" },
    }}, "settings": { "number_of_replicas": 0 } });
    site.recipe.add_file("year.json", &template);
    site.recipe.change("merge: true,", "merge: true, template: year.json,");
    engine.json.write(&site.days[1], &[("odd", &json!({ "v": 1, "odd": 2 }).to_string())]);
    let ended = site.recipe.command("run", &YES).run().expect(3);
    assert!(ended.stdout.contains("dead letter"), "{}", ended.stdout);
    let listed = site.recipe.command("errors", &["--json"]).run().expect(3);
    assert!(listed.stdout.contains("\"odd\""), "{}", listed.stdout);
    let field = json!({ "properties": { "odd": { "type": "long" } } });
    engine.json.put(&format!("/{}/_mapping", site.year), &field);
    site.recipe.command("errors", &["retry", "--yes"]).run().expect(0);
    site.recipe.run(0);
    assert_switched(&engine, &site.days[1], &site.year);
    assert_eq!(content(&engine, &site.year)["odd"].value()["odd"], 2);
}

#[test]
fn what_was_begun_with_some_does_not_go_on_with_others() {
    let engine = Engine::get();
    let site = Site::make(&engine, "others");
    site.recipe.change("start: auto", "start: manual");
    let before = state(&engine, site.prefix.as_str());
    site.recipe.run(0);
    let refused = |code: &str| {
        let told = site.recipe.command("run", &["--yes"]).run().expect(3);
        assert!(told.stderr.contains(code), "{}", told.stderr);
    };
    // It would come before the others by its name.
    common::make_index(&engine, &site.prefix.name("day-0"), 1, 3);
    refused("SEG-P125");
    engine.json.delete(&format!("/{}", site.prefix.name("day-0")));
    site.recipe.change("merge: true", "merge: false");
    refused("SEG-P125");
    site.recipe.change("merge: false", "merge: true");
    site.recipe.run(0);
    site.recipe.command("abandon", &["--yes"]).run().expect(0);
    assert_eq!(state(&engine, site.prefix.as_str()), before, "not as it was");
    site.recipe.change("start: manual", "start: auto");
    site.recipe.run(0);
    site.assert_merged(&[], "begun anew");
}

/// What a row of the table does after the kill.
#[derive(Clone, Copy, Debug)]
enum Then {
    Resume,
    Abandon,
}

/// One cutover, killed after so many requests that changed something; whether it was killed at all.
fn killed_after(engine: &Engine, changes: usize, then: Then) -> bool {
    let site = Site::make(engine, "killed");
    site.recipe.change("start: auto", "start: manual");
    site.recipe.run(0);
    let writers = site.writers();
    work(&writers, 20);
    let proxy = Proxy::start(engine, Faults::seeded(0));
    proxy.halt_after(changes);
    let mut running = site.recipe.through(&proxy.url, "cutover", &YES).start();
    let deadline = Instant::now() + Duration::from_secs(120);
    while !proxy.is_still() && !running.has_ended(Duration::from_millis(1)) {
        assert!(Instant::now() < deadline, "neither ends nor goes on: {:?}", proxy.changes());
    }
    let at = proxy.changes().last().cloned();
    let ended = running.kill();
    proxy.go_on();
    let killed = ended.signal.is_some();
    // Without any further run each name takes writes again.
    work(&writers, 10);
    let what = format!("killed after {changes} ({at:?}), then {then:?}");
    eprintln!("{what}");
    let given_up = match then {
        Then::Resume => {
            site.recipe.command("cutover", &YES).run().expect(0);
            false
        }
        Then::Abandon => {
            let ended = site.recipe.command("abandon", &YES).run();
            if ended.code != Some(0) {
                // It had switched: a run finishes it.
                assert_eq!(ended.code, Some(3), "{what}: {}", ended.stderr);
                site.recipe.run(0);
            }
            ended.code == Some(0)
        }
    };
    work(&writers, 10);
    let ledgers = stop(writers);
    match given_up {
        true => site.assert_given_up(&ledgers, &what),
        false => site.assert_merged(&ledgers, &what),
    }
    killed
}

fn table(first: usize, then: Then) {
    let engine = Engine::get();
    let all = std::env::var("SEGUE_KILL_TABLE").is_ok_and(|which| which == "all");
    let (first, stride) = if all { (0, 1) } else { (first, STRIDE) };
    let (next, end) = (AtomicUsize::new(first), AtomicUsize::new(usize::MAX));
    let lane = || {
        let mut rows = 0;
        loop {
            let changes = next.fetch_add(stride, Ordering::Relaxed);
            if changes >= end.load(Ordering::Relaxed) {
                return rows;
            }
            if killed_after(&engine, changes, then) {
                rows += 1;
            } else {
                end.fetch_min(changes, Ordering::Relaxed);
            }
        }
    };
    let rows: usize = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(lane)).collect();
        lanes.into_iter().map(|lane| lane.join().unwrap()).sum()
    });
    assert!(rows * stride >= 6, "{rows} rows");
}

#[test]
fn a_cutover_of_several_killed_anywhere_goes_on() {
    table(1, Then::Resume);
}

#[test]
fn a_cutover_of_several_killed_anywhere_is_given_up() {
    table(3, Then::Abandon);
}

/// The negative control: where only one of the sources is closed, the others' last writes are lost, and it
/// shows.
#[test]
fn closing_one_of_them_is_not_enough() {
    let engine = Engine::get();
    for attempt in 0..6 {
        let site = Site::make(&engine, "open");
        site.recipe.change("start: auto", "start: manual");
        site.recipe.run(0);
        let writers = site.writers();
        work(&writers, 20);
        let sabotaged = site.recipe.command("cutover", &YES).env("SEGUE_SABOTAGE", "close-all");
        let ended = sabotaged.run();
        work(&writers, 5);
        let ledgers = stop(writers);
        if ended.code != Some(0) {
            // Writes came in between, and the comparison or the counts tell.
            assert_eq!(ended.code, Some(4), "{}\n{}", ended.stdout, ended.stderr);
            eprintln!("attempt {attempt}: it was noticed");
            return;
        }
        let wrong = wrong(&content(&engine, &site.year), &ledgers);
        eprintln!("attempt {attempt}: {wrong} writes are not there as they were acknowledged");
        if wrong > 0 {
            return;
        }
    }
    panic!("nothing was lost: the guard guards nothing, or the checker sees nothing");
}

/// How many documents are not as their application was told.
fn wrong(found: &BTreeMap<String, segue_testkit::Kept>, ledgers: &[Ledger]) -> usize {
    let value = |id: &String| found.get(id).map(|kept| kept.value()["v"].as_u64().unwrap());
    let all = ledgers.iter().flatten();
    all.filter(|(id, states): &(&String, &Vec<_>)| !states.contains(&value(id))).count()
}
