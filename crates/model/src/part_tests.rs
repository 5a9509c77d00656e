use proptest::prelude::*;

use super::*;
use crate::phase::CutoverStep;

fn source() -> SourceIdentity {
    SourceIdentity { uuid: IndexUuid::new("u"), histories: vec![] }
}

fn prepare_started() -> Event {
    Event::PrepareStarted {
        source: source(),
        target: IndexName::new("b"),
        pipeline: "p".to_owned(),
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
    Event::CutoverStarted { epoch: Epoch(2), keep: IndexName::new("k"), aliases: vec![] }
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
        Event::Switching { cursor: vec![SeqNo(12)] },
        Event::Switched { window: CutoverWindow::default() },
        Event::BackedOut { reason: reason() },
        Event::WatchEnded,
        Event::Paused { reason: reason() },
        Event::Failed { reason: reason() },
        Event::Resumed,
        Event::RollbackStarted,
        Event::RolledBack,
        Event::Abandoned,
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
        Event::Switched { window: CutoverWindow { closed_ms: Some(300), last_pass: 4 } },
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
    assert_eq!(cutover.window, Some(CutoverWindow { closed_ms: Some(300), last_pass: 4 }));
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
                Event::Switching { .. } => steps == 8,
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

proptest! {
    /// Whatever happens in whatever order: after the switch only the watch's end or a rollback
    /// follow, and a part is never switched without a verification that passed.
    #[test]
    fn no_path_leads_to_a_switch_without_verification(
        picks in prop::collection::vec(0usize..20, 0..60)
    ) {
        let events = every_event();
        let mut state = PartState::default();
        let mut unverified_writes = true;
        for pick in picks {
            let event = &events[pick];
            let before = state.clone();
            if state.apply(event).is_err() {
                prop_assert_eq!(&state, &before, "a refused event changes nothing");
                continue;
            }
            match event {
                Event::Verified { .. } => unverified_writes = false,
                Event::Restarted { .. } | Event::CatchUpStarted | Event::BackedOut { .. } => {
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
