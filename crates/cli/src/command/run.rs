//! `segue run`, `segue verify` and `segue cutover`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use segue_engine::Ending;
use segue_engine::migrate::{self, Goal};
use segue_model::plan::Plan;
use segue_model::recipe::Recipe;
use tokio_util::sync::CancellationToken;

use super::account;
use super::ask::{self, stop_on_interrupt};
use super::plan::{Bounds, make, open};
use crate::args::RunOptions;
use crate::exit::{self, PlanRefused};
use crate::recipe_file;
use crate::render::progress::Display;
use crate::render::report;

/// Carries the recipe out as far as `goal`; then, if wanted, keeps following every `follow`.
pub async fn run(
    options: &RunOptions,
    goal: Goal,
    follow: Option<Duration>,
) -> anyhow::Result<ExitCode> {
    let recipe = recipe_file::load(&options.plan.file)?;
    account::check(options, &recipe)?;
    let mut is_told = false;
    let done = carry_out(options, &recipe, goal, follow, &mut is_told).await;
    if let Err(error) = &done
        && !is_told
    {
        account::failed(options, error)?;
    }
    done
}

/// As [`run`]; `is_told` becomes true with the report.
async fn carry_out(
    options: &RunOptions,
    recipe: &Recipe,
    goal: Goal,
    follow: Option<Duration>,
    is_told: &mut bool,
) -> anyhow::Result<ExitCode> {
    let cancel = CancellationToken::new();
    stop_on_interrupt(cancel.clone());
    let display = Display::start();
    let file = &options.plan.file;
    let max_batches = options.max_batches.or(recipe.limits.max_batches);
    let bounds = Bounds { max_batches, at_most: options.at_most };
    let session = open(file, bounds, display.listener(), cancel).await?;
    migrate::recover(&session).await?;
    let (mut plan, journal) = make(&session, &options.plan).await?;
    if !options.yes {
        segue_engine::forecast::predict(&session, &mut plan).await;
    }
    let errors = plan.errors().count();
    if errors > 0 {
        eprint!("{plan}");
        account::refused(options, plan.errors())?;
        return Err(PlanRefused(errors).into());
    }
    if plan.parts.is_empty() {
        eprint!("{plan}");
    }
    confirm(options, &plan)?;
    let ran = migrate::run(&session, &plan, journal, goal).await;
    display.finish();
    let ran = ran?;
    let json = serde_json::to_string(&ran.report)?;
    account::ended(options, &ran.report)?;
    *is_told = true;
    if options.plan.json {
        println!("{json}");
    } else {
        print!("{}", report::text(&ran.report));
    }
    match follow {
        Some(every) if ran.ending.is_none() => {
            std::io::stdout().flush()?;
            eprintln!("following every {} s; Ctrl-C ends it", every.as_secs());
            segue_engine::follow::follow(&session, &plan, every).await?;
            Ok(ExitCode::SUCCESS)
        }
        // Whoever follows is there to be stopped: what is done so far is kept.
        Some(_) if ran.ending == Some(Ending::Interrupted) => Ok(ExitCode::SUCCESS),
        _ => Ok(exit::code(ran.ending)),
    }
}

/// Shows the plan and asks, unless told not to or nothing is left to do.
fn confirm(options: &RunOptions, plan: &Plan) -> anyhow::Result<()> {
    if options.yes || plan.active().next().is_none() {
        return Ok(());
    }
    eprint!("{plan}");
    ask::confirm("carry this out?")
}
