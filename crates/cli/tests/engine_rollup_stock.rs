//! The stock aggregation of usage events, through the binary on a real engine.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;
#[path = "rollup/library.rs"]
mod library;

use std::collections::{BTreeMap, BTreeSet};

use common::Recipe;
use library::{Events, RECORDS};
use segue_testkit::{Engine, Prefix};
use serde_json::{Value, json};

/// Every document of a pattern, by index and id.
fn all(engine: &Engine, pattern: &str) -> BTreeMap<(String, String), Value> {
    engine.json.post(&format!("/{pattern}/_refresh"), &Value::Null);
    let body = json!({ "size": 10_000, "version": true });
    let answer = engine.json.post(&format!("/{pattern}/_search"), &body);
    let hits = answer["hits"]["hits"].as_array().unwrap();
    assert!(hits.len() < 10_000);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    hits.iter()
        .map(|hit| ((text(&hit["_index"]), text(&hit["_id"])), hit["_source"].clone()))
        .collect()
}

/// What the events of a kind add up to, counted one by one.
fn counted(engine: &Engine, prefix: &Prefix, kind: &str) -> BTreeMap<(String, String), Value> {
    let mut found: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
    for event in all(engine, &prefix.name(&format!("events-stats-{kind}"))).into_values() {
        // As the application counts.
        let left_out = if kind == "record-view" { "via_api" } else { "is_robot" };
        if event[left_out] == true {
            continue;
        }
        let day = event["timestamp"].as_str().unwrap()[..10].to_owned();
        let id = event["unique_id"].as_str().unwrap().to_owned();
        found.entry((day, id)).or_default().push(event);
    }
    let document = |((day, id), mut events): ((String, String), Vec<Value>)| {
        events.sort_by_key(|event| event["timestamp"].as_str().unwrap().to_owned());
        let sessions: BTreeSet<_> =
            events.iter().map(|event| event["unique_session_id"].to_string()).collect();
        let last = events.last().unwrap();
        let mut document = json!({
            "timestamp": format!("{day}T00:00:00"), "unique_id": id, "count": events.len(),
            "unique_count": sessions.len(), "recid": last["recid"],
            "parent_recid": last["parent_recid"], "via_api": last["via_api"],
        });
        if kind == "file-download" {
            let volume: u64 = events.iter().map(|event| event["size"].as_u64().unwrap()).sum();
            document["volume"] = json!(volume);
            for name in ["file_id", "file_key", "bucket_id"] {
                document[name] = last[name].clone();
            }
        }
        let index = prefix.name(&format!("stats-{kind}-{}", &day[..7]));
        ((index, format!("{id}-{day}")), document)
    };
    found.into_iter().map(document).collect()
}

fn assert_counted(engine: &Engine, prefix: &Prefix) {
    for kind in ["record-view", "file-download"] {
        let mut there = all(engine, &prefix.name(&format!("stats-{kind}-*")));
        for document in there.values_mut() {
            // When it was written, and the mark of who did.
            let written = document.as_object_mut().unwrap().remove("updated_timestamp").unwrap();
            assert!(written.as_str().unwrap().ends_with('Z'), "{written}");
        }
        assert_eq!(there, counted(engine, prefix, kind), "{kind}");
    }
}

/// Two months of events, some of one visitor twice, the last of a day by a machine.
fn months<'e>(engine: &'e Engine, prefix: &Prefix) -> [Events<'e>; 2] {
    let months = ["2025-06", "2025-07"].map(|month| Events::enriched(engine, prefix, month));
    for (number, record) in RECORDS.iter().enumerate() {
        for (events, month) in months.iter().zip(["2025-06", "2025-07"]) {
            let day = |n: u64| format!("{month}-{:02}T{:02}:59:59", 29 + n % 2, n % 24);
            events.views(record, 7 + number as u64, day);
            events.views(record, 3, |n| format!("{month}-29T00:00:0{n}"));
            events.downloads(record, 5, day);
            events.downloads(record, 2, |n| format!("{month}-30T00:00:0{n}"));
        }
    }
    let by_machine = json!({
        "timestamp": "2025-06-30T23:59:59", "recid": "r1", "parent_recid": "p-r1",
        "unique_id": "ui_r1", "unique_session_id": "s0", "visitor_id": "v0", "via_api": false,
        "is_robot": true, "updated_timestamp": "2025-06-30T23:59:59"
    });
    let mut by_api = by_machine.clone();
    by_api["via_api"] = json!(true);
    let by_a_robot = json!({
        "timestamp": "2025-06-30T23:59:59", "recid": "r1", "parent_recid": "p-r1",
        "unique_id": "ui_r1", "unique_session_id": "s0", "visitor_id": "v0", "via_api": false,
        "is_robot": true, "size": 1_000_000, "file_id": "f", "file_key": "k", "bucket_id": "b"
    });
    for (kind, id, event) in [
        ("record-view", "machine", by_machine),
        ("record-view", "api", by_api),
        ("file-download", "robot", by_a_robot),
    ] {
        engine.json.write(&months[0].index(kind), &[(id, event.to_string().as_str())]);
    }
    months[0].refresh();
    months
}

#[test]
fn each_record_has_its_days() {
    let engine = Engine::get();
    let prefix = engine.prefix("stockday");
    let [june, july] = months(&engine, &prefix);
    let events = prefix.name("events-stats-*");
    let before = all(&engine, &events);
    // What the application wrote of a day whose events are gone.
    let old = prefix.name("stats-record-view-2025-05");
    let kept = json!({
        "timestamp": "2025-05-31T00:00:00", "unique_id": "ui_r1", "count": 7, "unique_count": 1
    });
    let body = json!({ "mappings": { "properties": { "unique_id": { "type": "keyword" } } } });
    engine.json.put(&format!("/{old}"), &body);
    engine.json.write(&old, &[("ui_r1-2025-05-31", kept.to_string().as_str())]);
    let recipe = Recipe::stock_rollup(&engine, &prefix);
    let run = || recipe.rollup("run", &["--to", "2025-07-31"], 0);
    let report = run();
    assert_eq!(report["done"], "2025-07-31", "{report}");
    assert_eq!(all(&engine, &old).into_values().collect::<Vec<_>>(), [kept]);
    engine.json.delete(&format!("/{old}"));
    assert_counted(&engine, &prefix);
    let machine = &all(&engine, &prefix.name("stats-record-view-2025-06"))
        [&(prefix.name("stats-record-view-2025-06"), "ui_r1-2025-06-30".to_owned())];
    assert_eq!((&machine["via_api"], &machine["unique_count"]), (&json!(false), &json!(4)));
    assert_eq!(run()["written"], json!({ "delta": 0, "snapshot": 0 }));

    // A late event, one that is moved, and the only one of a day, which is deleted.
    july.views(&RECORDS[4], 1, |_| "2025-07-05T12:00:00".to_owned());
    july.refresh();
    assert_eq!(run()["periods"], 1);
    assert_counted(&engine, &prefix);
    june.views(&RECORDS[0], 1, |_| "2025-06-02T12:00:00".to_owned());
    engine.json.delete(&format!("/{}/_doc/machine", june.index("record-view")));
    july.moved(&RECORDS[0], "2025-07-29T00:59:59", "2025-07-28T00:00:00");
    june.refresh();
    assert_eq!(run()["periods"], 4);
    assert_counted(&engine, &prefix);
    let only = format!("view-{}-2025-07-05T12:00:00-0-", RECORDS[4].id);
    engine.json.delete(&format!("/{}/_doc/{only}?refresh=true", july.index("record-view")));
    run();
    assert_counted(&engine, &prefix);
    let left = all(&engine, &prefix.name("stats-record-view-*"));
    assert!(!left.keys().any(|(_, id)| id.ends_with("2025-07-05")), "{:?}", left.keys());

    // What the application counted on a day whose events are gone stays, however often it is asked for.
    let kept = prefix.name("stats-record-view-2025-07/_doc/ui_r1-2025-07-15");
    let text = json!({ "timestamp": "2025-07-15T00:00:00", "unique_id": "ui_r1", "count": 7 });
    engine.json.put(&format!("/{kept}?refresh=true"), &text);
    for _ in 0..2 {
        recipe.rollup("run", &["--from", "2025-07-14", "--to", "2025-07-16"], 0);
    }
    assert_eq!(engine.json.get(&format!("/{kept}"))["_source"], text);
    engine.json.delete(&format!("/{kept}?refresh=true"));
    assert_counted(&engine, &prefix);

    // So does what it counted on a day of which some events are left, and what stands beside them.
    let copy = prefix.name("stats-record-view-2025-07-backup");
    let of_day = |n: u64, count: u64| {
        json!({ "timestamp": "2025-07-20T00:00:00", "unique_id": format!("ui_x{n}"), "count": count,
                "updated_timestamp": "2025-07-20T23:10:00.123456" })
    };
    let index = prefix.name("stats-record-view-2025-07");
    engine.json.put(
        &format!("/{copy}"),
        &json!({ "mappings": { "properties": {
        "unique_id": { "type": "keyword" }, "timestamp": { "type": "date" } } } }),
    );
    for n in 0..3 {
        let text = of_day(n, 500).to_string();
        let id = format!("ui_x{n}-2025-07-20");
        engine.json.write(&index, &[(id.as_str(), text.as_str())]);
        engine.json.write(&copy, &[(id.as_str(), text.as_str())]);
    }
    let late = json!({
        "timestamp": "2025-07-20T12:00:00", "recid": "x0", "parent_recid": "p", "unique_id": "ui_x0",
        "unique_session_id": "s", "visitor_id": "v", "via_api": false, "is_robot": false,
    });
    for again in ["late-1", "late-2"] {
        engine.json.write(&july.index("record-view"), &[(again, late.to_string().as_str())]);
        let told = run();
        assert!(told["kept"].as_array().unwrap().len() <= 1, "{told}");
        for n in 0..3 {
            for place in [&index, &copy] {
                let there = engine.json.get(&format!("/{place}/_doc/ui_x{n}-2025-07-20"));
                assert_eq!(there["_source"], of_day(n, 500), "{place}: {told}");
            }
        }
    }
    for n in 0..3 {
        engine.json.delete(&format!("/{index}/_doc/ui_x{n}-2025-07-20?refresh=true"));
    }
    engine.json.delete(&format!("/{copy}"));
    for again in ["late-1", "late-2"] {
        engine.json.delete(&format!("/{}/_doc/{again}?refresh=true", july.index("record-view")));
    }
    run();
    assert_counted(&engine, &prefix);

    // What somebody deletes is made again, and the events were only read.
    let lost = prefix.name("stats-file-download-2025-06/_doc/ui_r1-2025-06-30?refresh=true");
    engine.json.delete(&format!("/{lost}"));
    let status = recipe.rollup("status", &[], 0);
    assert_eq!(status["to_do"], 1, "{status}");
    let gap = json!([{ "first": "2025-06-30", "last": "2025-06-30", "periods": 1 }]);
    assert_eq!(status["outputs"][0]["gaps"], gap);
    run();
    assert_counted(&engine, &prefix);
    let after = all(&engine, &events);
    for (place, event) in after {
        let is_known = before.get(&place).is_none_or(|known| *known == event);
        assert!(is_known || place.1.contains("2025-07-29T00:59:59"), "{place:?}");
    }
}

#[test]
fn a_day_may_have_more_keys_than_fit() {
    let engine = Engine::get();
    let prefix = engine.prefix("stockbig");
    let events = Events::enriched(&engine, &prefix, "2025-06");
    let event = |n: u32| {
        json!({
            "timestamp": "2025-06-01T12:00:00", "recid": format!("r{}", n / 2),
            "parent_recid": "p", "unique_id": format!("ui_{}", n / 2), "via_api": false,
            "is_robot": false,
            "unique_session_id": format!("s{n}"), "visitor_id": "v"
        })
    };
    let texts: Vec<_> = (0..8000).map(|n| (format!("e{n}"), event(n).to_string())).collect();
    for some in texts.chunks(2000) {
        let pairs: Vec<_> = some.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
        engine.json.write(&events.index("record-view"), &pairs);
    }
    events.refresh();
    let recipe = Recipe::stock_rollup(&engine, &prefix);
    recipe.change(
        "rollup:\n  period",
        "limits: { values_at_once: 50000, page_docs: 1000 }\nrollup:\n  period",
    );
    let report = recipe.rollup("run", &["--to", "2025-06-01"], 0);
    assert!(report["documents"].as_u64().unwrap() >= 16_000, "in shares: {report}");
    assert_eq!(report["written"]["delta"], 4000);
    assert_counted(&engine, &prefix);
    // Rolled up again, nothing is lost: each share deletes only what it knows better.
    recipe.rollup("run", &["--from", "2025-06-01", "--to", "2025-06-01"], 0);
    assert_counted(&engine, &prefix);
}
