use segue_engine::report::{PartError, Totals};
use segue_model::balance::Balance;
use segue_model::id::{IndexName, MigrationName};
use serde_json::{Value, json};

use super::*;

/// A part as a run leaves it: event, month, phase, written, already there, dead letters, error.
type Row<'a> = (&'a str, &'a str, Phase, u64, u64, u64, Option<&'static str>);

fn part((event, month, phase, written, there, dead, error): Row<'_>) -> PartReport {
    let mut balance = Balance { written, already_there: there, ..Balance::default() };
    balance.dead_lettered.insert("mapper_parsing_exception".to_owned(), dead);
    let captures = [("event", event), ("month", month)];
    PartReport {
        source: IndexName::new(format!("{event}-{month}")),
        target: IndexName::new(format!("{event}-{month}-v2.0.0")),
        captures: captures.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        phase,
        outcome: String::new(),
        error: error.map(|code| PartError { code, message: format!("why {code}") }),
        balance,
        batches: 3,
        deleted: 0,
        durations_ms: BTreeMap::new(),
        verification: None,
        cutover: None,
        dead_letters: Vec::new(),
        enrichment: None,
    }
}

fn report<const N: usize>(rows: [Row<'_>; N]) -> Value {
    let report = Report {
        migration: MigrationName::new("m"),
        plan: "p".to_owned(),
        duration_ms: 1,
        totals: Totals::default(),
        parts: rows.map(part).into(),
    };
    serde_json::to_value(shaped(&report.sum())).unwrap()
}

/// completed, interrupted, processed, errors, target of one month, and the whole's completed and errors.
fn told(row: Row<'_>) -> Value {
    let (event, month) = (row.0, row.1.to_owned());
    let kind = if event == "record-view" { "view" } else { "download" };
    let whole = report([row]);
    let found = &whole["event_types"][kind]["months"][&month];
    assert_eq!(found["month"], month);
    assert_eq!(found["event_type"], kind);
    assert_eq!(found["source_index"], format!("{event}-{month}"));
    assert_eq!(found["batches"], 3);
    let is_new = found["target_index"] == format!("{event}-{month}-v2.0.0");
    let keys = ["completed", "interrupted", "processed", "errors"];
    let mut told: Vec<Value> = keys.map(|key| found[key].clone()).into();
    told.extend([json!(is_new), whole["completed"].clone(), whole["total_errors"].clone()]);
    told.into()
}

#[test]
fn every_end_of_a_month_is_told_as_it_is() {
    let (view, load) = ("record-view", "file-download");
    let failed = || Phase::Failed { at: Box::new(Phase::CatchingUp), reason: "r".to_owned() };
    let table: [(Row<'_>, Value); 10] = [
        (
            (view, "2025-06", Phase::Finished, 90, 10, 0, None),
            json!([true, false, 100, 0, true, true, 0]),
        ),
        (
            (load, "2025-06", Phase::Watching, 7, 0, 0, None),
            json!([true, false, 7, 0, true, true, 0]),
        ),
        (
            (view, "2025-06", Phase::Finished, 98, 0, 2, None),
            json!([true, false, 98, 2, true, true, 2]),
        ),
        (
            (view, "2025-06", Phase::Planned, 0, 0, 0, None),
            json!([true, false, 0, 0, false, true, 0]),
        ),
        (
            (view, "2025-06", Phase::Ready, 5, 0, 0, None),
            json!([false, false, 5, 0, true, false, 0]),
        ),
        (
            (view, "2025-06", Phase::RolledBack, 5, 0, 0, None),
            json!([false, false, 5, 0, true, false, 0]),
        ),
        (
            (view, "2025-06", Phase::Backfilling, 5, 0, 0, Some("SEG-E101")),
            json!([false, true, 5, 0, true, false, 0]),
        ),
        (
            (view, "2025-06", Phase::Planned, 0, 0, 0, Some("SEG-E102")),
            json!([false, true, 0, 0, true, false, 0]),
        ),
        (
            (view, "2025-06", failed(), 5, 0, 1, Some("SEG-E201")),
            json!([false, false, 5, 2, true, false, 2]),
        ),
        (
            (view, "2025-06", Phase::Watching, 5, 0, 0, Some("SEG-E302")),
            json!([false, false, 5, 1, true, false, 1]),
        ),
    ];
    for (row, expected) in table {
        let what = format!("{row:?}");
        assert_eq!(told(row), expected, "{what}");
    }
}

#[test]
fn months_add_up_by_kind_and_those_that_failed_are_named() {
    let (view, load) = ("record-view", "file-download");
    let whole = report([
        (view, "2025-05", Phase::Finished, 100, 0, 0, None),
        (view, "2025-06", Phase::Ready, 40, 0, 3, Some("SEG-E202")),
        (load, "2025-05", Phase::Backfilling, 20, 0, 0, Some("SEG-E101")),
        (load, "2025-06", Phase::Planned, 0, 0, 0, Some("SEG-E101")),
    ]);
    assert_eq!(whole["total_processed"], 160);
    assert_eq!(whole["total_errors"], 4);
    assert_eq!(whole["error"], "Migration failed for months: view-2025-06");
    assert_eq!(whole["health_issues"], json!(["why SEG-E101"]));
    let events = &whole["event_types"];
    assert_eq!([&events["view"]["processed"], &events["view"]["errors"]], [140, 4]);
    assert_eq!([&events["download"]["processed"], &events["download"]["errors"]], [20, 0]);
    let error = &events["view"]["months"]["2025-06"]["operational_errors"][0];
    assert_eq!(*error, json!({ "type": "SEG-E202", "message": "why SEG-E202" }));
}

#[test]
fn nothing_at_all_is_complete_and_zero() {
    let none = json!({ "processed": 0, "errors": 0, "months": {} });
    let expected = json!({
        "total_processed": 0, "total_errors": 0, "completed": true, "health_issues": [],
        "error": null, "event_types": { "view": none, "download": none },
    });
    assert_eq!(report([]), expected);
}

#[test]
fn what_the_plan_refuses_is_an_issue_each() {
    let missing = "the index site-stats-community-events of lookup c does not exist";
    let whole = |notes: &[Note]| serde_json::to_value(refused(notes.iter())).unwrap();
    let one = whole(&[Note::whole(NO_LOOKUP, missing.to_owned(), "")]);
    assert_eq!(one["completed"], false);
    assert_eq!(one["total_errors"], 1);
    assert_eq!(one["health_issues"], json!([NO_COMMUNITY_EVENTS]));
    assert_eq!(one["error"], NO_COMMUNITY_EVENTS);
    let two = whole(&[
        Note::whole(NO_LOOKUP, "the index records of lookup r does not exist".to_owned(), ""),
        Note::error("SEG-P103", "a-1", "a policy".to_owned(), ""),
    ]);
    let issues =
        ["SEG-P122: the index records of lookup r does not exist", "SEG-P103: a-1: a policy"];
    assert_eq!(two["health_issues"], json!(issues));
    assert_eq!(two["total_errors"], 2);
}

#[test]
fn a_run_that_never_came_to_a_part_says_why() {
    for (code, errors, issues) in
        [(None, 1, json!([])), (Some("SEG-C001"), 1, json!([])), (Some(STOPPED), 0, json!(["why"]))]
    {
        let whole = serde_json::to_value(failed(code, "why".to_owned())).unwrap();
        assert_eq!(whole["completed"], false, "{code:?}");
        assert_eq!(whole["error"], "why", "{code:?}");
        assert_eq!(whole["total_errors"], errors, "{code:?}");
        assert_eq!(whole["health_issues"], issues, "{code:?}");
    }
}

#[test]
fn only_recipes_of_events_and_months_have_this_shape() {
    let recipe = |source: &str, more: &str| {
        let text = format!(
            "segue: 1\nname: r\ncluster: {{ url: 'http://x' }}\nsource: {source}\n\
             target: {{ index: '{{source}}-v2'{more} }}\n"
        );
        Recipe::parse(&text, "r", &BTreeMap::new(), &|_| None).unwrap()
    };
    let both = r"{ index: '{month}-{event}', match: { event: 'a|b', month: '\d+' } }";
    let more = r"{ index: '{month}-{event}-{x}', match: { event: 'a|b', month: '\d+', x: 'y|z' } }";
    let table = [
        (recipe(both, ""), None),
        (recipe(r"{ index: 'a-{month}', match: { month: '\d+' } }", ""), Some("captures: month")),
        (recipe("{ index: a }", ""), Some("captures: none")),
        (recipe(more, ""), Some("captures: event, month, x")),
    ];
    for (recipe, expected) in table {
        let refusal = check(&recipe).err();
        assert_eq!(refusal.is_some(), expected.is_some(), "{refusal:?}");
        assert!(refusal.unwrap_or_default().contains(expected.unwrap_or_default()));
    }
}
