//! Plans for what an earlier run left: own targets, cutovers that were cut short, silent templates.

use super::*;
use crate::id::Epoch;
use crate::part::Cutover;
use crate::phase::{CutoverStep, Phase};

#[test]
fn a_target_that_the_pattern_matches_is_no_source() {
    let text = RECIPE.replace("month: '\\d{4}-\\d{2}'", "month: '.+'");
    let recipe = Recipe::parse(&text, "r.yaml", &BTreeMap::new(), &|_| None).unwrap();
    let mut seen = clean();
    let mut target = index("app-view-2026-01-v2");
    target.mappings["_meta"] =
        json!({ "segue": { "migration": "events", "part": "app-view-2026-01" } });
    seen.candidates.push(target);
    let plan = Plan::make(&recipe, &seen);
    assert_eq!(plan.parts.len(), 2);
    assert_eq!(codes(&plan), ["SEG-P151", "SEG-P151"]);
    // Made by nobody known it is a source, and its place is taken.
    seen.candidates[2].mappings["_meta"] = json!({});
    let plan = Plan::make(&recipe, &seen);
    assert_eq!(plan.parts.len(), 3);
    assert!(codes(&plan).contains(&"SEG-P110"));
}

fn cutting(source: &str) -> PartState {
    PartState {
        phase: Phase::CuttingOver { step: CutoverStep::Closing },
        target: Some(IndexName::new(format!("{source}-v2"))),
        cutover: Some(Cutover {
            redirect: None,
            before: None,
            epoch: Epoch(1),
            keep: IndexName::new(format!("segue-before-{source}")),
            aliases: vec![AliasName::new("app-view"), AliasName::new("app-all")],
            cursor: None,
            window: None,
        }),
        ..PartState::default()
    }
}

#[test]
fn names_that_a_broken_cutover_had_moved_still_belong_to_the_source() {
    let mut seen = clean();
    let source = seen.candidates[0].name.clone();
    seen.journal.insert(source.clone(), cutting(source.as_str()));
    seen.candidates[0].aliases.clear();
    seen.candidates[0].settings.insert("index.blocks.write".to_owned(), json!("true"));
    let mut target = index("app-view-2026-01-v2");
    target.mappings["_meta"] = json!({ "segue": { "migration": "events", "part": source } });
    let hidden = AliasProps { filter: Some(json!({ "match_none": {} })), ..AliasProps::default() };
    let routed = AliasProps { search_routing: Some("x".to_owned()), ..AliasProps::default() };
    target.aliases.insert(AliasName::new("app-view"), hidden);
    target.aliases.insert(AliasName::new("app-all"), routed.clone());
    for alias in ["app-view", "app-all"] {
        let on = vec![target.name.clone(), IndexName::new("app-view-2026-02")];
        seen.aliases.insert(AliasName::new(alias), on);
    }
    seen.others.insert(target.name.clone(), target);
    let plan = Plan::make(&recipe(), &seen);
    assert_eq!(codes(&plan), Vec::<&str>::new());
    let aliases = &plan.parts[0].aliases;
    let of = |name: &str| aliases.iter().find(|a| a.alias.as_str() == name).unwrap();
    assert!(of("app-all").on_source && of("app-all").spanning);
    assert_eq!(of("app-all").props, routed);
    // Hidden still: it had not moved, and the source never had it.
    assert!(!of("app-view").on_source && of("app-view").spanning);
}

#[test]
fn what_was_switched_without_being_journalled_keeps_the_source_s_settings() {
    let text = RECIPE.replace(
        ", template: 'templates/{event}.json' }",
        ", settings: { refresh_interval: 9s } }",
    );
    let recipe = Recipe::parse(&text, "r.yaml", &BTreeMap::new(), &|_| None).unwrap();
    let mut seen = clean();
    let source = seen.candidates.remove(0).name;
    seen.journal.insert(source.clone(), cutting(source.as_str()));
    let mut kept = index(&format!("segue-before-{source}"));
    kept.settings.extend(settings(&[
        ("index.gc_deletes", "2h"),
        ("index.final_pipeline", "_none"),
        ("index.hidden", "true"),
        ("index.blocks.write", "true"),
    ]));
    seen.others.insert(kept.name.clone(), kept);
    let part = Plan::make(&recipe, &seen).parts.remove(0);
    assert!(matches!(part.action, Action::Resume { .. }));
    assert_eq!(
        part.target_body.settings,
        settings(&[
            ("index.gc_deletes", "2h"),
            ("index.number_of_shards", "1"),
            ("index.refresh_interval", "9s"),
        ])
    );
}

#[test]
fn where_the_template_is_silent_shards_and_replicas_are_the_source_s() {
    let mut seen = clean();
    seen.candidates[0].shards = 3;
    seen.candidates[0].copies = None;
    seen.templates
        .insert("templates/view.json".to_owned(), Ok(json!({ "settings": {}, "mappings": {} })));
    let part = Plan::make(&recipe(), &seen).parts.remove(0);
    assert_eq!(part.target_body.settings["index.number_of_shards"], "3");
    assert_eq!(part.target_body.settings["index.number_of_replicas"], "1");
    assert_eq!(part.reasons.len(), 2);
    let auto = json!({ "settings": { "auto_expand_replicas": "0-1" } });
    seen.templates.insert("templates/view.json".to_owned(), Ok(auto));
    let part = Plan::make(&recipe(), &seen).parts.remove(0);
    assert!(!part.target_body.settings.contains_key("index.number_of_replicas"));
}

#[test]
fn what_is_done_does_not_miss_its_lookups() {
    let mut seen = clean();
    seen.others.clear();
    for index in seen.candidates.drain(..) {
        let target = Some(IndexName::new(format!("{}-v2", index.name)));
        let state = PartState { phase: Phase::Finished, target, ..PartState::default() };
        seen.journal.insert(index.name, state);
    }
    let plan = Plan::make(&recipe(), &seen);
    assert_eq!((plan.parts.len(), plan.active().count()), (2, 0));
    assert_eq!(codes(&plan), Vec::<&str>::new());
}
