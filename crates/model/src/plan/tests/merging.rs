//! Several sources into one target.

use super::*;

const MERGE: &str =
    "target: { index: 'all-{event}', template: 'templates/{event}.json', merge: true }";
const NO_TEMPLATE: &str = "target: { index: 'all-{event}', merge: true }";

fn text(target: &str) -> String {
    let done = "  done_if_mapped: [record.id]\n";
    assert!(RECIPE.contains(done));
    RECIPE
        .replace(done, "")
        .replace("target: { index: '{source}-v2', template: 'templates/{event}.json' }", target)
}

fn plan(text: &str, seen: &Observation) -> Plan {
    Plan::make(&Recipe::parse(text, "r.yaml", &BTreeMap::new(), &|_| None).unwrap(), seen)
}

fn errors(plan: &Plan) -> Vec<(&'static str, &str)> {
    plan.errors().map(|note| (note.code, note.part.as_deref().unwrap_or_default())).collect()
}

#[test]
fn the_parts_of_one_target_are_one() {
    let plan = plan(&text(MERGE), &clean());
    assert_eq!(errors(&plan), [], "{plan}");
    let [part] = plan.parts.as_slice() else { panic!("{plan}") };
    assert_eq!(part.all_sources().as_str(), "app-view-2026-01,app-view-2026-02");
    assert_eq!((part.docs, part.bytes, part.shards), (20, 9_000, 2));
    let uuids = "uuid-of-app-view-2026-01,uuid-of-app-view-2026-02";
    assert_eq!(part.source_uuid.as_str(), uuids);
    // What they have in common can be asked for, what sets them apart cannot.
    assert_eq!(part.captures, Captures::from([("event".to_owned(), "view".to_owned())]));
    let keeps: Vec<_> = part.keeps().iter().map(ToString::to_string).collect();
    assert_eq!(keeps, ["segue-before-app-view-2026-01", "segue-before-app-view-2026-02"]);
    let read = part.aliases.iter().find(|alias| alias.alias.as_str() == "app-view").unwrap();
    assert!(read.on_source && read.spanning);
    assert_eq!(read.also_on, [IndexName::new("app-view-2026-02")]);
    let shown = plan.to_string();
    for line in [
        "+ app-view-2026-01 + app-view-2026-02 -> all-view",
        "switch  app-view-2026-02 becomes an alias of all-view",
        "note[SEG-P154]",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
}

#[test]
fn what_cannot_be_done_with_several_is_refused() {
    let merge = text(MERGE);
    let table = [
        ("cutover: { mode: block", "cutover: { mode: redirect, writers: index_only", "redirected"),
        ("cutover: { mode: block", "cutover: { reverse_for: 1h, mode: block", "fed back"),
        ("merge: true", "merge: true, versions: preserve", "preserved"),
        ("source:\n", "source:\n  done_if_mapped: [record.id]\n", "taken for done"),
        ("cutover: {", "  - id: '{recid}'\ncutover: {", "ids that the pipeline makes"),
    ];
    for (from, to, said) in table {
        assert!(merge.contains(from), "{from}");
        let refused = plan(&merge.replacen(from, to, 1), &clean());
        let found = refused.errors().find(|note| note.code == "SEG-P165");
        assert!(found.is_some_and(|note| note.what.contains(said)), "{said}: {refused}");
    }
}

#[test]
fn sources_that_would_make_it_otherwise_are_refused() {
    let second = "app-view-2026-02";
    let differing = |change: &dyn Fn(&mut SeenIndex), text: &str| {
        let mut seen = clean();
        let index = seen.candidates.iter_mut().find(|index| index.name.as_str() == second).unwrap();
        change(index);
        plan(text, &seen)
    };
    let mapped = |index: &mut SeenIndex| {
        index.mappings = json!({ "properties": { "other": { "type": "long" } } });
    };
    let copied = differing(&mapped, &text(NO_TEMPLATE));
    assert!(errors(&copied).contains(&("SEG-P165", second)), "{copied}");
    let stated = differing(&mapped, &text(MERGE));
    assert!(!errors(&stated).contains(&("SEG-P165", second)), "{stated}");
    let sharded = |index: &mut SeenIndex| index.shards = 5;
    let silent = differing(&sharded, &text(MERGE));
    let note = silent.errors().find(|note| note.code == "SEG-P165");
    assert!(note.is_some_and(|note| note.what.contains("number_of_shards")), "{silent}");
    let filtered = |index: &mut SeenIndex| {
        let props =
            AliasProps { filter: Some(json!({ "match_all": {} })), ..AliasProps::default() };
        index.aliases.insert(AliasName::new("app-view"), props);
    };
    let aliased = differing(&filtered, &text(MERGE));
    assert!(aliased.errors().any(|note| note.what.contains("the alias app-view")), "{aliased}");
    let blocked = |index: &mut SeenIndex| {
        index.settings.insert("index.blocks.write".to_owned(), json!("true"));
    };
    assert!(errors(&differing(&blocked, &text(MERGE))).contains(&("SEG-P109", second)));
}

#[test]
fn who_has_begun_goes_on_and_with_the_same_others() {
    let state = |also: &[&str]| {
        let also = also.iter().map(|name| IndexName::new(*name)).collect();
        let source = SourceIdentity { uuid: IndexUuid::new("u"), histories: vec![], also };
        PartState {
            phase: Phase::CatchingUp,
            source: Some(source),
            target: Some(IndexName::new("all-view")),
            ..PartState::default()
        }
    };
    let with = |part: &str, also: &[&str]| {
        let mut seen = clean();
        seen.journal.insert(IndexName::new(part), state(also));
        plan(&text(MERGE), &seen)
    };
    let (first, second) = ("app-view-2026-01", "app-view-2026-02");
    let same = with(second, &[first]);
    assert_eq!(errors(&same), [], "{same}");
    assert_eq!(same.parts[0].all_sources().as_str(), "app-view-2026-02,app-view-2026-01");
    // The mappings of sources grow by themselves: once the target is there, that is nothing to stop for.
    let mut grown = clean();
    grown.candidates[1].mappings = json!({ "properties": { "other": { "type": "long" } } });
    let without = plan(&text(NO_TEMPLATE), &grown);
    assert_eq!(errors(&without)[0], ("SEG-P165", second), "{without}");
    let target_uuid = Some(IndexUuid::new("t"));
    grown.journal.insert(IndexName::new(first), PartState { target_uuid, ..state(&[second]) });
    let without = plan(&text(NO_TEMPLATE), &grown);
    assert!(errors(&without).iter().all(|(code, _)| *code != "SEG-P165"), "{without}");
    for also in [&[][..], &[first, "app-view-2026-03"]] {
        assert_eq!(errors(&with(second, also)), [("SEG-P125", second)], "{also:?}");
    }
    let mut both = clean();
    both.journal.insert(IndexName::new(first), state(&[second]));
    both.journal.insert(IndexName::new(second), state(&[]));
    let both = plan(&text(MERGE), &both);
    assert_eq!(errors(&both), [("SEG-P165", second)], "{both}");
}

#[test]
fn an_alias_that_not_every_source_has_moves_with_the_switch_only() {
    let mut seen = clean();
    let newest = AliasName::new("newest");
    seen.candidates[1].aliases.insert(newest.clone(), AliasProps::default());
    seen.aliases.insert(newest, vec![IndexName::new("app-view-2026-02")]);
    let plan = plan(&text(MERGE), &seen);
    let part = &plan.parts[0];
    let alias = part.aliases.iter().find(|alias| alias.alias.as_str() == "newest").unwrap();
    assert!(!alias.on_source);
    let holders: Vec<_> = alias.holders(&part.source).map(ToString::to_string).collect();
    assert_eq!(holders, ["app-view-2026-02"]);
    assert!(plan.to_string().contains("move    alias newest"), "{plan}");
}

#[test]
fn the_copies_of_all_sources_are_known_as_segues_own() {
    let mut seen = clean();
    let kept = "segue-before-app-view-2026-02";
    seen.candidates = vec![index(kept)];
    let source = SourceIdentity {
        uuid: IndexUuid::new("u,v"),
        histories: vec![],
        also: vec![IndexName::new("app-view-2026-02")],
    };
    let cutover = crate::part::Cutover {
        epoch: crate::id::Epoch(1),
        keep: IndexName::new("segue-before-app-view-2026-01"),
        aliases: vec![],
        before: None,
        cursor: None,
        window: None,
        redirect: None,
    };
    let state = PartState {
        phase: Phase::Finished,
        source: Some(source),
        target: Some(IndexName::new("all-view")),
        cutover: Some(cutover),
        ..PartState::default()
    };
    seen.journal.insert(IndexName::new("app-view-2026-01"), state);
    let wide = text(MERGE).replace("'app-{event}-{month}'", "'{any}app-{event}-{month}'");
    let wide = wide.replace("event: 'view|download',", "any: '.*', event: 'view|download',");
    let plan = plan(&wide, &seen);
    assert!(plan.parts.iter().all(|part| part.source.as_str() != kept), "{plan}");
}

#[test]
fn each_source_has_its_own_copy_and_uuid() {
    let source = SourceIdentity {
        uuid: IndexUuid::new("ua,ub"),
        histories: vec![],
        also: vec![IndexName::new("b")],
    };
    let state = PartState { source: Some(source), ..PartState::default() };
    let sides = state.by_source(&IndexName::new("a"));
    let seen: Vec<_> = sides
        .iter()
        .map(|(name, state)| (name.as_str(), state.source.as_ref().unwrap().uuid.as_str()))
        .collect();
    assert_eq!(seen, [("a", "ua"), ("b", "ub")]);
}
