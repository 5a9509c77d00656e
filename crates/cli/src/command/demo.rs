//! `segue demo`.

use std::process::ExitCode;

use anyhow::Context;
use segue_demo::Options;

use crate::args::DemoOptions;
use crate::recipe_file;

/// Runs the demo.
pub async fn run(wanted: DemoOptions) -> anyhow::Result<ExitCode> {
    let state = recipe_file::user_state().context("neither XDG_STATE_HOME nor HOME is set")?;
    let mut options = Options::new(std::env::current_exe()?, state.join("demo"));
    options.docs = wanted.docs;
    options.writers = wanted.writers;
    options.seed = wanted.seed;
    options.keep = wanted.keep;
    options.json = wanted.json;
    options.cluster = wanted.cluster.filter(|url| !url.is_empty());
    let outcome = segue_demo::run(options, &mut |line| eprintln!("{line}")).await?;
    Ok(if outcome.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
