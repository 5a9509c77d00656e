//! `segue abandon`.

use std::process::ExitCode;

use segue_engine::Ending;
use segue_engine::abandon::{self, Abandoned, Found};
use segue_engine::journal_store::Journal;
use segue_engine::load;
use segue_engine::migrate;
use segue_engine::session::Session;
use segue_model::id::IndexName;
use segue_model::part::PartState;
use segue_model::phase::Phase;
use segue_model::selection::select;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::ask::{self, stop_on_interrupt};
use super::plan::{Bounds, open};
use crate::args::{AbandonOptions, PartsOptions};
use crate::exit::{self, Usage};
use crate::render::progress::Display;

/// Gives parts up.
pub async fn run(options: &AbandonOptions) -> anyhow::Result<ExitCode> {
    let cancel = CancellationToken::new();
    stop_on_interrupt(cancel.clone());
    let display = Display::start();
    let session = open(&options.parts.file, Bounds::default(), display.listener(), cancel).await?;
    let journal = session.journal().read().await?;
    let chosen = choose(&session, &options.parts, journal.parts.iter())?;
    if !options.yes && announce(&session, &journal, &chosen).await? {
        ask::confirm("give this up?")?;
    }
    if session.recipe().source.files().is_some() {
        migrate::recover(&session).await?;
        let journal = session.journal().read().await?;
        return generations(&session, journal, &chosen, options).await;
    }
    let mut outcomes = Vec::new();
    for source in &chosen {
        session.check_stop()?;
        outcomes.push(abandon::abandon(&session, source).await);
    }
    let lookups = match session.journal().read().await {
        Ok(journal) => abandon::forget_lookups(&session, &journal)?,
        // Each part has said what is wrong.
        Err(error) if outcomes.iter().all(|outcome| outcome.error.is_none()) => {
            return Err(error.into());
        }
        Err(_) => Vec::new(),
    };
    display.finish();
    if options.parts.json {
        let whole =
            json!({ "migration": session.migration(), "parts": outcomes, "removed": lookups });
        println!("{whole}");
    } else {
        show(&outcomes, &lookups);
    }
    Ok(exit::code(outcomes.iter().filter_map(|outcome| outcome.ending).max_by_key(gravity)))
}

/// Gives up the generations that have not taken over.
async fn generations(
    session: &Session,
    journal: Journal,
    chosen: &[IndexName],
    options: &AbandonOptions,
) -> anyhow::Result<ExitCode> {
    let mut given_up = Vec::new();
    for name in chosen {
        let Some(state) = journal.parts.get(name) else { continue };
        // What has taken over is not meant: `segue rollback` is for that.
        if state.phase.is_switched() || matches!(state.phase, Phase::RolledBack | Phase::Abandoned)
        {
            continue;
        }
        load::give_up(session, name).await?;
        given_up.push(name.clone());
    }
    if options.parts.json {
        println!("{}", json!({ "migration": session.migration(), "given_up": given_up }));
    } else if given_up.is_empty() {
        println!("no generation is being loaded: there is nothing to give up");
    } else {
        given_up.iter().for_each(|name| println!("{name}\n    abandoned"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The parts of the journal that were asked for.
pub fn choose<'a>(
    session: &Session,
    options: &PartsOptions,
    known: impl Iterator<Item = (&'a IndexName, &'a PartState)>,
) -> anyhow::Result<Vec<IndexName>> {
    let chosen = select(session.recipe(), known, &options.only)
        .map_err(|error| Usage(format!("--only: {error}")))?;
    if chosen.is_empty() {
        eprintln!("{}: nothing has begun", session.migration());
    }
    Ok(chosen)
}

/// Orders endings by which counts for the whole command.
pub fn gravity(ending: &Ending) -> u8 {
    match ending {
        Ending::Limit => 0,
        Ending::Refused => 1,
        Ending::Diverged => 2,
        Ending::Failed => 3,
        Ending::Interrupted => 4,
    }
}

/// Shows what would be done; whether there is anything to ask about.
async fn announce(
    session: &Session,
    journal: &Journal,
    chosen: &[IndexName],
) -> anyhow::Result<bool> {
    let mut anything = false;
    for source in chosen {
        let Some(state) = journal.parts.get(source) else { continue };
        eprintln!("{source}: {}", state.phase);
        if let Some(refusal) = abandon::refusal(source, &state.phase) {
            eprintln!("    left alone: {refusal}");
            continue;
        }
        if matches!(state.phase, Phase::CuttingOver { .. }) {
            eprintln!(
                "    take back  its cutover; if that has switched already, nothing is given up"
            );
        }
        let removals = Found::look(session, source, state).await?.removals();
        anything |= state.phase != Phase::Abandoned || !removals.is_empty();
        for what in removals {
            eprintln!("    remove     {what}");
        }
    }
    Ok(anything)
}

fn show(outcomes: &[Abandoned], lookups: &[String]) {
    for outcome in outcomes {
        println!("{}\n    {}", outcome.source, outcome.phase);
        for what in &outcome.removed {
            println!("    removed: {what}");
        }
        for left in &outcome.left {
            println!("    left: {}: {}", left.what, left.why);
        }
        if let Some(error) = &outcome.error {
            println!("    error[{}]: {}", error.code, error.message);
        }
    }
    for what in lookups {
        println!("removed: {what}");
    }
}
