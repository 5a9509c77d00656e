//! `segue membership run`, `apply` and `status`.

use std::process::ExitCode;

use segue_engine::Ending;
use segue_engine::membership::{self, ApplyReport, Asked, Input, Membership};
use segue_engine::progress::Listener;
use segue_model::membership::Only;
use tokio_util::sync::CancellationToken;

use super::ask::stop_on_interrupt;
use crate::args::{
    MembershipApplyOptions, MembershipCommand, MembershipRunOptions, RecipeFile, StatusOptions,
};
use crate::exit::{self, Usage};
use crate::recipe_file;
use crate::render::membership as render;
use crate::render::progress::Display;

/// Runs a membership, changes it, or shows it.
pub async fn run(command: &MembershipCommand) -> anyhow::Result<ExitCode> {
    match command {
        MembershipCommand::Run(options) => fill(options).await,
        MembershipCommand::Apply(options) => apply(options).await,
        MembershipCommand::Status(options) => status(options).await,
    }
}

async fn fill(options: &MembershipRunOptions) -> anyhow::Result<ExitCode> {
    let only = Only::read(&options.only).map_err(|error| Usage(format!("--only: {error}")))?;
    let cancel = CancellationToken::new();
    stop_on_interrupt(cancel.clone());
    let display = Display::start();
    let membership = open(&options.file, display.listener(), cancel)?;
    let ended = membership::run(&membership, &Asked { only, dry_run: options.dry_run }).await;
    display.finish();
    let report = ended?;
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", render::report(&report));
    }
    Ok(exit::code((report.refused.count > 0).then_some(Ending::Refused)))
}

async fn apply(options: &MembershipApplyOptions) -> anyhow::Result<ExitCode> {
    let cancel = CancellationToken::new();
    stop_on_interrupt(cancel.clone());
    let display = Display::start();
    let membership = open(&options.file, display.listener(), cancel)?;
    let input = match options.changes.to_str() {
        Some("-") => Input::Standard,
        _ => Input::File(options.changes.clone()),
    };
    let ended = membership::apply(&membership, &input).await;
    display.finish();
    let report = ended?;
    for bad in &report.first_bad {
        let file = options.changes.display();
        eprintln!("error: {file}:{}:{}: {}", bad.line, bad.column, bad.why);
    }
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", render::applied(&report));
    }
    Ok(applied(&report))
}

fn applied(report: &ApplyReport) -> ExitCode {
    match (report.refused.count, report.bad_lines) {
        (0, 0) => ExitCode::SUCCESS,
        // Nothing was done.
        (0, _) if report.done_to_line == 0 => ExitCode::from(2),
        (0, _) => exit::code(Some(Ending::Failed)),
        _ => exit::code(Some(Ending::Refused)),
    }
}

async fn status(options: &StatusOptions) -> anyhow::Result<ExitCode> {
    let membership = open(&options.file, Listener::new(|_| {}), CancellationToken::new())?;
    let status = membership::status(&membership).await?;
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
) -> anyhow::Result<Membership> {
    let recipe = recipe_file::load_membership(file)?;
    let folder = recipe_file::folder(file);
    let cluster = recipe_file::connect_to(&recipe.cluster, &folder)?;
    Ok(Membership::new(cluster, recipe, folder, listener, cancel))
}
