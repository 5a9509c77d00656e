//! An application that goes on writing by its old names while runs are killed: every write that was
//! acknowledged is found, once, enriched, whichever index took it.

mod common;

use std::time::Duration;

use common::{Recipe, assert_nothing_left, part};
use segue_testkit::{Engine, Installation, Volume};

const KILLS: u64 = 8;

#[test]
fn kills_while_others_write_lose_nothing_that_was_acknowledged() {
    let engine = Engine::get();
    let prefix = engine.prefix("writers");
    let site =
        Installation::new(&engine, &prefix, 11, Volume { events: 8000, records: 40, months: 2 });
    let recipe = Recipe::usage_events(&engine, &prefix);
    recipe.change(
        "batch_docs: \"${STATS_DASHBOARD_REINDEXING_BATCH_SIZE:-1000}\"",
        "batch_docs: 250",
    );
    recipe.change("mode: redirect\n  writers: index_only", "mode: block");
    let writing = site.start_writing(2);
    let mut killed = 0;
    for number in 0..KILLS {
        let moment = Duration::from_millis(150 + 120 * number);
        killed += u32::from(recipe.command("run", &["--yes"]).kill_after(moment).signal.is_some());
    }
    let report = recipe.run(0);
    let (refusals, sightings) = writing.stop();
    eprintln!("{killed} killed, {refusals:?}, {} counts", sightings.counts);
    assert!(killed >= 3, "only {killed} runs were killed before their end");
    assert_eq!(report["totals"]["balanced"], true, "{report}");
    for kind in ["record-view", "file-download"] {
        for month in site.site.months() {
            let source = format!("{kind}-{month}");
            assert_eq!(part(&report, &source)["phase"], "finished", "{source}");
        }
    }
    assert_eq!((sightings.above, sightings.below), (0, 0), "{sightings:?}");
    // A block is lifted seconds after its process died, not minutes.
    assert!(refusals.longest < Duration::from_secs(20), "{refusals:?}");
    site.assert_sound();
    assert_nothing_left(&engine, prefix.as_str());
}
