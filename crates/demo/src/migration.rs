//! The migration itself: the real binary as a child process, with a recipe as a user would have it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::process::Command;

const RECIPE: &str = include_str!("../../../recipes/invenio/usage-events.yaml");
const TEMPLATES: [(&str, &str); 2] = [
    (
        "record-view-v2.0.0.json",
        include_str!("../../../recipes/invenio/templates/record-view-v2.0.0.json"),
    ),
    (
        "file-download-v2.0.0.json",
        include_str!("../../../recipes/invenio/templates/file-download-v2.0.0.json"),
    ),
];
/// The recipe's own name, and the one it gets here: the key of its journal.
const NAMES: [&str; 2] = ["name: usage-events\n", "name: demo-usage-events\n"];
/// The demo's name in the journal.
pub const NAME: &str = "demo-usage-events";

/// A recipe in a folder of the demo, and the binary that runs it.
#[derive(Debug, Clone)]
pub struct Migration {
    segue: PathBuf,
    recipe: PathBuf,
    report: PathBuf,
    cluster: String,
    prefix: String,
}

/// How the run ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; -1 if a signal ended it.
    pub exit: i32,
    /// The report it wrote; null if it wrote none.
    pub report: Value,
    /// How long it took.
    pub took: Duration,
}

impl Migration {
    /// Writes the recipe and its templates below `folder`.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn prepare(
        segue: &Path,
        folder: &Path,
        cluster: &str,
        prefix: &str,
    ) -> anyhow::Result<Self> {
        let templates = folder.join("templates");
        std::fs::create_dir_all(&templates)
            .with_context(|| format!("cannot make {}", templates.display()))?;
        ensure!(RECIPE.contains(NAMES[0]), "the recipe's name is not where it was");
        let recipe = folder.join("usage-events.yaml");
        write(&recipe, &RECIPE.replacen(NAMES[0], NAMES[1], 1))?;
        for (name, text) in TEMPLATES {
            write(&templates.join(name), text)?;
        }
        let report = folder.join("report.json");
        if report.exists() {
            std::fs::remove_file(&report).context("cannot remove an old report")?;
        }
        Ok(Self {
            segue: segue.to_owned(),
            recipe,
            report,
            cluster: cluster.to_owned(),
            prefix: prefix.to_owned(),
        })
    }

    /// The command line, for people.
    #[must_use]
    pub fn command_line(&self, verb: &str) -> String {
        let recipe = self.recipe.display();
        let (cluster, prefix) = (&self.cluster, &self.prefix);
        format!("SEGUE_CLUSTER={cluster} segue {verb} {recipe} --set prefix={prefix}")
    }

    /// Shows the plan on stderr.
    ///
    /// # Errors
    /// A binary that does not start or does not end in time.
    pub async fn plan(&self) -> anyhow::Result<i32> {
        self.child(&["plan"], Duration::from_secs(120)).await
    }

    /// Runs the migration, its progress on stderr, for at most `patience`.
    ///
    /// # Errors
    /// A binary that does not start or does not end in time; a report that cannot be read.
    pub async fn run(&self, patience: Duration) -> anyhow::Result<Ran> {
        let report = self.report.to_string_lossy();
        let begun = Instant::now();
        let exit = self.child(&["run", "--yes", "--json", "--report", &report], patience).await?;
        let took = begun.elapsed();
        let report = match std::fs::read(&self.report) {
            Ok(bytes) => serde_json::from_slice(&bytes).context("the report is not JSON")?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Value::Null,
            Err(error) => return Err(error).context("cannot read the report"),
        };
        Ok(Ran { exit, report, took })
    }

    async fn child(&self, verb: &[&str], patience: Duration) -> anyhow::Result<i32> {
        // Standard output belongs to the demo's own result.
        let stdout = match verb {
            ["plan", ..] => Stdio::from(std::io::stderr()),
            _ => Stdio::null(),
        };
        let mut child = Command::new(&self.segue)
            .arg(verb[0])
            .arg(&self.recipe)
            .args(&verb[1..])
            .args(["--set", &format!("prefix={}", self.prefix)])
            .env("SEGUE_CLUSTER", &self.cluster)
            .stdin(Stdio::null())
            .stdout(stdout)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.segue.display()))?;
        let ended = tokio::time::timeout(patience, child.wait()).await;
        let status = ended.with_context(|| {
            format!("segue {} did not end within {} s", verb[0], patience.as_secs())
        })??;
        Ok(status.code().unwrap_or(-1))
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{Migration, NAME};

    #[test]
    fn the_recipe_is_written_under_the_demos_name() {
        let folder = tempfile::tempdir().unwrap();
        let prepared =
            Migration::prepare("segue".as_ref(), folder.path(), "http://127.0.0.1:1", "demo-");
        let recipe = std::fs::read_to_string(prepared.unwrap().recipe).unwrap();
        assert!(recipe.contains(&format!("\nname: {NAME}\n")));
        assert!(folder.path().join("templates/record-view-v2.0.0.json").exists());
    }
}
