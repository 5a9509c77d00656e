//! Roll-ups of usage events, through the binary on a real engine.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;
#[path = "rollup/library.rs"]
mod library;

use std::collections::{BTreeMap, BTreeSet};

use common::Recipe;
use library::{Events, RECORDS, documents, metric, sum, values};
use segue_testkit::Engine;
use serde_json::{Value, json};

const C: &str = "c1";

#[test]
fn a_day_is_counted_as_it_was() {
    let engine = Engine::get();
    let prefix = engine.prefix("rollupday");
    let events = Events::enriched(&engine, &prefix, "2025-07");
    for record in &RECORDS[..4] {
        events.views(record, 20, |n| format!("2025-07-03T{:02}:59:59", 23 - n));
        events.downloads(record, 20, |n| format!("2025-07-03T{n:02}:00:00"));
    }
    events.refresh();
    let recipe = Recipe::usage_rollup(&engine, &prefix);
    let report = recipe.rollup("run", &["--to", "2025-07-03"], 0);
    assert_eq!((&report["periods"], &report["documents"]), (&json!(1), &json!(140)), "{report}");
    library::assert_the_day(&engine, &prefix, C);
    library::assert_the_day(&engine, &prefix, "global");

    // The same documents give the same bytes, whether nothing is written or everything once more.
    let deltas = prefix.name("stats-community-usage-delta-*");
    let before = documents(&engine, &deltas);
    let idle = recipe.rollup("run", &["--to", "2025-07-03"], 0);
    assert_eq!((&idle["periods"], &idle["documents"]), (&json!(0), &json!(0)), "{idle}");
    assert_eq!(idle["written"], json!({ "delta": 0, "snapshot": 0 }));
    let again = recipe.rollup("run", &["--from", "2025-07-03", "--to", "2025-07-03"], 0);
    assert_eq!(again["written"], json!({ "delta": 2, "snapshot": 2 }), "{again}");
    assert_eq!(documents(&engine, &deltas), before);
    assert_eq!(before.len(), 2, "one document a day and key: {:?}", before.keys());
}

#[test]
fn days_add_up_to_snapshots() {
    let engine = Engine::get();
    let prefix = engine.prefix("rollupsum");
    let events = Events::enriched(&engine, &prefix, "2025-06");
    for (number, record) in RECORDS.iter().enumerate() {
        let views = if number == 4 { 21 } else { 20 };
        let day = |n: u64| format!("2025-06-{:02}T12:00:{:02}", 4 + n % 13, n);
        events.views(record, views, day);
        events.downloads(record, 20, day);
        if number < 4 {
            events.views(record, 1, |_| "2025-06-03T23:59:59".to_owned());
        }
    }
    events.refresh();
    let recipe = Recipe::usage_rollup(&engine, &prefix);
    let report = recipe.rollup("run", &["--to", "2025-06-16"], 0);
    assert_eq!(report["done"], "2025-06-16", "{report}");
    assert!(report["requests"].as_u64().unwrap() < 80, "{report}");
    let deltas = documents(&engine, &prefix.name("stats-community-usage-delta-*"));
    let snapshots = documents(&engine, &prefix.name("stats-community-usage-snapshot-*"));
    let days: Vec<String> = (4..=16).map(|day| format!("2025-06-{day:02}")).collect();
    for (key, views, downloads, early) in [(C, 80, 60, 4), ("global", 101, 80, 4)] {
        let of = |found: &BTreeMap<String, Value>| -> Vec<Value> {
            days.iter().filter_map(|day| found.get(&format!("{key}-{day}")).cloned()).collect()
        };
        let (deltas, snapshots) = (of(&deltas), of(&snapshots));
        assert_eq!((deltas.len(), snapshots.len()), (13, 13), "{key}");
        assert_eq!(sum(&deltas, "view", "total_events"), views, "{key}");
        assert_eq!(sum(&deltas, "download", "total_events"), downloads, "{key}");
        let first = metric(&deltas[0], "view", "total_events") + early;
        assert_eq!(metric(&snapshots[0], "view", "total_events"), first, "{key}");
        assert_eq!(metric(&snapshots[12], "view", "total_events"), views + early, "{key}");
        assert_eq!(metric(&snapshots[12], "download", "total_events"), downloads, "{key}");
        assert_eq!(deltas[0]["period_start"], "2025-06-04T00:00:00");
        assert_eq!(deltas[0]["period_end"], "2025-06-04T23:59:59");
        assert_eq!(snapshots[12]["snapshot_date"], "2025-06-16T00:00:00");
        let all = values(&snapshots[12]["subcounts"]["access_statuses"], "view");
        assert_eq!(all.values().sum::<u64>(), views + early, "{key}");
        let tops = &snapshots[12]["subcounts"]["publishers"];
        let most = &tops["by_view"][0];
        assert_eq!(most["id"], "Knowledge Commons", "{tops}");
        assert_eq!(metric_of(most, "view"), if key == C { 42 } else { 63 });
        assert_eq!(tops["by_download"].as_array().unwrap().len(), 2, "the one without a file");
    }
    let bookmarks = documents(&engine, &prefix.name("stats-bookmarks-community"));
    for kind in ["community-usage-delta-agg", "community-usage-snapshot-agg"] {
        let expected = json!({
            "date": "2025-06-16T00:00:00", "aggregation_type": kind, "community_id": C
        });
        assert_eq!(bookmarks[&format!("{kind}_{C}")], expected);
    }
}

fn metric_of(entry: &Value, source: &str) -> u64 {
    entry[source]["total_events"].as_u64().unwrap()
}

/// One event a day from the 1st to the 20th, but none from the 8th to the 10th.
const DAYS: [u64; 17] = [1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20];

fn month(events: &Events<'_>) {
    for day in DAYS {
        events.views(&RECORDS[0], 1, |_| format!("2025-06-{day:02}T08:00:00"));
    }
    events.refresh();
}

#[test]
fn what_changes_later_is_rolled_up_again_and_nothing_else() {
    let engine = Engine::get();
    let prefix = engine.prefix("rolluplate");
    let events = Events::enriched(&engine, &prefix, "2025-06");
    month(&events);
    let recipe = Recipe::usage_rollup(&engine, &prefix);
    let to = ["--to", "2025-06-20"];
    let run = || recipe.rollup("run", &to, 0);
    let report = run();
    assert_eq!((&report["periods"], &report["documents"]), (&json!(20), &json!(17)), "{report}");
    let pattern = prefix.name("stats-community-usage-*");
    let all = documents(&engine, &pattern);
    assert_eq!(all.len(), 80, "20 days, 2 keys, delta and snapshot");
    let empty = &all[&format!("delta/{C}-2025-06-09")];
    assert_eq!(metric(empty, "view", "total_events"), 0);
    let snapshot = |day: &str| {
        let found = documents(&engine, &pattern);
        metric(&found[&format!("snapshot/{C}-2025-06-{day}")], "view", "total_events")
    };
    assert_eq!((snapshot("09"), snapshot("20")), (7, 17));

    // A late event; one that is deleted; and one that an update moves to another day.
    events.views(&RECORDS[0], 1, |_| "2025-06-09T01:00:00".to_owned());
    events.delete("view", &RECORDS[0], "2025-06-02T08:00:00");
    events.moved(&RECORDS[0], "2025-06-04T08:00:00", "2025-06-05T09:00:00");
    events.refresh();
    let report = run();
    assert_eq!(report["periods"], 4, "the 2nd, 4th, 5th and 9th: {report}");
    assert_eq!(report["documents"], 3, "{report}");
    assert_eq!(report["written"], json!({ "delta": 8, "snapshot": 38 }), "from the 2nd on");
    assert_eq!((snapshot("01"), snapshot("02"), snapshot("04"), snapshot("05")), (1, 1, 2, 4));
    assert_eq!((snapshot("09"), snapshot("20")), (7, 17));

    // A community that turns up late begins with its first event, without a gap.
    events.in_communities(&["c9"]).views(&RECORDS[0], 1, |_| "2025-06-18T10:00:00".to_owned());
    events.refresh();
    let report = run();
    assert_eq!(report["periods"], 1, "{report}");
    let found = documents(&engine, &pattern);
    for day in ["18", "19", "20"] {
        assert_eq!(
            metric(&found[&format!("snapshot/c9-2025-06-{day}")], "view", "total_events"),
            1
        );
    }
    assert!(!found.contains_key("delta/c9-2025-06-17"));

    // What somebody deletes is a gap, shown and closed.
    let lost = format!(
        "{}/_doc/{C}-2025-06-12?refresh=true",
        prefix.name("stats-community-usage-delta-2025")
    );
    engine.json.delete(&format!("/{lost}"));
    let status = recipe.rollup("status", &[], 0);
    let gaps = status["outputs"][0]["gaps"].as_array().unwrap();
    assert_eq!(gaps[0], json!({ "first": "2025-06-12", "last": "2025-06-12", "periods": 1 }));
    assert_eq!(status["outputs"][0]["bookmarks"], json!({ "2025-06-20": 3 }), "{status}");
    let bar = status["outputs"][0]["bar"].as_str().unwrap();
    assert!(bar.starts_with('█') && bar.contains('▒') && bar.ends_with('·'), "{status}");
    let text = recipe.rollup_command("status", &[]).run().expect(0).stdout;
    assert!(text.contains("gap 2025-06-12 to 2025-06-12: 1"), "{text}");
    let before = found;
    run();
    assert_eq!(documents(&engine, &pattern), before);
}

#[test]
fn a_day_may_have_more_than_a_page_and_more_than_fits() {
    let engine = Engine::get();
    let prefix = engine.prefix("rollupbig");
    let events = Events::enriched(&engine, &prefix, "2025-06");
    events.views(&RECORDS[0], 12_000, |n| format!("2025-06-01T{:02}:{:02}:00", n % 24, n % 60));
    events.views(&RECORDS[0], 50, |n| format!("2025-06-02T{:02}:{:02}:00", n % 24, n % 60));
    events.refresh();
    let recipe = Recipe::usage_rollup(&engine, &prefix);
    recipe.rollup("run", &["--to", "2025-06-02"], 0);
    let whole = documents(&engine, &prefix.name("stats-community-usage-*"));
    let day = &whole[&format!("delta/{C}-2025-06-01")];
    assert_eq!(metric(day, "view", "total_events"), 12_000);
    assert_eq!(metric(day, "view", "unique_visitors"), 12_000, "exactly");
    // In little memory it takes longer, and gives the same.
    recipe.change(
        "rollup:\n  period",
        "limits: { values_at_once: 100000, page_docs: 1000 }\nrollup:\n  period",
    );
    let report = recipe.rollup("run", &["--from", "2025-06-01", "--to", "2025-06-02"], 0);
    assert!(report["documents"].as_u64().unwrap() > 12_050 * 2, "read in shares: {report}");
    assert_eq!(documents(&engine, &prefix.name("stats-community-usage-*")), whole);
}

#[test]
fn what_is_gone_stays_and_what_is_not_migrated_waits() {
    let engine = Engine::get();
    let prefix = engine.prefix("rollupwait");
    let events = Events::enriched(&engine, &prefix, "2025-06");
    month(&events);
    let recipe = Recipe::usage_rollup(&engine, &prefix);
    let to = ["--to", "2025-07-02"];
    recipe.rollup("run", &to, 0);
    let pattern = prefix.name("stats-community-usage-*");
    let before = documents(&engine, &pattern);

    // A month in the old shape is there.
    let old = Events::old(&engine, &prefix, "2025-07");
    old.views(&RECORDS[0], 1, |_| "2025-07-01T08:00:00".to_owned());
    old.refresh();
    let report = recipe.rollup("run", &to, 0);
    assert_eq!(report["held"][0]["period"], "2025-07-01", "{report}");
    assert!(report["held"][0]["reason"].as_str().unwrap().contains("community_ids"), "{report}");
    assert_eq!(report["done"], "2025-06-30");

    // The month that was rolled up is deleted, as old events are.
    engine.json.delete(&format!("/{}", events.index("record-view")));
    let report = recipe.rollup("run", &["--from", "2025-06-01", "--to", "2025-07-02"], 0);
    let kept: BTreeSet<_> =
        report["kept"].as_array().unwrap().iter().map(|kept| kept["period"].to_string()).collect();
    assert_eq!(kept.len(), 17, "{report}");
    let after = documents(&engine, &pattern);
    assert_eq!(after, before, "what was rolled up is not made zero");

    // Nor is what somebody deletes of it: the gap stays, and what comes after it is not called complete.
    let lost = format!("/{}/_doc/{C}-2025-06-12", prefix.name("stats-community-usage-delta-2025"));
    engine.json.delete(&format!("{lost}?refresh=true"));
    let report = recipe.rollup("run", &to, 0);
    assert_eq!(report["done"], "2025-06-11", "{report}");
    assert_eq!(engine.json.call(http::Method::GET, &lost, None).0, 404);
}

#[test]
fn two_runs_do_not_meet() {
    let engine = Engine::get();
    let prefix = engine.prefix("rolluptwo");
    let events = Events::enriched(&engine, &prefix, "2025-06");
    events.views(&RECORDS[0], 3000, |n| format!("2025-06-{:02}T{:02}:00:00", 1 + n % 28, n % 24));
    events.refresh();
    let recipe = Recipe::usage_rollup(&engine, &prefix);
    let all = ["--from", "2025-06-01", "--to", "2025-06-28", "--json"];
    let runs: Vec<_> = (0..3).map(|_| recipe.rollup_command("run", &all).start()).collect();
    let reports: Vec<Value> = runs.into_iter().map(|run| run.end().expect(0).json()).collect();
    for report in reports {
        assert_eq!((&report["periods"], &report["done"]), (&json!(28), &json!("2025-06-28")));
    }
    let found = documents(&engine, &prefix.name("stats-community-usage-delta-*"));
    assert_eq!(found.len(), 56);
    let deltas: Vec<_> =
        found.into_iter().filter(|(id, _)| id.contains("global")).map(|(_, d)| d).collect();
    assert_eq!(sum(&deltas, "view", "total_events"), 3000);

    // Killed in the middle, the next run goes on and ends right.
    recipe.change("period: day", "period: day\n  # once more\n  start: '2025-06-02'");
    recipe.change("  start: \"{start}\"\n", "");
    let _killed =
        recipe.rollup_command("run", &all).kill_after(std::time::Duration::from_millis(400));
    let report = recipe.rollup("run", &["--to", "2025-06-28"], 0);
    assert_eq!(report["done"], "2025-06-28", "{report}");
    let snapshots = documents(&engine, &prefix.name("stats-community-usage-snapshot-*"));
    let last = metric(&snapshots["global-2025-06-28"], "view", "total_events");
    assert_eq!(last, 3000 - 108, "without the 1st");
}

#[test]
fn migrated_events_are_counted_like_those_that_came_enriched() {
    let engine = Engine::get();
    let prefix = engine.prefix("rollupmig");
    library::records(&engine, &prefix);
    let events = Events::old(&engine, &prefix, "2025-07");
    for record in &RECORDS[..4] {
        events.views(record, 20, |n| format!("2025-07-03T{:02}:59:59", 23 - n));
        events.downloads(record, 20, |n| format!("2025-07-03T{n:02}:00:00"));
    }
    events.refresh();
    let rollup = Recipe::usage_rollup(&engine, &prefix);
    let waiting = rollup.rollup("run", &["--to", "2025-07-03"], 0);
    assert_eq!(waiting["held"].as_array().unwrap().len(), 1, "{waiting}");
    Recipe::usage_events(&engine, &prefix).run(0);
    let report = rollup.rollup("run", &["--to", "2025-07-03"], 0);
    assert_eq!((&report["held"], &report["periods"]), (&json!([]), &json!(1)), "{report}");
    library::assert_the_day(&engine, &prefix, C);
}

#[test]
fn bookmarks_are_shown_and_only_the_named_ones_cleared() {
    let engine = Engine::get();
    let prefix = engine.prefix("rollupmarks");
    let events = Events::enriched(&engine, &prefix, "2025-06");
    month(&events);
    let recipe = Recipe::usage_rollup(&engine, &prefix);
    recipe.rollup("run", &["--to", "2025-06-20"], 0);
    let index = prefix.name("stats-bookmarks-community");
    let foreign = json!({ "date": "2020-01-01", "aggregation_type": "other", "community_id": C });
    engine.json.put(&format!("/{index}/_doc/other_{C}?refresh=true"), &foreign);
    let shown = |more: &[&str]| {
        let shown = recipe.command("bookmarks", &["--json"]).args(more).run().expect(0).json();
        shown["bookmarks"].as_array().unwrap().clone()
    };
    assert_eq!(shown(&[]).len(), 4, "two kinds of two keys, and nobody else's");
    assert_eq!(shown(&["--only", "key=global"])[0]["date"], "2025-06-20T00:00:00");

    // Nobody confirms, and nobody says which.
    let only = ["--only", &format!("key={C}"), "--only", "name=community-usage-delta-agg"];
    let clear = |more: &[&str]| recipe.command("bookmarks", &["clear"]).args(more).run();
    let ended = clear(&only).expect(2);
    assert!(ended.stderr.contains("give --yes"), "{}", ended.stderr);
    clear(&["--yes"]).expect(2);
    clear(&["--yes", "--only", "month=2025-06"]).expect(2);
    assert_eq!(shown(&[]).len(), 4);

    let ended = clear(&["--yes", only[0], only[1], only[2], only[3]]).expect(0);
    assert!(ended.stdout.contains("deleted: 2025-06-20T00:00:00"), "{}", ended.stdout);
    let left: Vec<_> = shown(&[]).iter().map(|one| one["id"].clone()).collect();
    let expected = [
        "community-usage-delta-agg_global".to_owned(),
        format!("community-usage-snapshot-agg_{C}"),
        "community-usage-snapshot-agg_global".to_owned(),
    ];
    assert_eq!(left, expected);
    recipe.rollup("run", &["--to", "2025-06-20"], 0);
    assert_eq!(shown(&[]).len(), 4, "the next run writes them anew");
    clear(&["--all", "--yes"]).expect(0);
    assert_eq!(shown(&[]).len(), 0);
    let other = engine.json.get(&format!("/{index}/_doc/other_{C}"));
    assert_eq!(other["found"], true, "somebody else's stays");
}
