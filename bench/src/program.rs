//! The release binary as a process: how long it takes, what it uses.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::process;

/// One recipe in a folder of its own.
pub struct Program {
    segue: PathBuf,
    folder: tempfile::TempDir,
    url: String,
}

/// What one run took.
pub struct Ran {
    /// The first pass, or the loading of files, in seconds.
    pub backfill_s: f64,
    /// The verification, in seconds.
    pub verify_s: f64,
    /// The whole process, in seconds.
    pub wall_s: f64,
    /// Own CPU time up to the end of the first pass, user and system, in seconds.
    pub backfill_cpu_s: f64,
    /// Own CPU time of the whole process, user and system, in seconds.
    pub cpu_s: f64,
    /// Largest resident memory, in MB.
    pub peak_mb: f64,
}

impl Program {
    /// The binary `segue`, against the engine at `url`.
    ///
    /// # Errors
    /// There is no such binary, or no folder can be made.
    pub fn new(segue: &Path, url: &str) -> anyhow::Result<Program> {
        let segue = segue.canonicalize().context("cannot find the binary")?;
        Ok(Program { segue, folder: tempfile::tempdir()?, url: url.to_owned() })
    }

    /// Carries `source` into `{source}-v2` up to the cutover, which is not started.
    ///
    /// # Errors
    /// As those of [`carry_out`](Self::carry_out).
    pub fn run(&self, name: &str, source: &str, pipeline: &str, docs: u32) -> anyhow::Result<Ran> {
        let rest = format!(
            "source: {{ index: '{source}' }}\ntarget: {{ index: '{{source}}-v2' }}\n{pipeline}\
             cutover: {{ mode: block, start: manual, after_switch: target_accepts_both }}\n"
        );
        self.carry_out(name, &rest, docs)
    }

    /// Loads a file into a generation of `alias`, as `template` says, and swaps it in.
    ///
    /// # Errors
    /// As those of [`carry_out`](Self::carry_out).
    pub fn load(
        &self,
        file: &Path,
        alias: &str,
        template: &Value,
        docs: u32,
    ) -> anyhow::Result<Ran> {
        std::fs::write(self.folder.path().join("template.json"), template.to_string())?;
        let rest = format!(
            "source: {{ files: {} }}\n\
             target: {{ index: '{alias}-{{generation}}', template: template.json }}\n\
             cutover: {{ alias: {alias}, first_load: true }}\n",
            Value::from(file.to_string_lossy())
        );
        self.carry_out("load", &rest, docs)
    }

    /// `segue run` of a recipe that begins with the name and the cluster and goes on with `rest`.
    ///
    /// # Errors
    /// It fails, does not end within half an hour, or reads other than `docs` documents.
    fn carry_out(&self, name: &str, rest: &str, docs: u32) -> anyhow::Result<Ran> {
        let recipe =
            format!("segue: 1\nname: bench-{name}\ncluster: {{ url: '{}' }}\n{rest}", self.url);
        let file = self.folder.path().join("recipe.yaml");
        std::fs::write(&file, recipe)?;
        let report = self.folder.path().join("report.json");
        let log = self.folder.path().join(format!("{name}.log"));
        let told = std::fs::File::create(self.folder.path().join("told"))?;
        let mut command = Command::new(&self.segue);
        command.arg("run").arg(&file).args(["--yes", "--json", "--report"]).arg(&report);
        command.args(["--log-level", "info", "--log-file"]).arg(&log);
        command.env("SEGUE_STATE_DIR", self.folder.path().join("state"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(told);
        let mut backfill_cpu_s = 0.0;
        let used = process::run(&mut command, Duration::from_mins(30), |process| {
            let text = || std::fs::read_to_string(&log);
            if backfill_cpu_s == 0.0 && text().is_ok_and(|text| text.contains("\"backfilled\"")) {
                // It may have ended by now; then the last look has to do.
                backfill_cpu_s = process::cpu_s(process).unwrap_or(0.0);
            }
            Ok(())
        });
        let used = used.with_context(|| {
            std::fs::read_to_string(self.folder.path().join("told")).unwrap_or_default()
        })?;
        ensure!(backfill_cpu_s > 0.0, "the log does not have the first pass's end");
        let report: Value = serde_json::from_slice(&std::fs::read(&report)?)?;
        let part = &report["parts"][0];
        ensure!(part["balance"]["read"] == docs, "not all documents were carried: {report}");
        let written = part["balance"]["written"] == docs;
        ensure!(
            written,
            "not all documents were written, so something else was measured: {report}"
        );
        let seconds = |step: &str| part["durations_ms"][step].as_f64().unwrap_or(0.0) / 1000.0;
        Ok(Ran {
            backfill_s: seconds("backfill") + seconds("load"),
            verify_s: seconds("verify"),
            wall_s: used.wall_s,
            backfill_cpu_s,
            cpu_s: used.cpu_s,
            peak_mb: used.peak_mb,
        })
    }
}
