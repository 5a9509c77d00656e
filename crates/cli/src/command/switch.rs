//! `segue switch`: an alias from one index to another.

use std::path::Path;
use std::process::ExitCode;

use segue_engine::Error;
use segue_engine::journal_store::JournalStore;
use segue_engine::migrate::Goal;
use segue_engine::realias::{Move, Wanted, carry_out, look};
use segue_model::draft::{Series, copy_name};
use segue_model::id::{AliasName, IndexName, MigrationName};
use segue_model::recipe::SwapSpec;
use serde_json::json;

use super::{ask, copy, recipe_new, run as run_recipe};
use crate::args::SwitchOptions;
use crate::recipe_file;

/// Moves the alias: by the last pass of a copy that segue made, else by itself.
pub async fn run(options: &SwitchOptions) -> anyhow::Result<ExitCode> {
    let bare = recipe_new::recipe(&options.connect.lines(), &Series::one("any"))?;
    let cluster = recipe_file::connect(&bare, Path::new("."))?;
    let spec = SwapSpec {
        max_drift: options.max_drift,
        discard_writes: options.discard_writes,
        first_load: options.first_load,
        ..SwapSpec::default()
    };
    let wanted = Wanted {
        alias: AliasName::new(options.alias.as_str()),
        from: options.from.as_deref().map(IndexName::new),
        to: IndexName::new(options.to.as_str()),
        spec,
    };
    let Some(moved) = look(&cluster, &wanted).await? else {
        return Ok(done(options, "stood for it already"));
    };
    let (from, to) = (moved.from.as_str(), moved.to.as_str());
    let name = MigrationName::new(copy_name(from, to));
    let journal = JournalStore::new(cluster.clone(), name, "switch".to_owned()).read().await?;
    let copied = journal.parts.get(&moved.from).is_some_and(|state| !state.phase.is_given_up());
    if copied {
        let file = copy::write(from, to, &options.connect, None)?;
        let run_options = copy::run_options(file, options.yes, options.json);
        if options.dry_run {
            return super::plan::run(&run_options.plan).await;
        }
        return run_recipe::run(&run_options, Goal::Cutover, None).await;
    }
    show(&moved);
    if !moved.is_open() {
        return Err(Error::Gate(moved.gate).into());
    }
    if options.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if !options.yes {
        ask::confirm("switch?")?;
    }
    carry_out(&cluster, &moved, &spec).await?;
    Ok(done(options, "switched"))
}

fn show(moved: &Move) {
    let Move { alias, from, to, documents, .. } = moved;
    eprintln!("{alias}: {from} ({} documents) -> {to} ({} documents)", documents.0, documents.1);
    for predicate in &moved.gate {
        eprintln!("    {predicate}");
    }
}

fn done(options: &SwitchOptions, what: &str) -> ExitCode {
    if options.json {
        println!("{}", json!({ "alias": options.alias, "to": options.to, "outcome": what }));
    } else {
        println!("{} -> {}: {what}", options.alias, options.to);
    }
    ExitCode::SUCCESS
}
