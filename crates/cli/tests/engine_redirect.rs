//! The cutover that refuses no write: an application that only indexes goes on through every step of
//! it, also when the process that redirects is killed there, or takes it back.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;
mod writers;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::{Recipe, assert_nothing_left, assert_untouched, make_index, part};
use segue_testkit::{Ended, Engine, Method, Prefix, content};
use serde_json::{Value, json};
use writers::Writers;

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
pipeline: [{ set: { schema: 2 } }]
cutover: { mode: redirect, writers: index_only, after_switch: target_accepts_both }
limits: { batch_docs: 500 }
";
const DOCUMENTS: usize = 3000;

/// Writers that meet no pause are a load: one subject at a time.
static TURN: Mutex<()> = Mutex::new(());

/// What a test works on.
struct Subject {
    _turn: MutexGuard<'static, ()>,
    prefix: Prefix,
    /// The source's own name.
    name: String,
    /// An alias of it, by which it is written as well.
    alias: String,
    recipe: Recipe,
}

impl Subject {
    /// An index with an alias and with a default and a final pipeline of its own, the default one slow
    /// for some documents.
    fn make(engine: &Engine, test: &str) -> Subject {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let prefix = engine.prefix(test);
        let (name, alias) = (prefix.name("day-1"), prefix.name("days"));
        make_index(engine, &name, 2, DOCUMENTS);
        let slow = "if (ctx.slow != null) { long x = 0; for (int i = 0; i < 120000; ++i) \
                    { x += i % 7 } ctx.spun = x }";
        let count = "ctx.passed = (ctx.passed == null ? 1 : ctx.passed + 1)";
        for (pipeline, script) in [("own", slow), ("last", count)] {
            let body = json!({ "processors": [{ "script": { "source": script } }] });
            engine.json.put(&format!("/_ingest/pipeline/{}", prefix.name(pipeline)), &body);
        }
        let settings = json!({
            "index.default_pipeline": prefix.name("own"),
            "index.final_pipeline": prefix.name("last"),
        });
        engine.json.put(&format!("/{name}/_settings"), &settings);
        let add = json!({ "actions": [{ "add": { "index": name, "alias": alias } }] });
        engine.json.post("/_aliases", &add);
        let recipe = Recipe::new(engine, &prefix, RECIPE);
        Subject { _turn: turn, prefix, name, alias, recipe }
    }

    fn target(&self) -> String {
        format!("{}-v2", self.name)
    }

    fn writers(&self, engine: &Engine, count: u64) -> Writers {
        Writers::start(engine, &[&self.name, &self.alias], count, DOCUMENTS)
    }

    /// `segue run` with something that goes wrong on purpose.
    fn drilled(&self, drills: &[(&str, &str)]) -> Ended {
        let mut run = self.recipe.command("run", &["--yes"]);
        for (name, value) in drills {
            run = run.env(name, value);
        }
        run.run()
    }

    fn migration(&self) -> &str {
        self.prefix.as_str().trim_end_matches('-')
    }

    fn pipelines_left(&self, engine: &Engine) -> Vec<String> {
        let pipelines = engine.json.get("/_ingest/pipeline");
        let ours = format!("segue-redirect-{}-", self.migration());
        let names = pipelines.as_object().unwrap().keys();
        names.filter(|name| name.starts_with(&ours)).cloned().collect()
    }

    fn notes_left(&self, engine: &Engine) -> usize {
        engine.json.post("/segue-redirects/_refresh", &Value::Null);
        let query = json!({ "size": 1000 });
        let notes = engine.json.post("/segue-redirects/_search", &query);
        let of_test = |hit: &&Value| hit["_source"]["attempt"]["migration"] == *self.migration();
        notes["hits"]["hits"].as_array().into_iter().flatten().filter(of_test).count()
    }

    /// No pipeline of ours and no note is left, and `index` has its own pipelines in force.
    fn assert_no_redirect(&self, engine: &Engine, index: &str, what: &str) {
        assert_eq!(self.pipelines_left(engine), [""; 0], "{what}");
        assert_eq!(self.notes_left(engine), 0, "{what}: notes are left");
        let settings = engine.json.get(&format!("/{index}/_settings?flat_settings=true"));
        for (setting, own) in [("index.default_pipeline", "own"), ("index.final_pipeline", "last")]
        {
            let there = &settings[index]["settings"][setting];
            assert_eq!(*there, self.prefix.name(own), "{what}: {index}");
        }
    }

    /// Nothing of the work is left, and both names are the target's alone.
    fn assert_switched(&self, engine: &Engine, what: &str) {
        for name in [&self.name, &self.alias] {
            let on = engine.json.get(&format!("/_alias/{name}"));
            assert_eq!(
                on.as_object().unwrap().keys().collect::<Vec<_>>(),
                [&self.target()],
                "{what}"
            );
        }
        self.assert_no_redirect(engine, &self.target(), what);
        assert_nothing_left(engine, self.prefix.as_str());
    }

    /// Each document that writers wrote went through the index's own pipelines once, whichever way it
    /// came.
    fn assert_passed_once(&self, engine: &Engine, what: &str) {
        for (id, kept) in content(engine, &self.name) {
            let value = kept.value();
            if value["v"].as_u64().unwrap() >= 1_000_000 {
                assert_eq!(value["passed"], 1, "{what}: {id}: {value}");
            }
        }
    }

    /// Lets the writers end, and asserts that nothing they wrote was refused, lost or outdated.
    fn assert_sound(&self, engine: &Engine, working: Writers, what: &str) -> writers::Written {
        std::thread::sleep(Duration::from_millis(300));
        let (written, documents) = working.stop();
        let wrongs = written.check(engine, &self.name, documents);
        eprintln!(
            "{what}: {} acknowledged, {} by another index, refused {:?}",
            written.acknowledged, written.elsewhere, written.refused
        );
        assert_eq!(wrongs.count(), 0, "{what}: {wrongs:?}");
        assert_eq!(written.refused.len(), 0, "{what}: {:?}", written.refused);
        self.assert_passed_once(engine, what);
        written
    }

    fn remove_pipelines(&self, engine: &Engine) {
        for name in ["own", "last"] {
            engine.json.delete(&format!("/_ingest/pipeline/{}", self.prefix.name(name)));
        }
    }
}

#[test]
fn no_write_is_refused_lost_or_outdated_while_an_index_is_switched() {
    let engine = Engine::get();
    let subject = Subject::make(&engine, "redirect");
    let working = subject.writers(&engine, 4);
    std::thread::sleep(Duration::from_millis(500));
    let report = subject.recipe.run(0);
    let written = subject.assert_sound(&engine, working, "live");
    assert!(written.elsewhere > 0, "nothing was written while names were switched");
    let part = part(&report, "day-1");
    assert_eq!(part["phase"], "finished", "{report}");
    assert_eq!(part["cutover"]["closed_ms"], 0, "{report}");
    assert!(part["cutover"]["redirected_ms"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(report["totals"]["balanced"], true, "{report}");
    subject.assert_switched(&engine, "live");
    subject.remove_pipelines(&engine);
}

/// Where a redirect can be killed: before, in and after each change that it makes, the work after the
/// switch included.
const STEPS: [&str; 6] = ["redirecting", "closed", "carried", "switching", "moved", "enriched"];

#[test]
fn killed_at_each_step_a_redirect_loses_and_refuses_nothing() {
    let engine = Engine::get();
    for (number, step) in STEPS.into_iter().enumerate() {
        let subject = Subject::make(&engine, &format!("rekill-{step}"));
        let working = subject.writers(&engine, 3);
        // By turns the next run comes at once, after the watchdog has had its time, and without one.
        let watchdog = if number % 3 == 2 { "no-watchdog" } else { "" };
        let ended = subject.drilled(&[("SEGUE_DIE_AT", step), ("SEGUE_SABOTAGE", watchdog)]);
        assert_eq!(ended.signal, Some(6), "{step}: {}", ended.stderr);
        if number % 3 == 1 {
            std::thread::sleep(Duration::from_secs(2));
        }
        let report = subject.recipe.run(0);
        subject.assert_sound(&engine, working, step);
        assert_eq!(part(&report, "day-1")["phase"], "finished", "{step}: {report}");
        subject.assert_switched(&engine, step);
        subject.remove_pipelines(&engine);
    }
}

/// Where taking a redirect back can be killed.
const UNDOING: [&str; 3] = ["let_through", "half_fed_back", "set_back"];

#[test]
fn taken_back_and_killed_while_at_it_a_redirect_loses_and_refuses_nothing() {
    let engine = Engine::get();
    for (number, step) in UNDOING.into_iter().enumerate() {
        let subject = Subject::make(&engine, &format!("reundo-{number}"));
        let working = subject.writers(&engine, 3);
        let fails = if number % 2 == 0 { "compared" } else { "switching" };
        let watchdog = if number % 3 == 2 { "" } else { "no-watchdog" };
        let drills =
            [("SEGUE_FAIL_AT", fails), ("SEGUE_DIE_AT", step), ("SEGUE_SABOTAGE", watchdog)];
        let ended = subject.drilled(&drills);
        assert_eq!(ended.signal, Some(6), "{step}: {}", ended.stderr);
        let report = subject.recipe.run(0);
        subject.assert_sound(&engine, working, step);
        assert_eq!(part(&report, "day-1")["phase"], "finished", "{step}: {report}");
        subject.assert_switched(&engine, step);
        subject.remove_pipelines(&engine);
    }
}

#[test]
fn a_redirect_that_fails_is_taken_back_and_the_source_has_every_write() {
    let engine = Engine::get();
    for step in ["redirecting", "closed", "switching"] {
        let subject = Subject::make(&engine, &format!("refail-{step}"));
        let working = subject.writers(&engine, 3);
        let ended = subject.drilled(&[("SEGUE_FAIL_AT", step)]);
        assert_eq!(ended.code, Some(3), "{step}: {}", ended.stderr);
        let written = subject.assert_sound(&engine, working, step);
        assert!(written.elsewhere > 0, "{step}: nothing was redirected");
        assert_untouched(&engine, &subject.name);
        subject.assert_no_redirect(&engine, &subject.name, step);
        let report = subject.recipe.run(0);
        assert_eq!(part(&report, "day-1")["phase"], "finished", "{step}: {report}");
        subject.assert_switched(&engine, step);
        subject.remove_pipelines(&engine);
    }
}

/// The watchdog alone: nobody runs segue again before everything is checked.
#[test]
fn the_watchdog_feeds_the_redirected_writes_back() {
    let engine = Engine::get();
    for step in ["redirected", "carried"] {
        let subject = Subject::make(&engine, &format!("redog-{step}"));
        let working = subject.writers(&engine, 3);
        let ended = subject.drilled(&[("SEGUE_DIE_AT", step)]);
        assert_eq!(ended.signal, Some(6), "{step}: {}", ended.stderr);
        let begun = Instant::now();
        while subject.notes_left(&engine) + subject.pipelines_left(&engine).len() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "{step}: the watchdog does nothing");
            std::thread::sleep(Duration::from_millis(100));
        }
        let written = subject.assert_sound(&engine, working, step);
        assert!(written.elsewhere > 0, "{step}: nothing was redirected");
        assert_untouched(&engine, &subject.name);
        subject.assert_no_redirect(&engine, &subject.name, step);
        subject.recipe.run(0);
        subject.assert_switched(&engine, step);
        subject.remove_pipelines(&engine);
    }
}

/// Writers that do more than the recipe states get errors, and no document goes wrong silently.
#[test]
fn what_the_statement_about_the_writers_rules_out_is_loud() {
    let engine = Engine::get();
    let subject = Subject::make(&engine, "reloud");
    let name = subject.name.clone();
    let ended = subject.drilled(&[("SEGUE_DIE_AT", "closed"), ("SEGUE_SABOTAGE", "no-watchdog")]);
    assert_eq!(ended.signal, Some(6), "{}", ended.stderr);
    let status = |method: Method, path: &str, body: Value| {
        let (status, answer) = engine.json.call(method, &format!("/{name}{path}"), Some(&body));
        (status, answer["_index"].as_str().unwrap_or_default().to_owned())
    };
    let (put, post) = (Method::PUT, Method::POST);
    let document = || json!({ "v": 1_000_001 });
    let target = subject.target();
    assert_eq!(status(put.clone(), "/_doc/x", document()), (201, target.clone()));
    assert_eq!(status(post.clone(), "/_doc", document()), (201, target.clone()));
    assert_eq!(status(put.clone(), "/_doc/z?routing=r", document()), (201, target));
    for (method, path) in [
        (put.clone(), "/_create/y"),
        (put.clone(), "/_doc/y?version=7&version_type=external"),
        (put.clone(), "/_doc/y?version=7&version_type=external_gte"),
    ] {
        assert_eq!(status(method, path, document()).0, 400, "{path}");
    }
    for (method, path, body) in [
        (put, "/_doc/y?pipeline=_none", document()),
        (post, "/_update/d1", json!({ "doc": { "v": 5 } })),
        (Method::DELETE, "/_doc/d1", Value::Null),
    ] {
        assert_eq!(status(method, path, body).0, 403, "{path}");
    }
    subject.recipe.run(0);
    let found = content(&engine, &name);
    assert_eq!(found["d1"].value()["v"], 1);
    assert!(!found.contains_key("y"), "a refused write is there");
    subject.assert_switched(&engine, "loud");
    subject.remove_pipelines(&engine);
}

/// What the pipeline refuses is a dead letter if it was carried, and stays as it was written if it was
/// redirected: it is never simply gone.
#[test]
fn what_the_pipeline_refuses_is_a_dead_letter_or_stays_as_it_was_written() {
    let engine = Engine::get();
    let subject = Subject::make(&engine, "rerefuse");
    subject
        .recipe
        .change("{ set: { schema: 2 } }", "{ set: { schema: 2 } }, { convert: { v: byte } }");
    subject.recipe.change("writers: index_only", "writers: index_only, max_dead_letters: 1000000");
    let working = subject.writers(&engine, 2);
    let report = subject.recipe.run(0);
    std::thread::sleep(Duration::from_millis(300));
    let (written, _) = working.stop();
    assert_eq!(written.refused.len(), 0, "{:?}", written.refused);
    assert_eq!(report["totals"]["balanced"], true, "{report}");
    assert!(report["totals"]["dead_lettered"]["refused_by_pipeline"].as_u64().unwrap() > 0);
    engine.json.post("/segue-dead-letters/_refresh", &Value::Null);
    let letters = |id: &str| {
        let of = json!([{ "term": { "migration": subject.migration() } }, { "term": { "document": id } }]);
        let query = json!({ "query": { "bool": { "filter": of } } });
        engine.json.post("/segue-dead-letters/_count", &query)["count"].as_u64().unwrap()
    };
    let found = content(&engine, &subject.name);
    let (mut there, mut refused) = (0, 0);
    for (id, value) in &written.last {
        match found.get(id).map(segue_testkit::Kept::value) {
            Some(kept) => {
                assert_eq!(kept["v"], *value, "{id}: {kept}");
                assert!(kept["schema"].is_null(), "{id}: {kept}");
                there += 1;
            }
            None => {
                // Asked one by one: a few are enough.
                assert!(refused >= 100 || letters(id) == 1, "{id} is neither there nor refused");
                refused += 1;
            }
        }
    }
    eprintln!("{there} as they were written, {refused} dead letters");
    assert!(there > 0 && refused > 0);
    for (id, kept) in &found {
        let value = kept.value();
        assert!(value["v"].as_u64().unwrap() > 127 || value["schema"] == 2, "{id}: {value}");
    }
    subject.assert_switched(&engine, "refused");
    subject.remove_pipelines(&engine);
}

/// Without waiting for requests under way writes get lost or are refused, and this test's writers notice.
#[test]
fn without_the_drains_writes_are_refused_or_lost_and_that_is_noticed() {
    let engine = Engine::get();
    let mut noticed = 0;
    for _ in 0..6 {
        let subject = Subject::make(&engine, "nodrain");
        let working = subject.writers(&engine, 4);
        let ended = subject.drilled(&[("SEGUE_SABOTAGE", "no-drain")]);
        let (written, documents) = working.stop();
        let wrongs = written.check(&engine, &subject.name, documents);
        eprintln!("exit {:?}, refused {:?}, {wrongs:?}", ended.code, written.refused);
        noticed += wrongs.count() as u64 + written.refusals();
        // A source that does not stand still is noticed by segue itself.
        noticed += u64::from(ended.stderr.contains("although all were redirected"));
        subject.remove_pipelines(&engine);
        if noticed > 0 {
            break;
        }
    }
    assert!(noticed > 0, "the drains make no difference that is seen");
}
