//! Events that arrive while their month is migrated: at a steady rate, and late.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{Recipe, assert_nothing_left, part};
use segue_testkit::{Engine, Installation, Kind, Reply, Volume};

/// The current month, slow enough that writes fall into every step.
fn current_month(test: &str, per_second: u32) {
    let engine = Engine::get();
    let prefix = engine.prefix(test);
    let volume = Volume { events: 12_000, records: 30, months: 1 };
    let site = Installation::new(&engine, &prefix, 5, volume).redirected();
    let recipe = Recipe::usage_events(&engine, &prefix);
    recipe.change("docs_per_second: auto", "docs_per_second: 1500");
    let month = *site.site.months().last().unwrap();
    let watching = site.start_writing(0);
    let over = AtomicBool::new(false);
    let (report, acknowledged) = std::thread::scope(|threads| {
        let writer = threads.spawn(|| {
            let mut acknowledged = 0;
            while !over.load(Ordering::Relaxed) {
                for kind in Kind::ALL {
                    let replies = site.write(&site.clicks(kind, month, 1));
                    let taken = |reply: &&Reply| matches!(reply, Reply::Acknowledged(_));
                    acknowledged += replies.iter().filter(taken).count();
                }
                std::thread::sleep(Duration::from_secs(2) / per_second);
            }
            acknowledged
        });
        let ended = recipe.command("run", &["--yes", "--json"]).run();
        over.store(true, Ordering::Relaxed);
        (ended.expect(0).last_json_line(), writer.join().unwrap())
    });
    let (_, sightings) = watching.stop();
    assert!(acknowledged >= 2 * per_second as usize, "only {acknowledged} writes were taken");
    assert_eq!(report["totals"]["balanced"], true, "{report}");
    for kind in ["record-view", "file-download"] {
        assert_eq!(part(&report, &format!("{kind}-{month}"))["phase"], "finished", "{report}");
    }
    assert!(sightings.counts > 10, "{sightings:?}");
    assert_eq!((sightings.above, sightings.below), (0, 0), "{sightings:?}");
    site.assert_sound();
    assert_nothing_left(&engine, prefix.as_str());
}

#[test]
fn two_writes_a_second_into_the_current_month() {
    current_month("rate-2", 2);
}

#[test]
fn twenty_writes_a_second_into_the_current_month() {
    current_month("rate-20", 20);
}

/// Events that arrive after the first pass, of times before and after the newest that it carried: new
/// ones of all days of a past month, and others delivered again.
#[test]
fn fifty_late_events_older_and_newer_than_the_newest_carried() {
    let engine = Engine::get();
    let prefix = engine.prefix("late");
    let volume = Volume { events: 4000, records: 30, months: 2 };
    let site = Installation::new(&engine, &prefix, 6, volume).redirected();
    let recipe = Recipe::usage_events(&engine, &prefix);
    recipe.change("start: auto", "start: manual");
    recipe.run(0);
    let past = site.site.months()[0];
    let late = || {
        let kind = Kind::ALL[0];
        let mut clicks = site.clicks(kind, past, 25);
        let us = clicks[0].written_us;
        let again =
            (0..25).map(|n| site.site.past(kind, past, n * 37).again(1, us + n.cast_signed()));
        clicks.extend(again);
        let replies = site.write(&clicks);
        assert!(replies.iter().all(|reply| matches!(reply, Reply::Acknowledged(_))), "{replies:?}");
    };
    late();
    recipe.command("verify", &["--yes"]).run().expect(0);
    late();
    let cutover = recipe.command("cutover", &["--yes", "--json"]).run().expect(0);
    let report = cutover.last_json_line();
    let read = &part(&report, &format!("record-view-{past}"))["balance"]["read"];
    assert!(read.as_u64().unwrap() >= 50, "the late ones were not carried: {read}");
    late();
    let found = site.assert_sound();
    assert!(found.documents >= 4000 + 3 * 25, "{found:?}");
    assert_nothing_left(&engine, prefix.as_str());
}
