//! Roll-ups of records, through the binary on a real engine.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;
#[path = "rollup/shelf.rs"]
mod shelf;

use std::collections::BTreeMap;

use common::Recipe;
use segue_testkit::Engine;
use serde_json::{Value, json};
use shelf::{Book, Shelf};

/// What is there at the end of a day: records without and with files, files, bytes.
fn there(snapshot: &Value) -> (i64, i64, i64, i64) {
    let number = |group: &str, name: &str| snapshot[group][name].as_i64().unwrap();
    (
        number("total_records", "metadata_only"),
        number("total_records", "with_files"),
        number("total_files", "file_count"),
        number("total_files", "data_volume"),
    )
}

fn with_files(shelf: &Shelf<'_>, id: &str) -> i64 {
    let snapshots = shelf.rolled("snapshot");
    there(snapshots.get(id).unwrap_or_else(|| panic!("{id} is not in {:?}", snapshots.keys()))).1
}

#[test]
fn a_day_of_records_is_counted_as_it_was() {
    let engine = Engine::get();
    let prefix = engine.prefix("recday");
    let shelf = Shelf::new(&engine, &prefix);
    let day = "2025-07-03T23:59:59.999999+00:00";
    let mut books = vec![
        Book::new("r1", day, Some(1_984_949)),
        Book::new("r2", day, Some(458_036)),
        Book::new("r3", day, Some(58_659_795)),
        Book::new("r4", day, None),
    ];
    books[0].removed = Some("2025-07-03T23:59:59.999999+00:00".to_owned());
    books[3].kind = "bookSection";
    shelf.put(&books);
    let added = "2025-07-03T10:00:00";
    let events: Vec<_> = books.iter().map(|of| (of.id.as_str(), "c1", true, added)).collect();
    shelf.events(&events);
    // The whole repository is no community, whatever the events say.
    shelf.events(&[("r1", "global", true, day), ("r2", "global", false, "2025-07-03T12:00:00")]);
    let recipe = Recipe::record_rollup(&engine, &prefix);
    let report = recipe.rollup("run", &["--to", "2025-07-04"], 0);
    assert_eq!(
        (&report["done"], &report["unknown"]),
        (&json!("2025-07-04"), &json!(0)),
        "{report}"
    );
    let (deltas, snapshots) = (shelf.rolled("delta"), shelf.rolled("snapshot"));
    for key in ["c1", "global"] {
        let delta = &deltas[&format!("{key}-2025-07-03")];
        let counts = json!({
            "added": { "metadata_only": 1, "with_files": 3 },
            "removed": { "metadata_only": 0, "with_files": 1 }
        });
        let files = json!({
            "added": { "file_count": 3, "data_volume": 61_102_780 },
            "removed": { "file_count": 1, "data_volume": 1_984_949 }
        });
        assert_eq!((&delta["records"], &delta["parents"]), (&counts, &counts), "{key}");
        assert_eq!((&delta["files"], &delta["uploaders"]), (&files, &json!(1)), "{key}");
        assert_eq!(delta["period_start"], "2025-07-03T00:00:00");
        assert_eq!(delta["period_end"], "2025-07-03T23:59:59");
        let names: Vec<_> = delta.as_object().unwrap().keys().cloned().collect();
        let expected = [
            "community_id",
            "files",
            "parents",
            "period_end",
            "period_start",
            "records",
            "subcounts",
            "timestamp",
            "updated_timestamp",
            "uploaders",
        ];
        assert_eq!(names, expected);
        let kinds = delta["subcounts"]["resource_types"].as_array().unwrap();
        assert_eq!(
            (&kinds[0]["id"], &kinds[0]["label"]),
            (&json!("book"), &json!({ "en": "a book" }))
        );
        let book = json!({
            "added": { "metadata_only": 0, "with_files": 3 },
            "removed": { "metadata_only": 0, "with_files": 1 }
        });
        assert_eq!((&kinds[0]["records"], &kinds[0]["files"]), (&book, &files));
        assert!(kinds[0].get("uploaders").is_none());
        let ids = |name: &str| -> Vec<String> {
            let list = delta["subcounts"][name].as_array().unwrap();
            list.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
        };
        for (name, expected) in [
            ("access_statuses", vec!["metadata-only", "open"]),
            ("languages", vec!["eng"]),
            ("funders", vec!["f1"]),
            ("affiliations", vec!["a1", "a2"]),
            ("subjects", vec!["s1"]),
            ("publishers", vec!["UBC"]),
            ("periodicals", vec!["N/A"]),
            ("file_types", vec!["pdf"]),
            ("rights", vec![]),
        ] {
            assert_eq!(ids(name), expected, "{name}");
        }
        let snapshot = &snapshots[&format!("{key}-2025-07-03")];
        assert_eq!(there(snapshot), (1, 2, 2, 59_117_831), "{key}");
        assert_eq!(snapshot["total_parents"], json!({ "metadata_only": 1, "with_files": 2 }));
        assert_eq!(
            (&snapshot["total_uploaders"], &snapshot["snapshot_date"]),
            (&json!(1), &json!("2025-07-03T00:00:00"))
        );
        let open = &snapshot["subcounts"]["access_statuses"][1];
        assert_eq!(open["records"], json!({ "metadata_only": 0, "with_files": 2 }), "{open}");
        // A day without events.
        let empty = &deltas[&format!("{key}-2025-07-04")];
        assert_eq!(empty["records"]["added"], json!({ "metadata_only": 0, "with_files": 0 }));
        assert_eq!(there(&snapshots[&format!("{key}-2025-07-04")]), (1, 2, 2, 59_117_831));
    }
    assert!(!deltas.contains_key("global-2025-07-02"), "{:?}", deltas.keys());

    // The same again gives the same bytes; nothing changed is nothing done.
    let idle = recipe.rollup("run", &["--to", "2025-07-04"], 0);
    assert_eq!(idle["written"], json!({ "delta": 0, "snapshot": 0 }), "{idle}");
    recipe.rollup("run", &["--from", "2025-07-03", "--to", "2025-07-04"], 0);
    assert_eq!((shelf.rolled("delta"), shelf.rolled("snapshot")), (deltas, snapshots));
}

#[test]
fn records_come_go_and_change() {
    let engine = Engine::get();
    let prefix = engine.prefix("recturn");
    let shelf = Shelf::new(&engine, &prefix);
    let early = "2024-12-30T08:00:00";
    let mut books: Vec<_> =
        (0..3).map(|n| Book::new(&format!("r{n}"), early, Some(100 + n))).collect();
    shelf.put(&books);
    shelf.events(&[
        ("r0", "c1", true, "2024-12-31T23:59:59"),
        ("r0", "c1", false, "2025-01-02T12:00:00"),
        ("r0", "c1", true, "2025-01-04T00:00:00"),
        ("r1", "c1", true, "2025-01-01T00:00:00"),
        // Told twice, and of a record that never was there.
        ("r1", "c1", true, "2025-01-03T00:00:00"),
        ("r2", "c2", false, "2025-01-03T00:00:00"),
    ]);
    let recipe = Recipe::record_rollup(&engine, &prefix);
    let to = ["--to", "2025-01-06"];
    let run = || recipe.rollup("run", &to, 0);
    let report = run();
    assert_eq!(report["done"], "2025-01-06", "{report}");
    let days = |key: &str| -> Vec<i64> {
        let found = shelf.rolled("snapshot");
        let days = (1..=6).map(|day| format!("{key}-2025-01-{day:02}"));
        days.map(|id| found.get(&id).map_or(-1, |snapshot| there(snapshot).1)).collect()
    };
    assert_eq!(days("c1"), [2, 1, 1, 2, 2, 2]);
    assert_eq!(days("c2"), [-1; 6], "it has never had a record");
    assert_eq!(days("global"), [3; 6]);
    assert_eq!(with_files(&shelf, "c1-2024-12-31"), 1);

    // A late removal of r0, before the one that is known: that one changes nothing any more.
    shelf.events(&[("r0", "c1", false, "2025-01-01T12:00:00")]);
    let report = run();
    assert_eq!(days("c1"), [1, 1, 1, 2, 2, 2], "{report}");
    let delta = |id: &str| shelf.rolled("delta")[id]["records"].clone();
    assert_eq!(delta("c1-2025-01-02")["removed"]["with_files"], 0);
    assert_eq!(delta("c1-2025-01-01")["removed"]["with_files"], 1);

    // An edited record is what it is now, on every day on which it came and went.
    books[0].kind = "thesis";
    books[0].bytes = Some(1000);
    shelf.put(&books[..1]);
    let report = run();
    assert!(report["periods"].as_u64().unwrap() <= 5, "only days of this record: {report}");
    let found = shelf.rolled("delta");
    for id in ["global-2024-12-30", "c1-2024-12-31", "c1-2025-01-04"] {
        let kinds = found[id]["subcounts"]["resource_types"].as_array().unwrap();
        assert!(kinds.iter().any(|kind| kind["id"] == "thesis"), "{id}: {kinds:?}");
    }
    assert_eq!(there(&shelf.rolled("snapshot")["c1-2025-01-06"]), (0, 2, 2, 1101));

    // A deleted record leaves everything on the day of its removal; restored, it never left.
    books[1].removed = Some("2025-01-05T23:30:00+00:00".to_owned());
    shelf.put(&books[1..2]);
    run();
    assert_eq!((days("c1"), days("global")), (vec![1, 1, 1, 2, 1, 1], vec![3, 3, 3, 3, 2, 2]));
    books[1].removed = None;
    shelf.put(&books[1..2]);
    run();
    assert_eq!((days("c1"), days("global")), (vec![1, 1, 1, 2, 2, 2], vec![3; 6]));

    // An event that is taken back never was.
    shelf.delete_event("r0", "c1", false, "2025-01-01T12:00:00");
    run();
    assert_eq!(days("c1"), [2, 1, 1, 2, 2, 2]);

    // Whatever the way, rolled up from nothing it is the same.
    let before = (shelf.rolled("delta"), shelf.rolled("snapshot"));
    recipe.rollup("run", &["--from", "2024-12-30", "--to", "2025-01-06"], 0);
    assert_eq!((shelf.rolled("delta"), shelf.rolled("snapshot")), before);
    let status = recipe.rollup("status", &[], 0);
    assert_eq!(status["done"], "2025-01-06", "{status}");
    assert_eq!(status["outputs"][1]["bookmarks"], json!({ "2025-01-06": 2 }), "{status}");
}

#[test]
fn a_day_may_add_more_records_than_a_page() {
    let engine = Engine::get();
    let prefix = engine.prefix("recbig");
    let shelf = Shelf::new(&engine, &prefix);
    let books: Vec<_> =
        (0..12_345).map(|n| Book::new(&format!("r{n}"), "2025-03-01T00:00:00", Some(2))).collect();
    shelf.put(&books);
    let events: Vec<_> =
        books.iter().map(|of| (of.id.as_str(), "c1", true, "2025-03-02T23:59:59")).collect();
    shelf.events(&events);
    let recipe = Recipe::record_rollup(&engine, &prefix);
    let report = recipe.rollup("run", &["--to", "2025-03-03"], 0);
    assert!(report["requests"].as_u64().unwrap() < 200, "{report}");
    let whole = (shelf.rolled("delta"), shelf.rolled("snapshot"));
    assert_eq!(whole.0["c1-2025-03-02"]["records"]["added"]["with_files"], 12_345);
    assert_eq!(whole.0["c1-2025-03-02"]["parents"]["added"]["with_files"], 12_345, "exactly");
    assert_eq!(there(&whole.1["c1-2025-03-03"]), (0, 12_345, 12_345, 24_690));
    // In little memory it takes longer, and gives the same.
    recipe.change(
        "rollup:\n  period",
        "limits: { values_at_once: 100000, page_docs: 1000 }\nrollup:\n  period",
    );
    let report = recipe.rollup("run", &["--from", "2025-03-01", "--to", "2025-03-03"], 0);
    assert!(report["documents"].as_u64().unwrap() > 12_345 * 3, "read in shares: {report}");
    assert_eq!((shelf.rolled("delta"), shelf.rolled("snapshot")), whole);
}

#[test]
fn what_is_missing_is_no_error() {
    let engine = Engine::get();
    let prefix = engine.prefix("recnone");
    let recipe = Recipe::record_rollup(&engine, &prefix);
    let report = recipe.rollup("run", &[], 0);
    assert_eq!((&report["first"], &report["periods"]), (&Value::Null, &json!(0)), "{report}");

    // Events of a record that is not there; once it is, they count.
    let shelf = Shelf::new(&engine, &prefix);
    shelf.events(&[("r0", "c1", true, "2025-01-02T00:00:00")]);
    let report = recipe.rollup("run", &["--to", "2025-01-03"], 0);
    assert_eq!(report["unknown"], 1, "{report}");
    let text = recipe.rollup_command("run", &["--from", "2025-01-02", "--to", "2025-01-03"]);
    let text = text.run().expect(0).stdout;
    assert!(text.contains("1 changes of entities that are not there"), "{text}");
    shelf.put(&[Book::new("r0", "2025-01-01T00:00:00", None)]);
    let report = recipe.rollup("run", &["--to", "2025-01-03"], 0);
    assert_eq!(report["unknown"], 0, "{report}");
    let days: BTreeMap<_, _> =
        shelf.rolled("snapshot").iter().map(|(id, of)| (id.clone(), there(of).0)).collect();
    let expected = [
        ("c1-2025-01-02", 1),
        ("c1-2025-01-03", 1),
        ("global-2025-01-01", 1),
        ("global-2025-01-02", 1),
        ("global-2025-01-03", 1),
    ];
    assert_eq!(days, expected.map(|(id, count)| (id.to_owned(), count)).into());

    // The records' index under its alias is another one, as after a rebuild.
    engine.json.delete(&format!("/{}", shelf.name("rdmrecords-records-v7")));
    let report = recipe.rollup("run", &["--from", "2025-01-01", "--to", "2025-01-03"], 0);
    assert_eq!(report["kept"].as_array().unwrap().len(), 1, "{report}");
}
