//! `segue watchdog`: what a run starts before it closes a source.

use std::io::Write;
use std::process::ExitCode;

use segue_engine::cutover::watchdog;

use crate::args::RecipeFile;
use crate::recipe_file;

/// Waits until it is dismissed, or backs out.
pub async fn run(file: &RecipeFile) -> anyhow::Result<ExitCode> {
    let recipe = recipe_file::load(file)?;
    let cluster = recipe_file::connect(&recipe, &recipe_file::folder(file))?;
    let ready = || {
        let mut out = std::io::stdout().lock();
        writeln!(out, "ready")?;
        out.flush()
    };
    watchdog::watch(&cluster, tokio::io::stdin(), ready).await?;
    // Standard input is read by a thread that nothing ends; the process must not wait for it.
    std::process::exit(0)
}
