//! kill -9 at random moments, each followed by a plain run: it ends as if nothing had happened.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::time::Duration;

use common::{Recipe, assert_switched, make_index};
use segue_testkit::{Engine, content};

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
pipeline: [{ set: { schema: 2 } }]
cutover: { mode: block }
limits: { batch_docs: 250 }
";

const KILLS: u32 = 25;
const DOCUMENTS: usize = 2000;

/// A small generator of its own, so that a failing run can be repeated by its seed.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

#[test]
fn a_run_killed_at_any_moment_goes_on_as_if_nothing_had_happened() {
    let engine = Engine::get();
    let unkilled = engine.prefix("unkilled");
    make_both(&engine, unkilled.as_str());
    let begun = std::time::Instant::now();
    Recipe::new(&engine, &unkilled, RECIPE).run(0);
    let whole = u64::try_from(begun.elapsed().as_millis()).unwrap();
    let expected = content(&engine, &unkilled.name("day-1"));
    assert_eq!(expected.len(), DOCUMENTS);

    let mut seed = 20_261_121;
    let mut in_the_middle = 0;
    for kill in 0..KILLS {
        let prefix = engine.prefix("kill");
        make_both(&engine, prefix.as_str());
        let recipe = Recipe::new(&engine, &prefix, RECIPE);
        let moment = Duration::from_millis(next(&mut seed) % whole);
        let ended = recipe.command("run", &["--yes"]).kill_after(moment);
        in_the_middle += u32::from(ended.signal.is_some());
        let report = recipe.run(0);
        assert_eq!(report["totals"]["balanced"], true, "kill {kill} at {moment:?}: {report}");
        for n in [1, 2] {
            let name = prefix.name(&format!("day-{n}"));
            assert_switched(&engine, &name, &format!("{name}-v2"));
            let found = content(&engine, &name);
            assert!(found == expected, "kill {kill} at {moment:?}: {name} has other content");
            assert_eq!(engine.json.count(&name), DOCUMENTS as u64);
        }
        let again = recipe.run(0);
        assert_eq!(again["totals"]["batches"], 0, "{again}");
    }
    assert!(in_the_middle > KILLS / 2, "only {in_the_middle} runs were killed before their end");
}

fn make_both(engine: &Engine, prefix: &str) {
    make_index(engine, &format!("{prefix}day-1"), 2, DOCUMENTS);
    make_index(engine, &format!("{prefix}day-2"), 1, DOCUMENTS);
}
