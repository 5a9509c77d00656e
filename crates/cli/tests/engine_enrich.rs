//! After the switch an application goes on writing documents in the old shape, and they are enriched where
//! they stand: at the end every document has the new shape and what was written last, whatever kills the
//! work in between, and none is back that was deleted.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod application;
mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use application::{Habits, Ledger, Writer};
use common::{Recipe, assert_nothing_left, assert_switched, journal, make_index, part};
use segue_testkit::{Engine, Fault, Faults, Kept, Prefix, Proxy, content};
use serde_json::{Value, json};

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
pipeline:
  - lookup: { index: 'PREFIXrows', key: kind, match: id, as: row }
  - copy: { label: row.name }
  - set: { schema: 2 }
  - rename: { t: body.text }
cutover: { mode: block, after_switch: keep_enriching, enrich_for: 1h, reverse_for: 1h }
limits: { batch_docs: 250 }
";

/// What a test works on: an index, its rows, and its recipe.
struct Subject {
    prefix: Prefix,
    name: String,
    before: BTreeMap<String, Kept>,
    recipe: Recipe,
}

impl Subject {
    fn make(engine: &Engine, test: &str, documents: usize) -> Subject {
        let prefix = engine.prefix(test);
        let (name, rows) = (prefix.name("day-1"), prefix.name("rows"));
        make_index(engine, &name, 2, documents);
        make_index(engine, &rows, 1, 0);
        engine.json.write(&rows, &[("r", r#"{"id":"k","name":"known"}"#)]);
        engine.json.write(&name, &[("kind", r#"{"v":1,"t":"n","kind":"k"}"#)]);
        let before = content(engine, &name);
        let recipe = Recipe::new(engine, &prefix, RECIPE);
        Subject { prefix, name, before, recipe }
    }

    fn target(&self) -> String {
        format!("{}-v2", self.name)
    }

    /// Asserts that every document is as the pipeline leaves it.
    fn assert_enriched(&self, engine: &Engine, what: &str) {
        for (id, kept) in content(engine, &self.name) {
            let value = kept.value();
            assert_eq!(value["schema"], 2, "{what}: {id}: {value}");
            assert!(value["body"]["text"].is_string(), "{what}: {id}: {value}");
            assert!(value.get("t").is_none(), "{what}: {id}: {value}");
            let label = if value["kind"] == "k" { json!("known") } else { Value::Null };
            assert_eq!(value["label"], label, "{what}: {id}: {value}");
        }
    }

    /// Asserts that the name shows what the applications were told.
    fn assert_told(&self, engine: &Engine, ledgers: &[Ledger], what: &str) {
        application::assert_told(&content(engine, &self.name), self.before.keys(), ledgers, what);
    }

    fn status(&self) -> Value {
        let ended = self.recipe.command("status", &["--json"]).run().expect(0);
        part(&ended.json(), "day-1")["enrichment"].clone()
    }
}

fn stop(writers: impl IntoIterator<Item = Writer>) -> Vec<Ledger> {
    writers.into_iter().map(|writer| writer.stop().0).collect()
}

#[test]
fn what_is_written_in_the_old_shape_is_enriched_beside_updates_and_deletes() {
    let engine = Engine::get();
    let subject = Subject::make(&engine, "enrich", 1500);
    let writers = [1, 2].map(|seed| Writer::start(&engine, &subject.name, seed, Habits::Updates));
    writers[0].work(50);
    let report = subject.recipe.run(0);
    assert_eq!(part(&report, "day-1")["phase"], "watching", "{report}");
    assert_switched(&engine, &subject.name, &subject.target());
    writers.iter().for_each(|writer| writer.behave(Habits::Deletes));
    // One process follows while the application works, and dies without a word in the middle of it.
    let mut following = subject.recipe.command("run", &["--yes", "--follow"]).start();
    writers[0].work(300);
    let some = || subject.status()["enriched"].as_u64().is_some_and(|enriched| enriched > 20);
    following.until(some);
    assert_eq!(following.kill().signal, Some(9));
    writers[1].work(200);
    for step in ["enriching", "enriched_some"] {
        let dying = subject.recipe.command("run", &["--yes"]).env("SEGUE_DIE_AT", step);
        let ended = dying.run();
        assert_eq!(ended.signal, Some(6), "{step}: {}", ended.stderr);
        writers[0].work(100);
    }
    subject.recipe.run(0);
    writers[1].work(50);
    let ledgers = stop(writers);
    let report = subject.recipe.run(0);
    subject.assert_enriched(&engine, "at the end");
    subject.assert_told(&engine, &ledgers, "at the end");
    let enrichment = &part(&report, "day-1")["enrichment"];
    assert_eq!((&enrichment["listed"], &enrichment["left"]), (&json!(0), &json!(0)), "{report}");
    assert!(enrichment["enriched"].as_u64().unwrap() > 100, "{report}");
    let outcome = part(&report, "day-1")["outcome"].as_str().unwrap();
    assert!(outcome.contains("enriched; ") && outcome.contains("carried back"), "{outcome}");

    // Our own writes come back with new numbers, and there is nothing to do for them.
    let quiet = subject.recipe.run(0);
    let outcome = part(&quiet, "day-1")["outcome"].as_str().unwrap();
    assert!(outcome.starts_with("0 documents enriched; "), "{outcome}");
    subject.recipe.run(0);
    assert_eq!(subject.status()["behind"], 0, "{}", subject.status());
}

/// A document is deleted, and another one written anew, between the look at it and the write: neither is
/// touched. The same without the condition on the write brings the one back and takes the other.
#[test]
fn a_write_that_comes_late_neither_brings_back_nor_takes_anything() {
    let engine = Engine::get();
    for guard in ["", "no-compare-and-set"] {
        let subject = Subject::make(&engine, &format!("late-{}", guard.len()), 20);
        subject.recipe.change(", reverse_for: 1h", "");
        subject.recipe.run(0);
        let old = r#"{"v":100,"t":"old"}"#;
        engine.json.write(&subject.name, &[("gone", old), ("anew", old), ("d3", old)]);
        let slow = Faults::seeded(7)
            .with(Fault::Delay(Duration::from_secs(3)), 1000)
            .only(&format!("{}/_bulk", subject.target()));
        let proxy = Proxy::start(&engine, slow);
        let mut run = subject
            .recipe
            .through(&proxy.url, "run", &["--yes", "--json"])
            .env("SEGUE_SABOTAGE", guard)
            .start();
        let sent = proxy.watch("/_bulk");
        run.until(|| sent.load(std::sync::atomic::Ordering::SeqCst) > 0);
        engine.json.delete(&format!("/{}/_doc/gone?refresh=true", subject.name));
        engine.json.write(&subject.name, &[("anew", r#"{"v":101,"t":"new"}"#)]);
        let report = run.end().expect(0).last_json_line();
        let found = content(&engine, &subject.name);
        let v = |id: &str| found.get(id).map(|kept| kept.value()["v"].as_u64().unwrap());
        if guard.is_empty() {
            assert_eq!((v("gone"), v("anew"), v("d3")), (None, Some(101), Some(100)), "{report}");
            subject.assert_enriched(&engine, "late");
            let enrichment = &part(&report, "day-1")["enrichment"];
            assert_eq!(enrichment["overtaken"], 2, "{report}");
        } else {
            assert_eq!((v("gone"), v("anew")), (Some(100), Some(100)), "the guard is not missed");
        }
    }
}

#[test]
fn a_rollback_takes_every_write_along_enriched_or_not() {
    let engine = Engine::get();
    let subject = Subject::make(&engine, "enrich-back", 800);
    let writers = [1, 2].map(|seed| Writer::start(&engine, &subject.name, seed, Habits::Updates));
    subject.recipe.run(0);
    writers.iter().for_each(|writer| writer.behave(Habits::Deletes));
    writers[0].work(200);
    subject.recipe.run(0);
    // What comes now is not enriched any more.
    writers[1].work(200);
    let back = subject.recipe.command("rollback", &["--yes", "--json"]).run().expect(0);
    let back = back.last_json_line();
    assert_eq!(back["parts"][0]["phase"], "rolled back", "{back}");
    writers[0].work(50);
    let ledgers = stop(writers);
    subject.assert_told(&engine, &ledgers, "back");
    for (id, kept) in content(&engine, &subject.name) {
        let value = kept.value();
        let mut fields: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        fields.retain(|field| field != "kind");
        assert_eq!(fields, ["t", "v"], "{id} has the old shape: {value}");
    }
    let again = subject.recipe.run(0);
    assert_eq!(part(&again, "day-1")["phase"], "rolled back", "{again}");
}

#[test]
fn after_a_redirect_one_of_both_enriches_everything() {
    let engine = Engine::get();
    for step in ["", "ended", "readied"] {
        let subject = Subject::make(&engine, &format!("enrich-re{step}"), 1000);
        subject.recipe.change("mode: block", "mode: redirect, writers: index_only");
        subject.recipe.change(", reverse_for: 1h", "");
        let writers =
            [1, 2].map(|seed| Writer::start(&engine, &subject.name, seed, Habits::IndexesOnly));
        writers[0].work(50);
        let ended = subject.recipe.command("run", &["--yes"]).env("SEGUE_DIE_AT", step).run();
        let expected = (!step.is_empty()).then_some(6);
        assert_eq!(ended.signal, expected, "{step}: {}", ended.stderr);
        writers[1].work(50);
        let report = subject.recipe.run(0);
        assert_eq!(part(&report, "day-1")["phase"], "watching", "{step}: {report}");
        // What was redirected is enriched by one of both, and nothing is left of the redirect.
        let enriched = journal(&engine, &subject.prefix, "day-1");
        assert!(enriched.contains(&"redirect_enriched".to_owned()), "{step}: {enriched:?}");
        writers[0].work(50);
        let mut ledgers = Vec::new();
        for writer in writers {
            let (ledger, refused) = writer.stop();
            assert_eq!(refused, 0, "{step}");
            ledgers.push(ledger);
        }
        subject.recipe.run(0);
        subject.assert_enriched(&engine, step);
        subject.assert_told(&engine, &ledgers, step);
        assert_nothing_left(&engine, subject.prefix.as_str());
    }
}

#[test]
fn a_pipeline_that_never_comes_to_rest_is_refused_and_what_it_cannot_enrich_is_listed() {
    let engine = Engine::get();
    let subject = Subject::make(&engine, "unstable", 20);
    let refused = |said: &str| {
        let plan = subject.recipe.command("plan", &[]).run().expect(3);
        assert!(plan.stdout.contains("SEG-P163") && plan.stdout.contains(said), "{}", plan.stdout);
    };
    let steps = "  - rename: { t: body.text }";
    // What it copies is gone the second time.
    subject.recipe.change(steps, &format!("  - copy: {{ text: doc.t }}\n{steps}"));
    let lookup = "  - lookup: { index: 'PREFIXrows', key: kind, match: id, as: row }\n  \
                  - copy: { label: row.name }\n"
        .replace("PREFIX", subject.prefix.as_str());
    // With rows to be pinned the run finds out, before anything is made.
    let told = subject.recipe.command("run", &["--yes", "--json"]).run();
    assert_eq!(told.code, Some(1), "{}", told.stderr);
    assert!(told.stdout.contains("can't be enriched in place"), "{}", told.stdout);
    assert_eq!(engine.json.call(http::Method::GET, &format!("/{}", subject.target()), None).0, 404);
    subject.recipe.change(&lookup, "");
    refused("makes another document of it");
    subject.recipe.change("  - copy: { text: doc.t }\n", "");
    subject.recipe.change("enrich_for: 1h, reverse_for: 1h", "reverse_for: 0s");
    refused("nothing says for how long");
    subject.recipe.change("reverse_for: 0s", "enrich_for: 1h");
    let filter = "  - filter: { drop_if: { field: v, equals: 7 }, reason: odd }\n";
    subject.recipe.change(steps, &format!("{filter}{steps}"));
    refused("leaves some out");
    subject.recipe.change(filter, "");
    // No document of the source shows that what this copies is gone the second time.
    subject.recipe.change(steps, &format!("  - copy: {{ more: doc.extra }}\n{steps}"));
    subject.recipe.change(steps, "  - rename: { t: body.text, extra: other }");

    subject.recipe.run(0);
    // `t` can't become `body.text` where that is there.
    let both = r#"{"v":1,"t":"old","body":{"text":"new"}}"#;
    let unstable = r#"{"v":3,"t":"old","extra":"x"}"#;
    let fine = r#"{"v":2,"t":"old"}"#;
    engine.json.write(&subject.name, &[("both", both), ("fine", fine), ("unstable", unstable)]);
    let report = subject.recipe.run(0);
    let enrichment = &part(&report, "day-1")["enrichment"];
    assert_eq!(
        (&enrichment["enriched"], &enrichment["listed"]),
        (&json!(1), &json!(2)),
        "{report}"
    );
    let named = enrichment["named"].as_array().unwrap();
    for (id, kind) in [("both", "refused_by_pipeline"), ("unstable", "pipeline_not_stable")] {
        assert!(named.iter().any(|l| l["document"] == id && l["kind"] == kind), "{id}: {report}");
        let there = engine.json.get(&format!("/{}/_doc/{id}", subject.name));
        assert_eq!(there["_source"]["t"], "old", "{id} is as it was written");
    }
    let said = subject.recipe.command("status", &[]).run().expect(0);
    assert!(said.stdout.contains("1 enriched since the switch"), "{}", said.stdout);
    assert!(said.stdout.contains("2 listed as left"), "{}", said.stdout);
    let doctor = subject.recipe.command("doctor", &[]).run().expect(3);
    assert!(doctor.stdout.contains("not_enriched"), "{}", doctor.stdout);
}

#[test]
fn when_the_time_is_over_the_last_documents_are_enriched_and_the_part_is_finished() {
    let engine = Engine::get();
    let subject = Subject::make(&engine, "enrich-end", 20);
    subject.recipe.change("enrich_for: 1h, reverse_for: 1h", "enrich_for: 2s");
    subject.recipe.run(0);
    engine.json.write(&subject.name, &[("last", r#"{"v":2,"t":"old"}"#)]);
    std::thread::sleep(Duration::from_millis(2500));
    let ended = subject.recipe.command("run", &["--yes", "--json"]).run().expect(0);
    assert!(ended.stderr.contains("writers still send the old shape"), "{}", ended.stderr);
    let report = ended.last_json_line();
    assert_eq!(part(&report, "day-1")["phase"], "finished", "{report}");
    subject.assert_enriched(&engine, "at the end");
    assert_eq!(journal(&engine, &subject.prefix, "day-1").last().unwrap(), "watch_ended");
    engine.json.write(&subject.name, &[("later", r#"{"v":3,"t":"old"}"#)]);
    subject.recipe.run(0);
    assert_eq!(engine.json.get(&format!("/{}/_doc/later", subject.name))["_source"]["t"], "old");
}
