//! The shipped recipe for usage events, run and told about as operators of a repository know it.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use common::Recipe;
use segue_testkit::{Engine, Installation, Prefix, Volume};
use serde_json::{Value, json};

const SMALL: Volume = Volume { events: 600, records: 3, months: 3 };

/// Runs with a report in the known shape; what is in the file.
fn told(recipe: &Recipe, more: &[&str], code: i32) -> Value {
    let file = recipe.beside("report.json");
    let mut arguments = vec!["--yes", "--report", &file, "--report-shape", "invenio"];
    arguments.extend(more);
    recipe.command("run", &arguments).run().expect(code);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The months of one kind.
fn months<'a>(report: &'a Value, kind: &str) -> Vec<(&'a String, &'a Value)> {
    report["event_types"][kind]["months"].as_object().unwrap().iter().collect()
}

/// The names below a test's prefix that are no index of records.
fn events(engine: &Engine, prefix: &Prefix) -> Vec<String> {
    let path = format!("/{}events-stats-*?expand_wildcards=all", prefix.as_str());
    engine.json.get(&path).as_object().unwrap().keys().cloned().collect()
}

#[test]
fn three_months_of_both_kinds_and_once_more() {
    let engine = Engine::get();
    let prefix = engine.prefix("shape");
    let site = Installation::new(&engine, &prefix, 3, SMALL).redirected();
    let recipe = Recipe::usage_events(&engine, &prefix);
    // One batch is not enough for six months.
    let stopped = told(&recipe, &["--max-batches", "1"], 5);
    assert_eq!(stopped["completed"], false);
    assert_eq!([&stopped["total_errors"], &stopped["error"]], [&json!(0), &Value::Null]);
    assert_eq!(stopped["health_issues"].as_array().unwrap().len(), 1, "{stopped}");
    let all = [months(&stopped, "view"), months(&stopped, "download")].concat();
    assert!(all.iter().any(|(_, month)| month["interrupted"] == true), "{stopped}");
    assert!(stopped["total_processed"].as_u64().unwrap() < 600, "{stopped}");

    let whole = told(&recipe, &[], 0);
    for (key, value) in [
        ("total_processed", json!(600)),
        ("total_errors", json!(0)),
        ("completed", json!(true)),
        ("health_issues", json!([])),
        ("error", Value::Null),
    ] {
        assert_eq!(whole[key], value, "{key}: {whole}");
    }
    for (kind, event) in [("view", "record-view"), ("download", "file-download")] {
        let events = &whole["event_types"][kind];
        assert_eq!([&events["processed"], &events["errors"]], [300, 0], "{kind}");
        let months = months(&whole, kind);
        assert_eq!(months.len(), 3);
        let sum: u64 = months.iter().map(|(_, month)| month["processed"].as_u64().unwrap()).sum();
        assert_eq!(sum, 300);
        for (name, month) in months {
            let source = prefix.name(&format!("events-stats-{event}-{name}"));
            assert_eq!(month["month"], **name);
            assert_eq!(month["event_type"], kind);
            assert_eq!(month["source_index"], source);
            assert_eq!(month["target_index"], format!("{source}-v2.0.0"));
            assert_eq!([&month["completed"], &month["interrupted"]], [true, false]);
            assert_eq!(engine.json.count(&source), month["processed"].as_u64().unwrap());
        }
    }
    site.assert_sound();

    let again = told(&recipe, &[], 0);
    assert_eq!([&again["completed"], &again["total_processed"]], [&json!(true), &json!(0)]);
    assert_eq!(months(&again, "view").len(), 3, "what was done is listed as done");
}

/// A month with events that the target refuses, beside one without.
#[test]
fn a_month_that_fails_is_named_and_the_other_goes_on() {
    let engine = Engine::get();
    let prefix = engine.prefix("poison");
    let records = prefix.name("rdmrecords-records");
    let bare = json!({ "settings": { "number_of_replicas": 0 }, "mappings": { "dynamic": false,
        "properties": { "id": { "type": "keyword" } } } });
    engine.json.put(&format!("/{records}"), &bare);
    engine.json.write(&records, &[("1", r#"{"id":"a"}"#)]);
    for month in ["2025-05", "2025-06"] {
        let name = prefix.name(&format!("events-stats-record-view-{month}"));
        let body = json!({ "settings": { "number_of_replicas": 0 }, "mappings": { "properties": {
            "timestamp": { "type": "keyword" }, "recid": { "type": "keyword" } } } });
        engine.json.put(&format!("/{name}"), &body);
        let good = json!({ "recid": "a", "timestamp": "2025-05-01T10:00:00" }).to_string();
        let bad = json!({ "recid": "a", "timestamp": "some day in May" }).to_string();
        let second = if month == "2025-05" { &bad } else { &good };
        engine.json.write(&name, &[("1", &good), ("2", second)]);
    }
    let recipe = Recipe::usage_events(&engine, &prefix);
    // With `redirect` the plan would have found it.
    recipe.change("  mode: redirect\n  writers: index_only\n", "  mode: block\n");
    let whole = told(&recipe, &[], 3);
    assert_eq!(whole["completed"], false);
    assert_eq!(whole["error"], "Migration failed for months: view-2025-05");
    // The event that was refused, and the month that is not switched for it.
    assert_eq!([&whole["total_errors"], &whole["total_processed"]], [2, 3]);
    let months = &whole["event_types"]["view"]["months"];
    assert_eq!([&months["2025-05"]["completed"], &months["2025-06"]["completed"]], [false, true]);
    assert_eq!([&months["2025-05"]["errors"], &months["2025-06"]["errors"]], [2, 0]);
    assert_eq!(months["2025-05"]["operational_errors"][0]["type"], "SEG-E202", "{months}");
    let download = json!({ "processed": 0, "errors": 0, "months": {} });
    assert_eq!(whole["event_types"]["download"], download);
}

#[test]
fn what_is_refused_before_it_begins_is_told_and_changes_nothing() {
    let engine = Engine::get();
    let prefix = engine.prefix("refused");
    let _site = Installation::new(&engine, &prefix, 3, SMALL);
    let before = events(&engine, &prefix);
    engine.json.delete(&format!("/{}", prefix.name("rdmrecords-records*")));
    let recipe = Recipe::usage_events(&engine, &prefix);
    let whole = told(&recipe, &[], 3);
    assert_eq!([&whole["completed"], &whole["total_processed"]], [&json!(false), &json!(0)]);
    assert_eq!(whole["total_errors"], whole["health_issues"].as_array().unwrap().len());
    let issues = whole["health_issues"].to_string();
    assert!(issues.contains("rdmrecords-records of lookup record does not exist"), "{issues}");
    assert!(whole["error"].as_str().unwrap().contains("SEG-P122"), "{whole}");
    assert_eq!(events(&engine, &prefix), before, "a target was made");

    // A cluster that cannot be reached is told, too.
    let file = recipe.beside("report.json");
    let arguments = ["--yes", "--report", &file, "--report-shape", "invenio"];
    recipe.through("http://127.0.0.1:9", "run", &arguments).run().expect(1);
    let whole: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!([&whole["completed"], &whole["total_errors"]], [&json!(false), &json!(1)]);
    assert!(whole["error"].as_str().unwrap().contains("cannot reach the cluster"), "{whole}");
}

#[test]
fn a_recipe_without_events_and_months_has_no_such_report() {
    let engine = Engine::get();
    let prefix = engine.prefix("bare");
    let text = "segue: 1\nname: NAME\ncluster: { url: '${SEGUE_CLUSTER}' }\n\
        source: { index: 'PREFIXday-{n}', match: { n: '\\d+' } }\ntarget: { index: '{source}-v2' }\n";
    common::make_index(&engine, &prefix.name("day-1"), 1, 3);
    let before = common::state(&engine, prefix.as_str());
    let recipe = Recipe::new(&engine, &prefix, text);
    let file = recipe.beside("report.json");
    let arguments = ["--yes", "--report", &file, "--report-shape", "invenio"];
    let ended = recipe.command("run", &arguments).run().expect(2);
    assert!(ended.stderr.contains("the recipe's captures: n"), "{}", ended.stderr);
    assert!(!std::path::Path::new(&file).exists());
    assert_eq!(common::state(&engine, prefix.as_str()), before);
    recipe.command("run", &["--yes", "--report-shape", "invenio"]).run().expect(2);
}

/// An installation that has no events yet, and not even records.
#[test]
fn no_events_at_all_are_nothing_to_do() {
    let engine = Engine::get();
    let prefix = engine.prefix("empty");
    let recipe = Recipe::usage_events(&engine, &prefix);
    let whole = told(&recipe, &[], 0);
    let none = json!({ "processed": 0, "errors": 0, "months": {} });
    let expected = json!({
        "total_processed": 0, "total_errors": 0, "completed": true, "health_issues": [],
        "error": null, "event_types": { "view": none, "download": none },
    });
    assert_eq!(whole, expected);
    let ended = recipe.command("run", &["--yes"]).run().expect(0);
    assert!(ended.stderr.contains("there is nothing to do"), "{}", ended.stderr);
    assert!(ended.stderr.contains("SEG-P121"), "{}", ended.stderr);
    // Only because the recipe says so.
    recipe.change("  may_be_empty: true\n", "");
    assert_eq!(told(&recipe, &[], 3)["completed"], false);
}
