//! `segue worker`.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use segue_engine::Ending;
use segue_engine::error::LEASED;
use segue_engine::journal_store::Journal;
use segue_engine::migrate::{self, Goal};
use segue_engine::report::{PartReport, Report};
use segue_engine::session::Session;
use segue_model::id::IndexName;
use segue_model::journal::Event;
use segue_model::plan::Action;
use tokio_util::sync::CancellationToken;

use super::ask::stop_on_interrupt;
use super::plan::{Bounds, make, open};
use crate::args::PlanOptions;
use crate::exit::{self, PlanRefused, Usage};
use crate::render::progress::Display;
use crate::render::report;

/// How long a worker that has nothing to do waits before it looks again.
const IDLE: Duration = Duration::from_secs(2);

/// Works along until every part is done, or this process can do no more.
pub async fn run(options: &PlanOptions) -> anyhow::Result<ExitCode> {
    let cancel = CancellationToken::new();
    stop_on_interrupt(cancel.clone());
    let display = Display::start();
    let session = open(&options.file, Bounds::default(), display.listener(), cancel).await?;
    let ended = work(&session, options).await;
    display.finish();
    ended
}

async fn work(session: &Session, options: &PlanOptions) -> anyhow::Result<ExitCode> {
    let (mut seen_to, mut worst) = (BTreeSet::new(), None);
    loop {
        migrate::recover(session).await?;
        let (mut plan, journal) = make(session, options).await?;
        let errors = plan.errors().count();
        if errors > 0 {
            eprint!("{plan}");
            return Err(PlanRefused(errors).into());
        }
        if !is_begun(&journal) {
            let text = "nobody has begun this migration: `segue run` does, after it was confirmed";
            return Err(Usage(text.to_owned()).into());
        }
        // What somebody gave up is not for a worker to begin anew.
        let given_up = |source: &IndexName| {
            journal.parts.get(source).is_some_and(|state| state.phase.is_given_up())
        };
        plan.parts.retain(|part| {
            is_open(&part.action) && !seen_to.contains(&part.source) && !given_up(&part.source)
        });
        if plan.parts.is_empty() {
            return Ok(exit::code(worst));
        }
        let ran = migrate::run(session, &plan, journal, Goal::Join).await?;
        if ran.ending == Some(Ending::Interrupted) {
            return Ok(exit::code(ran.ending));
        }
        let mut report = ran.report;
        report.parts.retain(|part| !is_left_to_others(part));
        if report.parts.iter().any(|part| part.error.is_some()) {
            worst = worst.or(ran.ending);
        }
        seen_to.extend(report.parts.iter().map(|part| part.source.clone()));
        show(report, options.json)?;
        session.sleep(IDLE).await?;
    }
}

/// One report for each round in which something was done.
fn show(report: Report, json: bool) -> anyhow::Result<()> {
    if report.parts.is_empty() {
        return Ok(());
    }
    let report = report.sum();
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", report::text(&report));
    }
    Ok(())
}

fn is_left_to_others(part: &PartReport) -> bool {
    part.error.as_ref().is_some_and(|error| error.code == LEASED)
}

fn is_begun(journal: &Journal) -> bool {
    journal.migration.iter().any(|event| matches!(event, Event::PlanAdopted { .. }))
}

fn is_open(action: &Action) -> bool {
    !matches!(action, Action::Skip { .. })
}
