//! `segue rollback`.

use std::io::IsTerminal;
use std::process::ExitCode;

use segue_engine::Error;
use segue_engine::load;
use segue_engine::migrate;
use segue_engine::rollback::{Candidate, candidates, roll_back};
use segue_engine::session::Session;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::ask::{self, stop_on_interrupt};
use super::plan::{Bounds, make, open};

use crate::args::RollbackOptions;
use crate::exit;
use crate::render::progress::Display;
use crate::render::rollback::{losses, text};

/// Takes the switched parts of the recipe back.
pub async fn run(options: &RollbackOptions) -> anyhow::Result<ExitCode> {
    let cancel = CancellationToken::new();
    stop_on_interrupt(cancel.clone());
    let display = Display::start();
    let session = open(&options.plan.file, Bounds::default(), display.listener(), cancel).await?;
    migrate::recover(&session).await?;
    if session.recipe().source.files().is_some() {
        return generation(&session, options).await;
    }
    // What is wrong with parts that are still to be migrated does not concern those that go back.
    let (plan, journal) = make(&session, &options.plan).await?;
    let found = candidates(&session, &plan, &journal).await?;
    if found.is_empty() {
        eprintln!("no part is switched: there is nothing to go back from");
    } else {
        confirm(options, &found)?;
    }
    let done = roll_back(&session, found, journal, options.discard_writes).await;
    display.finish();
    let done = done?;
    if options.plan.json {
        println!("{}", serde_json::to_string(&done.report)?);
    } else {
        print!("{}", text(&done.report));
    }
    Ok(exit::code(done.ending))
}

/// Takes the last swap back.
async fn generation(session: &Session, options: &RollbackOptions) -> anyhow::Result<ExitCode> {
    let Some(back) = load::back::look(session).await? else {
        eprintln!("no generation has taken the place of another: there is nothing to go back from");
        if options.plan.json {
            println!("{}", json!({ "migration": session.migration(), "parts": [] }));
        }
        return Ok(ExitCode::SUCCESS);
    };
    eprintln!("from {} back to {}", back.from, back.to);
    if back.writes > 0 {
        eprintln!("    would be lost: {} operations on {}", back.writes, back.from);
        if !options.discard_writes {
            let lost = format!("{} operations on {}", back.writes, back.from);
            return Err(Error::WouldLose(lost).into());
        }
    }
    if !options.yes {
        ask::confirm("go back?")?;
    }
    let done = load::back::roll_back(session, back, options.discard_writes).await?;
    if options.plan.json {
        println!("{}", json!({ "migration": session.migration(), "parts": [done] }));
    } else {
        println!("{} <- {}\n    rolled back in {} ms", done.to, done.from, done.closed_ms);
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows what goes back and what would be lost, and asks.
fn confirm(options: &RollbackOptions, found: &[Candidate]) -> anyhow::Result<()> {
    let mut lost = Vec::new();
    for candidate in found {
        let part = candidate.part();
        eprintln!("{}: from {} back to {}", part.source, part.target, part.keep);
        match candidate.losses.filter(|losses| !losses.is_none()) {
            Some(some) => {
                eprintln!("    would be lost: {}", losses(&some));
                lost.push(format!("{} of {}", losses(&some), part.source));
            }
            None => eprintln!("    nothing is lost"),
        }
    }
    if !lost.is_empty() && !options.discard_writes {
        // Who only says yes may not know that something is lost.
        if !options.yes && std::io::stdin().is_terminal() {
            return ask::confirm("go back and lose that?");
        }
        eprintln!(
            "to lose nothing set cutover.reverse_for in the recipe; to go back all the same give \
             --discard-writes"
        );
        return Err(Error::WouldLose(lost.join("; ")).into());
    }
    if options.yes { Ok(()) } else { ask::confirm("go back?") }
}
