//! Starts segue, lets things go wrong while it runs, and starts it again until it is done.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use fastrand::Rng;
use segue_testkit::{Ended, Running, Segue};
use serde::Serialize;
use serde_json::{Value, json};

use crate::faults::{Attempt, Kill, Moment, Rival, Tampering};
use crate::ground::Ground;
use crate::recipe::Names;
use crate::verdict::{Finding, Kind};
use crate::watchdogs;

/// How long one start may take while things go wrong.
const ROUGH: Duration = Duration::from_secs(45);
/// How long one start may take once nothing goes wrong any more.
const CALM: Duration = Duration::from_secs(60);
/// How often segue is started again then.
const TRIES: u32 = 5;
const LOOK: Duration = Duration::from_millis(4);

/// What was done to segue, over all runs.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Struck {
    /// How often segue was started.
    pub starts: u64,
    /// How often it was killed in the middle.
    pub kills: u64,
    /// How often its watchdog was killed with it.
    pub watchdog_kills: u64,
    /// How often a second one was started beside it.
    pub rivals: u64,
    /// How often a node was killed and started again.
    pub node_kills: u64,
    /// How often the target was closed and opened, tombstones expired or local state was lost.
    pub tamperings: u64,
    /// How often it had not ended in 45 s while things went wrong, and was killed.
    pub cut_short: u64,
}

impl std::ops::AddAssign for Struck {
    fn add_assign(&mut self, other: Self) {
        self.starts += other.starts;
        self.kills += other.kills;
        self.watchdog_kills += other.watchdog_kills;
        self.rivals += other.rivals;
        self.node_kills += other.node_kills;
        self.tamperings += other.tamperings;
        self.cut_short += other.cut_short;
    }
}

/// All starts of one run.
pub(crate) struct Conductor<'a> {
    pub ground: &'a Ground,
    pub names: &'a Names,
    pub segue: &'a Path,
    pub recipe: PathBuf,
    /// Where logs and local state go.
    pub folder: &'a Path,
    pub rng: Rng,
    pub struck: Struck,
    pub findings: Vec<Finding>,
}

impl Conductor<'_> {
    /// A rough start. Says whether the migration was done with it.
    pub(crate) fn rough(&mut self, attempt: &Attempt) -> anyhow::Result<bool> {
        for tampering in &attempt.before {
            self.tamper(*tampering)?;
        }
        let seat = self.rng.usize(..self.ground.seats.len());
        let proxy = &self.ground.seats[seat].proxy;
        if let Some(network) = attempt.network {
            proxy.set(network.faults(self.rng.u64(..)));
        }
        let watched = match attempt.kill.map(|kill| kill.moment) {
            Some(Moment::Request { text, .. }) => Some(proxy.watch(text)),
            _ => None,
        };
        let node = attempt.node.and_then(|kill| self.ground.injure(kill));
        let done = self.watch(seat, attempt, watched.as_ref());
        self.ground.calm();
        if let Some(node) = node {
            node.join().map_err(|_| anyhow!("a thread panicked"))??;
            self.struck.node_kills += 1;
            self.ground.settle()?;
        }
        Ok(done)
    }

    /// Starts segue, a second one if there is to be one, and kills what is to be killed.
    fn watch(&mut self, seat: usize, attempt: &Attempt, watched: Option<&Arc<AtomicU64>>) -> bool {
        let begun = Instant::now();
        let mut running = self.start(seat, "state");
        let mut killing = attempt.kill.map(|kill| Killing { kill, begun, reached: None });
        let mut waiting = attempt.rival;
        let mut rival: Option<Running> = None;
        let killed = loop {
            if running.has_ended(LOOK) {
                break None;
            }
            let elapsed = begun.elapsed();
            if let Some(Rival { elsewhere, .. }) = waiting.take_if(|rival| rival.after <= elapsed) {
                rival = Some(self.start(seat, if elsewhere { "state-2" } else { "state" }));
                self.struck.rivals += 1;
            }
            let seen = watched.map_or(0, |count| count.load(Ordering::Relaxed));
            if let Some(killing) = &mut killing
                && killing.is_due(seen)
            {
                break Some(killing.kill.with_watchdog);
            }
            if elapsed > ROUGH {
                self.struck.cut_short += 1;
                break Some(false);
            }
        };
        if killed == Some(true) {
            self.struck.watchdog_kills += watchdogs::kill_of(running.pid());
        }
        self.struck.kills += u64::from(killed.is_some());
        let first = self.ended(running.kill());
        let second = rival.map(|rival| self.end_of(rival, ROUGH));
        first == Some(0) || second == Some(Some(0))
    }

    /// Starts segue until it is done, with nothing going wrong any more; its last report.
    pub(crate) fn finish(&mut self) -> anyhow::Result<Option<Value>> {
        self.ground.calm();
        let mut codes = Vec::new();
        for _ in 0..TRIES {
            let seat = self.rng.usize(..self.ground.seats.len());
            let running = self.start(seat, "state");
            let (code, report) = self.end_with_report(running, CALM);
            if code == Some(0) {
                return Ok(report);
            }
            codes.push(code);
            std::thread::sleep(Duration::from_millis(300));
        }
        let what = format!("not done in {TRIES} runs of at most {CALM:?}: exit codes {codes:?}");
        self.findings.push(Finding::new(Kind::Stuck, what));
        Ok(None)
    }

    /// A start after the end has to find nothing to do.
    pub(crate) fn once_more(&mut self) {
        let running = self.start(0, "state");
        let (code, report) = self.end_with_report(running, CALM);
        let batches = report.map_or(Value::Null, |report| report["totals"]["batches"].clone());
        if code != Some(0) || batches != 0 {
            let what = format!("a run after the end: exit code {code:?}, {batches} batches");
            self.findings.push(Finding::new(Kind::Stuck, what));
        }
    }

    fn start(&mut self, seat: usize, state: &str) -> Running {
        self.struck.starts += 1;
        let log = self.folder.join("segue.log");
        Segue::new(self.segue)
            .args(["--log-level", "info", "--log-file"])
            .args([log.as_os_str()])
            .args(["run"])
            .args([self.recipe.as_os_str()])
            .args(["--yes", "--json"])
            .cluster(&self.ground.seats[seat].proxy.url)
            .env("SEGUE_STATE_DIR", &self.folder.join(state).to_string_lossy())
            .start()
    }

    fn end_of(&mut self, running: Running, patience: Duration) -> Option<i32> {
        self.end_with_report(running, patience).0
    }

    fn end_with_report(
        &mut self,
        mut running: Running,
        patience: Duration,
    ) -> (Option<i32>, Option<Value>) {
        running.has_ended(patience);
        let ended = running.kill();
        let report = report(&ended);
        (self.ended(ended), report)
    }

    /// Keeps what a start said, and looks at its report; its exit code.
    fn ended(&mut self, ended: Ended) -> Option<i32> {
        if let Some(report) = report(&ended)
            && !adds_up(&report["totals"])
        {
            let what = format!("totals {}", report["totals"]);
            self.findings.push(Finding::new(Kind::Unbalanced, what));
        }
        if ended.code == Some(DIVERGED) && self.struck.tamperings == 0 {
            let what = ended.stderr.lines().next_back().unwrap_or_default();
            self.findings.push(Finding::new(Kind::FalseAlarm, what));
        }
        let Ended { code, signal, stdout, stderr, took } = ended;
        let told = format!(
            "=== code {code:?}, signal {signal:?}, after {took:?}\n{stdout}\n--- stderr\n{stderr}\n"
        );
        // The logs are for people; a run is not judged by them.
        let _unwritten = append(&self.folder.join("starts.txt"), &told);
        code
    }

    fn tamper(&mut self, tampering: Tampering) -> anyhow::Result<()> {
        let target = &self.names.target;
        let http = self.ground.http()?;
        let there = self.ground.wait(http.get(&format!("/{target}")))?.is_ok();
        if !there && tampering != Tampering::LoseState {
            return Ok(());
        }
        self.struck.tamperings += 1;
        let post = |path: String| {
            let http = http.clone();
            self.ground.wait(async move { http.post(&path, &Value::Null).await })
        };
        match tampering {
            Tampering::CloseAndOpenTarget => {
                post(format!("/{target}/_close?timeout=30s"))?;
                post(format!("/{target}/_open?timeout=30s"))?;
                let path = format!("/_cluster/health/{target}?wait_for_status=yellow&timeout=30s");
                self.ground.wait(http.get(&path))?;
            }
            Tampering::ExpireTombstones => {
                let path = format!("/{target}/_settings");
                let soon = json!({ "index.gc_deletes": "0s" });
                self.ground.wait(http.put(&path, &soon))?;
                std::thread::sleep(Duration::from_millis(500));
                // Tombstones go with a refresh.
                post(format!("/{target}/_refresh"))?;
            }
            Tampering::LoseState => {
                let state = self.folder.join("state");
                if state.exists() {
                    std::fs::remove_dir_all(&state).context("cannot remove the local state")?;
                }
            }
        }
        Ok(())
    }
}

/// The exit code of a start that found source and target different.
const DIVERGED: i32 = 4;

/// A kill that is due at some moment.
struct Killing {
    kill: Kill,
    begun: Instant,
    reached: Option<Instant>,
}

impl Killing {
    fn is_due(&mut self, seen: u64) -> bool {
        match self.kill.moment {
            Moment::After(delay) => self.begun.elapsed() >= delay,
            Moment::Request { nth, later, .. } => {
                if seen >= nth && self.reached.is_none() {
                    self.reached = Some(Instant::now());
                }
                self.reached.is_some_and(|reached| reached.elapsed() >= later)
            }
        }
    }
}

/// The report, if a start got so far as to print one.
fn report(ended: &Ended) -> Option<Value> {
    let report: Value = serde_json::from_str(ended.stdout.lines().next_back()?).ok()?;
    report["totals"].is_object().then_some(report)
}

/// Whether what was read is what became of it, by our own sum.
fn adds_up(totals: &Value) -> bool {
    let number = |name: &str| totals[name].as_u64().unwrap_or(0);
    let sum = |name: &str| -> u64 {
        let reasons = totals[name].as_object().into_iter().flatten();
        reasons.filter_map(|(_, count)| count.as_u64()).sum()
    };
    let parts = number("written") + number("already_there") + sum("filtered");
    totals["balanced"] == true && number("read") == parts + sum("dead_lettered")
}

fn append(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    std::fs::OpenOptions::new().create(true).append(true).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_summed_again() {
        let totals = |read: u64, balanced: bool| {
            json!({ "read": read, "written": 5, "already_there": 2, "filtered": { "robots": 1 },
                "dead_lettered": { "a": 1, "b": 1 }, "balanced": balanced })
        };
        assert!(adds_up(&totals(10, true)));
        assert!(!adds_up(&totals(11, true)));
        assert!(!adds_up(&totals(10, false)));
    }
}
