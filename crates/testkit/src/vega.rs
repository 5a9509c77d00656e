//! Real files: the data of the npm package `vega-datasets`, fetched once and kept in the user's cache.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const PACKAGE: &str = "vega-datasets@3.2.1";
const ARCHIVE: &str = "vega-datasets-3.2.1.tgz";

/// The folder with the package's files.
///
/// # Panics
/// If they are not there and cannot be fetched.
#[must_use]
pub fn vega() -> PathBuf {
    let kept = cache().join("vega-datasets-3.2.1");
    if !kept.exists()
        && let Err(error) = fetch(&kept)
    {
        panic!("{PACKAGE} cannot be fetched: {error:#}");
    }
    kept.join("package").join("data")
}

fn cache() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = set("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| {
        let home = set("HOME")?;
        Some(PathBuf::from(home).join(".cache"))
    });
    base.unwrap_or_else(std::env::temp_dir).join("segue").join("data")
}

/// Into a folder of its own first: of two tests that fetch at once one is first.
fn fetch(kept: &Path) -> anyhow::Result<()> {
    let npm = segue_sandbox::program("npm", "npm", &mut |text| eprintln!("{text}"))?;
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let own = kept.with_extension(format!("part-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&own)?;
    run(Command::new(npm).args(["pack", "--silent", PACKAGE]).current_dir(&own))?;
    run(Command::new("tar").args(["-xzf", ARCHIVE]).current_dir(&own))?;
    if std::fs::rename(&own, kept).is_err() && kept.exists() {
        std::fs::remove_dir_all(&own)?;
    }
    Ok(())
}

/// Runs a program to its end, for two minutes at most.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    for _ in 0..1_200 {
        if let Some(status) = child.try_wait()? {
            anyhow::ensure!(status.success(), "{command:?}: {status}");
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill()?;
    anyhow::bail!("{command:?} did not end")
}
