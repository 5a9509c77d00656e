use serde_json::json;

use super::*;
use crate::cutover::{Mark, closing_mark};
use crate::id::{AliasName, Epoch, IndexUuid, SeqNo};
use crate::journal::{CutoverWindow, Event, SourceIdentity, VerifySummary};
use crate::lease::{Holder, Known};
use crate::stamp::Versioning;
use crate::version::{Incarnation, Rewrite};

fn source() -> IndexName {
    IndexName::new("a")
}

fn target() -> IndexName {
    IndexName::new("a-v2")
}

fn keep() -> IndexName {
    IndexName::new("segue-before-a")
}

pub(super) fn until_ready() -> Vec<Event> {
    let identity =
        SourceIdentity { uuid: IndexUuid::new("S"), histories: Vec::new(), also: vec![] };
    vec![
        Event::PrepareStarted {
            source: identity,
            target: target(),
            pipeline: String::new(),
            versioning: Versioning::Ours,
        },
        Event::Prepared {
            target_uuid: IndexUuid::new("T"),
            incarnation: Incarnation::FIRST,
            rewrite: Rewrite::FIRST,
        },
        Event::EpochOpened { epoch: Epoch(1) },
        Event::EpochOpened { epoch: Epoch(2) },
        Event::Backfilled,
        Event::VerifyStarted,
        Event::Verified { positions: Vec::new(), summary: VerifySummary::default() },
    ]
}

fn until_cutover() -> Vec<Event> {
    let mut events = until_ready();
    events.push(Event::CutoverStarted {
        epoch: Epoch(2),
        keep: keep(),
        aliases: vec![AliasName::new("all")],
        before: None,
    });
    events
}

fn until_redirect() -> Vec<Event> {
    let mut events = until_cutover();
    events.push(Event::RedirectStarted {
        cursor: vec![SeqNo(1)],
        pipeline: "segue-redirect-m-1-2".to_owned(),
        default_pipeline: Some("mine".to_owned()),
        final_pipeline: None,
    });
    events
}

fn until_watching() -> Vec<Event> {
    let mut events = until_cutover();
    events.push(Event::Switching { cursor: vec![SeqNo(1)] });
    events.push(Event::Switched { window: CutoverWindow::default() });
    events
}

fn until_finished() -> Vec<Event> {
    let mut events = until_watching();
    events.push(Event::WatchEnded);
    events
}

fn until_rolled_back() -> Vec<Event> {
    let mut events = until_finished();
    events.push(Event::RollbackStarted { discards: true });
    events.push(Event::RolledBack { window: CutoverWindow::default() });
    events
}

fn with(mut events: Vec<Event>, more: Event) -> Vec<Event> {
    events.push(more);
    events
}

fn index(uuid: &str) -> Index {
    Index { uuid: uuid.to_owned(), ..Index::default() }
}

fn alias(index: &mut Index, name: &AliasName, hides: bool) {
    index.aliases.insert(name.clone(), hides);
}

fn set(index: &mut Index, name: &str, value: &str) {
    index.settings.insert(name.to_owned(), value.to_owned());
}

fn copy() -> Index {
    let mut copy = Index { cloned_from: Some("S".to_owned()), ..index("K") };
    set(&mut copy, "index.blocks.write", "true");
    copy
}

/// As it should be before the switch.
fn before() -> Evidence {
    let mut to = index("T");
    alias(&mut to, &Mark::Write(Epoch(2)).alias(&target()), false);
    alias(&mut to, &AliasName::new("all"), true);
    Evidence {
        names: Ok(Standing { index: Some(index("S")), aliased: Vec::new() }),
        target: Ok(Some(to)),
        kept: Ok(None),
        pipelines: Ok(Vec::new()),
        lease: Ok(None),
        relaxed: Vec::new(),
        enrichment: Ok(None),
    }
}

/// As it should be after the switch.
fn after() -> Evidence {
    let mut to = index("T");
    alias(&mut to, &AliasName::new("all"), false);
    Evidence {
        names: Ok(Standing { index: None, aliased: vec![target()] }),
        target: Ok(Some(to)),
        kept: Ok(Some(copy())),
        ..before()
    }
}

/// As it should be after the way back.
fn back() -> Evidence {
    let mut old = copy();
    old.settings.clear();
    Evidence {
        names: Ok(Standing { index: None, aliased: vec![keep()] }),
        target: Ok(Some(index("T"))),
        kept: Ok(Some(old)),
        ..before()
    }
}

fn held(known: Known) -> crate::cleanup::Look<Option<LeaseSeen>> {
    let holder = Holder { process: "1-1".into(), host: "h".into(), pid: 1, space: String::new() };
    Ok(Some(LeaseSeen { holder, known }))
}

fn judge(events: &[Event], seen: &Evidence) -> Vec<Finding> {
    let state = PartState::fold(events).unwrap();
    let (migration, source) = (MigrationName::new("m"), source());
    findings(Part { migration: &migration, source: &source, state: &state }, seen)
}

fn names_of(findings: &[Finding]) -> Vec<Kind> {
    findings.iter().map(|finding| finding.kind).collect()
}

fn source_of(seen: &mut Evidence) -> &mut Index {
    seen.names.as_mut().unwrap().index.as_mut().unwrap()
}

fn target_of(seen: &mut Evidence) -> &mut Index {
    seen.target.as_mut().unwrap().as_mut().unwrap()
}

fn kept_of(seen: &mut Evidence) -> &mut Index {
    seen.kept.as_mut().unwrap().as_mut().unwrap()
}

fn redirected(seen: &mut Evidence, there: bool) {
    set(source_of(seen), "index.default_pipeline", "segue-redirect-m-1-2");
    let name = "segue-redirect-m-1-2".to_owned();
    seen.pipelines = Ok(vec![Redirector { name, target: Some((target(), there)) }]);
}

type Spoil = fn(&mut Evidence);
type Row = (&'static str, Vec<Event>, Evidence, Spoil, Vec<Kind>);

fn check(table: Vec<Row>) {
    for (what, events, mut seen, spoil, expected) in table {
        spoil(&mut seen);
        assert_eq!(names_of(&judge(&events, &seen)), expected, "{what}");
    }
}

#[test]
fn what_is_as_it_should_be_has_no_findings() {
    let failed = Event::Failed { reason: "x".to_owned() };
    check(vec![
        ("nothing begun", vec![], before(), |_| {}, vec![]),
        ("ready", until_ready(), before(), |_| {}, vec![]),
        ("failed", with(until_ready(), failed), before(), |_| {}, vec![]),
        ("watching", until_watching(), after(), |_| {}, vec![]),
        ("finished", until_finished(), after(), |_| {}, vec![]),
        ("rolled back", until_rolled_back(), back(), |_| {}, vec![]),
        (
            "a cutover that somebody runs",
            until_redirect(),
            before(),
            |seen| {
                seen.lease = held(Known::No);
                set(source_of(seen), "index.blocks.write", "true");
                set(source_of(seen), "index.default_pipeline", "segue-redirect-m-1-2");
                alias(source_of(seen), &closing_mark(&source(), Epoch(2)), false);
            },
            vec![],
        ),
        (
            "between a record and its request",
            with(until_ready(), Event::EpochOpened { epoch: Epoch(3) }),
            before(),
            |seen| seen.lease = held(Known::No),
            vec![],
        ),
        (
            "cleaned up",
            with(until_finished(), Event::Retired { index: keep(), uuid: IndexUuid::new("K") }),
            after(),
            |seen| seen.kept = Ok(None),
            vec![],
        ),
        (
            "carried back",
            with(until_watching(), Event::ReverseFeedStarted { incarnation: Incarnation::FIRST }),
            after(),
            |seen| kept_of(seen).settings.clear(),
            vec![],
        ),
    ]);
}

#[test]
fn before_the_switch() {
    let backed_out = with(until_redirect(), Event::BackedOut { reason: String::new() });
    check(vec![
        (
            "closed",
            until_ready(),
            before(),
            |seen| set(source_of(seen), "index.blocks.write", "true"),
            vec![Kind::SourceBlocked],
        ),
        (
            "redirected",
            backed_out.clone(),
            before(),
            |seen| redirected(seen, true),
            vec![Kind::RedirectInForce],
        ),
        (
            "redirected to nowhere",
            backed_out.clone(),
            before(),
            |seen| redirected(seen, false),
            vec![Kind::RedirectInForce, Kind::RedirectTargetMissing],
        ),
        (
            "a pipeline that nobody uses",
            backed_out,
            before(),
            |seen| {
                let name = "segue-redirect-m-1-2".to_owned();
                seen.pipelines = Ok(vec![Redirector { name, target: None }]);
            },
            vec![Kind::RedirectLeft],
        ),
        (
            "an old mark",
            until_ready(),
            before(),
            |seen| alias(target_of(seen), &Mark::Write(Epoch(1)).alias(&target()), false),
            vec![Kind::StaleMark],
        ),
        (
            "a later mark",
            until_ready(),
            before(),
            |seen| alias(target_of(seen), &Mark::Write(Epoch(3)).alias(&target()), false),
            vec![Kind::UnknownMark],
        ),
        (
            "no mark",
            until_ready(),
            before(),
            |seen| target_of(seen).aliases.clear(),
            vec![Kind::MarkMissing],
        ),
        (
            "a closing mark",
            until_ready(),
            before(),
            |seen| alias(source_of(seen), &closing_mark(&source(), Epoch(2)), false),
            vec![Kind::StaleMark],
        ),
        (
            "the target serves",
            until_ready(),
            before(),
            |seen| seen.names = after().names,
            vec![Kind::SwitchedUnrecorded],
        ),
        (
            "several",
            until_ready(),
            before(),
            |seen| {
                let aliased = vec![target(), IndexName::new("b")];
                seen.names = Ok(Standing { index: None, aliased });
            },
            vec![Kind::SeveralIndices],
        ),
        (
            "another index serves",
            until_ready(),
            before(),
            |seen| seen.names = Ok(Standing { index: None, aliased: vec![IndexName::new("b")] }),
            vec![Kind::ServesOther],
        ),
        (
            "gone",
            until_ready(),
            before(),
            |seen| seen.names = Ok(Standing::default()),
            vec![Kind::SourceMissing],
        ),
        (
            "another source",
            until_ready(),
            before(),
            |seen| source_of(seen).uuid = "S2".to_owned(),
            vec![Kind::SourceReplaced],
        ),
        (
            "no target",
            until_ready(),
            before(),
            |seen| seen.target = Ok(None),
            vec![Kind::TargetMissing],
        ),
        (
            "another target",
            until_ready(),
            before(),
            |seen| target_of(seen).uuid = "T2".to_owned(),
            vec![Kind::TargetReplaced],
        ),
        (
            "the target is shown",
            until_ready(),
            before(),
            |seen| alias(target_of(seen), &AliasName::new("all"), false),
            vec![Kind::TargetShown],
        ),
        (
            "a dead holder",
            until_ready(),
            before(),
            |seen| seen.lease = held(Known::Dead),
            vec![Kind::LeaseOfDead],
        ),
        (
            "given up, not removed",
            [until_ready(), vec![Event::AbandonStarted, Event::Abandoned]].concat(),
            before(),
            |_| {},
            vec![Kind::TargetLeft],
        ),
    ]);
}

#[test]
fn a_cutover_that_nobody_runs() {
    check(vec![
        ("just begun", until_cutover(), before(), |_| {}, vec![Kind::CutoverUnended]),
        (
            "closed, and its process died",
            until_cutover(),
            before(),
            |seen| {
                seen.lease = held(Known::Dead);
                set(source_of(seen), "index.blocks.write", "true");
            },
            vec![Kind::LeaseOfDead, Kind::CutoverUnended, Kind::SourceBlocked],
        ),
        (
            "the names have moved",
            until_cutover(),
            after(),
            |_| {},
            vec![Kind::CutoverUnended, Kind::SwitchedUnrecorded],
        ),
        (
            "the same, and somebody is at it",
            until_cutover(),
            after(),
            |seen| seen.lease = held(Known::No),
            vec![],
        ),
        (
            "a way back",
            with(until_finished(), Event::RollbackStarted { discards: false }),
            after(),
            |_| {},
            vec![Kind::RollbackUnended],
        ),
        (
            "giving up",
            with(until_ready(), Event::AbandonStarted),
            before(),
            |_| {},
            vec![Kind::AbandonUnended],
        ),
    ]);
}

#[test]
fn after_the_switch() {
    check(vec![
        (
            "the source serves",
            until_watching(),
            after(),
            |seen| seen.names = before().names,
            vec![Kind::NotSwitched],
        ),
        (
            "documents were left",
            until_watching(),
            after(),
            |seen| seen.enrichment = Ok(Some(EnrichmentSeen { listed: 2, behind: 3 })),
            vec![Kind::NotEnriched],
        ),
        (
            "more is to be enriched",
            until_watching(),
            after(),
            |seen| seen.enrichment = Ok(Some(EnrichmentSeen { listed: 0, behind: 3 })),
            vec![],
        ),
        (
            "several",
            until_finished(),
            after(),
            |seen| seen.names.as_mut().unwrap().aliased.push(IndexName::new("b")),
            vec![Kind::SeveralIndices],
        ),
        (
            "a mark",
            until_finished(),
            after(),
            |seen| alias(target_of(seen), &Mark::Write(Epoch(2)).alias(&target()), false),
            vec![Kind::MarkOnServing],
        ),
        (
            "closed",
            until_finished(),
            after(),
            |seen| set(target_of(seen), "index.blocks.write", "true"),
            vec![Kind::TargetBlocked],
        ),
        (
            "hidden",
            until_finished(),
            after(),
            |seen| alias(target_of(seen), &AliasName::new("all"), true),
            vec![Kind::TargetHidden],
        ),
        (
            "relaxed",
            until_finished(),
            after(),
            |seen| {
                set(target_of(seen), "index.gc_deletes", "12h");
                set(target_of(seen), "index.number_of_replicas", "0");
                set(target_of(seen), "index.refresh_interval", "-1");
                let relaxed = |setting, meanwhile, otherwise: Option<&str>| Relaxed {
                    setting,
                    meanwhile,
                    otherwise: otherwise.map(str::to_owned),
                };
                seen.relaxed = vec![
                    relaxed("index.gc_deletes", "12h", None),
                    relaxed("index.number_of_replicas", "0", Some("1")),
                    // As it is meant to be.
                    relaxed("index.refresh_interval", "-1", Some("-1")),
                ];
            },
            vec![Kind::StillRelaxed],
        ),
        (
            "no copy",
            until_finished(),
            after(),
            |seen| seen.kept = Ok(None),
            vec![Kind::KeptMissing],
        ),
        (
            "another copy",
            until_finished(),
            after(),
            |seen| kept_of(seen).cloned_from = None,
            vec![Kind::KeptReplaced],
        ),
        (
            "an open copy",
            until_finished(),
            after(),
            |seen| kept_of(seen).settings.clear(),
            vec![Kind::KeptOpen],
        ),
        (
            "another target",
            until_finished(),
            after(),
            |seen| target_of(seen).uuid = "T2".to_owned(),
            vec![Kind::TargetReplaced],
        ),
        (
            "back, and closed",
            until_rolled_back(),
            back(),
            |seen| set(kept_of(seen), "index.blocks.write", "true"),
            vec![Kind::SourceBlocked],
        ),
    ]);
    let mut seen = after();
    set(target_of(&mut seen), "index.gc_deletes", "12h");
    seen.relaxed = vec![Relaxed { setting: "index.gc_deletes", meanwhile: "12h", otherwise: None }];
    let found = judge(&until_finished(), &seen);
    assert_eq!(
        found[0].next,
        Step::put("/a-v2/_settings", json!({ "index.gc_deletes": null })),
        "only what is relaxed is set back"
    );
}

#[test]
fn what_could_not_be_looked_at_is_a_finding_and_settles_nothing() {
    let blind = || Err("no answer".to_owned());
    let looks: [(&str, Spoil); 5] = [
        ("names", |seen| seen.names = Err("no answer".to_owned())),
        ("target", |seen| seen.target = Err("no answer".to_owned())),
        ("kept", |seen| seen.kept = Err("no answer".to_owned())),
        ("pipelines", |seen| seen.pipelines = Err("no answer".to_owned())),
        ("lease", |seen| seen.lease = Err("no answer".to_owned())),
    ];
    for (what, spoil) in looks {
        for (events, mut seen) in [(until_ready(), before()), (until_finished(), after())] {
            spoil(&mut seen);
            let found = judge(&events, &seen);
            assert_eq!(names_of(&found), [Kind::CannotTell], "{what}");
            assert_eq!(found[0].what, "no answer");
        }
    }
    // Whether somebody runs it is not known.
    let seen = Evidence { lease: blind(), ..before() };
    assert_eq!(names_of(&judge(&until_cutover(), &seen)), [Kind::CannotTell]);
}

#[test]
fn the_next_step_can_be_typed() {
    let mut seen = before();
    set(source_of(&mut seen), "index.blocks.write", "true");
    let next = &judge(&until_ready(), &seen)[0].next;
    assert_eq!(
        next.command("r.yaml", "http://localhost:9200/"),
        "curl -X PUT http://localhost:9200/a/_settings -H 'content-type: application/json' \
         -d '{\"index.blocks.write\":null}'"
    );
    assert_eq!(Step::Run.command("'my r.yaml'", "u"), "segue run 'my r.yaml'");
    assert_eq!(word("it's"), r"'it'\''s'");
    assert_eq!(Kind::SourceBlocked.name(), "source_blocked");
    // What was closed by a cutover is opened by the next run, which knows how it ended.
    let found = judge(&until_cutover(), &seen);
    assert!(found.iter().all(|finding| finding.next == Step::Run), "{found:?}");
}
