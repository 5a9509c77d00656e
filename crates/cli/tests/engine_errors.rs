//! Dead letters: listed by cause, explained, and written once more.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{REFUSED, Recipe, assert_switched, assert_untouched, part};
use segue_testkit::{Engine, Prefix, content};
use serde_json::{Value, json};

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-1' }
target: { index: '{source}-v2', template: target.json }
pipeline: [{ set: { schema: 2 } }]
cutover: { mode: block, start: manual, after_switch: target_accepts_both }
";

struct Site {
    engine: Engine,
    _prefix: Prefix,
    name: String,
    target: String,
    recipe: Recipe,
}

impl Site {
    /// An index of `good` documents and the seven, and a recipe whose target refuses these.
    fn make(test: &str, good: usize) -> Site {
        let engine = Engine::get();
        let prefix = engine.prefix(test);
        let name = prefix.name("day-1");
        make_index_of_anything(&engine, &name);
        let good: Vec<_> =
            (0..good).map(|n| (format!("d{n}"), format!(r#"{{"v":{n},"t":"words"}}"#))).collect();
        let good: Vec<_> = good.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
        engine.json.write(&name, &good);
        engine.json.write(&name, &REFUSED);
        let recipe = Recipe::new(&engine, &prefix, RECIPE);
        recipe.add_file(
            "target.json",
            &json!({
                "settings": { "number_of_replicas": 0 },
                "mappings": { "dynamic": "strict", "properties": {
                    "v": { "type": "long" }, "t": { "type": "text" }, "at": { "type": "date" },
                    "note": { "type": "keyword" }, "schema": { "type": "integer" }
                }}
            }),
        );
        let target = format!("{name}-v2");
        Site { engine, _prefix: prefix, name, target, recipe }
    }

    fn errors(&self, code: i32) -> Value {
        self.recipe.command("errors", &["--json"]).run().expect(code).last_json_line()
    }

    fn retry(&self, more: &[&str], code: i32) -> Value {
        let mut arguments = vec!["retry", "--yes", "--json"];
        arguments.extend(more);
        let done = self.recipe.command("errors", &arguments).run().expect(code).last_json_line();
        done["parts"][0].clone()
    }

    fn write(&self, index: &str, id: &str, body: &Value) {
        self.engine.json.put(&format!("/{index}/_doc/{id}?refresh=true"), body);
    }

    fn found(&self, index: &str, id: &str) -> Option<Value> {
        let found =
            self.engine.json.post(&format!("/{index}/_mget"), &json!({ "docs": [{ "_id": id }] }));
        let document = &found["docs"][0];
        (document["found"] == json!(true)).then(|| document["_source"].clone())
    }

    /// What `segue status` says became of the documents; asserts that it adds up.
    fn balance(&self) -> Value {
        let status = self.recipe.command("status", &["--json"]).run().expect(0).last_json_line();
        let balance = status["parts"][0]["balance"].clone();
        let sum = |of: &str| -> u64 {
            balance[of].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum()
        };
        let number = |of: &str| balance[of].as_u64().unwrap();
        let accounted =
            number("written") + number("already_there") + sum("filtered") + sum("dead_lettered");
        assert_eq!(number("read"), accounted, "{balance}");
        balance
    }

    /// The target of a finished switch holds what the old index held, with what the pipeline adds.
    fn assert_equal(&self, before: &BTreeMap<String, Value>) {
        let now: BTreeMap<_, _> =
            content(&self.engine, &self.name).into_iter().map(|(id, k)| (id, k.value())).collect();
        let mut expected = before.clone();
        for value in expected.values_mut() {
            value["schema"] = json!(2);
        }
        common::assert_same(&now, &expected);
    }

    fn source(&self) -> BTreeMap<String, Value> {
        content(&self.engine, &self.name).into_iter().map(|(id, k)| (id, k.value())).collect()
    }

    /// The target takes what it refused.
    fn widen(&self) {
        let mapping = json!({ "properties": { "unknown": { "type": "keyword" } } });
        self.engine.json.put(&format!("/{}/_mapping", self.target), &mapping);
    }
}

/// The source takes everything.
fn make_index_of_anything(engine: &Engine, name: &str) {
    let body = json!({
        "settings": { "number_of_shards": 2, "number_of_replicas": 0 },
        "mappings": { "dynamic": "false", "properties": { "t": { "type": "text" } } }
    });
    engine.json.put(&format!("/{name}"), &body);
}

/// Seven of 2,001 documents are refused for three reasons: named, in groups; the gate refuses; a recipe
/// that mends them lets it open.
#[test]
fn refused_documents_are_grouped_mended_by_the_recipe_and_switched() {
    let site = Site::make("mended", 1994);
    let before = site.source();
    assert_eq!(before.len(), 2001);
    let clean = site.recipe.command("errors", &["--json"]).run().expect(0).last_json_line();
    assert_eq!(clean["open"], 0, "nothing has begun");
    let report = site.recipe.run(0);
    let all = part(&report, "day-1");
    assert_eq!((&all["balance"]["read"], &all["balance"]["written"]), (&json!(2001), &json!(1994)));

    let errors = site.errors(3);
    assert_eq!((&errors["open"], &errors["allowed"]), (&json!(7), &json!(0)));
    let groups = errors["parts"][0]["groups"].as_array().unwrap();
    let counts: Vec<_> = groups.iter().map(|g| g["count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [4, 2, 1], "{errors}");
    let texts: Vec<_> = groups.iter().map(|g| g["group"].as_str().unwrap()).collect();
    for (text, field) in texts.iter().zip(["[v]", "[unknown]", "[at]"]) {
        assert!(text.contains(field), "{field} in {texts:?}");
        for varies in ["bad-", "abc", "def", "7 days", "yesterday"] {
            assert!(!text.contains(varies), "{varies} in {text}");
        }
    }
    let text = site.recipe.command("errors", &[]).run().expect(3).stdout;
    assert!(text.contains("7 open, 0 allowed: the gate refuses"), "{text}");

    let shown = site.recipe.command("errors", &["show", "odd-1", "--json"]).run().expect(0);
    let shown = &shown.last_json_line()["letters"][0];
    assert_eq!(shown["now"], json!({ "v": 1, "unknown": "a field" }));
    let sent: Value = serde_json::from_str(shown["sent"].as_str().unwrap()).unwrap();
    assert_eq!(sent, json!({ "v": 1, "unknown": "a field", "schema": 2 }));
    assert_eq!((&shown["target"], &shown["standing"]), (&Value::Null, &json!("open")));
    site.recipe.command("errors", &["show", "d1"]).run().expect(2);
    let lines = site.recipe.command("errors", &["export"]).run().expect(0).stdout;
    let mut ids: Vec<_> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["document"].clone())
        .collect();
    ids.sort_by_key(ToString::to_string);
    assert_eq!(ids, REFUSED.map(|(id, _)| json!(id)));

    let refused = site.recipe.command("cutover", &["--yes", "--json"]).run().expect(3);
    let message = part(&refused.last_json_line(), "day-1")["error"]["message"].to_string();
    assert!(message.contains("dead_letters: 7 dead letters, 0 allowed"), "{message}");
    assert_untouched(&site.engine, &site.name);

    // The recipe takes the fields out: its pipeline is another one.
    let (from, to) = ("{ schema: 2 } }]", "{ schema: 2 } }, { remove: [v, unknown, at] }]");
    site.recipe.change(from, to);
    let no = site.retry(&[], 3);
    assert_eq!(no["error"]["code"], "SEG-E214", "{no}");
    assert!(no["error"]["message"].as_str().unwrap().contains("segue run"), "{no}");
    let report = site.recipe.command("cutover", &["--yes", "--json"]).run().expect(0);
    let report = report.last_json_line();
    assert_eq!(report["totals"]["balanced"], true);
    assert_eq!(part(&report, "day-1")["balance"]["written"], 2001);
    assert_switched(&site.engine, &site.name, &site.target);
    assert_eq!(site.errors(0)["open"], 0);
    let mut expected = before;
    for value in expected.values_mut() {
        for gone in ["v", "unknown", "at"] {
            value.as_object_mut().unwrap().remove(gone);
        }
    }
    site.assert_equal(&expected);
}

/// The same, mended by the target's mapping and by the writers, and retried.
#[test]
fn refused_documents_are_retried_and_switched() {
    let site = Site::make("retried", 1994);
    site.recipe.run(0);
    assert_eq!(site.errors(3)["open"], 7);
    site.widen();
    // Only one group, by a piece of its reason.
    let done = site.retry(&["--group", "introduction of [unknown]"], 0);
    assert_eq!((&done["written"], &done["refused"]), (&json!(2), &json!(0)), "{done}");
    assert_eq!(site.balance()["dead_lettered"].as_object().unwrap().len(), 1);
    // The others are refused again, and that is counted.
    let done = site.retry(&[], 3);
    assert_eq!((&done["written"], &done["refused"]), (&json!(0), &json!(5)), "{done}");
    let errors = site.errors(3);
    assert_eq!(errors["open"], 5);
    assert_eq!(errors["parts"][0]["groups"][0]["attempts"], 2, "{errors}");
    // Their writers mend one by writing it anew, and delete another: the next run carries that.
    site.write(&site.name, "bad-1", &json!({ "v": 1 }));
    site.engine.json.delete(&format!("/{}/_doc/bad-2?refresh=true", site.name));
    let errors = site.errors(3);
    assert_eq!((&errors["open"], &errors["waiting"]), (&json!(3), &json!(1)), "{errors}");
    site.recipe.command("verify", &["--yes"]).run().expect(0);
    let errors = site.errors(3);
    assert_eq!((&errors["open"], &errors["waiting"]), (&json!(3), &json!(0)), "{errors}");
    let balance = site.balance();
    assert_eq!(balance["read"], 2002, "{balance}");
    // The gate counts what the list counts.
    let refused = site.recipe.command("cutover", &["--yes", "--json"]).run().expect(3);
    let message = part(&refused.last_json_line(), "day-1")["error"]["message"].to_string();
    assert!(message.contains("dead_letters: 3 dead letters, 0 allowed"), "{message}");
    for id in ["bad-3", "bad-4"] {
        site.write(&site.name, id, &json!({ "v": 4 }));
    }
    site.write(&site.name, "when-1", &json!({ "v": 4, "at": "2026-01-01" }));
    let before = site.source();
    let report = site.recipe.command("cutover", &["--yes", "--json"]).run().expect(0);
    assert_eq!(report.last_json_line()["totals"]["balanced"], true);
    assert_switched(&site.engine, &site.name, &site.target);
    site.assert_equal(&before);
    assert_eq!(site.errors(0)["open"], 0);
    site.balance();
}

/// Killed after each step of a retry and repeated, a document is written once and counted once.
#[test]
fn a_retry_that_was_killed_is_repeated() {
    for step in ["retry_noted", "retry_sent", "retry_settled"] {
        let site = Site::make(&format!("killed-{}", &step[6..]), 20);
        site.recipe.run(0);
        site.widen();
        let arguments = ["retry", "--yes", "--json"];
        let died = site.recipe.command("errors", &arguments).env("SEGUE_DIE_AT", step).run();
        assert!(died.signal.is_some(), "it did not die at {step}: {}", died.stderr);
        site.balance();
        let done = site.retry(&[], 3);
        assert!(done["error"].is_null(), "{step}: {done}");
        let errors = site.errors(3);
        assert_eq!(errors["open"], 5, "{step}: {errors}");
        let balance = site.balance();
        assert_eq!(balance["read"], 27, "{step}: {balance}");
        assert_eq!(balance["written"], 22, "{step}: {balance}");
        site.recipe.command("verify", &["--yes"]).run().expect(0);
        // A document that is deleted after its retry is deleted in the target.
        site.engine.json.delete(&format!("/{}/_doc/odd-1?refresh=true", site.name));
        assert!(site.found(&site.target, "odd-1").is_some(), "{step}");
        site.recipe.command("verify", &["--yes"]).run().expect(0);
        assert!(site.found(&site.target, "odd-1").is_none(), "{step}: the delete was not carried");
        assert!(site.found(&site.target, "odd-2").is_some(), "{step}");
    }
}

/// Writers update and delete the very documents while they are retried.
#[test]
fn writers_go_on_while_documents_are_retried() {
    let site = Site::make("live", 200);
    site.recipe.run(0);
    site.widen();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !stop.load(Ordering::Relaxed) {
                round += 1;
                site.write(&site.name, "odd-1", &json!({ "v": round, "unknown": "again" }));
                site.write(&site.name, "bad-1", &json!({ "v": round }));
                let path = format!("/{}/_doc/odd-2", site.name);
                if round % 2 == 0 {
                    site.engine.json.delete(&path);
                } else {
                    site.engine.json.put(&path, &json!({ "v": round, "unknown": "back" }));
                }
            }
        });
        for _ in 0..3 {
            let done = site.recipe.command("errors", &["retry", "--yes", "--json"]).run();
            let done = done.last_json_line()["parts"][0].clone();
            assert!(done["error"].is_null(), "{done}");
            site.recipe.command("verify", &["--yes"]).run().expect(0);
        }
        stop.store(true, Ordering::Relaxed);
    });
    for id in ["bad-2", "bad-3", "bad-4"] {
        site.write(&site.name, id, &json!({ "v": 4 }));
    }
    site.engine.json.delete(&format!("/{}/_doc/when-1?refresh=true", site.name));
    site.engine.json.post(&format!("/{}/_refresh", site.name), &Value::Null);
    let before = site.source();
    site.recipe.command("cutover", &["--yes"]).run().expect(0);
    site.assert_equal(&before);
    site.balance();
    assert_eq!(site.errors(0)["open"], 0);
}

/// After the switch the application's documents stand, whatever is retried.
#[test]
fn a_retry_after_the_switch_creates_and_never_replaces() {
    let site = switched("after");
    site.write(&site.name, "odd-1", &json!({ "v": 100 }));
    assert_eq!(site.errors(0)["open"], 6, "what the application has written is not open");
    let done = site.retry(&[], 3);
    assert_eq!((&done["written"], &done["refused"]), (&json!(1), &json!(5)), "{done}");
    assert_eq!(done["void"]["written"], 1, "{done}");
    assert_eq!(site.found(&site.name, "odd-1"), Some(json!({ "v": 100 })));
    let created = json!({ "v": 2, "unknown": 17, "schema": 2 });
    assert_eq!(site.found(&site.name, "odd-2"), Some(created));
    // From a delete on nobody can tell whether it was this one.
    site.engine.json.delete(&format!("/{}/_doc/d1?refresh=true", site.name));
    let mapping = json!({ "properties": { "at2": { "type": "date" } } });
    site.engine.json.put(&format!("/{}/_mapping", site.target), &mapping);
    let done = site.retry(&[], 3);
    assert_eq!((&done["written"], &done["refused"]), (&json!(0), &json!(0)), "{done}");
    let left: u64 =
        done["left"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(left, 5, "{done}");
    let done = site.retry(&["--not-deleted"], 3);
    assert_eq!(done["refused"], 5, "{done}");
}

/// The negative control: with a version the application's newer document would be lost.
#[test]
fn a_retry_by_version_after_the_switch_would_overwrite() {
    let site = switched("by-version");
    site.write(&site.name, "odd-1", &json!({ "v": 100 }));
    let retry = site.recipe.command("errors", &["retry", "--yes", "--json"]);
    drop(retry.env("SEGUE_SABOTAGE", "create-after-switch").run());
    assert_eq!(
        site.found(&site.name, "odd-1"),
        Some(json!({ "v": 1, "unknown": "a field", "schema": 2 })),
        "the sabotage does what the guard is there against"
    );
}

/// A switched part whose seven dead letters the recipe allowed, and whose target takes two by now.
fn switched(test: &str) -> Site {
    let site = Site::make(test, 20);
    site.recipe.change("start: manual,", "max_dead_letters: 7,");
    site.recipe.run(0);
    assert_switched(&site.engine, &site.name, &site.target);
    assert_eq!(site.errors(0)["open"], 7);
    site.widen();
    site
}

/// A document that was carried, and refused when it changed, is gone from the target; its retry brings it
/// back above the delete.
#[test]
fn what_was_carried_before_it_was_refused_is_retried_too() {
    let site = Site::make("carried", 20);
    site.recipe.run(0);
    site.write(&site.name, "d1", &json!({ "v": 1, "unknown": "by now" }));
    site.recipe.command("verify", &["--yes"]).run().expect(0);
    assert_eq!(site.found(&site.target, "d1"), None, "what is refused now is not as it was");
    assert_eq!(site.errors(3)["open"], 8);
    site.widen();
    let no = site.recipe.command("errors", &["retry", "--yes", "--group", "9"]).run().expect(2);
    assert!(no.stderr.contains("there is no group 9"), "{}", no.stderr);
    // The second in the list: that of the field which the target knows by now.
    let done = site.retry(&["--group", "2"], 0);
    assert_eq!(done["written"], 3, "{done}");
    let expected = json!({ "v": 1, "unknown": "by now", "schema": 2 });
    assert_eq!(site.found(&site.target, "d1"), Some(expected));
    site.recipe.command("verify", &["--yes"]).run().expect(0);
    assert_eq!(site.errors(3)["open"], 5);
    site.balance();
}

/// Records of files are listed with file and line, and have to be corrected there.
#[test]
fn records_of_files_are_listed_and_not_retried() {
    let engine = Engine::get();
    let prefix = engine.prefix("errors-files");
    let text = "
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { files: 'data.*', id: position }
target: { index: 'PREFIXitems-{generation}', settings: { number_of_replicas: 0 } }
cutover: { alias: PREFIXitems }
";
    let recipe = Recipe::new(&engine, &prefix, text);
    let good: String = (0..300).map(|n| format!("{{\"v\":{n}}}\n")).collect();
    recipe.write("data.jsonl", format!("{good}{{\"v\":1\n{{\"v\":\"x\"\n{good}").as_bytes());
    recipe.run(3);
    let errors = recipe.command("errors", &["--json"]).run().expect(3).last_json_line();
    assert_eq!(errors["open"], 2, "{errors}");
    let groups = errors["parts"][0]["groups"].as_array().unwrap();
    let reasons: Vec<_> = groups.iter().map(|group| group["reason"].as_str().unwrap()).collect();
    assert!(reasons[0].starts_with("data.jsonl:30"), "{reasons:?}");
    assert!(!groups[0]["group"].as_str().unwrap().contains("data.jsonl"), "{errors}");
    let shown = recipe.command("errors", &["show", "data.jsonl:300"]).run().expect(0).stdout;
    assert!(shown.contains("data.jsonl:301: "), "{shown}");
    let exported = recipe.command("errors", &["export"]).run().expect(0).stdout;
    assert_eq!(exported.lines().count(), 2, "{exported}");
    let no = recipe.command("errors", &["retry", "--yes", "--json"]).run().expect(3);
    let no = no.last_json_line()["parts"][0].clone();
    assert_eq!(no["error"]["code"], "SEG-E214", "{no}");
    assert!(no["error"]["message"].as_str().unwrap().contains("files"), "{no}");
}
