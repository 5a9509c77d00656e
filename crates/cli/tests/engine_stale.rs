//! Updates while the network brings bulks late, twice and out of order: the newest content stands.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod application;
mod common;

use std::time::Duration;

use application::{Habits, Writer, assert_told};
use common::{Recipe, assert_nothing_left, assert_switched, make_index};
use segue_testkit::{Engine, Fault, Faults, Proxy, content};

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-1' }
target: { index: '{source}-v2' }
pipeline: [{ set: { schema: 2 } }]
cutover: { mode: block, start: manual, after_switch: target_accepts_both }
limits: { batch_docs: 60, retries: 50, retry_delay: 50ms }
";
/// Passes while the application updates the same hundred documents again and again.
const PASSES: usize = 3;
const LATE: Duration = Duration::from_millis(700);

#[test]
fn the_newest_update_stands_whatever_comes_late_or_twice() {
    let engine = Engine::get();
    let prefix = engine.prefix("stale");
    let name = prefix.name("day-1");
    make_index(&engine, &name, 2, 900);
    let before: Vec<_> = (0..900).map(|n| format!("d{n}")).collect();
    // Given up and sent again at once: the first comes after the second, and after later updates.
    let faults = |seed| {
        let faults = Faults::seeded(seed).with(Fault::Late(LATE), 150);
        faults.with(Fault::DropResponse, 150).only("_bulk")
    };
    let proxy = Proxy::start(&engine, faults(1));
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    let writer = Writer::start(&engine, &name, 1, Habits::Deletes);
    for pass in 0..PASSES {
        writer.work(60);
        proxy.set(faults(pass as u64));
        recipe.through(&proxy.url, "run", &["--yes"]).run().expect(0);
    }
    let struck = proxy.faults();
    assert!(struck.get(&Fault::Late(LATE)).is_some_and(|count| *count >= 2), "{struck:?}");
    assert!(struck.get(&Fault::DropResponse).is_some_and(|count| *count >= 2), "{struck:?}");
    recipe.command("cutover", &["--yes"]).run().expect(0);
    writer.work(20);
    let (ledger, _) = writer.stop();
    // The last of the late ones has come by then.
    std::thread::sleep(LATE);
    assert_switched(&engine, &name, &format!("{name}-v2"));
    assert_nothing_left(&engine, prefix.as_str());
    assert_told(&content(&engine, &name), &before, &[ledger], "after late bulks");
}
