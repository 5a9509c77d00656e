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
             cutover: {{ mode: block, start: manual }}\n",
            self.url
        );
        let file = self.folder.path().join("recipe.yaml");
        std::fs::write(&file, recipe)?;
        let report = self.folder.path().join("report.json");
        let before = children_cpu()?;
        let child = Command::new(&self.segue)
            .arg("run")
            .arg(&file)
            .args(["--yes", "--json", "--report"])
            .arg(&report)
            .env("SEGUE_STATE_DIR", self.folder.path().join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start segue")?;
        let peak_mb = watch(child)?;
        let report: Value = serde_json::from_slice(&std::fs::read(&report)?)?;
        let part = &report["parts"][0];
        ensure!(part["balance"]["read"] == docs, "not all documents were carried: {report}");
        let seconds = |step: &str| part["durations_ms"][step].as_f64().unwrap_or(0.0) / 1000.0;
        Ok(Ran {
            backfill_s: seconds("backfill"),
            verify_s: seconds("verify"),
            cpu_s: children_cpu()? - before,
            peak_mb,
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

/// Waits for the end; the largest resident memory seen, in MB.
fn watch(mut child: Child) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak_kb = 0.0f64;
    loop {
        if let Ok(text) = std::fs::read_to_string(&status_file) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kb = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
            peak_kb = peak_kb.max(kb.unwrap_or(0.0));
        }
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "segue ended with {status}");
            return Ok(peak_kb / 1000.0);
        }
        if begun.elapsed() > Duration::from_secs(1800) {
            child.kill()?;
            child.wait()?;
            anyhow::bail!("segue did not end within half an hour");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
