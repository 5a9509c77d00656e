//! `segue plan`.

use std::process::ExitCode;

use segue_engine::journal_store::Journal;
use segue_engine::migrate;
use segue_engine::progress::Listener;
use segue_engine::session::{Drill, RunOptions, Session};
use segue_model::plan::Plan;
use tokio_util::sync::CancellationToken;

use crate::args::{PlanOptions, RecipeFile};
use crate::exit::{PlanRefused, Usage};
use crate::recipe_file;

/// Shows the plan.
pub async fn run(options: &PlanOptions) -> anyhow::Result<ExitCode> {
    let session =
        open(&options.file, Bounds::default(), Listener::new(|_| {}), CancellationToken::new())
            .await?;
    let (mut plan, _) = make(&session, options).await?;
    segue_engine::forecast::predict(&session, &mut plan).await;
    if options.json {
        println!("{}", serde_json::to_string(&plan)?);
    } else {
        print!("{plan}");
    }
    match plan.errors().count() {
        0 => Ok(ExitCode::SUCCESS),
        errors => Err(PlanRefused(errors).into()),
    }
}

/// How much a run may do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// Bulk requests.
    pub max_batches: Option<u64>,
    /// Time after which nothing more is begun.
    pub at_most: Option<std::time::Duration>,
}

/// Opens a session for the recipe.
pub async fn open(
    file: &RecipeFile,
    bounds: Bounds,
    listener: Listener,
    cancel: CancellationToken,
) -> anyhow::Result<Session> {
    let recipe = recipe_file::load(file)?;
    let cluster = recipe_file::connect(&recipe, &recipe_file::folder(file))?;
    let options = RunOptions {
        folder: recipe_file::folder(file),
        state_dir: recipe_file::state_dir(&cluster).await?,
        max_batches: bounds.max_batches,
        at_most: bounds.at_most,
        watchdog: watchdog_command(file)?,
        drill: drill(),
    };
    Ok(Session::open(cluster, recipe, options, listener, cancel).await?)
}

/// The plan, cut down to the parts that were asked for.
pub async fn make(session: &Session, options: &PlanOptions) -> anyhow::Result<(Plan, Journal)> {
    let folder = recipe_file::folder(&options.file);
    let (plan, journal) = migrate::plan(session, &folder).await?;
    let plan = plan.only(&options.only).map_err(|error| Usage(format!("--only: {error}")))?;
    Ok((plan, journal))
}

/// What tests want to go wrong; never in a release.
fn drill() -> Drill {
    if !cfg!(debug_assertions) {
        return Drill::default();
    }
    let step = |name: &str| std::env::var(name).ok();
    Drill { die_at: step("SEGUE_DIE_AT"), fail_at: step("SEGUE_FAIL_AT") }
}

fn watchdog_command(file: &RecipeFile) -> anyhow::Result<Vec<String>> {
    let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    let mut command = vec![text(std::env::current_exe()?), "watchdog".to_owned()];
    command.push(text(file.recipe.clone()));
    for (name, value) in &file.set {
        command.push("--set".to_owned());
        command.push(format!("{name}={value}"));
    }
    Ok(command)
}
