//! `cargo xtask model`: every order of events of a small world.

use clap::Args;

use crate::run::Run;
use crate::step::Step;

/// How far to walk.
#[derive(Debug, Args)]
pub(crate) struct Wanted {
    /// The most steps from the beginning; without it every walk is made to its end.
    #[arg(long)]
    depth: Option<usize>,
    /// Only what is about this scenario.
    #[arg(long)]
    scenario: Option<String>,
}

pub(crate) fn run(wanted: &Wanted) -> anyhow::Result<()> {
    let mut run = Run::begin(false)?;
    let mut step = Step::cargo("model", "run --quiet --locked --package segue-model-check --");
    if let Some(depth) = wanted.depth {
        step = step.argument(format!("--depth={depth}"));
    }
    if let Some(scenario) = &wanted.scenario {
        step = step.argument(format!("--scenario={scenario}"));
    }
    run.step(step.within(60))
}
