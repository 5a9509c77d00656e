//! The kill table: the process is killed after each single request by which a cutover, an abandon or a
//! rollback changes something, and then the same verb is run again, or the part is given up.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod application;
mod common;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use application::{Habits, Ledger, Writer, assert_told};
use common::{Recipe, assert_nothing_left, assert_switched, assert_untouched, blocked, make_index};
use segue_testkit::{Ended, Engine, Faults, Method, Prefix, Proxy, content};
use serde_json::json;

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-1' }
target: { index: '{source}-v2' }
pipeline: [{ set: { schema: 2 } }]
cutover: { MODE, start: manual, after_switch: target_accepts_both, max_pause: 60s }
";
const BLOCK: &str = "mode: block";
const REVERSIBLE: &str = "mode: block, reverse_for: 1h";
const REDIRECT: &str = "mode: redirect, writers: index_only";

const DOCUMENTS: usize = 120;
/// Rows at work at a time: most of a row's time is spent waiting.
const LANES: usize = 3;
/// Of so many rows one is tried, another one in each file of the table; `SEGUE_KILL_TABLE=all` tries all.
const STRIDE: usize = 3;
/// No verb takes longer.
const PATIENCE: Duration = Duration::from_secs(180);
const YES: [&str; 2] = ["--yes", "--json"];

/// A verb that is killed, and what came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Cutover(&'static str),
    /// Of a part whose cutover died at this step, if there was any.
    Abandon(&'static str, Option<&'static str>),
    Rollback(&'static str),
}

/// What follows the kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The same verb once more.
    Resume,
    /// The part is given up by a process that knows nothing of the first.
    Abandon,
}

/// An index under writes, with an alias, and a recipe.
struct Site<'a> {
    engine: &'a Engine,
    prefix: Prefix,
    name: String,
    recipe: Recipe,
    proxy: Proxy,
    before: Vec<String>,
}

impl Way {
    fn mode(self) -> &'static str {
        match self {
            Way::Cutover(mode) | Way::Abandon(mode, _) | Way::Rollback(mode) => mode,
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Way::Cutover(_) => "cutover",
            Way::Abandon(..) => "abandon",
            Way::Rollback(_) => "rollback",
        }
    }

    fn habits(self) -> Habits {
        if self.mode() == REDIRECT { Habits::IndexesOnly } else { Habits::Deletes }
    }
}

impl<'a> Site<'a> {
    fn make(engine: &'a Engine, way: Way) -> Site<'a> {
        let prefix = engine.prefix("table");
        let name = prefix.name("day-1");
        make_index(engine, &name, 1, DOCUMENTS);
        engine.json.put(&format!("/{name}/_alias/{}", prefix.name("read")), &json!({}));
        let recipe = Recipe::new(engine, &prefix, &RECIPE.replace("MODE", way.mode()));
        let proxy = Proxy::start(engine, Faults::seeded(0));
        let before = (0..DOCUMENTS).map(|n| format!("d{n}")).collect();
        Site { engine, prefix, name, recipe, proxy, before }
    }

    fn run(&self, verb: &str, code: i32) -> Ended {
        self.recipe.command(verb, &YES).run().expect(code)
    }

    /// Brings the part to where the verb is to be killed.
    fn prepare(&self, way: Way) {
        match way {
            Way::Cutover(_) | Way::Abandon(_, None) => drop(self.run("run", 0)),
            Way::Abandon(_, Some(step)) => {
                self.run("run", 0);
                let died = self.recipe.command("cutover", &YES).env("SEGUE_DIE_AT", step).run();
                assert!(died.signal.is_some(), "it did not die at {step}: {}", died.stderr);
            }
            Way::Rollback(_) => drop(self.run("cutover", 0)),
        }
    }

    /// Runs the verb until so many requests changed something, and kills it there. `None`: it had ended
    /// before. Else the last of the requests.
    fn kill_after(&self, verb: &str, changes: usize) -> Option<String> {
        self.proxy.halt_after(changes);
        let mut running = self.recipe.through(&self.proxy.url, verb, &YES).start();
        let deadline = Instant::now() + PATIENCE;
        while !self.proxy.is_still() && !running.has_ended(Duration::from_millis(1)) {
            let told = || format!("{verb} neither ends nor goes on: {:?}", self.proxy.changes());
            assert!(Instant::now() < deadline, "{}", told());
        }
        let at = self.proxy.changes().last().cloned();
        let ended = running.kill();
        self.proxy.go_on();
        if ended.signal.is_none() {
            ended.expect(0);
            return None;
        }
        Some(at.unwrap_or_else(|| "nothing".to_owned()))
    }

    /// The target serves by the old name, with what the applications were told.
    fn assert_forth(&self, ledger: Ledger, what: &str) {
        assert_switched(self.engine, &self.name, &format!("{}-v2", self.name));
        assert_nothing_left(self.engine, self.prefix.as_str());
        assert_told(&content(self.engine, &self.name), &self.before, &[ledger], what);
    }

    /// The source is as if nothing had ever begun.
    fn assert_given_up(&self, ledger: Ledger, what: &str) {
        assert_untouched(self.engine, &self.name);
        assert_nothing_left(self.engine, self.prefix.as_str());
        let indices =
            self.engine.json.get(&format!("/{}*?expand_wildcards=all", self.prefix.as_str()));
        let indices: Vec<_> = indices.as_object().unwrap().keys().collect();
        assert_eq!(indices, [&self.name], "{what}: indices are left");
        let kept = format!("/segue-before-{}*?expand_wildcards=all", self.prefix.as_str());
        assert_eq!(self.engine.json.get(&kept), json!({}), "{what}: a copy is left");
        assert_told(&content(self.engine, &self.name), &self.before, &[ledger], what);
    }

    /// The old index serves again by its old name.
    fn assert_back(&self, ledger: Ledger, what: &str) {
        let kept = format!("segue-before-{}", self.name);
        let on = self.engine.json.get(&format!("/_alias/{}", self.name));
        let indices: Vec<_> = on.as_object().unwrap().keys().cloned().collect();
        assert_eq!(indices, std::slice::from_ref(&kept), "{what}");
        assert_eq!(blocked(self.engine, &kept), [""; 0], "{what}: the old index takes writes");
        let target = format!("{}-v2", self.name);
        assert_eq!(blocked(self.engine, self.prefix.as_str()), [target.as_str()], "{what}");
        for index in [&kept, &target] {
            let aliases = &self.engine.json.get(&format!("/{index}/_alias"))[index]["aliases"];
            let ours = |alias: &&String| alias.starts_with("segue-");
            let left: Vec<_> = aliases.as_object().unwrap().keys().filter(ours).collect();
            assert_eq!(left, [""; 0], "{what}: left on {index}");
        }
        assert_told(&content(self.engine, &self.name), &self.before, &[ledger], what);
    }
}

/// One row: killed after so many changes. What it was killed after; `None`: it had ended before.
fn row(engine: &Engine, way: Way, then: Then, changes: usize) -> Option<String> {
    let site = Site::make(engine, way);
    let writer = Writer::start(engine, &site.name, 1, way.habits());
    site.prepare(way);
    if matches!(way, Way::Rollback(_)) {
        // The next habits are those of an application that has switched.
        writer.behave(Habits::Deletes);
    }
    writer.work(20);
    let killed = site.kill_after(way.verb(), changes);
    // Without any further run: within seconds the name takes writes again.
    writer.work(20);
    let what = format!("{way:?}, killed after {changes} changes ({killed:?}), then {then:?}");
    let given_up = match (way, then) {
        (Way::Cutover(_), Then::Abandon) => {
            let ended = site.recipe.command("abandon", &YES).run();
            // Behind the switch there is nothing to give up any more: a run finishes it.
            if ended.code != Some(0) {
                assert_eq!(ended.code, Some(3), "{what}: {}\n{}", ended.stdout, ended.stderr);
                writer.work(5);
                site.run("run", 0);
            }
            ended.code == Some(0)
        }
        _ => {
            site.run(way.verb(), 0);
            matches!(way, Way::Abandon(..))
        }
    };
    writer.work(20);
    let (ledger, _) = writer.stop();
    match way {
        Way::Rollback(_) => site.assert_back(ledger, &what),
        _ if given_up => site.assert_given_up(ledger, &what),
        _ => site.assert_forth(ledger, &what),
    }
    killed
}

/// All rows of a way, in lanes; `first` is the first row that is tried where not all are.
fn table(way: Way, then: Then, first: usize) {
    let engine = Engine::get();
    let all = std::env::var("SEGUE_KILL_TABLE").is_ok_and(|which| which == "all");
    let (first, stride) = if all { (0, 1) } else { (first, STRIDE) };
    let next = AtomicUsize::new(0);
    let end = AtomicUsize::new(usize::MAX);
    let (rows, failed) = (Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()));
    let lane = || {
        loop {
            let changes = first + stride * next.fetch_add(1, Ordering::Relaxed);
            if changes >= end.load(Ordering::Relaxed) {
                return;
            }
            let one = std::panic::AssertUnwindSafe(|| row(&engine, way, then, changes));
            match std::panic::catch_unwind(one) {
                Ok(Some(at)) => drop(rows.lock().unwrap().insert(changes, at)),
                Ok(None) => drop(end.fetch_min(changes, Ordering::Relaxed)),
                Err(_) => {
                    failed.lock().unwrap().push(changes);
                    end.fetch_min(changes, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(lane);
        }
    });
    let (rows, failed) = (rows.into_inner().unwrap(), failed.into_inner().unwrap());
    for (changes, at) in &rows {
        eprintln!("{way:?}, then {then:?}: killed after {changes}: {at}");
    }
    assert_eq!(failed, [0; 0], "{way:?}, then {then:?}: rows that failed");
    if way.mode() == REDIRECT {
        assert_no_trial_is_left(&engine, way);
    }
    assert!(rows.len() * stride >= 6, "{way:?}: only {} rows", rows.len());
}

/// What was tried on scratch indices and pipelines when the process was killed goes with the next trial.
fn assert_no_trial_is_left(engine: &Engine, way: Way) {
    let site = Site::make(engine, way);
    let left = || {
        let indices = engine.json.get("/segue-probe-*?expand_wildcards=all");
        let pipelines = engine.json.call(Method::GET, "/_ingest/pipeline/segue-probe-*", None).1;
        let both = [indices, pipelines];
        both.iter().filter_map(|all| all.as_object()).map(serde_json::Map::len).sum::<usize>()
    };
    // Those of tests beside this one are at work, and are killed at it.
    for _ in 0..30 {
        site.recipe.command("plan", &[]).run().expect(0);
        if left() == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("scratch indices or pipelines are left");
}

#[test]
fn a_cutover_by_block_killed_anywhere_goes_on() {
    table(Way::Cutover(BLOCK), Then::Resume, 0);
}

#[test]
fn a_cutover_by_block_killed_anywhere_is_given_up() {
    table(Way::Cutover(BLOCK), Then::Abandon, 1);
}

#[test]
fn a_cutover_by_redirect_killed_anywhere_goes_on() {
    table(Way::Cutover(REDIRECT), Then::Resume, 2);
}

#[test]
fn a_cutover_by_redirect_killed_anywhere_is_given_up() {
    table(Way::Cutover(REDIRECT), Then::Abandon, 0);
}

#[test]
fn an_abandon_killed_anywhere_goes_on() {
    table(Way::Abandon(BLOCK, None), Then::Resume, 1);
}

#[test]
fn an_abandon_of_a_redirect_killed_anywhere_goes_on() {
    table(Way::Abandon(REDIRECT, Some("closed")), Then::Resume, 2);
}

#[test]
fn a_rollback_killed_anywhere_goes_on() {
    table(Way::Rollback(REVERSIBLE), Then::Resume, 0);
}
