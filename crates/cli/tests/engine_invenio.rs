//! The shipped recipe for usage events on an installation like a repository's.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Recipe, assert_switched};
use segue_testkit::{Engine, Installation, Prefix, Volume, content};
use serde_json::{Value, json};

/// What every event has before it is enriched.
const CORE: [&str; 9] = [
    "recid",
    "timestamp",
    "visitor_id",
    "country",
    "unique_session_id",
    "referrer",
    "via_api",
    "is_robot",
    "updated_timestamp",
];

/// Indices of events, by name.
fn indices(engine: &Engine, prefix: &Prefix) -> Vec<String> {
    let path = format!("/_cat/indices/{}events-stats-*?format=json&h=index", prefix.as_str());
    let listed = engine.json.get(&path);
    let mut names: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["index"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Documents read, by the capture `event`.
fn read_by_event(report: &Value) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for part in report["parts"].as_array().unwrap() {
        let event = part["captures"]["event"].as_str().unwrap().to_owned();
        *sums.entry(event).or_default() += part["balance"]["read"].as_u64().unwrap();
    }
    sums
}

fn migrate_and_check(test: &str, volume: Volume, each: u64) {
    let engine = Engine::get();
    let prefix = engine.prefix(test);
    let site = Installation::new(&engine, &prefix, 3, volume).redirected();
    let names = indices(&engine, &prefix);
    assert_eq!(names.len() as u64, 2 * u64::from(volume.months));
    let before: BTreeMap<_, _> =
        names.iter().map(|name| (name.clone(), content(&engine, name))).collect();

    let report = Recipe::usage_events(&engine, &prefix).run(0);
    assert_eq!(report["totals"]["errors"], 0);
    assert_eq!(report["totals"]["balanced"], true);
    let expected =
        BTreeMap::from(["file-download", "record-view"].map(|event| (event.to_owned(), each)));
    assert_eq!(read_by_event(&report), expected);
    let targets: Vec<_> = names.iter().map(|name| format!("{name}-v2.0.0")).collect();
    assert_eq!(indices(&engine, &prefix), targets, "one index a month and kind, all new");
    for event in expected.keys() {
        let alias = prefix.name(&format!("events-stats-{event}"));
        assert_eq!(engine.json.count(&alias), each, "{alias}");
    }

    for (name, documents) in &before {
        let target = format!("{name}-v2.0.0");
        assert_switched(&engine, name, &target);
        let aliases = engine.json.get(&format!("/{target}/_alias"));
        let names: Vec<_> = aliases[&target]["aliases"].as_object().unwrap().keys().collect();
        let read_alias = name.rsplitn(3, '-').last().unwrap();
        assert_eq!(names, [read_alias, name], "{target}");
        assert_eq!(aliases[&target]["aliases"][read_alias], json!({}), "no filter is left");
        let kept = format!("segue-before-{name}");
        let blocked = engine.json.get(&format!("/{kept}/_settings?flat_settings=true"));
        assert_eq!(blocked[&kept]["settings"]["index.blocks.write"], "true");
        assert_eq!(engine.json.count(&kept), documents.len() as u64);
        let after = content(&engine, name);
        assert!(after.keys().eq(documents.keys()), "{name}: other documents");
        for (id, old) in documents {
            let (old, new) = (old.value(), after[id].value());
            for field in CORE {
                assert!(old.get(field).is_some(), "{name} {id} never had {field}");
            }
            for (field, value) in old.as_object().unwrap() {
                assert_eq!(new[field], *value, "{name} {id} {field}");
            }
        }
        engine.json.delete(&format!("/{kept}"));
    }
    site.assert_sound();
    one_more_is_counted_by_both_names(&engine, before.keys().next_back().unwrap());
}

fn one_more_is_counted_by_both_names(engine: &Engine, name: &str) {
    let read_alias = name.rsplitn(3, '-').last().unwrap();
    let (by_name, by_alias) = (engine.json.count(name), engine.json.count(read_alias));
    let event = json!({ "recid": "one-more", "timestamp": "2026-01-01T00:00:00" });
    engine.json.put(&format!("/{name}/_doc/one-more?refresh=true"), &event);
    assert_eq!(engine.json.count(name), by_name + 1);
    assert_eq!(engine.json.count(read_alias), by_alias + 1);
}

#[test]
fn three_months_of_both_kinds() {
    migrate_and_check("t1", Volume { events: 600, records: 3, months: 3 }, 300);
}

#[test]
fn five_hundred_events_a_record() {
    migrate_and_check("t5a", Volume { events: 3000, records: 3, months: 3 }, 1500);
}

#[test]
fn six_months_of_six_hundred() {
    migrate_and_check("t5b", Volume { events: 7200, records: 50, months: 6 }, 3600);
}

/// One record and one event, field by field.
#[test]
fn all_ten_promised_fields_are_filled() {
    let engine = Engine::get();
    let prefix = engine.prefix("fields");
    let records = prefix.name("rdmrecords-records");
    engine.json.put(
        &format!("/{records}"),
        &json!({
            "settings": { "number_of_replicas": 0 },
            "mappings": { "dynamic": false, "properties": { "id": { "type": "keyword" } } }
        }),
    );
    let record = json!({
        "id": "jthhs-g4b38", "created": "2025-06-01T00:00:00+00:00",
        "access": { "status": "open" }, "files": { "types": ["pdf"] },
        "custom_fields": { "journal:journal": { "title": "N/A" } },
        "parent": { "communities": { "ids": ["c-1"] } },
        "metadata": {
            "resource_type": { "id": "textDocument-journalArticle", "title": { "en": "Journal article" } },
            "publisher": "Knowledge Commons",
            "languages": [{ "id": "eng", "title": { "en": "English" } }],
            "subjects": [{ "id": "s1", "subject": "History", "scheme": "FAST", "props": { "x": 1 } }],
            "rights": [{ "id": "cc-by-sa-4.0", "title": { "en": "CC BY-SA" } }],
            "creators": [{ "affiliations": [{ "name": "Henry Ford College" }] }],
            "contributors": [{ "affiliations": [{ "id": "03rmrcq20", "name": "Contributor Institution" }] }],
            "funding": [{ "funder": { "id": "00k4n6c31", "name": "Funder 00k4n6c31" }, "award": { "id": "a" } }]
        }
    });
    engine.json.write(&records, &[("1", &record.to_string())]);
    let events = prefix.name("events-stats-record-view-2025-06");
    let settings = json!({ "settings": { "number_of_replicas": 0 } });
    engine.json.put(&format!("/{events}"), &settings);
    let event = json!({
        "timestamp": "2025-06-14T09:31:27", "recid": "jthhs-g4b38", "unique_id": "ui_jthhs-g4b38",
        "updated_timestamp": "2025-06-14T09:55:02.123456", "is_robot": false
    });
    engine.json.write(&events, &[("e", &event.to_string())]);

    Recipe::usage_events(&engine, &prefix).run(0);
    let found = content(&engine, &events)["e"].value();
    let expected = [
        ("community_ids", json!(["c-1"])),
        ("resource_type", record["metadata"]["resource_type"].clone()),
        ("access_status", json!("open")),
        ("publisher", json!("Knowledge Commons")),
        ("languages", record["metadata"]["languages"].clone()),
        ("subjects", json!([{ "id": "s1", "subject": "History", "scheme": "FAST" }])),
        ("rights", record["metadata"]["rights"].clone()),
        ("funders", json!([{ "id": "00k4n6c31", "name": "Funder 00k4n6c31" }])),
        (
            "affiliations",
            json!([{ "name": "Henry Ford College" }, { "id": "03rmrcq20", "name": "Contributor Institution" }]),
        ),
        ("journal_title", json!("N/A")),
        ("file_types", json!(["pdf"])),
        ("updated_timestamp", json!("2025-06-14T09:55:02.123456")),
    ];
    for (field, value) in expected {
        assert_eq!(found[field], value, "{field}");
    }
}

/// How many events there are by day, and how many of all are enriched.
fn by_day(engine: &Engine, name: &str) -> (Value, u64) {
    let days = json!({ "date_histogram": { "field": "timestamp", "fixed_interval": "1d" } });
    let enriched = json!({ "filter": { "exists": { "field": "resource_type.id" } } });
    let query = json!({
        "size": 0, "track_total_hits": true, "aggs": { "days": days, "enriched": enriched }
    });
    let found = engine.json.post(&format!("/{name}/_search"), &query);
    let buckets = found["aggregations"]["days"]["buckets"].clone();
    (buckets, found["aggregations"]["enriched"]["doc_count"].as_u64().unwrap())
}

/// Too long for every change: `cargo test --package segue --test engine_invenio -- --ignored`.
#[test]
#[ignore = "takes minutes"]
fn a_month_of_more_than_a_million_events() {
    const EVENTS: u64 = 1_050_000;
    let engine = Engine::get();
    let prefix = engine.prefix("million");
    let records = prefix.name("rdmrecords-records");
    let mapped = json!({ "dynamic": false, "properties": { "id": { "type": "keyword" } } });
    let settings = json!({ "number_of_replicas": 0, "refresh_interval": "-1" });
    engine.json.put(&format!("/{records}"), &json!({ "settings": settings, "mappings": mapped }));
    let record = json!({ "id": "r1", "metadata": { "resource_type": { "id": "dataset" } } });
    engine.json.write(&records, &[("1", &record.to_string())]);
    let events = prefix.name("events-stats-record-view-2025-06");
    engine.json.put(&format!("/{events}"), &json!({ "settings": settings }));
    for first in (0..EVENTS).step_by(5000) {
        let some: Vec<_> = (first..first + 5000)
            .map(|n| {
                let (day, second) = (n % 30 + 1, n / 30 % 60);
                let at = format!("2025-06-{day:02}T09:31:{second:02}");
                (format!("e{n}"), json!({ "timestamp": at, "recid": "r1" }).to_string())
            })
            .collect();
        let some: Vec<_> = some.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
        engine.json.write(&events, &some);
    }
    let (days, _) = by_day(&engine, &events);
    assert_eq!(days.as_array().unwrap().len(), 30);
    let recipe = Recipe::usage_events(&engine, &prefix);
    let ended = recipe.command("run", &["--yes", "--json"]).within(Duration::from_mins(20)).run();
    let report = ended.expect(0).last_json_line();
    assert_eq!(report["totals"]["read"], EVENTS, "{report}");
    assert_eq!(report["totals"]["balanced"], true, "{report}");
    assert_switched(&engine, &events, &format!("{events}-v2.0.0"));
    assert_eq!(by_day(&engine, &events), (days, EVENTS));
    assert_eq!(engine.json.count(&events), EVENTS);
}
