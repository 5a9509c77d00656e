//! Every scenario holds, every control is caught.

use crate::explore::Bounds;
use crate::report::{lines, walk};
use crate::sabotage::{CONTROLS, Control, Sabotage};
use crate::scenario::SCENARIOS;

fn holds(name: &str) {
    let found = walk(name, None, Bounds::WIDE);
    assert!(found.violation.is_none(), "{name}:\n{}", lines(&found).join("\n"));
    assert!(found.complete, "{name} was not walked through to its end");
    assert!(found.goals > 0, "{name} never gets to the switch: it shows nothing");
}

fn is_caught(control: &Control) {
    let found = walk(control.scenario, Some(control.sabotage), Bounds::WIDE);
    let broken = found.violation.as_ref().map(|violation| violation.broken.invariant);
    let shown = lines(&found).join("\n");
    assert_eq!(broken, Some(control.breaks), "without [{}]:\n{shown}", control.sabotage);
}

macro_rules! scenarios {
    ($($test:ident: $name:literal,)*) => {
        $(#[test] fn $test() { holds($name); })*

        #[test]
        fn no_scenario_is_left_out() {
            let tested = [$($name),*];
            assert_eq!(SCENARIOS.map(|scenario| scenario.name).as_slice(), tested);
        }
    };
}

macro_rules! controls {
    ($($test:ident: $sabotage:ident,)*) => {
        mod without {
            use super::*;

            $(#[test]
            fn $test() {
                let of = CONTROLS.iter().filter(|control| control.sabotage == Sabotage::$sabotage);
                assert!(of.map(is_caught).count() > 0);
            })*

            #[test]
            fn no_control_is_left_out() {
                let tested = [$(Sabotage::$sabotage),*];
                for control in &CONTROLS {
                    assert!(tested.contains(&control.sabotage), "{}", control.sabotage);
                }
            }
        }
    };
}

scenarios! {
    copy: "copy",
    failover: "failover",
    late_bulks: "late bulks",
    taken_over: "taken over",
    after_the_switch: "after the switch",
    cutover: "cutover",
    failover_and_crash: "failover and crash",
    machine_lost: "machine lost",
    redirect: "redirect",
    rollback: "rollback",
    rollback_and_crash: "rollback and crash",
    rollback_late: "rollback late",
    rollback_taken_over: "rollback taken over",
    end_of_the_watch: "end of the watch",
    rollback_without_a_feed: "rollback without a feed",
    abandon: "abandon",
    begun_anew: "begun anew",
    begun_anew_after_a_cutover: "begun anew after a cutover",
    redirect_taken_back: "redirect taken back",
}

controls! {
    versions: PlainWrites,
    the_global_checkpoint: EndAtMaxSeqNo,
    the_order_of_checkpoint_and_refresh: RefreshFirst,
    the_fence_of_bulks: UnfencedBulks,
    the_fence_of_the_switch: UnfencedSwitch,
    the_fence_of_the_opening: UnfencedOpening,
    the_block: NoBlock,
    the_drain_of_the_block: BlockBySettings,
    the_audit: NoAudit,
    the_audit_in_the_window: AuditOnlyBefore,
    remembered_deletes: ForgetEarly,
    compare_and_set_after_the_switch: ReplayByVersion,
    the_watchdog: NoWatchdog,
    the_order_of_the_journal: JournalOverwrites,
    the_first_mark: NoFirstMark,
    distrust_of_old_primaries: TrustOldPrimary,
    patience_with_passes: RelyAtOnce,
    compare_and_set_in_a_redirect: RedirectByVersion,
    the_drains_of_a_redirect: NoDrain,
    block_and_drains_of_a_redirect: RedirectUnblocked,
    the_closing_mark: LateClose,
    the_last_feed: NoLastFeed,
    the_incarnation_of_the_way_back: SameIncarnation,
    the_counts_of_the_way_back: NoCounts,
    the_fence_of_the_kept_copy: UnfencedKept,
    the_mark_before_the_watchdog: LateMark,
    marks_where_there_are_none: OpenWithoutMarks,
    the_fence_of_giving_up: UnfencedDelete,
    feeding_back_what_was_redirected: NoFeedBack,
    the_drain_before_feeding_back: NoUndoDrain,
    the_ends_of_a_redirect: UndoOverwrites,
}
