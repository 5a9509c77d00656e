//! kill -9 at random moments, each followed by a plain run: it ends as if nothing had happened.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Recipe, assert_nothing_left, assert_switched, blocked, make_index, part};
use segue_testkit::{Engine, Kept, Prefix, content};
use serde_json::{Value, json};

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
pipeline: [{ set: { schema: 2 } }]
cutover: { mode: block, after_switch: target_accepts_both }
limits: { batch_docs: 250 }
";

/// Runs that are really killed; those that end before their moment don't count.
const KILLS: u32 = 25;
/// Of them, those that met a part whose names were being switched.
const CUTOVERS: u32 = 3;
const TRIES: u32 = 80;
const DOCUMENTS: usize = 4000;
const SEED: u64 = 20_261_121;

/// How long a run takes here, in milliseconds.
#[derive(Debug)]
struct Span {
    whole: u64,
    /// From about here on names are being switched.
    cutover: u64,
}

/// What the killed runs were killed in the middle of.
#[derive(Debug, Default)]
struct Struck {
    killed: u32,
    in_a_cutover: u32,
    while_blocked: u32,
}

#[test]
fn a_run_killed_at_any_moment_goes_on_as_if_nothing_had_happened() {
    let engine = Engine::get();
    let expected = expected(&engine);
    let mut span = measure(&engine, &expected);
    let mut seed = SEED;
    let mut struck = Struck::default();
    for number in 0..TRIES {
        // Every other moment lies where the names are switched, which is the shorter part.
        let from = if number % 2 == 0 { 0 } else { span.cutover };
        let moment = from + next(&mut seed) % (span.whole - from);
        let what = format!("run {number} of {span:?}, killed after {moment} ms");
        let moment = Duration::from_millis(moment);
        let whole = kill_once(&engine, &expected, moment, &what, &mut struck);
        // An engine that has run for a while is faster: the moments follow.
        if let Some(whole) = whole.filter(|whole| *whole < span.whole) {
            let cutover = span.cutover * whole / span.whole;
            span = Span { whole: whole.max(cutover + 1), cutover };
        }
        if struck.killed >= KILLS && struck.in_a_cutover >= CUTOVERS {
            break;
        }
    }
    eprintln!("{struck:?} of {span:?}");
    assert!(struck.killed >= KILLS, "{struck:?} in {TRIES} runs of {span:?}");
    assert!(struck.in_a_cutover >= CUTOVERS, "{struck:?} in {TRIES} runs of {span:?}");
}

/// A small generator of its own, so that a failing run can be repeated by its seed.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

/// What each target must hold: worked out from the source by hand, not by segue.
fn expected(engine: &Engine) -> BTreeMap<String, Value> {
    let prefix = engine.prefix("oracle");
    make_both(engine, &prefix);
    let both = [1, 2].map(|n| content(engine, &prefix.name(&format!("day-{n}"))));
    assert_eq!(both[0], both[1]);
    let with_schema = |kept: &Kept| {
        let mut value = kept.value();
        value["schema"] = json!(2);
        value
    };
    let expected: BTreeMap<_, _> =
        both[0].iter().map(|(id, kept)| (id.clone(), with_schema(kept))).collect();
    assert_eq!(expected.len(), DOCUMENTS);
    expected
}

/// The time of a run that nothing disturbs: the shortest of three, since the first ones of an engine
/// are slow.
fn measure(engine: &Engine, expected: &BTreeMap<String, Value>) -> Span {
    let mut shortest = Span { whole: u64::MAX, cutover: 0 };
    for _ in 0..3 {
        let prefix = engine.prefix("unkilled");
        make_both(engine, &prefix);
        let recipe = Recipe::new(engine, &prefix, RECIPE);
        let ended = recipe.command("run", &["--yes", "--json"]).run().expect(0);
        assert_as_if_nothing_had_happened(engine, &prefix, expected, "unkilled");
        let whole = milliseconds(ended.took);
        let report = ended.last_json_line();
        let cutovers = ["day-1", "day-2"]
            .map(|day| part(&report, day)["durations_ms"]["cutover"].as_u64().unwrap_or(0));
        // The parts take turns: the longer one waited for the other.
        let cutover = whole - cutovers.into_iter().max().unwrap_or(0).min(whole / 2);
        if whole < shortest.whole {
            shortest = Span { whole, cutover };
        }
    }
    shortest
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Kills one run, if it has not ended before; then returns how long it took, in milliseconds.
fn kill_once(
    engine: &Engine,
    expected: &BTreeMap<String, Value>,
    moment: Duration,
    what: &str,
    struck: &mut Struck,
) -> Option<u64> {
    let prefix = engine.prefix("kill");
    make_both(engine, &prefix);
    let recipe = Recipe::new(engine, &prefix, RECIPE);
    let ended = recipe.command("run", &["--yes"]).kill_after(moment);
    if ended.signal == Some(9) {
        struck.killed += 1;
        let sources = [1, 2].map(|n| prefix.name(&format!("day-{n}")));
        let blocked = blocked(engine, prefix.as_str());
        struck.while_blocked += u32::from(blocked.iter().any(|name| sources.contains(name)));
        let states = recipe.command("status", &["--json"]).run().expect(0).stdout;
        struck.in_a_cutover += u32::from(states.contains("cutting_over"));
    }
    let report = recipe.run(0);
    assert_eq!(report["totals"]["balanced"], true, "{what}: {report}");
    assert_eq!(report["totals"]["errors"], 0, "{what}: {report}");
    assert_as_if_nothing_had_happened(engine, &prefix, expected, what);
    let again = recipe.run(0);
    assert_eq!(again["totals"]["batches"], 0, "{what}: {again}");
    (ended.signal != Some(9)).then(|| milliseconds(ended.took))
}

fn assert_as_if_nothing_had_happened(
    engine: &Engine,
    prefix: &Prefix,
    expected: &BTreeMap<String, Value>,
    what: &str,
) {
    for n in [1, 2] {
        let name = prefix.name(&format!("day-{n}"));
        assert_switched(engine, &name, &format!("{name}-v2"));
        let found = content(engine, &name);
        assert!(found.keys().eq(expected.keys()), "{what}: {name} holds other documents");
        for (id, kept) in &found {
            assert_eq!(kept.value(), expected[id], "{what}: {name} {id}");
        }
        assert_eq!(engine.json.count(&name), DOCUMENTS as u64, "{what}: {name}");
        assert_eq!(engine.json.count(&format!("segue-before-{name}")), DOCUMENTS as u64, "{what}");
    }
    assert_nothing_left(engine, prefix.as_str());
}

fn make_both(engine: &Engine, prefix: &Prefix) {
    make_index(engine, &prefix.name("day-1"), 2, DOCUMENTS);
    make_index(engine, &prefix.name("day-2"), 1, DOCUMENTS);
}
