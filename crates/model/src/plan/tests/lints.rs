//! A row for every code: it appears for what it is there for, and alone.

use super::*;
use crate::observe::versions::Sampled;
use crate::observe::{Gap, IndexTemplate, MissingPrivilege, Node, RunningJob};
use crate::phase::Phase;

/// Spoils one thing in a clean observation; exactly this code must appear for it.
type Spoil = fn(&mut Observation);

#[test]
fn every_lint_code_is_raised_by_what_it_is_there_for() {
    fn set(seen: &mut Observation, name: &str, value: &str) {
        seen.candidates[0].settings.insert(name.to_owned(), json!(value));
    }
    fn template(seen: &mut Observation, body: Value) {
        seen.templates.insert("templates/view.json".to_owned(), Ok(body));
    }
    fn setting(seen: &mut Observation, name: &str, value: Value) {
        let template = seen.templates.get_mut("templates/view.json").unwrap().as_mut().unwrap();
        template["settings"][name] = value;
    }
    fn mappings(seen: &mut Observation, mappings: &Value) {
        template(seen, json!({ "mappings": mappings }));
        seen.candidates.truncate(1);
    }
    fn copies(seen: &mut Observation, primaries: u32, started: u32, max_seq_no: i64) {
        seen.candidates[0].copies = Some(Copies { primaries, started, max_seq_no });
    }
    fn records(seen: &mut Observation) -> &mut SeenIndex {
        seen.others.get_mut(&IndexName::new("records")).unwrap()
    }
    let table: [(&str, Spoil); 69] = [
        ("SEG-P101", |s| s.candidates[0].data_stream = Some("stream".to_owned())),
        ("SEG-P102", |s| s.templates.clear()),
        ("SEG-P102", |s| {
            s.templates.insert("templates/view.json".to_owned(), Err("not JSON".to_owned()));
        }),
        ("SEG-P103", |s| set(s, "index.plugins.index_state_management.policy_id", "p")),
        ("SEG-P103", |s| set(s, "index.lifecycle.name", "p")),
        ("SEG-P104", |s| s.candidates[0].open = false),
        ("SEG-P105", |s| s.candidates[0].system = true),
        ("SEG-P106", |s| s.candidates[0].mappings["_source"] = json!({ "enabled": false })),
        ("SEG-P106", |s| s.candidates[0].mappings["_source"] = json!({ "excludes": ["a"] })),
        ("SEG-P106", |s| s.candidates[0].mappings["_source"] = json!({ "mode": "synthetic" })),
        ("SEG-P106", |s| set(s, "index.derived_source.enabled", "true")),
        ("SEG-P106", |s| set(s, "index.mapping.source.mode", "synthetic")),
        ("SEG-P107", |s| set(s, "index.disable_sequence_numbers", "true")),
        ("SEG-P108", |s| set(s, "index.ingestion_source.type", "kafka")),
        ("SEG-P109", |s| set(s, "index.blocks.write", "true")),
        ("SEG-P110", |s| {
            let target = index("app-view-2026-01-v2");
            s.others.insert(target.name.clone(), target);
        }),
        ("SEG-P110", |s| {
            let mut target = index("app-view-2026-01-v2");
            let meta = json!({ "segue": { "migration": "events", "part": "another" } });
            target.mappings["_meta"] = meta;
            s.others.insert(target.name.clone(), target);
        }),
        ("SEG-P111", |s| {
            let on = vec![IndexName::new("z")];
            s.aliases.insert(AliasName::new("app-view-2026-01-v2"), on);
        }),
        ("SEG-P113", |s| {
            s.candidates[0].replicas = 2;
            s.candidates[0].copies = None;
        }),
        ("SEG-P114", |s| {
            let clash = index("app-view");
            s.others.insert(clash.name.clone(), clash);
        }),
        ("SEG-P115", |s| {
            let kept = index("segue-before-app-view-2026-01");
            s.others.insert(kept.name.clone(), kept);
        }),
        ("SEG-P120", |s| {
            let (what, why) = ("aliases".to_owned(), "security_exception".to_owned());
            s.gaps.push(Gap::Forbidden { what, why });
        }),
        ("SEG-P121", |s| s.candidates.clear()),
        ("SEG-P122", |s| s.others.clear()),
        ("SEG-P123", |s| {
            records(s).mappings = json!({ "properties": {} });
        }),
        ("SEG-P130", |s| set(s, "index.default_pipeline", "stamp")),
        ("SEG-P131", |s| s.candidates[0].docs = 0),
        ("SEG-P106", |s| set(s, "index.mode", "logsdb")),
        ("SEG-P103", |s| {
            s.policies.insert(IndexName::new("app-view-2026-01"), "hot-cold".to_owned());
        }),
        ("SEG-P109", |s| set(s, "index.blocks.read", "true")),
        ("SEG-P111", |s| {
            s.data_streams.insert("app-view-2026-01-v2".to_owned());
        }),
        ("SEG-P110", |s| {
            s.names.insert(IndexName::new("app-view-2026-01-v2"));
        }),
        ("SEG-P102", |s| template(s, json!([]))),
        ("SEG-P102", |s| template(s, json!({ "aliases": {} }))),
        ("SEG-P102", |s| template(s, json!({ "mappings": 1 }))),
        ("SEG-P114", |s| {
            s.names.insert(IndexName::new("app-view"));
        }),
        ("SEG-P115", |s| {
            s.names.insert(IndexName::new("segue-before-app-view-2026-01"));
        }),
        ("SEG-P117", |s| copies(s, 1, 2, 1 << 42)),
        ("SEG-P118", |s| copies(s, 0, 0, 9)),
        ("SEG-P119", |s| {
            let recid = json!({ "recid": { "type": "keyword" } });
            mappings(s, &json!({ "_source": { "enabled": false }, "properties": recid }));
        }),
        ("SEG-P119", |s| setting(s, "append_only", json!({ "enabled": true }))),
        ("SEG-P120", |s| {
            let on = Some("app-*".to_owned());
            s.missing_privileges.push(MissingPrivilege { privilege: "read".to_owned(), on });
        }),
        ("SEG-P122", |s| records(s).open = false),
        ("SEG-P124", |s| {
            let on = vec![IndexName::new("records"), IndexName::new("app-view-2026-01")];
            s.aliases.insert(AliasName::new("records"), on);
        }),
        ("SEG-P125", |s| {
            let state = PartState { phase: Phase::Watching, ..PartState::default() };
            s.journal.insert(IndexName::new("app-view-2026-01"), state);
        }),
        ("SEG-P125", |s| {
            let target = Some(IndexName::new("app-view-2026-01-v1"));
            let state = PartState { phase: Phase::Backfilling, target, ..PartState::default() };
            s.journal.insert(IndexName::new("app-view-2026-01"), state);
        }),
        ("SEG-P125", |s| {
            let target = Some(IndexName::new("app-view-2026-01-v2"));
            let (phase, versioning) = (Phase::CatchingUp, Versioning::Preserved);
            let state = PartState { phase, target, versioning, ..PartState::default() };
            s.journal.insert(IndexName::new("app-view-2026-01"), state);
        }),
        ("SEG-P126", |s| s.candidates[0].mappings = json!({ "properties": {} })),
        ("SEG-P127", |s| {
            let recid = json!({ "type": "keyword" });
            mappings(s, &json!({ "dynamic": "strict", "properties": { "recid": recid } }));
        }),
        ("SEG-P130", |s| setting(s, "final_pipeline", json!("stamp"))),
        ("SEG-P132", |s| copies(s, 1, 1, 9)),
        ("SEG-P133", |s| {
            let title = json!({ "type": "keyword" });
            mappings(s, &json!({ "dynamic": "strict", "properties": { "title": title } }));
        }),
        ("SEG-P134", |s| {
            let (what, why) = ("index templates".to_owned(), "403".to_owned());
            s.gaps.push(Gap::Unseen { what, why });
        }),
        ("SEG-P135", |s| {
            s.jobs.push(RunningJob {
                action: "indices:data/write/update/byquery".to_owned(),
                description: "update-by-query [app-view-2026-01,x]".to_owned(),
            });
        }),
        ("SEG-P136", |s| {
            let patterns = vec!["*-app-view-2026-01".to_owned()];
            s.index_templates.push(IndexTemplate { name: "t".to_owned(), patterns });
        }),
        ("SEG-P137", |s| {
            s.candidates.truncate(1);
            s.candidates[0].aliases.clear();
            s.aliases.insert(AliasName::new("app-view"), vec![IndexName::new("elsewhere")]);
        }),
        ("SEG-P138", |s| {
            let state = PartState { phase: Phase::Backfilling, ..PartState::default() };
            s.journal.insert(IndexName::new("app-view-2025-12"), state);
        }),
        ("SEG-P139", |s| {
            s.nodes.push(Node {
                name: "n".to_owned(),
                ingest: true,
                data: true,
                disk_available: 17_999,
                disk_below_high: None,
            });
        }),
        ("SEG-P139", |s| {
            s.nodes.push(Node {
                name: "n".to_owned(),
                ingest: true,
                data: true,
                disk_available: 1 << 40,
                disk_below_high: Some(17_999),
            });
        }),
        ("SEG-P140", |s| {
            let state = PartState { phase: Phase::Abandoned, ..PartState::default() };
            s.journal.insert(IndexName::new("app-view-2026-01"), state);
        }),
        ("SEG-P141", |s| records(s).docs = 0),
        ("SEG-P143", |s| {
            s.candidates[0].mappings["properties"]["embedding"] = json!({ "type": "knn_vector" });
        }),
        ("SEG-P143", |s| {
            let suggest = json!({ "suggest": { "type": "completion" } });
            s.candidates[0].mappings["properties"]["recid"]["fields"] = suggest;
        }),
        ("SEG-P145", |s| {
            let byte = json!({ "type": "byte" });
            mappings(
                s,
                &json!({ "properties": { "recid": byte, "title": { "type": "keyword" } } }),
            );
        }),
        ("SEG-P145", |s| {
            s.candidates[0].settings.insert("index.mapping.coerce".to_owned(), json!("true"));
            setting(s, "mapping", json!({ "coerce": false }));
        }),
        ("SEG-P145", |s| {
            s.candidates[0].mappings["dynamic"] = json!("false");
            s.candidates.truncate(1);
            let keyword = json!({ "type": "keyword" });
            let properties = json!({ "recid": keyword, "title": keyword });
            template(s, json!({ "mappings": { "dynamic": "strict", "properties": properties } }));
        }),
        ("SEG-P150", |s| {
            s.candidates[0].mappings["properties"]["n"] =
                json!({ "type": "nested", "properties": {} });
        }),
        ("SEG-P150", |s| s.candidates[0].mappings["_routing"] = json!({ "required": true })),
        ("SEG-P161", |s| versions(s, &[(3, 1), (4, 1_763_000_000)])),
    ];
    for (code, spoil) in table {
        let mut seen = clean();
        spoil(&mut seen);
        let plan = Plan::make(&recipe(), &seen);
        let mut found = codes(&plan);
        found.dedup();
        assert_eq!(found, [code], "{:#?}", plan.notes);
        let refuses = plan.errors().count() > 0;
        assert_eq!(refuses, !("SEG-P130".."SEG-P160").contains(&code), "{code}");
    }
}

fn versions(seen: &mut Observation, docs: &[(i64, u64)]) {
    let sample = docs.iter().map(|&(seq_no, version)| Sampled { seq_no, version });
    seen.versions.insert(IndexName::new("app-view-2026-01"), sample.collect());
}

#[test]
fn versions_that_updates_explain_are_not_told_and_others_can_be_vouched_for() {
    let mut seen = clean();
    versions(&mut seen, &[(3, 1), (4, 1), (8, 6)]);
    assert_eq!(codes(&Plan::make(&recipe(), &seen)), Vec::<&str>::new());
    versions(&mut seen, &[(3, 1), (4, 1), (8, 8)]);
    let plan = Plan::make(&recipe(), &seen);
    assert_eq!(codes(&plan), ["SEG-P161"]);
    assert!(plan.notes[0].what.contains("3 documents with versions of 10 in all"), "{plan}");
    let text = RECIPE.replace("target: {", "target: { versions: segue,");
    let recipe = Recipe::parse(&text, "r.yaml", &BTreeMap::new(), &|_| None).unwrap();
    let plan = Plan::make(&recipe, &seen);
    assert_eq!((codes(&plan), plan.errors().count()), (vec!["SEG-P142"], 0));
}

#[test]
fn versions_are_preserved_where_the_recipe_says_so_and_nothing_is_in_the_way() {
    let text = RECIPE.replace("target: {", "target: { versions: preserve,");
    let plan = |mode: &str, seen: &Observation| {
        let text = text.replace("mode: block", mode);
        let recipe = Recipe::parse(&text, "r.yaml", &BTreeMap::new(), &|_| None).unwrap();
        Plan::make(&recipe, seen)
    };
    let mut seen = clean();
    seen.candidates.truncate(1);
    let counted = plan("mode: block", &seen);
    assert_eq!((codes(&counted), counted.errors().count()), (vec!["SEG-P153"], 0));
    assert!(counted.notes[0].hint.contains("begin at 1 again"), "{counted}");
    versions(&mut seen, &[(3, 1), (4, 1_763_000_000)]);
    let given = plan("mode: block", &seen);
    assert_eq!((codes(&given), given.errors().count()), (vec!["SEG-P153"], 0));
    assert!(given.notes[0].what.contains("version 1763000000"), "{given}");
    for mode in ["mode: block, reverse_for: 1h", "mode: redirect, writers: index_only"] {
        let refused = plan(mode, &seen);
        let errors: Vec<_> = refused.errors().map(|note| note.code).collect();
        assert_eq!(errors, ["SEG-P162"], "{refused}");
    }
}

#[test]
fn a_pipeline_needs_a_word_about_what_comes_after_the_switch() {
    let silent = RECIPE.replace(", after_switch: target_accepts_both", "");
    let plan = |text: &str, seen: &Observation| {
        let recipe = Recipe::parse(text, "r.yaml", &BTreeMap::new(), &|_| None).unwrap();
        Plan::make(&recipe, seen)
    };
    let refused = plan(&silent, &clean());
    assert_eq!((codes(&refused), refused.errors().count()), (vec!["SEG-P160"], 1));
    for word in ["writers_send_new_shape", "target_accepts_both", "keep_enriching"] {
        assert!(refused.notes[0].hint.contains(word), "{refused}");
    }
    // A pure copy has nothing to say, and where nothing is left to do nothing is asked.
    let (head, tail) = silent.split_once("pipeline:").unwrap();
    let copy = format!(
        "{head}{}",
        tail.split_once("cutover:").map(|(_, c)| format!("cutover:{c}")).unwrap()
    );
    assert_eq!(codes(&plan(&copy, &clean())), Vec::<&str>::new());
    let mut done = clean();
    for index in &mut done.candidates {
        index.mappings = json!({ "properties": { "record": { "properties": { "id": {} } } } });
    }
    assert_eq!(codes(&plan(&silent, &done)), Vec::<&str>::new());
}

#[test]
fn what_cannot_be_enriched_in_place_is_refused() {
    let keep = RECIPE.replace("target_accepts_both", "keep_enriching, enrich_for: 1h");
    let plan = |text: &str, seen: &Observation| {
        let recipe = Recipe::parse(text, "r.yaml", &BTreeMap::new(), &|_| None).unwrap();
        Plan::make(&recipe, seen)
    };
    let refused = |text: &str, said: &str| {
        let plan = plan(text, &clean());
        let found = plan.errors().find(|note| note.code == "SEG-P163");
        assert!(found.is_some_and(|note| note.what.contains(said)), "{said}: {plan}");
    };
    assert!(plan(&keep, &clean()).errors().next().is_none(), "{}", plan(&keep, &clean()));
    refused(&keep.replace(", enrich_for: 1h", ""), "nothing says for how long");
    let as_long = keep.replace("enrich_for: 1h", "reverse_for: 1h");
    assert!(plan(&as_long, &clean()).errors().next().is_none());
    refused(&keep.replace("target: {", "target: { versions: preserve,"), "versions preserved");
    let filter = "pipeline:\n  - filter: { keep_if: { field: x, exists: true }, reason: no }\n";
    refused(&keep.replace("pipeline:\n", filter), "leaves some out");
    let mut seen = clean();
    let template = seen.templates.get_mut("templates/view.json").unwrap().as_mut().unwrap();
    template["settings"]["final_pipeline"] = json!("last");
    let last = plan(&keep, &seen);
    let found = last.errors().find(|note| note.code == "SEG-P163");
    assert!(found.is_some_and(|note| note.what.contains("final pipeline last")), "{last}");
}

#[test]
fn two_parts_may_not_share_a_target() {
    let text = RECIPE.replace("{source}-v2", "all-{event}");
    let recipe = Recipe::parse(&text, "r.yaml", &BTreeMap::new(), &|_| None).unwrap();
    let plan = Plan::make(&recipe, &clean());
    assert_eq!(codes(&plan), ["SEG-P112", "SEG-P112"]);
    assert!(plan.notes[0].what.starts_with("2 sources have the target all-view"), "{plan}");
    // One of them alone is not let through either: the others would come to a target that is taken.
    let month = [("month".to_owned(), "2026-01".to_owned())];
    assert_eq!(codes(&plan.only(&month).unwrap()), ["SEG-P112"]);
}

#[test]
fn names_that_come_near_are_listed_when_nothing_matches() {
    let mut seen = clean();
    seen.candidates.clear();
    for name in ["app-view", "kcworks-app-view-2026-01", "unrelated", ".opensearch-view-2026"] {
        seen.names.insert(IndexName::new(name));
    }
    let plan = Plan::make(&recipe(), &seen);
    let note = &plan.notes[0];
    assert_eq!(note.code, "SEG-P121");
    assert!(note.what.contains("app-*-*"), "{}", note.what);
    assert!(note.hint.contains("app-view"), "{}", note.hint);
    assert!(!note.hint.contains("unrelated"), "{}", note.hint);
}

#[test]
fn no_source_at_all_is_no_mistake_where_the_recipe_says_so() {
    let mut seen = clean();
    seen.candidates.clear();
    let text = RECIPE.replace("  done_if_mapped", "  may_be_empty: true\n  done_if_mapped");
    let recipe = Recipe::parse(&text, "r.yaml", &BTreeMap::new(), &|_| None).unwrap();
    // Nor is a lookup that nothing would be looked up in.
    seen.others.clear();
    let plan = Plan::make(&recipe, &seen);
    assert_eq!(codes(&plan), ["SEG-P121"]);
    assert_eq!(plan.errors().count(), 0, "{plan}");
    assert!(plan.parts.is_empty());
}

#[test]
fn a_lookup_that_differs_from_part_to_part_is_refused() {
    let text = RECIPE.replace("index: records", "index: 'records-{month}'");
    let recipe = Recipe::parse(&text, "r.yaml", &BTreeMap::new(), &|_| None).unwrap();
    assert_eq!(codes(&Plan::make(&recipe, &clean())), ["SEG-P124"]);
}

#[test]
fn what_the_pipeline_removes_or_makes_is_not_missed() {
    for (step, code) in [
        ("remove: [old]", None),
        ("rename: { old: title }", None),
        ("rename: { title: other }", Some("SEG-P127")),
        ("set: { old: 1 }", Some("SEG-P127")),
        ("default: { other: 1 }", Some("SEG-P127")),
        ("truncate: { title: 10 }", None),
        ("set: { old: 1 }\n  - script: 'doc.x = 1'", None),
        ("date: { title: { from: iso } }", None),
    ] {
        let text = RECIPE.replace(
            "  - copy: { title: record.title }",
            &format!("  - copy: {{ title: record.title }}\n  - {step}"),
        );
        let recipe = Recipe::parse(&text, "r.yaml", &BTreeMap::new(), &|_| None).unwrap();
        let mut seen = clean();
        seen.candidates.truncate(1);
        seen.candidates[0].mappings["properties"]["old"] = json!({ "type": "keyword" });
        let properties = json!({ "recid": { "type": "keyword" }, "title": { "type": "keyword" } });
        let template = json!({ "mappings": { "dynamic": "strict", "properties": properties } });
        seen.templates.insert("templates/view.json".to_owned(), Ok(template));
        let plan = Plan::make(&recipe, &seen);
        let refused: Vec<_> = plan.errors().map(|note| note.code).collect();
        assert_eq!(refused, code.into_iter().collect::<Vec<_>>(), "{step}");
    }
}

#[test]
fn what_cannot_go_back_is_named_where_something_is_fed_back() {
    for (cutover, expected) in [("mode: block", 0), ("mode: block, reverse_for: 7d", 1)] {
        let text = RECIPE.replace("mode: block", cutover).replace(
            "  - copy: { title: record.title }",
            "  - copy: { title: record.title }\n  - remove: recid",
        );
        let recipe = Recipe::parse(&text, "r.yaml", &BTreeMap::new(), &|_| None).unwrap();
        let mut seen = clean();
        seen.candidates.truncate(1);
        let notes = Plan::make(&recipe, &seen).notes;
        let notes: Vec<_> = notes.iter().filter(|note| note.code == "SEG-P152").collect();
        assert_eq!(notes.len(), expected, "{notes:?}");
        assert!(notes.iter().all(|note| note.what.starts_with("cannot go back: recid (removed")));
    }
}

#[test]
fn a_target_without_a_usable_name_is_refused() {
    let text = RECIPE.replace("'{source}-v2'", "'{source}-{source}-{source}-v2'");
    let recipe = Recipe::parse(&text, "r.yaml", &BTreeMap::new(), &|_| None).unwrap();
    let mut seen = clean();
    let long = format!("app-view-{}", "2".repeat(120));
    seen.candidates = vec![index(&long)];
    assert_eq!(codes(&Plan::make(&recipe, &seen)), ["SEG-P121"]);
    let text = text.replace("\\d{4}-\\d{2}", "2+");
    let recipe = Recipe::parse(&text, "r.yaml", &BTreeMap::new(), &|_| None).unwrap();
    assert_eq!(codes(&Plan::make(&recipe, &seen)), ["SEG-P116"]);
}

#[test]
fn a_redirect_is_refused_where_writes_would_be_lost_or_changed() {
    let text = RECIPE.replace("mode: block", "mode: redirect, writers: index_only");
    let recipe = Recipe::parse(&text, "r.yaml", &BTreeMap::new(), &|_| None).unwrap();
    let with = |spoil: fn(&mut Observation)| {
        let mut seen = clean();
        spoil(&mut seen);
        let refused = codes(&Plan::make(&recipe, &seen)).contains(&"SEG-P128");
        assert!(!codes(&Plan::make(&super::recipe(), &seen)).contains(&"SEG-P128"));
        refused
    };
    fn alias(seen: &mut Observation, name: &str, is_write_index: Option<bool>) {
        let props = AliasProps {
            index_routing: Some("r".to_owned()),
            is_write_index,
            ..AliasProps::default()
        };
        let month = &mut seen.candidates[0];
        month.aliases.insert(AliasName::new(name), props);
        let on = seen.aliases.entry(AliasName::new(name)).or_default();
        if on.is_empty() {
            on.push(month.name.clone());
        }
    }
    assert!(!with(|_| {}));
    assert!(with(|seen| seen.engine = "Elasticsearch 8.15.0".to_owned()));
    assert!(with(|seen| alias(seen, "january", None)));
    assert!(!with(|seen| alias(seen, "january", Some(false))));
    // Through an alias of several indices nothing is written but to its write index.
    assert!(!with(|seen| alias(seen, "app-view", None)));
    assert!(with(|seen| alias(seen, "app-view", Some(true))));
}
