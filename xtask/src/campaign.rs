//! `cargo xtask campaign`: builds the program and the campaign, and becomes the campaign.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use clap::Args;

/// What the campaign is told.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Told {
    /// Passed on to the campaign: `cargo xtask campaign --help` shows them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Returns only if the campaign cannot be started: its exit code is that of this process.
pub(crate) fn run(told: &Told) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = "build --release --quiet --locked --package segue --package segue-campaign";
    let built = Command::new(cargo).args(build.split(' ')).status().context("cannot run cargo")?;
    if !built.success() {
        bail!("the build ended with {built}");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let program = Path::new(&target).join("release/segue-campaign");
    let error = Command::new(&program).args(&told.arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
