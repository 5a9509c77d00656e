//! Cargo's helpers that are not part of Rust, in pinned versions, kept outside the tree.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::run::Interrupt;
use crate::step::Step;

/// A program that is installed from source where it is missing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    name: &'static str,
    version: &'static str,
}

impl Tool {
    pub(crate) const DENY: Self = Self { name: "cargo-deny", version: "0.20.2" };
    pub(crate) const MACHETE: Self = Self { name: "cargo-machete", version: "0.9.2" };

    /// The program: from `PATH` if it has the pinned version, else from the cache, where it is
    /// built first if need be.
    pub(crate) fn get(self, interrupt: &Interrupt) -> anyhow::Result<PathBuf> {
        let known = PathBuf::from(self.name);
        if self.is_version_of(&known) {
            return Ok(known);
        }
        let folder = cache()?.join(format!("{}-{}", self.name, self.version));
        let program = folder.join("bin").join(self.name);
        if !program.is_file() {
            self.install(&folder, interrupt)?;
        }
        if !self.is_version_of(&program) {
            bail!("{} is not {} {}", program.display(), self.name, self.version);
        }
        Ok(program)
    }

    /// Built unoptimised: they run for seconds, and an optimised build would take minutes.
    fn install(self, folder: &Path, interrupt: &Interrupt) -> anyhow::Result<()> {
        eprintln!("installing {} {} (once)", self.name, self.version);
        let target = folder.join("target");
        let arguments =
            format!("install {} --version ={} --locked --debug", self.name, self.version);
        let install = Step::cargo(self.name, &arguments)
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .argument("--root")
            .argument(folder)
            .within(20);
        install.run(interrupt)?;
        std::fs::remove_dir_all(&target).context("cannot remove the tool's build folder")
    }

    fn is_version_of(self, program: &Path) -> bool {
        let answer = Command::new(program).arg("--version").output();
        answer.is_ok_and(|answer| says(&answer.stdout, self.version))
    }
}

/// `cargo-deny 0.20.2`, or only `0.9.2`: the last word is the version.
fn says(answer: &[u8], version: &str) -> bool {
    String::from_utf8_lossy(answer).split_whitespace().next_back() == Some(version)
}

/// Where tools are kept: `XDG_CACHE_HOME`, else `~/.cache`.
fn cache() -> anyhow::Result<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let named = named.filter(|path| path.is_absolute());
    let cache = named.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    Ok(cache.context("no place for tools: set HOME or XDG_CACHE_HOME")?.join("segue/tools"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_recognised() {
        assert!(says(b"cargo-deny 0.20.2\n", "0.20.2"));
        assert!(says(b"0.9.2\n", "0.9.2"));
        assert!(!says(b"cargo-deny 0.20.21\n", "0.20.2"));
        assert!(!says(b"", "0.20.2"));
    }
}
