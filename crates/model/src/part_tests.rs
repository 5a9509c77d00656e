use proptest::prelude::*;

use super::*;
use crate::phase::CutoverStep;

fn source() -> SourceIdentity {
    SourceIdentity { uuid: IndexUuid::new("u"), histories: vec![], also: vec![] }
}

fn prepare_started() -> Event {
    Event::PrepareStarted {
        source: source(),
        target: IndexName::new("b"),
        pipeline: "p".to_owned(),
        versioning: Versioning::Preserved,
    }
}

fn prepared() -> Event {
    Event::Prepared {
        target_uuid: IndexUuid::new("t"),
        incarnation: Incarnation::FIRST,
        rewrite: Rewrite::FIRST,
    }
}

fn verified() -> Event {
    Event::Verified { positions: vec![SeqNo(9)], summary: VerifySummary::default() }
}

fn cutover_started() -> Event {
    Event::CutoverStarted {
        epoch: Epoch(2),
        keep: IndexName::new("k"),
        aliases: vec![],
        before: None,
    }
}

fn redirect_started() -> Event {
    Event::RedirectStarted {
        cursor: vec![SeqNo(12)],
        pipeline: "segue-redirect-x".to_owned(),
        default_pipeline: Some("own".to_owned()),
        final_pipeline: None,
    }
}

/// A cutover in mode redirect, from its begin to its end.
fn redirected() -> Vec<Event> {
    vec![
        prepare_started(),
        prepared(),
        Event::Backfilled,
        Event::VerifyStarted,
        verified(),
        Event::EpochOpened { epoch: Epoch(2) },
        cutover_started(),
        redirect_started(),
        Event::Redirected,
        Event::RedirectCarried { balance: Balance::default(), superseded: 3, named: vec![] },
        Event::Switching { cursor: vec![SeqNo(12)] },
        Event::Switched { window: CutoverWindow::default() },
        Event::RedirectEnded { ends: vec![SeqNo(20)] },
        Event::RedirectEnriched { enriched: 2, left: 0, named: vec![] },
        Event::WatchEnded,
    ]
}

#[test]
fn a_redirect_can_be_taken_back_at_each_step_before_the_switch_and_not_after() {
    let events = redirected();
    let mut state = PartState::default();
    for event in &events {
        state.apply(event).unwrap();
        let cutting = matches!(state.phase, Phase::CuttingOver { .. });
        let mut back = state.clone();
        let taken_back = back.apply(&Event::BackedOut { reason: reason() }).is_ok();
        assert_eq!(taken_back, cutting, "after {}", event.name());
        if cutting {
            assert_eq!(back.phase, Phase::CatchingUp);
        }
        let pending = state.cutover.as_ref().is_some_and(Cutover::is_redirect_pending);
        let begun = state.cutover.as_ref().is_some_and(|c| c.redirect.is_some());
        let over = matches!(event, Event::RedirectEnriched { .. } | Event::WatchEnded);
        assert_eq!(pending, begun && !over, "after {}", event.name());
    }
    let redirect = state.cutover.and_then(|cutover| cutover.redirect).unwrap();
    assert_eq!(redirect.default_pipeline.as_deref(), Some("own"));
    assert_eq!((redirect.superseded, redirect.ends), (3, Some(vec![SeqNo(20)])));
}

#[test]
fn no_step_of_a_redirect_can_be_left_out_before_the_switch() {
    let events = redirected();
    for left_out in ["redirect_started", "redirected"] {
        let rest = events.iter().filter(|event| event.name() != left_out);
        assert!(PartState::fold(rest).is_err(), "{left_out}");
    }
}

fn restarted() -> Event {
    Event::Restarted {
        source: source(),
        incarnation: Incarnation::FIRST,
        rewrite: Rewrite::FIRST.next().unwrap(),
        pipeline: "p2".to_owned(),
        reason: "r".to_owned(),
    }
}

fn reason() -> String {
    "r".to_owned()
}

fn every_event() -> Vec<Event> {
    vec![
        prepare_started(),
        prepared(),
        Event::EpochOpened { epoch: Epoch(2) },
        restarted(),
        Event::Backfilled,
        Event::CatchUpStarted,
        Event::VerifyStarted,
        verified(),
        Event::Diverged { reason: reason(), summary: VerifySummary::default() },
        cutover_started(),
        redirect_started(),
        Event::Redirected,
        Event::RedirectCarried { balance: Balance::default(), superseded: 1, named: vec![] },
        Event::RedirectEnded { ends: vec![SeqNo(20)] },
        Event::RedirectEnriched { enriched: 2, left: 0, named: vec![] },
        Event::Switching { cursor: vec![SeqNo(12)] },
        Event::Switched { window: CutoverWindow::default() },
        Event::BackedOut { reason: reason() },
        Event::WatchEnded,
        Event::Paused { reason: reason() },
        Event::Failed { reason: reason() },
        Event::Resumed,
        Event::RollbackStarted { discards: false },
        Event::RollbackBackedOut { reason: reason() },
        Event::RolledBack { window: CutoverWindow::default() },
        Event::ReverseFeedStarted { incarnation: Incarnation::FIRST },
        Event::AbandonStarted,
        Event::Abandoned,
        Event::BegunAnew { incarnation: Incarnation::LAST },
        Event::Retired { index: IndexName::new("k"), uuid: IndexUuid::new("u") },
    ]
}

fn straight() -> Vec<Event> {
    vec![
        prepare_started(),
        prepared(),
        Event::EpochOpened { epoch: Epoch(1) },
        Event::Backfilled,
        Event::VerifyStarted,
        verified(),
        Event::EpochOpened { epoch: Epoch(2) },
        cutover_started(),
        Event::Switching { cursor: vec![SeqNo(12)] },
        Event::Switched {
            window: CutoverWindow { closed_ms: Some(300), last_pass: 4, redirected_ms: None },
        },
        Event::WatchEnded,
    ]
}

#[test]
fn a_straight_run_ends_finished_and_remembers_its_names() {
    let events = straight();
    let state = PartState::fold(&events).unwrap();
    assert_eq!(state.phase, Phase::Finished);
    assert_eq!(state.records, events.len() as u64);
    assert_eq!(state.target, Some(IndexName::new("b")));
    assert_eq!(state.epoch, Some(Epoch(2)));
    let cutover = state.cutover.unwrap();
    assert_eq!(cutover.cursor, Some(vec![SeqNo(12)]));
    assert_eq!(
        cutover.window,
        Some(CutoverWindow { closed_ms: Some(300), last_pass: 4, redirected_ms: None })
    );
}

#[test]
fn a_cutover_ends_by_a_switch_or_a_back_out_and_nothing_else() {
    for steps in [8, 9] {
        let state = PartState::fold(&straight()[..steps]).unwrap();
        assert!(matches!(state.phase, Phase::CuttingOver { .. }));
        for event in every_event() {
            let after = state.clone().phase.next(&event);
            let allowed = match event {
                Event::BackedOut { .. } => true,
                Event::Switching { .. } | Event::RedirectStarted { .. } => steps == 8,
                Event::Switched { .. } => steps == 9,
                _ => false,
            };
            assert_eq!(after.is_ok(), allowed, "{} after {}", event.name(), state.phase);
        }
    }
}

#[test]
fn nothing_before_the_cutover_step_can_be_taken_for_a_switch() {
    for steps in 0..8 {
        let state = PartState::fold(&straight()[..steps]).unwrap();
        let event = Event::Switched { window: CutoverWindow::default() };
        assert!(state.phase.next(&event).is_err(), "switched after {}", state.phase);
    }
}

#[test]
fn the_way_back_ends_rolled_back_or_watching_and_nothing_else() {
    for switched in [straight()[..10].to_vec(), straight()] {
        let mut events = switched;
        events.push(Event::ReverseFeedStarted { incarnation: Incarnation::FIRST.next().unwrap() });
        events.push(Event::EpochOpened { epoch: Epoch(3) });
        events.push(Event::RollbackStarted { discards: false });
        let state = PartState::fold(&events).unwrap();
        assert_eq!(state.phase, Phase::RollingBack);
        assert_eq!((state.epoch, state.reverse.map(Incarnation::get)), (Some(Epoch(3)), Some(2)));
        for event in every_event() {
            let expected = match event {
                Event::RollbackBackedOut { .. } => Some(Phase::Watching),
                Event::RolledBack { .. } => Some(Phase::RolledBack),
                _ => None,
            };
            assert_eq!(state.phase.next(&event).ok(), expected, "{}", event.name());
        }
    }
}

#[test]
fn no_way_back_begins_before_the_switch() {
    for steps in 0..10 {
        let state = PartState::fold(&straight()[..steps]).unwrap();
        for event in [
            Event::RollbackStarted { discards: true },
            Event::ReverseFeedStarted { incarnation: Incarnation::FIRST },
        ] {
            assert!(state.phase.next(&event).is_err(), "{} while {}", event.name(), state.phase);
        }
    }
}

#[test]
fn records_of_older_versions_are_still_read() {
    for (text, expected) in [
        (r#"{"event":"rollback_started"}"#, Event::RollbackStarted { discards: false }),
        (r#"{"event":"rolled_back"}"#, Event::RolledBack { window: CutoverWindow::default() }),
        (
            r#"{"event":"prepare_started","source":{"uuid":"u","histories":[]},"target":"b","pipeline":"p"}"#,
            match prepare_started() {
                Event::PrepareStarted { source, target, pipeline, .. } => {
                    let versioning = Versioning::Ours;
                    Event::PrepareStarted { source, target, pipeline, versioning }
                }
                other => other,
            },
        ),
        (r#"{"event":"cutover_started","epoch":2,"keep":"k","aliases":[]}"#, cutover_started()),
    ] {
        assert_eq!(serde_json::from_str::<Event>(text).unwrap(), expected);
    }
}

#[test]
fn a_failed_part_goes_on_where_it_failed() {
    let mut events = straight()[..4].to_vec();
    events.push(Event::Failed { reason: reason() });
    let failed = PartState::fold(&events).unwrap();
    assert_eq!(failed.phase.to_string(), "failed while catching up: r");
    events.push(Event::Resumed);
    assert_eq!(PartState::fold(&events).unwrap().phase, Phase::CatchingUp);
}

#[test]
fn a_restart_forgets_what_was_verified() {
    let mut events = straight()[..6].to_vec();
    events.push(restarted());
    let state = PartState::fold(&events).unwrap();
    assert_eq!((state.phase, state.verified), (Phase::Backfilling, None));
    assert_eq!(state.rewrite.get(), 1);
    assert_eq!(state.pipeline.as_deref(), Some("p2"));
}

#[test]
fn records_survive_their_stored_form() {
    for event in every_event() {
        let text = serde_json::to_string(&event).unwrap();
        assert!(text.contains(event.name()), "{text}");
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }
}

/// The states of every prefix of `straight`, with how many events made each.
fn along_the_way() -> Vec<(usize, PartState)> {
    let events = straight();
    (0..=events.len()).map(|n| (n, PartState::fold(&events[..n]).unwrap())).collect()
}

#[test]
fn a_part_is_given_up_before_its_cutover_only_and_by_two_records() {
    for (steps, state) in along_the_way() {
        let given_up = state.phase.next(&Event::AbandonStarted);
        assert_eq!(given_up.is_ok(), steps < 8, "{}", state.phase);
        assert!(state.phase.next(&Event::Abandoned).is_err(), "{}", state.phase);
        let mut failed = state.clone();
        if failed.apply(&Event::Failed { reason: reason() }).is_ok() {
            assert_eq!(failed.phase.next(&Event::AbandonStarted), Ok(Phase::Abandoning));
        }
    }
}

#[test]
fn what_is_being_given_up_can_only_be_given_up() {
    for event in every_event() {
        let after = Phase::Abandoning.next(&event);
        assert_eq!(after.is_ok(), event == Event::Abandoned, "{}", event.name());
    }
}

#[test]
fn begun_anew_means_nothing_is_known_but_epochs_go_on() {
    let mut events = straight()[..6].to_vec();
    events.extend([Event::AbandonStarted, Event::Abandoned]);
    let incarnation = Incarnation::FIRST.next().unwrap();
    events.push(Event::BegunAnew { incarnation });
    let state = PartState::fold(&events).unwrap();
    let epoch = Some(Epoch(1));
    let expected = PartState { records: 9, incarnation, epoch, ..PartState::default() };
    assert_eq!(state, expected);
}

#[test]
fn only_what_is_done_with_is_retired() {
    let retired = Event::Retired { index: IndexName::new("k"), uuid: IndexUuid::new("u") };
    for (steps, mut state) in along_the_way() {
        let finished = steps == straight().len();
        assert_eq!(state.apply(&retired).is_ok(), finished, "{}", state.phase);
        assert_eq!(state.retired.is_some(), finished);
    }
    assert_eq!(Phase::RolledBack.next(&retired), Ok(Phase::RolledBack));
    for phase in [Phase::Watching, Phase::RollingBack, Phase::Abandoned] {
        assert!(phase.next(&retired).is_err(), "{phase}");
    }
}

proptest! {
    /// Whatever happens in whatever order: after the switch only the watch's end or a rollback
    /// follow, and a part is never switched without a verification that passed.
    #[test]
    fn no_path_leads_to_a_switch_without_verification(
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..80)
    ) {
        let events = every_event();
        let mut state = PartState::default();
        let mut unverified_writes = true;
        for pick in picks {
            let event = pick.get(&events);
            let before = state.clone();
            if state.apply(event).is_err() {
                prop_assert_eq!(&state, &before, "a refused event changes nothing");
                continue;
            }
            match event {
                Event::Verified { .. } => unverified_writes = false,
                Event::Restarted { .. }
                | Event::CatchUpStarted
                | Event::BackedOut { .. }
                | Event::BegunAnew { .. } => {
                    unverified_writes = true;
                }
                Event::Switched { .. } => {
                    prop_assert!(!unverified_writes);
                    let switching = Phase::CuttingOver { step: CutoverStep::Switching };
                    prop_assert_eq!(before.phase, switching);
                }
                _ => {}
            }
        }
    }
}
