//! `segue cleanup`.

use std::process::ExitCode;

use indicatif::HumanBytes;
use segue_engine::cleanup::{self, Cleaned, Item};
use segue_engine::load::{self, Retired};
use segue_engine::session::Session;
use segue_model::cleanup::Role;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::abandon::{choose, gravity};
use super::ask::{self, stop_on_interrupt};
use super::plan::{Bounds, open};
use crate::args::CleanupOptions;
use crate::exit::{self, Usage};
use crate::render::progress::Display;

/// Deletes what is no longer needed.
pub async fn run(options: &CleanupOptions) -> anyhow::Result<ExitCode> {
    let cancel = CancellationToken::new();
    stop_on_interrupt(cancel.clone());
    let display = Display::start();
    let session = open(&options.parts.file, Bounds::default(), display.listener(), cancel).await?;
    if session.recipe().source.files().is_some() {
        return generations(&session, options).await;
    }
    let known = cleanup::known(&session).await?;
    let chosen = choose(&session, &options.parts, known.parts.iter())?;
    let mut due = false;
    for source in &chosen {
        for item in cleanup::look(&session, &known, source, options.older_than).await {
            announce(&item);
            due |= item.is_due();
        }
    }
    if due && !options.yes {
        ask::confirm("delete this?")?;
    }
    let mut outcomes = Vec::new();
    for source in &chosen {
        session.check_stop()?;
        outcomes.push(cleanup::clean(&session, source, options.older_than).await);
    }
    display.finish();
    if options.parts.json {
        println!("{}", json!({ "migration": session.migration(), "parts": outcomes }));
    } else {
        outcomes.iter().for_each(show);
    }
    Ok(exit::code(outcomes.iter().filter_map(|outcome| outcome.ending).max_by_key(gravity)))
}

/// Deletes the generations that are older than those the recipe keeps.
async fn generations(session: &Session, options: &CleanupOptions) -> anyhow::Result<ExitCode> {
    if !options.parts.only.is_empty() {
        let text = "--only: generations are kept by their number, cutover.keep_generations";
        return Err(Usage(text.to_owned()).into());
    }
    let surplus = load::surplus(session).await?;
    for generation in &surplus {
        eprintln!("delete  {generation}: the recipe keeps fewer generations");
    }
    if !surplus.is_empty() && !options.yes {
        ask::confirm("delete this?")?;
    }
    let retired = load::retire(session).await?;
    if options.parts.json {
        println!("{}", json!({ "migration": session.migration(), "deleted": retired }));
    } else {
        for Retired { index, documents, bytes } in &retired {
            println!("deleted: {index} ({documents} documents, {})", HumanBytes(*bytes));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what would be done with one part.
fn announce(item: &Item) {
    eprintln!("{}: {}", item.source, item.phase);
    for alias in &item.write_aliases {
        eprintln!("    remove  alias {alias}: nobody writes through it any more");
    }
    let Some(remains) = &item.remains else { return };
    let what = match remains.role {
        Role::KeptCopy => "the old index as it was at the switch",
        Role::Target => "the target, of which the names were taken back",
    };
    let size = item.found.as_ref().map_or_else(String::new, |found| {
        format!(" ({} documents, {})", found.documents, HumanBytes(found.bytes))
    });
    let index = &remains.index;
    if item.doubts.is_empty() {
        match &item.found {
            Some(_) => eprintln!("    delete  {index}{size}: {what}"),
            None => eprintln!("    gone    {index}: {what}"),
        }
    }
    for doubt in &item.doubts {
        eprintln!("    leave   {index}{size}: {doubt}");
    }
}

fn show(outcome: &Cleaned) {
    println!("{}\n    {}", outcome.source, outcome.phase);
    for alias in &outcome.write_aliases {
        println!("    removed: alias {alias}");
    }
    for deleted in &outcome.deleted {
        let bytes = HumanBytes(deleted.bytes);
        println!("    deleted: {} ({} documents, {bytes})", deleted.index, deleted.documents);
    }
    for refused in &outcome.refused {
        println!("    left: {}: {}", refused.index, refused.why);
    }
    if let Some(error) = &outcome.error {
        println!("    error[{}]: {}", error.code, error.message);
    }
}
