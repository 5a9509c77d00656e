use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::journal::{CutoverWindow, Event, SourceIdentity, VerifySummary};
use crate::observe::{Copies, SeenIndex};
use crate::part::PartState;
use crate::phase::Phase;
use crate::stamp::Versioning;
use crate::version::{Incarnation, Rewrite};

const RECIPE: &str = "
segue: 1
name: events
cluster: { url: 'http://localhost:9200' }
source:
  index: 'app-{event}-{month}'
  match: { event: 'view|download', month: '\\d{4}-\\d{2}' }
  done_if_mapped: [record.id]
target: { index: '{source}-v2', template: 'templates/{event}.json' }
pipeline:
  - lookup: { index: records, key: recid, match: id, as: record, as_of: start, on_missing: keep }
  - copy: { title: record.title }
cutover: { mode: block, alias: 'app-{event}', after_switch: target_accepts_both }
";

fn recipe() -> Recipe {
    Recipe::parse(RECIPE, "r.yaml", &BTreeMap::new(), &|_| None).unwrap()
}

fn settings(pairs: &[(&str, &str)]) -> Map<String, Value> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
}

fn index(name: &str) -> SeenIndex {
    SeenIndex {
        name: IndexName::new(name),
        uuid: IndexUuid::new(format!("uuid-of-{name}")),
        open: true,
        system: false,
        data_stream: None,
        aliases: BTreeMap::new(),
        settings: settings(&[("index.number_of_shards", "1"), ("index.uuid", "x")]),
        mappings: json!({ "properties": { "recid": { "type": "keyword" } } }),
        docs: 10,
        bytes: 4_500,
        shards: 1,
        replicas: 1,
        copies: Some(Copies { primaries: 1, started: 2, max_seq_no: 9 }),
    }
}

/// Two months of views behind one read alias, a lookup index, and the templates.
fn clean() -> Observation {
    let read = AliasName::new("app-view");
    let mut seen = Observation { engine: "engine".to_owned(), ..Observation::default() };
    for name in ["app-view-2026-01", "app-view-2026-02"] {
        let mut month = index(name);
        month.aliases.insert(read.clone(), AliasProps::default());
        seen.aliases.entry(read.clone()).or_default().push(month.name.clone());
        seen.candidates.push(month);
    }
    let mut records = index("records");
    records.mappings = json!({ "properties": { "id": { "type": "keyword" } } });
    seen.others.insert(records.name.clone(), records);
    let template = json!({
        "settings": { "number_of_replicas": 1, "index": { "refresh_interval": "5s" } },
        "mappings": { "properties": {
            "recid": { "type": "keyword" }, "title": { "type": "keyword" }
        }}
    });
    seen.templates.insert("templates/view.json".to_owned(), Ok(template));
    seen
}

fn codes(plan: &Plan) -> Vec<&'static str> {
    plan.notes.iter().map(|note| note.code).collect()
}

#[test]
fn a_clean_observation_is_planned_without_a_note() {
    let plan = Plan::make(&recipe(), &clean());
    assert_eq!(codes(&plan), Vec::<&str>::new());
    let sources: Vec<_> = plan.parts.iter().map(|part| part.source.as_str()).collect();
    assert_eq!(sources, ["app-view-2026-01", "app-view-2026-02"]);
    let part = &plan.parts[0];
    assert_eq!(part.target.as_str(), "app-view-2026-01-v2");
    assert_eq!(part.keep.as_str(), "segue-before-app-view-2026-01");
    assert_eq!(part.action, Action::Migrate);
    assert_eq!(part.target_body.settings["index.refresh_interval"], "5s");
    assert_eq!(part.target_body.settings["index.number_of_replicas"], 1);
    let alias = &part.aliases[0];
    assert_eq!(alias.alias.as_str(), "app-view");
    assert!(alias.spanning && alias.on_source);
    let text = plan.to_string();
    assert!(text.contains("+ app-view-2026-01 -> app-view-2026-01-v2"), "{text}");
    assert!(text.contains("2 parts: 2 to do (20 documents, 9 kB), 0 done"), "{text}");
}

#[test]
fn the_hash_follows_what_is_done_and_not_how_much() {
    let plan = Plan::make(&recipe(), &clean());
    let mut grown = clean();
    grown.candidates[0].docs = 1_000_000;
    assert_eq!(Plan::make(&recipe(), &grown).hash, plan.hash);
    let mut recreated = clean();
    recreated.candidates[0].uuid = IndexUuid::new("another");
    assert_ne!(Plan::make(&recipe(), &recreated).hash, plan.hash);
}

#[test]
fn without_a_template_the_target_takes_what_can_be_copied() {
    let text = RECIPE.replace(", template: 'templates/{event}.json'", "");
    let recipe = Recipe::parse(&text, "r.yaml", &BTreeMap::new(), &|_| None).unwrap();
    let mut seen = clean();
    seen.candidates[0].settings.extend(settings(&[
        ("index.creation_date", "1"),
        ("index.version.created", "2"),
        ("index.blocks.write", "true"),
        ("index.analysis.analyzer.a.type", "standard"),
        ("index.number_of_replicas", "1"),
    ]));
    seen.candidates[0].mappings["_meta"] = json!({ "segue": { "part": "x" }, "own": 1 });
    let part = Plan::make(&recipe, &seen).parts.remove(0);
    let names: Vec<_> = part.target_body.settings.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["index.analysis.analyzer.a.type", "index.number_of_replicas", "index.number_of_shards"]
    );
    assert_eq!(part.target_body.mappings["_meta"], json!({ "own": 1 }));
}

#[test]
fn a_part_already_in_the_new_shape_is_skipped() {
    let mut seen = clean();
    seen.candidates[1].mappings =
        json!({ "properties": { "record": { "properties": { "id": { "type": "keyword" } } } } });
    let plan = Plan::make(&recipe(), &seen);
    assert_eq!(plan.parts[0].action, Action::Migrate);
    let Action::Skip { reason } = &plan.parts[1].action else { panic!("not skipped") };
    assert_eq!(reason, "already in the new shape: record.id mapped");
}

#[test]
fn a_switched_part_is_known_from_the_journal() {
    let mut seen = clean();
    let gone = seen.candidates.remove(0).name;
    let events = [
        Event::PrepareStarted {
            source: SourceIdentity { uuid: IndexUuid::new("u"), histories: vec![], also: vec![] },
            target: IndexName::new("app-view-2026-01-v2"),
            pipeline: "p".to_owned(),
            versioning: Versioning::Ours,
        },
        Event::Prepared {
            target_uuid: IndexUuid::new("t"),
            incarnation: Incarnation::FIRST,
            rewrite: Rewrite::FIRST,
        },
        Event::Backfilled,
        Event::VerifyStarted,
        Event::Verified { positions: vec![], summary: VerifySummary::default() },
        Event::CutoverStarted {
            epoch: crate::id::Epoch(1),
            keep: IndexName::new("segue-before-app-view-2026-01"),
            aliases: vec![],
            before: None,
        },
        Event::Switching { cursor: vec![] },
        Event::Switched { window: CutoverWindow::default() },
        Event::WatchEnded,
    ];
    seen.journal.insert(gone, PartState::fold(&events).unwrap());
    let plan = Plan::make(&recipe(), &seen);
    assert_eq!(plan.parts.len(), 2);
    let Action::Skip { reason } = &plan.parts[0].action else { panic!("not skipped") };
    assert!(reason.starts_with("finished: app-view-2026-01 is served by"), "{reason}");
    assert_eq!(plan.parts[0].captures["month"], "2026-01");
}

#[test]
fn only_keeps_the_parts_that_were_asked_for() {
    let pair = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
    let plan = || Plan::make(&recipe(), &clean());
    assert_eq!(plan().only(&pair("month", "2026-02")).unwrap().parts.len(), 1);
    let both = [pair("month", "2026-01"), pair("month", "2026-02")].concat();
    assert_eq!(plan().only(&both).unwrap().parts.len(), 2);
    assert_eq!(plan().only(&both).unwrap().hash, plan().hash);
    assert_ne!(plan().only(&pair("month", "2026-02")).unwrap().hash, plan().hash);
    let none = [pair("month", "2026-02"), pair("event", "download")].concat();
    assert_eq!(
        plan().only(&none).unwrap_err().to_string(),
        "no part has month=2026-02 event=download; there are app-view-2026-01, app-view-2026-02"
    );
    let error = plan().only(&pair("moth", "2026-02")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the recipe's source has no capture \"moth\"; it has event, month"
    );
}

#[test]
fn a_long_name_is_kept_under_a_short_one() {
    let long = IndexName::new("x".repeat(250));
    let kept = keep_name(&long);
    assert!(kept.as_str().len() <= 255 && kept.as_str().starts_with("segue-before-"));
    assert_ne!(kept, keep_name(&IndexName::new("y".repeat(250))));
}

#[test]
fn the_same_observation_gives_the_same_plan_in_any_order() {
    let plan = Plan::make(&recipe(), &clean());
    let mut turned = clean();
    turned.candidates.reverse();
    assert_eq!(Plan::make(&recipe(), &turned), plan);
    assert_eq!(serde_json::to_string(&plan).unwrap(), {
        serde_json::to_string(&Plan::make(&recipe(), &clean())).unwrap()
    });
}

#[test]
fn what_many_parts_have_in_common_is_told_once_and_errors_first() {
    let mut seen = clean();
    for index in &mut seen.candidates {
        index.docs = 0;
    }
    seen.candidates[1].open = false;
    seen.candidates.push(SeenIndex { docs: 0, ..index("app-view-2026-03") });
    let text = Plan::make(&recipe(), &seen).to_string();
    let told = "warning[SEG-P131] 2 parts, app-view-2026-01 to app-view-2026-03: it holds no";
    let error = text.find("error[SEG-P104] app-view-2026-02: it is closed").unwrap();
    assert!(error < text.find(told).unwrap(), "{text}");
    assert!(text.contains("\n1 error, 2 warnings\n"), "{text}");
}

mod broken;
mod lints;
mod merging;

#[test]
fn what_was_given_up_is_planned_anew_also_with_another_target() {
    for phase in [Phase::Abandoned, Phase::Abandoning] {
        let mut seen = clean();
        let target = Some(IndexName::new("an-earlier-target"));
        let state = PartState { phase, target, ..PartState::default() };
        seen.journal.insert(IndexName::new("app-view-2026-01"), state);
        let plan = Plan::make(&recipe(), &seen);
        assert_eq!(codes(&plan), ["SEG-P140"], "{:#?}", plan.notes);
        let part = &plan.parts[0];
        assert_eq!(part.action, Action::Migrate);
        assert_eq!(part.reasons.last().unwrap(), "it was given up earlier and begins anew");
        // Without its source there is nothing to begin.
        seen.candidates.remove(0);
        let plan = Plan::make(&recipe(), &seen);
        assert!(plan.parts[0].is_skipped(), "{:?}", plan.parts[0].action);
    }
}
