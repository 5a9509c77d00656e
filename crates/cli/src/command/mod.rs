//! One file per verb.

mod abandon;
mod account;
mod ask;
mod bookmarks;
mod cleanup;
mod copy;
mod demo;
mod doctor;
mod dry_run;
mod errors;
mod manual;
mod membership;
mod plan;
mod recipe;
mod recipe_new;
mod rollback;
mod rollup;
mod run;
mod sandbox;
mod status;
mod switch;
mod trial;
mod watchdog;
mod worker;

use std::process::ExitCode;
use std::time::Duration;

use segue_engine::migrate::Goal;

use crate::args::Command;

/// Carries out `command`.
pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(options) => demo::run(options).await,
        Command::Sandbox(command) => sandbox::run(&command),
        Command::Recipe(command) => recipe::run(&command).await,
        Command::Copy(options) => copy::run(&options).await,
        Command::Switch(options) => switch::run(&options).await,
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { folder } => manual::pages(&folder),
        Command::Reference => manual::reference(),
        Command::Plan(options) => plan::run(&options).await,
        Command::Try(options) => trial::run(&options).await,
        Command::Run(options) if options.dry_run => dry_run::run(&options).await,
        Command::Run(options) => {
            run::run(&options.run, Goal::Run, options.follow.map(Duration::from_secs)).await
        }
        Command::Verify(options) => run::run(&options, Goal::Verify, None).await,
        Command::Cutover(options) => run::run(&options, Goal::Cutover, None).await,
        Command::Rollback(options) => rollback::run(&options).await,
        Command::Rollup(command) => rollup::run(&command).await,
        Command::Membership(command) => membership::run(&command).await,
        Command::Bookmarks(options) => bookmarks::run(&options).await,
        Command::Status(options) => status::run(&options).await,
        Command::Worker(options) => worker::run(&options).await,
        Command::Abandon(options) => abandon::run(&options).await,
        Command::Cleanup(options) => cleanup::run(&options).await,
        Command::Doctor(options) => doctor::run(&options).await,
        Command::Errors(options) => errors::run(&options).await,
        Command::Watchdog(file) => watchdog::run(&file).await,
    }
}
