//! The release binary as a process: how long it takes, what it uses.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::Value;

/// One recipe in a folder of its own.
pub struct Program {
    segue: PathBuf,
    folder: tempfile::TempDir,
    url: String,
}

/// What one run took.
pub struct Ran {
    /// The first pass, in seconds.
    pub backfill_s: f64,
    /// The verification, in seconds.
    pub verify_s: f64,
    /// Own CPU time up to the end of the first pass, user and system, in seconds.
    pub backfill_cpu_s: f64,
    /// Own CPU time of the whole process, user and system, in seconds.
    pub cpu_s: f64,
    /// Largest resident memory, in MB.
    pub peak_mb: f64,
}

impl Program {
    /// The binary `segue`, against the engine at `url`.
    pub fn new(segue: &Path, url: &str) -> anyhow::Result<Program> {
        let segue = segue.canonicalize().context("cannot find the binary")?;
        Ok(Program { segue, folder: tempfile::tempdir()?, url: url.to_owned() })
    }

    /// Carries `source` into `{source}-v2` up to the cutover, which is not started.
    pub fn run(&self, name: &str, source: &str, pipeline: &str, docs: u32) -> anyhow::Result<Ran> {
        let recipe = format!(
            "segue: 1\nname: bench-{name}\ncluster: {{ url: '{}' }}\nsource: {{ index: '{source}' }}\n\
             target: {{ index: '{{source}}-v2' }}\n{pipeline}\
             cutover: {{ mode: block, start: manual, after_switch: target_accepts_both }}\n",
            self.url
        );
        let file = self.folder.path().join("recipe.yaml");
        std::fs::write(&file, recipe)?;
        let report = self.folder.path().join("report.json");
        let log = self.folder.path().join(format!("{name}.log"));
        let before = children_cpu()?;
        let child = Command::new(&self.segue)
            .arg("run")
            .arg(&file)
            .args(["--yes", "--json", "--report"])
            .arg(&report)
            .args(["--log-level", "info", "--log-file"])
            .arg(&log)
            .env("SEGUE_STATE_DIR", self.folder.path().join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start segue")?;
        let watched = watch(child, &log)?;
        let report: Value = serde_json::from_slice(&std::fs::read(&report)?)?;
        let part = &report["parts"][0];
        ensure!(part["balance"]["read"] == docs, "not all documents were carried: {report}");
        let seconds = |step: &str| part["durations_ms"][step].as_f64().unwrap_or(0.0) / 1000.0;
        Ok(Ran {
            backfill_s: seconds("backfill"),
            verify_s: seconds("verify"),
            backfill_cpu_s: watched.backfill_cpu_s,
            cpu_s: children_cpu()? - before,
            peak_mb: watched.peak_mb,
        })
    }
}

/// CPU time of all children that have ended, in seconds.
fn children_cpu() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let milliseconds =
        usage.user_time().num_milliseconds() + usage.system_time().num_milliseconds();
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a short run")]
    Ok(milliseconds as f64 / 1000.0)
}

/// What was seen of a process from outside.
#[derive(Default)]
struct Watched {
    peak_mb: f64,
    backfill_cpu_s: f64,
}

/// Waits for the end; looks at memory, and at the CPU time once the log has the first pass's end.
fn watch(mut child: Child, log: &Path) -> anyhow::Result<Watched> {
    let begun = Instant::now();
    let mut watched = Watched::default();
    loop {
        watched.peak_mb = watched.peak_mb.max(peak_mb(child.id()));
        if watched.backfill_cpu_s == 0.0
            && std::fs::read_to_string(log).is_ok_and(|text| text.contains("\"backfilled\""))
        {
            watched.backfill_cpu_s = cpu_s(child.id())?;
        }
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "segue ended with {status}");
            ensure!(watched.backfill_cpu_s > 0.0, "the log does not have the first pass's end");
            return Ok(watched);
        }
        if begun.elapsed() > Duration::from_secs(1800) {
            child.kill()?;
            child.wait()?;
            anyhow::bail!("segue did not end within half an hour");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The largest resident memory so far, in MB; 0 where the process has ended.
fn peak_mb(process: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kb.unwrap_or(0.0) / 1000.0
}

/// User and system time so far, in seconds: fields 14 and 15, in hundredths.
fn cpu_s(process: u32) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: Result<Vec<f64>, _> = ticks.map(str::parse).collect();
    Ok(ticks?.iter().sum::<f64>() / 100.0)
}
