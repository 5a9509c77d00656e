//! `segue run --dry-run`.

use std::process::ExitCode;

use anyhow::Context;
use segue_engine::Ending;
use segue_engine::dry_run::{Amount, dry_run};
use tokio_util::sync::CancellationToken;

use super::ask::stop_on_interrupt;
use super::plan::{Bounds, make, open};
use crate::args::FollowOptions;
use crate::exit::{self, PlanRefused};
use crate::render::dry_run::text;
use crate::render::progress::Display;

/// Tries what would become of documents; changes nothing that stays.
pub async fn run(options: &FollowOptions) -> anyhow::Result<ExitCode> {
    let cancel = CancellationToken::new();
    stop_on_interrupt(cancel.clone());
    let display = Display::start();
    let run = &options.run;
    let session = open(&run.plan.file, Bounds::default(), display.listener(), cancel).await?;
    let (plan, _) = make(&session, &run.plan).await?;
    let errors = plan.errors().count();
    if errors > 0 {
        eprint!("{plan}");
        return Err(PlanRefused(errors).into());
    }
    let amount = match options.all {
        true => Amount::All,
        false => Amount::Sample(options.sample),
    };
    let tried = dry_run(&session, &plan, amount).await;
    display.finish();
    let tried = tried?;
    let json = serde_json::to_string(&tried)?;
    if let Some(path) = &run.report {
        std::fs::write(path, format!("{json}\n"))
            .with_context(|| format!("cannot write the report {}", path.display()))?;
    }
    if run.plan.json {
        println!("{json}");
    } else {
        print!("{}", text(&tried));
    }
    let failed = tried.parts.iter().any(|part| part.error.is_some());
    Ok(exit::code(match (failed, tried.is_clean()) {
        (true, _) => Some(Ending::Failed),
        (_, false) => Some(Ending::Refused),
        _ => None,
    }))
}
