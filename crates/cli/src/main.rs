//! `segue` changes live search indices while readers and writers keep working.
//!
//! This crate is the edge: it alone reads arguments and the environment, prints, and exits.

mod args;
mod command;
mod exit;
mod log;
mod recipe_file;
mod render;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    if let Ok(names) = std::env::var("SEGUE_SABOTAGE") {
        segue_engine::sabotage::take_away(&names);
    }
    if let Err(error) = log::start(&arguments.log) {
        eprintln!("error: {error:#}");
        return ExitCode::from(2);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(command::run(arguments.command)),
        Err(error) => Err(anyhow::Error::from(error).context("cannot start")),
    };
    ended.unwrap_or_else(|error| exit::explain(&error))
}
