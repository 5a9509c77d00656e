//! The plain loader in Python, to compare with: its environment, made once in the user's cache, and a run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use segue_testkit::Engine;

use crate::process::{self, Used};

/// The loader's only library, from the package index.
const LIBRARY: &str = "opensearch-py==3.2.0";
const LOADER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/loader.py");
const PATIENCE: Duration = Duration::from_mins(30);

/// How the loader is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As the library does it by itself.
    Plain,
    /// Refresh off, larger requests.
    Tuned,
}

/// An interpreter that has the library.
pub struct Python {
    interpreter: PathBuf,
}

impl Python {
    /// Makes the environment, or finds the one that an earlier run made.
    ///
    /// # Errors
    /// There is no `python3` with `venv`, or the library cannot be had.
    pub fn ready() -> anyhow::Result<Python> {
        let cache = segue_sandbox::Options::named("bench")?.cache;
        let folder = cache.with_file_name("bench").join(LIBRARY.replace("==", "-"));
        let interpreter = folder.join("bin/python");
        let probe = |program: &Path| {
            let mut command = Command::new(program);
            run(command.args(["-c", "import opensearchpy"]).stderr(Stdio::null()))
        };
        if probe(&interpreter).is_ok() {
            return Ok(Python { interpreter });
        }
        eprintln!("installing {LIBRARY} into {}", folder.display());
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
            .context("python3 with its module venv is needed")?;
        run(Command::new(&interpreter).args(["-m", "pip", "install", "--quiet", LIBRARY]))
            .with_context(|| format!("pip cannot install {LIBRARY}"))?;
        probe(&interpreter).context("what was installed cannot be imported")?;
        Ok(Python { interpreter })
    }

    /// Loads `file` into `index`, which is there and empty.
    ///
    /// # Errors
    /// The loader fails, or not all `docs` documents are there afterwards.
    pub fn load(
        &self,
        engine: &Engine,
        index: &str,
        file: &Path,
        docs: u32,
        manner: Manner,
    ) -> anyhow::Result<Used> {
        let mut command = Command::new(&self.interpreter);
        command.arg(LOADER).arg(&engine.url).arg(index).arg(file).stdout(Stdio::null());
        if manner == Manner::Tuned {
            command.arg("--tuned");
        }
        let used = process::run(&mut command, PATIENCE, |_| Ok(()))?;
        let there = engine.json.count(index);
        ensure!(there == u64::from(docs), "the loader wrote {there} documents of {docs}");
        Ok(used)
    }
}

/// Runs a program to its end; what it prints goes to standard error.
fn run(command: &mut Command) -> anyhow::Result<()> {
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    process::run(command, Duration::from_mins(5), |_| Ok(())).map(drop)
}
