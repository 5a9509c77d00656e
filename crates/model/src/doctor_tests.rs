use super::*;
use crate::id::{Epoch, HistoryUuid};
use crate::journal::SourceIdentity;
use crate::part::Cutover;
use crate::phase::CutoverStep;

fn place(uuid: &str) -> Place {
    Place { uuid: Some(IndexUuid::new(uuid)), ..Place::default() }
}

fn part(phase: Phase) -> PartState {
    PartState {
        phase,
        target: Some(IndexName::new("t")),
        target_uuid: Some(IndexUuid::new("tu")),
        source: Some(SourceIdentity {
            uuid: IndexUuid::new("su"),
            histories: vec![HistoryUuid::new("h")],
        }),
        epoch: Some(Epoch(2)),
        ..PartState::default()
    }
}

fn switched(phase: Phase) -> PartState {
    let cutover = Cutover {
        epoch: Epoch(2),
        keep: IndexName::new("k"),
        aliases: Vec::new(),
        cursor: None,
        window: None,
        redirect: None,
        before: None,
    };
    PartState { cutover: Some(cutover), ..part(phase) }
}

/// Everything as it should be before the switch, and after it.
fn before() -> Evidence {
    let marks = vec!["segue-write-t-2".to_owned()];
    let target = Place { marks, ..place("tu") };
    Evidence { source: Some(place("su")), target: Some(target), ..Evidence::default() }
}

fn after() -> Evidence {
    Evidence {
        target: Some(place("tu")),
        kept: Some(Place { blocked: true, ..place("ku") }),
        name_on: vec![IndexName::new("t")],
        ..Evidence::default()
    }
}

fn names(state: &PartState, seen: &Evidence) -> Vec<&'static str> {
    judge(&IndexName::new("s"), state, seen).iter().map(|finding| finding.name).collect()
}

#[test]
fn what_fits_has_no_findings() {
    assert_eq!(names(&PartState::default(), &Evidence::default()), [""; 0]);
    for phase in [Phase::Backfilling, Phase::CatchingUp, Phase::Ready] {
        assert_eq!(names(&part(phase.clone()), &before()), [""; 0], "{phase}");
        let paused = Phase::Paused { at: Box::new(phase), reason: String::new() };
        assert_eq!(names(&part(paused), &before()), [""; 0]);
    }
    for phase in [Phase::Watching, Phase::Finished] {
        assert_eq!(names(&switched(phase.clone()), &after()), [""; 0], "{phase}");
    }
    let moving = Phase::CuttingOver { step: CutoverStep::Closing };
    let mut seen = before();
    seen.holder = Life::Alive("p".to_owned());
    seen.source = Some(Place { blocked: true, redirects: true, ..place("su") });
    assert_eq!(names(&switched(moving), &seen), [""; 0], "that is how a cutover looks");
}

type Spoil = fn(&mut Evidence);

#[test]
fn before_the_switch_each_contradiction_has_its_name() {
    let table: [(&str, Spoil); 10] = [
        ("blocked", |s| s.source.as_mut().unwrap().blocked = true),
        ("redirects", |s| s.source.as_mut().unwrap().redirects = true),
        ("source_missing", |s| s.source = None),
        ("source_replaced", |s| s.source = Some(place("other"))),
        ("target_missing", |s| s.target = None),
        ("target_replaced", |s| {
            s.target.as_mut().unwrap().uuid = Some(IndexUuid::new("other"));
        }),
        ("name_on_several", |s| s.name_on = vec![IndexName::new("a"), IndexName::new("b")]),
        ("mark_left", |s| {
            s.source.as_mut().unwrap().marks = vec!["segue-close-s-1".to_owned()];
        }),
        ("lease_of_the_dead", |s| s.holder = Life::Dead("p".to_owned())),
        ("cannot_tell", |s| s.unseen = vec!["403".to_owned()]),
    ];
    for (name, spoil) in table {
        let mut seen = before();
        spoil(&mut seen);
        assert_eq!(names(&part(Phase::Ready), &seen), [name]);
    }
    let mut seen = before();
    (seen.source, seen.name_on) = (None, vec![IndexName::new("t")]);
    assert_eq!(names(&part(Phase::Ready), &seen), ["switched_by_others"]);
}

#[test]
fn after_the_switch_each_contradiction_has_its_name() {
    let table: [(&str, Spoil); 6] = [
        ("blocked", |s| s.target.as_mut().unwrap().blocked = true),
        ("redirects", |s| s.target.as_mut().unwrap().redirects = true),
        ("relaxed", |s| s.target.as_mut().unwrap().relaxed = vec!["index.gc_deletes".to_owned()]),
        ("kept_missing", |s| s.kept = None),
        ("name_not_on_target", |s| s.name_on = Vec::new()),
        ("mark_left", |s| s.target.as_mut().unwrap().marks = vec!["segue-write-t-2".to_owned()]),
    ];
    for (name, spoil) in table {
        let mut seen = after();
        spoil(&mut seen);
        assert_eq!(names(&switched(Phase::Finished), &seen), [name]);
    }
    let retired = PartState { retired: Some(IndexName::new("k")), ..switched(Phase::Finished) };
    assert_eq!(names(&retired, &Evidence { kept: None, ..after() }), [""; 0]);
    assert_eq!(names(&switched(Phase::RolledBack), &after()), ["name_not_on_kept"]);
}

#[test]
fn a_switch_that_nobody_works_on_is_harm_and_comes_first() {
    let moving = Phase::CuttingOver { step: CutoverStep::Switching };
    let mut seen = before();
    seen.holder = Life::Dead("p".to_owned());
    let found = judge(&IndexName::new("s"), &switched(moving), &seen);
    let names: Vec<_> = found.iter().map(|finding| finding.name).collect();
    assert_eq!(names, ["left_in_the_switch", "lease_of_the_dead"]);
    assert_eq!(found[0].severity, Severity::Harm);
    assert_eq!(found[0].next.in_words("r.yaml"), "segue run r.yaml");
}
