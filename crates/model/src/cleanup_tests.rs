use super::*;
use crate::id::Epoch;
use crate::journal::{Event, SourceIdentity, VerifySummary};
use crate::stamp::Versioning;
use crate::version::{Incarnation, Rewrite};

const DAY: Duration = Duration::from_secs(86_400);

fn name(text: &str) -> IndexName {
    IndexName::new(text)
}

fn state(phase: Phase) -> PartState {
    let (incarnation, rewrite) = (Incarnation::FIRST, Rewrite::FIRST);
    let source = SourceIdentity { uuid: IndexUuid::new("old"), histories: vec![], also: vec![] };
    let events = [
        Event::PrepareStarted {
            source,
            target: name("a-v2"),
            pipeline: String::new(),
            versioning: Versioning::Ours,
        },
        Event::Prepared { target_uuid: IndexUuid::new("new"), incarnation, rewrite },
        Event::Backfilled,
        Event::VerifyStarted,
        Event::Verified { positions: vec![], summary: VerifySummary::default() },
        Event::CutoverStarted {
            epoch: Epoch(1),
            keep: name("segue-before-a"),
            aliases: vec![],
            before: None,
        },
    ];
    PartState { phase, ..PartState::fold(&events).unwrap() }
}

/// What is seen of a kept copy that may go.
fn kept() -> Seen {
    Seen {
        found: Ok(Some(Found {
            uuid: "k".to_owned(),
            cloned_from: Some("old".to_owned()),
            ..Found::default()
        })),
        serving: Ok(Serving { indices: vec![(name("a-v2"), IndexUuid::new("new"))], red: vec![] }),
        elsewhere: Ok(vec![]),
        age: Ok(8 * DAY),
    }
}

/// What is seen of a target that may go, after the way back.
fn target() -> Seen {
    Seen {
        found: Ok(Some(Found {
            uuid: "new".to_owned(),
            made_by: Some(("m".to_owned(), "a".to_owned())),
            ..Found::default()
        })),
        serving: Ok(Serving { indices: vec![(name("a"), IndexUuid::new("x"))], red: vec![] }),
        ..kept()
    }
}

fn judged(phase: Phase, seen: &Seen) -> Vec<Doubt> {
    let state = state(phase);
    let remains = Remains::of(&state).unwrap();
    doubts(&MigrationName::new("m"), &name("a"), &state, &remains, seen, 7 * DAY)
}

fn found(seen: &mut Seen) -> &mut Found {
    seen.found.as_mut().unwrap().as_mut().unwrap()
}

fn serving(seen: &mut Seen) -> &mut Serving {
    seen.serving.as_mut().unwrap()
}

#[test]
fn a_part_leaves_its_kept_copy_and_after_the_way_back_its_target() {
    let of = |phase| Remains::of(&state(phase)).map(|remains| remains.index.to_string());
    assert_eq!(of(Phase::Finished).as_deref(), Some("segue-before-a"));
    assert_eq!(of(Phase::Watching).as_deref(), Some("segue-before-a"));
    assert_eq!(of(Phase::RolledBack).as_deref(), Some("a-v2"));
    for phase in [Phase::Planned, Phase::Ready, Phase::RollingBack, Phase::Abandoned] {
        assert_eq!(of(phase), None);
    }
}

#[test]
fn without_doubt_it_may_go() {
    assert_eq!(judged(Phase::Finished, &kept()), []);
    assert_eq!(judged(Phase::RolledBack, &target()), []);
    assert_eq!(judged(Phase::Finished, &Seen { found: Ok(None), ..kept() }), []);
}

#[test]
fn any_one_doubt_is_enough() {
    type Spoil = fn(&mut Seen);
    let common: [(&str, Spoil); 11] = [
        ("could not be looked at: f", |s| s.found = Err("f".to_owned())),
        ("could not be looked at: s", |s| s.serving = Err("s".to_owned())),
        ("could not be looked at: e", |s| s.elsewhere = Err("e".to_owned())),
        ("could not be looked at: t", |s| s.age = Err("t".to_owned())),
        ("names stand for it: x", |s| found(s).aliases.push(AliasName::new("x"))),
        ("a stands for nothing", |s| serving(s).indices.clear()),
        ("a stands for several indices", |s| {
            serving(s).indices.push((name("b"), IndexUuid::new("b")));
        }),
        ("misses a primary", |s| serving(s).red.push(name("a"))),
        ("the journal of n (b) names it", |s| {
            s.elsewhere = Ok(vec![(MigrationName::new("n"), name("b"))]);
        }),
        ("the names moved 6 days ago, it is kept for 7 days", |s| s.age = Ok(6 * DAY)),
        ("the names moved 0 s ago", |s| s.age = Ok(Duration::ZERO)),
    ];
    for (expected, spoil) in common {
        for (phase, mut seen) in [(Phase::Finished, kept()), (Phase::RolledBack, target())] {
            spoil(&mut seen);
            let doubts = judged(phase, &seen);
            let [doubt] = doubts.as_slice() else { panic!("{expected}: {doubts:?}") };
            assert!(doubt.to_string().contains(expected), "{doubt}");
        }
    }
    let kept_only: [(&str, Spoil); 4] = [
        ("not cloned from a", |s| found(s).cloned_from = None),
        ("not cloned from a", |s| found(s).cloned_from = Some("other".to_owned())),
        ("served by the target, but by a-v2", |s| {
            serving(s).indices[0].1 = IndexUuid::new("another of that name");
        }),
        ("served by the target, but by b", |s| serving(s).indices[0].0 = name("b")),
    ];
    let target_only: [(&str, Spoil); 4] = [
        ("not made by m for a", |s| found(s).made_by = None),
        ("not made by m for a", |s| found(s).made_by = Some(("m".to_owned(), "b".to_owned()))),
        ("its UUID is u", |s| found(s).uuid = "u".to_owned()),
        ("still served by a-v2", |s| serving(s).indices[0].0 = name("a-v2")),
    ];
    let each = [(Phase::Finished, kept(), kept_only), (Phase::RolledBack, target(), target_only)];
    for (phase, clean, table) in each {
        for (expected, spoil) in table {
            let mut seen = clean.clone();
            spoil(&mut seen);
            let doubts = judged(phase.clone(), &seen);
            let [doubt] = doubts.as_slice() else { panic!("{expected}: {doubts:?}") };
            assert!(doubt.to_string().contains(expected), "{doubt}");
        }
    }
    let watching = judged(Phase::Watching, &kept());
    assert_eq!(watching, [Doubt::NotFinished { phase: "watching".to_owned() }]);
}
