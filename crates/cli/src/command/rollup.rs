//! `segue rollup run` and `segue rollup status`.

use std::process::ExitCode;

use segue_engine::progress::Listener;
use segue_engine::rollup::{self, Asked, Rollup};
use segue_model::rollup::{Period, PeriodStart};
use tokio_util::sync::CancellationToken;

use super::ask::stop_on_interrupt;
use crate::args::{RecipeFile, RollupCommand, RollupRunOptions, StatusOptions};
use crate::exit::Usage;
use crate::recipe_file;
use crate::render::progress::Display;
use crate::render::rollup as render;

/// Runs a roll-up, or shows it.
pub async fn run(command: &RollupCommand) -> anyhow::Result<ExitCode> {
    match command {
        RollupCommand::Run(options) => roll_up(options).await,
        RollupCommand::Status(options) => status(options).await,
    }
}

async fn roll_up(options: &RollupRunOptions) -> anyhow::Result<ExitCode> {
    let cancel = CancellationToken::new();
    stop_on_interrupt(cancel.clone());
    let display = Display::start();
    let (rollup, period) = open(&options.file, display.listener(), cancel)?;
    let asked = Asked {
        from: date(period, "--from", options.from.as_deref())?,
        to: date(period, "--to", options.to.as_deref())?,
    };
    let ended = rollup::run(&rollup, asked).await;
    display.finish();
    let report = ended?;
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", render::report(&report, period));
    }
    Ok(ExitCode::SUCCESS)
}

async fn status(options: &StatusOptions) -> anyhow::Result<ExitCode> {
    let (rollup, _) = open(&options.file, Listener::new(|_| {}), CancellationToken::new())?;
    let status = rollup::status(&rollup).await?;
    if options.json {
        println!("{}", serde_json::to_string(&status)?);
    } else {
        print!("{}", render::status(&status));
    }
    Ok(ExitCode::SUCCESS)
}

fn open(
    file: &RecipeFile,
    listener: Listener,
    cancel: CancellationToken,
) -> anyhow::Result<(Rollup, Period)> {
    let recipe = recipe_file::load_rollup(file)?;
    let folder = recipe_file::folder(file);
    let cluster = recipe_file::connect_to(&recipe.cluster, &folder)?;
    let period = recipe.rollup.period;
    Ok((Rollup::new(cluster, recipe, folder, listener, cancel), period))
}

fn date(period: Period, name: &str, text: Option<&str>) -> anyhow::Result<Option<PeriodStart>> {
    let Some(text) = text else { return Ok(None) };
    match period.parse(text) {
        Some(at) => Ok(Some(at)),
        None => Err(Usage(format!("{name}: `{text}` isn't a date such as 2025-06-04")).into()),
    }
}
