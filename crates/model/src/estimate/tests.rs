use std::collections::BTreeMap;

use serde_json::{Map, json};

use super::*;
use crate::id::{Epoch, IndexUuid, MigrationName};
use crate::journal::VerifySummary;
use crate::observe::Observation;
use crate::plan::Action;
use crate::version::{Incarnation, Rewrite};

fn recipe(limits: &str) -> Recipe {
    let text = format!(
        "segue: 1\nname: r\ncluster: {{ url: 'http://localhost:9200' }}\nsource: {{ index: a }}\n\
         target: {{ index: b }}\ncutover: {{ mode: block }}\n{limits}"
    );
    Recipe::parse(&text, "r.yaml", &BTreeMap::new(), &|_| None).unwrap()
}

fn part(docs: u64, bytes: u64, replicas: u64) -> PlannedPart {
    let known = PlannedPart::known(IndexName::new("a"), None, IndexName::new("b"));
    let mut settings = Map::new();
    settings.insert("index.number_of_replicas".to_owned(), json!(replicas.to_string()));
    let target_body = crate::plan::TargetBody { settings, mappings: json!({}) };
    PlannedPart { action: Action::Migrate, docs, bytes, shards: 1, target_body, ..known }
}

fn plan(recipe: &Recipe, parts: Vec<PlannedPart>) -> Plan {
    let mut plan = Plan::make(recipe, &Observation::default());
    plan.parts = parts;
    plan
}

fn span(least: u64, most: u64) -> Option<Span> {
    Some(Span { least, most })
}

fn took(documents: u64, ms: u64) -> Option<Measured> {
    Some(Measured { part: IndexName::new("p"), documents, ms })
}

#[test]
fn time_and_disk_by_what_is_known() {
    let free = "";
    let bound = "limits: { docs_per_second: 1000 }\n";
    let table = [
        ("small", free, None, (10, 5_000), 0, 10_000, span(1, 1)),
        ("by documents", free, None, (1_000_000, 1_000_000), 0, 2_000_000, span(50, 500)),
        ("by bytes", free, None, (1_000, 4_000_000_000), 0, 8_000_000_000, span(100, 800)),
        ("bounded", bound, None, (1_000_000, 1_000), 0, 2_000, span(1_000, 1_000)),
        ("measured", free, took(60_000, 10_000), (90_000, 1 << 40), 0, 1 << 41, span(10, 25)),
        ("measured, bounded", bound, took(60_000, 10_000), (90_000, 9), 0, 18, span(90, 90)),
        ("half copied", free, None, (1_000_000, 1_000_000), 500_000, 1_000_000, span(25, 250)),
        ("all copied", free, None, (1_000_000, 1_000_000), 1_000_000, 0, None),
        (
            "no overflow",
            free,
            None,
            (u64::MAX, u64::MAX),
            0,
            u64::MAX,
            span(922_337_203_685_478, 9_223_372_036_854_776),
        ),
    ];
    for (what, limits, measured, (docs, bytes), copied, target_bytes, seconds) in table {
        let recipe = recipe(limits);
        let mut plan = plan(&recipe, vec![part(docs, bytes, 1)]);
        plan.estimate(&recipe, measured, &|_| copied);
        let of_part = plan.parts[0].estimate.as_ref().unwrap();
        assert_eq!((of_part.target_bytes, of_part.seconds), (target_bytes, seconds), "{what}");
        let whole = plan.estimate.unwrap();
        assert_eq!((whole.target_bytes, whole.seconds), (target_bytes, seconds), "{what}");
    }
}

#[test]
fn parts_add_up_and_the_text_says_from_what() {
    let recipe = recipe("");
    let mut plan = plan(&recipe, vec![part(1_000_000, 1_000, 0), part(2_000_000, 2_000, 2)]);
    plan.room = Some(Room { bytes: 5_000_000_000, below_high_watermark: true });
    plan.estimate(&recipe, None, &|_| 0);
    let text = plan.to_string();
    assert!(
        text.contains("about 1 kB of disk in 1 copy, between 50 s and 9 min to copy"),
        "{text}"
    );
    let all = "In all about 7 kB of disk (the data nodes have 5.0 GB left below the high watermark), \
               between 3 min and 25 min to copy.";
    assert!(text.contains(all), "{text}");
    assert!(text.contains("unknown until something was copied; this is a rule of thumb"), "{text}");
    plan.estimate(&recipe, took(60_000, 10_000), &|_| 0);
    let text = plan.to_string();
    assert!(text.contains("From 6000 docs/s when p was copied"), "{text}");
    assert!(!text.contains("rule of thumb"), "{text}");
    // What is done costs nothing.
    plan.parts.iter_mut().for_each(|p| p.action = Action::Skip { reason: String::new() });
    plan.estimate(&recipe, None, &|_| 0);
    assert_eq!(plan.estimate, None);
}

#[test]
fn room_is_that_of_data_nodes_below_the_mark_where_it_is_known() {
    let node = |data, disk_available, disk_below_high| Node {
        name: "n".to_owned(),
        ingest: false,
        data,
        disk_available,
        disk_below_high,
    };
    let room = |bytes, below_high_watermark| Some(Room { bytes, below_high_watermark });
    for (nodes, expected) in [
        (vec![], None),
        (vec![node(false, 9, Some(9))], None),
        (vec![node(true, 9, Some(4)), node(true, 9, Some(0)), node(false, 9, None)], room(4, true)),
        (vec![node(true, 9, Some(4)), node(true, 9, None)], room(18, false)),
    ] {
        assert_eq!(Room::of(&nodes), expected, "{nodes:?}");
    }
}

fn records(part: &str, events: Vec<(u64, Event)>) -> Vec<Record> {
    let record = |(number, (at_ms, event))| Record {
        migration: MigrationName::new("m"),
        part: Some(IndexName::new(part)),
        number,
        at_ms,
        by: String::new(),
        event,
    };
    (1..).zip(events).map(record).collect()
}

#[test]
fn a_rate_is_measured_where_a_part_was_copied_without_a_stop() {
    let prepared = || Event::Prepared {
        target_uuid: IndexUuid::new("t"),
        incarnation: Incarnation::FIRST,
        rewrite: Rewrite::FIRST,
    };
    let epoch = || Event::EpochOpened { epoch: Epoch(1) };
    let verified = |source| Event::Verified {
        positions: Vec::new(),
        summary: VerifySummary { source, ..VerifySummary::default() },
    };
    let copied = |part: &str, from: u64, to: u64, documents: u64| {
        let events = vec![
            (from, prepared()),
            (from, epoch()),
            (to, Event::Backfilled),
            (to + 1, verified(documents)),
        ];
        records(part, events)
    };
    let part =
        |name: &str, documents, ms| Some(Measured { part: IndexName::new(name), documents, ms });
    let stopped = vec![
        (0, prepared()),
        (1, epoch()),
        (9_000, epoch()),
        (10_000, Event::Backfilled),
        (10_001, verified(9)),
    ];
    let unverified = vec![(0, prepared()), (1, epoch()), (10_000, Event::Backfilled)];
    for (records, expected) in [
        (vec![], None),
        (copied("a", 1_000, 11_000, 500), part("a", 500, 10_000)),
        (copied("a", 1_000, 1_499, 500), None),
        (copied("a", 1_000, 500, 500), None),
        (copied("a", 0, 9_000, 0), None),
        (records("a", stopped), None),
        (records("a", unverified), None),
        ([copied("a", 0, 20_000, 7), copied("b", 0, 10_000, 8)].concat(), part("a", 7, 20_000)),
    ] {
        assert_eq!(measured(&records), expected, "{records:?}");
    }
}
